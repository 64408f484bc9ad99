/* wayleave hub node: who is a member. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "cmd/hub_ask.h"
#include "cmd/hub_commands.h"
#include "cmd/hub_text.h"
#include "cmd/node_text.h"
#include "cmd/qr.h"
#include "cmd/table.h"

static const char usage[] = "Usage: wayleave hub node COMMAND [OPTIONS] [ARGUMENTS]\n"
			    "\n"
			    "NODE is a name, a public key, the beginning of one, or an address.\n"
			    "\n"
			    "Examples:\n"
			    "  sudo wayleave hub node list\n"
			    "  sudo wayleave hub node rename 100.100.96.3 laptop\n";

/* ---- add ---- */

#define ADD_PROGRAM "wayleave hub node add"

static const char add_help[] =
	"Usage: wayleave hub node add PUBLIC-KEY [--name NAME] [--address ADDRESS] [--force]\n"
	"                             [--qr] [--format ini|yaml] [--json]\n"
	"\n"
	"Makes the holder of the key a member and prints its config, complete but for its private\n"
	"key. (With a token nothing needs to be carried by hand: `wayleave hub token create`.)\n"
	"\n"
	"  -n, --name NAME        a-z, 0-9 and '-'; unique (default node-N)\n"
	"  -a, --address ADDRESS  instead of the lowest free one; once for each network\n"
	"  -f, --force            also a key that was removed before\n"
	"  -q, --qr               the config as a QR picture\n"
	"      --format FORMAT    ini (default), or yaml: kurohabaki's client config\n"
	"  -j, --json             the hub's answer as one JSON object\n"
	"\n"
	"Examples:\n"
	"  sudo wayleave hub node add IDlXZhs0NcGS3YkJGJHCXyu+VQcAGJW9q8pF/tQ3JnQ= --name laptop\n"
	"  sudo wayleave hub node add \"$(cat phone.pub)\" --qr\n";

struct add {
	const char *name, *format;
	struct cmd_list addresses;
	bool is_forced, is_qr, is_json;
	struct qr *qr;
};

/* NULL when an argument is no UTF-8. */
static json_t *add_request(const struct add *add, const char *key)
{
	json_t *request =
		json_pack("{s:s, s:s, s:b, s:s, s:[]}", "command", "node-add", "key", key, "force",
			  add->is_forced, "name", add->name ? add->name : "", "addresses");
	json_t *addresses = json_object_get(request, "addresses");
	bool is_text = request;

	for (size_t i = 0; i < add->addresses.count && is_text; i++)
		is_text = !json_array_append_new(addresses, json_string(add->addresses.items[i]));
	if (is_text)
		return request;
	json_decref(request);
	return NULL;
}

static int print_picture(const struct add *add, struct buffer *config)
{
	struct buffer picture = {0};
	bool has_colour = isatty(STDOUT_FILENO);
	int result;

	if (qr_print(add->qr, config->data, has_colour, &picture)) {
		fputs(picture.data, stdout);
		result = cmd_finish_output();
	} else {
		result = cmd_fail("the config is too long for a QR picture; the node was added");
	}
	cmd_forget_buffer(&picture);
	return result;
}

static int print_config(const struct add *add, json_t *answer)
{
	struct buffer config = {0};
	bool is_yaml = add->format && !strcmp(add->format, "yaml");
	bool is_right = is_yaml ? node_text_yaml(answer, &config) : node_text_ini(answer, &config);
	int result;

	if (!is_right) {
		result = cmd_fail("the hub's answer makes no sense");
	} else if (add->is_qr) {
		result = print_picture(add, &config);
	} else {
		fputs(config.data, stdout);
		result = cmd_finish_output();
	}
	cmd_forget_buffer(&config);
	return result;
}

/* Before anything is changed. */
static int check_add(struct add *add)
{
	if (add->format && strcmp(add->format, "ini") && strcmp(add->format, "yaml"))
		return cmd_usage_error(ADD_PROGRAM, "--format takes ini or yaml");
	if (add->is_qr + add->is_json > 1)
		return cmd_usage_error(ADD_PROGRAM, "--qr and --json exclude each other");
	if (!add->is_qr)
		return CMD_OK;
	add->qr = qr_open();
	return add->qr ? CMD_OK
		       : cmd_fail("QR pictures need libqrencode; run: apt install libqrencode4");
}

static int run_add(int argc, char **argv)
{
	struct add add = {0};
	const struct cmd_option options[] = {{"name", 'n', CMD_TEXT, &add.name},
					     {"address", 'a', CMD_LIST, &add.addresses},
					     {"force", 'f', CMD_FLAG, &add.is_forced},
					     {"qr", 'q', CMD_FLAG, &add.is_qr},
					     {"format", 0, CMD_TEXT, &add.format},
					     {"json", 'j', CMD_FLAG, &add.is_json}};
	const struct cmd_syntax syntax = {ADD_PROGRAM,         add_help, options,
					  array_size(options), 1,        1};
	json_t *answer = NULL;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	status = check_add(&add);
	if (status == CMD_OK)
		status = hub_ask(add_request(&add, argv[1]), &answer);
	if (status == CMD_OK)
		status = add.is_json ? hub_print_json(answer) : print_config(&add, answer);
	json_decref(answer);
	qr_close(add.qr);
	return status;
}

/* ---- list, show ---- */

static const char list_help[] =
	"Usage: wayleave hub node list [--json]\n"
	"\n"
	"Lists the nodes: name, addresses, when and where the hub saw them\n"
	"last, key.\n"
	"\n"
	"  -j, --json  as one JSON object; times in unix seconds\n"
	"\n"
	"Example:\n"
	"  wayleave hub node list --json | jq -r '.nodes[].name'\n";

static void tell_malformed(const json_t *answer)
{
	size_t index;
	json_t *item;

	json_array_foreach(json_object_get(answer, "malformed"), index, item)
	{
		const char *text = json_string_value(item);
		char shown[512];

		if (!text)
			continue;
		/* It is escaped already; what is not does not come from our hub. */
		hub_text_printable(text, shown, sizeof(shown));
		fprintf(stderr, "wayleave: warning: a malformed record is skipped: %s\n", shown);
	}
}

static int run_list(int argc, char **argv)
{
	bool is_json = false;
	const struct cmd_option options[] = {{"json", 'j', CMD_FLAG, &is_json}};
	const struct cmd_syntax syntax = {"wayleave hub node list", list_help, options,
					  array_size(options),      0,         0};
	struct buffer text = {0};
	json_t *answer;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	status = hub_ask(json_pack("{s:s}", "command", "node-list"), &answer);
	if (status != CMD_OK)
		return status;
	if (is_json) {
		status = hub_print_json(answer);
	} else {
		hub_text_nodes(answer, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"), &text);
		fputs(text.data, stdout);
		status = cmd_finish_output();
		tell_malformed(answer);
	}
	buffer_done(&text);
	json_decref(answer);
	return status;
}

static const char show_help[] =
	"Usage: wayleave hub node show NODE [--json]\n"
	"\n"
	"Shows one node. NODE is a name, a key, the beginning of one, or an\n"
	"address.\n"
	"\n"
	"  -j, --json  as one JSON object; times in unix seconds\n"
	"\n"
	"Example:\n"
	"  wayleave hub node show laptop\n";

static int run_show(int argc, char **argv)
{
	bool is_json = false;
	const struct cmd_option options[] = {{"json", 'j', CMD_FLAG, &is_json}};
	const struct cmd_syntax syntax = {"wayleave hub node show", show_help, options,
					  array_size(options),      1,         1};
	struct buffer text = {0};
	json_t *answer;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	status = hub_ask(json_pack("{s:s, s:s}", "command", "node-show", "node", argv[1]), &answer);
	if (status != CMD_OK)
		return status;
	if (is_json) {
		status = hub_print_json(answer);
	} else {
		hub_text_node(answer, &text);
		fputs(text.data, stdout);
		status = cmd_finish_output();
	}
	buffer_done(&text);
	json_decref(answer);
	return status;
}

/* ---- rename, remove ---- */

static const char rename_help[] = "Usage: wayleave hub node rename NODE NAME\n"
				  "\n"
				  "Gives a node another name; all nodes learn it at once.\n"
				  "\n"
				  "Example:\n"
				  "  sudo wayleave hub node rename node-3 laptop\n";

static const char remove_help[] =
	"Usage: wayleave hub node remove NODE\n"
	"\n"
	"Ends the membership of a node: it is taken out of every other node at once. Its address\n"
	"stays unused for 30 days, and no token lets its key in again (`node add --force` does).\n"
	"\n"
	"Example:\n"
	"  sudo wayleave hub node remove laptop\n";

static int change(const char *program, const char *help, int count, const char *done,
		  json_t *(*make)(char **argv), int argc, char **argv)
{
	const struct cmd_syntax syntax = {program, help, NULL, 0, count, count};
	struct buffer text = {0};
	json_t *answer;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	status = hub_ask(make(argv), &answer);
	if (status != CMD_OK)
		return status;
	hub_text_changed(answer, done, &text);
	fputs(text.data, stdout);
	buffer_done(&text);
	json_decref(answer);
	return cmd_finish_output();
}

static json_t *rename_request(char **argv)
{
	return json_pack("{s:s, s:s, s:s}", "command", "node-rename", "node", argv[1], "name",
			 argv[2]);
}

static json_t *remove_request(char **argv)
{
	return json_pack("{s:s, s:s}", "command", "node-remove", "node", argv[1]);
}

static int run_rename(int argc, char **argv)
{
	return change("wayleave hub node rename", rename_help, 2, "renamed", rename_request, argc,
		      argv);
}

static int run_remove(int argc, char **argv)
{
	return change("wayleave hub node remove", remove_help, 1, "removed", remove_request, argc,
		      argv);
}

int hub_node(int argc, char **argv)
{
	static const struct command commands[] = {
		{"add", run_add, "make the holder of a key a member, print its config"},
		{"list", run_list, "list the nodes"},
		{"show", run_show, "show one node"},
		{"rename", run_rename, "give a node another name"},
		{"remove", run_remove, "end a node's membership"},
	};

	return cmd_dispatch("wayleave hub node", usage, commands, array_size(commands), argc, argv);
}
