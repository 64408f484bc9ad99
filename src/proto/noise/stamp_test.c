#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/memory.h"
#include "proto/noise/stamp.h"
#include "seeded.h"

#include <cmocka.h>

#define WALL (1700000000 * USEC_PER_SEC)
#define YEAR (365 * USEC_PER_DAY)

/* The stamp as unix nanoseconds. */
static uint64_t value_of(const uint8_t stamp[STAMP_SIZE])
{
	struct reader reader = reader_over(stamp, STAMP_SIZE);
	uint64_t high = read_u32_be(&reader), low = read_u32_be(&reader);
	uint64_t seconds = (high << 32 | low) - (1ULL << 62) - 10;

	return seconds * 1000000000 + read_u32_be(&reader);
}

static uint64_t next(struct stamp *stamp, usec_t now)
{
	uint8_t out[STAMP_SIZE];

	stamp_next(stamp, now, out);
	return value_of(out);
}

static void a_stamp_is_tai64n_as_wireguard_writes_it(void **state)
{
	static const uint8_t expected[STAMP_SIZE] = {0x40, 0,    0, 0, 0x65, 0x53,
						     0xf1, 0x0a, 0, 0, 0,    0};
	uint8_t out[STAMP_SIZE];
	struct stamp stamp;

	stamp_init(&stamp, 5, WALL / STAMP_GRAIN * STAMP_GRAIN, 0);
	stamp_next(&stamp, 5, out);
	/* 1,700,000,000 s are not a multiple of the grain: compare the seconds. */
	assert_memory_equal(out, expected, 7);
	assert_in_range(value_of(out), WALL * 1000 - 2 * STAMP_GRAIN * 1000, WALL * 1000);
}

static void stamps_grow_also_within_one_instant(void **state)
{
	struct stamp stamp;
	uint64_t last = 0;

	stamp_init(&stamp, 0, WALL, 0);
	for (int i = 0; i < 50000; i++) {
		uint64_t value = next(&stamp, i < 40000 ? 7 : (usec_t)i);

		assert_true(value > last);
		last = value;
	}
}

static void memcmp_orders_stamps_as_time_does(void **state)
{
	uint8_t earlier[STAMP_SIZE], later[STAMP_SIZE];
	struct stamp stamp;

	stamp_init(&stamp, 0, 0xffffffff * USEC_PER_SEC - 10 * USEC_PER_SEC, 0);
	stamp_next(&stamp, 0, earlier);
	for (usec_t now = USEC_PER_SEC / 3; now < 60 * USEC_PER_SEC; now += USEC_PER_SEC / 3) {
		stamp_next(&stamp, now, later);
		assert_true(memcmp(earlier, later, STAMP_SIZE) < 0);
		memcpy(earlier, later, STAMP_SIZE);
	}
}

static void they_tell_time_no_better_than_the_grain(void **state)
{
	struct stamp stamp;

	stamp_init(&stamp, 0, WALL, 0);
	for (usec_t now = USEC_PER_SEC; now < 2 * USEC_PER_SEC; now += 100003) {
		struct stamp fresh = stamp;

		assert_int_equal(next(&fresh, now) % (STAMP_GRAIN * 1000), 0);
	}
}

struct start {
	usec_t wall, mark, expected;
};

static void the_start_is_the_mark_and_a_bit_or_a_wall_clock_that_is_believable(void **state)
{
	const struct start starts[] = {
		/* 0: no mark, whatever the clock says */ {WALL, 0, WALL},
		/* 1 */ {0, 0, 0},
		/* 2: the clock went on */ {WALL + USEC_PER_DAY, WALL, WALL + USEC_PER_DAY},
		/* 3: a quick restart */ {WALL + USEC_PER_SEC, WALL, WALL + STAMP_MARGIN},
		/* 4: no clock battery */ {0, WALL, WALL + STAMP_MARGIN},
		/* 5: years back */ {WALL - 50 * YEAR, WALL, WALL + STAMP_MARGIN},
		/* 6: a forged clock, years ahead */ {WALL + 100 * YEAR, WALL, WALL + STAMP_MARGIN},
		/* 7: a drawer for 11 months */
		{WALL + 330 * USEC_PER_DAY, WALL, WALL + 330 * USEC_PER_DAY},
		/* 8: just too far */
		{WALL + STAMP_MARGIN + STAMP_LEAP_MAX + 1, WALL, WALL + STAMP_MARGIN},
		/* 9: a mark that no clock ever made */ {WALL, UINT64_MAX, WALL},
	};

	for (size_t i = 0; i < array_size(starts); i++) {
		struct stamp stamp;

		stamp_init(&stamp, 1234, starts[i].wall, starts[i].mark);
		if (stamp.base != starts[i].expected)
			fail_msg("case %zu", i);
	}
}

static void after_the_start_only_now_counts(void **state)
{
	struct stamp stamp;
	uint64_t first;

	stamp_init(&stamp, 50, WALL, 0);
	first = next(&stamp, 50);
	assert_in_range(next(&stamp, 50 + USEC_PER_HOUR) - first,
			(USEC_PER_HOUR - STAMP_GRAIN) * 1000, (USEC_PER_HOUR + STAMP_GRAIN) * 1000);
}

static void a_mark_is_wanted_before_the_first_stamp_and_then_every_ten_minutes(void **state)
{
	usec_t mark = 0, now = 1000;
	struct stamp stamp;
	unsigned marks = 0;

	stamp_init(&stamp, now, WALL, 0);
	assert_true(stamp_needs_mark(&stamp, now, &mark));
	assert_int_equal(mark, WALL + STAMP_AHEAD);
	assert_false(stamp_needs_mark(&stamp, now, &mark));
	for (usec_t end = now + USEC_PER_HOUR; now < end; now += USEC_PER_SEC)
		marks += stamp_needs_mark(&stamp, now, &mark);
	assert_int_equal(marks, 5);
}

/* Whatever clocks do between runs, and wherever the process is killed. */
static void stamps_grow_over_restarts_with_clocks_that_are_years_off(void **state)
{
	struct seeded seeded;
	usec_t mark = 0, wall = WALL;
	uint64_t last = 0;

	seeded_start(&seeded, __func__);
	for (int boot = 0; boot < 2000; boot++) {
		usec_t now = random_u64(&seeded.source) % YEAR;
		struct stamp stamp;

		switch (seeded_below(&seeded, 4)) {
		case 0:
			wall = random_u64(&seeded.source) % (200 * YEAR);
			break;
		case 1:
			wall += USEC_PER_SEC;
			break;
		case 2:
			wall = 0;
			break;
		}
		stamp_init(&stamp, now, wall, mark);
		for (unsigned i = seeded_below(&seeded, 40); i > 0; i--) {
			uint64_t value;

			/* The order that the owner keeps: first the mark, then the stamp. */
			if (stamp_needs_mark(&stamp, now, &mark) && seeded_below(&seeded, 10) == 0)
				break;
			value = next(&stamp, now);
			assert_true(value > last);
			last = value;
			now += random_u64(&seeded.source) % (20 * USEC_PER_MINUTE);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stamp_is_tai64n_as_wireguard_writes_it),
		cmocka_unit_test(stamps_grow_also_within_one_instant),
		cmocka_unit_test(memcmp_orders_stamps_as_time_does),
		cmocka_unit_test(they_tell_time_no_better_than_the_grain),
		cmocka_unit_test(
			the_start_is_the_mark_and_a_bit_or_a_wall_clock_that_is_believable),
		cmocka_unit_test(after_the_start_only_now_counts),
		cmocka_unit_test(
			a_mark_is_wanted_before_the_first_stamp_and_then_every_ten_minutes),
		cmocka_unit_test(stamps_grow_over_restarts_with_clocks_that_are_years_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
