#include "cmd/client.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "sys/ctl/ctl.h"
#include "sys/state/files.h"

#define ASK_TIMEOUT (5 * USEC_PER_SEC)

static int fail_call(const char *interface, const char *path, int error)
{
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		return cmd_fail("%s is not up; start it with: wayleave up -i %s", interface,
				interface);
	case -EACCES:
		return cmd_fail("no permission for %s; run as root, or join the group " CTL_GROUP,
				path);
	case -ETIMEDOUT:
		return cmd_fail("the daemon of %s does not answer", interface);
	case -EPIPE:
		return cmd_fail("the daemon of %s ended before it had answered", interface);
	default:
		return cmd_fail("%s: %s", path, strerror(-error));
	}
}

/* The object of one line; NULL, and told, when it is none or carries an error. */
static json_t *object_of(const char *line, size_t size)
{
	json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	const char *error = json_string_value(json_object_get(object, "error"));
	char shown[512];

	if (json_is_object(object) && !error)
		return object;
	if (error)
		text_escape(shown, sizeof(shown), error, strlen(error));
	cmd_fail("%s", error ? shown : "the daemon's answer makes no sense");
	json_decref(object);
	return NULL;
}

int client_ask(const char *interface, json_t *request, json_t **ret_answer)
{
	auto_free char *path = state_path(state_run_dir(), interface, ".sock");
	auto_free char *line = json_dumps(request, JSON_COMPACT);
	auto_buffer struct buffer answer = {0};
	int error = ctl_call(path, line, ASK_TIMEOUT, &answer);

	json_decref(request);
	if (error)
		return fail_call(interface, path, error);
	*ret_answer = object_of(answer.data, answer.size);
	return *ret_answer ? CMD_OK : CMD_FAILED;
}

struct watch {
	bool (*on_object)(void *owner, const json_t *object);
	void *owner;
	bool is_nonsense;
};

static bool on_line(void *owner, const char *line)
{
	struct watch *watch = owner;
	json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	bool goes_on = false;

	watch->is_nonsense = !json_is_object(object);
	if (!watch->is_nonsense)
		goes_on = watch->on_object(watch->owner, object);
	json_decref(object);
	return goes_on;
}

int client_watch(const char *interface, json_t *request, usec_t timeout,
		 bool (*on_object)(void *owner, const json_t *object), void *owner)
{
	auto_free char *path = state_path(state_run_dir(), interface, ".sock");
	auto_free char *line = json_dumps(request, JSON_COMPACT);
	struct watch watch = {.on_object = on_object, .owner = owner};
	int error = ctl_watch(path, line, timeout, on_line, &watch);

	json_decref(request);
	if (error == -EINTR)
		return error;
	if (error)
		return fail_call(interface, path, error);
	return watch.is_nonsense ? cmd_fail("the daemon's answer makes no sense") : CMD_OK;
}
