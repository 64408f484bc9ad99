#include "cmd/options.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cmd/cmd.h"

#define OPTIONS_MAX 32
#define NAME_SHOWN_MAX \
	32 /* a longer "option" may be a secret that starts with a dash: never shown */

struct parse {
	const struct cmd_syntax *syntax;
	char **argv;
	int argc, next; /* argv[next] is read next */
	int positional; /* how many were moved to argv[1..] */
	int status;
	bool is_over;
};

static void over(struct parse *parse, int status)
{
	parse->status = status;
	parse->is_over = true;
}

static void give_help(struct parse *parse)
{
	fputs(parse->syntax->help, stdout);
	over(parse, cmd_finish_output());
}

static void unknown_option(struct parse *parse, const char *name, size_t size)
{
	const struct cmd_syntax *syntax = parse->syntax;
	const char *names[OPTIONS_MAX + 1] = {"help"}, *nearest;
	char shown[NAME_SHOWN_MAX + 1], escaped[4 * NAME_SHOWN_MAX + 1];
	size_t count = 1;

	for (; count <= syntax->option_count && count <= OPTIONS_MAX; count++)
		names[count] = syntax->options[count - 1].name;
	if (size > NAME_SHOWN_MAX) {
		over(parse, cmd_usage_error(syntax->program, "unknown option"));
		return;
	}
	memcpy(shown, name, size);
	shown[size] = '\0';
	nearest = text_nearest(shown, names, count);
	text_escape(escaped, sizeof(escaped), shown, size);
	if (nearest)
		over(parse,
		     cmd_usage_error(syntax->program, "unknown option --%s; did you mean --%s?",
				     escaped, nearest));
	else
		over(parse, cmd_usage_error(syntax->program, "unknown option --%s", escaped));
}

static void store(struct parse *parse, const struct cmd_option *option, char *value)
{
	struct cmd_list *list = option->value;

	switch (option->kind) {
	case CMD_FLAG:
		*(bool *)option->value = true;
		break;
	case CMD_TEXT:
		*(const char **)option->value = value;
		break;
	case CMD_LIST:
		if (list->count < CMD_LIST_MAX)
			list->items[list->count++] = value;
		else
			over(parse,
			     cmd_usage_error(parse->syntax->program, "--%s more than %d times",
					     option->name, CMD_LIST_MAX));
		break;
	case CMD_SECRET:
		cmd_forget_secret(*(char **)option->value);
		*(char **)option->value = cmd_take_secret(value);
		break;
	}
}

/* attached: what stood behind '=' or behind the letter, NULL when nothing did. */
static void apply(struct parse *parse, const struct cmd_option *option, char *attached)
{
	const char *program = parse->syntax->program;

	if (option->kind == CMD_FLAG && attached) {
		over(parse, cmd_usage_error(program, "--%s takes no value", option->name));
		return;
	}
	if (option->kind != CMD_FLAG && !attached) {
		if (parse->next >= parse->argc) {
			over(parse, cmd_usage_error(program, "--%s needs a value", option->name));
			return;
		}
		attached = parse->argv[parse->next++];
	}
	store(parse, option, attached);
}

static void read_long(struct parse *parse, char *text)
{
	const struct cmd_syntax *syntax = parse->syntax;
	size_t size = strcspn(text, "=");

	if (!strcmp(text, "help")) {
		give_help(parse);
		return;
	}
	for (size_t i = 0; i < syntax->option_count; i++) {
		const struct cmd_option *option = &syntax->options[i];

		if (strlen(option->name) == size && !memcmp(option->name, text, size)) {
			apply(parse, option, text[size] ? text + size + 1 : NULL);
			return;
		}
	}
	unknown_option(parse, text, size);
}

static const struct cmd_option *find_letter(const struct cmd_syntax *syntax, char letter)
{
	for (size_t i = 0; i < syntax->option_count; i++) {
		if (syntax->options[i].letter == letter)
			return &syntax->options[i];
	}
	return NULL;
}

/* "-c5", "-c 5", or flags together as in "-ab". */
static void read_short(struct parse *parse, char *letters)
{
	for (; *letters && !parse->is_over; letters++) {
		const struct cmd_option *option = find_letter(parse->syntax, *letters);

		if (!option && *letters == 'h') {
			give_help(parse);
		} else if (!option) {
			char escaped[8];

			text_escape(escaped, sizeof(escaped), letters, 1);
			over(parse, cmd_usage_error(parse->syntax->program, "unknown option -%s",
						    escaped));
		} else if (option->kind != CMD_FLAG) {
			apply(parse, option, letters[1] ? letters + 1 : NULL);
			return;
		} else {
			apply(parse, option, NULL);
		}
	}
}

static void read_positional(struct parse *parse, char *argument)
{
	if (parse->positional >= parse->syntax->most)
		over(parse, cmd_usage_error(parse->syntax->program, "too many arguments"));
	else
		parse->argv[++parse->positional] = argument;
}

int cmd_parse(const struct cmd_syntax *syntax, int argc, char **argv, int *ret_status)
{
	struct parse parse = {.syntax = syntax, .argv = argv, .argc = argc, .next = 1};
	bool has_options = true;

	while (parse.next < argc && !parse.is_over) {
		char *argument = argv[parse.next++];

		if (!has_options || argument[0] != '-' || !argument[1])
			read_positional(&parse, argument);
		else if (!strcmp(argument, "--"))
			has_options = false;
		else if (argument[1] == '-')
			read_long(&parse, argument + 2);
		else
			read_short(&parse, argument + 1);
	}
	if (!parse.is_over && parse.positional < syntax->least)
		over(&parse, cmd_usage_error(syntax->program, "an argument is missing"));
	*ret_status = parse.status;
	return parse.is_over ? 0 : parse.positional + 1;
}
