/* What a false or broken hub cannot make a node do with a map (security 6, 7, 10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "one_agent.h"

#include <cmocka.h>

static void a_change_takes_no_address_from_a_member_it_does_not_name(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node a = one_member(one, "a", "10.0.0.2/32"), thief;

	one_map(one, &a, 1);
	assert_int_equal(one->devices, 1);
	thief = one_member(one, "thief", "10.0.0.2/32");
	one_change(one, &thief, 1, NULL, 0);
	assert_int_equal(one->devices, 1);
	assert_null(agent_find(&one->agent, &thief.key));
	assert_int_equal(one->agent.counters.records_skipped, 1);
	/* Nor the name. */
	thief = one_member(one, "a", "10.0.0.3/32");
	one_change(one, &thief, 1, NULL, 0);
	assert_null(agent_find(&one->agent, &thief.key));
	assert_int_equal(one->agent.counters.records_skipped, 2);
	assert_true(agent_find(&one->agent, &a.key)->has_device);
	one_agent_free(one);
}

static void a_member_that_changes_takes_nothing_either(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node nodes[] = {one_member(one, "a", "10.0.0.2/32"),
				   one_member(one, "b", "10.0.0.3/32"),
				   one_member(one, "c", "10.0.0.4/32")};
	struct agent_peer *b;

	one_map(one, nodes, 3);
	nodes[1].addresses[0] = nodes[0].addresses[0];
	/* c wants what b would leave, but b stays. */
	nodes[2].addresses[0] = agent_find(&one->agent, &nodes[1].key)->record.addresses[0];
	one_change(one, &nodes[1], 2, NULL, 0);
	b = agent_find(&one->agent, &nodes[1].key);
	assert_non_null(b);
	assert_int_equal(b->record.addresses[0].ip[3], 3);
	assert_int_equal(agent_find(&one->agent, &nodes[2].key)->record.addresses[0].ip[3], 4);
	assert_int_equal(one->agent.counters.records_skipped, 2);
	assert_int_equal(one->devices, 3);
	one_agent_free(one);
}

/* No record is bad, but what each gets was the other's. */
static void members_that_swap_names_or_addresses_are_quarantined_until_they_swap_back(void **state)
{
	for (int is_address = 0; is_address < 2; is_address++) {
		struct one_agent *one = one_agent_new(__func__);
		struct map_node nodes[] = {one_member(one, "a", "10.0.0.2/32"),
					   one_member(one, "b", "10.0.0.3/32")};
		struct map_node swapped[] = {nodes[0], nodes[1]};

		one_map(one, nodes, 2);
		if (is_address) {
			swapped[0].addresses[0] = nodes[1].addresses[0];
			swapped[1].addresses[0] = nodes[0].addresses[0];
		} else {
			strcpy(swapped[0].name, "b");
			strcpy(swapped[1].name, "a");
		}
		one_change(one, swapped, 2, NULL, 0);
		assert_int_equal(one->agent.counters.records_skipped, 0);
		assert_int_equal(one->devices, 0);
		assert_int_equal(one->notices[NOTICE_KEY_CHANGED], 2);
		one_change(one, nodes, 2, NULL, 0);
		assert_int_equal(one->devices, 2);
		one_agent_free(one);
	}
}

/* First the owner is moved aside, which happens; then somebody else gets what it had. */
static void what_a_living_member_gave_up_stays_its_own(void **state)
{
	static const char *const names[] = {"x", "a"};
	static const char *const addresses[] = {"10.0.0.2/32", "10.0.0.9/32"};

	for (int i = 0; i < 2; i++) {
		for (int has_left = 0; has_left < 2; has_left++) {
			struct one_agent *one = one_agent_new(__func__);
			struct map_node nodes[] = {one_member(one, "a", "10.0.0.2/32"),
						   one_member(one, names[i], addresses[i])};

			one_map(one, nodes, 1);
			if (has_left)
				one_map(one, NULL, 0);
			strcpy(nodes[0].name, "former");
			nodes[0].addresses[0].ip[3] = 77;
			nodes[0].admitted += (uint64_t)has_left;
			one_map(one, nodes, 1);
			assert_int_equal(one->devices, 1);
			one_map(one, nodes, 2);
			assert_true(agent_find(&one->agent, &nodes[0].key)->has_device);
			assert_true(agent_find(&one->agent, &nodes[1].key)->is_quarantined);
			assert_int_equal(one->devices, 1);
			one_agent_free(one);
		}
	}
}

static void who_comes_and_goes_drives_out_no_other_pin(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node nodes[] = {one_member(one, "a", "10.0.0.2/32"),
				   one_member(one, "b", "10.0.0.3/32")};

	one_map(one, nodes, 2);
	for (int i = 0; i < 3 * AGENT_PINS_MAX; i++) {
		nodes[0].admitted++;
		one_map(one, nodes, (size_t)i % 2);
	}
	assert_int_equal(one->agent.pin_count, 2);
	one_agent_free(one);
}

static void another_key_under_a_name_or_address_is_quarantined(void **state)
{
	static const char *const names[] = {"a", "other"};
	static const char *const addresses[] = {"10.0.0.9/32", "10.0.0.2/32"};

	for (int is_change = 0; is_change < 2; is_change++) {
		for (int i = 0; i < 2; i++) {
			struct one_agent *one = one_agent_new(__func__);
			struct map_node a = one_member(one, "a", "10.0.0.2/32");
			struct map_node other = one_member(one, names[i], addresses[i]);
			struct agent_peer *peer;

			one_map(one, &a, 1);
			if (is_change)
				one_change(one, &other, 1, &a.key, 1);
			else
				one_map(one, &other, 1);
			peer = agent_find(&one->agent, &other.key);
			assert_true(peer && peer->is_quarantined && !peer->has_device);
			assert_int_equal(one->devices, 0);
			assert_int_equal(one->notices[NOTICE_KEY_CHANGED], 1);
			assert_int_equal(peer->reason, REASON_KEY_CHANGED);
			/* Until a person says otherwise. */
			one_map(one, &other, 1);
			assert_int_equal(one->devices, 0);
			assert_int_equal(agent_trust(&one->agent, one->now, peer), 0);
			assert_int_equal(one->devices, 1);
			one_agent_free(one);
		}
	}
}

static void pins_outlive_a_restart(void **state)
{
	struct one_agent *one = one_agent_new(__func__), *again = one_agent_new(__func__);
	struct map_node a = one_member(one, "a", "10.0.0.2/32");
	struct map_node other = one_member(one, "a", "10.0.0.3/32");
	size_t size;
	uint8_t *bytes;

	one_map(one, &a, 1);
	strcpy(a.name, "b");
	one_map(one, &a, 1);
	size = agent_save_size(&one->agent);
	bytes = memory_new(size);
	size = agent_save(&one->agent, one->now, bytes, size);
	assert_true(size);
	assert_true(agent_load(&again->agent, again->now, bytes, size, 0));
	again->revision = one->revision;
	one_map(again, &other, 1);
	assert_true(agent_find(&again->agent, &other.key)->is_quarantined);
	free(bytes);
	one_agent_free(one);
	one_agent_free(again);
}

static void the_oldest_pins_go_first_when_there_are_too_many(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	char name[16], address[32];

	for (int i = 0; i < AGENT_PINS_MAX + 5; i++) {
		struct map_node node;

		snprintf(name, sizeof(name), "n%d", i);
		snprintf(address, sizeof(address), "10.0.%d.%d/32", 1 + i / 250, 1 + i % 250);
		node = one_member(one, name, address);
		one_map(one, &node, 1);
	}
	one_map(one, NULL, 0);
	assert_int_equal(one->agent.pin_count, AGENT_PINS_MAX);
	assert_string_equal(list_first(&one->agent.pins, struct agent_peer, entry)->record.name,
			    "n5");
	one_agent_free(one);
}

static void addresses_outside_the_network_are_refused(void **state)
{
	static const char *const wrong[] = {
		"10.0.0.1/32",     /* our own */
		"10.0.255.254/32", /* the hub's */
		"10.0.0.0/24",     /* no single host of the network */
		"10.0.0.0/15",     "10.1.0.1/32", "0.0.0.0/0", "::/0",
		"192.168.1.0/24", /* our link */
		"8.8.8.8/32",      "fd00::1/128",
	};

	for (size_t i = 0; i < array_size(wrong); i++) {
		struct one_agent *one = one_agent_new(__func__);
		struct map_node nodes[] = {one_member(one, "good", "10.0.0.2/32"),
					   one_member(one, "bad", wrong[i])};

		one_map(one, nodes, 2);
		assert_int_equal(one->devices, 1);
		assert_int_equal(one->agent.counters.records_skipped, 1);
		assert_null(agent_find(&one->agent, &nodes[1].key));
		one_agent_free(one);
	}
}

static void routes_are_accepted_as_configured_and_never_over_a_link_or_the_hub(void **state)
{
	static const struct {
		const char *route;
		bool is_accepted;
	} cases[] = {
		{"172.16.5.0/24", true}, {"172.16.0.0/15", false},  {"192.168.1.0/25", false},
		{"0.0.0.0/0", false},    {"203.0.113.0/24", false}, {"203.0.114.0/24", true},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct one_agent *one = one_agent_new(__func__);
		struct agent_config *config = &one->agent.config;
		struct map_node node = one_member(one, "a", "10.0.0.2/32");
		struct address hub;

		assert_int_equal(prefix_parse("172.16.0.0/16", &config->accepted_routes[0]), 0);
		assert_int_equal(prefix_parse("0.0.0.0/1", &config->accepted_routes[1]), 0);
		assert_int_equal(prefix_parse("128.0.0.0/1", &config->accepted_routes[2]), 0);
		config->accepted_route_count = i < 2 ? 1 : 3;
		assert_int_equal(address_parse("203.0.113.10:51820", 0, &hub), 0);
		agent_set_hub_endpoints(&one->agent, &hub, 1);
		assert_int_equal(prefix_parse(cases[i].route, &node.addresses[1]), 0);
		node.address_count = 2;
		one_map(one, &node, 1);
		assert_int_equal(one->devices, cases[i].is_accepted);
		one_agent_free(one);
	}
}

static void an_older_map_is_refused_and_another_networks_too(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node a = one_member(one, "a", "10.0.0.2/32");
	struct map_header header;

	one_map(one, &a, 1);
	header = one_header(one, 0);
	one_map(one, &a, 1);
	one_map_with(one, &header, NULL, 0);
	assert_int_equal(one->agent.counters.maps_refused, 1);
	assert_int_equal(one->devices, 1);
	header = one_header(one, 0);
	header.network_id[0] ^= 1;
	one_map_with(one, &header, NULL, 0);
	assert_int_equal(one->agent.counters.maps_refused, 2);
	assert_int_equal(one->devices, 1);
	/* Another database may count anew, but says so. */
	header = one_header(one, 1);
	header.incarnation++;
	header.revision = 1;
	one_map_with(one, &header, &a, 1);
	assert_int_equal(one->notices[NOTICE_NEW_INCARNATION], 1);
	assert_int_equal(one->agent.counters.maps_refused, 2);
	one_agent_free(one);
}

static void a_map_cut_short_changes_nothing(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node a = one_member(one, "a", "10.0.0.2/32"), b[2];
	struct map_header header;

	one_map(one, &a, 1);
	b[0] = one_member(one, "b", "10.0.0.3/32");
	header = one_header(one, 2);
	one_map_with(one, &header, b, 1);
	assert_int_equal(one->agent.counters.maps_refused, 1);
	assert_int_equal(one->devices, 1);
	assert_true(agent_find(&one->agent, &a.key)->has_device);
	assert_null(agent_find(&one->agent, &b[0].key));
	one_agent_free(one);
}

static void the_hubs_key_and_our_own_are_nobody_elses(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node nodes[] = {one_member(one, "hub2", "10.0.0.2/32"),
				   one_member(one, "self", "10.0.0.3/32")};

	nodes[0].key = one->hub;
	nodes[1].key = one->agent.identity.public_key;
	one_map(one, nodes, 2);
	assert_int_equal(one->devices, 0);
	assert_null(agent_find(&one->agent, &one->hub));
	one_agent_free(one);
}

static void without_a_fresh_map_peers_are_dropped_at_its_maximum_age(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node a = one_member(one, "a", "10.0.0.2/32");

	one_map(one, &a, 1);
	agent_link_down(&one->agent, one->now);
	one_pass(one, AGENT_MAP_AGE_DEFAULT - USEC_PER_SEC);
	assert_int_equal(one->devices, 1);
	one_pass(one, 2 * USEC_PER_SEC);
	assert_int_equal(one->devices, 0);
	assert_int_equal(one->notices[NOTICE_MAP_EXPIRED], 1);
	assert_int_equal(agent_find(&one->agent, &a.key)->reason, REASON_MAP_EXPIRED);
	agent_link_up(&one->agent, one->now);
	one_map(one, &a, 1);
	assert_int_equal(one->devices, 1);
	one_agent_free(one);
}

static void a_map_is_old_after_a_week(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node a = one_member(one, "a", "10.0.0.2/32");

	assert_int_equal(agent_map_state(&one->agent, one->now), MAP_STATE_NONE);
	one_map(one, &a, 1);
	agent_link_down(&one->agent, one->now);
	one_pass(one, AGENT_MAP_AGE_WARNING - USEC_PER_SEC);
	assert_int_equal(agent_map_state(&one->agent, one->now), MAP_STATE_FRESH);
	assert_int_equal(one->notices[NOTICE_MAP_OLD], 0);
	one_pass(one, 2 * USEC_PER_SEC);
	assert_int_equal(agent_map_state(&one->agent, one->now), MAP_STATE_OLD);
	assert_int_equal(one->notices[NOTICE_MAP_OLD], 1);
	assert_int_equal(one->devices, 1);
	one_pass(one, USEC_PER_DAY);
	assert_int_equal(one->notices[NOTICE_MAP_OLD], 1);
	agent_link_up(&one->agent, one->now);
	one_pass(one, USEC_PER_SEC);
	assert_int_equal(agent_map_state(&one->agent, one->now), MAP_STATE_FRESH);
	one_agent_free(one);
}

static void restarts_make_no_map_younger(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node a = one_member(one, "a", "10.0.0.2/32");

	one_map(one, &a, 1);
	agent_link_down(&one->agent, one->now);
	for (int i = 0; i < 3; i++) {
		one_pass(one, 9 * USEC_PER_DAY);
		one_restart(one);
		assert_int_equal(one->devices, 1);
	}
	assert_int_equal(agent_map_age(&one->agent, one->now), 27 * USEC_PER_DAY);
	one_pass(one, 3 * USEC_PER_DAY);
	assert_int_equal(one->devices, 0);
	assert_int_equal(agent_map_state(&one->agent, one->now), MAP_STATE_EXPIRED);
	one_agent_free(one);
}

static void a_confirmed_map_does_not_age_on_disk(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node a = one_member(one, "a", "10.0.0.2/32");

	one_map(one, &a, 1);
	one_pass(one, USEC_PER_SEC);
	one->saves = 0;
	one_pass(one, 10 * USEC_PER_DAY);
	assert_in_range(one->saves, 9, 10);
	one->saves = 0;
	agent_link_down(&one->agent, one->now);
	one_pass(one, USEC_PER_SEC);
	assert_int_equal(one->saves, 1);
	one_agent_free(one);
}

static void trust_brings_nobody_into_an_expired_map(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node nodes[] = {one_member(one, "a", "10.0.0.2/32"),
				   one_member(one, "a", "10.0.0.2/32")};

	one_map(one, &nodes[0], 1);
	one_map(one, &nodes[1], 1);
	agent_link_down(&one->agent, one->now);
	one_pass(one, AGENT_MAP_AGE_DEFAULT + USEC_PER_SEC);
	assert_int_equal(agent_trust(&one->agent, one->now, agent_find(&one->agent, &nodes[1].key)),
			 0);
	assert_int_equal(one->devices, 0);
	assert_int_equal(agent_find(&one->agent, &nodes[1].key)->reason, REASON_MAP_EXPIRED);
	agent_link_up(&one->agent, one->now);
	one_map(one, &nodes[1], 1);
	assert_int_equal(one->devices, 1);
	one_agent_free(one);
}

/* The registry before the removal, put back; with the incarnation that `hub restore` gives it. */
static void one_backup(struct one_agent *one, const struct map_node *nodes, size_t count)
{
	struct map_header header = one_header(one, count);

	header.incarnation = 8;
	header.revision = 1;
	one_map_with(one, &header, nodes, count);
}

static bool is_member(const struct one_agent *one, const struct map_node *node)
{
	return agent_find(&one->agent, &node->key);
}

static void a_backup_of_the_hub_brings_no_removed_node_back(void **state)
{
	for (int in_a_change = 0; in_a_change < 2; in_a_change++) {
		for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
			struct one_agent *one = one_agent_new(__func__);
			struct map_node nodes[] = {one_member(one, "a", "10.0.0.2/32"),
						   one_member(one, "b", "10.0.0.3/32")};

			one_map(one, nodes, 2);
			if (in_a_change)
				one_change(one, NULL, 0, &nodes[1].key, 1);
			else
				one_map(one, nodes, 1);
			if (is_restarted)
				one_restart(one);
			one_backup(one, nodes, 2);
			assert_true(is_member(one, &nodes[0]));
			assert_false(is_member(one, &nodes[1]));
			assert_int_equal(one->agent.counters.records_skipped, 1);
			/* Until the operator lets it in again. */
			nodes[1].admitted++;
			one_backup(one, nodes, 2);
			assert_true(is_member(one, &nodes[1]));
			one_agent_free(one);
		}
	}
}

static void who_joined_after_the_backup_may_join_again(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node nodes[] = {one_member(one, "a", "10.0.0.2/32"),
				   one_member(one, "b", "10.0.0.3/32")};

	one_map(one, nodes, 2);
	one_backup(one, nodes, 1);
	assert_false(is_member(one, &nodes[1]));
	assert_int_equal(one->agent.tombstone_count, 0);
	one_backup(one, nodes, 2);
	assert_true(is_member(one, &nodes[1]));
	one_agent_free(one);
}

static void a_refused_record_is_no_removal(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node node = one_member(one, "a", "10.0.0.2/32"), wrong = node;

	one_map(one, &node, 1);
	prefix_parse("192.0.2.1/32", &wrong.addresses[0]);
	one_map(one, &wrong, 1);
	assert_false(is_member(one, &node));
	one_map(one, &node, 1);
	assert_true(is_member(one, &node));
	one_agent_free(one);
}

static void the_oldest_tombstones_go_first(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct map_node first = one_member(one, "first", "10.0.0.2/32"), last = first;

	one_map(one, &first, 1);
	for (int i = 0; i < AGENT_TOMBSTONES_MAX; i++) {
		last = one_member(one, "last", "10.0.0.3/32");
		one_map(one, &last, 1);
	}
	one_map(one, NULL, 0);
	assert_int_equal(one->agent.tombstone_count, AGENT_TOMBSTONES_MAX);
	one_restart(one);
	one_backup(one, &first, 1);
	assert_true(is_member(one, &first));
	one_backup(one, &last, 1);
	assert_false(is_member(one, &last));
	one_agent_free(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_takes_no_address_from_a_member_it_does_not_name),
		cmocka_unit_test(a_member_that_changes_takes_nothing_either),
		cmocka_unit_test(
			members_that_swap_names_or_addresses_are_quarantined_until_they_swap_back),
		cmocka_unit_test(what_a_living_member_gave_up_stays_its_own),
		cmocka_unit_test(who_comes_and_goes_drives_out_no_other_pin),
		cmocka_unit_test(another_key_under_a_name_or_address_is_quarantined),
		cmocka_unit_test(pins_outlive_a_restart),
		cmocka_unit_test(the_oldest_pins_go_first_when_there_are_too_many),
		cmocka_unit_test(addresses_outside_the_network_are_refused),
		cmocka_unit_test(
			routes_are_accepted_as_configured_and_never_over_a_link_or_the_hub),
		cmocka_unit_test(an_older_map_is_refused_and_another_networks_too),
		cmocka_unit_test(a_map_cut_short_changes_nothing),
		cmocka_unit_test(the_hubs_key_and_our_own_are_nobody_elses),
		cmocka_unit_test(without_a_fresh_map_peers_are_dropped_at_its_maximum_age),
		cmocka_unit_test(a_backup_of_the_hub_brings_no_removed_node_back),
		cmocka_unit_test(who_joined_after_the_backup_may_join_again),
		cmocka_unit_test(a_refused_record_is_no_removal),
		cmocka_unit_test(the_oldest_tombstones_go_first),
		cmocka_unit_test(a_map_is_old_after_a_week),
		cmocka_unit_test(restarts_make_no_map_younger),
		cmocka_unit_test(a_confirmed_map_does_not_age_on_disk),
		cmocka_unit_test(trust_brings_nobody_into_an_expired_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
