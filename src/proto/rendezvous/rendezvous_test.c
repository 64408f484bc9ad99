#include "proto/rendezvous/test_bench.h"

static struct changes_header changes_to(const struct bench *bench,
					const struct rendezvous_node *node,
					struct map_node *ret_first)
{
	const struct sent *sent = last_sent(bench, node, MESSAGE_CHANGES);
	struct changes_header header;
	struct reader reader;

	assert_non_null(sent);
	reader = reader_behind_kind(sent);
	assert_true(changes_header_read(&reader, &header));
	if (header.node_count)
		assert_true(map_node_read(&reader, ret_first));
	return header;
}

static void a_new_link_gets_the_whole_map_and_a_ping_at_once(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *node;
	struct map_header header;
	struct reader reader;

	add_linked(bench, 1);
	add(bench, 2);
	node = add(bench, 3);
	rendezvous_link_up(&bench->rendezvous, bench->now, node);
	reader = reader_behind_kind(last_sent(bench, node, MESSAGE_MAP));
	assert_true(map_header_read(&reader, &header));
	assert_int_equal(header.node_count, 3);
	assert_int_equal(header.revision, bench->revision);
	assert_int_equal(count_sent(bench, node, MESSAGE_PING), 1);
	assert_true(node->record.is_online);
	assert_int_equal(bench->notices[RENDEZVOUS_ONLINE], 2);
	/* Once. */
	rendezvous_link_up(&bench->rendezvous, bench->now, node);
	assert_int_equal(count_sent(bench, node, MESSAGE_MAP), 1);
	assert_int_equal(bench->rendezvous.linked_count, 2);
	bench_free(bench);
}

static void changes_that_come_together_are_told_together(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *witness = add_linked(bench, 1);
	size_t before = count_sent(bench, witness, MESSAGE_CHANGES);
	struct map_node first;

	add(bench, 2);
	add(bench, 3);
	run_for(bench, RENDEZVOUS_PUSH_DELAY - 1);
	assert_int_equal(count_sent(bench, witness, MESSAGE_CHANGES), before);
	run_for(bench, 1);
	assert_int_equal(count_sent(bench, witness, MESSAGE_CHANGES), before + 1);
	assert_int_equal(changes_to(bench, witness, &first).node_count, 2);
	assert_string_equal(first.name, "n2");
	bench_free(bench);
}

static void what_has_not_changed_is_not_told(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *witness = add_linked(bench, 1), *node = add_linked(bench, 2);
	struct address same = node->observed;
	size_t before;

	send_report(bench, node, "192.168.1.7:51820");
	run_for(bench, USEC_PER_SEC);
	before = count_sent(bench, witness, MESSAGE_CHANGES);
	send_report(bench, node, "192.168.1.7:51820");
	rendezvous_observe(&bench->rendezvous, bench->now, node, &same);
	run_for(bench, USEC_PER_SEC);
	assert_int_equal(count_sent(bench, witness, MESSAGE_CHANGES), before);
	assert_int_equal(bench->notices[RENDEZVOUS_OBSERVED], 2);
	bench_free(bench);
}

static void who_has_no_link_gets_nothing(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *away = add_linked(bench, 1);
	size_t before;

	rendezvous_link_down(&bench->rendezvous, bench->now, away);
	before = bench->sent_count;
	add(bench, 2);
	run_for(bench, USEC_PER_HOUR);
	assert_int_equal(bench->sent_count, before);
	bench_free(bench);
}

static void an_ended_link_is_told_to_the_others(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *witness = add_linked(bench, 1), *node = add_linked(bench, 2);
	struct map_node record;

	rendezvous_link_down(&bench->rendezvous, bench->now, node);
	rendezvous_link_down(&bench->rendezvous, bench->now, node);
	assert_int_equal(bench->rendezvous.linked_count, 1);
	assert_int_equal(bench->notices[RENDEZVOUS_OFFLINE], 1);
	run_for(bench, RENDEZVOUS_PUSH_DELAY);
	assert_int_equal(changes_to(bench, witness, &record).node_count, 1);
	assert_string_equal(record.name, "n2");
	assert_false(record.is_online);
	bench_free(bench);
}

static void a_member_is_offered_where_the_hub_sees_it_and_then_where_it_says(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *witness = add_linked(bench, 1), *node = add_linked(bench, 2);
	struct address said = address_of("192.168.1.7:51820");
	struct map_node record;

	send_report(bench, node, "192.168.1.7:51820");
	run_for(bench, RENDEZVOUS_PUSH_DELAY);
	changes_to(bench, witness, &record);
	assert_int_equal(record.candidate_count, 2);
	assert_int_equal(record.candidates[0].kind, CANDIDATE_OBSERVED);
	assert_true(address_is_equal(&record.candidates[0].address, &node->observed));
	assert_int_equal(record.candidates[1].kind, CANDIDATE_LOCAL);
	assert_true(address_is_equal(&record.candidates[1].address, &said));
	bench_free(bench);
}

static void another_network_of_the_member_is_told(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *witness = add_linked(bench, 1), *node = add_linked(bench, 2);
	struct address elsewhere = address_of("198.51.100.7:1000");
	struct map_node record;

	run_for(bench, USEC_PER_SEC);
	rendezvous_observe(&bench->rendezvous, bench->now, node, &elsewhere);
	run_for(bench, RENDEZVOUS_PUSH_DELAY);
	changes_to(bench, witness, &record);
	assert_int_equal(record.candidate_count, 1);
	assert_true(address_is_equal(&record.candidates[0].address, &elsewhere));
	assert_int_equal(node->changed, bench->now - RENDEZVOUS_PUSH_DELAY);
	bench_free(bench);
}

static void a_record_has_no_more_candidates_than_fit(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *node = add_linked(bench, 1);
	struct report report = {.candidate_count = NODE_CANDIDATES_MAX};
	uint8_t bytes[REPORT_SIZE_MAX];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	for (size_t i = 0; i < NODE_CANDIDATES_MAX; i++) {
		report.candidates[i] =
			(struct candidate){CANDIDATE_LOCAL, address_of("192.168.1.7:51820")};
		report.candidates[i].address.port = (uint16_t)(1 + i);
	}
	report_write(&writer, &report);
	receive(bench, node, &writer);
	assert_int_equal(node->record.candidate_count, NODE_CANDIDATES_MAX);
	assert_int_equal(node->record.candidates[0].kind, CANDIDATE_OBSERVED);
	assert_int_equal(node->record.candidates[NODE_CANDIDATES_MAX - 1].address.port,
			 NODE_CANDIDATES_MAX - 1);
	bench_free(bench);
}

static void a_removal_is_felt_at_once(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *witness = add_linked(bench, 1), *node = add_linked(bench, 2);
	struct key key = node->record.key;
	struct map_node first;

	rendezvous_remove(&bench->rendezvous, bench->now, ++bench->revision, node);
	assert_int_equal(count_sent(bench, node, MESSAGE_REMOVED), 1);
	assert_int_equal(bench->notices[RENDEZVOUS_OFFLINE], 1);
	assert_null(rendezvous_find(&bench->rendezvous, &key));
	run_for(bench, 0);
	assert_int_equal(changes_to(bench, witness, &first).removed_count, 1);
	assert_int_equal(changes_to(bench, witness, &first).revision, bench->revision);
	/* The next change does not name it again. */
	add(bench, 3);
	run_for(bench, USEC_PER_SEC);
	assert_int_equal(changes_to(bench, witness, &first).removed_count, 0);
	bench_free(bench);
}

static void who_is_removed_without_a_link_is_told_nothing(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *node = add(bench, 1);

	rendezvous_remove(&bench->rendezvous, bench->now, ++bench->revision, node);
	assert_int_equal(bench->sent_count, 0);
	assert_int_equal(bench->rendezvous.node_count, 0);
	bench_free(bench);
}

static void a_key_is_a_member_once(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *node = add(bench, 1), *second = NULL;
	struct map_node same = record_of(1), other = record_of(2);

	assert_int_equal(rendezvous_add(&bench->rendezvous, bench->now, 9, &same, &second),
			 -EEXIST);
	bench->has_no_memory = true;
	assert_int_equal(rendezvous_add(&bench->rendezvous, bench->now, 9, &other, &second),
			 -ENOMEM);
	assert_int_equal(bench->rendezvous.node_count, 1);
	assert_int_equal(bench->rendezvous.config.header.revision, bench->revision);
	assert_ptr_equal(rendezvous_find(&bench->rendezvous, &same.key), node);
	assert_null(rendezvous_find(&bench->rendezvous, &other.key));
	bench_free(bench);
}

/* The registry may hold more of it. */
static void who_joins_is_neither_online_nor_anywhere_yet(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct map_node record = record_of(1);
	struct rendezvous_node *node;

	record.is_online = true;
	record.candidates[record.candidate_count++] =
		(struct candidate){CANDIDATE_LOCAL, address_of("192.168.1.7:51820")};
	assert_int_equal(rendezvous_add(&bench->rendezvous, bench->now, 1, &record, &node), 0);
	assert_false(node->record.is_online);
	assert_int_equal(node->record.candidate_count, 0);
	bench_free(bench);
}

static void a_new_name_is_told(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *witness = add_linked(bench, 1), *node = add_linked(bench, 2);
	struct map_node record;

	rendezvous_rename(&bench->rendezvous, bench->now, ++bench->revision, node, "other");
	run_for(bench, RENDEZVOUS_PUSH_DELAY);
	assert_int_equal(changes_to(bench, witness, &record).revision, bench->revision);
	assert_string_equal(record.name, "other");
	bench_free(bench);
}

static void the_delay_of_a_link_is_the_least_and_then_a_mean(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *node = add_linked(bench, 1);

	send_pong(bench, node, bench->now - 100 * USEC_PER_MSEC);
	assert_int_equal(node->rtt, 100 * USEC_PER_MSEC);
	/* A map under way. */
	send_pong(bench, node, bench->now - 900 * USEC_PER_MSEC);
	assert_int_equal(node->rtt, 200 * USEC_PER_MSEC);
	send_pong(bench, node, bench->now - 40 * USEC_PER_MSEC);
	assert_int_equal(node->rtt, 40 * USEC_PER_MSEC);
	/* No stamp of ours. */
	send_pong(bench, node, bench->now + 1);
	assert_int_equal(node->rtt, 40 * USEC_PER_MSEC);
	/* Another link, another delay. */
	rendezvous_link_down(&bench->rendezvous, bench->now, node);
	rendezvous_link_up(&bench->rendezvous, bench->now, node);
	assert_int_equal(node->rtt, 0);
	bench_free(bench);
}

static void a_link_that_answers_is_asked_every_twenty_seconds_and_kept(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *node = add_linked(bench, 1);
	size_t before = count_sent(bench, node, MESSAGE_PING);

	for (int i = 0; i < 600; i++) {
		run_for(bench, USEC_PER_SEC);
		if (i % 50 == 0)
			send_pong(bench, node, bench->now - USEC_PER_MSEC);
	}
	assert_true(node->is_linked);
	assert_in_range(count_sent(bench, node, MESSAGE_PING) - before, 29, 30);
	bench_free(bench);
}

static void what_a_newer_node_says_ends_no_link(void **state)
{
	static const uint8_t messages[] = {MESSAGE_ALIVE, MESSAGE_ALIVE + 1, 255};
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *node = add_linked(bench, 1);

	for (size_t i = 0; i < array_size(messages); i++)
		rendezvous_receive(&bench->rendezvous, bench->now, node, &messages[i], 1);
	assert_true(node->is_linked);
	assert_int_equal(bench->rendezvous.counters.malformed, 0);
	bench_free(bench);
}

static void a_report_that_waited_counts_when_its_time_comes(void **state)
{
	struct bench *bench = bench_new(true, NULL);
	struct rendezvous_node *node = add_linked(bench, 1);

	send_report(bench, node, "192.168.1.7:1");
	send_report(bench, node, "192.168.1.7:2");
	send_report(bench, node, "192.168.1.7:3");
	assert_int_equal(node->record.candidates[1].address.port, 1);
	run_for(bench, RENDEZVOUS_REPORT_INTERVAL);
	assert_int_equal(node->record.candidates[1].address.port, 3);
	/* One of an ended link does not. */
	send_report(bench, node, "192.168.1.7:4");
	rendezvous_link_down(&bench->rendezvous, bench->now, node);
	rendezvous_link_up(&bench->rendezvous, bench->now, node);
	run_for(bench, USEC_PER_SEC);
	assert_int_equal(node->report.candidates[0].address.port, 3);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_link_gets_the_whole_map_and_a_ping_at_once),
		cmocka_unit_test(changes_that_come_together_are_told_together),
		cmocka_unit_test(what_has_not_changed_is_not_told),
		cmocka_unit_test(who_has_no_link_gets_nothing),
		cmocka_unit_test(an_ended_link_is_told_to_the_others),
		cmocka_unit_test(a_member_is_offered_where_the_hub_sees_it_and_then_where_it_says),
		cmocka_unit_test(another_network_of_the_member_is_told),
		cmocka_unit_test(a_record_has_no_more_candidates_than_fit),
		cmocka_unit_test(a_removal_is_felt_at_once),
		cmocka_unit_test(who_is_removed_without_a_link_is_told_nothing),
		cmocka_unit_test(a_key_is_a_member_once),
		cmocka_unit_test(who_joins_is_neither_online_nor_anywhere_yet),
		cmocka_unit_test(a_new_name_is_told),
		cmocka_unit_test(the_delay_of_a_link_is_the_least_and_then_a_mean),
		cmocka_unit_test(a_link_that_answers_is_asked_every_twenty_seconds_and_kept),
		cmocka_unit_test(what_a_newer_node_says_ends_no_link),
		cmocka_unit_test(a_report_that_waited_counts_when_its_time_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
