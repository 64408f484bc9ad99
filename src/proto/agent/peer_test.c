#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/agent/test_bench.h"

#include <cmocka.h>

#define ADA      10
#define ADA_AT   "203.0.113.11:51820"
#define ADA_ALSO "203.0.113.12:1"

/* Our key is lower than ada's, or higher. */
static struct bench *bench_beside_ada(bool is_lower)
{
	struct key ada = bench_key(ADA);

	for (unsigned number = 20;; number++) {
		struct key ours = bench_key(number);

		if ((key_compare(&ours, &ada) < 0) == is_lower)
			return bench_new(number);
	}
}

static void tell_of_ada(struct bench *bench, bool is_online, const char *candidate)
{
	struct bench_member ada = {.key = bench_key(ADA),
				   .name = "ada",
				   .address = "100.100.96.3/32",
				   .is_online = is_online,
				   .candidates = {candidate}};

	bench->revision++;
	bench_change(bench, &ada, 1, NULL, 0);
}

static struct bench *bench_with_empty_map(bool is_lower, bool is_linked)
{
	struct bench *bench = bench_beside_ada(is_lower);

	bench_map(bench, NULL, 0);
	if (is_linked)
		agent_link_up(bench->agent, bench->now);
	return bench;
}

/* Linked, and the hub says that ada is or is not. */
static struct bench *linked_beside_ada(bool is_lower, bool is_online)
{
	struct bench *bench = bench_with_empty_map(is_lower, true);

	tell_of_ada(bench, is_online, ADA_AT);
	return bench;
}

static struct agent_peer *ada_of(const struct bench *bench)
{
	return bench_peer(bench, "ada");
}

static void make_appointment(struct bench *bench, uint16_t delay_ms, const char *candidate)
{
	struct appointment appointment = {
		.peer = bench_key(ADA), .role = APPOINTMENT_OPEN, .delay_ms = delay_ms};
	uint8_t bytes[512];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	if (candidate)
		appointment.candidates[appointment.candidate_count++] =
			(struct candidate){CANDIDATE_OBSERVED, bench_address(candidate)};
	appointment_write(&writer, &appointment);
	assert_true(agent_receive_message(bench->agent, bench->now, bytes, writer.position));
}

static void refuse(struct bench *bench, enum refusal reason, usec_t retry)
{
	struct refused refused = {.peer = bench_key(ADA),
				  .reason = reason,
				  .retry_ms = (uint32_t)(retry / USEC_PER_MSEC)};
	uint8_t bytes[64];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	refused_write(&writer, &refused);
	assert_true(agent_receive_message(bench->agent, bench->now, bytes, writer.position));
}

/* How long until we ask the hub (or send to ada) for the next time; USEC_NEVER = not in `most`. */
static usec_t until_next(struct bench *bench, bool is_of_datagrams, usec_t most)
{
	usec_t start = bench->now;
	size_t before = is_of_datagrams ? bench->datagram_count
					: bench_count_messages(bench, MESSAGE_CONNECT);

	while (bench->now < start + most) {
		bench_run(bench, 10 * USEC_PER_MSEC);
		if ((is_of_datagrams ? bench->datagram_count
				     : bench_count_messages(bench, MESSAGE_CONNECT)) != before)
			return bench->now - start;
	}
	return USEC_NEVER;
}

static usec_t until_asked(struct bench *bench)
{
	return until_next(bench, false, 10 * USEC_PER_MINUTE);
}

static void assert_about(usec_t value, usec_t wanted)
{
	/* Steps of the test, and the agent's pace. */
	assert_in_range(value, wanted > 10 * USEC_PER_MSEC ? wanted - 10 * USEC_PER_MSEC : 0,
			wanted + 10 * USEC_PER_MSEC + AGENT_CONNECT_PACE);
}

/* Ada has answered a probe of ours from there. */
static void answer_from(struct bench *bench, const char *from)
{
	struct path *path = &ada_of(bench)->path;
	struct address address = bench_address(from);
	uint8_t echo[PROBE_ECHO_SIZE];

	path_seen(path, bench->now, &address);
	for (size_t i = 0; i < path->candidate_count; i++) {
		struct path_candidate *candidate = &path->candidates[i];

		if (!address_is_equal(&candidate->address, &address))
			continue;
		for (size_t j = 0; j < PATH_ECHOES; j++) {
			memcpy(echo, candidate->echoes[j].bytes, sizeof(echo));
			if (candidate->echoes[j].sent &&
			    path_answer(path, bench->now, &address, echo))
				return;
		}
	}
	fail();
}

static void the_lower_key_asks_at_once_and_the_higher_later(void **state)
{
	for (int is_lower = 0; is_lower < 2; is_lower++) {
		struct bench *bench = linked_beside_ada(is_lower, true);

		assert_int_equal(ada_of(bench)->reason, REASON_WAITING);
		assert_about(until_asked(bench), is_lower ? 0 : AGENT_CONNECT_PATIENCE);
		/* The answer may be lost. */
		assert_about(until_asked(bench), AGENT_CONNECT_RETRY);
		bench_free(bench);
	}
}

static void failed_appointments_make_asking_rarer(void **state)
{
	static const usec_t waits[] = {10, 20, 40, 80, 120, 120};
	struct bench *bench = linked_beside_ada(true, true);
	usec_t round = path_round_steps[PATH_ROUND_STEPS - 1] + 500 * USEC_PER_MSEC;

	for (size_t i = 0; i < array_size(waits); i++) {
		make_appointment(bench, 0, ADA_AT);
		assert_int_equal(ada_of(bench)->reason, REASON_PROBING);
		assert_in_range(until_asked(bench), waits[i] * USEC_PER_SEC,
				waits[i] * USEC_PER_SEC + round + 20 * USEC_PER_MSEC);
	}
	assert_int_equal(ada_of(bench)->reason, REASON_NO_ANSWER);
	bench_free(bench);
}

static void nobody_asks_on_the_way_to_an_appointment(void **state)
{
	struct bench *bench = linked_beside_ada(true, true);

	make_appointment(bench, 60000, ADA_AT);
	tell_of_ada(bench, true, ADA_ALSO);
	assert_int_equal(until_next(bench, false, 29 * USEC_PER_SEC), USEC_NEVER);
	refuse(bench, REFUSAL_TOO_SOON, USEC_PER_SEC);
	assert_int_equal(until_next(bench, false, 29 * USEC_PER_SEC), USEC_NEVER);
	assert_int_equal(ada_of(bench)->reason, REASON_PROBING);
	bench_free(bench);
}

static void an_appointment_is_kept_at_its_time_where_it_says(void **state)
{
	struct bench *bench = linked_beside_ada(true, true);

	make_appointment(bench, 250, "203.0.113.99:7");
	assert_about(until_next(bench, true, USEC_PER_SEC), 250 * USEC_PER_MSEC);
	bench_run(bench, 3 * USEC_PER_SEC);
	assert_int_equal(bench_count_datagrams(bench, "203.0.113.99:7"), PATH_ROUND_STEPS);
	assert_int_equal(bench_count_datagrams(bench, ADA_AT), 0);
	assert_int_equal(bench->agent->counters.appointments, 1);
	bench_free(bench);
}

static void an_appointment_with_nowhere_to_go_is_told(void **state)
{
	struct bench *bench = linked_beside_ada(true, true);

	make_appointment(bench, 0, "127.0.0.1:51820");
	assert_int_equal(ada_of(bench)->reason, REASON_NO_CANDIDATE);
	assert_int_equal(ada_of(bench)->path.state, PATH_NONE);
	/* It counts as a failed one. */
	assert_about(until_asked(bench), AGENT_CONNECT_RETRY);
	assert_int_equal(bench->datagram_count, 0);
	bench_free(bench);
}

static void an_appointment_does_not_disturb_who_is_connected(void **state)
{
	struct bench *bench = linked_beside_ada(true, true);

	answer_from(bench, ADA_AT);
	make_appointment(bench, 0, ADA_AT);
	assert_int_equal(ada_of(bench)->reason, REASON_CONNECTED);
	assert_false(ada_of(bench)->is_appointed);
	refuse(bench, REFUSAL_OFFLINE, 0);
	assert_int_equal(ada_of(bench)->reason, REASON_CONNECTED);
	assert_int_equal(until_next(bench, false, USEC_PER_SEC), USEC_NEVER);
	bench_free(bench);
}

/* What its own rounds used up is not missing when the other side listens. */
static void rounds_of_our_own_leave_budget_for_an_appointment(void **state)
{
	struct bench *bench = linked_beside_ada(true, false);

	bench_run(bench, 8 * USEC_PER_SEC);
	assert_int_equal(bench_count_datagrams(bench, ADA_AT), PATH_BUDGET - PATH_BUDGET_KEPT);
	assert_true(bench->agent->counters.probes_withheld > 0);
	make_appointment(bench, 0, ADA_AT);
	bench_run(bench, 3 * USEC_PER_SEC);
	assert_int_equal(bench_count_datagrams(bench, ADA_AT), PATH_BUDGET);
	bench_free(bench);
}

static void a_refusal_says_why_and_when_to_ask_again(void **state)
{
	struct bench *bench = linked_beside_ada(true, true);

	until_asked(bench);
	refuse(bench, REFUSAL_TOO_SOON, 7 * USEC_PER_SEC);
	assert_about(until_asked(bench), 7 * USEC_PER_SEC);
	refuse(bench, REFUSAL_TOO_SOON, 0);
	assert_about(until_asked(bench), USEC_PER_SEC);
	refuse(bench, REFUSAL_SWITCHED_OFF, USEC_PER_MINUTE);
	assert_int_equal(ada_of(bench)->reason, REASON_SWITCHED_OFF);
	assert_about(until_asked(bench), USEC_PER_MINUTE);
	refuse(bench, REFUSAL_NOT_ALLOWED, 0);
	assert_int_equal(ada_of(bench)->reason, REASON_NOT_ALLOWED);
	assert_int_equal(until_asked(bench), USEC_NEVER);
	bench_free(bench);
}

static void what_the_hub_asked_for_holds_although_something_changes(void **state)
{
	struct bench *bench = linked_beside_ada(true, true);

	refuse(bench, REFUSAL_TOO_SOON, 30 * USEC_PER_SEC);
	tell_of_ada(bench, true, ADA_ALSO);
	agent_check_paths(bench->agent, bench->now);
	assert_about(until_asked(bench), 30 * USEC_PER_SEC);
	bench_free(bench);
}

static void who_is_offline_is_asked_for_when_the_hub_sees_it(void **state)
{
	struct bench *bench = linked_beside_ada(true, true);

	refuse(bench, REFUSAL_OFFLINE, 0);
	assert_int_equal(ada_of(bench)->reason, REASON_OFFLINE);
	tell_of_ada(bench, false, ADA_AT);
	assert_int_equal(ada_of(bench)->reason, REASON_OFFLINE);
	assert_int_equal(until_next(bench, false, USEC_PER_MINUTE), USEC_NEVER);
	tell_of_ada(bench, true, ADA_AT);
	assert_about(until_asked(bench), 0);
	bench_free(bench);
}

/* When the next round of our own begins. */
static usec_t next_round(struct bench *bench)
{
	while (ada_of(bench)->path.state == PATH_PROBING)
		bench_run(bench, USEC_PER_MSEC);
	while (ada_of(bench)->path.state != PATH_PROBING)
		bench_run(bench, USEC_PER_MSEC);
	return bench->now;
}

/* Rounds that nobody answers. */
static void check_own_rounds(struct bench *bench, usec_t most)
{
	usec_t round = path_round_steps[PATH_ROUND_STEPS - 1] + 500 * USEC_PER_MSEC;
	usec_t pause = 2 * AGENT_OWN_ROUND, last = next_round(bench);

	for (int i = 0; i < 12; i++) {
		usec_t start = next_round(bench);

		assert_about(start - last, round + pause);
		last = start;
		pause = 2 * pause > most ? most : 2 * pause;
	}
}

static void without_a_hub_rounds_become_rarer_up_to_a_minute(void **state)
{
	struct bench *bench = bench_with_empty_map(true, false);

	tell_of_ada(bench, false, ADA_AT);
	assert_int_equal(ada_of(bench)->reason, REASON_PROBING);
	assert_about(until_next(bench, true, USEC_PER_MINUTE), AGENT_HUB_GONE_AFTER);
	check_own_rounds(bench, AGENT_OWN_ROUND_MAX);
	assert_int_equal(bench->message_count, 0);
	bench_free(bench);
}

static void for_who_is_offline_rounds_become_rarer_up_to_ten_minutes(void **state)
{
	struct bench *bench = linked_beside_ada(true, false);

	assert_int_equal(ada_of(bench)->reason, REASON_OFFLINE);
	assert_about(until_next(bench, true, USEC_PER_MINUTE), AGENT_HUB_GONE_AFTER);
	check_own_rounds(bench, AGENT_OFFLINE_ROUND_MAX);
	bench_free(bench);
}

/* It may come back at once; who is known from then on only need not wait. */
static void the_patience_with_a_hub_that_went_counts_from_its_going(void **state)
{
	for (int is_linked = 0; is_linked < 2; is_linked++) {
		struct bench *bench = bench_with_empty_map(true, is_linked);

		bench_run(bench, USEC_PER_MINUTE);
		tell_of_ada(bench, false, ADA_AT);
		/* With a hub it is the peer that may come back at once. */
		assert_about(until_next(bench, true, USEC_PER_MINUTE),
			     is_linked ? AGENT_HUB_GONE_AFTER : 0);
		bench_free(bench);
	}
}

static void who_was_reached_before_is_asked_at_once_but_not_after_a_link(void **state)
{
	for (int had_link = 0; had_link < 2; had_link++) {
		struct bench *bench = bench_with_empty_map(true, false);

		tell_of_ada(bench, false, ADA_AT);
		ada_of(bench)->record.was_reached = true;
		if (had_link)
			agent_link_up(bench->agent, bench->now);
		agent_link_down(bench->agent, bench->now);
		assert_about(until_next(bench, true, USEC_PER_MINUTE),
			     had_link ? AGENT_HUB_GONE_AFTER : 0);
		bench_free(bench);
	}
}

static void a_round_under_way_does_not_start_over(void **state)
{
	struct bench *bench = linked_beside_ada(true, false);
	unsigned failed;

	agent_link_down(bench->agent, bench->now);
	next_round(bench);
	next_round(bench);
	failed = ada_of(bench)->path.failed_rounds;
	bench_run(bench, 400 * USEC_PER_MSEC);
	agent_check_paths(bench->agent, bench->now);
	bench_run(bench, 1610 * USEC_PER_MSEC);
	assert_int_equal(ada_of(bench)->path.failed_rounds, failed + 1);
	bench_free(bench);
}

static void why_a_peer_is_not_used_stays_when_the_link_ends(void **state)
{
	struct bench *bench = linked_beside_ada(true, true);
	struct bench_member other = {
		.key = bench_key(11), .name = "ada", .address = "100.100.96.3/32"};

	bench->revision++;
	bench_map(bench, &other, 1);
	assert_int_equal(ada_of(bench)->reason, REASON_KEY_CHANGED);
	agent_link_down(bench->agent, bench->now);
	assert_int_equal(ada_of(bench)->reason, REASON_KEY_CHANGED);
	agent_link_up(bench->agent, bench->now);
	bench_map(bench, &other, 1);
	assert_int_equal(ada_of(bench)->reason, REASON_KEY_CHANGED);
	bench_free(bench);
}

static void who_may_not_be_probed_costs_nothing_and_is_looked_at_again(void **state)
{
	for (int is_linked = 0; is_linked < 2; is_linked++) {
		struct bench *bench = bench_with_empty_map(true, is_linked);

		bench->routes_through_us = true;
		/* Without a link nobody knows whether it is still online. */
		tell_of_ada(bench, !is_linked, ADA_AT);
		bench_run(bench, USEC_PER_MINUTE);
		assert_int_equal(bench->datagram_count, 0);
		assert_int_equal(ada_of(bench)->reason, REASON_NO_CANDIDATE);
		bench->routes_through_us = false;
		assert_int_not_equal(until_next(bench, true, USEC_PER_MINUTE), USEC_NEVER);
		bench_free(bench);
	}
}

static void in_a_large_network_only_who_is_wanted_is_connected(void **state)
{
	struct bench *bench = bench_with_empty_map(true, true);

	bench->agent->config.eager_peers = 0;
	tell_of_ada(bench, true, ADA_AT);
	assert_int_equal(ada_of(bench)->reason, REASON_NOT_WANTED);
	assert_int_equal(until_asked(bench), USEC_NEVER);
	assert_int_equal(bench->datagram_count, 0);
	agent_want(bench->agent, bench->now, ada_of(bench));
	assert_about(until_asked(bench), 0);
	bench_free(bench);
}

static void one_side_starts_the_handshake_and_the_other_only_if_nothing_came(void **state)
{
	for (int is_lower = 0; is_lower < 2; is_lower++) {
		struct bench *bench = linked_beside_ada(is_lower, true);
		struct bench_device *device = bench_device(bench, "ada");

		answer_from(bench, ADA_AT);
		/* Traffic would start one too. */
		assert_int_equal(device->endpoint.family != FAMILY_NONE, is_lower);
		bench_run(bench, AGENT_HANDSHAKE_PATIENCE - 1);
		assert_int_equal(device->handshakes, is_lower);
		bench_run(bench, 1);
		assert_int_equal(device->handshakes, 1);
		assert_int_not_equal(device->endpoint.family, FAMILY_NONE);
		bench_free(bench);
	}
}

static void a_handshake_that_came_is_not_started_again(void **state)
{
	for (int is_told = 0; is_told < 2; is_told++) {
		struct bench *bench = linked_beside_ada(false, true);
		struct bench_device *device = bench_device(bench, "ada");

		answer_from(bench, ADA_AT);
		device->traffic.has_session = true;
		if (is_told) {
			agent_handshake_completed(bench->agent, bench->now, ada_of(bench));
			assert_int_not_equal(device->endpoint.family, FAMILY_NONE);
		}
		bench_run(bench, 2 * AGENT_HANDSHAKE_PATIENCE);
		assert_int_equal(device->handshakes, 0);
		bench_free(bench);
	}
}

static void with_a_session_the_endpoint_moves_at_once_and_nobody_shakes_hands(void **state)
{
	struct bench *bench = linked_beside_ada(false, true);
	struct bench_device *device = bench_device(bench, "ada");

	device->traffic.has_session = true;
	answer_from(bench, ADA_AT);
	assert_int_not_equal(device->endpoint.family, FAMILY_NONE);
	bench_run(bench, 2 * AGENT_HANDSHAKE_PATIENCE);
	assert_int_equal(device->handshakes, 0);
	bench_free(bench);
}

static void a_handshake_newer_than_the_probe_proves_the_present_address(void **state)
{
	struct bench *bench = linked_beside_ada(true, true);
	struct bench_device *device = bench_device(bench, "ada");
	struct address present = bench_address(ADA_AT);

	device->traffic.has_session = true;
	bench_run(bench, USEC_PER_SEC);
	answer_from(bench, ADA_AT);
	/* Slow, so that anything would be better. */
	ada_of(bench)->path.candidates[0].rtt_smooth = USEC_PER_SEC;
	device->traffic.last_handshake = bench->now + 1;
	answer_from(bench, ADA_ALSO);
	assert_true(address_is_equal(&device->endpoint, &present));
	device->traffic.last_handshake = 0;
	answer_from(bench, ADA_ALSO);
	assert_false(address_is_equal(&device->endpoint, &present));
	bench_free(bench);
}

static void a_lost_path_is_told_and_shown_to_the_hub_and_sought_at_once(void **state)
{
	struct bench *bench = linked_beside_ada(true, true);
	usec_t limit = bench->now + USEC_PER_HOUR;

	bench_device(bench, "ada")->traffic.has_session = true;
	answer_from(bench, ADA_AT);
	assert_int_equal(bench_count_notices(bench, NOTICE_PATH), 1);
	while (ada_of(bench)->path.state == PATH_DIRECT && bench->now < limit)
		bench_run(bench, 10 * USEC_PER_MSEC);
	assert_int_equal(bench_count_notices(bench, NOTICE_PATH_LOST), 1);
	assert_int_equal(bench_count_messages(bench, MESSAGE_ALIVE), 1);
	assert_int_not_equal(ada_of(bench)->reason, REASON_CONNECTED);
	bench_run(bench, 10 * USEC_PER_MSEC);
	assert_int_equal(ada_of(bench)->path.state, PATH_PROBING);
	/* A round that finds nothing is no second loss. */
	bench_run(bench, USEC_PER_MINUTE);
	assert_int_equal(bench_count_notices(bench, NOTICE_PATH_LOST), 1);
	bench_free(bench);
}

static void a_path_that_the_peer_no_longer_names_proves_itself_now(void **state)
{
	struct bench *bench = linked_beside_ada(true, true);

	bench_device(bench, "ada")->traffic.has_session = true;
	answer_from(bench, ADA_AT);
	bench_run(bench, 100 * USEC_PER_MSEC);
	tell_of_ada(bench, true, ADA_AT);
	assert_int_equal(until_next(bench, true, USEC_PER_SEC), USEC_NEVER);
	tell_of_ada(bench, true, ADA_ALSO);
	assert_about(until_next(bench, true, USEC_PER_SEC), 0);
	assert_int_equal(ada_of(bench)->path.state, PATH_DIRECT);
	bench_free(bench);
}

static enum agent_rung rung_over(const char *candidate, const char *path, const char *interface,
				 const char *we_are_seen_at)
{
	struct bench *bench = linked_beside_ada(true, true);
	struct bench_member ada = {.key = bench_key(ADA),
				   .name = "ada",
				   .address = "100.100.96.3/32",
				   .candidates = {candidate}};
	const struct agent_interface_address own = {.prefix = bench_prefix(interface)};
	enum agent_rung rung;

	assert_int_equal(agent_rung(ada_of(bench)), RUNG_NONE);
	bench_change(bench, &ada, 1, NULL, 0);
	agent_set_interfaces(bench->agent, bench->now, &own, 1);
	bench->agent->self.candidates[bench->agent->self.candidate_count++] =
		(struct candidate){CANDIDATE_OBSERVED, bench_address(we_are_seen_at)};
	answer_from(bench, path);
	rung = agent_rung(ada_of(bench));
	bench_free(bench);
	return rung;
}

static void how_direct_a_path_is_depends_on_who_translates(void **state)
{
	assert_int_equal(
		rung_over("l:192.168.7.11:1", "192.168.7.11:1", "192.168.7.2/24", "203.0.113.1:1"),
		RUNG_DIRECT_LAN);
	assert_int_equal(
		rung_over("l:203.0.113.11:1", "203.0.113.11:1", "203.0.113.1/24", "203.0.113.1:1"),
		RUNG_DIRECT_LAN);
	assert_int_equal(rung_over("l:203.0.113.11:1", "203.0.113.11:1", "198.51.100.1/32",
				   "198.51.100.1:1"),
			 RUNG_DIRECT);
	/* One of the two stands behind a NAT. */
	assert_int_equal(
		rung_over("203.0.113.11:1", "203.0.113.11:1", "198.51.100.1/32", "198.51.100.1:1"),
		RUNG_DIRECT_PUNCHED);
	assert_int_equal(
		rung_over("l:203.0.113.11:1", "203.0.113.11:1", "192.168.7.2/24", "198.51.100.1:1"),
		RUNG_DIRECT_PUNCHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lower_key_asks_at_once_and_the_higher_later),
		cmocka_unit_test(failed_appointments_make_asking_rarer),
		cmocka_unit_test(nobody_asks_on_the_way_to_an_appointment),
		cmocka_unit_test(an_appointment_is_kept_at_its_time_where_it_says),
		cmocka_unit_test(an_appointment_with_nowhere_to_go_is_told),
		cmocka_unit_test(an_appointment_does_not_disturb_who_is_connected),
		cmocka_unit_test(rounds_of_our_own_leave_budget_for_an_appointment),
		cmocka_unit_test(a_refusal_says_why_and_when_to_ask_again),
		cmocka_unit_test(what_the_hub_asked_for_holds_although_something_changes),
		cmocka_unit_test(who_is_offline_is_asked_for_when_the_hub_sees_it),
		cmocka_unit_test(without_a_hub_rounds_become_rarer_up_to_a_minute),
		cmocka_unit_test(for_who_is_offline_rounds_become_rarer_up_to_ten_minutes),
		cmocka_unit_test(the_patience_with_a_hub_that_went_counts_from_its_going),
		cmocka_unit_test(who_was_reached_before_is_asked_at_once_but_not_after_a_link),
		cmocka_unit_test(a_round_under_way_does_not_start_over),
		cmocka_unit_test(why_a_peer_is_not_used_stays_when_the_link_ends),
		cmocka_unit_test(who_may_not_be_probed_costs_nothing_and_is_looked_at_again),
		cmocka_unit_test(in_a_large_network_only_who_is_wanted_is_connected),
		cmocka_unit_test(one_side_starts_the_handshake_and_the_other_only_if_nothing_came),
		cmocka_unit_test(a_handshake_that_came_is_not_started_again),
		cmocka_unit_test(with_a_session_the_endpoint_moves_at_once_and_nobody_shakes_hands),
		cmocka_unit_test(a_handshake_newer_than_the_probe_proves_the_present_address),
		cmocka_unit_test(a_lost_path_is_told_and_shown_to_the_hub_and_sought_at_once),
		cmocka_unit_test(a_path_that_the_peer_no_longer_names_proves_itself_now),
		cmocka_unit_test(how_direct_a_path_is_depends_on_who_translates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
