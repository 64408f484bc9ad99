/* Which addresses a node sends to because a hub or another member named them, and how often
 * (security 4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "one_agent.h"

#include <cmocka.h>

/* Datagrams that leave when a member has this candidate, for an hour without any answer. */
static size_t probes_to(enum candidate_kind kind, const char *text, const char *our_observed,
			const char *its_observed, bool routes_through_us)
{
	struct one_agent *one = one_agent_new("candidates");
	struct map_node nodes[] = {one_member(one, "a", "10.0.0.2/32"),
				   one_member(one, "self", "10.0.0.1/32")};
	struct address hub;
	size_t sent;

	one->routes_through_us = routes_through_us;
	assert_int_equal(address_parse("203.0.113.10:51820", 0, &hub), 0);
	agent_set_hub_endpoints(&one->agent, &hub, 1);
	nodes[1].key = one->agent.identity.public_key;
	one_candidate(&nodes[0], kind, text);
	if (our_observed)
		one_candidate(&nodes[1], CANDIDATE_OBSERVED, our_observed);
	one_map(one, nodes, 2);
	assert_int_equal(one->devices, 1);
	one_appointment(one, &nodes[0]);
	one_pass(one, USEC_PER_MINUTE);
	sent = one->datagrams;
	if (its_observed) {
		/* That one is probed in any case; count what remains. */
		one_candidate(&nodes[0], CANDIDATE_OBSERVED, its_observed);
		one_map(one, nodes, 2);
		one->datagrams = 0;
		one_appointment(one, &nodes[0]);
		one_pass(one, 5 * USEC_PER_SEC);
		sent = one->datagrams > PATH_ROUND_STEPS ? one->datagrams - PATH_ROUND_STEPS : 0;
	}
	one_agent_free(one);
	return sent;
}

static void special_addresses_get_no_packet(void **state)
{
	static const char *const addresses[] = {
		"0.0.0.0:1",
		"0.1.2.3:1",
		"127.0.0.1:53",
		"169.254.169.254:80",
		"224.0.0.251:5353",
		"239.255.255.250:1900",
		"240.0.0.1:1",
		"255.255.255.255:67",
		"[::]:1",
		"[::1]:1",
		"[fe80::1]:1",
		"[ff02::1]:1",
		"[::ffff:127.0.0.1]:1",
		"10.0.0.2:51820",     /* inside the tunnel */
		"10.0.255.254:51821", /* the hub in it */
		"203.0.113.10:51820", /* the hub */
		"192.168.1.5:22",     /* ourselves */
	};

	for (size_t i = 0; i < array_size(addresses); i++) {
		if (probes_to(CANDIDATE_OBSERVED, addresses[i], NULL, NULL, false) ||
		    probes_to(CANDIDATE_LOCAL, addresses[i], NULL, NULL, false))
			fail_msg("%s was sent to", addresses[i]);
	}
	assert_true(probes_to(CANDIDATE_OBSERVED, "198.51.100.1:51820", NULL, NULL, false));
}

static void what_leads_through_our_own_tunnel_gets_no_packet(void **state)
{
	assert_int_equal(probes_to(CANDIDATE_OBSERVED, "198.51.100.1:51820", NULL, NULL, true), 0);
}

static void private_addresses_are_probed_only_where_they_may_be_the_peers(void **state)
{
	static const char router[] = "192.168.2.1:161", link[] = "192.168.1.77:51820";
	static const char ours[] = "198.51.100.1:1000", shared[] = "198.51.100.1:2000";

	assert_int_equal(probes_to(CANDIDATE_LOCAL, router, NULL, NULL, false), 0);
	assert_int_equal(probes_to(CANDIDATE_LOCAL, router, ours, NULL, false), 0);
	assert_int_equal(probes_to(CANDIDATE_LOCAL, router, ours, "198.51.100.2:2000", false), 0);
	/* Behind one public address, or on a link of ours. */
	assert_true(probes_to(CANDIDATE_LOCAL, router, ours, shared, false));
	assert_true(probes_to(CANDIDATE_LOCAL, link, ours, NULL, false));
}

static void
a_silent_victim_gets_ten_packets_in_thirty_seconds_however_often_it_is_named(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node nodes[20];
	usec_t sent[PATH_BUDGET + 1] = {0};
	size_t total = 0, before;

	for (size_t i = 0; i < array_size(nodes); i++) {
		char name[8], address[20];

		snprintf(name, sizeof(name), "n%zu", i);
		snprintf(address, sizeof(address), "10.0.1.%zu/32", i + 1);
		nodes[i] = one_member(one, name, address);
		one_candidate(&nodes[i], CANDIDATE_OBSERVED, "203.0.113.9:53");
	}
	one_map(one, nodes, array_size(nodes));
	for (usec_t end = one->now + 3 * USEC_PER_MINUTE; one->now < end;) {
		before = one->datagrams;
		one_appointment(one, &nodes[seeded_below(&one->seeded, array_size(nodes))]);
		one_pass(one, 20 * USEC_PER_MSEC);
		for (; before < one->datagrams; before++, total++) {
			/* The one PATH_BUDGET before it left a whole period ago. */
			usec_t *slot = &sent[total % PATH_BUDGET];

			assert_true(!*slot ||
				    one->now - *slot + 20 * USEC_PER_MSEC >= PATH_BUDGET_PERIOD);
			*slot = one->now;
		}
	}
	assert_in_range(total, 5 * PATH_BUDGET, 7 * PATH_BUDGET);
	assert_true(one->agent.counters.probes_withheld > total);
	one_agent_free(one);
}

static void a_record_has_eight_candidates_and_a_path_twelve(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node node = one_member(one, "a", "10.0.0.2/32");
	const struct agent_peer *peer;
	char text[32];

	for (int i = 0; i < NODE_CANDIDATES_MAX; i++) {
		snprintf(text, sizeof(text), "198.51.100.%d:1000", i + 1);
		one_candidate(&node, CANDIDATE_OBSERVED, text);
	}
	one_map(one, &node, 1);
	peer = agent_find(&one->agent, &node.key);
	assert_int_equal(peer->path.candidate_count, NODE_CANDIDATES_MAX);
	/* Packets from everywhere. */
	for (int i = 0; i < 1000; i++) {
		struct address from;

		snprintf(text, sizeof(text), "203.0.%d.%d:1000", 114 + i / 250, 1 + i % 250);
		assert_int_equal(address_parse(text, 0, &from), 0);
		agent_endpoint_seen(&one->agent, one->now, (struct agent_peer *)peer, &from);
		assert_in_range(peer->path.candidate_count, 1, PATH_CANDIDATES_MAX);
	}
	assert_int_equal(peer->path.candidate_count, PATH_CANDIDATES_MAX);
	/* What the hub named was not driven out. */
	for (int i = 0; i < NODE_CANDIDATES_MAX; i++)
		assert_true(address_is_equal(&peer->path.candidates[i].address,
					     &node.candidates[i].address));
	one_agent_free(one);
}

/* ---- what makes an address usable (security 3) ---- */

struct listener {
	uint8_t echo[PROBE_ECHO_SIZE];
	struct address to, chosen;
	unsigned probes;
};

static bool path_may_probe(struct path *path, void *owner, usec_t now, const struct address *to,
			   bool is_heard)
{
	(void)path, (void)owner, (void)now, (void)to, (void)is_heard;
	return true;
}

static void path_send_probe(struct path *path, void *owner, usec_t now, const struct address *to,
			    const uint8_t echo[PROBE_ECHO_SIZE], unsigned attempt)
{
	struct listener *listener = owner;

	(void)path, (void)now, (void)attempt;
	memcpy(listener->echo, echo, PROBE_ECHO_SIZE);
	listener->to = *to;
	listener->probes++;
}

static bool path_is_chosen(struct path *path, void *owner, usec_t now,
			   const struct address *address, usec_t evidence)
{
	(void)path, (void)now, (void)evidence;
	((struct listener *)owner)->chosen = *address;
	return true;
}

static void path_is_lost(struct path *path, void *owner, usec_t now)
{
	(void)path, (void)owner, (void)now;
}

static void an_address_is_used_only_after_it_answered_our_own_probe_from_there(void **state)
{
	const struct path_ops ops = {path_may_probe, path_send_probe, path_is_chosen, path_is_lost};
	const uint8_t guess[PROBE_ECHO_SIZE] = {1, 2, 3};
	struct address address, elsewhere;
	struct listener listener = {0};
	struct seeded seeded;
	struct path path;

	seeded_start(&seeded, __func__);
	assert_int_equal(address_parse("203.0.113.9:1000", 0, &address), 0);
	assert_int_equal(address_parse("203.0.113.10:1000", 0, &elsewhere), 0);
	path_init(&path, &ops, &listener, &seeded.source);
	/* Authentic packets come from there: it is asked, and no more. */
	path_seen(&path, START, &address);
	assert_int_equal(listener.probes, 1);
	assert_null(path_chosen(&path));
	assert_false(path_answer(&path, START + 1, &address, guess));
	assert_null(path_chosen(&path));
	/* Somebody on the way answers from elsewhere with the echo that he saw: that address is
	 * asked itself. */
	assert_true(path_answer(&path, START + 2, &elsewhere, listener.echo));
	assert_null(path_chosen(&path));
	assert_int_equal(listener.probes, 2);
	assert_true(address_is_equal(&listener.to, &elsewhere));
	assert_true(path_answer(&path, START + 3, &elsewhere, listener.echo));
	assert_true(path_chosen(&path) && address_is_equal(&listener.chosen, &elsewhere));
	/* And an echo is good once. */
	assert_false(path_answer(&path, START + 4, &address, listener.echo));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(special_addresses_get_no_packet),
		cmocka_unit_test(what_leads_through_our_own_tunnel_gets_no_packet),
		cmocka_unit_test(private_addresses_are_probed_only_where_they_may_be_the_peers),
		cmocka_unit_test(
			a_silent_victim_gets_ten_packets_in_thirty_seconds_however_often_it_is_named),
		cmocka_unit_test(a_record_has_eight_candidates_and_a_path_twelve),
		cmocka_unit_test(
			an_address_is_used_only_after_it_answered_our_own_probe_from_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
