#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "proto/pair/window.h"
#include "seeded.h"

#include <cmocka.h>

static void each_counter_is_accepted_once(void **state)
{
	struct window window = {0};

	assert_true(window_accept(&window, 1));
	assert_false(window_accept(&window, 1));
	assert_true(window_accept(&window, 5));
	assert_true(window_accept(&window, 3));
	assert_false(window_accept(&window, 3));
	assert_false(window_accept(&window, 5));
}

static void what_lies_behind_the_window_is_refused(void **state)
{
	struct window window = {0};

	assert_true(window_accept(&window, 5000));
	assert_true(window_accept(&window, 5000 - WINDOW_SIZE));
	assert_false(window_accept(&window, 5000 - WINDOW_SIZE - 1));
}

static void the_last_counters_of_all_are_refused(void **state)
{
	struct window window = {0};

	assert_false(window_accept(&window, UINT64_MAX));
	assert_true(window_accept(&window, UINT64_MAX - WINDOW_SIZE));
}

/* Against a plain set of all counters seen. */
static void it_agrees_with_a_set(void **state)
{
	struct seeded seeded;

	seeded_start(&seeded, "window");
	for (int run = 0; run < 50; run++) {
		static bool seen[20000];
		struct window window = {0};
		uint64_t newest = 0, base = 0;

		memset(seen, 0, sizeof(seen));
		for (int i = 0; i < 2000; i++) {
			uint64_t counter = base + seeded_below(&seeded, 300);
			bool is_expected;

			if (!seeded_below(&seeded, 40))
				counter += seeded_below(&seeded, 3000);
			if (!seeded_below(&seeded, 5))
				base += seeded_below(&seeded, 60);
			if (counter >= array_size(seen))
				break;
			is_expected = !seen[counter] && counter + WINDOW_SIZE >= newest;
			assert_int_equal(window_accept(&window, counter), is_expected);
			if (is_expected)
				seen[counter] = true;
			if (is_expected && counter > newest)
				newest = counter;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_counter_is_accepted_once),
		cmocka_unit_test(what_lies_behind_the_window_is_refused),
		cmocka_unit_test(the_last_counters_of_all_are_refused),
		cmocka_unit_test(it_agrees_with_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
