#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "seeded.h"

#include <cmocka.h>

static void numbers_are_decimal_and_whole(void **state)
{
	static const char *const bad[] = {"",   " ",   "-1", "+1",  "1 ",
					  " 1", "0x1", "1a", "1.0", "\xd9\xa1"};
	uint64_t value = 77;

	for (size_t i = 0; i < array_size(bad); i++)
		assert_int_equal(text_to_u64(bad[i], UINT64_MAX, &value), -EINVAL);
	assert_int_equal(value, 77);
	assert_int_equal(text_to_u64("0", 0, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(text_to_u64("00012", 12, &value), 0);
	assert_int_equal(value, 12);
	assert_int_equal(text_to_u64("18446744073709551615", UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
}

static void a_number_above_the_maximum_is_out_of_range(void **state)
{
	uint64_t value = 77;

	assert_int_equal(text_to_u64("18446744073709551616", UINT64_MAX, &value), -ERANGE);
	assert_int_equal(text_to_u64("99999999999999999999999", UINT64_MAX, &value), -ERANGE);
	assert_int_equal(text_to_u64("1", 0, &value), -ERANGE);
	assert_int_equal(text_to_u64("7", 6, &value), -ERANGE);
	assert_int_equal(text_to_u64("70", 69, &value), -ERANGE);
	assert_int_equal(value, 77);
}

static void printed_numbers_are_read_back_up_to_their_maximum(void **state)
{
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int round = 0; round < 20000; round++) {
		uint64_t number = seeded_u64(&seeded) >> seeded_below(&seeded, 64), value;
		uint64_t maximum = seeded_u64(&seeded) >> seeded_below(&seeded, 64);
		char text[24];

		if (seeded_below(&seeded, 4) == 0)
			maximum = number - seeded_below(&seeded, 2);
		snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
		assert_int_equal(text_to_u64(text, maximum, &value),
				 number <= maximum ? 0 : -ERANGE);
		if (number <= maximum)
			assert_true(value == number);
	}
}

static void copying_says_whether_it_fitted(void **state)
{
	char out[5];

	assert_true(text_copy(out, sizeof(out), "four"));
	assert_string_equal(out, "four");
	assert_false(text_copy(out, sizeof(out), "fives"));
	assert_string_equal(out, "five");
	assert_false(text_copy(out, 1, "x"));
	assert_string_equal(out, "");
	assert_true(text_copy(out, 1, ""));
}

static void a_prefix_is_the_start(void **state)
{
	assert_true(text_starts_with("wl1:abc", "wl1:"));
	assert_true(text_starts_with("wl1:", "wl1:"));
	assert_true(text_starts_with("anything", ""));
	assert_false(text_starts_with("wl1", "wl1:"));
	assert_false(text_starts_with("WL1:", "wl1:"));
}

static void only_printable_ascii_passes_unescaped(void **state)
{
	char out[64];

	text_escape(out, sizeof(out), "plain text = 1", 14);
	assert_string_equal(out, "plain text = 1");
	text_escape(out, sizeof(out), "a\nb\033[2J\"\\\x7f\xc3\xa9", 12);
	assert_string_equal(out, "a\\x0ab\\x1b[2J\\x22\\x5c\\x7f\\xc3\\xa9");
	text_escape(out, sizeof(out), "\0a", 2);
	assert_string_equal(out, "\\x00a");
}

/* Never half an escape, never a byte beyond, whatever the room. */
static void escaping_stops_before_it_overflows(void **state)
{
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int round = 0; round < 5000; round++) {
		char text[40], whole[200], out[200];
		size_t size = seeded_below(&seeded, sizeof(text) + 1);
		size_t room = 1 + seeded_below(&seeded, sizeof(out) - 1), length;

		seeded_fill(&seeded, text, size);
		text_escape(whole, sizeof(whole), text, size);
		memset(out, 0x55, sizeof(out));
		text_escape(out, room, text, size);
		length = strlen(out);
		assert_true(length < room);
		assert_memory_equal(out, whole, length);
		/* What was left out would not have fitted. */
		if (whole[length])
			assert_true(length + (whole[length] == '\\' ? 4 : 1) >= room);
		for (size_t i = room; i < sizeof(out); i++)
			assert_int_equal(out[i], 0x55);
	}
}

static void names_are_labels(void **state)
{
	static const char *const good[] = {
		"a",
		"0",
		"node-1",
		"a--b",
		"xn--bcher-kva",
		"123456789012345678901234567890123456789012345678901234567890123"};
	static const char *const bad[] = {
		"",    "-",
		"-a",  "a-",
		"A",   "a.b",
		"a_b", "a b",
		"a\n", "\xc3\xa4",
		"a/b", "1234567890123456789012345678901234567890123456789012345678901234"};

	for (size_t i = 0; i < array_size(good); i++)
		assert_true(text_is_name(good[i]));
	for (size_t i = 0; i < array_size(bad); i++)
		assert_false(text_is_name(bad[i]));
}

static void the_nearest_choice_is_suggested_only_when_near(void **state)
{
	static const char *const choices[] = {"PrivateKey", "ListenPort", "Address", "MTU"};
	const size_t count = array_size(choices);

	assert_string_equal(text_nearest("privatekey", choices, count), "PrivateKey");
	assert_string_equal(text_nearest("PrivatKey", choices, count), "PrivateKey");
	assert_string_equal(text_nearest("Adress", choices, count), "Address");
	assert_string_equal(text_nearest("MT", choices, count), "MTU");
	assert_null(text_nearest("Zzzzzzzz", choices, count));
	assert_null(text_nearest("", choices, count));
	assert_null(text_nearest("x", choices, 0));
	/* Longer than any row of the table. */
	assert_null(text_nearest(
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		choices, count));
}

static void blanks_are_trimmed_at_both_ends_only(void **state)
{
	char padded[] = " \t a b \r\n", blank[] = " \t\r\n", nothing[] = "", plain[] = "ab";

	assert_string_equal(text_trim(padded), "a b");
	assert_string_equal(text_trim(blank), "");
	assert_string_equal(text_trim(nothing), "");
	assert_string_equal(text_trim(plain), "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_decimal_and_whole),
		cmocka_unit_test(a_number_above_the_maximum_is_out_of_range),
		cmocka_unit_test(printed_numbers_are_read_back_up_to_their_maximum),
		cmocka_unit_test(copying_says_whether_it_fitted),
		cmocka_unit_test(a_prefix_is_the_start),
		cmocka_unit_test(only_printable_ascii_passes_unescaped),
		cmocka_unit_test(escaping_stops_before_it_overflows),
		cmocka_unit_test(names_are_labels),
		cmocka_unit_test(the_nearest_choice_is_suggested_only_when_near),
		cmocka_unit_test(blanks_are_trimmed_at_both_ends_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
