/* wayleave hub token: who may join; and wayleave hub log: who did. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/time.h"
#include "cmd/cmd.h"
#include "cmd/hub_ask.h"
#include "cmd/hub_commands.h"
#include "cmd/hub_text.h"
#include "crypto/secret.h"

static const char usage[] = "Usage: wayleave hub token COMMAND [OPTIONS] [ARGUMENTS]\n"
			    "\n"
			    "A token lets a node join without anybody carrying keys about.\n"
			    "\n"
			    "Examples:\n"
			    "  sudo wayleave hub token create\n"
			    "  sudo wayleave hub token revoke 0123456789abcdef\n";

/* ---- create ---- */

#define CREATE_PROGRAM "wayleave hub token create"

static const char create_help[] =
	"Usage: wayleave hub token create [--reusable] [--expires TIME] [--label TEXT] [--json]\n"
	"\n"
	"Prints one line, a join string, which `wayleave up -` reads on the new node. It is a\n"
	"secret: who has it can join. The hub itself keeps only its hash.\n"
	"\n"
	"  -r, --reusable       lets any number of nodes in (default: one)\n"
	"  -e, --expires TIME   how long it is good: 90s, 15m, 24h, 30d (default 1h)\n"
	"  -l, --label TEXT     what it is for, for `token list`\n"
	"  -j, --json           the token and the join string as one JSON object\n"
	"\n"
	"Examples:\n"
	"  sudo wayleave hub token create\n"
	"  sudo wayleave hub token create --reusable --expires 24h --label office\n"
	"  sudo wayleave hub token create | ssh laptop sudo wayleave up -\n";

static int print_join(json_t *answer)
{
	const char *join = json_string_value(json_object_get(answer, "join"));

	if (!join || !text_starts_with(join, "wl1:"))
		return cmd_fail("the hub's answer makes no sense");
	puts(join);
	if (isatty(STDOUT_FILENO) && isatty(STDERR_FILENO))
		fputs("On the new node run `sudo wayleave up -` and paste this line.\n", stderr);
	return cmd_finish_output();
}

static int run_create(int argc, char **argv)
{
	const char *expires = "1h", *label = "";
	bool is_reusable = false, is_json = false;
	const struct cmd_option options[] = {{"reusable", 'r', CMD_FLAG, &is_reusable},
					     {"expires", 'e', CMD_TEXT, &expires},
					     {"label", 'l', CMD_TEXT, &label},
					     {"json", 'j', CMD_FLAG, &is_json}};
	const struct cmd_syntax syntax = {CREATE_PROGRAM,      create_help, options,
					  array_size(options), 0,           0};
	json_t *request, *answer;
	usec_t lifetime;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	if (usec_parse(expires, &lifetime) || lifetime < USEC_PER_SEC)
		return cmd_usage_error(CREATE_PROGRAM, "--expires takes a time, such as 90s, 15m, "
						       "24h or 30d");
	request = json_pack("{s:s, s:b, s:I, s:s}", "command", "token-create", "reusable",
			    is_reusable, "expires_s", (json_int_t)(lifetime / USEC_PER_SEC),
			    "label", label);
	status = hub_ask(request, &answer);
	if (status != CMD_OK)
		return status;
	status = is_json ? hub_print_json(answer) : print_join(answer);
	json_decref(answer);
	return status;
}

/* ---- list, revoke, log ---- */

static const char list_help[] =
	"Usage: wayleave hub token list [--json]\n"
	"\n"
	"Lists the tokens, the newest last; those that ended 30 days ago are\n"
	"forgotten. The join strings themselves are not kept anywhere.\n"
	"\n"
	"  -j, --json  as one JSON object; times in unix seconds\n"
	"\n"
	"Example:\n"
	"  wayleave hub token list\n";

static const char log_help[] =
	"Usage: wayleave hub log [--json]\n"
	"\n"
	"The last 100 changes: who was added, let in by which token, renamed\n"
	"and removed. The newest is last.\n"
	"\n"
	"  -j, --json  as one JSON object; times in unix seconds\n"
	"\n"
	"Example:\n"
	"  wayleave hub log\n";

static int show(const char *program, const char *help, const char *command,
		void (*print)(const json_t *answer, bool has_colour, struct buffer *out), int argc,
		char **argv)
{
	bool is_json = false;
	const struct cmd_option options[] = {{"json", 'j', CMD_FLAG, &is_json}};
	const struct cmd_syntax syntax = {program, help, options, array_size(options), 0, 0};
	struct buffer text = {0};
	json_t *answer;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	status = hub_ask(json_pack("{s:s}", "command", command), &answer);
	if (status != CMD_OK)
		return status;
	if (is_json) {
		status = hub_print_json(answer);
	} else {
		print(answer, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"), &text);
		fputs(text.data, stdout);
		status = cmd_finish_output();
	}
	buffer_done(&text);
	json_decref(answer);
	return status;
}

static int run_list(int argc, char **argv)
{
	return show("wayleave hub token list", list_help, "token-list", hub_text_tokens, argc,
		    argv);
}

int hub_log(int argc, char **argv)
{
	return show("wayleave hub log", log_help, "log", hub_text_log, argc, argv);
}

static const char revoke_help[] =
	"Usage: wayleave hub token revoke ID\n"
	"\n"
	"Ends a token. Nodes that it let in stay; `wayleave hub log` says which they are.\n"
	"\n"
	"Example:\n"
	"  sudo wayleave hub token revoke 0123456789abcdef\n";

static int run_revoke(int argc, char **argv)
{
	const struct cmd_syntax syntax = {"wayleave hub token revoke", revoke_help, NULL, 0, 1, 1};
	const char *id;
	json_t *answer;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	status =
		hub_ask(json_pack("{s:s, s:s}", "command", "token-revoke", "id", argv[1]), &answer);
	if (status != CMD_OK)
		return status;
	id = json_string_value(json_object_get(answer, "id"));
	printf("revoked %.16s\n", id ? id : "");
	json_decref(answer);
	return cmd_finish_output();
}

int hub_token(int argc, char **argv)
{
	static const struct command commands[] = {
		{"create", run_create, "print a join string"},
		{"list", run_list, "list the tokens"},
		{"revoke", run_revoke, "end a token"},
	};

	return cmd_dispatch("wayleave hub token", usage, commands, array_size(commands), argc,
			    argv);
}
