#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "cmd/cmd.h"
#include "cmd/options.h"

#include <cmocka.h>

#define ARGUMENTS_MAX 24

struct result {
	bool json, watch;
	const char *interface;
	struct cmd_list addresses;
	char *token;
	int argc, status;
	char words[ARGUMENTS_MAX][32], *argv[ARGUMENTS_MAX + 1];
};

/* Splits a line at blanks, as a shell would, and parses it. */
static void parse(struct result *result, const char *line, int least, int most)
{
	const struct cmd_option options[] = {
		{"json", 'j', CMD_FLAG, &result->json},
		{"watch", 'w', CMD_FLAG, &result->watch},
		{"interface", 'i', CMD_TEXT, &result->interface},
		{"address", 0, CMD_LIST, &result->addresses},
		{"token", 0, CMD_SECRET, &result->token},
	};
	const struct cmd_syntax syntax = {"wayleave test", "Usage: wayleave test\n",
					  options,         array_size(options),
					  least,           most};
	int argc = 0;

	*result = (struct result){0};
	while (*line) {
		size_t size = strcspn(line, " ");

		memcpy(result->words[argc], line, size);
		result->argv[argc] = result->words[argc];
		argc++;
		line += size + (line[size] == ' ');
	}
	result->argc = cmd_parse(&syntax, argc, result->argv, &result->status);
}

static void options_may_stand_anywhere(void **state)
{
	struct result result;

	parse(&result, "test a --json b -i wl1 c", 0, 3);
	assert_int_equal(result.argc, 4);
	assert_string_equal(result.argv[1], "a");
	assert_string_equal(result.argv[2], "b");
	assert_string_equal(result.argv[3], "c");
	assert_true(result.json);
	assert_false(result.watch);
	assert_string_equal(result.interface, "wl1");
}

static void a_value_may_be_attached_or_follow(void **state)
{
	static const char *const lines[] = {"test -iwl1", "test -i wl1", "test --interface wl1",
					    "test --interface=wl1", "test -jwi wl1"};

	for (size_t i = 0; i < array_size(lines); i++) {
		struct result result;

		parse(&result, lines[i], 0, 0);
		assert_int_equal(result.argc, 1);
		assert_string_equal(result.interface, "wl1");
	}
}

static void a_list_option_repeats(void **state)
{
	struct result result;

	parse(&result, "test --address a --address=b", 0, 0);
	assert_int_equal(result.argc, 1);
	assert_int_equal(result.addresses.count, 2);
	assert_string_equal(result.addresses.items[1], "b");
}

static void a_dash_is_an_argument_and_two_end_the_options(void **state)
{
	struct result result;

	parse(&result, "test - -- --json -", 0, 5);
	assert_int_equal(result.argc, 4);
	assert_string_equal(result.argv[1], "-");
	assert_string_equal(result.argv[2], "--json");
	assert_string_equal(result.argv[3], "-");
	assert_false(result.json);
}

static void what_is_wrong_is_a_usage_error(void **state)
{
	static const char *const lines[] = {
		"test --jsn",      "test -x", "test --json=1", "test --interface", "test -i",
		"test --json a b", "test",    "test a --",     "test a --js",
	};
	static const int ends[] = {0, 0, 0, 0, 0, 0, 0, 1, 0};

	for (size_t i = 0; i < array_size(lines); i++) {
		struct result result;

		parse(&result, lines[i], 1, 1);
		if (ends[i]) {
			assert_int_equal(result.argc, 2);
			continue;
		}
		assert_int_equal(result.argc, 0);
		assert_int_equal(result.status, CMD_USAGE);
	}
}

static void help_ends_with_success(void **state)
{
	static const char *const lines[] = {"test --help", "test -h", "test a -jh"};

	for (size_t i = 0; i < array_size(lines); i++) {
		struct result result;

		parse(&result, lines[i], 1, 1);
		assert_int_equal(result.argc, 0);
		assert_int_equal(result.status, CMD_OK);
	}
}

static void a_secret_leaves_no_trace_in_argv(void **state)
{
	static const char *const lines[] = {"test --token hunter2", "test --token=hunter2",
					    "test --token hunter1 --token hunter2"};

	for (size_t i = 0; i < array_size(lines); i++) {
		struct result result;

		parse(&result, lines[i], 0, 0);
		assert_string_equal(result.token, "hunter2");
		assert_null(memmem(result.words, sizeof(result.words), "hunter", 6));
		cmd_forget_secret(result.token);
	}
}

static void seventeen_values_are_too_many(void **state)
{
	char line[256] = "test";
	struct result result;

	for (int i = 0; i < 17; i++)
		strcat(line, " --address=a");
	parse(&result, line, 0, 0);
	assert_int_equal(result.argc, 0);
	assert_int_equal(result.status, CMD_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_may_stand_anywhere),
		cmocka_unit_test(a_value_may_be_attached_or_follow),
		cmocka_unit_test(a_list_option_repeats),
		cmocka_unit_test(a_dash_is_an_argument_and_two_end_the_options),
		cmocka_unit_test(what_is_wrong_is_a_usage_error),
		cmocka_unit_test(help_ends_with_success),
		cmocka_unit_test(a_secret_leaves_no_trace_in_argv),
		cmocka_unit_test(seventeen_values_are_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
