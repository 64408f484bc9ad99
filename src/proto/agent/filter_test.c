#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/agent/filter.h"
#include "proto/agent/test_bench.h"

#include <cmocka.h>

/* What the filter lets through of one candidate of a peer. The node stands on 192.168.7.2/24 and
 * 2001:db8:7::2/64, and the hub sees it at `own`. */
static bool passes(const char *candidate, const char *own, const char *theirs)
{
	struct bench *bench = bench_new(1);
	const struct agent_interface_address interfaces[] = {
		{.prefix = bench_prefix("192.168.7.2/24")},
		{.prefix = bench_prefix("2001:db8:7::2/64")},
		{.prefix = bench_prefix("100.100.96.2/24"), .is_ours = true},
	};
	const struct address hubs[] = {bench_address("198.51.100.1:51820")};
	struct agent_peer peer = {0};
	struct candidate passed[NODE_CANDIDATES_MAX];
	bool is_local = text_starts_with(candidate, "l:");
	size_t count;

	agent_set_interfaces(bench->agent, bench->now, interfaces, array_size(interfaces));
	agent_set_hub_endpoints(bench->agent, hubs, array_size(hubs));
	if (own)
		bench->agent->self.candidates[bench->agent->self.candidate_count++] =
			(struct candidate){CANDIDATE_OBSERVED, bench_address(own)};
	peer.record.candidates[peer.record.candidate_count++] =
		(struct candidate){is_local ? CANDIDATE_LOCAL : CANDIDATE_OBSERVED,
				   bench_address(candidate + (is_local ? 2 : 0))};
	if (theirs)
		peer.record.candidates[peer.record.candidate_count++] =
			(struct candidate){CANDIDATE_OBSERVED, bench_address(theirs)};
	count = filter_peer(bench->agent, &peer, passed);
	assert_int_equal(bench->agent->counters.candidates_refused,
			 peer.record.candidate_count - count);
	bench_free(bench);
	return count && address_is_equal(&passed[0].address, &peer.record.candidates[0].address);
}

#define OWN    "203.0.113.1:4000"
#define THEIRS "203.0.113.2:5000"

static void public_addresses_pass(void **state)
{
	assert_true(passes("203.0.113.9:51820", OWN, NULL));
	assert_true(passes("l:203.0.113.9:51820", OWN, THEIRS));
	assert_true(passes("[2001:db8:9::1]:51820", OWN, NULL));
	assert_true(passes("l:[2001:db8:9::1]:51820", NULL, NULL));
}

static void an_address_without_a_port_does_not_pass(void **state)
{
	struct bench *bench = bench_new(1);
	struct address address = bench_address("203.0.113.9:1");

	assert_true(filter_seen(bench->agent, &address));
	address.port = 0;
	assert_false(filter_seen(bench->agent, &address));
	bench_free(bench);
}

static void addresses_inside_the_tunnel_do_not_pass(void **state)
{
	assert_false(passes("100.100.96.3:51820", OWN, OWN));
	assert_false(passes("l:100.100.96.1:51820", OWN, OWN));
	/* The carrier's own addresses beside it are as good as other private ones. */
	assert_true(passes("l:100.64.0.9:51820", OWN, OWN));
}

static void the_hub_is_nobodys_candidate(void **state)
{
	assert_false(passes("198.51.100.1:51820", OWN, NULL));
	assert_false(passes("l:198.51.100.1:51820", OWN, OWN));
	/* Another service on its machine may be a node. */
	assert_true(passes("198.51.100.1:51821", OWN, NULL));
}

static void our_own_address_does_not_pass(void **state)
{
	assert_false(passes("l:192.168.7.2:51820", OWN, OWN));
	assert_false(passes("[2001:db8:7::2]:51820", OWN, OWN));
}

static void private_addresses_pass_on_our_own_link(void **state)
{
	assert_true(passes("l:192.168.7.9:51820", OWN, THEIRS));
	assert_true(passes("192.168.7.9:51820", NULL, NULL));
	assert_false(passes("l:192.168.8.9:51820", OWN, THEIRS));
	assert_false(passes("l:10.0.0.1:51820", OWN, THEIRS));
	assert_false(passes("l:100.64.0.9:51820", OWN, THEIRS));
	assert_false(passes("l:[fd00::9]:51820", OWN, THEIRS));
}

static void private_addresses_pass_behind_one_public_address(void **state)
{
	assert_true(passes("l:192.168.8.9:51820", OWN, "203.0.113.1:7777"));
	assert_true(passes("l:10.0.0.1:51820", OWN, "203.0.113.1:7777"));
	assert_false(passes("l:10.0.0.1:51820", NULL, "203.0.113.1:7777"));
	assert_false(passes("l:10.0.0.1:51820", OWN, NULL));
}

static void the_same_address_in_another_family_is_no_common_one(void **state)
{
	assert_false(passes("l:10.0.0.1:51820", OWN, "[2001:db8::1]:7777"));
	assert_true(passes("l:10.0.0.1:51820", "[2001:db8::1]:1", "[2001:db8::1]:7777"));
}

static void what_the_hub_sees_is_private_where_all_are(void **state)
{
	assert_true(passes("10.3.0.9:51820", "10.1.0.7:4000", NULL));
	assert_false(passes("10.3.0.9:51820", OWN, NULL));
	/* What a node says of itself is no such evidence. */
	assert_false(passes("l:10.3.0.9:51820", "10.1.0.7:4000", NULL));
}

static void what_is_routed_into_the_tunnel_does_not_pass(void **state)
{
	struct bench *bench = bench_new(1);
	struct address address = bench_address("203.0.113.9:51820");

	assert_true(filter_seen(bench->agent, &address));
	bench->routes_through_us = true;
	assert_false(filter_seen(bench->agent, &address));
	bench_free(bench);
}

static void a_private_source_of_an_authentic_packet_may_be_asked(void **state)
{
	struct bench *bench = bench_new(1);
	struct address private = bench_address("10.3.0.9:51820");
	struct address loopback = bench_address("127.0.0.1:51820");
	struct address tunnel = bench_address("100.100.96.9:51820");

	assert_true(filter_seen(bench->agent, &private));
	assert_false(filter_seen(bench->agent, &loopback));
	assert_false(filter_seen(bench->agent, &tunnel));
	bench_free(bench);
}

static void the_report_names_what_others_could_reach(void **state)
{
	struct bench *bench = bench_new(1);
	const struct agent_interface_address interfaces[] = {
		{.prefix = bench_prefix("127.0.0.1/8")},
		{.prefix = bench_prefix("169.254.3.4/16")},
		{.prefix = bench_prefix("192.168.7.2/24")},
		{.prefix = bench_prefix("100.100.96.2/24"), .is_ours = true},
		{.prefix = bench_prefix("100.100.96.77/24")},
		{.prefix = bench_prefix("fe80::1/64")},
		{.prefix = bench_prefix("2001:db8:7::2/64")},
		{.prefix = bench_prefix("10.200.0.1/24"), .is_ours = true},
	};
	struct candidate own[NODE_CANDIDATES_MAX];
	struct address first = bench_address("192.168.7.2:51820");
	struct address second = bench_address("[2001:db8:7::2]:51820");

	agent_set_interfaces(bench->agent, bench->now, interfaces, array_size(interfaces));
	assert_int_equal(filter_own(bench->agent, own), 2);
	assert_true(address_is_equal(&own[0].address, &first));
	assert_true(address_is_equal(&own[1].address, &second));
	assert_int_equal(own[0].kind, CANDIDATE_LOCAL);
	bench_free(bench);
}

static void the_report_leaves_room_for_what_the_hub_sees(void **state)
{
	struct bench *bench = bench_new(1);
	struct agent_interface_address interfaces[AGENT_INTERFACE_ADDRESSES_MAX + 8] = {0};
	struct candidate own[NODE_CANDIDATES_MAX];

	for (size_t i = 0; i < array_size(interfaces); i++) {
		interfaces[i].prefix = bench_prefix("203.0.113.1/24");
		interfaces[i].prefix.ip[3] = (uint8_t)(i + 1);
	}
	agent_set_interfaces(bench->agent, bench->now, interfaces, array_size(interfaces));
	assert_int_equal(bench->agent->interface_count, AGENT_INTERFACE_ADDRESSES_MAX);
	assert_int_equal(filter_own(bench->agent, own), NODE_CANDIDATES_MAX - 1);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_addresses_pass),
		cmocka_unit_test(an_address_without_a_port_does_not_pass),
		cmocka_unit_test(addresses_inside_the_tunnel_do_not_pass),
		cmocka_unit_test(the_hub_is_nobodys_candidate),
		cmocka_unit_test(our_own_address_does_not_pass),
		cmocka_unit_test(private_addresses_pass_on_our_own_link),
		cmocka_unit_test(private_addresses_pass_behind_one_public_address),
		cmocka_unit_test(the_same_address_in_another_family_is_no_common_one),
		cmocka_unit_test(what_the_hub_sees_is_private_where_all_are),
		cmocka_unit_test(what_is_routed_into_the_tunnel_does_not_pass),
		cmocka_unit_test(a_private_source_of_an_authentic_packet_may_be_asked),
		cmocka_unit_test(the_report_names_what_others_could_reach),
		cmocka_unit_test(the_report_leaves_room_for_what_the_hub_sees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
