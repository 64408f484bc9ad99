/* What subcommands share: their shape, messages, secrets; options.h comes along. A
 * subcommand is a file with one cmd_x() and a line in main.c's table. Exit status: 0 success, 1
 * failure, 2 usage error. Errors are one line on stderr that names the thing and the remedy. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "cmd/options.h"

#define CMD_OK                0
#define CMD_FAILED            1
#define CMD_USAGE             2

#define CMD_DEFAULT_INTERFACE "wl0"

/* argv[0] is the command's name. */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

/* Runs the entry named argv[1] with argc/argv moved on by one. Without argv[1], with help, -h or
 * --help: prints `usage` and the list of commands. An unknown name: the nearest one and CMD_USAGE.
 * program: "wayleave", "wayleave hub", ... */
int cmd_dispatch(const char *program, const char *usage, const struct command *commands,
		 size_t count, int argc, char **argv);

/* "wayleave: <text>" on stderr; returns CMD_FAILED. */
int cmd_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "<program>: <text>" and where help is; returns CMD_USAGE. */
int cmd_usage_error(const char *program, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A copy of a secret argument, whose original in argv is overwritten at once so that ps and /proc
 * stop showing it (security 8). Call before anything that takes time; release with
 * cmd_forget_secret(). */
char *cmd_take_secret(char *argument);
void cmd_forget_secret(char *secret);

/* Wipes and releases a buffer that held secrets. */
void cmd_forget_buffer(struct buffer *buffer);
/* Whole stdin (until its end) into out; -EFBIG above the limit. */
int cmd_read_stdin(struct buffer *out, size_t limit);
/* Says what is wrong with a file and what to do about it; action and error as in state_describe()
 * of sys/state/files.h, where reading and writing of files is. Returns CMD_FAILED. */
int cmd_fail_file(const char *action, const char *path, int error);
/* True for what the kernel takes as an interface name: 1-15 characters, no '/', blank or control.
 */
bool cmd_is_interface_name(const char *name);
/* Flushes stdout: what could not be written (full disk, closed pipe) is a failure. CMD_OK or
 * CMD_FAILED. */
int cmd_finish_output(void);

/* The subcommands. A new one: its prototype here, its line in main.c's table, its file in
 * meson.build. */
int cmd_down(int argc, char **argv);
int cmd_hub(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_ping(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_trust(int argc, char **argv);
int cmd_up(int argc, char **argv);
int cmd_wg(int argc, char **argv);
