#include "cmd/hub_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/text.h"
#include "cmd/table.h"

const char *hub_text_time(int64_t at, char text[HUB_TEXT_TIME_SIZE])
{
	time_t seconds = (time_t)at;
	struct tm local;

	if (!at || !localtime_r(&seconds, &local) ||
	    !strftime(text, HUB_TEXT_TIME_SIZE, "%Y-%m-%d %H:%M", &local))
		snprintf(text, HUB_TEXT_TIME_SIZE, "%s", at ? "?" : "never");
	return text;
}

void hub_text_printable(const char *text, char *out, size_t size)
{
	size_t length = 0;

	for (; *text && length < size - 1; text++)
		out[length++] = *text >= ' ' && *text < 0x7f ? *text : '?';
	out[length] = '\0';
}

/* "" for null and what is missing. */
static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static int64_t number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static bool is_true(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

/* "100.100.96.3, fd00::3": without lengths, as one types them. */
static void join_addresses(const json_t *node, char *out, size_t size)
{
	size_t index, length = 0;
	json_t *item;

	out[0] = '\0';
	json_array_foreach(json_object_get(node, "addresses"), index, item)
	{
		const char *text = json_string_value(item);

		if (text && length < size)
			length +=
				(size_t)snprintf(out + length, size - length, "%s%.*s",
						 index ? ", " : "", (int)strcspn(text, "/"), text);
	}
}

static void add_heading(struct table *table, const char *const *names, size_t count)
{
	table_init(table, count);
	for (size_t i = 0; i < count; i++)
		table_add(table, names[i], COLOUR_BOLD);
}

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

void hub_text_nodes(const json_t *answer, bool has_colour, struct buffer *out)
{
	static const char *const names[] = {"NAME", "ADDRESS", "LAST SEEN", "ENDPOINT",
					    "PUBLIC KEY"};
	struct table table;
	size_t index;
	json_t *node;

	add_heading(&table, names, array_size(names));
	json_array_foreach(json_object_get(answer, "nodes"), index, node)
	{
		char addresses[256], seen[HUB_TEXT_TIME_SIZE];

		join_addresses(node, addresses, sizeof(addresses));
		table_add(&table, text_of(node, "name"), COLOUR_NONE);
		table_add(&table, addresses, COLOUR_NONE);
		table_add(&table, hub_text_time(number_of(node, "last_seen"), seen), COLOUR_NONE);
		table_add(&table, or_dash(text_of(node, "endpoint")), COLOUR_NONE);
		table_add(&table, text_of(node, "public_key"), COLOUR_NONE);
	}
	table_print(&table, has_colour, out);
	table_done(&table);
}

static void add_line(struct buffer *out, const char *label, const char *value)
{
	char shown[512];

	text_escape(shown, sizeof(shown), value, strlen(value));
	buffer_print(out, "%-11s %s\n", label, shown);
}

void hub_text_node(const json_t *answer, struct buffer *out)
{
	const json_t *node = json_object_get(answer, "node");
	char text[256];

	add_line(out, "name", text_of(node, "name"));
	add_line(out, "public key", text_of(node, "public_key"));
	join_addresses(node, text, sizeof(text));
	add_line(out, "addresses", text);
	add_line(out, "added", hub_text_time(number_of(node, "created"), text));
	add_line(out, "last seen", hub_text_time(number_of(node, "last_seen"), text));
	add_line(out, "endpoint", or_dash(text_of(node, "endpoint")));
}

void hub_text_changed(const json_t *answer, const char *what, struct buffer *out)
{
	const json_t *node = json_object_get(answer, "node");
	const char *old_name = text_of(answer, "old_name");
	char addresses[256], text[1024], shown[1024];

	join_addresses(node, addresses, sizeof(addresses));
	snprintf(text, sizeof(text), "%s %s%s%s (%s, %s)", what, old_name, *old_name ? " to " : "",
		 text_of(node, "name"), addresses, text_of(node, "public_key"));
	text_escape(shown, sizeof(shown), text, strlen(text));
	buffer_print(out, "%s\n", shown);
}

static const char *token_state(const json_t *token, enum table_colour *ret_colour)
{
	*ret_colour = COLOUR_NONE;
	if (is_true(token, "revoked"))
		return "revoked";
	if (is_true(token, "usable")) {
		*ret_colour = COLOUR_GREEN;
		return "good";
	}
	return !is_true(token, "reusable") && number_of(token, "uses") ? "used" : "expired";
}

void hub_text_tokens(const json_t *answer, bool has_colour, struct buffer *out)
{
	static const char *const names[] = {"ID",      "STATE",   "KIND", "USES",
					    "CREATED", "EXPIRES", "LABEL"};
	struct table table;
	size_t index;
	json_t *token;

	add_heading(&table, names, array_size(names));
	json_array_foreach(json_object_get(answer, "tokens"), index, token)
	{
		char text[HUB_TEXT_TIME_SIZE];
		enum table_colour colour;
		const char *state = token_state(token, &colour);

		table_add(&table, text_of(token, "id"), COLOUR_NONE);
		table_add(&table, state, colour);
		table_add(&table, is_true(token, "reusable") ? "reusable" : "once", COLOUR_NONE);
		snprintf(text, sizeof(text), "%lld", (long long)number_of(token, "uses"));
		table_add(&table, text, COLOUR_NONE);
		table_add(&table, hub_text_time(number_of(token, "created"), text), COLOUR_NONE);
		table_add(&table, hub_text_time(number_of(token, "expires"), text), COLOUR_NONE);
		table_add(&table, or_dash(text_of(token, "label")), COLOUR_NONE);
	}
	table_print(&table, has_colour, out);
	table_done(&table);
}

void hub_text_log(const json_t *answer, bool has_colour, struct buffer *out)
{
	static const char *const names[] = {"TIME",  "EVENT",  "NAME",
					    "TOKEN", "SOURCE", "PUBLIC KEY"};
	struct table table;
	size_t index;
	json_t *event;

	add_heading(&table, names, array_size(names));
	json_array_foreach(json_object_get(answer, "events"), index, event)
	{
		char text[HUB_TEXT_TIME_SIZE];

		table_add(&table, hub_text_time(number_of(event, "at"), text), COLOUR_NONE);
		table_add(&table, text_of(event, "event"), COLOUR_NONE);
		table_add(&table, or_dash(text_of(event, "name")), COLOUR_NONE);
		table_add(&table, or_dash(text_of(event, "token")), COLOUR_NONE);
		table_add(&table, or_dash(text_of(event, "source")), COLOUR_NONE);
		table_add(&table, or_dash(text_of(event, "public_key")), COLOUR_NONE);
	}
	table_print(&table, has_colour, out);
	table_done(&table);
}
