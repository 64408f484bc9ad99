#include "proto/path/test_bench.h"

static void the_shorter_way_is_taken(void **state)
{
	auto_free struct bench *bench = bench_new();
	static const char *const two[] = {PUBLIC, OTHER};
	struct address other = address_of(OTHER);

	set_candidates(bench, two, 2);
	connect_to(bench, PUBLIC, 80 * USEC_PER_MSEC);
	/* The second step of the round asks who has not answered. */
	run_until(bench, START + 100 * USEC_PER_MSEC);
	run_for(bench, 30 * USEC_PER_MSEC);
	answer(bench, OTHER);
	assert_int_equal(bench->chosen_count, 2);
	assert_true(address_is_equal(&bench->chosen, &other));
	assert_int_equal(bench->evidence, START + 100 * USEC_PER_MSEC);
}

static void a_little_shorter_is_not_worth_a_change(void **state)
{
	auto_free struct bench *bench = bench_new();
	static const char *const two[] = {PUBLIC, OTHER};

	set_candidates(bench, two, 2);
	connect_to(bench, PUBLIC, 14 * USEC_PER_MSEC);
	run_until(bench, START + 100 * USEC_PER_MSEC);
	run_for(bench, 10 * USEC_PER_MSEC);
	answer(bench, OTHER);
	assert_int_equal(bench->chosen_count, 1);
}

static void of_equal_ways_the_lan_is_taken(void **state)
{
	auto_free struct bench *bench = bench_new();
	struct address lan = address_of(LAN);

	set_candidates(bench, both, 2);
	connect_to(bench, PUBLIC, 2 * USEC_PER_MSEC);
	run_until(bench, START + 100 * USEC_PER_MSEC);
	run_for(bench, 2 * USEC_PER_MSEC);
	answer(bench, LAN);
	assert_true(address_is_equal(&bench->chosen, &lan));
}

static void a_lan_that_is_a_satellite_is_not(void **state)
{
	auto_free struct bench *bench = bench_new();
	struct address public = address_of(PUBLIC);

	set_candidates(bench, both, 2);
	path_start_round(&bench->path, bench->now, 0);
	run_for(bench, 60 * USEC_PER_MSEC);
	answer(bench, PUBLIC);
	/* The first probe to the LAN is answered after 300 ms. */
	run_until(bench, START + 299 * USEC_PER_MSEC);
	for (size_t i = 0; i < bench->probe_count; i++) {
		if (address_is_private(&bench->probes[i].to)) {
			run_until(bench, START + 300 * USEC_PER_MSEC - 1);
			path_answer(&bench->path, START + 300 * USEC_PER_MSEC, &bench->probes[i].to,
				    bench->probes[i].echo);
			break;
		}
	}
	assert_true(address_is_equal(&bench->chosen, &public));
	assert_int_equal(bench->chosen_count, 1);
}

static void of_equal_ways_ipv6_is_taken(void **state)
{
	auto_free struct bench *bench = bench_new();
	static const char *const two[] = {PUBLIC, V6};
	struct address v6 = address_of(V6);

	set_candidates(bench, two, 2);
	connect_to(bench, PUBLIC, 90 * USEC_PER_MSEC);
	run_until(bench, START + 100 * USEC_PER_MSEC);
	run_for(bench, 70 * USEC_PER_MSEC);
	answer(bench, V6);
	assert_true(address_is_equal(&bench->chosen, &v6));
}

/* Two ways of 30 ms, each answer late by up to 20 ms more: chance must not move the traffic. */
static void jitter_moves_nothing(void **state)
{
	auto_free struct bench *bench = bench_new();
	static const char *const two[] = {PUBLIC, OTHER};
	size_t seen = 0;

	set_candidates(bench, two, 2);
	path_start_round(&bench->path, bench->now, 0);
	while (bench->now < START + 900 * USEC_PER_SEC) {
		run_for(bench, 10 * USEC_PER_MSEC);
		path_traffic(&bench->path, bench->now, bench->now);
		for (; seen < bench->probe_count; seen++) {
			usec_t rtt = 30 * USEC_PER_MSEC + seeded_below(&bench->seeded, 20000);

			run_for(bench, rtt);
			path_answer(&bench->path, bench->now, &bench->probes[seen].to,
				    bench->probes[seen].echo);
		}
	}
	assert_in_range(bench->chosen_count, 1, 3);
	assert_int_equal(bench->lost_count, 0);
}

static void an_active_path_looks_for_a_better_one_every_minute(void **state)
{
	auto_free struct bench *bench = bench_new();
	static const char *const two[] = {PUBLIC, OTHER};
	size_t first;

	set_candidates(bench, two, 2);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	live(bench, PUBLIC, 5 * USEC_PER_MSEC, 50 * USEC_PER_SEC);
	first = probes_to(bench, OTHER);
	live(bench, PUBLIC, 5 * USEC_PER_MSEC, 60 * USEC_PER_SEC);
	assert_int_equal(probes_to(bench, OTHER) - first, PATH_ROUND_STEPS);
	assert_int_equal(bench->lost_count, 0);
}

/* Connected at PUBLIC, and OTHER has answered too, but slower. */
static void connect_to_both(struct bench *bench)
{
	static const char *const two[] = {PUBLIC, OTHER};

	set_candidates(bench, two, 2);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	run_for(bench, 90 * USEC_PER_MSEC);
	answer(bench, OTHER);
	assert_int_equal(bench->chosen_count, 1);
}

static void who_answered_before_is_looked_at_again_too(void **state)
{
	auto_free struct bench *bench = bench_new();
	size_t first;

	connect_to_both(bench);
	live(bench, PUBLIC, 5 * USEC_PER_MSEC, 50 * USEC_PER_SEC);
	first = probes_to(bench, OTHER);
	live(bench, PUBLIC, 5 * USEC_PER_MSEC, 60 * USEC_PER_SEC);
	assert_int_equal(probes_to(bench, OTHER) - first, PATH_ROUND_STEPS);
}

static void answers_of_others_put_off_no_heartbeat(void **state)
{
	auto_free struct bench *bench = bench_new();
	struct address other = address_of(OTHER);
	size_t before;

	connect_to_both(bench);
	path_traffic(&bench->path, bench->now, bench->now);
	run_for(bench, PATH_HEARTBEAT - 200 * USEC_PER_MSEC);
	before = probes_to(bench, PUBLIC);
	path_probe(&bench->path, bench->now, &other);
	run_for(bench, 90 * USEC_PER_MSEC);
	answer(bench, OTHER);
	assert_int_equal(bench->chosen_count, 1);
	run_for(bench, 200 * USEC_PER_MSEC);
	assert_int_equal(probes_to(bench, PUBLIC), before + 1);
}

static void when_the_path_fails_one_that_answered_since_takes_over(void **state)
{
	auto_free struct bench *bench = bench_new();
	static const char *const two[] = {PUBLIC, OTHER};
	struct address other = address_of(OTHER);

	set_candidates(bench, two, 2);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	/* The other is slower, so it is not taken for its own sake. */
	run_until(bench, START + 100 * USEC_PER_MSEC);
	run_for(bench, 80 * USEC_PER_MSEC);
	answer(bench, OTHER);
	assert_int_equal(bench->chosen_count, 1);
	/* Its next heartbeats stay without answer, while the other answers a probe. */
	run_until(bench, START + 3200 * USEC_PER_MSEC);
	path_probe(&bench->path, bench->now, &other);
	run_for(bench, 300 * USEC_PER_MSEC);
	answer(bench, OTHER);
	assert_int_equal(bench->chosen_count, 2);
	assert_true(address_is_equal(&bench->chosen, &other));
	assert_int_equal(bench->lost_count, 0);
}

static void a_refused_choice_is_asked_again_and_does_not_spin(void **state)
{
	auto_free struct bench *bench = bench_new();
	size_t before;

	set_candidates(bench, both, 2);
	connect_to(bench, PUBLIC, 80 * USEC_PER_MSEC);
	live(bench, PUBLIC, 80 * USEC_PER_MSEC, 3 * USEC_PER_SEC);
	bench->refuses_choice = true;
	before = probes_to(bench, LAN);
	path_probe(&bench->path, bench->now, &(struct address){0});
	path_check(&bench->path, bench->now);
	run_for(bench, 2 * USEC_PER_MSEC);
	answer(bench, LAN);
	assert_int_equal(bench->chosen_count, 1);
	assert_int_equal(probes_to(bench, LAN), before + 2);
	run_for(bench, USEC_PER_SEC);
	assert_in_range(probes_to(bench, LAN), before + 2, before + 6);
	bench->refuses_choice = false;
	answer(bench, LAN);
	assert_int_equal(bench->chosen_count, 2);
}

static void a_flood_of_new_sources_stays_small(void **state)
{
	auto_free struct bench *bench = bench_new();
	struct address source = address_of(OTHER);

	set_candidates(bench, both, 2);
	connect_to(bench, LAN, 5 * USEC_PER_MSEC);
	for (uint16_t port = 1; port < 2000; port++) {
		source.port = port;
		path_seen(&bench->path, bench->now, &source);
		path_seen(&bench->path, bench->now, &source);
	}
	assert_true(bench->path.candidate_count <= PATH_CANDIDATES_MAX);
	/* What is listed and what carries the traffic was not pushed out. */
	assert_non_null(path_chosen(&bench->path));
	assert_true(address_is_private(&path_chosen(&bench->path)->address));
	assert_true(bench->path.candidates[0].is_listed && bench->path.candidates[1].is_listed);
}

static void candidates_that_went_are_forgotten_but_not_the_path(void **state)
{
	auto_free struct bench *bench = bench_new();
	static const char *const new_one[] = {OTHER};

	set_candidates(bench, both, 2);
	connect_to(bench, LAN, 5 * USEC_PER_MSEC);
	set_candidates(bench, new_one, 1);
	assert_int_equal(bench->path.candidate_count, 2);
	assert_true(address_is_private(&path_chosen(&bench->path)->address));
	assert_false(path_chosen(&bench->path)->is_listed);
	assert_false(path_set_candidates(
		&bench->path, &(struct candidate){CANDIDATE_OBSERVED, address_of(OTHER)}, 1));
	assert_int_equal(bench->path.candidates[1].kind, CANDIDATE_OBSERVED);
}

/* Eight that stay and four that were seen fill the table: a ninth pushes out a seen one, never one
 * that stays. */
static void a_full_table_keeps_what_is_listed(void **state)
{
	auto_free struct bench *bench = bench_new();
	struct candidate candidates[NODE_CANDIDATES_MAX];
	struct address source = address_of(OTHER);

	for (uint16_t i = 0; i < NODE_CANDIDATES_MAX; i++) {
		candidates[i] = (struct candidate){CANDIDATE_LOCAL, address_of(PUBLIC)};
		candidates[i].address.port = (uint16_t)(100 + i);
	}
	path_set_candidates(&bench->path, candidates, NODE_CANDIDATES_MAX);
	bench->path.candidates[0].is_usable = true;
	for (uint16_t port = 1; port <= 4; port++) {
		source.port = port;
		path_seen(&bench->path, bench->now, &source);
	}
	assert_int_equal(bench->path.candidate_count, PATH_CANDIDATES_MAX);
	/* The first one stays, at the end of the list, behind a new one. */
	memmove(&candidates[1], &candidates[2], 6 * sizeof(candidates[0]));
	candidates[7] = (struct candidate){CANDIDATE_LOCAL, address_of(V6)};
	assert_true(path_set_candidates(&bench->path, candidates, NODE_CANDIDATES_MAX));
	assert_int_equal(bench->path.candidates[0].address.port, 100);
	assert_true(bench->path.candidates[0].is_usable);
	assert_int_equal(bench->path.candidate_count, PATH_CANDIDATES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shorter_way_is_taken),
		cmocka_unit_test(a_little_shorter_is_not_worth_a_change),
		cmocka_unit_test(of_equal_ways_the_lan_is_taken),
		cmocka_unit_test(a_lan_that_is_a_satellite_is_not),
		cmocka_unit_test(of_equal_ways_ipv6_is_taken),
		cmocka_unit_test(jitter_moves_nothing),
		cmocka_unit_test(an_active_path_looks_for_a_better_one_every_minute),
		cmocka_unit_test(who_answered_before_is_looked_at_again_too),
		cmocka_unit_test(answers_of_others_put_off_no_heartbeat),
		cmocka_unit_test(when_the_path_fails_one_that_answered_since_takes_over),
		cmocka_unit_test(a_refused_choice_is_asked_again_and_does_not_spin),
		cmocka_unit_test(a_flood_of_new_sources_stays_small),
		cmocka_unit_test(candidates_that_went_are_forgotten_but_not_the_path),
		cmocka_unit_test(a_full_table_keeps_what_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
