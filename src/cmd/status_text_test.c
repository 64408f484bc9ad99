#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cmd/status_text.h"

#include <cmocka.h>

#define KEY "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="

/* Apostrophes stand for quotation marks, so that the JSON can be read. */
static json_t *parse(const char *text)
{
	auto_free char *copy = memory_copy_text(text);
	json_error_t error;
	json_t *json;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	json = json_loads(copy, 0, &error);
	if (!json)
		fail_msg("%s at %d", error.text, error.position);
	return json;
}

static void check(const char *status, const char *before, double seconds, bool has_colour,
		  const char *expected)
{
	json_t *now = parse(status), *then = before ? parse(before) : NULL;
	auto_buffer struct buffer out = {0};

	status_print(now, then, seconds, has_colour, &out);
	assert_string_equal(out.data, expected);
	json_decref(now);
	json_decref(then);
}

#define HEAD                                                                                      \
	"{'interface': 'wl0', 'name': 'a', 'public_key': '" KEY "',"                              \
	" 'addresses': ['100.100.96.2/32', 'fd00:60::2/128'], 'device': 'builtin', 'map_age_s': " \
	"2.5,"
#define HUB                                                                             \
	" 'hub': {'name': 'nest', 'addresses': ['100.100.96.1/32'], 'connected': true," \
	" 'carrier': 'udp', 'endpoint': '203.0.113.10:51820', 'rtt_ms': 1.24, 'waits_for': null},"
#define PEER(rx)                                                                                  \
	"{'name': 'b', 'public_key': 'B', 'addresses': ['100.100.96.3/32', '10.1.0.0/16'],"       \
	" 'online': true, 'path': {'rung': 'direct-punched', 'carrier': 'udp', 'via': [],"        \
	" 'endpoint': '198.51.100.102:51820', 'mtu': 1420, 'rtt_ms': 40.14, 'loss_percent': 1.5," \
	" 'since_s': 12.3, 'reason': 'connected'}, 'last_handshake_s': 3.1, 'rx_bytes': " rx ","  \
	" 'tx_bytes': 5}"
#define LOST                                                                                       \
	"{'name': 'printer', 'public_key': 'C', 'addresses': ['100.100.96.14/32'],"                \
	" 'online': false, 'path': {'rung': 'none', 'carrier': null, 'via': [], 'endpoint': null," \
	" 'mtu': null, 'rtt_ms': null, 'loss_percent': null, 'since_s': null,"                     \
	" 'reason': 'offline'}, 'last_handshake_s': null, 'rx_bytes': 0, 'tx_bytes': 0}"

static void a_status_reads_like_this(void **state)
{
	check(HEAD HUB "'peers': [" PEER("1239") "," LOST "]}", NULL, 0, false,
	      "wl0: a, 100.100.96.2 fd00:60::2\n"
	      "  key      " KEY "\n"
	      "  hub      nest (100.100.96.1), connected over udp to 203.0.113.10:51820, 1.24 ms\n"
	      "  map      2 s old\n"
	      "\n"
	      "NAME     ADDRESS                   PATH            ENDPOINT              RTT      "
	      "LOSS   RX        TX   HANDSHAKE\n"
	      "b        100.100.96.3 10.1.0.0/16  direct-punched  198.51.100.102:51820  40.1 ms  "
	      "1.5 %  1.21 KiB  5 B  3 s ago\n"
	      "printer  100.100.96.14             none (offline)  -                     -        "
	      "-      0 B       0 B  never\n");
}

static void with_an_earlier_status_totals_become_rates(void **state)
{
	check(HEAD HUB "'peers': [" PEER("4296") "]}", HEAD HUB "'peers': [" PEER("200") "]}", 2,
	      false,
	      "wl0: a, 100.100.96.2 fd00:60::2\n"
	      "  key      " KEY "\n"
	      "  hub      nest (100.100.96.1), connected over udp to 203.0.113.10:51820, 1.24 ms\n"
	      "  map      2 s old\n"
	      "\n"
	      "NAME  ADDRESS                   PATH            ENDPOINT              RTT      "
	      "LOSS   RX          TX     HANDSHAKE\n"
	      "b     100.100.96.3 10.1.0.0/16  direct-punched  198.51.100.102:51820  40.1 ms  "
	      "1.5 %  2.00 KiB/s  0 B/s  3 s ago\n");
}

static void a_hub_that_is_away_and_an_old_map_are_said(void **state)
{
	check("{'interface': 'wl0', 'name': null, 'public_key': '" KEY
	      "', 'addresses': ['100.100.96.2/32'], 'map_age_s': 694800,"
	      " 'map_state': 'old', 'map_expires_s': 1897200,"
	      " 'hub': {'name': null, 'addresses': ['100.100.96.1/32'], 'connected': false,"
	      " 'waits_for': 'the hub to answer'}, 'peers': []}",
	      NULL, 0, false,
	      "wl0: -, 100.100.96.2\n"
	      "  key      " KEY "\n"
	      "  hub      - (100.100.96.1), not connected, waiting for the hub to answer\n"
	      "  map      8 d 1 h old; the hub has not confirmed it for so long that removed nodes "
	      "may still be in it; it expires in 21 d 23 h\n"
	      "\n"
	      "No other node is known yet.\n");
}

static const char *map_line(const char *status, struct buffer *out)
{
	json_t *json = parse(status);
	char *line;

	status_print(json, NULL, 0, false, out);
	json_decref(json);
	line = strstr(out->data, "  map ");
	assert_non_null(line);
	*strchr(line, '\n') = '\0';
	return line;
}

static void the_age_of_a_map_is_no_warning_until_the_daemon_says_so(void **state)
{
	auto_buffer struct buffer fresh = {0}, forever = {0}, expired = {0};

	assert_string_equal(map_line("{'map_age_s': 604799.9, 'map_state': 'fresh',"
				     " 'map_expires_s': 1987200.1}",
				     &fresh),
			    "  map      6 d 23 h old");
	assert_string_equal(
		map_line("{'map_age_s': 8640000, 'map_state': 'old',"
			 " 'map_expires_s': null}",
			 &forever),
		"  map      100 d 0 h old; the hub has not confirmed it for so long that "
		"removed nodes may still be in it");
	assert_string_equal(map_line("{'map_age_s': 2592000, 'map_state': 'expired',"
				     " 'map_expires_s': 0.0}",
				     &expired),
			    "  map      30 d 0 h old; expired: no node is used until the hub "
			    "confirms it");
}

static void an_empty_answer_shows_dashes(void **state)
{
	check("{}", NULL, 0, false,
	      "-: -, -\n  key      -\n  hub      - (-), not connected\n  map      none yet\n"
	      "\nNo other node is known yet.\n");
	check("{'peers': [{}, 7], 'hub': 3, 'addresses': [4, 'x']}", NULL, 0, false,
	      "-: -, x\n  key      -\n  hub      - (-), not connected\n  map      none yet\n\n"
	      "NAME  ADDRESS  PATH  ENDPOINT  RTT  LOSS  RX  TX  HANDSHAKE\n"
	      "-     -        -     -         -    -     -   -   never\n"
	      "-     -        -     -         -    -     -   -   never\n");
}

static void no_escape_of_a_terminal_gets_through(void **state)
{
	static const char *const places[] = {
		"{'name': '%s'}",
		"{'interface': '%s'}",
		"{'public_key': '%s'}",
		"{'addresses': ['%s']}",
		"{'hub': {'name': '%s'}}",
		"{'hub': {'addresses': ['%s']}}",
		"{'hub': {'connected': true, 'carrier': '%s'}}",
		"{'hub': {'connected': true, 'endpoint': '%s'}}",
		"{'hub': {'waits_for': '%s'}}",
		"{'peers': [{'name': '%s'}]}",
		"{'peers': [{'addresses': ['%s']}]}",
		"{'peers': [{'path': {'rung': '%s'}}]}",
		"{'peers': [{'path': {'rung': 'none', 'reason': '%s'}}]}",
		"{'peers': [{'path': {'rung': 'x', 'carrier': '%s'}}]}",
		"{'peers': [{'path': {'endpoint': '%s'}}]}",
	};

	for (size_t i = 0; i < array_size(places); i++) {
		char text[200];
		auto_buffer struct buffer out = {0};
		json_t *status;

		snprintf(text, sizeof(text), places[i], "e\\u001b[31mvil\\r\\u0007");
		status = parse(text);
		status_print(status, NULL, 0, false, &out);
		for (size_t j = 0; j < out.size; j++)
			assert_true(out.data[j] == '\n' ||
				    (out.data[j] >= 0x20 && out.data[j] < 0x7f));
		assert_non_null(strstr(out.data, "e\\x1b[31mvil\\x0d\\x07"));
		json_decref(status);
	}
}

static void very_long_text_is_cut_and_never_overflows(void **state)
{
	auto_buffer struct buffer out = {0};
	json_t *status = parse("{'peers': [{}]}"), *list = json_array(), *path = json_object();
	json_t *peer = json_array_get(json_object_get(status, "peers"), 0);
	char text[3000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 100; i++)
		json_array_append_new(list, json_string(text));
	json_object_set_new(path, "rung", json_string("none"));
	json_object_set_new(path, "reason", json_string(text));
	json_object_set_new(peer, "addresses", list);
	json_object_set_new(peer, "path", path);
	status_print(status, NULL, 0, true, &out);
	json_decref(status);
}

static void colour_tells_direct_from_nothing(void **state)
{
	json_t *status = parse("{'peers': [{'path': {'rung': 'direct-lan'}},"
			       "{'path': {'rung': 'hub-relay', 'carrier': 'websocket'}},"
			       "{'path': {'rung': 'none'}}]}");
	auto_buffer struct buffer out = {0};

	status_print(status, NULL, 0, true, &out);
	assert_non_null(strstr(out.data, "\033[32mdirect-lan\033[0m"));
	assert_non_null(strstr(out.data, "\033[33mhub-relay (websocket)\033[0m"));
	assert_non_null(strstr(out.data, "\033[31mnone\033[0m"));
	json_decref(status);
}

static void a_device_alone_has_no_hub_and_no_paths(void **state)
{
	check("{'interface': 'wg0', 'role': 'wg', 'public_key': '" KEY "', 'device': 'builtin',"
	      " 'listen_port': 51820, 'peers': [{'public_key': 'B', 'endpoint': '[2001:db8::1]:1',"
	      " 'allowed_ips': ['10.9.0.2/32', '10.1.0.0/16'], 'last_handshake_s': 3.1,"
	      " 'rx_bytes': 1239, 'tx_bytes': 5}, {'public_key': 'C', 'endpoint': null,"
	      " 'allowed_ips': [], 'last_handshake_s': null, 'rx_bytes': 0, 'tx_bytes': 0}]}",
	      NULL, 0, false,
	      "wg0: WireGuard on port 51820\n"
	      "  key      " KEY "\n"
	      "\n"
	      "PEER  ALLOWED               ENDPOINT         RX        TX   HANDSHAKE\n"
	      "B     10.9.0.2 10.1.0.0/16  [2001:db8::1]:1  1.21 KiB  5 B  3 s ago\n"
	      "C     -                     -                0 B       0 B  never\n");
	check("{'interface': 'wg0', 'role': 'wg', 'public_key': null, 'listen_port': 4, 'peers': "
	      "[]}",
	      NULL, 0, false, "wg0: WireGuard on port 4\n  key      none\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_status_reads_like_this),
		cmocka_unit_test(with_an_earlier_status_totals_become_rates),
		cmocka_unit_test(a_hub_that_is_away_and_an_old_map_are_said),
		cmocka_unit_test(the_age_of_a_map_is_no_warning_until_the_daemon_says_so),
		cmocka_unit_test(an_empty_answer_shows_dashes),
		cmocka_unit_test(no_escape_of_a_terminal_gets_through),
		cmocka_unit_test(very_long_text_is_cut_and_never_overflows),
		cmocka_unit_test(colour_tells_direct_from_nothing),
		cmocka_unit_test(a_device_alone_has_no_hub_and_no_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
