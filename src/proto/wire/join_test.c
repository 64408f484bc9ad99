#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "proto/wire/join.h"
#include "seeded.h"

#include <cmocka.h>

static struct join sample(void)
{
	struct join join = {.hub = {{9, 1}}, .endpoint_count = 2};

	memset(join.network_id, 1, sizeof(join.network_id));
	memset(join.site_secret, 2, sizeof(join.site_secret));
	memset(join.token_id, 3, sizeof(join.token_id));
	memset(join.token, 4, sizeof(join.token));
	strcpy(join.endpoints[0], "hub.example.org:51820");
	strcpy(join.endpoints[1], "[2001:db8::1]:443");
	return join;
}

static void what_was_printed_parses_to_the_same(void **state)
{
	struct join join = sample(), parsed;
	char text[JOIN_TEXT_SIZE], padded[JOIN_TEXT_SIZE + 8];
	size_t size;

	size = join_print(&join, text);
	assert_int_equal(size, strlen(text));
	assert_int_equal(join_parse(text, &parsed), JOIN_OK);
	assert_memory_equal(&parsed, &join, sizeof(join));
	snprintf(padded, sizeof(padded), " %s\r\n", text);
	assert_int_equal(join_parse(padded, &parsed), JOIN_OK);
}

static void it_is_one_word_that_survives_a_shell(void **state)
{
	struct join join = sample();
	char text[JOIN_TEXT_SIZE];

	join_print(&join, text);
	assert_int_equal(
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:"),
		strlen(text));
}

static void every_truncation_is_noticed(void **state)
{
	struct join join = sample(), parsed;
	char text[JOIN_TEXT_SIZE];

	for (size_t size = join_print(&join, text); size-- > 0;) {
		text[size] = '\0';
		assert_int_equal(join_parse(text, &parsed), size < 4 ? JOIN_NOT_ONE : JOIN_DAMAGED);
	}
}

static void every_typing_error_is_noticed(void **state)
{
	struct join join = sample(), parsed;
	char text[JOIN_TEXT_SIZE];
	size_t size = join_print(&join, text);

	for (size_t i = 4; i < size; i++) {
		char before = text[i];

		text[i] = before == 'A' ? 'B' : 'A';
		assert_int_equal(join_parse(text, &parsed), JOIN_DAMAGED);
		text[i] = before;
	}
}

static void other_things_are_named(void **state)
{
	struct join parsed;

	assert_int_equal(join_parse("", &parsed), JOIN_NOT_ONE);
	assert_int_equal(join_parse("hello", &parsed), JOIN_NOT_ONE);
	assert_int_equal(join_parse("wl2:AAAA", &parsed), JOIN_WRONG_VERSION);
	assert_int_equal(join_parse("wl1:", &parsed), JOIN_DAMAGED);
	assert_int_equal(join_parse("wl1:!!!!", &parsed), JOIN_DAMAGED);
}

static void what_is_too_long_for_a_join_string_is_none(void **state)
{
	char text[JOIN_TEXT_SIZE + 1];
	struct join parsed;

	memset(text, 'A', sizeof(text));
	memcpy(text, "wl1:", 4);
	text[JOIN_TEXT_SIZE] = '\0';
	assert_int_equal(join_parse(text, &parsed), JOIN_DAMAGED);
	text[JOIN_TEXT_SIZE - 1] = '\0';
	assert_int_equal(join_parse(text, &parsed), JOIN_DAMAGED);
}

static void endpoints_that_would_break_a_config_are_refused(void **state)
{
	static const char *const bad[] = {"", "a b:1", "x\n[Peer]:1", "h#:1", "h\":1"};
	struct join join = sample(), parsed;
	char text[JOIN_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(join.endpoints[1], bad[i]);
		assert_int_not_equal(join_print(&join, text), 0);
		assert_int_equal(join_parse(text, &parsed), JOIN_DAMAGED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_printed_parses_to_the_same),
		cmocka_unit_test(it_is_one_word_that_survives_a_shell),
		cmocka_unit_test(every_truncation_is_noticed),
		cmocka_unit_test(every_typing_error_is_noticed),
		cmocka_unit_test(other_things_are_named),
		cmocka_unit_test(what_is_too_long_for_a_join_string_is_none),
		cmocka_unit_test(endpoints_that_would_break_a_config_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
