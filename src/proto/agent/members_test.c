#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/agent/test_bench.h"

#include <cmocka.h>

static struct bench_member member(unsigned key, const char *name, const char *address)
{
	return (struct bench_member){.key = bench_key(key), .name = name, .address = address};
}

static const struct key *key_of(const struct bench_member *member)
{
	return &member->key;
}

#define ADA member(10, "ada", "100.100.96.3/32")
#define BOB member(11, "bob", "100.100.96.4/32")

static struct bench *bench_with_two(void)
{
	struct bench *bench = bench_new(1);
	const struct bench_member members[] = {ADA, BOB};

	bench_map(bench, members, 2);
	return bench;
}

static void who_is_not_in_the_map_has_left(void **state)
{
	struct bench *bench = bench_with_two();
	const struct bench_member bob = BOB;

	bench_map(bench, &bob, 1);
	assert_int_equal(bench->agent->member_count, 1);
	assert_int_equal(bench->device_count, 1);
	assert_null(bench_peer(bench, "ada"));
	assert_int_equal(bench_count_notices(bench, NOTICE_PEER_LEFT), 1);
	bench_free(bench);
}

static void who_is_removed_by_a_change_has_left(void **state)
{
	struct bench *bench = bench_with_two();
	const struct bench_member ada = ADA;

	bench_change(bench, NULL, 0, key_of(&ada), 1);
	assert_int_equal(bench->device_count, 1);
	assert_null(bench_peer(bench, "ada"));
	/* Twice is no matter. */
	bench_change(bench, NULL, 0, key_of(&ada), 1);
	assert_int_equal(bench->agent->member_count, 1);
	bench_free(bench);
}

static void who_leaves_and_comes_back_with_its_key_is_welcome(void **state)
{
	struct bench *bench = bench_with_two();
	const struct bench_member members[] = {ADA, BOB};

	bench_map(bench, members, 1);
	bench_map(bench, members, 2);
	assert_int_equal(bench->device_count, 2);
	assert_int_equal(bench_count_notices(bench, NOTICE_KEY_CHANGED), 0);
	assert_int_equal(bench_count_notices(bench, NOTICE_PEER_JOINED), 3);
	bench_free(bench);
}

/* A new key for the name or the address that another key had. */
static void check_quarantine(const struct bench_member *newcomer)
{
	struct bench *bench = bench_with_two();
	const struct bench_member members[] = {BOB, *newcomer};
	struct agent_peer *peer;

	bench_map(bench, members, 2);
	peer = agent_find(bench->agent, &newcomer->key);
	assert_true(peer->is_member && peer->is_quarantined && !peer->has_device);
	assert_int_equal(peer->reason, REASON_KEY_CHANGED);
	assert_int_equal(bench->device_count, 1);
	assert_int_equal(bench_count_notices(bench, NOTICE_KEY_CHANGED), 1);
	/* The next map does not tell it again, and changes nothing. */
	bench_map(bench, members, 2);
	bench_run(bench, USEC_PER_MINUTE);
	assert_int_equal(bench_count_notices(bench, NOTICE_KEY_CHANGED), 1);
	assert_int_equal(bench->device_count, 1);
	bench_free(bench);
}

static void a_name_with_another_key_is_quarantined(void **state)
{
	const struct bench_member newcomer = member(12, "ada", "100.100.96.9/32");

	check_quarantine(&newcomer);
}

static void an_address_with_another_key_is_quarantined(void **state)
{
	const struct bench_member newcomer = member(12, "eve", "100.100.96.3/32");

	check_quarantine(&newcomer);
}

static void a_member_that_takes_a_pinned_name_is_quarantined(void **state)
{
	struct bench *bench = bench_with_two();
	const struct bench_member first[] = {BOB, member(12, "eve", "100.100.96.9/32")};
	const struct bench_member then[] = {BOB, member(12, "ada", "100.100.96.9/32")};

	bench_map(bench, first, 2);
	assert_int_equal(bench->device_count, 2);
	bench_map(bench, then, 2);
	assert_int_equal(bench->device_count, 1);
	assert_true(bench_peer(bench, "ada")->is_quarantined);
	bench_free(bench);
}

static void trust_accepts_the_new_key(void **state)
{
	struct bench *bench = bench_with_two();
	const struct bench_member members[] = {BOB, member(12, "ada", "100.100.96.3/32")};

	bench_map(bench, members, 2);
	assert_int_equal(agent_trust(bench->agent, bench->now, bench_peer(bench, "bob")), -ENOENT);
	assert_int_equal(agent_trust(bench->agent, bench->now, bench_peer(bench, "ada")), 0);
	assert_int_equal(bench->device_count, 2);
	/* For good: also when the map comes again. */
	bench_map(bench, members, 2);
	assert_int_equal(bench->device_count, 2);
	assert_false(bench_peer(bench, "ada")->is_quarantined);
	bench_free(bench);
}

static void after_trust_the_old_key_is_the_stranger(void **state)
{
	struct bench *bench = bench_with_two();
	const struct bench_member changed[] = {BOB, member(12, "ada", "100.100.96.3/32")};
	const struct bench_member back[] = {ADA, BOB};

	bench_map(bench, changed, 2);
	agent_trust(bench->agent, bench->now, bench_peer(bench, "ada"));
	bench_map(bench, back, 2);
	assert_true(bench_peer(bench, "ada")->is_quarantined);
	bench_free(bench);
}

static void a_quarantined_one_that_leaves_leaves_no_trace(void **state)
{
	struct bench *bench = bench_with_two();
	const struct bench_member changed[] = {BOB, member(12, "ada", "100.100.96.3/32")};
	const struct bench_member back[] = {ADA, BOB};

	bench_map(bench, changed, 2);
	bench_map(bench, back, 2);
	assert_false(bench_peer(bench, "ada")->is_quarantined);
	assert_int_equal(bench->device_count, 2);
	bench_free(bench);
}

static void a_fresh_map_brings_them_back(void **state)
{
	struct bench *bench = bench_with_two();
	const struct bench_member members[] = {ADA, BOB};

	bench_run(bench, 31 * USEC_PER_DAY);
	agent_link_up(bench->agent, bench->now);
	bench_map(bench, members, 2);
	assert_int_equal(bench->device_count, 2);
	assert_int_not_equal(bench_peer(bench, "ada")->reason, REASON_MAP_EXPIRED);
	bench_free(bench);
}

static void a_link_to_the_hub_keeps_the_map_fresh(void **state)
{
	struct bench *bench = bench_with_two();

	agent_link_up(bench->agent, bench->now);
	bench_run(bench, 40 * USEC_PER_DAY);
	assert_int_equal(bench->device_count, 2);
	/* The age counts from the link's end. */
	agent_link_down(bench->agent, bench->now);
	bench_run(bench, 29 * USEC_PER_DAY);
	assert_int_equal(bench->device_count, 2);
	bench_run(bench, 2 * USEC_PER_DAY);
	assert_int_equal(bench->device_count, 0);
	bench_free(bench);
}

static void a_map_age_of_zero_never_expires(void **state)
{
	struct bench *bench = bench_with_two();

	bench->agent->config.max_map_age = 0;
	bench_run(bench, 400 * USEC_PER_DAY);
	assert_int_equal(bench->device_count, 2);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_not_in_the_map_has_left),
		cmocka_unit_test(who_is_removed_by_a_change_has_left),
		cmocka_unit_test(who_leaves_and_comes_back_with_its_key_is_welcome),
		cmocka_unit_test(a_name_with_another_key_is_quarantined),
		cmocka_unit_test(an_address_with_another_key_is_quarantined),
		cmocka_unit_test(a_member_that_takes_a_pinned_name_is_quarantined),
		cmocka_unit_test(trust_accepts_the_new_key),
		cmocka_unit_test(after_trust_the_old_key_is_the_stranger),
		cmocka_unit_test(a_quarantined_one_that_leaves_leaves_no_trace),
		cmocka_unit_test(a_fresh_map_brings_them_back),
		cmocka_unit_test(a_link_to_the_hub_keeps_the_map_fresh),
		cmocka_unit_test(a_map_age_of_zero_never_expires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
