/* Options of a subcommand, GNU style, from a table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

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
