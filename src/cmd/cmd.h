/* What subcommands share: their shape, options, messages, files. A subcommand is a file with one
 * cmd_x() and a line in main.c's table. Exit status: 0 success, 1 failure, 2 usage error. Errors
 * are one line on stderr that names the thing and the remedy. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

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

enum cmd_option_kind {
	CMD_FLAG,   /* value: bool * */
	CMD_TEXT,   /* value: const char **, borrowed from argv */
	CMD_LIST,   /* value: struct cmd_list *; may repeat */
	CMD_SECRET, /* value: char **, taken with cmd_take_secret() */
};

#define CMD_LIST_MAX 16

struct cmd_list {
	const char *items[CMD_LIST_MAX];
	size_t count;
};

/* name without dashes; letter 0 when there is no short form. */
struct cmd_option {
	const char *name;
	char letter;
	enum cmd_option_kind kind;
	void *value;
};

struct cmd_syntax {
	const char *program; /* "wayleave status", for messages */
	const char *help;    /* what --help prints, examples included */
	const struct cmd_option *options;
	size_t option_count;
	int least, most; /* number of positional arguments allowed */
};

/* GNU style: options anywhere, --name=value, --name value, -x value, -xvalue, `--` ends options,
 * `-` is an argument. -h and --help print the help. The positional arguments end up in argv[1..];
 * returns their number plus 1 (a new argc), or 0 when the command is over with *ret_status (help
 * given, or a usage error told). */
int cmd_parse(const struct cmd_syntax *syntax, int argc, char **argv, int *ret_status);

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

/* /etc/wayleave, /var/lib/wayleave, /run/wayleave, or what WAYLEAVE_CONFIG_DIR, WAYLEAVE_STATE_DIR
 * and WAYLEAVE_RUN_DIR say. Never NULL, no slash at the end. */
const char *cmd_config_dir(void);
const char *cmd_state_dir(void);
const char *cmd_run_dir(void);
/* True for what the kernel takes as an interface name: 1-15 characters, no '/', blank or control.
 */
bool cmd_is_interface_name(const char *name);

/* Whole file into out. 0 or -errno: -EKEYREJECTED when others than the owner may read it (security
 * 26), -EFBIG above CONF_TEXT_MAX. */
int cmd_read_secret_file(const char *path, struct buffer *out);
/* Whole stdin (until its end) into out; -EFBIG above the limit. */
int cmd_read_stdin(struct buffer *out, size_t limit);
/* New content under the old name: temporary file of mode 0600, fsync, rename, fsync of the folder.
 * With is_new an existing file is left alone and -EEXIST returned. 0 or -errno; nothing
 * half-written stays. */
int cmd_write_secret_file(const char *path, const void *data, size_t size, bool is_new);
/* Creates the folder (and its parents) with the mode when missing. 0 or -errno. */
int cmd_make_folder(const char *path, unsigned mode);

/* The subcommands. A new one: its prototype here, its line in main.c's table, its file in
 * meson.build. */
int cmd_key(int argc, char **argv);
