/* wayleave hub status: what the running hub has counted. */
#include <stdio.h>

#include "base/memory.h"
#include "cmd/cmd.h"
#include "cmd/counters_text.h"
#include "cmd/hub_ask.h"
#include "cmd/hub_commands.h"

static const char help[] =
	"Usage: wayleave hub status [--json]\n"
	"\n"
	"How many nodes the running hub has and how many are linked to it, and what it has\n"
	"counted: enrolments, appointments, and everything that it dropped or refused, by\n"
	"reason. Without --json only counters that are not 0 are shown.\n"
	"\n"
	"  -j, --json  all of it, as one JSON object\n"
	"\n"
	"Example:\n"
	"  sudo wayleave hub status\n";

static int print_text(json_t *answer)
{
	auto_buffer struct buffer text = {0};

	buffer_print(&text, "nodes %" JSON_INTEGER_FORMAT ", linked %" JSON_INTEGER_FORMAT "\n",
		     json_integer_value(json_object_get(answer, "nodes")),
		     json_integer_value(json_object_get(answer, "linked")));
	counters_print(json_object_get(answer, "counters"), &text);
	fputs(text.data, stdout);
	return cmd_finish_output();
}

int hub_counters(int argc, char **argv)
{
	bool is_json = false;
	const struct cmd_option options[] = {{"json", 'j', CMD_FLAG, &is_json}};
	const struct cmd_syntax syntax = {"wayleave hub status", help, options,
					  array_size(options),   0,    0};
	json_t *answer;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	status = hub_ask_running(json_pack("{s:s}", "command", "status"), &answer);
	if (status != CMD_OK)
		return status;
	status = is_json ? hub_print_json(answer) : print_text(answer);
	json_decref(answer);
	return status;
}
