#include "cmd/cmd.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "sys/state/files.h"

#define COMMANDS_MAX   32
#define WORD_SHOWN_MAX 24 /* a longer "command" may be a join string: never shown */

static void list_commands(FILE *out, const struct command *commands, size_t count)
{
	fputs("\nCommands:\n", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
}

static int unknown_command(const char *program, const struct command *commands, size_t count,
			   const char *word)
{
	const char *names[COMMANDS_MAX], *nearest;
	bool is_showable = strlen(word) <= WORD_SHOWN_MAX &&
			   strspn(word, "abcdefghijklmnopqrstuvwxyz-") == strlen(word);

	for (size_t i = 0; i < count && i < COMMANDS_MAX; i++)
		names[i] = commands[i].name;
	if (!is_showable)
		return cmd_usage_error(program, "that is not a command");
	nearest = text_nearest(word, names, count < COMMANDS_MAX ? count : COMMANDS_MAX);
	if (nearest)
		return cmd_usage_error(program, "unknown command '%s'; did you mean '%s'?", word,
				       nearest);
	return cmd_usage_error(program, "unknown command '%s'", word);
}

static bool is_help(const char *word)
{
	return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
}

static const struct command *find_command(const struct command *commands, size_t count,
					  const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

int cmd_dispatch(const char *program, const char *usage, const struct command *commands,
		 size_t count, int argc, char **argv)
{
	char help_option[] = "--help", *help_arguments[] = {NULL, help_option, NULL};
	const struct command *command;

	if (argc < 2) {
		fputs(usage, stderr);
		list_commands(stderr, commands, count);
		return CMD_USAGE;
	}
	if (!is_help(argv[1])) {
		command = find_command(commands, count, argv[1]);
		return command ? command->run(argc - 1, argv + 1)
			       : unknown_command(program, commands, count, argv[1]);
	}
	if (argc == 2) {
		fputs(usage, stdout);
		list_commands(stdout, commands, count);
		return cmd_finish_output();
	}
	command = find_command(commands, count, argv[2]);
	if (!command)
		return unknown_command(program, commands, count, argv[2]);
	help_arguments[0] = argv[2];
	return command->run(2, help_arguments);
}

int cmd_fail(const char *format, ...)
{
	va_list arguments;
	char text[1024];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "wayleave: %s\n", text);
	return CMD_FAILED;
}

int cmd_usage_error(const char *program, const char *format, ...)
{
	va_list arguments;
	char text[1024];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "%s: %s; see %s --help\n", program, text, program);
	return CMD_USAGE;
}

char *cmd_take_secret(char *argument)
{
	char *secret = memory_copy_text(argument);

	secret_wipe(argument, strlen(argument));
	return secret;
}

void cmd_forget_secret(char *secret)
{
	if (!secret)
		return;
	secret_wipe(secret, strlen(secret));
	free(secret);
}

int cmd_finish_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		return cmd_fail("cannot write the output: %m");
	return CMD_OK;
}

int cmd_fail_file(const char *action, const char *path, int error)
{
	auto_free char *text = state_describe(action, path, error);
	bool needs_root = error == -EACCES || error == -EPERM;

	return cmd_fail("%s%s", text, needs_root ? "; run as root" : "");
}

/* Room is taken once, so that no copy of a secret stays behind. */
int cmd_read_stdin(struct buffer *out, size_t limit)
{
	char *room = buffer_reserve(out, limit + 1);
	size_t size = 0;

	while (size <= limit) {
		ssize_t part = read(STDIN_FILENO, room + size, limit + 1 - size);

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return -errno;
		if (!part)
			break;
		size += (size_t)part;
	}
	if (size > limit)
		return -EFBIG;
	out->size += size;
	out->data[out->size] = '\0';
	return 0;
}

void cmd_forget_buffer(struct buffer *buffer)
{
	if (buffer->data)
		secret_wipe(buffer->data, buffer->capacity);
	buffer_done(buffer);
}

bool cmd_is_interface_name(const char *name)
{
	size_t size = strlen(name);

	if (!size || size >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++) {
		if (!isgraph((unsigned char)*name) || strchr("/:", *name))
			return false;
	}
	return true;
}
