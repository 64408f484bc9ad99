#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "cmd/units.h"

#include <cmocka.h>

static void a_size_has_three_digits_and_a_unit(void **state)
{
	char text[UNITS_TEXT_SIZE];

	assert_string_equal(units_size(0, text), "0 B");
	assert_string_equal(units_size(999, text), "999 B");
	assert_string_equal(units_size(1000, text), "0.98 KiB");
	assert_string_equal(units_size(1239, text), "1.21 KiB");
	assert_string_equal(units_size(10230, text), "9.99 KiB");
	assert_string_equal(units_size(10235, text), "10.0 KiB");
	assert_string_equal(units_size(123 << 20, text), "123 MiB");
	assert_string_equal(units_size(UINT64_MAX, text), "16.0 EiB");
}

static void a_rate_is_a_size_per_second(void **state)
{
	char text[UNITS_TEXT_SIZE];

	assert_string_equal(units_rate(1536, text), "1.50 KiB/s");
	assert_string_equal(units_rate(0.4, text), "0 B/s");
	assert_string_equal(units_rate(-5, text), "0 B/s");
	assert_string_equal(units_rate(NAN, text), "0 B/s");
}

static void an_age_has_its_two_largest_units(void **state)
{
	char text[UNITS_TEXT_SIZE];

	assert_string_equal(units_age(0.9, text), "0 s");
	assert_string_equal(units_age(59.9, text), "59 s");
	assert_string_equal(units_age(60, text), "1 min");
	assert_string_equal(units_age(3 * 3600 + 12 * 60 + 59, text), "3 h 12 min");
	assert_string_equal(units_age(4 * 86400 + 3 * 3600, text), "4 d 3 h");
	assert_string_equal(units_age(-3, text), "0 s");
	assert_string_equal(units_age(NAN, text), "0 s");
	assert_string_equal(units_age(1e300, text), "37037 d 0 h");
}

static void a_delay_is_in_milliseconds_until_it_is_seconds(void **state)
{
	char text[UNITS_TEXT_SIZE];

	assert_string_equal(units_delay(0.123, text), "0.12 ms");
	assert_string_equal(units_delay(40.14, text), "40.1 ms");
	assert_string_equal(units_delay(999.4, text), "999 ms");
	assert_string_equal(units_delay(1234, text), "1.23 s");
	assert_string_equal(units_delay(NAN, text), "0.00 ms");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_has_three_digits_and_a_unit),
		cmocka_unit_test(a_rate_is_a_size_per_second),
		cmocka_unit_test(an_age_has_its_two_largest_units),
		cmocka_unit_test(a_delay_is_in_milliseconds_until_it_is_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
