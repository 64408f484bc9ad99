#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/agent/test_bench.h"

#include <cmocka.h>

#define ADA_AT "203.0.113.11:51820"
#define US_AT  "203.0.113.1:51820"

static struct bench_member member(unsigned key, const char *name, const char *address)
{
	return (struct bench_member){
		.key = bench_key(key), .name = name, .address = address, .is_online = true};
}

static struct bench *bench_with_ada(void)
{
	struct bench *bench = bench_new(1);
	struct bench_member ada = member(10, "ada", "100.100.96.3/32");

	ada.candidates[0] = ADA_AT;
	bench_map(bench, &ada, 1);
	return bench;
}

/* The other agent's side: it is 100.100.96.3 there, and knows us as "us". */
static struct bench *bench_of_ada(void)
{
	struct bench *bench = bench_new(10);
	struct bench_member us = member(1, "us", "100.100.96.4/32");

	us.candidates[0] = US_AT;
	bench_map(bench, &us, 1);
	return bench;
}

static void receive(struct bench *bench, const struct bench_datagram *sent, const char *from)
{
	struct address address = bench_address(from);
	uint8_t bytes[CONTROL_MAXIMUM];
	struct mask_key mask_key;
	struct mask mask;

	agent_get_mask_key(bench->agent, &mask_key);
	mask_init(&mask, &mask_key);
	memcpy(bytes, sent->data, sent->size);
	assert_true(mask_remove(&mask, bytes, sent->size));
	mask_done(&mask);
	agent_receive_datagram(bench->agent, bench->now, &address, bytes, sent->size);
}

static bool receive_message(struct bench *bench, const struct writer *writer)
{
	assert_false(writer->failed);
	return agent_receive_message(bench->agent, bench->now, writer->data, writer->position);
}

static size_t stamp(enum message_kind kind, uint64_t value, uint8_t bytes[16])
{
	struct writer writer = writer_over(bytes, 16);

	stamp_write(&writer, kind, value);
	return writer.position;
}

static void a_link_begins_with_a_report_of_our_addresses(void **state)
{
	struct bench *bench = bench_new(1);
	const struct agent_interface_address lan = {.prefix = bench_prefix("192.168.7.2/24")};
	struct reader reader;
	struct report report;

	agent_set_interfaces(bench->agent, bench->now, &lan, 1);
	assert_int_equal(bench->message_count, 0);
	agent_link_up(bench->agent, bench->now);
	assert_int_equal(bench->message_count, 1);
	reader = reader_over(bench->messages[0], bench->message_sizes[0]);
	assert_int_equal(message_kind_read(&reader), MESSAGE_REPORT);
	assert_true(report_read(&reader, &report));
	assert_int_equal(report.listen_port, 51820);
	assert_int_equal(report.candidate_count, 1);
	bench_free(bench);
}

static void only_new_addresses_are_reported(void **state)
{
	struct bench *bench = bench_new(1);
	struct agent_interface_address lan = {.prefix = bench_prefix("192.168.7.2/24")};

	agent_link_up(bench->agent, bench->now);
	agent_set_interfaces(bench->agent, bench->now, &lan, 1);
	assert_int_equal(bench_count_messages(bench, MESSAGE_REPORT), 2);
	agent_set_interfaces(bench->agent, bench->now, &lan, 1);
	assert_int_equal(bench_count_messages(bench, MESSAGE_REPORT), 2);
	lan.is_ours = true;
	agent_set_interfaces(bench->agent, bench->now, &lan, 1);
	lan.prefix = bench_prefix("192.168.7.3/24");
	agent_set_interfaces(bench->agent, bench->now, &lan, 1);
	agent_set_interfaces(bench->agent, bench->now, NULL, 0);
	assert_int_equal(bench_count_messages(bench, MESSAGE_REPORT), 5);
	bench_free(bench);
}

static void a_ping_of_the_hub_is_answered_with_its_stamp(void **state)
{
	struct bench *bench = bench_new(1);
	struct reader reader;
	uint8_t bytes[16];
	uint64_t echoed;

	assert_true(agent_receive_message(bench->agent, bench->now, bytes,
					  stamp(MESSAGE_PING, 0x1234567890, bytes)));
	reader = reader_over(bench->messages[0], bench->message_sizes[0]);
	assert_int_equal(message_kind_read(&reader), MESSAGE_PONG);
	assert_true(stamp_read(&reader, &echoed));
	assert_int_equal(echoed, 0x1234567890);
	bench_free(bench);
}

static void what_no_hub_says_is_malformed(void **state)
{
	static const uint8_t kinds[] = {MESSAGE_REPORT, MESSAGE_CONNECT, MESSAGE_PONG,
					MESSAGE_ALIVE,
					/* With nothing behind it. */
					MESSAGE_APPOINTMENT, MESSAGE_REFUSED, MESSAGE_PING};
	struct bench *bench = bench_new(1);

	for (size_t i = 0; i < array_size(kinds); i++)
		assert_false(agent_receive_message(bench->agent, bench->now, &kinds[i], 1));
	assert_int_equal(bench->agent->counters.messages_malformed, array_size(kinds));
	assert_int_equal(bench->message_count, 0);
	bench_free(bench);
}

static void what_a_newer_hub_says_ends_no_link(void **state)
{
	static const uint8_t kinds[] = {MESSAGE_REMOVED + 1, MESSAGE_ALIVE + 1, 255};
	struct bench *bench = bench_new(1);

	for (size_t i = 0; i < array_size(kinds); i++)
		assert_true(agent_receive_message(bench->agent, bench->now, &kinds[i], 1));
	assert_int_equal(bench->agent->counters.messages_malformed, 0);
	bench_free(bench);
}

static void our_removal_is_told_to_the_owner(void **state)
{
	static const uint8_t removed[] = {MESSAGE_REMOVED};
	struct bench *bench = bench_with_ada();

	assert_true(agent_receive_message(bench->agent, bench->now, removed, 1));
	assert_int_equal(bench_count_notices(bench, NOTICE_REMOVED), 1);
	bench_free(bench);
}

static void an_appointment_with_a_stranger_is_counted_and_kept_by_nobody(void **state)
{
	struct bench *bench = bench_with_ada();
	struct appointment appointment = {.peer = bench_key(77), .role = APPOINTMENT_OPEN};
	uint8_t bytes[512];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	appointment_write(&writer, &appointment);
	assert_true(receive_message(bench, &writer));
	assert_int_equal(bench->agent->counters.appointments_unknown, 1);
	assert_int_equal(bench->agent->counters.appointments, 0);
	bench_free(bench);
}

static void a_member_is_found_by_name_address_and_key(void **state)
{
	struct bench *bench = bench_new(1);
	struct bench_member members[] = {member(10, "ada", "100.100.96.3/32"),
					 member(11, "bob", "100.100.96.4/32")};
	char key[KEY_TEXT_SIZE];

	bench_map(bench, members, 2);
	assert_string_equal(agent_find_text(bench->agent, "ada")->record.name, "ada");
	assert_string_equal(agent_find_text(bench->agent, "100.100.96.4")->record.name, "bob");
	key_print(&members[1].key, key);
	assert_string_equal(agent_find_text(bench->agent, key)->record.name, "bob");
	key[4] = '\0';
	assert_string_equal(agent_find_text(bench->agent, key)->record.name, "bob");
	/* So few letters say nothing. */
	key[3] = '\0';
	assert_null(agent_find_text(bench->agent, key));
	assert_null(agent_find_text(bench->agent, "ad"));
	assert_null(agent_find_text(bench->agent, ""));
	bench_free(bench);
}

/* Somebody may be named as another's key begins, if that is in small letters. */
static void a_name_is_stronger_than_the_beginning_of_a_key(void **state)
{
	struct bench *bench = bench_new(1);
	struct bench_member members[] = {member(10, "abcd", "100.100.96.3/32"),
					 member(11, "bob", "100.100.96.4/32"),
					 member(12, "eve", "100.100.96.5/32")};

	for (size_t i = 1; i < 3; i++) {
		struct key key;

		assert_int_equal(key_parse("abcdAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &key),
				 0);
		key.bytes[30] = (uint8_t)i;
		members[i].key = key;
	}
	bench_map(bench, members, 3);
	assert_int_equal(bench->agent->member_count, 3);
	assert_string_equal(agent_find_text(bench->agent, "abcd")->record.name, "abcd");
	/* Two begin so. */
	assert_null(agent_find_text(bench->agent, "abcdA"));
	bench_free(bench);
}

static const struct bench_datagram *last_datagram(const struct bench *bench)
{
	assert_true(bench->datagram_count > 0);
	return &bench->datagrams[(bench->datagram_count - 1) % BENCH_LOG_MAX];
}

/* Ada's first probe has reached us. */
static void let_ada_ask(struct bench *us, struct bench *ada)
{
	agent_ping(ada->agent, ada->now, bench_peer(ada, "us"));
	bench_run(ada, 0);
	assert_int_equal(bench_count_datagrams(ada, US_AT), 1);
	receive(us, last_datagram(ada), ADA_AT);
}

static void a_probe_is_answered_where_it_came_from_and_its_source_is_asked(void **state)
{
	struct bench *us = bench_with_ada(), *ada = bench_of_ada();

	let_ada_ask(us, ada);
	assert_int_equal(us->agent->counters.answers_sent, 1);
	assert_true(bench_count_datagrams(us, ADA_AT) >= 1);
	/* The answer alone makes the address ada's path; ours needs an answer of its own. */
	receive(ada, &us->datagrams[0], US_AT);
	assert_non_null(path_chosen(&bench_peer(ada, "us")->path));
	assert_null(path_chosen(&bench_peer(us, "ada")->path));
	assert_int_equal(ada->ping_answers, 1);
	bench_free(us);
	bench_free(ada);
}

static void an_answer_that_nobody_asked_for_is_counted_and_moves_nothing(void **state)
{
	struct bench *us = bench_with_ada(), *ada = bench_of_ada();
	struct bench_device *device = bench_device(ada, "us");

	let_ada_ask(us, ada);
	receive(ada, &us->datagrams[0], US_AT);
	device->endpoint.family = FAMILY_NONE;
	receive(ada, &us->datagrams[0], "198.51.100.66:1");
	assert_int_equal(ada->agent->counters.answers_unasked + ada->agent->counters.stale +
				 ada->agent->counters.datagrams[PAIR_REPLAYED],
			 1);
	assert_int_equal(device->endpoint.family, FAMILY_NONE);
	assert_int_equal(ada->ping_answers, 1);
	bench_free(us);
	bench_free(ada);
}

static void a_datagram_of_a_stranger_is_answered_with_nothing(void **state)
{
	struct bench *us = bench_with_ada(), *ada = bench_of_ada();

	bench_map(us, NULL, 0);
	let_ada_ask(us, ada);
	assert_int_equal(us->datagram_count, 0);
	assert_int_equal(us->agent->counters.datagrams[PAIR_OK], 0);
	bench_free(us);
	bench_free(ada);
}

static void a_probe_from_where_nobody_may_be_asked_brings_an_answer_only(void **state)
{
	struct bench *us = bench_with_ada(), *ada = bench_of_ada();

	us->routes_through_us = true;
	let_ada_ask(us, ada);
	assert_int_equal(us->datagram_count, 1);
	assert_int_equal(us->agent->counters.probes_sent, 0);
	bench_free(us);
	bench_free(ada);
}

static void an_authentic_packet_from_elsewhere_is_no_path_but_a_question(void **state)
{
	struct bench *bench = bench_with_ada();
	struct address seen = bench_address("198.51.100.66:1"), ours = bench_address(US_AT);
	const struct agent_interface_address own = {.prefix = bench_prefix("203.0.113.1/24")};

	agent_endpoint_seen(bench->agent, bench->now, bench_peer(bench, "ada"), &seen);
	assert_int_equal(bench_count_datagrams(bench, "198.51.100.66:1"), 1);
	assert_null(path_chosen(&bench_peer(bench, "ada")->path));
	assert_int_equal(bench_device(bench, "ada")->endpoint.family, FAMILY_NONE);
	agent_set_interfaces(bench->agent, bench->now, &own, 1);
	agent_endpoint_seen(bench->agent, bench->now, bench_peer(bench, "ada"), &ours);
	assert_int_equal(bench_count_datagrams(bench, US_AT), 0);
	bench_free(bench);
}

/* All of them ask the hub, or a new link would bring a burst of a thousand. */
static void requests_to_the_hub_leave_in_bursts(void **state)
{
	struct bench *bench = bench_new(1);
	struct bench_member members[60];
	char names[60][8], addresses[60][24];
	size_t before = 0;

	for (unsigned i = 0; i < array_size(members); i++) {
		snprintf(names[i], sizeof(names[i]), "n%u", i);
		snprintf(addresses[i], sizeof(addresses[i]), "100.100.96.%u/32", 10 + i);
		members[i] = member(100 + i, names[i], addresses[i]);
	}
	agent_link_up(bench->agent, bench->now);
	bench_map(bench, members, array_size(members));
	for (int i = 0; i < 100; i++) {
		size_t now;

		bench_run(bench, AGENT_CONNECT_PACE - 1);
		now = bench_count_messages(bench, MESSAGE_CONNECT);
		assert_in_range(now - before, 0, AGENT_CONNECT_BURST);
		before = now;
	}
	/* Each of them within the patience of the side that asks later. */
	assert_int_equal(before, array_size(members));
	bench_free(bench);
}

static void a_boot_id_lives_for_its_time_only(void **state)
{
	struct bench *bench = bench_new(1);
	uint8_t before[BOOT_ID_SIZE];

	memcpy(before, bench->agent->identity.boot.id, BOOT_ID_SIZE);
	bench_run(bench, PAIR_BOOT_LIFETIME - 1);
	assert_memory_equal(before, bench->agent->identity.boot.id, BOOT_ID_SIZE);
	bench_run(bench, 1);
	assert_memory_not_equal(before, bench->agent->identity.boot.id, BOOT_ID_SIZE);
	bench_free(bench);
}

static void a_ping_without_a_path_asks_every_candidate_and_one_with_it_only_that(void **state)
{
	struct bench *us = bench_with_ada(), *ada = bench_of_ada();
	size_t before;

	let_ada_ask(us, ada);
	receive(ada, &us->datagrams[0], US_AT);
	/* First contact: one more probe shows the new session. */
	assert_int_equal(bench_count_datagrams(ada, US_AT), 2);
	before = ada->datagram_count;
	agent_ping(ada->agent, ada->now, bench_peer(ada, "us"));
	assert_int_equal(ada->datagram_count, before + 1);
	bench_free(us);
	bench_free(ada);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_begins_with_a_report_of_our_addresses),
		cmocka_unit_test(only_new_addresses_are_reported),
		cmocka_unit_test(a_ping_of_the_hub_is_answered_with_its_stamp),
		cmocka_unit_test(what_no_hub_says_is_malformed),
		cmocka_unit_test(what_a_newer_hub_says_ends_no_link),
		cmocka_unit_test(our_removal_is_told_to_the_owner),
		cmocka_unit_test(an_appointment_with_a_stranger_is_counted_and_kept_by_nobody),
		cmocka_unit_test(a_member_is_found_by_name_address_and_key),
		cmocka_unit_test(a_name_is_stronger_than_the_beginning_of_a_key),
		cmocka_unit_test(a_probe_is_answered_where_it_came_from_and_its_source_is_asked),
		cmocka_unit_test(an_answer_that_nobody_asked_for_is_counted_and_moves_nothing),
		cmocka_unit_test(a_datagram_of_a_stranger_is_answered_with_nothing),
		cmocka_unit_test(a_probe_from_where_nobody_may_be_asked_brings_an_answer_only),
		cmocka_unit_test(an_authentic_packet_from_elsewhere_is_no_path_but_a_question),
		cmocka_unit_test(requests_to_the_hub_leave_in_bursts),
		cmocka_unit_test(a_boot_id_lives_for_its_time_only),
		cmocka_unit_test(
			a_ping_without_a_path_asks_every_candidate_and_one_with_it_only_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
