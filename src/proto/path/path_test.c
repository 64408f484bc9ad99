#include "proto/path/test_bench.h"

static void a_round_asks_every_candidate_at_each_step(void **state)
{
	auto_free struct bench *bench = bench_new();

	set_candidates(bench, both, 2);
	path_start_round(&bench->path, bench->now, 20 * USEC_PER_MSEC);
	assert_int_equal(bench->path.state, PATH_PROBING);
	run_for(bench, 19 * USEC_PER_MSEC);
	assert_int_equal(bench->probe_count, 0);
	/* Half a second after the last step an answer would still count. */
	run_for(bench, path_round_steps[PATH_ROUND_STEPS - 1] + 500 * USEC_PER_MSEC);
	assert_int_equal(bench->path.state, PATH_PROBING);
	run_for(bench, USEC_PER_MSEC);
	assert_int_equal(bench->path.state, PATH_NONE);
	run_for(bench, 10 * USEC_PER_SEC);
	assert_int_equal(bench->probe_count, 2 * PATH_ROUND_STEPS);
	for (size_t i = 0; i < PATH_ROUND_STEPS; i++) {
		assert_int_equal(bench->probes[2 * i].when,
				 START + 20 * USEC_PER_MSEC + path_round_steps[i]);
		assert_int_equal(bench->probes[2 * i].attempt, i);
	}
	assert_int_equal(bench->lost_count, 1);
	assert_int_equal(bench->path.state, PATH_NONE);
	assert_int_equal(bench->path.failed_rounds, 1);
	assert_int_equal(path_deadline(&bench->path, bench->now), USEC_NEVER);
}

static void a_round_that_starts_over_starts_from_its_first_step(void **state)
{
	auto_free struct bench *bench = bench_new();

	set_candidates(bench, both, 1);
	path_start_round(&bench->path, bench->now, 0);
	run_for(bench, 400 * USEC_PER_MSEC);
	assert_int_equal(bench->probe_count, 3);
	path_start_round(&bench->path, bench->now, 0);
	run_for(bench, 10 * USEC_PER_SEC);
	assert_int_equal(bench->probe_count, 3 + PATH_ROUND_STEPS);
	assert_int_equal(bench->lost_count, 1);
}

static void who_answered_is_not_asked_again_in_the_round(void **state)
{
	auto_free struct bench *bench = bench_new();

	set_candidates(bench, both, 2);
	connect_to(bench, LAN, 5 * USEC_PER_MSEC);
	run_until(bench, START + 1600 * USEC_PER_MSEC);
	assert_int_equal(probes_to(bench, LAN), 1);
	assert_int_equal(probes_to(bench, PUBLIC), PATH_ROUND_STEPS);
}

static void a_path_without_candidates_ends_its_round(void **state)
{
	auto_free struct bench *bench = bench_new();

	path_start_round(&bench->path, bench->now, 0);
	run_for(bench, 3 * USEC_PER_SEC);
	assert_int_equal(bench->probe_count, 0);
	assert_int_equal(bench->lost_count, 1);
}

static void an_address_is_used_only_when_it_answers_its_own_probe(void **state)
{
	auto_free struct bench *bench = bench_new();
	uint8_t foreign[PROBE_ECHO_SIZE] = {1};
	struct address lan = address_of(LAN);

	set_candidates(bench, both, 2);
	path_start_round(&bench->path, bench->now, 0);
	run_for(bench, 10 * USEC_PER_MSEC);
	assert_false(path_answer(&bench->path, bench->now, &lan, foreign));
	assert_int_equal(bench->chosen_count, 0);
	/* The echo of the probe to the public address, from the LAN: that address is asked itself.
	 */
	assert_true(
		path_answer(&bench->path, bench->now, &lan, last_probe_to(bench, PUBLIC)->echo));
	assert_int_equal(bench->chosen_count, 0);
	assert_null(path_chosen(&bench->path));
}

static void an_echo_counts_once(void **state)
{
	auto_free struct bench *bench = bench_new();
	struct address lan = address_of(LAN);
	struct sent *probe;

	set_candidates(bench, both, 2);
	connect_to(bench, LAN, 5 * USEC_PER_MSEC);
	probe = last_probe_to(bench, LAN);
	assert_false(path_answer(&bench->path, bench->now, &lan, probe->echo));
	assert_int_equal(bench->chosen_count, 1);
}

static void a_source_alone_never_becomes_the_path(void **state)
{
	auto_free struct bench *bench = bench_new();
	struct address seen = address_of(OTHER);

	set_candidates(bench, both, 2);
	path_seen(&bench->path, bench->now, &seen);
	assert_int_equal(probes_to(bench, OTHER), 1);
	assert_true(last_probe_to(bench, OTHER)->is_heard);
	assert_int_equal(bench->chosen_count, 0);
	run_for(bench, 30 * USEC_PER_MSEC);
	answer(bench, OTHER);
	assert_true(address_is_equal(&bench->chosen, &seen));
}

static void an_unanswered_address_is_asked_only_within_the_budget(void **state)
{
	auto_free struct bench *bench = bench_new();

	set_candidates(bench, both, 2);
	bench->refuses_probes = true;
	path_start_round(&bench->path, bench->now, 0);
	run_for(bench, 3 * USEC_PER_SEC);
	assert_int_equal(bench->probe_count, 0);
	assert_int_equal(bench->asked_count, 2 * PATH_ROUND_STEPS);
}

static void an_address_that_answered_needs_no_budget(void **state)
{
	auto_free struct bench *bench = bench_new();
	size_t before;

	set_candidates(bench, both, 1);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	bench->refuses_probes = true;
	before = bench->probe_count;
	live(bench, PUBLIC, 5 * USEC_PER_MSEC, 60 * USEC_PER_SEC);
	assert_true(bench->probe_count >= before + 18);
	assert_int_equal(bench->path.state, PATH_DIRECT);
}

static void an_active_path_beats_every_three_seconds(void **state)
{
	auto_free struct bench *bench = bench_new();
	size_t before;

	set_candidates(bench, both, 1);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	live(bench, PUBLIC, 20 * USEC_PER_MSEC, 5 * USEC_PER_SEC);
	before = bench->probe_count;
	live(bench, PUBLIC, 20 * USEC_PER_MSEC, 30 * USEC_PER_SEC);
	assert_in_range(bench->probe_count - before, 9, 11);
	assert_int_equal(bench->path.loss_permille, 0);
}

static void a_dead_path_is_lost_within_a_second_and_a_half_of_its_first_silence(void **state)
{
	auto_free struct bench *bench = bench_new();
	usec_t silent;

	set_candidates(bench, both, 1);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	live(bench, PUBLIC, 20 * USEC_PER_MSEC, 10 * USEC_PER_SEC);
	silent = last_probe_to(bench, PUBLIC)->when + PATH_HEARTBEAT;
	while (!bench->lost_count && bench->now < START + 60 * USEC_PER_SEC) {
		run_for(bench, 10 * USEC_PER_MSEC);
		path_traffic(&bench->path, bench->now, bench->now);
	}
	assert_in_range(bench->now, silent, silent + 1600 * USEC_PER_MSEC);
	assert_int_equal(bench->path.state, PATH_NONE);
	/* 0: the owner sees that it is no round that failed. */
	assert_int_equal(bench->path.failed_rounds, 0);
}

/* The probes that it did not answer were for the process before. */
static void a_peer_that_has_restarted_is_asked_again_before_its_path_is_lost(void **state)
{
	auto_free struct bench *bench = bench_new();
	size_t before;

	set_candidates(bench, both, 1);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	while (bench->path.candidates[0].unanswered < PATH_LOST_AFTER)
		run_for(bench, 10 * USEC_PER_MSEC);
	before = probes_to(bench, PUBLIC);
	path_peer_restarted(&bench->path, bench->now);
	run_for(bench, 0);
	assert_int_equal(probes_to(bench, PUBLIC), before + 1);
	answer(bench, PUBLIC);
	run_for(bench, PATH_HEARTBEAT - USEC_PER_MSEC);
	assert_int_equal(bench->lost_count, 0);
}

static void a_slow_link_is_not_a_dead_one(void **state)
{
	auto_free struct bench *bench = bench_new();

	set_candidates(bench, both, 1);
	connect_to(bench, PUBLIC, 1400 * USEC_PER_MSEC);
	live(bench, PUBLIC, 1400 * USEC_PER_MSEC, 60 * USEC_PER_SEC);
	assert_int_equal(bench->lost_count, 0);
	assert_int_equal(bench->chosen_count, 1);
}

static void a_late_answer_brings_a_lost_path_back(void **state)
{
	auto_free struct bench *bench = bench_new();

	set_candidates(bench, both, 1);
	path_start_round(&bench->path, bench->now, 0);
	run_for(bench, 2100 * USEC_PER_MSEC);
	assert_int_equal(bench->lost_count, 1);
	answer(bench, PUBLIC);
	assert_int_equal(bench->path.state, PATH_DIRECT);
}

static void an_idle_path_is_quiet(void **state)
{
	auto_free struct bench *bench = bench_new();
	size_t before;

	set_candidates(bench, both, 1);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	live(bench, PUBLIC, 5 * USEC_PER_MSEC, USEC_PER_SEC);
	/* Keepalives come; data do not. */
	for (int i = 0; i < 6; i++) {
		struct sent *probe = last_probe_to(bench, PUBLIC);

		if (bench->path.candidates[0].unanswered)
			path_answer(&bench->path, bench->now, &probe->to, probe->echo);
		run_for(bench, 100 * USEC_PER_MSEC);
	}
	while (bench->now < START + 70 * USEC_PER_SEC) {
		run_for(bench, 100 * USEC_PER_MSEC);
		path_traffic(&bench->path, 0, bench->now);
		if (bench->path.candidates[0].unanswered)
			answer(bench, PUBLIC);
	}
	before = bench->probe_count;
	while (bench->now < START + 600 * USEC_PER_SEC) {
		run_for(bench, 5 * USEC_PER_SEC);
		path_traffic(&bench->path, 0, bench->now);
	}
	assert_int_equal(bench->probe_count, before);
	assert_int_equal(bench->path.state, PATH_DIRECT);
}

static struct bench *idle_bench_after(usec_t pause)
{
	struct bench *bench = bench_new();

	run_for(bench, pause);
	set_candidates(bench, both, 1);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	while (bench->now < START + 120 * USEC_PER_SEC) {
		run_for(bench, 100 * USEC_PER_MSEC);
		path_traffic(&bench->path, 0, bench->now);
		if (bench->path.candidates[0].unanswered)
			answer(bench, PUBLIC);
	}
	return bench;
}

static struct bench *idle_bench(void)
{
	return idle_bench_after(0);
}

static void idle_paths_look_at_the_same_moments(void **state)
{
	auto_free struct bench *early = idle_bench_after(0);
	auto_free struct bench *late = idle_bench_after(1234 * USEC_PER_MSEC);
	usec_t next = path_deadline(&early->path, early->now);

	assert_int_equal(next, path_deadline(&late->path, late->now));
	assert_true(next > early->now && next <= early->now + PATH_IDLE_LOOK);
	run_for(early, next - early->now);
	assert_int_equal(path_deadline(&early->path, early->now), next + PATH_IDLE_LOOK);
}

static void an_idle_path_that_falls_silent_is_asked_and_lost(void **state)
{
	auto_free struct bench *bench = idle_bench();
	size_t before = bench->probe_count;

	run_for(bench, PATH_IDLE_SILENCE + PATH_IDLE_LOOK + 2 * USEC_PER_SEC);
	assert_int_equal(bench->probe_count - before, PATH_LOST_AFTER);
	assert_int_equal(bench->lost_count, 1);
}

static void an_idle_path_proves_itself_when_the_network_changes(void **state)
{
	auto_free struct bench *bench = idle_bench();
	size_t before = bench->probe_count;

	path_check(&bench->path, bench->now);
	run_for(bench, 10 * USEC_PER_MSEC);
	assert_int_equal(bench->probe_count, before + 1);
	run_for(bench, 2 * USEC_PER_SEC);
	assert_int_equal(bench->lost_count, 1);
}

static void a_check_of_an_active_path_asks_the_others_too(void **state)
{
	auto_free struct bench *bench = bench_new();

	set_candidates(bench, both, 2);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	live(bench, PUBLIC, 5 * USEC_PER_MSEC, 10 * USEC_PER_SEC);
	assert_int_equal(probes_to(bench, LAN), PATH_ROUND_STEPS);
	path_check(&bench->path, bench->now);
	run_for(bench, 10 * USEC_PER_MSEC);
	assert_int_equal(probes_to(bench, LAN), PATH_ROUND_STEPS + 1);
}

static void loss_is_measured(void **state)
{
	auto_free struct bench *bench = bench_new();
	unsigned answered = 0;

	set_candidates(bench, both, 1);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	for (size_t seen = bench->probe_count; bench->now < START + 300 * USEC_PER_SEC;) {
		run_for(bench, 10 * USEC_PER_MSEC);
		path_traffic(&bench->path, bench->now, bench->now);
		for (; seen < bench->probe_count; seen++) {
			/* Every second heartbeat is lost. */
			if (answered++ % 2)
				answer(bench, PUBLIC);
		}
	}
	assert_in_range(bench->path.loss_permille, 300, 700);
	assert_int_equal(bench->lost_count, 0);
}

static void sides_that_hear_each_other_elsewhere_do_not_keep_each_other_awake(void **state)
{
	auto_free struct bench *bench = bench_new();
	struct address other = address_of(OTHER);
	size_t before;

	set_candidates(bench, both, 1);
	connect_to(bench, PUBLIC, 5 * USEC_PER_MSEC);
	path_seen(&bench->path, bench->now, &other);
	run_for(bench, 60 * USEC_PER_MSEC);
	answer(bench, OTHER);
	before = bench->probe_count;
	/* The peer sends from there all the time. */
	for (int i = 0; i < 200; i++) {
		path_seen(&bench->path, bench->now, &other);
		run_for(bench, 100 * USEC_PER_MSEC);
		if (bench->path.candidates[0].unanswered)
			answer(bench, PUBLIC);
	}
	assert_int_equal(probes_to(bench, OTHER), 1);
	assert_in_range(bench->probe_count - before, 5, 12);
}

/* Whatever comes in whatever order: sizes stay, an address is used only after its own answer, and
 * time goes on. */
static void random_events_break_nothing(void **state)
{
	auto_free struct bench *bench = bench_new();

	seeded_start(&bench->seeded, __func__);
	for (int i = 0; i < 200000; i++) {
		struct address address = address_of(PUBLIC);

		address.port = (uint16_t)(1 + seeded_below(&bench->seeded, 20));
		bench->refuses_choice = seeded_below(&bench->seeded, 5) == 0;
		if (bench->probe_count > PROBES_MAX - 100)
			bench->probe_count = 0;
		switch (seeded_below(&bench->seeded, 8)) {
		case 0: {
			struct candidate list[NODE_CANDIDATES_MAX];
			size_t count = seeded_below(&bench->seeded, NODE_CANDIDATES_MAX + 1);

			for (size_t j = 0; j < count; j++) {
				list[j] = (struct candidate){CANDIDATE_LOCAL, address};
				list[j].address.port = (uint16_t)(address.port + j);
			}
			path_set_candidates(&bench->path, list, count);
			break;
		}
		case 1:
			path_start_round(&bench->path, bench->now,
					 seeded_below(&bench->seeded, 50000));
			break;
		case 2:
			path_seen(&bench->path, bench->now, &address);
			break;
		case 3:
			path_check(&bench->path, bench->now);
			break;
		case 4:
			path_traffic(&bench->path, bench->now, bench->now);
			break;
		default:
			if (bench->probe_count) {
				struct sent *probe = &bench->probes[seeded_below(
					&bench->seeded, (uint32_t)bench->probe_count)];

				path_answer(&bench->path, bench->now, &probe->to, probe->echo);
			}
		}
		bench->now += seeded_below(&bench->seeded, 400000);
		if (path_deadline(&bench->path, bench->now) <= bench->now)
			path_tick(&bench->path, bench->now);
		assert_true(bench->path.candidate_count <= PATH_CANDIDATES_MAX);
		if (path_chosen(&bench->path)) {
			assert_true(bench->path.chosen < bench->path.candidate_count);
			assert_true(path_chosen(&bench->path)->is_usable);
			assert_true(address_is_equal(&path_chosen(&bench->path)->address,
						     &bench->chosen));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_round_asks_every_candidate_at_each_step),
		cmocka_unit_test(a_round_that_starts_over_starts_from_its_first_step),
		cmocka_unit_test(who_answered_is_not_asked_again_in_the_round),
		cmocka_unit_test(a_path_without_candidates_ends_its_round),
		cmocka_unit_test(an_address_is_used_only_when_it_answers_its_own_probe),
		cmocka_unit_test(an_echo_counts_once),
		cmocka_unit_test(a_source_alone_never_becomes_the_path),
		cmocka_unit_test(an_unanswered_address_is_asked_only_within_the_budget),
		cmocka_unit_test(an_address_that_answered_needs_no_budget),
		cmocka_unit_test(an_active_path_beats_every_three_seconds),
		cmocka_unit_test(
			a_dead_path_is_lost_within_a_second_and_a_half_of_its_first_silence),
		cmocka_unit_test(a_peer_that_has_restarted_is_asked_again_before_its_path_is_lost),
		cmocka_unit_test(a_slow_link_is_not_a_dead_one),
		cmocka_unit_test(a_late_answer_brings_a_lost_path_back),
		cmocka_unit_test(an_idle_path_is_quiet),
		cmocka_unit_test(idle_paths_look_at_the_same_moments),
		cmocka_unit_test(an_idle_path_that_falls_silent_is_asked_and_lost),
		cmocka_unit_test(an_idle_path_proves_itself_when_the_network_changes),
		cmocka_unit_test(a_check_of_an_active_path_asks_the_others_too),
		cmocka_unit_test(loss_is_measured),
		cmocka_unit_test(sides_that_hear_each_other_elsewhere_do_not_keep_each_other_awake),
		cmocka_unit_test(random_events_break_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
