#include "cmd/hub_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "cmd/hub_text.h"
#include "crypto/secret.h"
#include "hub/admin.h"
#include "sys/ctl/ctl.h"
#include "sys/state/files.h"
#include "sys/state/lock.h"

#define ASK_TIMEOUT (10 * USEC_PER_SEC)
/* Somebody else has the registry: a hub that is starting, which will answer on its socket in a
 * moment, or another administrator, who is done in a moment. */
#define LOCK_WAIT   (500 * USEC_PER_MSEC)
#define LOCK_TRIES  10

struct hub_paths hub_paths_new(const char *config)
{
	return (struct hub_paths){
		.config = config ? memory_copy_text(config)
				 : state_path(state_config_dir(), "hub", ".conf"),
		.database = state_path(state_state_dir(), STORE_FILE, ""),
		.lock = state_path(state_state_dir(), "hub", ".lock"),
		.socket = state_path(state_run_dir(), "hub", ".sock"),
	};
}

void hub_paths_done(struct hub_paths *paths)
{
	free(paths->config);
	free(paths->database);
	free(paths->lock);
	free(paths->socket);
}

int hub_read_config(const struct hub_paths *paths, struct hub_config *ret_config)
{
	struct buffer text = {0};
	struct conf_error error;
	int result = state_read_secret_file(paths->config, CONF_TEXT_MAX, &text);

	if (result == -ENOENT)
		return cmd_fail("there is no %s; make a hub with `wayleave hub init`",
				paths->config);
	if (result)
		return cmd_fail_file("read", paths->config, result);
	result = hub_config_parse(text.data, text.size, paths->config, ret_config, &error);
	cmd_forget_buffer(&text);
	return result ? cmd_fail("%s", error.text) : CMD_OK;
}

/* ---- a stopped hub ---- */

static int ask_store(struct store *store, const struct hub_config *config, const char *request,
		     struct buffer *answer)
{
	struct admin_change change;
	struct admin *admin;
	int64_t now = time(NULL);
	char *text;

	store_reserve_name(store, config->name);
	if (store_set_pools(store, config->addresses, config->address_count, now) != STORE_OK)
		return cmd_fail("%s", store_problem(store));
	admin = admin_new(store, config);
	/* Who may open the registry and the hub's key is its administrator. */
	text = admin_handle(admin, request, true, now, &change);
	admin_free(admin);
	buffer_add(answer, text, strlen(text));
	secret_wipe(text, strlen(text));
	free(text);
	return CMD_OK;
}

static int ask_stopped(const struct hub_paths *paths, const char *request, struct buffer *answer)
{
	char problem[STORE_PROBLEM_SIZE];
	struct hub_config config;
	struct store *store;
	int result = hub_read_config(paths, &config);

	if (result != CMD_OK)
		return result;
	if (store_open(paths->database, &store, problem) == STORE_OK) {
		result = ask_store(store, &config, request, answer);
		store_close(store);
	} else {
		result = cmd_fail("%s", problem);
	}
	hub_config_done(&config);
	return result;
}

/* ---- whichever it is ---- */

static int fail_call(const char *path, int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return cmd_fail("no permission for %s; run as root", path);
	case -ETIMEDOUT:
		return cmd_fail("the hub does not answer on %s", path);
	case -EPIPE:
		return cmd_fail("the hub ended before it had answered; whether it was done, "
				"`wayleave hub log` tells");
	}
	return cmd_fail("%s: %s", path, strerror(-error));
}

static bool is_stopped(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED;
}

static int fail_lock(const struct hub_paths *paths, int error, pid_t holder)
{
	if (error == -EBUSY)
		return cmd_fail("another hub or administrator (pid %d) keeps %s; try again",
				(int)holder, paths->database);
	if (error == -ENOENT)
		return cmd_fail("there is no %s; make a hub with `wayleave hub init`",
				paths->database);
	return cmd_fail_file("lock", paths->lock, error);
}

static int ask_either(const struct hub_paths *paths, const char *request, struct buffer *answer)
{
	struct state_lock *lock = NULL;
	pid_t holder = 0;
	int error = -EBUSY, result;

	for (int tries = 0; tries < LOCK_TRIES && error == -EBUSY; tries++) {
		error = ctl_call(paths->socket, request, ASK_TIMEOUT, answer);
		if (!error)
			return CMD_OK;
		if (!is_stopped(error))
			return fail_call(paths->socket, error);
		error = state_lock_wait(paths->lock, LOCK_WAIT, &lock, &holder);
	}
	if (error)
		return fail_lock(paths, error, holder);
	result = ask_stopped(paths, request, answer);
	state_lock_free(lock);
	return result;
}

/* The answer, or NULL after its refusal was told. */
static json_t *read_answer(const struct buffer *text)
{
	json_t *answer = json_loadb(text->data, text->size, JSON_REJECT_DUPLICATES, NULL);
	const char *error = json_string_value(json_object_get(answer, "error"));
	char shown[STORE_PROBLEM_SIZE];

	if (json_is_true(json_object_get(answer, "ok")))
		return answer;
	if (error)
		hub_text_printable(error, shown, sizeof(shown));
	cmd_fail("%s", error ? shown : "the hub's answer makes no sense");
	json_decref(answer);
	return NULL;
}

int hub_ask(json_t *request, json_t **ret_answer)
{
	struct hub_paths paths = hub_paths_new(NULL);
	auto_free char *line = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct buffer answer = {0};
	int result;

	json_decref(request);
	*ret_answer = NULL;
	/* json_pack() refuses what is no UTF-8, and what is no JSON is no text. */
	if (!line)
		result =
			cmd_usage_error("wayleave hub", "an argument is not readable text (UTF-8)");
	else
		result = ask_either(&paths, line, &answer);
	if (result == CMD_OK) {
		*ret_answer = read_answer(&answer);
		result = *ret_answer ? CMD_OK : CMD_FAILED;
	}
	cmd_forget_buffer(&answer);
	hub_paths_done(&paths);
	return result;
}

int hub_ask_running(json_t *request, json_t **ret_answer)
{
	struct hub_paths paths = hub_paths_new(NULL);
	auto_free char *line = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
	auto_buffer struct buffer answer = {0};
	int error = ctl_call(paths.socket, line, ASK_TIMEOUT, &answer), result = CMD_FAILED;

	json_decref(request);
	*ret_answer = NULL;
	if (is_stopped(error))
		cmd_fail("the hub is not running; start it with `wayleave hub run`");
	else if (error)
		fail_call(paths.socket, error);
	else
		*ret_answer = read_answer(&answer);
	if (*ret_answer)
		result = CMD_OK;
	hub_paths_done(&paths);
	return result;
}

int hub_print_json(json_t *answer)
{
	auto_free char *text = NULL;

	json_object_del(answer, "ok");
	text = json_dumps(answer, JSON_INDENT(2));
	puts(text);
	return cmd_finish_output();
}
