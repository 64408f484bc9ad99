#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "proto/noise/limits.h"
#include "proto/noise/replay.h"
#include "seeded.h"

#include <cmocka.h>

#define LIMIT  (UINT64_MAX - REPLAY_WINDOW)
/* The first distance behind the newest counter that is too far. */
#define BEYOND ((uint64_t)REPLAY_USABLE + 1)

struct step {
	uint64_t counter;
	bool is_accepted;
};

static void follow(const struct step *steps, size_t count)
{
	struct replay replay = {0};

	for (size_t i = 0; i < count; i++) {
		if (replay_accept(&replay, steps[i].counter, LIMIT) != steps[i].is_accepted)
			fail_msg("step %zu: counter %llu", i, (unsigned long long)steps[i].counter);
	}
}

static void a_truth_table_of_single_counters_holds(void **state)
{
	const struct step steps[] = {
		/* 0 */ {0, true},
		/* 1 */ {0, false},
		/* 2 */ {1, true},
		/* 3 */ {1, false},
		/* 4 */ {9, true},
		/* 5 */ {8, true},
		/* 6 */ {7, true},
		/* 7 */ {7, false},
		/* 8 */ {BEYOND, true},
		/* 9 */ {BEYOND - 1, true},
		/* 10 */ {BEYOND - 1, false},
		/* 11 */ {BEYOND - 2, true},
		/* 12: at most REPLAY_USABLE behind */ {2, true},
		/* 13 */ {2, false},
		/* 14 */ {BEYOND + 16, true},
		/* 15: fell out */ {3, false},
		/* 16 */ {BEYOND + 16, false},
		/* 17: a jump of several windows forgets all */ {BEYOND * 4, true},
		/* 18: the oldest that counts */ {BEYOND * 4 - (BEYOND - 1), true},
		/* 19 */ {10, false},
		/* 20 */ {BEYOND * 4 - BEYOND, false},
		/* 21 */ {BEYOND * 4 - (BEYOND + 1), false},
		/* 22 */ {BEYOND * 4 - (BEYOND - 2), true},
		/* 23 */ {BEYOND * 4 + 1 - BEYOND, false},
		/* 24 */ {0, false},
		/* 25 */ {LIMIT, false},
		/* 26 */ {LIMIT - 1, true},
		/* 27 */ {LIMIT, false},
		/* 28 */ {LIMIT - 1, false},
		/* 29 */ {LIMIT - 2, true},
		/* 30 */ {LIMIT + 1, false},
		/* 31 */ {LIMIT + 2, false},
		/* 32 */ {LIMIT - 2, false},
		/* 33 */ {LIMIT - 3, true},
		/* 34 */ {UINT64_MAX, false},
		/* 35 */ {0, false},
	};

	follow(steps, array_size(steps));
}

/* The word of the newest counter is where the ring comes round to. */
static void a_jump_of_exactly_a_window_forgets_the_newest_word_too(void **state)
{
	const struct step steps[] = {
		/* 0 */ {9, true},
		/* 1 */ {10, true},
		/* 2 */ {REPLAY_WINDOW + 10, true},
		/* 3 */ {REPLAY_WINDOW + 9, true},
		/* 4 */ {REPLAY_WINDOW + 9, false},
		/* 5 */ {3 * REPLAY_WINDOW + 9, true},
		/* 6 */ {3 * REPLAY_WINDOW + 10, true},
	};

	follow(steps, array_size(steps));
}

static void a_whole_window_is_accepted_once_in_any_direction(void **state)
{
	struct replay up = {0}, down = {0};

	for (uint64_t i = 1; i <= REPLAY_USABLE; i++)
		assert_true(replay_accept(&up, i, LIMIT));
	assert_true(replay_accept(&up, 0, LIMIT));
	assert_false(replay_accept(&up, 0, LIMIT));
	for (uint64_t i = REPLAY_USABLE + 1; i-- > 1;)
		assert_true(replay_accept(&down, i, LIMIT));
	assert_true(replay_accept(&down, 0, LIMIT));
	for (uint64_t i = 0; i <= REPLAY_USABLE; i++)
		assert_false(replay_accept(&down, i, LIMIT));
}

static void the_first_counter_may_be_any(void **state)
{
	for (uint64_t first = 1; first; first <<= 1) {
		struct replay replay = {0};

		assert_int_equal(replay_accept(&replay, first, LIMIT), first < LIMIT);
		assert_false(replay_accept(&replay, first, LIMIT));
	}
}

/* Counters from the limit on are refused, also by a window that a test made short-lived. */
static void the_limit_is_the_first_refused(void **state)
{
	struct replay replay = {0};

	assert_true(replay_accept(&replay, 99, 100));
	assert_false(replay_accept(&replay, 100, 100));
	assert_false(replay_accept(&replay, 101, 100));
	assert_true(replay_accept(&replay, 98, 100));
}

/* The model remembers every counter of a small range in a set. */
#define RANGE (16 * REPLAY_WINDOW)

static void it_behaves_as_a_set_with_a_lower_bound(void **state)
{
	static bool seen[RANGE];
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int run = 0; run < 60; run++) {
		struct replay replay = {0};
		uint64_t newest = 0,
			 jump = 1 + seeded_below(&seeded, 2u << seeded_below(&seeded, 8));
		bool has_newest = false;

		memset(seen, 0, sizeof(seen));
		for (int i = 0; i < 40000; i++) {
			uint64_t counter, back = seeded_below(&seeded, 9000);
			bool is_accepted;

			counter = seeded_below(&seeded, 3)
					  ? newest + seeded_below(&seeded, (uint32_t)jump)
					  : (newest > back ? newest - back : 0);
			if (seeded_below(&seeded, 5000) == 0)
				counter = newest + seeded_below(&seeded, 3 * REPLAY_WINDOW);
			if (counter >= RANGE)
				break;
			is_accepted = !seen[counter] &&
				      (!has_newest || counter + REPLAY_USABLE >= newest);
			assert_int_equal(replay_accept(&replay, counter, LIMIT), is_accepted);
			seen[counter] = seen[counter] || is_accepted;
			if (!has_newest || counter > newest)
				newest = counter;
			has_newest = true;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_truth_table_of_single_counters_holds),
		cmocka_unit_test(a_jump_of_exactly_a_window_forgets_the_newest_word_too),
		cmocka_unit_test(a_whole_window_is_accepted_once_in_any_direction),
		cmocka_unit_test(the_first_counter_may_be_any),
		cmocka_unit_test(the_limit_is_the_first_refused),
		cmocka_unit_test(it_behaves_as_a_set_with_a_lower_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
