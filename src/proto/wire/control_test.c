#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"
#include "proto/wire/control.h"
#include "proto/wire/wireguard.h"
#include "seeded.h"

#include <cmocka.h>

static struct control_body random_body(struct seeded *seeded)
{
	struct control_body body = {.kind = seeded_below(seeded, 2) ? CONTROL_PROBE
								    : CONTROL_ANSWER};

	random_fill(&seeded->source, body.boot_id, sizeof(body.boot_id));
	random_fill(&seeded->source, body.peer_boot_id, sizeof(body.peer_boot_id));
	random_fill(&seeded->source, &body.ephemeral, sizeof(body.ephemeral));
	random_fill(&seeded->source, body.echo, sizeof(body.echo));
	body.counter = seeded_u64(seeded);
	body.index = seeded_u64(seeded);
	body.has_session = seeded_below(seeded, 2);
	body.observed.family =
		(const uint8_t[]){FAMILY_NONE, FAMILY_IPV4, FAMILY_IPV6}[seeded_below(seeded, 3)];
	if (body.observed.family) {
		random_fill(&seeded->source, body.observed.ip, family_size(body.observed.family));
		body.observed.port = (uint16_t)seeded_u64(seeded);
	}
	return body;
}

static void what_was_encoded_decodes_to_the_same(void **state)
{
	struct seeded seeded;

	seeded_start(&seeded, "control");
	for (int i = 0; i < 1000; i++) {
		struct control_body body = random_body(&seeded), decoded;
		uint8_t bytes[CONTROL_BODY_SIZE];

		control_body_encode(&body, bytes);
		assert_true(control_body_decode(bytes, sizeof(bytes), &decoded));
		assert_int_equal(decoded.kind, body.kind);
		assert_memory_equal(decoded.boot_id, body.boot_id, BOOT_ID_SIZE);
		assert_memory_equal(decoded.peer_boot_id, body.peer_boot_id, BOOT_ID_SIZE);
		assert_int_equal(decoded.counter, body.counter);
		assert_int_equal(decoded.index, body.index);
		assert_true(key_is_equal(&decoded.ephemeral, &body.ephemeral));
		assert_memory_equal(decoded.echo, body.echo, PROBE_ECHO_SIZE);
		assert_true(address_is_equal(&decoded.observed, &body.observed));
		assert_int_equal(decoded.has_session, body.has_session);
	}
}

static void the_header_keeps_index_and_salt(void **state)
{
	const struct control_header header = {.index = 0x1122334455667788, .salt = 0x99aabbcc};
	struct control_header decoded;
	uint8_t bytes[CONTROL_HEADER_SIZE];

	control_header_encode(&header, bytes);
	assert_int_equal(bytes[0], WIRE_CLASS_CONTROL);
	assert_int_equal(bytes[1] | bytes[2] | bytes[3], 0);
	decoded = control_header_decode(bytes);
	assert_int_equal(decoded.index, header.index);
	assert_int_equal(decoded.salt, header.salt);
}

static void other_versions_kinds_and_sizes_are_refused(void **state)
{
	struct control_body body = {.kind = CONTROL_PROBE}, decoded;
	uint8_t bytes[CONTROL_BODY_SIZE];

	control_body_encode(&body, bytes);
	assert_false(control_body_decode(bytes, sizeof(bytes) - 1, &decoded));
	bytes[0]++;
	assert_false(control_body_decode(bytes, sizeof(bytes), &decoded));
	bytes[0]--;
	for (int kind = 0; kind < 256; kind++) {
		bytes[1] = (uint8_t)kind;
		assert_int_equal(control_body_decode(bytes, sizeof(bytes), &decoded),
				 kind == CONTROL_PROBE || kind == CONTROL_ANSWER);
	}
}

static void an_address_has_one_encoding(void **state)
{
	const struct address v4 = {.family = FAMILY_IPV4, .ip = {10, 0, 0, 1}, .port = 7};
	uint8_t bytes[WIRE_ADDRESS_SIZE];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reader reader = reader_over(bytes, sizeof(bytes));

	wire_write_address(&writer, &v4);
	bytes[5] = 1;
	wire_read_address(&reader);
	assert_true(reader.failed);
	bytes[5] = 0;
	bytes[0] = 5;
	reader = reader_over(bytes, sizeof(bytes));
	wire_read_address(&reader);
	assert_true(reader.failed);
	memset(bytes, 0, sizeof(bytes));
	bytes[17] = 1;
	reader = reader_over(bytes, sizeof(bytes));
	wire_read_address(&reader);
	assert_true(reader.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_encoded_decodes_to_the_same),
		cmocka_unit_test(the_header_keeps_index_and_salt),
		cmocka_unit_test(other_versions_kinds_and_sizes_are_refused),
		cmocka_unit_test(an_address_has_one_encoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
