#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "proto/wire/wireguard.h"
#include "seeded.h"

#include <cmocka.h>

#define DATAGRAM_MAX 300

struct shape_case {
	uint8_t start[8];
	size_t size;
	enum wire_shape shape;
};

static void a_truth_table_of_datagrams_holds(void **state)
{
	static const struct shape_case cases[] = {
		/* 0 */ {{1}, 148, WIRE_INITIATION},
		/* 1 */ {{1}, 147, WIRE_MALFORMED},
		/* 2 */ {{1}, 149, WIRE_MALFORMED},
		/* 3: the size of another type */ {{1}, 92, WIRE_MALFORMED},
		/* 4 */ {{2}, 92, WIRE_RESPONSE},
		/* 5 */ {{2}, 91, WIRE_MALFORMED},
		/* 6 */ {{2}, 148, WIRE_MALFORMED},
		/* 7 */ {{3}, 64, WIRE_COOKIE},
		/* 8 */ {{3}, 65, WIRE_MALFORMED},
		/* 9: a keepalive */ {{4}, 32, WIRE_DATA},
		/* 10 */ {{4}, 31, WIRE_MALFORMED},
		/* 11: not a multiple of 16 */ {{4}, 33, WIRE_DATA},
		/* 12 */ {{4}, 300, WIRE_DATA},
		/* 13: type alone */ {{4}, 4, WIRE_MALFORMED},
		/* 14: too short for a type */ {{4}, 3, WIRE_SHORT},
		/* 15: reserved bytes are not zero */ {{1, 0, 0, 1}, 148, WIRE_MASKED},
		/* 16 */ {{4, 1}, 32, WIRE_MASKED},
		/* 17 */ {{4, 1}, 31, WIRE_SHORT},
		/* 18: no such type */ {{0}, 148, WIRE_MASKED},
		/* 19 */ {{5}, 148, WIRE_MASKED},
		/* 20: nothing at all */ {{0}, 0, WIRE_SHORT},
		/* 21: STUN's answer, 12 bytes of attributes */
		{{1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42}, 32, WIRE_STUN},
		/* 22: the smallest */ {{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, 20, WIRE_STUN},
		/* 23: its length is wrong */
		{{1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42}, 33, WIRE_MASKED},
		/* 24 */ {{1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42}, 31, WIRE_SHORT},
		/* 25: other magic */ {{1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x43}, 32, WIRE_MASKED},
		/* 26: top bits */ {{0x41, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42}, 32, WIRE_MASKED},
		/* 27: length in two bytes */
		{{1, 1, 1, 4, 0x21, 0x12, 0xa4, 0x42}, 280, WIRE_STUN},
		/* 28: WireGuard goes before STUN */
		{{1, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42}, 20, WIRE_MALFORMED},
		/* 29: class of ours in clear */ {{WIRE_CLASS_CONTROL}, 100, WIRE_MASKED},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		uint8_t data[DATAGRAM_MAX] = {0};

		memcpy(data, cases[i].start, sizeof(cases[i].start));
		if (wire_shape_of(data, cases[i].size) != cases[i].shape)
			fail_msg("case %zu", i);
	}
}

/* What stands behind the header decides nothing. */
static void only_the_first_bytes_and_the_size_decide(void **state)
{
	uint8_t data[DATAGRAM_MAX], other[DATAGRAM_MAX];
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int i = 0; i < 20000; i++) {
		size_t size = seeded_below(&seeded, DATAGRAM_MAX + 1);

		seeded_fill(&seeded, data, sizeof(data));
		if (seeded_below(&seeded, 2))
			memcpy(data, (uint8_t[]){(uint8_t)seeded_below(&seeded, 6), 0, 0, 0}, 4);
		seeded_fill(&seeded, other, sizeof(other));
		memcpy(other, data, 8);
		assert_int_equal(wire_shape_of(data, size), wire_shape_of(other, size));
	}
}

static void the_fields_fill_the_messages(void **state)
{
	assert_int_equal(WG_INITIATION_STATIC, WG_INITIATION_EPHEMERAL + 32);
	assert_int_equal(WG_INITIATION_TIMESTAMP, WG_INITIATION_STATIC + 32 + 16);
	assert_int_equal(WG_INITIATION_MAC1, WG_INITIATION_TIMESTAMP + 12 + 16);
	assert_int_equal(WG_INITIATION_MAC2, WG_INITIATION_MAC1 + 16);
	assert_int_equal(WG_INITIATION_SIZE, WG_INITIATION_MAC2 + 16);
	assert_int_equal(WG_RESPONSE_EMPTY, WG_RESPONSE_EPHEMERAL + 32);
	assert_int_equal(WG_RESPONSE_MAC1, WG_RESPONSE_EMPTY + 16);
	assert_int_equal(WG_RESPONSE_SIZE, WG_RESPONSE_MAC1 + 16 + 16);
	assert_int_equal(WG_COOKIE_SIZE, WG_COOKIE_SEALED + 16 + 16);
	assert_int_equal(WG_DATA_HEADER_SIZE, WG_DATA_COUNTER + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_truth_table_of_datagrams_holds),
		cmocka_unit_test(only_the_first_bytes_and_the_size_decide),
		cmocka_unit_test(the_fields_fill_the_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
