#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "seeded.h"
#include "sys/stream/frame.h"

#include <cmocka.h>

static void expect(const char *data, size_t size, size_t limit, enum frame_result result,
		   size_t payload)
{
	size_t found = 0;

	assert_int_equal(frame_next((const uint8_t *)data, size, limit, &found), result);
	if (result == FRAME_WHOLE)
		assert_int_equal(found, payload);
}

static void a_frame_is_whole_with_its_last_byte(void **state)
{
	expect("", 0, 8, FRAME_MORE, 0);
	expect("\3\0\0", 3, 8, FRAME_MORE, 0);
	expect("\3\0\0\0ab", 6, 8, FRAME_MORE, 0);
	expect("\3\0\0\0abc", 7, 8, FRAME_WHOLE, 3);
	expect("\3\0\0\0abcdef", 10, 8, FRAME_WHOLE, 3);
}

static void the_length_alone_refuses_a_frame(void **state)
{
	expect("\0\0\0\0", 4, 8, FRAME_EMPTY, 0);
	expect("\10\0\0\0", 4, 8, FRAME_MORE, 0);
	expect("\11\0\0\0", 4, 8, FRAME_TOO_LARGE, 0);
	expect("\1\0\0\1", 4, 8, FRAME_TOO_LARGE, 0);
	expect("\377\377\377\377", 4, SIZE_MAX - 1, FRAME_MORE, 0);
	expect("GET ", 4, 4 << 20, FRAME_TOO_LARGE, 0);
}

static void frames_written_are_frames_read_in_any_pieces(void **state)
{
	enum { LIMIT = 40 };
	uint8_t data[4096];
	struct seeded seeded;

	seeded_start(&seeded, "frame");
	for (int run = 0; run < 2000; run++) {
		size_t sizes[64], count = seeded_below(&seeded, 64), size = 0, arrived = 0,
				  start = 0;

		for (size_t i = 0; i < count; i++) {
			sizes[i] = 1 + seeded_below(&seeded, LIMIT);
			memset(data + size, 0, 4);
			data[size] = (uint8_t)sizes[i];
			memset(data + size + 4, (int)i, sizes[i]);
			size += 4 + sizes[i];
		}
		for (size_t i = 0; i < count;) {
			size_t found;
			enum frame_result result =
				frame_next(data + start, arrived - start, LIMIT, &found);

			if (result == FRAME_MORE) {
				assert_true(arrived < size);
				arrived += 1 + seeded_below(&seeded, (uint32_t)(size - arrived));
				continue;
			}
			assert_int_equal(result, FRAME_WHOLE);
			assert_int_equal(found, sizes[i]);
			assert_int_equal(data[start + 4], i);
			start += 4 + found;
			i++;
		}
		assert_int_equal(start, size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_whole_with_its_last_byte),
		cmocka_unit_test(the_length_alone_refuses_a_frame),
		cmocka_unit_test(frames_written_are_frames_read_in_any_pieces),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
