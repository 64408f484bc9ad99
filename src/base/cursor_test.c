#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"
#include "base/memory.h"
#include "seeded.h"

#include <cmocka.h>

static void numbers_have_the_byte_order_of_their_name(void **state)
{
	static const uint8_t expected[] = {1,  3,  2, 7, 6, 5, 4, 15, 14, 13, 12,
					   11, 10, 9, 8, 2, 3, 4, 5,  6,  7};
	uint8_t data[sizeof(expected)];
	struct writer writer = writer_over(data, sizeof(data));
	struct reader reader = reader_over(expected, sizeof(expected));

	write_u8(&writer, 1);
	write_u16(&writer, 0x0203);
	write_u32(&writer, 0x04050607);
	write_u64(&writer, 0x08090a0b0c0d0e0fULL);
	write_u16_be(&writer, 0x0203);
	write_u32_be(&writer, 0x04050607);
	assert_false(writer.failed);
	assert_int_equal(writer_left(&writer), 0);
	assert_memory_equal(data, expected, sizeof(data));

	assert_int_equal(read_u8(&reader), 1);
	assert_int_equal(read_u16(&reader), 0x0203);
	assert_int_equal(read_u32(&reader), 0x04050607);
	assert_true(read_u64(&reader) == 0x08090a0b0c0d0e0fULL);
	assert_int_equal(read_u16_be(&reader), 0x0203);
	assert_int_equal(read_u32_be(&reader), 0x04050607);
	assert_true(reader_is_done(&reader));
}

static void a_reader_that_failed_stays_failed_and_returns_zeros(void **state)
{
	static const uint8_t data[] = {1, 2, 3};
	struct reader reader = reader_over(data, sizeof(data));
	uint8_t out[2] = {0xaa, 0xaa};

	assert_int_equal(read_u32(&reader), 0);
	assert_true(reader.failed);
	assert_int_equal(read_u8(&reader), 0);
	assert_null(read_view(&reader, 0));
	read_bytes(&reader, out, sizeof(out));
	assert_int_equal(out[0] | out[1], 0);
	assert_int_equal(reader_left(&reader), 0);
	assert_false(reader_is_done(&reader));
}

static void bytes_left_over_are_not_done(void **state)
{
	static const uint8_t data[] = {1, 2, 3};
	struct reader reader = reader_over(data, sizeof(data));

	assert_int_equal(read_u16(&reader), 0x0201);
	assert_int_equal(reader_left(&reader), 1);
	assert_false(reader_is_done(&reader));
}

static void a_writer_that_failed_writes_nothing_more(void **state)
{
	uint8_t data[4] = {0};
	static const uint8_t zeros[4];

	for (size_t start = 0; start < 4; start++) {
		struct writer writer = writer_over(data, 3);

		writer.position = start > 3 ? 3 : start;
		if (start == 0)
			write_u32(&writer, 0xffffffff);
		else if (start == 1)
			write_u32_be(&writer, 0xffffffff);
		else if (start == 2)
			write_u16_be(&writer, 0xffff);
		else
			write_bytes(&writer, "x", 1);
		assert_true(writer.failed);
		write_u8(&writer, 0xff);
		write_zeros(&writer, 0);
		assert_null(write_room(&writer, 0));
		assert_int_equal(writer_left(&writer), 0);
		assert_memory_equal(data, zeros, sizeof(data));
	}
}

static void a_size_that_would_wrap_around_fails(void **state)
{
	uint8_t data[4] = {0};
	struct reader reader = reader_over(data, sizeof(data));
	struct writer writer = writer_over(data, sizeof(data));

	read_u8(&reader);
	assert_null(read_view(&reader, SIZE_MAX));
	assert_true(reader.failed);
	write_u8(&writer, 1);
	assert_null(write_room(&writer, SIZE_MAX));
	assert_true(writer.failed);
}

static void a_part_ends_where_it_was_said_to_end(void **state)
{
	static const uint8_t data[] = {1, 2, 3, 4};
	struct reader reader = reader_over(data, sizeof(data));
	struct reader part = read_sub(&reader, 2), rest, missing;

	assert_int_equal(read_u16(&part), 0x0201);
	assert_true(reader_is_done(&part));
	assert_int_equal(read_u8(&part), 0);
	assert_true(part.failed);
	assert_false(reader.failed);
	rest = read_sub(&reader, 2);
	assert_int_equal(read_u8(&rest), 3);
	missing = read_sub(&reader, 1);
	assert_true(missing.failed);
	assert_true(reader.failed);
}

static void nothing_can_be_read_from_nothing(void **state)
{
	struct reader reader = reader_over(NULL, 0), part = read_sub(&reader, 0);

	read_bytes(&reader, NULL, 0);
	assert_true(reader_is_done(&reader));
	assert_true(reader_is_done(&part));
	assert_int_equal(read_u8(&reader), 0);
	assert_true(reader.failed);
}

static void what_was_written_is_read_back(void **state)
{
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int round = 0; round < 2000; round++) {
		uint8_t data[256];
		uint64_t values[32];
		unsigned kinds[32], count = 1 + seeded_below(&seeded, 32);
		struct writer writer = writer_over(data, sizeof(data));
		struct reader reader;

		for (unsigned i = 0; i < count; i++) {
			values[i] = seeded_u64(&seeded);
			kinds[i] = seeded_below(&seeded, 6);
			switch (kinds[i]) {
			case 0:
				write_u8(&writer, (uint8_t)values[i]);
				break;
			case 1:
				write_u16(&writer, (uint16_t)values[i]);
				break;
			case 2:
				write_u32(&writer, (uint32_t)values[i]);
				break;
			case 3:
				write_u64(&writer, values[i]);
				break;
			case 4:
				write_u16_be(&writer, (uint16_t)values[i]);
				break;
			case 5:
				write_u32_be(&writer, (uint32_t)values[i]);
				break;
			}
		}
		assert_false(writer.failed);
		reader = reader_over(data, writer.position);
		for (unsigned i = 0; i < count; i++) {
			switch (kinds[i]) {
			case 0:
				assert_int_equal(read_u8(&reader), (uint8_t)values[i]);
				break;
			case 1:
				assert_int_equal(read_u16(&reader), (uint16_t)values[i]);
				break;
			case 2:
				assert_int_equal(read_u32(&reader), (uint32_t)values[i]);
				break;
			case 3:
				assert_true(read_u64(&reader) == values[i]);
				break;
			case 4:
				assert_int_equal(read_u16_be(&reader), (uint16_t)values[i]);
				break;
			case 5:
				assert_int_equal(read_u32_be(&reader), (uint32_t)values[i]);
				break;
			}
		}
		assert_true(reader_is_done(&reader));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_the_byte_order_of_their_name),
		cmocka_unit_test(a_reader_that_failed_stays_failed_and_returns_zeros),
		cmocka_unit_test(bytes_left_over_are_not_done),
		cmocka_unit_test(a_writer_that_failed_writes_nothing_more),
		cmocka_unit_test(a_size_that_would_wrap_around_fails),
		cmocka_unit_test(a_part_ends_where_it_was_said_to_end),
		cmocka_unit_test(nothing_can_be_read_from_nothing),
		cmocka_unit_test(what_was_written_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
