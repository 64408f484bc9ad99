#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "proto/wire/message.h"
#include "seeded.h"

#include <cmocka.h>

static struct map_node sample_node(uint8_t number)
{
	struct map_node node = {.key = {{9, number}},
				.name = "alpha",
				.address_count = 2,
				.is_online = true,
				.candidate_count = 2,
				.admitted = 1700000000};

	prefix_parse("100.100.96.2/32", &node.addresses[0]);
	prefix_parse("fd00::2/128", &node.addresses[1]);
	node.candidates[0].kind = CANDIDATE_OBSERVED;
	address_parse("198.51.100.1:51820", 0, &node.candidates[0].address);
	node.candidates[1].kind = CANDIDATE_LOCAL;
	address_parse("[2001:db8::1]:7", 0, &node.candidates[1].address);
	return node;
}

static void a_map_keeps_all_it_says(void **state)
{
	struct map_header header = {.network_id = {1},
				    .incarnation = 2,
				    .revision = 3,
				    .issued = 4,
				    .site_secret = {5},
				    .hub_name = "hub",
				    .hub_address_count = 1,
				    .node_count = 2},
			  decoded;
	struct map_node node, nodes[2] = {sample_node(1), sample_node(2)};
	uint8_t bytes[4096];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reader reader;

	prefix_parse("100.100.96.1/24", &header.hub_addresses[0]);
	map_header_write(&writer, &header);
	map_node_write(&writer, &nodes[0]);
	map_node_write(&writer, &nodes[1]);
	assert_false(writer.failed);
	reader = reader_over(bytes, writer.position);
	assert_int_equal(message_kind_read(&reader), MESSAGE_MAP);
	assert_true(map_header_read(&reader, &decoded));
	assert_memory_equal(&decoded, &header, sizeof(header));
	for (int i = 0; i < 2; i++) {
		assert_true(map_node_read(&reader, &node));
		assert_memory_equal(&node, &nodes[i], sizeof(node));
	}
	assert_true(reader_is_done(&reader));
}

static void a_bad_record_is_skipped_alone(void **state)
{
	struct map_node good = sample_node(1), node;
	uint8_t bytes[4096];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reader reader;

	map_node_write(&writer, &good);
	map_node_write(&writer, &good);
	bytes[2 + KEY_SIZE + 1] = 'A'; /* the name's first letter */
	reader = reader_over(bytes, writer.position);
	assert_false(map_node_read(&reader, &node));
	assert_false(reader.failed);
	assert_true(map_node_read(&reader, &node));
	assert_string_equal(node.name, "alpha");
}

static void later_versions_may_append_to_records(void **state)
{
	struct map_node good = sample_node(1), node;
	uint8_t bytes[4096];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reader reader;

	map_node_write(&writer, &good);
	write_u32(&writer, 0xffffffff);
	bytes[0] = (uint8_t)(bytes[0] + 4);
	reader = reader_over(bytes, writer.position);
	assert_true(map_node_read(&reader, &node));
	assert_memory_equal(&node, &good, sizeof(node));
	assert_true(reader_is_done(&reader));
}

static void a_record_of_an_earlier_version_says_nothing_of_its_admission(void **state)
{
	struct map_node good = sample_node(1), node;
	uint8_t bytes[4096];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reader reader;

	map_node_write(&writer, &good);
	bytes[0] = (uint8_t)(bytes[0] - 8);
	reader = reader_over(bytes, writer.position - 8);
	assert_true(map_node_read(&reader, &node));
	assert_int_equal(node.admitted, 0);
	/* Half of it is malformed. */
	bytes[0] = (uint8_t)(bytes[0] + 4);
	reader = reader_over(bytes, writer.position - 4);
	assert_false(map_node_read(&reader, &node));
}

/* The largest record there can be fits what is reserved for one. */
static void the_largest_record_fits(void **state)
{
	struct map_node node = sample_node(1);
	uint8_t bytes[2 * MAP_NODE_SIZE_MAX];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	memset(node.name, 'a', NODE_NAME_SIZE - 1);
	node.address_count = NODE_ADDRESSES_MAX;
	for (size_t i = 0; i < NODE_ADDRESSES_MAX; i++)
		node.addresses[i] = node.addresses[1];
	node.candidate_count = NODE_CANDIDATES_MAX;
	for (size_t i = 0; i < NODE_CANDIDATES_MAX; i++)
		node.candidates[i] = node.candidates[1];
	map_node_write(&writer, &node);
	assert_false(writer.failed);
	assert_true(writer.position <= MAP_NODE_SIZE_MAX);
}

static void counts_are_bounded(void **state)
{
	struct map_header header = {.hub_name = "hub", .node_count = MAP_NODES_MAX + 1};
	struct changes_header changes = {.removed_count = MAP_NODES_MAX + 1}, read;
	uint8_t bytes[512];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reader reader;

	map_header_write(&writer, &header);
	reader = reader_over(bytes, writer.position);
	message_kind_read(&reader);
	assert_false(map_header_read(&reader, &header));
	writer = writer_over(bytes, sizeof(bytes));
	changes_header_write(&writer, &changes);
	reader = reader_over(bytes, writer.position);
	message_kind_read(&reader);
	assert_false(changes_header_read(&reader, &read));
}

static void small_messages_keep_all_they_say(void **state)
{
	struct appointment appointment = {.peer = {{9, 3}},
					  .role = APPOINTMENT_INITIATE,
					  .delay_ms = 70,
					  .candidate_count = 1},
			   appointment_read_back;
	struct refused refused = {.peer = {{9, 4}}, .reason = REFUSAL_TOO_SOON, .retry_ms = 12345},
		       refused_back;
	struct report report = {.listen_port = 51820, .capabilities = 1, .candidate_count = 1},
		      report_back;
	uint8_t bytes[512];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reader reader;
	uint64_t stamp;
	struct key key;

	appointment.candidates[0] = sample_node(1).candidates[0];
	report.candidates[0] = sample_node(1).candidates[1];
	appointment_write(&writer, &appointment);
	refused_write(&writer, &refused);
	report_write(&writer, &report);
	connect_write(&writer, &appointment.peer);
	stamp_write(&writer, MESSAGE_PING, 99);
	assert_false(writer.failed);
	reader = reader_over(bytes, writer.position);
	assert_int_equal(message_kind_read(&reader), MESSAGE_APPOINTMENT);
	assert_true(appointment_read(&reader, &appointment_read_back));
	assert_memory_equal(&appointment_read_back, &appointment, sizeof(appointment));
	assert_int_equal(message_kind_read(&reader), MESSAGE_REFUSED);
	assert_true(refused_read(&reader, &refused_back));
	assert_memory_equal(&refused_back, &refused, sizeof(refused));
	assert_int_equal(message_kind_read(&reader), MESSAGE_REPORT);
	assert_true(report_read(&reader, &report_back));
	assert_memory_equal(&report_back, &report, sizeof(report));
	assert_int_equal(message_kind_read(&reader), MESSAGE_CONNECT);
	assert_true(connect_read(&reader, &key));
	assert_int_equal(message_kind_read(&reader), MESSAGE_PING);
	assert_true(stamp_read(&reader, &stamp));
	assert_int_equal(stamp, 99);
	assert_true(reader_is_done(&reader));
}

static void a_node_may_not_say_what_the_hub_observed(void **state)
{
	struct report report = {.candidate_count = 1}, back;
	uint8_t bytes[512];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reader reader;

	report.candidates[0] = sample_node(1).candidates[0];
	report_write(&writer, &report);
	reader = reader_over(bytes, writer.position);
	message_kind_read(&reader);
	assert_false(report_read(&reader, &back));
}

static void keys_that_are_no_points_are_refused(void **state)
{
	uint8_t bytes[1 + KEY_SIZE] = {MESSAGE_CONNECT};
	struct reader reader = reader_over(bytes + 1, KEY_SIZE);
	struct key key;

	assert_false(connect_read(&reader, &key));
	memset(bytes + 1, 0xff, KEY_SIZE);
	reader = reader_over(bytes + 1, KEY_SIZE);
	assert_false(connect_read(&reader, &key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_keeps_all_it_says),
		cmocka_unit_test(a_bad_record_is_skipped_alone),
		cmocka_unit_test(later_versions_may_append_to_records),
		cmocka_unit_test(a_record_of_an_earlier_version_says_nothing_of_its_admission),
		cmocka_unit_test(the_largest_record_fits),
		cmocka_unit_test(counts_are_bounded),
		cmocka_unit_test(small_messages_keep_all_they_say),
		cmocka_unit_test(a_node_may_not_say_what_the_hub_observed),
		cmocka_unit_test(keys_that_are_no_points_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
