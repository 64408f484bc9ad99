#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "seeded.h"
#include "sys/ctl/ctl_private.h"

#include <cmocka.h>

#define LIMIT 8

typedef enum ctl_split splitter(const char *data, size_t size, size_t searched, size_t limit,
				size_t *ret_size, size_t *ret_total);

static void expect(splitter *split, const char *data, enum ctl_split outcome, size_t size,
		   size_t total)
{
	size_t found_size = 0, found_total = 0;

	assert_int_equal(split(data, strlen(data), 0, LIMIT, &found_size, &found_total), outcome);
	if (outcome == CTL_SPLIT_WHOLE) {
		assert_int_equal(found_size, size);
		assert_int_equal(found_total, total);
	}
}

static void a_line_ends_at_the_first_newline(void **state)
{
	expect(ctl_split_line, "", CTL_SPLIT_PARTIAL, 0, 0);
	expect(ctl_split_line, "abc", CTL_SPLIT_PARTIAL, 0, 0);
	expect(ctl_split_line, "\n", CTL_SPLIT_WHOLE, 0, 1);
	expect(ctl_split_line, "abc\nde\n", CTL_SPLIT_WHOLE, 3, 4);
	expect(ctl_split_line, "12345678\n", CTL_SPLIT_WHOLE, 8, 9);
	expect(ctl_split_line, "12345678", CTL_SPLIT_PARTIAL, 0, 0);
	expect(ctl_split_line, "123456789", CTL_SPLIT_TOO_LARGE, 0, 0);
	expect(ctl_split_line, "123456789\n", CTL_SPLIT_TOO_LARGE, 0, 0);
}

static void a_raw_request_ends_at_the_first_empty_line(void **state)
{
	expect(ctl_split_raw, "", CTL_SPLIT_PARTIAL, 0, 0);
	expect(ctl_split_raw, "get=1\n", CTL_SPLIT_PARTIAL, 0, 0);
	expect(ctl_split_raw, "get=1\n\n", CTL_SPLIT_WHOLE, 6, 7);
	expect(ctl_split_raw, "a\nb\n\nc\n\n", CTL_SPLIT_WHOLE, 4, 5);
	expect(ctl_split_raw, "\n", CTL_SPLIT_WHOLE, 0, 1);
	expect(ctl_split_raw, "\nab\n\n", CTL_SPLIT_WHOLE, 0, 1);
	expect(ctl_split_raw, "1234567\n\n", CTL_SPLIT_WHOLE, 8, 9);
	expect(ctl_split_raw, "12345678\n\n", CTL_SPLIT_TOO_LARGE, 0, 0);
	expect(ctl_split_raw, "123456789", CTL_SPLIT_TOO_LARGE, 0, 0);
}

/* The model looks at one byte after the other. */
static size_t end_of_raw(const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n' && (!i || data[i - 1] == '\n'))
			return i + 1;
	}
	return 0;
}

static void raw_requests_are_those_of_a_simple_model(void **state)
{
	struct seeded seeded;
	char data[24] = "";

	seeded_start(&seeded, "ctl_split");
	for (int run = 0; run < 100000; run++) {
		size_t size = seeded_below(&seeded, sizeof(data)), total, found, found_total;
		size_t searched;
		enum ctl_split outcome;

		for (size_t i = 0; i < size; i++)
			data[i] = seeded_below(&seeded, 3) ? 'a' : '\n';
		total = end_of_raw(data, size);
		/* Any part before the end may have been searched already. */
		searched = seeded_below(&seeded, (uint32_t)(total ? total : size + 1));
		outcome = ctl_split_raw(data, size, searched, LIMIT, &found, &found_total);
		if (total ? total - 1 > LIMIT : size > LIMIT) {
			assert_int_equal(outcome, CTL_SPLIT_TOO_LARGE);
		} else if (!total) {
			assert_int_equal(outcome, CTL_SPLIT_PARTIAL);
		} else {
			assert_int_equal(outcome, CTL_SPLIT_WHOLE);
			assert_int_equal(found_total, total);
			assert_int_equal(found, total - 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_ends_at_the_first_newline),
		cmocka_unit_test(a_raw_request_ends_at_the_first_empty_line),
		cmocka_unit_test(raw_requests_are_those_of_a_simple_model),
	};

	return cmocka_run_group_tests_name("ctl_split", tests, NULL, NULL);
}
