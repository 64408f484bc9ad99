#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "crypto/random.h"

#include <cmocka.h>

static void two_draws_differ(void **state)
{
	uint8_t first[32], second[32];

	random_bytes(first, sizeof(first));
	random_fill(&random_system, second, sizeof(second));
	assert_memory_not_equal(first, second, sizeof(first));
}

/* getrandom(2) may return less than asked for above 256 bytes. */
static void a_large_draw_is_filled_to_its_end_and_no_further(void **state)
{
	static uint8_t data[100000 + 16];
	size_t zeros = 0;

	memset(data, 0, sizeof(data));
	random_bytes(data, sizeof(data) - 16);
	for (size_t i = 0; i < sizeof(data) - 16; i++)
		zeros += !data[i];
	/* 391 expected, deviation 20: ten deviations either way. */
	assert_in_range(zeros, 191, 591);
	for (size_t i = sizeof(data) - 16; i < sizeof(data); i++)
		assert_int_equal(data[i], 0);
}

static void a_draw_of_nothing_writes_nothing(void **state)
{
	uint8_t byte = 0x5a;

	random_bytes(&byte, 0);
	assert_int_equal(byte, 0x5a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_draws_differ),
		cmocka_unit_test(a_large_draw_is_filled_to_its_end_and_no_further),
		cmocka_unit_test(a_draw_of_nothing_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
