#include "wg/standalone.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "device/builtin/builtin.h"
#include "device/uapi/serve.h"
#include "port/port.h"
#include "sys/loop/loop.h"
#include "sys/privilege/privilege.h"
#include "sys/state/daemon.h"
#include "sys/state/files.h"
#include "sys/state/lock.h"
#include "sys/watch/watch.h"
#include "wg/control.h"

struct standalone {
	const struct standalone_options *options;
	const char *interface; /* of the options, or of the inherited descriptor */
	struct state_lock *lock;
	struct loop *loop;
	struct builtin *builtin;
	struct serve *serve;
	struct watch *watch;
	struct control *control; /* NULL: nobody can ask for the status */
	char privileges[PRIVILEGE_TEXT_SIZE];
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

static void on_signal(void *owner, int signal)
{
	struct standalone *standalone = owner;

	log_info("stopped interface=%s signal=%d", standalone->interface, signal);
	loop_stop(standalone->loop);
}

static void on_interface_gone(void *owner)
{
	struct standalone *standalone = owner;

	log_info("interface-gone interface=%s", standalone->interface);
	loop_stop(standalone->loop);
}

static void on_socket_gone(void *owner)
{
	struct standalone *standalone = owner;

	log_info("socket-gone interface=%s path=%s", standalone->interface,
		 serve_path(standalone->serve));
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

	if (standalone->options->tun_fd)
		return fail(standalone, "WG_TUN_FD is no TUN interface without packet information");
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
	struct builtin_options options = {.interface = standalone->options->interface,
					  .workers = standalone->options->workers,
					  .limits = standalone->options->limits,
					  .tun_fd = standalone->options->tun_fd};
	const struct builtin_events events = {.owner = standalone, .on_gone = on_interface_gone};
	int error;

	if (builtin_options_without(&options))
		return fail(standalone, BUILTIN_WITHOUT " takes " BUILTIN_WITHOUT_WORDS);
	error = builtin_new(standalone->loop, &options, &events, &standalone->builtin);
	if (error)
		return device_error(standalone, error);
	standalone->interface = builtin_interface(standalone->builtin);
	return 0;
}

static int open_socket(struct standalone *standalone)
{
	const struct serve_options options = {.builtin = standalone->builtin,
					      .fd = standalone->options->uapi_fd};
	const char *interface = standalone->interface;
	int error = serve_new(standalone->loop, &options, &standalone->serve);

	if (error == -EADDRINUSE)
		return fail(standalone,
			    "another program serves " UAPI_FOLDER "/%s.sock; interface names must "
			    "differ, also between network namespaces",
			    interface);
	if (error && options.fd)
		return fail(standalone, "WG_UAPI_FD is no Unix socket that listens under a name");
	if (!error)
		error = watch_new(standalone->loop, serve_path(standalone->serve), on_socket_gone,
				  standalone, &standalone->watch);
	if (error)
		return fail(standalone, "cannot listen on " UAPI_FOLDER "/%s.sock: %s", interface,
			    strerror(-error));
	return 0;
}

/* A device without it is as good; only its counters cannot be seen. */
static void open_control(struct standalone *standalone)
{
	int error = control_new(standalone->loop, standalone->builtin, &standalone->control);

	if (error)
		log_warn("status-unavailable interface=%s error=\"%s\"", standalone->interface,
			 strerror(-error));
}

/* What is left to do is moving packets, answering wg(8), and removing the socket at the end. */
static int drop_privileges(struct standalone *standalone)
{
	const struct privilege_options options = {
		.role = PRIVILEGE_WG, .run = state_run_dir(), .sockets = UAPI_FOLDER};

	if (!privilege_drop(&options, standalone->privileges))
		return 0;
	return fail(standalone, "cannot give up privileges: %s", standalone->privileges);
}

static int start(struct standalone *standalone)
{
	int error;

	if (take_lock(standalone) || start_loop(standalone) || open_device(standalone))
		return -1;
	open_control(standalone);
	if (open_socket(standalone) || drop_privileges(standalone))
		return -1;
	error = builtin_start_workers(standalone->builtin);
	return error ? fail(standalone, "cannot start threads: %s", strerror(-error)) : 0;
}

static void serve(struct standalone *standalone)
{
	log_info("started interface=%s port=%u %s", standalone->interface,
		 port_number(builtin_port(standalone->builtin)), standalone->privileges);
	loop_run(standalone->loop);
}

static void stop(struct standalone *standalone)
{
	control_free(standalone->control);
	watch_free(standalone->watch);
	serve_free(standalone->serve);
	builtin_free(standalone->builtin);
	if (standalone->loop)
		loop_free(standalone->loop);
	state_lock_free(standalone->lock);
}

int standalone_run(const struct standalone_options *options)
{
	struct standalone standalone = {.options = options, .interface = options->interface};
	int exit_code = 0;

	privilege_keep_private();
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
