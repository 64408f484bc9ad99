#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/time.h"

#include <cmocka.h>

static void durations_have_units_and_seconds_by_default(void **state)
{
	static const struct {
		const char *text;
		usec_t value;
	} cases[] = {
		{"0", 0},
		{"90", 90 * USEC_PER_SEC},
		{"15s", 15 * USEC_PER_SEC},
		{"250ms", 250 * USEC_PER_MSEC},
		{"1m", 60 * USEC_PER_SEC},
		{"24h", USEC_PER_DAY},
		{"30d", 30 * USEC_PER_DAY},
		{"2w", 14 * USEC_PER_DAY},
		{"18446744073709s", 18446744073709ULL * USEC_PER_SEC},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		usec_t value;

		assert_int_equal(usec_parse(cases[i].text, &value), 0);
		assert_true(value == cases[i].value);
	}
}

static void what_is_no_duration_is_refused(void **state)
{
	static const char *const texts[] = {"",     "s",  "-1s",  "+1s", " 1s", "1 s",  "1s ",
					    "1.5s", "1S", "1sec", "1y",  "s1",  "1s1s", "infinity"};
	usec_t value = 77;

	for (size_t i = 0; i < array_size(texts); i++)
		assert_int_equal(usec_parse(texts[i], &value), -EINVAL);
	assert_int_equal(value, 77);
}

static void a_duration_that_would_wrap_around_is_out_of_range(void **state)
{
	static const char *const texts[] = {"18446744073710s", "18446744073709551616ms",
					    "30500569w", "18446744073709551615"};
	usec_t value = 77;

	for (size_t i = 0; i < array_size(texts); i++)
		assert_int_equal(usec_parse(texts[i], &value), -ERANGE);
	assert_int_equal(value, 77);
}

static void time_never_runs_backwards(void **state)
{
	assert_int_equal(usec_since(10, 3), 7);
	assert_int_equal(usec_since(3, 10), 0);
	assert_int_equal(usec_since(3, USEC_NEVER), 0);
	assert_int_equal(usec_earlier(3, USEC_NEVER), 3);
	assert_int_equal(usec_earlier(5, 4), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_have_units_and_seconds_by_default),
		cmocka_unit_test(what_is_no_duration_is_refused),
		cmocka_unit_test(a_duration_that_would_wrap_around_is_out_of_range),
		cmocka_unit_test(time_never_runs_backwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
