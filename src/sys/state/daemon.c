#include "sys/state/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

struct state_daemon {
	int pipe;
	bool keeps_output; /* stdout and stderr are a log file */
};

/* What goes through the pipe: exit code, then the line. */
struct report {
	int32_t exit_code;
	char message[STATE_REPORT_SIZE];
};

static void redirect(const char *path, int flags, int from, int to)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	for (int target = from; target <= to; target++)
		dup2(fd, target);
	close(fd);
}

static int read_report(int fd, struct state_report *ret_report)
{
	struct report report = {0};
	size_t size = 0;

	while (size < sizeof(report)) {
		ssize_t part = read(fd, (char *)&report + size, sizeof(report) - size);

		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0)
			break;
		size += (size_t)part;
	}
	if (size < sizeof(report)) {
		*ret_report = (struct state_report){1, "the daemon ended before it was ready; see its log"};
		return 0;
	}
	report.message[sizeof(report.message) - 1] = '\0';
	ret_report->exit_code = report.exit_code;
	memcpy(ret_report->message, report.message, sizeof(report.message));
	return 0;
}

static int open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -errno : fd;
}

static struct state_daemon *become_daemon(int pipe, int log)
{
	struct state_daemon *daemon = new (struct state_daemon);

	daemon->pipe = pipe;
	daemon->keeps_output = log >= 0;
	if (chdir("/"))
		abort();
	redirect("/dev/null", O_RDONLY, STDIN_FILENO, STDIN_FILENO);
	if (log >= 0) {
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		close(log);
	}
	return daemon;
}

int state_daemon_begin(const char *log_path, struct state_daemon **ret_daemon,
		       struct state_report *ret_report)
{
	int log = log_path ? open_log(log_path) : -1, ends[2];
	pid_t child;

	*ret_daemon = NULL;
	if (log_path && log < 0)
		return log;
	fflush(NULL);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (child) {
		close(ends[1]);
		if (log >= 0)
			close(log);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
		read_report(ends[0], ret_report);
		close(ends[0]);
		return 0;
	}
	close(ends[0]);
	setsid();
	/* The second fork: nobody who opens a terminal becomes its owner. */
	child = fork();
	if (child)
		_exit(child < 0);
	*ret_daemon = become_daemon(ends[1], log);
	return 0;
}

static int report(struct state_daemon *daemon, int exit_code, const char *message)
{
	struct report report = {.exit_code = exit_code};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	int error = 0;

	if (!daemon)
		return 0;
	snprintf(report.message, sizeof(report.message), "%s", message);
	sigaction(SIGPIPE, &ignore, &before);
	if (write(daemon->pipe, &report, sizeof(report)) != sizeof(report))
		error = -EPIPE;
	sigaction(SIGPIPE, &before, NULL);
	close(daemon->pipe);
	if (!daemon->keeps_output)
		redirect("/dev/null", O_WRONLY, STDOUT_FILENO, STDERR_FILENO);
	free(daemon);
	return error;
}

int state_daemon_ready(struct state_daemon *daemon, const char *message)
{
	return report(daemon, 0, message);
}

int state_daemon_fail(struct state_daemon *daemon, int exit_code, const char *message)
{
	return report(daemon, exit_code ? exit_code : 1, message);
}
