/* Going to the background: the command returns when the daemon says that it is ready, or why it is
 * not. Used once per process, before threads, the loop and locks. */
#pragma once

#include <stddef.h>

#define STATE_REPORT_SIZE 1024

struct state_daemon; /* the daemon's side */

/* The command's side. */
struct state_report {
	int exit_code;                   /* 0: the daemon is ready */
	char message[STATE_REPORT_SIZE]; /* one line, perhaps empty; to stdout if ready, else stderr
					  */
};

/* Forks twice. In the daemon: *ret_daemon is set; its own session, working directory "/", stdin
 * from /dev/null. With a log_path, stdout and stderr are appended to it (mode 0600) at once; with
 * NULL they stay until ready or failed, then go to /dev/null. In the command: waits for the report,
 * fills *ret_report, *ret_daemon is NULL; a daemon that dies without one is a failure with a
 * message that says so. 0 or -errno (then there is no daemon). */
int state_daemon_begin(const char *log_path, struct state_daemon **ret_daemon,
		       struct state_report *ret_report);
/* Without a log_path: stdout and stderr stay for good. NULL is fine. */
void state_daemon_keep_output(struct state_daemon *daemon);
/* Each frees the daemon and lets the command go on; NULL (running in the foreground) is fine. 0, or
 * -EPIPE when the command is gone (interrupted by its user): the daemon decides what that means. */
int state_daemon_ready(struct state_daemon *daemon, const char *message);
int state_daemon_fail(struct state_daemon *daemon, int exit_code, const char *message);
