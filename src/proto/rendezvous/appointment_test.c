#include "proto/rendezvous/test_bench.h"

static void ask_key(struct bench *bench, struct rendezvous_node *from, const struct key *key)
{
	uint8_t bytes[64];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	connect_write(&writer, key);
	receive(bench, from, &writer);
}

/* True: both were invited. */
static bool ask(struct bench *bench, struct rendezvous_node *from, const struct rendezvous_node *to)
{
	uint64_t before = bench->rendezvous.counters.appointments;

	ask_key(bench, from, &to->record.key);
	return bench->rendezvous.counters.appointments == before + 1;
}

static struct appointment invitation(const struct bench *bench, const struct rendezvous_node *to)
{
	const struct sent *sent = last_sent(bench, to, MESSAGE_APPOINTMENT);
	struct appointment appointment;
	struct reader reader;

	assert_non_null(sent);
	reader = reader_behind_kind(sent);
	assert_true(appointment_read(&reader, &appointment));
	return appointment;
}

static struct refused refusal(const struct bench *bench, const struct rendezvous_node *to)
{
	const struct sent *sent = last_sent(bench, to, MESSAGE_REFUSED);
	struct refused refused;
	struct reader reader;

	assert_non_null(sent);
	reader = reader_behind_kind(sent);
	assert_true(refused_read(&reader, &refused));
	return refused;
}

static bool is_about(struct refused refused, const struct rendezvous_node *node)
{
	return key_is_equal(&refused.peer, &node->record.key);
}

static void both_sides_learn_where_the_other_is(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);
	struct appointment to_one, to_two;

	assert_true(ask(bench, two, one));
	to_one = invitation(bench, one);
	to_two = invitation(bench, two);
	assert_true(key_is_equal(&to_one.peer, &two->record.key));
	assert_true(key_is_equal(&to_two.peer, &one->record.key));
	assert_int_equal(to_one.candidate_count, 1);
	assert_true(address_is_equal(&to_one.candidates[0].address, &two->observed));
	assert_true(address_is_equal(&to_two.candidates[0].address, &one->observed));
	assert_int_equal(bench->notices[RENDEZVOUS_APPOINTMENT], 1);
	bench_free(bench);
}

static void the_lower_key_starts_the_handshake_whoever_asks(void **state)
{
	for (int is_lower_asking = 0; is_lower_asking < 2; is_lower_asking++) {
		struct bench *bench = bench_new(true, NULL);
		struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);

		assert_true(ask(bench, is_lower_asking ? one : two, is_lower_asking ? two : one));
		assert_int_equal(invitation(bench, one).role, APPOINTMENT_INITIATE);
		assert_int_equal(invitation(bench, two).role, APPOINTMENT_OPEN);
		bench_free(bench);
	}
}

/* As soon as it may. */
static void meet_again(struct bench *bench, struct rendezvous_node *from,
		       const struct rendezvous_node *to, usec_t wait)
{
	bench->now += wait - 1;
	assert_false(ask(bench, from, to));
	bench->now++;
	assert_true(ask(bench, from, to));
}

static void the_higher_key_sends_first_and_then_they_take_turns(void **state)
{
	static const usec_t waits[] = {0, 10, 20, 40, 80, 120, 120};
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);
	uint16_t lead = RENDEZVOUS_OPEN_LEAD / USEC_PER_MSEC;

	for (size_t i = 0; i < array_size(waits); i++) {
		if (i)
			meet_again(bench, one, two, waits[i] * USEC_PER_SEC);
		else
			assert_true(ask(bench, one, two));
		assert_int_equal(invitation(bench, one).delay_ms, i % 2 ? 0 : lead);
		assert_int_equal(invitation(bench, two).delay_ms, i % 2 ? lead : 0);
	}
	bench_free(bench);
}

static void a_pair_that_lets_twice_the_time_pass_starts_over(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);

	assert_true(ask(bench, one, two));
	meet_again(bench, one, two, RENDEZVOUS_PAIR_INTERVAL);
	bench->now += 4 * RENDEZVOUS_PAIR_INTERVAL;
	assert_true(ask(bench, one, two));
	assert_int_equal(invitation(bench, two).delay_ms, 0);
	meet_again(bench, one, two, RENDEZVOUS_PAIR_INTERVAL);
	bench_free(bench);
}

static void each_waits_for_what_the_others_link_is_slower(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);
	uint16_t lead = RENDEZVOUS_OPEN_LEAD / USEC_PER_MSEC;

	one->rtt = 20 * USEC_PER_MSEC;
	two->rtt = 300 * USEC_PER_MSEC;
	assert_true(ask(bench, one, two));
	assert_int_equal(invitation(bench, one).delay_ms, lead + 140);
	assert_int_equal(invitation(bench, two).delay_ms, 0);
	one->rtt = 500 * USEC_PER_MSEC;
	meet_again(bench, one, two, RENDEZVOUS_PAIR_INTERVAL);
	assert_int_equal(invitation(bench, one).delay_ms, 0);
	assert_int_equal(invitation(bench, two).delay_ms, lead + 100);
	bench_free(bench);
}

static void nobody_waits_for_a_link_slower_than_two_seconds(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);

	one->rtt = 9 * USEC_PER_SEC;
	assert_true(ask(bench, one, two));
	assert_int_equal(invitation(bench, two).delay_ms, RENDEZVOUS_DELAY_MAX / 2 / USEC_PER_MSEC);
	assert_int_equal(invitation(bench, one).delay_ms, RENDEZVOUS_OPEN_LEAD / USEC_PER_MSEC);
	bench_free(bench);
}

static void who_cannot_meet_is_told_why(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *one = add_linked(bench, 1), *away = add(bench, 2);
	struct key stranger = {{99}};

	assert_false(ask(bench, one, away));
	assert_int_equal(refusal(bench, one).reason, REFUSAL_OFFLINE);
	assert_true(is_about(refusal(bench, one), away));
	ask_key(bench, one, &stranger);
	assert_int_equal(refusal(bench, one).reason, REFUSAL_NOT_ALLOWED);
	assert_false(ask(bench, one, one));
	assert_true(is_about(refusal(bench, one), one));
	assert_int_equal(bench->rendezvous.counters.refused_offline, 1);
	assert_int_equal(bench->rendezvous.counters.refused_not_allowed, 2);
	assert_int_equal(bench->rendezvous.counters.appointments, 0);
	/* None of it keeps them from meeting later. */
	rendezvous_link_up(&bench->rendezvous, bench->now, away);
	assert_true(ask(bench, one, away));
	bench_free(bench);
}

static void without_appointments_all_are_refused(void **state)
{
	struct bench *bench = bench_new(false, NULL);
	struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);

	assert_false(ask(bench, one, two));
	assert_int_equal(refusal(bench, one).reason, REFUSAL_SWITCHED_OFF);
	assert_int_equal(refusal(bench, one).retry_ms, 60000);
	assert_int_equal(count_sent(bench, two, MESSAGE_APPOINTMENT), 0);
	bench_free(bench);
}

static void who_asks_too_soon_is_told_how_long_to_wait(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);

	assert_true(ask(bench, one, two));
	bench->now += 4 * USEC_PER_SEC;
	/* Whoever of them asks. */
	assert_false(ask(bench, two, one));
	assert_int_equal(refusal(bench, two).reason, REFUSAL_TOO_SOON);
	assert_int_equal(refusal(bench, two).retry_ms, 6000);
	assert_int_equal(count_sent(bench, one, MESSAGE_REFUSED), 0);
	bench_free(bench);
}

static void who_has_moved_need_not_wait(void **state)
{
	for (int is_asker = 0; is_asker < 2; is_asker++) {
		struct bench *bench = bench_new(true, NULL);
		struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);
		struct address elsewhere = address_of("198.51.100.7:1000");

		assert_true(ask(bench, one, two));
		meet_again(bench, one, two, RENDEZVOUS_PAIR_INTERVAL);
		bench->now += USEC_PER_SEC;
		rendezvous_observe(&bench->rendezvous, bench->now, is_asker ? one : two,
				   &elsewhere);
		assert_true(ask(bench, one, two));
		/* It is a new beginning: the higher key sends first, and the wait is short. */
		assert_int_equal(invitation(bench, two).delay_ms, 0);
		meet_again(bench, one, two, RENDEZVOUS_PAIR_INTERVAL);
		bench_free(bench);
	}
}

static void who_moves_all_the_time_gains_one_appointment_in_ten_seconds(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);
	struct address elsewhere = address_of("198.51.100.7:1000");
	unsigned met = 0;

	for (int i = 0; i < 60; i++) {
		elsewhere.port++;
		bench->now += USEC_PER_SEC;
		rendezvous_observe(&bench->rendezvous, bench->now, two, &elsewhere);
		met += ask(bench, one, two);
	}
	/* Six that everybody gets, and six more. */
	assert_int_equal(met, 12);
	bench_free(bench);
}

static void who_has_moved_just_after_boot_need_not_wait_either(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct address elsewhere = address_of("198.51.100.7:1000");
	struct rendezvous_node *one, *two;

	bench->now = USEC_PER_SEC;
	one = add_linked(bench, 1);
	two = add_linked(bench, 2);
	assert_true(ask(bench, one, two));
	bench->now += USEC_PER_SEC;
	rendezvous_observe(&bench->rendezvous, bench->now, two, &elsewhere);
	assert_true(ask(bench, one, two));
	bench_free(bench);
}

static const struct rendezvous_limits small_limits = {
	.request_burst = 3, .request_rate = 2, .target_limit = 1000};

static void a_bucket_refills_and_never_holds_more_than_its_burst(void **state)
{
	struct bench *bench = bench_new(true, &small_limits);
	struct rendezvous_node *one = add_linked(bench, 1), *others[20];
	unsigned met = 0;

	for (size_t i = 0; i < array_size(others); i++)
		others[i] = add_linked(bench, (uint8_t)(10 + i));
	bench->now += USEC_PER_HOUR;
	for (size_t i = 0; i < 10; i++)
		met += ask(bench, one, others[i]);
	assert_int_equal(met, 3);
	assert_int_equal(refusal(bench, one).reason, REFUSAL_TOO_SOON);
	assert_int_equal(refusal(bench, one).retry_ms, RENDEZVOUS_TARGET_WINDOW / USEC_PER_MSEC);
	/* Asking often does not keep the bucket from filling. */
	for (int i = 0; i < 10; i++) {
		bench->now += USEC_PER_SEC / 10;
		met += ask(bench, one, others[10 + met - 3]);
	}
	assert_int_equal(met, 5);
	bench_free(bench);
}

static void a_pair_that_has_to_wait_costs_nobody_a_token(void **state)
{
	struct bench *bench = bench_new(true, &small_limits);
	struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);

	assert_true(ask(bench, one, two));
	assert_int_equal(one->requests, 2);
	for (int i = 0; i < 10; i++)
		assert_false(ask(bench, one, two));
	assert_int_equal(one->requests, 2);
	/* Nor does an invitation. */
	assert_int_equal(two->requests, 3);
	bench_free(bench);
}

static void every_address_of_both_counts_as_a_target(void **state)
{
	static const struct rendezvous_limits limits = {100, 100, 2};

	for (int is_asker = 0; is_asker < 2; is_asker++) {
		struct bench *bench = bench_new(true, &limits);
		struct rendezvous_node *nodes[4];
		unsigned met = 0;

		for (size_t i = 0; i < array_size(nodes); i++)
			nodes[i] = add_linked(bench, (uint8_t)(1 + i));
		/* The victim stands second in the first one's record. */
		send_report(bench, nodes[0], "198.51.100.99:53");
		for (size_t i = 1; i < array_size(nodes); i++)
			nodes[i]->record.candidate_count = 0;
		for (size_t i = 1; i < array_size(nodes); i++)
			met += ask(bench, nodes[is_asker ? 0 : i], nodes[is_asker ? i : 0]);
		assert_int_equal(met, 2);
		bench->now += RENDEZVOUS_TARGET_WINDOW;
		assert_true(ask(bench, nodes[is_asker ? 0 : 3], nodes[is_asker ? 3 : 0]));
		bench_free(bench);
	}
}

static void a_newcomer_is_known_before_it_is_met(void **state)
{
	for (int is_asker = 0; is_asker < 2; is_asker++) {
		struct bench *bench = bench_new(true, NULL);
		struct rendezvous_node *one = add_linked(bench, 1), *new_one = add(bench, 2);
		size_t before = count_sent(bench, one, MESSAGE_CHANGES);

		rendezvous_link_up(&bench->rendezvous, bench->now, new_one);
		assert_true(ask(bench, is_asker ? new_one : one, is_asker ? one : new_one));
		assert_int_equal(count_sent(bench, one, MESSAGE_CHANGES), before + 1);
		assert_true(last_sent(bench, one, MESSAGE_CHANGES) <
			    last_sent(bench, one, MESSAGE_APPOINTMENT));
		bench_free(bench);
	}
}

static void an_appointment_of_known_ones_pushes_nothing(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);
	size_t before = count_sent(bench, one, MESSAGE_CHANGES);

	assert_true(ask(bench, one, two));
	assert_int_equal(count_sent(bench, one, MESSAGE_CHANGES), before);
	bench_free(bench);
}

static struct rendezvous_pair *entry_of(struct bench *bench, uint64_t hash)
{
	for (size_t i = 0; i < RENDEZVOUS_PAIRS; i++) {
		if (bench->rendezvous.pairs[i].hash &&
		    (!hash || bench->rendezvous.pairs[i].hash == hash))
			return &bench->rendezvous.pairs[i];
	}
	return NULL;
}

/* The four places of a pair, all taken by others. */
static void of_four_neighbours_the_least_recent_is_forgotten(void **state)
{
	static const usec_t ages[] = {10, 20, 40, 30};

	for (size_t shift = 0; shift < 4; shift++) {
		struct bench *bench = bench_new(true, NULL);
		struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);
		struct rendezvous_pair *pairs = bench->rendezvous.pairs;
		uint64_t hash;

		assert_true(ask(bench, one, two));
		hash = entry_of(bench, 0)->hash;
		for (size_t i = 0; i < 4; i++)
			pairs[(hash + i) % RENDEZVOUS_PAIRS] = (struct rendezvous_pair){
				.hash = 2 + 2 * i,
				.last = bench->now - ages[(i + shift) % 4] * USEC_PER_SEC};
		assert_true(ask(bench, one, two));
		for (size_t i = 0; i < 4; i++)
			assert_int_equal(pairs[(hash + i) % RENDEZVOUS_PAIRS].hash,
					 (i + shift) % 4 == 2 ? hash : 2 + 2 * i);
		/* And it is found there. */
		assert_false(ask(bench, two, one));
		bench_free(bench);
	}
}

static void pairs_do_not_wait_for_one_another(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *one = add_linked(bench, 1), *two = add_linked(bench, 2);
	struct rendezvous_node *three = add_linked(bench, 3);

	assert_true(ask(bench, one, two));
	assert_true(ask(bench, one, three));
	assert_true(ask(bench, three, two));
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_learn_where_the_other_is),
		cmocka_unit_test(the_lower_key_starts_the_handshake_whoever_asks),
		cmocka_unit_test(the_higher_key_sends_first_and_then_they_take_turns),
		cmocka_unit_test(a_pair_that_lets_twice_the_time_pass_starts_over),
		cmocka_unit_test(each_waits_for_what_the_others_link_is_slower),
		cmocka_unit_test(nobody_waits_for_a_link_slower_than_two_seconds),
		cmocka_unit_test(who_cannot_meet_is_told_why),
		cmocka_unit_test(without_appointments_all_are_refused),
		cmocka_unit_test(who_asks_too_soon_is_told_how_long_to_wait),
		cmocka_unit_test(who_has_moved_need_not_wait),
		cmocka_unit_test(who_has_moved_just_after_boot_need_not_wait_either),
		cmocka_unit_test(who_moves_all_the_time_gains_one_appointment_in_ten_seconds),
		cmocka_unit_test(a_bucket_refills_and_never_holds_more_than_its_burst),
		cmocka_unit_test(a_pair_that_has_to_wait_costs_nobody_a_token),
		cmocka_unit_test(every_address_of_both_counts_as_a_target),
		cmocka_unit_test(a_newcomer_is_known_before_it_is_met),
		cmocka_unit_test(an_appointment_of_known_ones_pushes_nothing),
		cmocka_unit_test(of_four_neighbours_the_least_recent_is_forgotten),
		cmocka_unit_test(pairs_do_not_wait_for_one_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
