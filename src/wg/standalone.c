#include "wg/standalone.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "device/builtin/builtin.h"
#include "port/port.h"
#include "sys/ctl/ctl.h"
#include "sys/loop/loop.h"
#include "sys/state/daemon.h"
#include "sys/state/files.h"
#include "sys/state/lock.h"
#include "sys/watch/watch.h"
#include "wg/control.h"

struct standalone {
	const struct standalone_options *options;
	struct state_lock *lock;
	struct loop *loop;
	struct control control;
	struct ctl_server *server;
	struct watch *watch;
	char *socket_path;
};

static int fail(const struct standalone *standalone, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* One line, to whoever waits for it. Returns -1. */
static int fail(const struct standalone *standalone, const char *format, ...)
{
	char message[STATE_REPORT_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	if (standalone->options->daemon)
		state_daemon_fail(standalone->options->daemon, 1, message);
	else
		log_error("%s", message);
	return -1;
}

static uint64_t realtime_nsec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void on_request(void *owner, const char *request, size_t size, struct buffer *answer)
{
	struct standalone *standalone = owner;

	control_answer(&standalone->control, loop_now(standalone->loop), realtime_nsec(), request,
		       size, answer);
}

static void on_signal(void *owner, int signal)
{
	struct standalone *standalone = owner;

	log_info("stopped interface=%s signal=%d", standalone->options->interface, signal);
	loop_stop(standalone->loop);
}

static void on_interface_gone(void *owner)
{
	struct standalone *standalone = owner;

	log_info("interface-gone interface=%s", standalone->options->interface);
	loop_stop(standalone->loop);
}

static void on_socket_gone(void *owner)
{
	struct standalone *standalone = owner;

	log_info("socket-gone interface=%s path=%s", standalone->options->interface,
		 standalone->socket_path);
	loop_stop(standalone->loop);
}

/* The lock is the one that `wayleave up` takes too: an interface has one owner. */
static int take_lock(struct standalone *standalone)
{
	const char *interface = standalone->options->interface;
	auto_free char *path = state_path(state_run_dir(), interface, ".lock");
	pid_t holder = 0;
	int error = state_make_folder(state_run_dir(), 0755);

	if (!error)
		error = state_lock_take(path, &standalone->lock, &holder);
	if (error == -EBUSY)
		return fail(standalone, "another wayleave runs on %s (process %d); stop it first",
			    interface, (int)holder);
	if (error)
		return fail(standalone, "cannot lock %s: %s%s", path, strerror(-error),
			    error == -EACCES || error == -EPERM ? "; run as root" : "");
	return 0;
}

static int start_loop(struct standalone *standalone)
{
	static const int signals[] = {SIGTERM, SIGINT};
	int error;

	standalone->loop = loop_new();
	if (!standalone->loop)
		return fail(standalone, "cannot start the event loop: %s", strerror(errno));
	error = loop_on_signals(standalone->loop, signals, array_size(signals), on_signal,
				standalone);
	if (error)
		return fail(standalone, "cannot handle signals: %s", strerror(-error));
	return 0;
}

static int device_error(const struct standalone *standalone, int error)
{
	const char *interface = standalone->options->interface;

	switch (-error) {
	case EBUSY:
		return fail(
			standalone,
			"interface %s exists and is not ours; choose another name, or remove it "
			"with `ip link delete %s`",
			interface, interface);
	case ENOENT:
	case ENODEV:
		return fail(standalone, "no /dev/net/tun here; load the tun module, or give the "
					"container the device");
	case EPERM:
	case EACCES:
		return fail(standalone, "not allowed to create interface %s; run as root",
			    interface);
	}
	return fail(standalone, "cannot create interface %s: %s", interface, strerror(-error));
}

static int open_device(struct standalone *standalone)
{
	const struct builtin_options options = {.interface = standalone->options->interface};
	const struct builtin_events events = {.owner = standalone, .on_gone = on_interface_gone};
	int error = builtin_new(standalone->loop, &options, &events, &standalone->control.builtin);

	return error ? device_error(standalone, error) : 0;
}

static int open_socket(struct standalone *standalone)
{
	int error = state_make_folder(STANDALONE_FOLDER, 0755);

	if (!error)
		error = ctl_listen_raw(standalone->loop, standalone->socket_path, on_request,
				       standalone, &standalone->server);
	if (error == -EADDRINUSE)
		return fail(standalone,
			    "another program serves %s; interface names must differ, also between "
			    "network namespaces",
			    standalone->socket_path);
	if (!error)
		error = watch_new(standalone->loop, standalone->socket_path, on_socket_gone,
				  standalone, &standalone->watch);
	if (error)
		return fail(standalone, "cannot listen on %s: %s", standalone->socket_path,
			    strerror(-error));
	return 0;
}

static int start(struct standalone *standalone)
{
	if (take_lock(standalone) || start_loop(standalone) || open_device(standalone) ||
	    open_socket(standalone))
		return -1;
	return 0;
}

static void serve(struct standalone *standalone)
{
	log_info("started interface=%s port=%u", standalone->options->interface,
		 port_number(builtin_port(standalone->control.builtin)));
	loop_run(standalone->loop);
}

static void stop(struct standalone *standalone)
{
	watch_free(standalone->watch);
	if (standalone->server)
		ctl_server_free(standalone->server);
	builtin_free(standalone->control.builtin);
	if (standalone->loop)
		loop_free(standalone->loop);
	state_lock_free(standalone->lock);
	free(standalone->socket_path);
}

int standalone_run(const struct standalone_options *options)
{
	static const struct rlimit no_core = {0, 0};
	struct standalone standalone = {.options = options};
	int exit_code = 0;

	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_DUMPABLE, 0);
	standalone.socket_path = state_path(STANDALONE_FOLDER, options->interface, ".sock");
	if (start(&standalone)) {
		exit_code = 1;
	} else {
		/* When the command that waited is gone, its user wanted the daemon gone. */
		if (!state_daemon_ready(options->daemon, ""))
			serve(&standalone);
	}
	stop(&standalone);
	return exit_code;
}
