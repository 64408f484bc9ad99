#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/agent/test_bench.h"

#include <cmocka.h>

#define A_AT "203.0.113.11:51820"
#define B_AT "203.0.113.12:51820"

static struct bench_member member(unsigned key, const char *name, const char *address)
{
	return (struct bench_member){.key = bench_key(key), .name = name, .address = address};
}

static void two_members(struct bench_member members[2])
{
	members[0] = member(10, "ada", "100.100.96.3/32");
	members[1] = member(11, "bob", "100.100.96.4/32");
}

static struct bench *bench_with_two(void)
{
	struct bench *bench = bench_new(1);
	struct bench_member members[2];

	two_members(members);
	bench_map(bench, members, 2);
	assert_int_equal(bench->agent->member_count, 2);
	assert_int_equal(bench->device_count, 2);
	return bench;
}

/* What a map changes when it is accepted; all of it stays when it is not. */
struct snapshot {
	size_t members, devices;
	uint64_t revision, incarnation;
	struct map_node self;
	char names[8][NODE_NAME_SIZE];
};

static struct snapshot take_snapshot(const struct bench *bench)
{
	struct snapshot snapshot = {.members = bench->agent->member_count,
				    .devices = bench->device_count,
				    .revision = bench->agent->map.revision,
				    .incarnation = bench->agent->map.incarnation,
				    .self = bench->agent->self};
	const struct agent_peer *peer;
	size_t count = 0;

	list_for_each (peer, &bench->agent->peers, entry)
		strcpy(snapshot.names[count++ % 8], peer->record.name);
	return snapshot;
}

static void assert_same(const struct bench *bench, const struct snapshot *before)
{
	struct snapshot after = take_snapshot(bench);

	assert_memory_equal(&after, before, sizeof(after));
}

/* One record in a map of its own, beside a good one: is it a member afterwards? */
static bool is_taken(const struct bench_member *strange)
{
	struct bench *bench = bench_new(1);
	struct bench_member members[2] = {member(10, "ada", "100.100.96.3/32"), *strange};
	bool is_member;

	bench_map(bench, members, 2);
	is_member = agent_find(bench->agent, &strange->key) != NULL;
	assert_non_null(bench_peer(bench, "ada"));
	assert_int_equal(bench->agent->member_count, 1 + is_member);
	assert_int_equal(bench->agent->counters.records_skipped, !is_member);
	bench_free(bench);
	return is_member;
}

static void a_member_is_a_key_with_addresses_of_the_network(void **state)
{
	struct bench_member good = member(12, "eve", "100.100.96.77/32");
	struct bench_member outside = member(12, "eve", "100.100.97.7/32");
	struct bench_member whole = member(12, "eve", "100.100.96.0/24");
	struct bench_member everything = member(12, "eve", "0.0.0.0/0");
	struct bench_member ours = member(12, "eve", "100.100.96.2/32");
	struct bench_member hubs = member(12, "eve", "100.100.96.1/32");
	struct bench_member other_family = member(12, "eve", "fd00::7/128");

	assert_true(is_taken(&good));
	assert_false(is_taken(&outside));
	assert_false(is_taken(&whole));
	assert_false(is_taken(&everything));
	assert_false(is_taken(&ours));
	assert_false(is_taken(&hubs));
	assert_false(is_taken(&other_family));
}

static void routes_outside_must_be_accepted_by_our_own_configuration(void **state)
{
	struct bench_member accepted = member(12, "eve", "10.9.3.0/24");
	struct bench_member larger = member(12, "eve", "10.8.0.0/15");
	struct bench_member not_accepted = member(12, "eve", "10.10.0.0/16");

	assert_true(is_taken(&accepted));
	assert_false(is_taken(&larger));
	assert_false(is_taken(&not_accepted));
}

static void accepted_routes_never_cover_our_links_or_the_hub(void **state)
{
	struct bench *bench = bench_new(1);
	const struct agent_interface_address lan = {.prefix = bench_prefix("10.9.5.2/24")};
	const struct address hub = bench_address("10.9.77.1:51820");
	struct bench_member on_link = member(12, "eve", "10.9.5.0/24");
	struct bench_member inside = member(13, "fay", "10.9.5.128/25");
	struct bench_member over_hub = member(14, "gus", "10.9.77.0/24");
	struct bench_member fine = member(15, "hal", "10.9.6.0/24");
	struct bench_member members[] = {on_link, inside, over_hub, fine};

	agent_set_interfaces(bench->agent, bench->now, &lan, 1);
	agent_set_hub_endpoints(bench->agent, &hub, 1);
	bench_map(bench, members, array_size(members));
	assert_int_equal(bench->agent->member_count, 1);
	assert_non_null(bench_peer(bench, "hal"));
	bench_free(bench);
}

static void our_own_record_is_not_a_peer(void **state)
{
	struct bench *bench = bench_new(1);
	struct bench_member self = member(1, "me", "100.100.96.2/32");

	self.candidates[0] = A_AT;
	bench_map(bench, &self, 1);
	assert_int_equal(bench->agent->member_count, 0);
	assert_int_equal(bench->agent->counters.records_skipped, 0);
	assert_string_equal(bench->agent->self.name, "me");
	bench_free(bench);
}

static void a_key_stands_once_in_a_map(void **state)
{
	struct bench *bench = bench_new(1);
	struct bench_member members[] = {member(10, "ada", "100.100.96.3/32"),
					 member(10, "ann", "100.100.96.4/32")};

	bench_map(bench, members, 2);
	assert_int_equal(bench->agent->member_count, 1);
	assert_non_null(bench_peer(bench, "ada"));
	assert_int_equal(bench->agent->counters.records_skipped, 1);
	bench_free(bench);
}

static void of_two_newcomers_the_first_has_the_name_and_the_address(void **state)
{
	struct bench *bench = bench_new(1);
	struct bench_member members[] = {
		member(10, "ada", "100.100.96.3/32"), member(11, "ada", "100.100.96.4/32"),
		member(12, "eve", "100.100.96.3/32"), member(13, "fay", "100.100.96.5/32")};

	bench_map(bench, members, array_size(members));
	assert_int_equal(bench->agent->member_count, 2);
	assert_non_null(bench_peer(bench, "ada"));
	assert_non_null(bench_peer(bench, "fay"));
	assert_int_equal(bench->device_count, 2);
	bench_free(bench);
}

static void who_has_an_address_keeps_it_wherever_it_stands(void **state)
{
	struct bench_member members[3];

	for (int is_last = 0; is_last < 2; is_last++) {
		struct bench *bench = bench_with_two();

		two_members(members + (is_last ? 1 : 0));
		members[is_last ? 0 : 2] = member(12, "eve", "100.100.96.3/32");
		bench_map(bench, members, 3);
		assert_null(agent_find(bench->agent, &members[is_last ? 0 : 2].key));
		assert_non_null(bench_peer(bench, "ada"));
		assert_int_equal(bench->agent->member_count, 2);
		bench_free(bench);
	}
}

/* A member that has an address of its own claims another member's too. */
static void a_member_takes_nothing_from_another(void **state)
{
	for (int is_first = 0; is_first < 2; is_first++) {
		struct bench *bench = bench_with_two();
		uint8_t bytes[2048];
		struct writer writer = writer_over(bytes, sizeof(bytes));
		struct map_header header = bench_header(bench, 2);
		struct bench_member members[2];
		struct map_node greedy, other;

		two_members(members);
		bench_to_record(&members[0], &other);
		bench_to_record(&members[1], &greedy);
		greedy.addresses[greedy.address_count++] = other.addresses[0];
		map_header_write(&writer, &header);
		map_node_write(&writer, is_first ? &greedy : &other);
		map_node_write(&writer, is_first ? &other : &greedy);
		agent_receive_message(bench->agent, bench->now, bytes, writer.position);
		assert_non_null(bench_peer(bench, "ada"));
		assert_null(bench_peer(bench, "bob"));
		assert_int_equal(bench->agent->counters.records_skipped, 1);
		bench_free(bench);
	}
}

static void a_change_takes_nothing_from_a_member_it_does_not_name(void **state)
{
	struct bench *bench = bench_with_two();
	struct bench_member greedy = member(12, "eve", "100.100.96.3/32");
	struct bench_member namesake = member(13, "ada", "100.100.96.9/32");
	struct bench_member moved = member(11, "bob", "100.100.96.3/32");

	bench_change(bench, &greedy, 1, NULL, 0);
	bench_change(bench, &namesake, 1, NULL, 0);
	bench_change(bench, &moved, 1, NULL, 0);
	assert_int_equal(bench->agent->member_count, 2);
	assert_int_equal(bench->agent->counters.records_skipped, 3);
	assert_non_null(bench_peer(bench, "ada"));
	assert_int_equal(bench_device(bench, "bob")->changes, 0);
	bench_free(bench);
}

static void a_lower_revision_is_refused(void **state)
{
	struct bench *bench = bench_with_two();
	struct snapshot before = take_snapshot(bench);
	struct bench_member members[2];

	two_members(members);
	bench->revision--;
	bench_map(bench, members, 1);
	bench_change(bench, NULL, 0, &members[0].key, 1);
	assert_same(bench, &before);
	assert_int_equal(bench->agent->counters.maps_refused, 2);
	/* The same revision is fine: what moves without a change of membership. */
	bench->revision++;
	members[0].is_online = true;
	bench_change(bench, members, 1, NULL, 0);
	assert_true(bench_peer(bench, "ada")->record.is_online);
	bench_free(bench);
}

static void a_new_incarnation_may_count_from_one_again(void **state)
{
	struct bench *bench = bench_with_two();
	static uint8_t bytes[BENCH_MESSAGE_MAX];
	struct map_header header = bench_header(bench, 1);
	struct bench_member one = member(10, "ada", "100.100.96.3/32");
	size_t size;

	header.incarnation = 2;
	header.revision = 1;
	size = bench_write_map(&header, &one, 1, bytes);
	assert_true(agent_receive_message(bench->agent, bench->now, bytes, size));
	assert_int_equal(bench->agent->member_count, 1);
	assert_int_equal(bench_count_notices(bench, NOTICE_NEW_INCARNATION), 1);
	/* Changes of the old one do not follow. */
	bench_change(bench, NULL, 0, &one.key, 1);
	assert_int_equal(bench->agent->member_count, 1);
	bench_free(bench);
}

static void changes_before_a_map_are_refused(void **state)
{
	struct bench *bench = bench_new(1);
	struct bench_member one = member(10, "ada", "100.100.96.3/32");

	bench_change(bench, &one, 1, NULL, 0);
	assert_int_equal(bench->agent->member_count, 0);
	assert_int_equal(bench->agent->counters.maps_refused, 1);
	bench_free(bench);
}

static void a_change_that_is_cut_off_changes_nothing(void **state)
{
	struct bench *bench = bench_with_two();
	struct snapshot before = take_snapshot(bench);
	struct bench_member eve = member(12, "eve", "100.100.96.7/32");
	struct key removed = bench_key(10);
	struct changes_header header = {
		.incarnation = 1, .revision = 6, .node_count = 1, .removed_count = 1};
	uint8_t bytes[1024];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct map_node node;

	bench_to_record(&eve, &node);
	changes_header_write(&writer, &header);
	map_node_write(&writer, &node);
	key_write(&writer, &removed);
	for (size_t cut = 1; cut < writer.position; cut++) {
		agent_receive_message(bench->agent, bench->now, bytes, cut);
		assert_same(bench, &before);
	}
	agent_receive_message(bench->agent, bench->now, bytes, writer.position);
	assert_non_null(bench_peer(bench, "eve"));
	assert_null(bench_peer(bench, "ada"));
	assert_int_equal(bench->agent->map.revision, 6);
	bench_free(bench);
}

/* Each byte of a record made wrong in turn: the good records around it are never harmed. */
static void a_bad_record_harms_no_good_one(void **state)
{
	static uint8_t bytes[BENCH_MESSAGE_MAX];
	struct bench *model = bench_new(1);
	struct bench_member members[] = {member(10, "ada", "100.100.96.3/32"),
					 member(12, "eve", "100.100.96.7/32"),
					 member(11, "bob", "100.100.96.4/32")};
	struct map_header header = bench_header(model, array_size(members));
	size_t size = bench_write_map(&header, members, array_size(members), bytes);
	size_t record = (size - bench_write_map(&header, members, 0, bytes)) / 3;
	size_t middle;

	size = bench_write_map(&header, members, array_size(members), bytes);
	middle = size - 2 * record;
	bench_free(model);
	for (size_t i = middle + 2; i < middle + record; i++) {
		struct bench *bench = bench_new(1);

		bytes[i] ^= 0xff;
		agent_receive_message(bench->agent, bench->now, bytes, size);
		bytes[i] ^= 0xff;
		assert_non_null(agent_find(bench->agent, &members[0].key));
		assert_non_null(agent_find(bench->agent, &members[2].key));
		bench_free(bench);
	}
}

static void removal_and_return_in_one_change_leaves_a_member(void **state)
{
	struct bench *bench = bench_with_two();
	struct bench_member back = member(10, "ada", "100.100.96.8/32");

	bench->revision++;
	bench_change(bench, &back, 1, &back.key, 1);
	assert_int_equal(bench->agent->member_count, 2);
	assert_int_equal(bench_peer(bench, "ada")->record.addresses[0].ip[3], 8);
	bench_free(bench);
}

static void members_that_swap_names_wait_for_trust(void **state)
{
	struct bench *bench = bench_with_two();
	struct bench_member members[2];

	two_members(members);
	members[0].name = "bob";
	members[1].name = "ada";
	bench->revision++;
	bench_map(bench, members, 2);
	/* Which name and key belong together is not for a hub to change in silence. */
	assert_int_equal(bench->agent->member_count, 2);
	assert_int_equal(bench_count_notices(bench, NOTICE_KEY_CHANGED), 2);
	assert_int_equal(bench->device_count, 0);
	bench_free(bench);
}

static void only_what_differs_reaches_the_device(void **state)
{
	struct bench *bench = bench_with_two();
	struct bench_member members[2];

	two_members(members);
	members[0].is_online = true;
	members[0].candidates[0] = A_AT;
	bench_map(bench, members, 2);
	bench_map(bench, members, 2);
	assert_int_equal(bench_device(bench, "ada")->changes, 0);
	members[0].address = "100.100.96.33/32";
	bench->revision++;
	bench_change(bench, members, 1, NULL, 0);
	assert_int_equal(bench_device(bench, "ada")->changes, 1);
	assert_int_equal(bench_device(bench, "bob")->changes, 0);
	bench_free(bench);
}

static void a_new_site_secret_starts_every_pair_afresh(void **state)
{
	struct bench *bench = bench_with_two();
	static uint8_t bytes[BENCH_MESSAGE_MAX];
	struct map_header header = bench_header(bench, 2);
	uint64_t hint = bench_peer(bench, "ada")->pair.hint_in;
	struct mask_key before, after;
	struct bench_member members[2];

	two_members(members);
	agent_get_mask_key(bench->agent, &before);
	memset(header.site_secret, 9, sizeof(header.site_secret));
	agent_receive_message(bench->agent, bench->now, bytes,
			      bench_write_map(&header, members, 2, bytes));
	agent_get_mask_key(bench->agent, &after);
	assert_memory_not_equal(&before, &after, sizeof(before));
	assert_int_not_equal(bench_peer(bench, "ada")->pair.hint_in, hint);
	assert_int_equal(bench->device_count, 2);
	bench_free(bench);
}

static void without_memory_the_rest_of_the_map_still_holds(void **state)
{
	struct bench *bench = bench_with_two();
	struct bench_member members[3];

	two_members(members);
	members[2] = member(12, "eve", "100.100.96.7/32");
	bench->has_no_memory = true;
	bench_map(bench, members, 3);
	assert_int_equal(bench->agent->member_count, 2);
	assert_int_equal(bench->agent->counters.records_skipped, 1);
	bench->has_no_memory = false;
	bench_map(bench, members, 3);
	assert_int_equal(bench->agent->member_count, 3);
	bench_free(bench);
}

static void a_peer_that_the_device_refuses_is_tried_again(void **state)
{
	struct bench *bench = bench_new(1);
	struct bench_member one = member(10, "ada", "100.100.96.3/32");

	bench->has_no_device = true;
	bench_map(bench, &one, 1);
	assert_int_equal(bench_peer(bench, "ada")->reason, REASON_UNUSABLE);
	assert_int_equal(bench->device_count, 0);
	bench->has_no_device = false;
	bench_map(bench, &one, 1);
	assert_int_equal(bench->device_count, 1);
	bench_free(bench);
}

/* Ten thousand members, the limit, twice: each map must be a matter of moments, and
 * nothing may pile up. */
static void the_largest_map_is_applied_in_time(void **state)
{
	struct bench *bench = bench_new(1);
	size_t room = MAP_HEADER_SIZE_MAX + MAP_NODES_MAX * (size_t)100;
	auto_free uint8_t *bytes = memory_new(room);
	struct writer writer = writer_over(bytes, room);
	struct map_header header = bench_header(bench, MAP_NODES_MAX);

	header.node_count = MAP_NODES_MAX;
	bench->agent->config.addresses[0] = bench_prefix("100.64.0.2/10");
	map_header_write(&writer, &header);
	for (uint32_t i = 0; i < MAP_NODES_MAX; i++) {
		struct map_node node = {.address_count = 1};

		/* No points on the curve that anybody has a key for, but keys for all that is asked
		 * here. */
		memset(&node.key, 9, sizeof(node.key));
		memcpy(&node.key, &i, sizeof(i));
		snprintf(node.name, sizeof(node.name), "n%u", i);
		node.addresses[0] = bench_prefix("100.70.0.0/32");
		node.addresses[0].ip[2] = (uint8_t)(i >> 8);
		node.addresses[0].ip[3] = (uint8_t)i;
		map_node_write(&writer, &node);
	}
	assert_false(writer.failed);
	for (int i = 0; i < 2; i++) {
		agent_receive_message(bench->agent, bench->now, bytes, writer.position);
		assert_int_equal(bench->agent->member_count, MAP_NODES_MAX);
	}
	assert_int_equal(bench->agent->counters.records_skipped, 0);
	bench_free(bench);
}

/* A hub that says anything, against what must hold whatever it says: one key, name and address
 * belong to one member, the device has exactly the members that are neither quarantined nor
 * unusable. */
static void random_maps_never_break_the_rules(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d"};
	static const char *const addresses[] = {
		"100.100.96.3/32", "100.100.96.4/32", "100.100.96.5/32", "100.100.96.1/32",
		"100.100.96.2/32", "10.9.1.0/24",     "8.8.8.8/32"};
	struct bench *bench = bench_new(1);
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int i = 0; i < 1000; i++) {
		struct bench_member members[4];
		struct key removed[2];
		size_t count = seeded_below(&seeded, 5), devices = 0, seen = 0;
		const struct agent_peer *peer, *other;

		for (size_t j = 0; j < count; j++)
			members[j] = member(
				9 + seeded_below(&seeded, 6), names[seeded_below(&seeded, 4)],
				addresses[seeded_below(&seeded, array_size(addresses))]);
		for (size_t j = 0; j < 2; j++)
			removed[j] = bench_key(9 + seeded_below(&seeded, 6));
		bench->revision += seeded_below(&seeded, 3) - 1;
		if (seeded_below(&seeded, 2))
			bench_map(bench, members, count);
		else
			bench_change(bench, members, count, removed, seeded_below(&seeded, 3));
		bench_run(bench, seeded_below(&seeded, 2000000));
		list_for_each (peer, &bench->agent->peers, entry) {
			seen++;
			devices += peer->has_device;
			assert_true(peer->is_member);
			assert_true(peer->has_device != peer->is_quarantined);
			list_for_each (other, &bench->agent->peers, entry) {
				if (other == peer)
					continue;
				assert_string_not_equal(other->record.name, peer->record.name);
				assert_memory_not_equal(&other->record.addresses[0],
							&peer->record.addresses[0],
							sizeof(struct prefix));
			}
		}
		assert_int_equal(seen, bench->agent->member_count);
		assert_int_equal(devices, bench->device_count);
	}
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_is_a_key_with_addresses_of_the_network),
		cmocka_unit_test(routes_outside_must_be_accepted_by_our_own_configuration),
		cmocka_unit_test(accepted_routes_never_cover_our_links_or_the_hub),
		cmocka_unit_test(our_own_record_is_not_a_peer),
		cmocka_unit_test(a_key_stands_once_in_a_map),
		cmocka_unit_test(of_two_newcomers_the_first_has_the_name_and_the_address),
		cmocka_unit_test(who_has_an_address_keeps_it_wherever_it_stands),
		cmocka_unit_test(a_member_takes_nothing_from_another),
		cmocka_unit_test(a_change_takes_nothing_from_a_member_it_does_not_name),
		cmocka_unit_test(a_lower_revision_is_refused),
		cmocka_unit_test(a_new_incarnation_may_count_from_one_again),
		cmocka_unit_test(changes_before_a_map_are_refused),
		cmocka_unit_test(a_change_that_is_cut_off_changes_nothing),
		cmocka_unit_test(a_bad_record_harms_no_good_one),
		cmocka_unit_test(removal_and_return_in_one_change_leaves_a_member),
		cmocka_unit_test(members_that_swap_names_wait_for_trust),
		cmocka_unit_test(only_what_differs_reaches_the_device),
		cmocka_unit_test(a_new_site_secret_starts_every_pair_afresh),
		cmocka_unit_test(without_memory_the_rest_of_the_map_still_holds),
		cmocka_unit_test(a_peer_that_the_device_refuses_is_tried_again),
		cmocka_unit_test(the_largest_map_is_applied_in_time),
		cmocka_unit_test(random_maps_never_break_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
