#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/random_source.h"
#include "seeded.h"

#include <cmocka.h>

static void fill_with_ones(void *owner, void *out, size_t size)
{
	memset(out, *(uint8_t *)owner, size);
}

static void a_source_hands_its_owner_to_its_function(void **state)
{
	uint8_t byte = 0xff;
	struct random_source source = {.fill = fill_with_ones, .owner = &byte};

	assert_true(random_u64(&source) == UINT64_MAX);
	assert_true(random_u32(&source) == UINT32_MAX);
	byte = 0;
	assert_true(random_u64(&source) == 0);
}

static void numbers_stay_below_their_limit_also_at_the_extremes(void **state)
{
	uint8_t byte = 0xff;
	struct random_source source = {.fill = fill_with_ones, .owner = &byte};

	for (uint32_t limit = 1; limit < 100000; limit = limit * 3 + 1)
		assert_int_equal(random_below(&source, limit), limit - 1);
	assert_int_equal(random_below(&source, 0), 0);
	byte = 0;
	assert_int_equal(random_below(&source, 1000), 0);
}

static void every_number_below_the_limit_is_drawn_about_equally_often(void **state)
{
	unsigned counts[10] = {0};
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int i = 0; i < 100000; i++)
		counts[random_below(&seeded.source, array_size(counts))]++;
	/* 10,000 expected, deviation 95: ten deviations either way. */
	for (size_t i = 0; i < array_size(counts); i++)
		assert_in_range(counts[i], 9050, 10950);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_hands_its_owner_to_its_function),
		cmocka_unit_test(numbers_stay_below_their_limit_also_at_the_extremes),
		cmocka_unit_test(every_number_below_the_limit_is_drawn_about_equally_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
