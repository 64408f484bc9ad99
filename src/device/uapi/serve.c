#include "device/uapi/serve.h"

#include <time.h>

#include "base/memory.h"
#include "device/builtin/builtin.h"
#include "device/uapi/control.h"
#include "sys/ctl/ctl.h"
#include "sys/loop/loop.h"
#include "sys/state/files.h"

struct serve {
	struct loop *loop;
	struct control control;
	struct ctl_server *server;
};

static uint64_t realtime_nsec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void on_request(void *owner, const char *request, size_t size, struct buffer *answer)
{
	struct serve *serve = owner;

	control_answer(&serve->control, loop_now(serve->loop), realtime_nsec(), request, size,
		       answer);
}

static int listen_at_name(struct serve *serve, const char *interface)
{
	auto_free char *path = state_path(UAPI_FOLDER, interface, ".sock");
	int error = state_make_folder(UAPI_FOLDER, 0755);

	return error ? error : ctl_listen_raw(serve->loop, path, on_request, serve, &serve->server);
}

int serve_new(struct loop *loop, const struct serve_options *options, struct serve **ret_serve)
{
	struct serve *serve = new (struct serve);
	int error;

	serve->loop = loop;
	serve->control = (struct control){.builtin = options->builtin,
					  .fwmark = options->fwmark,
					  .on_refused = options->on_refused,
					  .owner = options->owner};
	error = options->fd ? ctl_adopt_raw(loop, options->fd, on_request, serve, &serve->server)
			    : listen_at_name(serve, builtin_interface(options->builtin));
	if (error) {
		serve_free(serve);
		return error;
	}
	*ret_serve = serve;
	return 0;
}

void serve_free(struct serve *serve)
{
	if (!serve)
		return;
	if (serve->server)
		ctl_server_free(serve->server);
	free(serve);
}

const char *serve_path(const struct serve *serve)
{
	return ctl_server_path(serve->server);
}
