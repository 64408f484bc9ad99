#include "cmd/status_text.h"

#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/memory.h"
#include "base/text.h"
#include "cmd/table.h"
#include "cmd/units.h"

static const char *member_text(const json_t *object, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : otherwise;
}

/* Addresses of one host without their full prefix lengths, joined by blanks. */
static const char *prefixes_text(const json_t *list, char *text, size_t size)
{
	const json_t *item;
	size_t i, position = 0;

	text_copy(text, size, "-");
	json_array_foreach(list, i, item)
	{
		const char *address = json_string_value(item);
		struct prefix prefix;

		if (!address || position >= size)
			continue;
		if (!prefix_parse(address, &prefix) && prefix.bits == family_bits(prefix.family))
			position += (size_t)snprintf(text + position, size - position, "%s%.*s",
						     position ? " " : "",
						     (int)strcspn(address, "/"), address);
		else
			position += (size_t)snprintf(text + position, size - position, "%s%s",
						     position ? " " : "", address);
	}
	return text;
}

static const char *addresses_text(const json_t *object, char *text, size_t size)
{
	return prefixes_text(json_object_get(object, "addresses"), text, size);
}

static const char *delay_text(const json_t *object, char text[UNITS_TEXT_SIZE])
{
	const json_t *value = json_object_get(object, "rtt_ms");

	return json_is_number(value) ? units_delay(json_number_value(value), text) : "-";
}

static const char *loss_text(const json_t *path, char text[UNITS_TEXT_SIZE])
{
	const json_t *value = json_object_get(path, "loss_percent");
	double percent = json_number_value(value);

	if (!json_is_number(value))
		return "-";
	snprintf(text, UNITS_TEXT_SIZE, percent >= 0.05 && percent < 10 ? "%.1f %%" : "%.0f %%",
		 percent);
	return text;
}

const char *status_path_text(const json_t *path, char *text, size_t size)
{
	const char *rung = member_text(path, "rung", "-");
	const char *reason = member_text(path, "reason", NULL);
	const char *carrier = member_text(path, "carrier", "udp");

	if (!strcmp(rung, "none") && reason)
		snprintf(text, size, "none (%s)", reason);
	else if (strcmp(carrier, "udp"))
		snprintf(text, size, "%s (%s)", rung, carrier);
	else
		snprintf(text, size, "%s", rung);
	return text;
}

static enum table_colour path_colour(const json_t *path)
{
	const char *rung = member_text(path, "rung", "none");

	if (text_starts_with(rung, "direct"))
		return COLOUR_GREEN;
	return strcmp(rung, "none") ? COLOUR_YELLOW : COLOUR_RED;
}

static const json_t *find_peer(const json_t *status, const char *public_key)
{
	const json_t *peers = json_object_get(status, "peers"), *peer;
	size_t i;

	json_array_foreach(peers, i, peer)
	{
		if (!strcmp(member_text(peer, "public_key", ""), public_key))
			return peer;
	}
	return NULL;
}

/* The total, or the rate since `before`. */
static const char *traffic_text(const json_t *peer, const json_t *before, const char *name,
				double seconds, char text[UNITS_TEXT_SIZE])
{
	const json_t *now = json_object_get(peer, name), *then = json_object_get(before, name);

	if (!json_is_integer(now) || json_integer_value(now) < 0)
		return "-";
	if (!json_is_integer(then) || seconds <= 0)
		return units_size((uint64_t)json_integer_value(now), text);
	return units_rate(((double)json_integer_value(now) - (double)json_integer_value(then)) /
				  seconds,
			  text);
}

static const char *handshake_text(const json_t *peer, char text[UNITS_TEXT_SIZE])
{
	const json_t *value = json_object_get(peer, "last_handshake_s");
	char age[UNITS_TEXT_SIZE];

	if (!json_is_number(value))
		return "never";
	snprintf(text, UNITS_TEXT_SIZE, "%.24s ago", units_age(json_number_value(value), age));
	return text;
}

static void add_peer(struct table *table, const json_t *peer, const json_t *before, double seconds)
{
	const json_t *path = json_object_get(peer, "path");
	const json_t *earlier = find_peer(before, member_text(peer, "public_key", ""));
	char text[512], unit[UNITS_TEXT_SIZE];

	table_add(table, member_text(peer, "name", "-"), COLOUR_NONE);
	table_add(table, addresses_text(peer, text, sizeof(text)), COLOUR_NONE);
	table_add(table, status_path_text(path, text, sizeof(text)), path_colour(path));
	table_add(table, member_text(path, "endpoint", "-"), COLOUR_NONE);
	table_add(table, delay_text(path, unit), COLOUR_NONE);
	table_add(table, loss_text(path, unit), COLOUR_NONE);
	table_add(table, traffic_text(peer, earlier, "rx_bytes", seconds, unit), COLOUR_NONE);
	table_add(table, traffic_text(peer, earlier, "tx_bytes", seconds, unit), COLOUR_NONE);
	table_add(table, handshake_text(peer, unit), COLOUR_NONE);
}

static void print_peers(const json_t *status, const json_t *before, double seconds, bool has_colour,
			struct buffer *out)
{
	static const char *const titles[] = {"NAME", "ADDRESS", "PATH", "ENDPOINT", "RTT",
					     "LOSS", "RX",      "TX",   "HANDSHAKE"};
	const json_t *peers = json_object_get(status, "peers"), *peer;
	struct table table;
	size_t i;

	if (!json_array_size(peers)) {
		buffer_print(out, "\nNo other node is known yet.\n");
		return;
	}
	buffer_print(out, "\n");
	table_init(&table, array_size(titles));
	for (i = 0; i < array_size(titles); i++)
		table_add(&table, titles[i], COLOUR_BOLD);
	json_array_foreach(peers, i, peer) add_peer(&table, peer, before, seconds);
	table_print(&table, has_colour, out);
	table_done(&table);
}

static void add_wireguard_peer(struct table *table, const json_t *peer, const json_t *before,
			       double seconds)
{
	const json_t *earlier = find_peer(before, member_text(peer, "public_key", ""));
	char text[512], unit[UNITS_TEXT_SIZE];

	table_add(table, member_text(peer, "public_key", "-"), COLOUR_NONE);
	table_add(table, prefixes_text(json_object_get(peer, "allowed_ips"), text, sizeof(text)),
		  COLOUR_NONE);
	table_add(table, member_text(peer, "endpoint", "-"), COLOUR_NONE);
	table_add(table, traffic_text(peer, earlier, "rx_bytes", seconds, unit), COLOUR_NONE);
	table_add(table, traffic_text(peer, earlier, "tx_bytes", seconds, unit), COLOUR_NONE);
	table_add(table, handshake_text(peer, unit), COLOUR_NONE);
}

/* A device alone (`wayleave wg`): no name, hub or map, and its peers have no paths. */
static void print_wireguard(const json_t *status, const json_t *before, double seconds,
			    bool has_colour, struct buffer *out)
{
	static const char *const titles[] = {"PEER", "ALLOWED", "ENDPOINT",
					     "RX",   "TX",      "HANDSHAKE"};
	const json_t *peers = json_object_get(status, "peers"), *peer;
	struct table table;
	size_t i;

	table_print_coloured(member_text(status, "interface", "-"), COLOUR_BOLD, has_colour, out);
	buffer_print(out, ": WireGuard on port %" JSON_INTEGER_FORMAT "\n  key      ",
		     json_integer_value(json_object_get(status, "listen_port")));
	table_print_coloured(member_text(status, "public_key", "none"), COLOUR_NONE, false, out);
	buffer_print(out, "\n");
	if (!json_array_size(peers))
		return;
	buffer_print(out, "\n");
	table_init(&table, array_size(titles));
	for (i = 0; i < array_size(titles); i++)
		table_add(&table, titles[i], COLOUR_BOLD);
	json_array_foreach(peers, i, peer) add_wireguard_peer(&table, peer, before, seconds);
	table_print(&table, has_colour, out);
	table_done(&table);
}

static void print_hub(const json_t *hub, bool has_colour, struct buffer *out)
{
	char addresses[512], unit[UNITS_TEXT_SIZE];
	const char *waits_for = member_text(hub, "waits_for", NULL);
	const json_t *rtt = json_object_get(hub, "rtt_ms");

	buffer_print(out, "  hub      ");
	table_print_coloured(member_text(hub, "name", "-"), COLOUR_NONE, false, out);
	buffer_print(out, " (");
	table_print_coloured(addresses_text(hub, addresses, sizeof(addresses)), COLOUR_NONE, false,
			     out);
	buffer_print(out, "), ");
	if (json_is_true(json_object_get(hub, "connected"))) {
		table_print_coloured("connected", COLOUR_GREEN, has_colour, out);
		buffer_print(out, " over ");
		table_print_coloured(member_text(hub, "carrier", "-"), COLOUR_NONE, false, out);
		buffer_print(out, " to ");
		table_print_coloured(member_text(hub, "endpoint", "-"), COLOUR_NONE, false, out);
		if (json_is_number(rtt))
			buffer_print(out, ", %s", delay_text(hub, unit));
	} else {
		table_print_coloured("not connected", COLOUR_RED, has_colour, out);
		if (waits_for) {
			buffer_print(out, ", waiting for ");
			table_print_coloured(waits_for, COLOUR_NONE, false, out);
		}
	}
	buffer_print(out, "\n");
}

/* Of a map that is old or expired (security 10). */
static void print_map_warning(const json_t *status, bool has_colour, struct buffer *out)
{
	const json_t *expires = json_object_get(status, "map_expires_s");
	const char *state = member_text(status, "map_state", "fresh");
	char unit[UNITS_TEXT_SIZE];

	if (!strcmp(state, "old")) {
		table_print_coloured("; the hub has not confirmed it for so long that removed "
				     "nodes may still be in it",
				     COLOUR_RED, has_colour, out);
		if (json_is_number(expires))
			buffer_print(out, "; it expires in %s",
				     units_age(json_number_value(expires), unit));
	} else if (!strcmp(state, "expired")) {
		table_print_coloured("; expired: no node is used until the hub confirms it",
				     COLOUR_RED, has_colour, out);
	}
}

static void print_map(const json_t *status, bool has_colour, struct buffer *out)
{
	const json_t *age = json_object_get(status, "map_age_s");
	char unit[UNITS_TEXT_SIZE];

	if (!json_is_number(age)) {
		buffer_print(out, "  map      none yet\n");
		return;
	}
	buffer_print(out, "  map      %s old", units_age(json_number_value(age), unit));
	print_map_warning(status, has_colour, out);
	buffer_print(out, "\n");
}

void status_print(const json_t *status, const json_t *before, double seconds, bool has_colour,
		  struct buffer *out)
{
	char addresses[512];

	if (!strcmp(member_text(status, "role", "node"), "wg")) {
		print_wireguard(status, before, seconds, has_colour, out);
		return;
	}
	table_print_coloured(member_text(status, "interface", "-"), COLOUR_BOLD, has_colour, out);
	buffer_print(out, ": ");
	table_print_coloured(member_text(status, "name", "-"), COLOUR_NONE, false, out);
	buffer_print(out, ", ");
	table_print_coloured(addresses_text(status, addresses, sizeof(addresses)), COLOUR_NONE,
			     false, out);
	buffer_print(out, "\n  key      ");
	table_print_coloured(member_text(status, "public_key", "-"), COLOUR_NONE, false, out);
	buffer_print(out, "\n");
	print_hub(json_object_get(status, "hub"), has_colour, out);
	print_map(status, has_colour, out);
	print_peers(status, before, seconds, has_colour, out);
}
