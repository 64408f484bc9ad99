#include "cmd/ping_text.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cmd/status_text.h"
#include "cmd/table.h"
#include "cmd/units.h"

static void print_text(const char *text, struct buffer *out)
{
	table_print_coloured(text, COLOUR_NONE, false, out);
}

static void print_answer(struct ping_summary *summary, const char *node, const json_t *object,
			 double rtt_ms, struct buffer *out)
{
	const json_t *path = json_object_get(object, "path");
	const char *endpoint = json_string_value(json_object_get(path, "endpoint"));
	const char *rung = json_string_value(json_object_get(path, "rung"));
	char text[256], delay[UNITS_TEXT_SIZE];

	summary->is_direct = rung && text_starts_with(rung, "direct");
	print_text(node, out);
	buffer_print(out, ": answer %lld in %s, ",
		     (long long)json_integer_value(json_object_get(object, "seq")),
		     units_delay(rtt_ms, delay));
	print_text(status_path_text(path, text, sizeof(text)), out);
	if (endpoint) {
		buffer_print(out, " at ");
		print_text(endpoint, out);
	}
	buffer_print(out, "\n");
}

static void print_error(const char *node, const char *error, struct buffer *out)
{
	print_text(node, out);
	buffer_print(out, ": %s\n", error);
}

void ping_print(struct ping_summary *summary, const char *node, const json_t *object,
		struct buffer *out)
{
	const json_t *rtt = json_object_get(object, "rtt_ms");
	const char *error = json_string_value(json_object_get(object, "error"));
	double rtt_ms = json_number_value(rtt);
	char shown[sizeof(summary->first_error)];

	if (summary->first_error[0])
		print_error(node, summary->first_error, out);
	summary->first_error[0] = '\0';
	if (json_is_true(json_object_get(object, "end"))) {
		summary->is_over = true;
		summary->sent = (unsigned)json_integer_value(json_object_get(object, "sent"));
	} else if (error) {
		summary->is_direct = false;
		text_escape(shown, sizeof(shown), error, strlen(error));
		if (summary->has_begun)
			print_error(node, shown, out);
		else
			text_copy(summary->first_error, sizeof(summary->first_error), shown);
	} else if (json_is_number(rtt)) {
		if (!summary->received || rtt_ms < summary->least_ms)
			summary->least_ms = rtt_ms;
		if (!summary->received || rtt_ms > summary->most_ms)
			summary->most_ms = rtt_ms;
		summary->sum_ms += rtt_ms;
		summary->received++;
		print_answer(summary, node, object, rtt_ms, out);
	}
	summary->has_begun = true;
}

void ping_print_summary(const struct ping_summary *summary, const char *node, struct buffer *out)
{
	char least[UNITS_TEXT_SIZE], mean[UNITS_TEXT_SIZE], most[UNITS_TEXT_SIZE];
	unsigned sent = summary->sent > summary->received ? summary->sent : summary->received;

	if (!sent)
		return;
	print_text(node, out);
	buffer_print(out, ": %u sent, %u received, %.0f %% lost", sent, summary->received,
		     100.0 * (sent - summary->received) / sent);
	if (summary->received)
		buffer_print(out, "; least %s, mean %s, most %s",
			     units_delay(summary->least_ms, least),
			     units_delay(summary->sum_ms / summary->received, mean),
			     units_delay(summary->most_ms, most));
	buffer_print(out, "\n");
}
