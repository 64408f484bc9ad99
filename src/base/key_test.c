#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/key.h"
#include "base/memory.h"
#include "hex.h"
#include "seeded.h"

#include <cmocka.h>

/* Base64 by hand, RFC 4648 section 10 and one key. */
static const struct {
	const char *plain, *base64, *base64url;
} known[] = {
	{"", "", ""},
	{"f", "Zg==", "Zg"},
	{"fo", "Zm8=", "Zm8"},
	{"foo", "Zm9v", "Zm9v"},
	{"foob", "Zm9vYg==", "Zm9vYg"},
	{"fooba", "Zm9vYmE=", "Zm9vYmE"},
	{"foobar", "Zm9vYmFy", "Zm9vYmFy"},
	{"\xfb\xff\xbf", "+/+/", "-_-_"},
};

static void base64_is_that_of_rfc_4648(void **state)
{
	for (size_t i = 0; i < array_size(known); i++) {
		size_t size = strlen(known[i].plain);
		char text[16];
		uint8_t out[16];

		for (int is_url = 0; is_url < 2; is_url++) {
			const char *expected = is_url ? known[i].base64url : known[i].base64;

			assert_int_equal(
				base64_encode(text, sizeof(text), known[i].plain, size, is_url),
				strlen(expected));
			assert_string_equal(text, expected);
			assert_int_equal(base64_decode(out, sizeof(out), expected, is_url), size);
			assert_memory_equal(out, known[i].plain, size);
		}
	}
}

static void only_canonical_base64_is_decoded(void **state)
{
	static const char *const bad[] = {
		"Z",      "Zg",     "Zg=",  "Zg===", "Zh==",    "Zm9=",     "Zm8==", "=",
		"==",     "====",   "Z===", "=Zg=",  "Z=g=",    "Zg==Zg==", "Zg== ", " Zg==",
		"Zg==\n", "Zm9v\n", "Zm-v", "Zm_v",  "Zm9\x80", "Zm9\xff",  "Zm9.",  "Zm9,",
	};
	static const char *const bad_url[] = {"Z",    "Zg==", "Zg=",   "Zh",    "Zm9",  "Zm9v=",
					      "Zm+v", "Zm/v", "Zm9vZ", " Zm9v", "Zm9v "};
	uint8_t out[16];

	for (size_t i = 0; i < array_size(bad); i++)
		assert_int_equal(base64_decode(out, sizeof(out), bad[i], false), -EINVAL);
	for (size_t i = 0; i < array_size(bad_url); i++)
		assert_int_equal(base64_decode(out, sizeof(out), bad_url[i], true), -EINVAL);
}

static void what_does_not_fit_is_refused(void **state)
{
	uint8_t out[4] = {0, 0, 0, 0xaa};
	char text[9];

	assert_int_equal(base64_decode(out, 3, "Zm9vYg==", false), -EINVAL);
	assert_int_equal(base64_decode(out, 2, "Zm9v", false), -EINVAL);
	assert_int_equal(base64_decode(out, 3, "Zm9v", false), 3);
	assert_int_equal(out[3], 0xaa);
	assert_int_equal(base64_encode(text, 8, "foobar", 6, false), 0);
	assert_int_equal(base64_encode(text, 9, "foobar", 6, false), 8);
	assert_int_equal(base64_encode(text, 1, "", 0, false), 0);
	assert_string_equal(text, "");
}

static void any_bytes_survive_base64(void **state)
{
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int round = 0; round < 5000; round++) {
		uint8_t data[100], out[100];
		size_t size = seeded_below(&seeded, sizeof(data) + 1), length;
		bool is_url = seeded_below(&seeded, 2);
		char text[140];

		seeded_fill(&seeded, data, size);
		length = base64_encode(text, sizeof(text), data, size, is_url);
		assert_int_equal(length, strlen(text));
		assert_int_equal(length, is_url ? (4 * size + 2) / 3 : (size + 2) / 3 * 4);
		assert_int_equal(base64_decode(out, size, text, is_url), size);
		assert_memory_equal(out, data, size);
	}
}

/* One text per key: a changed digit is refused or another key. */
static void no_two_texts_are_one_key(void **state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_ ";
	struct key key = {{0xfb, 0xef, 0xbe, [31] = 0x7f}}, other;
	char text[KEY_TEXT_SIZE];

	key_print(&key, text);
	for (size_t i = 0; i < KEY_TEXT_SIZE - 1; i++) {
		char original = text[i];

		for (size_t j = 0; j < sizeof(digits) - 1; j++) {
			text[i] = digits[j];
			if (digits[j] == original || key_parse(text, &other))
				continue;
			assert_false(key_is_equal(&key, &other));
		}
		text[i] = original;
	}
	assert_int_equal(key_parse(text, &other), 0);
	assert_true(key_is_equal(&key, &other));
}

static void a_key_is_exactly_44_characters(void **state)
{
	struct key key, before;

	memset(&before, 0xaa, sizeof(before));
	key = before;
	assert_int_equal(key_parse("", &key), -EINVAL);
	assert_int_equal(key_parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &key), -EINVAL);
	assert_int_equal(key_parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", &key), -EINVAL);
	assert_int_equal(key_parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &key), -EINVAL);
	assert_int_equal(key_parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", &key), -EINVAL);
	assert_int_equal(key_parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ", &key), -EINVAL);
	assert_memory_equal(&key, &before, sizeof(key));
	assert_int_equal(key_parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &key), 0);
	assert_true(key_is_zero(&key));
}

static void keys_are_ordered_as_byte_strings(void **state)
{
	struct key low = {{0, 0xff}}, high = {{1, 0}}, top = {{0xff}};

	assert_true(key_compare(&low, &high) < 0);
	assert_true(key_compare(&high, &low) > 0);
	assert_true(key_compare(&top, &high) > 0);
	assert_int_equal(key_compare(&low, &low), 0);
	assert_false(key_is_zero(&low));
}

static void points_below_the_prime_are_canonical(void **state)
{
	static const struct {
		const char *text;
		bool is_canonical;
	} cases[] = {
		{"0000000000000000000000000000000000000000000000000000000000000000", true},
		{"0900000000000000000000000000000000000000000000000000000000000000", true},
		{"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", true},
		{"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false},
		{"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false},
		{"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false},
		{"fffeffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", true},
		{"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe7f", true},
		{"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7e", true},
		{"0000000000000000000000000000000000000000000000000000000000000080", false},
		{"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct key key;

		hex_bytes(cases[i].text, &key, sizeof(key));
		assert_int_equal(key_is_canonical_point(&key), cases[i].is_canonical);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_is_that_of_rfc_4648),
		cmocka_unit_test(only_canonical_base64_is_decoded),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(any_bytes_survive_base64),
		cmocka_unit_test(no_two_texts_are_one_key),
		cmocka_unit_test(a_key_is_exactly_44_characters),
		cmocka_unit_test(keys_are_ordered_as_byte_strings),
		cmocka_unit_test(points_below_the_prime_are_canonical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
