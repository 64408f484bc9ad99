/* wayleave status: what the daemon of an interface says about itself and its peers. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/counters_text.h"
#include "cmd/status_text.h"

#define WATCH_INTERVAL_MS 1000

static const char help[] =
	"Usage: wayleave status [-i INTERFACE] [--json | --counters] [--watch]\n"
	"\n"
	"Shows the hub and every peer: the path to it (direct-lan, direct, direct-punched, or "
	"none\n"
	"with the reason), endpoint, round trip, loss, bytes received and sent, last handshake.\n"
	"\n"
	"  -i, --interface NAME  the instance to ask (default wl0)\n"
	"  -j, --json            the whole status as one JSON object\n"
	"  -w, --watch           again every second, with rates in place of totals\n"
	"  -c, --counters        and what was dropped, by reason, and packets per system call\n"
	"\n"
	"Examples:\n"
	"  wayleave status\n"
	"  wayleave status --json | jq '.peers[] | {name, rung: .path.rung}'\n";

struct status {
	const char *interface;
	bool is_json, is_watch, has_counters;
};

static double seconds_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int show(const struct status *status, const json_t *answer, const json_t *before,
		double seconds)
{
	bool has_colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	struct buffer text = {0};

	if (status->is_json) {
		auto_free char *line =
			json_dumps(answer, status->is_watch ? JSON_COMPACT : JSON_INDENT(2));

		puts(line);
		return cmd_finish_output();
	}
	/* Home and clear, so that the picture stands still. */
	if (status->is_watch && isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	status_print(answer, before, seconds, has_colour, &text);
	if (status->has_counters) {
		buffer_print(&text, "\n");
		counters_print(json_object_get(answer, "counters"), &text);
	}
	fputs(text.data, stdout);
	buffer_done(&text);
	return cmd_finish_output();
}

static int ask(const struct status *status, json_t **ret_answer)
{
	return client_ask(status->interface, json_pack("{s:s}", "command", "status"), ret_answer);
}

static int watch(const struct status *status)
{
	json_t *before = NULL, *answer = NULL;
	double before_at = 0;
	int result;

	while ((result = ask(status, &answer)) == CMD_OK) {
		double now = seconds_now();

		result = show(status, answer, before, now - before_at);
		json_decref(before);
		before = answer;
		before_at = now;
		if (result != CMD_OK)
			break;
		poll(NULL, 0, WATCH_INTERVAL_MS);
	}
	json_decref(before);
	return result;
}

int cmd_status(int argc, char **argv)
{
	struct status status = {.interface = CMD_DEFAULT_INTERFACE};
	const struct cmd_option options[] = {
		{"interface", 'i', CMD_TEXT, &status.interface},
		{"json", 'j', CMD_FLAG, &status.is_json},
		{"watch", 'w', CMD_FLAG, &status.is_watch},
		{"counters", 'c', CMD_FLAG, &status.has_counters},
	};
	const struct cmd_syntax syntax = {"wayleave status",   help, options,
					  array_size(options), 0,    0};
	json_t *answer;
	int result;

	if (!cmd_parse(&syntax, argc, argv, &result))
		return result;
	if (!cmd_is_interface_name(status.interface))
		return cmd_usage_error("wayleave status", "'%s' cannot be the name of an interface",
				       status.interface);
	if (status.is_watch)
		return watch(&status);
	result = ask(&status, &answer);
	if (result != CMD_OK)
		return result;
	result = show(&status, answer, NULL, 0);
	json_decref(answer);
	return result;
}
