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

#define ADA_AT "203.0.113.11:51820"

/* Three members, of whom one left; our own record. */
static struct bench *bench_with_history(void)
{
	struct bench *bench = bench_new(1);
	struct bench_member members[] = {
		member(1, "me", "100.100.96.2/32"), member(10, "ada", "100.100.96.3/32"),
		member(11, "bob", "100.100.96.4/32"), member(12, "eve", "100.100.96.5/32")};

	members[1].candidates[0] = ADA_AT;
	bench_map(bench, members, 4);
	bench->revision++;
	bench_map(bench, members, 3);
	return bench;
}

static uint8_t *save(const struct bench *bench, size_t *ret_size)
{
	size_t room = agent_save_size(bench->agent);
	uint8_t *bytes = memory_new(room);

	*ret_size = agent_save(bench->agent, bench->now, bytes, room);
	assert_true(*ret_size > 0 && *ret_size <= room);
	return bytes;
}

static void what_was_saved_is_there_again(void **state)
{
	struct bench *before = bench_with_history(), *after = bench_new(1);
	size_t size;
	auto_free uint8_t *bytes = save(before, &size);

	assert_true(agent_load(after->agent, after->now, bytes, size, 0));
	assert_int_equal(after->agent->member_count, 2);
	assert_int_equal(after->device_count, 2);
	assert_int_equal(after->agent->map.revision, before->agent->map.revision);
	assert_string_equal(after->agent->self.name, "me");
	assert_int_equal(bench_peer(after, "ada")->path.candidate_count, 1);
	assert_int_equal(after->agent->pin_count, 1);
	bench_free(before);
	bench_free(after);
}

static void pins_hold_over_a_restart(void **state)
{
	struct bench *before = bench_with_history(), *after = bench_new(1);
	struct bench_member members[] = {member(10, "ada", "100.100.96.3/32"),
					 member(13, "eve", "100.100.96.9/32")};
	size_t size;
	auto_free uint8_t *bytes = save(before, &size);

	agent_load(after->agent, after->now, bytes, size, 0);
	after->revision = before->revision;
	bench_map(after, members, 2);
	assert_true(bench_peer(after, "eve")->is_quarantined);
	bench_free(before);
	bench_free(after);
}

static void quarantine_holds_over_a_restart_and_so_does_trust(void **state)
{
	struct bench *before = bench_with_history();
	struct bench_member members[] = {member(10, "ada", "100.100.96.3/32"),
					 member(13, "eve", "100.100.96.5/32")};

	bench_map(before, members, 2);
	for (int is_trusted = 0; is_trusted < 2; is_trusted++) {
		struct bench *after = bench_new(1);
		size_t size;
		auto_free uint8_t *bytes = NULL;

		if (is_trusted)
			agent_trust(before->agent, before->now, bench_peer(before, "eve"));
		bytes = save(before, &size);
		assert_true(agent_load(after->agent, after->now, bytes, size, 0));
		assert_int_equal(bench_peer(after, "eve")->is_quarantined, !is_trusted);
		assert_int_equal(bench_peer(after, "eve")->has_device, is_trusted);
		bench_free(after);
	}
	bench_free(before);
}

static void the_address_that_works_is_saved_first(void **state)
{
	struct bench *before = bench_with_history(), *after = bench_new(1);
	struct agent_peer *ada = bench_peer(before, "ada");
	struct address seen = bench_address("198.51.100.77:4321");
	uint8_t echo[PROBE_ECHO_SIZE];
	size_t size;
	auto_free uint8_t *bytes = NULL;

	path_seen(&ada->path, before->now, &seen);
	memcpy(echo, ada->path.candidates[1].echoes[0].bytes, sizeof(echo));
	assert_true(path_answer(&ada->path, before->now + 1000, &seen, echo));
	bytes = save(before, &size);
	assert_true(agent_load(after->agent, after->now, bytes, size, 0));
	assert_true(
		address_is_equal(&bench_peer(after, "ada")->record.candidates[0].address, &seen));
	assert_int_equal(bench_peer(after, "ada")->record.candidate_count, 2);
	/* And is asked before any hub answers; who was never reached is not. */
	bench_run(after, 0);
	assert_int_equal(bench_count_datagrams(after, "198.51.100.77:4321"), 1);
	bench_free(before);
	bench_free(after);
}

static void restarts_do_not_crowd_out_the_other_addresses(void **state)
{
	struct bench *bench = bench_with_history();

	for (int i = 0; i < NODE_CANDIDATES_MAX + 1; i++) {
		struct bench *after = bench_new(1);
		struct address ada_at = bench_address(ADA_AT);
		struct agent_peer *ada = bench_peer(bench, "ada");
		size_t size;
		auto_free uint8_t *bytes = NULL;

		path_probe(&ada->path, bench->now, &ada_at);
		assert_true(path_answer(&ada->path, bench->now + 1000, &ada_at,
					ada->path.candidates[0].echoes[0].bytes));
		bytes = save(bench, &size);
		assert_true(agent_load(after->agent, after->now, bytes, size, 0));
		assert_int_equal(bench_peer(after, "ada")->record.candidate_count, 1);
		bench_free(bench);
		bench = after;
	}
	bench_free(bench);
}

static void an_old_file_is_as_old_as_it_is(void **state)
{
	struct bench *before = bench_with_history(), *after = bench_new(1);
	size_t size;
	auto_free uint8_t *bytes = save(before, &size);

	assert_true(agent_load(after->agent, after->now, bytes, size, 29 * USEC_PER_DAY));
	assert_int_equal(agent_map_age(after->agent, after->now), 29 * USEC_PER_DAY);
	bench_run(after, USEC_PER_HOUR);
	assert_int_equal(after->device_count, 2);
	bench_run(after, USEC_PER_DAY);
	assert_int_equal(after->device_count, 0);
	assert_int_equal(bench_count_notices(after, NOTICE_MAP_EXPIRED), 1);
	bench_free(before);
	bench_free(after);
}

/* Every byte cut off, and every byte wrong: never a crash, and never half of it. */
static void a_damaged_file_is_refused_or_harmless(void **state)
{
	struct bench *before = bench_with_history();
	size_t size;
	auto_free uint8_t *bytes = save(before, &size);

	for (size_t cut = 0; cut < size; cut++) {
		struct bench *after = bench_new(1);
		auto_free uint8_t *copy = memory_copy(bytes, cut ? cut : 1);

		if (agent_load(after->agent, after->now, copy, cut, 0))
			assert_int_equal(after->agent->member_count, 2);
		else
			assert_int_equal(after->agent->member_count + after->agent->pin_count, 0);
		bench_free(after);
	}
	for (size_t i = 0; i < size; i++) {
		struct bench *after = bench_new(1);

		bytes[i] ^= 0x55;
		if (!agent_load(after->agent, after->now, bytes, size, 0))
			assert_int_equal(after->agent->member_count, 0);
		bytes[i] ^= 0x55;
		bench_free(after);
	}
	bench_free(before);
}

static void a_file_of_another_network_is_refused(void **state)
{
	struct bench *before = bench_with_history(), *after = bench_new(1);
	size_t size;
	auto_free uint8_t *bytes = save(before, &size);

	after->agent->config.network_id[0] ^= 1;
	assert_false(agent_load(after->agent, after->now, bytes, size, 0));
	assert_int_equal(after->agent->member_count + after->agent->pin_count, 0);
	bench_free(before);
	bench_free(after);
}

static void without_a_map_there_is_nothing_to_save(void **state)
{
	struct bench *bench = bench_new(1);
	uint8_t bytes[1024];

	assert_int_equal(agent_save(bench->agent, bench->now, bytes, sizeof(bytes)), 0);
	bench_free(bench);
}

static void what_does_not_fit_is_not_cut(void **state)
{
	struct bench *bench = bench_with_history();
	size_t size;
	auto_free uint8_t *bytes = save(bench, &size);

	for (size_t room = 0; room < size; room++)
		assert_int_equal(agent_save(bench->agent, bench->now, bytes, room), 0);
	assert_int_equal(agent_save(bench->agent, bench->now, bytes, size), size);
	bench_free(bench);
}

static void a_change_is_saved_at_once_and_many_changes_are_saved_together(void **state)
{
	struct bench *bench = bench_with_history();
	struct bench_member ada = member(10, "ada", "100.100.96.3/32");

	assert_true(agent_is_unsaved(bench->agent));
	bench_run(bench, 0);
	assert_int_equal(bench->saves, 1);
	assert_false(agent_is_unsaved(bench->agent));
	for (int i = 0; i < 1000; i++) {
		ada.is_online = i % 2;
		bench_change(bench, &ada, 1, NULL, 0);
		bench_run(bench, 10 * USEC_PER_MSEC);
	}
	assert_in_range(bench->saves, AGENT_SAVE_BURST, AGENT_SAVE_BURST + 11);
	bench_run(bench, AGENT_SAVE_PACE);
	assert_false(agent_is_unsaved(bench->agent));
	bench_free(bench);
}

/* Each of the first ones within the gap, however close they are. */
static void a_joining_node_loses_nothing_by_being_killed(void **state)
{
	struct bench *bench = bench_with_history();
	struct bench_member ada = member(10, "ada", "100.100.96.3/32");

	for (int i = 0; i < AGENT_SAVE_BURST; i++) {
		ada.is_online = i % 2;
		bench_change(bench, &ada, 1, NULL, 0);
		bench_run(bench, AGENT_SAVE_GAP);
		assert_false(agent_is_unsaved(bench->agent));
	}
	bench_free(bench);
}

static void what_was_read_is_not_written_again(void **state)
{
	struct bench *before = bench_with_history(), *after = bench_new(1);
	size_t size;
	auto_free uint8_t *bytes = save(before, &size);

	assert_true(agent_load(after->agent, after->now, bytes, size, 0));
	assert_false(agent_is_unsaved(after->agent));
	bench_free(before);
	bench_free(after);
}

static void a_save_that_failed_comes_again(void **state)
{
	struct bench *bench = bench_with_history();

	bench_run(bench, USEC_PER_SEC);
	agent_save_again(bench->agent, bench->now + 30 * USEC_PER_SEC);
	bench_run(bench, 29 * USEC_PER_SEC);
	assert_int_equal(bench->saves, 1);
	bench_run(bench, 2 * USEC_PER_SEC);
	assert_int_equal(bench->saves, 2);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_saved_is_there_again),
		cmocka_unit_test(pins_hold_over_a_restart),
		cmocka_unit_test(quarantine_holds_over_a_restart_and_so_does_trust),
		cmocka_unit_test(the_address_that_works_is_saved_first),
		cmocka_unit_test(restarts_do_not_crowd_out_the_other_addresses),
		cmocka_unit_test(an_old_file_is_as_old_as_it_is),
		cmocka_unit_test(a_damaged_file_is_refused_or_harmless),
		cmocka_unit_test(a_file_of_another_network_is_refused),
		cmocka_unit_test(without_a_map_there_is_nothing_to_save),
		cmocka_unit_test(what_does_not_fit_is_not_cut),
		cmocka_unit_test(a_change_is_saved_at_once_and_many_changes_are_saved_together),
		cmocka_unit_test(a_joining_node_loses_nothing_by_being_killed),
		cmocka_unit_test(what_was_read_is_not_written_again),
		cmocka_unit_test(a_save_that_failed_comes_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
