#include "sys/state/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

struct state_daemon {
	int fd; /* to the command: one packet with the report */
	bool keeps_output;
};

static int replace_descriptor(const char *path, int flags, int target)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0600), error = 0;

	if (fd < 0)
		return -errno;
	if (fd == target)
		return fcntl(fd, F_SETFD, 0) ? -errno : 0;
	if (dup2(fd, target) < 0)
		error = -errno;
	close(fd);
	return error;
}

static int replace_output(const char *path)
{
	int error;

	fflush(stdout);
	fflush(stderr);
	error = replace_descriptor(path, O_WRONLY | O_CREAT | O_APPEND, STDOUT_FILENO);
	if (!error && dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
		error = -errno;
	return error;
}

static int send_report(struct state_daemon *daemon, int exit_code, const char *message)
{
	struct state_report report = {.exit_code = exit_code};
	int error = 0;

	if (!daemon)
		return 0;
	text_copy(report.message, sizeof(report.message), message);
	if (send(daemon->fd, &report, sizeof(report), MSG_NOSIGNAL) < 0)
		error = errno == ECONNRESET ? -EPIPE : -errno;
	/* Nobody waits for an answer from here on: a pipe that the command's caller reads to its
	 * end must not stay open. */
	if (!daemon->keeps_output)
		replace_output("/dev/null");
	close(daemon->fd);
	free(daemon);
	return error;
}

void state_daemon_keep_output(struct state_daemon *daemon)
{
	if (daemon)
		daemon->keeps_output = true;
}

int state_daemon_ready(struct state_daemon *daemon, const char *message)
{
	return send_report(daemon, 0, message);
}

int state_daemon_fail(struct state_daemon *daemon, int exit_code, const char *message)
{
	return send_report(daemon, exit_code ? exit_code : 1, message);
}

/* In the daemon. log_path may be relative: it is opened before the folder changes. */
static void settle(struct state_daemon *daemon, const char *log_path)
{
	int error = replace_descriptor("/dev/null", O_RDONLY, STDIN_FILENO);

	if (!error && log_path)
		error = replace_output(log_path);
	if (!error && chdir("/"))
		error = -errno;
	if (error) {
		auto_free char *text = memory_print("cannot go to the background%s%s: %s",
						    log_path ? " with the log " : "",
						    log_path ? log_path : "", strerror(-error));

		state_daemon_fail(daemon, 1, text);
		_exit(1);
	}
}

/* In the child: its own session, and then a second fork, so that no terminal can be acquired. */
static void become_daemon(struct state_daemon *daemon)
{
	pid_t child;

	setsid();
	child = fork();
	if (child < 0)
		state_daemon_fail(daemon, 1, "cannot go to the background: fork failed");
	if (child)
		_exit(child < 0);
}

static void wait_for_report(int fd, pid_t child, struct state_report *ret_report)
{
	ssize_t size;

	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	do
		size = recv(fd, ret_report, sizeof(*ret_report), 0);
	while (size < 0 && errno == EINTR);
	if (size == sizeof(*ret_report))
		return;
	ret_report->exit_code = 1;
	text_copy(ret_report->message, sizeof(ret_report->message),
		  "the daemon ended before it was ready");
}

int state_daemon_begin(const char *log_path, struct state_daemon **ret_daemon,
		       struct state_report *ret_report)
{
	int ends[2], error = 0;
	pid_t child;

	*ret_daemon = NULL;
	/* Whole messages, no SIGPIPE, and an end when the other side dies. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	fflush(NULL);
	child = fork();
	if (!child) {
		close(ends[0]);
		*ret_daemon = new (struct state_daemon);
		**ret_daemon = (struct state_daemon){.fd = ends[1], .keeps_output = log_path};
		become_daemon(*ret_daemon);
		settle(*ret_daemon, log_path);
		return 0;
	}
	if (child < 0)
		error = -errno;
	close(ends[1]);
	if (!error)
		wait_for_report(ends[0], child, ret_report);
	close(ends[0]);
	return error;
}
