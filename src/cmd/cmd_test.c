#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cmd/cmd.h"

#include <cmocka.h>

static int run_echo(int argc, char **argv)
{
	return argc == 2 && !strcmp(argv[0], "echo") && !strcmp(argv[1], "x") ? CMD_OK : CMD_FAILED;
}

static int run_helpful(int argc, char **argv)
{
	return argc == 2 && !strcmp(argv[1], "--help") ? 42 : CMD_FAILED;
}

static const struct command commands[] = {
	{"echo", run_echo, "says it again"},
	{"helpful", run_helpful, "helps"},
};

static int dispatch(const char *first, const char *second)
{
	char program[] = "wayleave", a[64] = "", b[64] = "", *argv[] = {program, a, b, NULL};

	if (first)
		strcpy(a, first);
	if (second)
		strcpy(b, second);
	return cmd_dispatch("wayleave", "Usage: ...\n", commands, array_size(commands),
			    1 + (first != NULL) + (second != NULL), argv);
}

/* Runs dispatch with stderr in a file and returns what was written there. */
static char *dispatch_and_catch(const char *word, int *ret_status)
{
	char path[] = "/tmp/wayleave-cmd.XXXXXX", text[512] = "";
	int file = mkstemp(path), saved = dup(STDERR_FILENO);

	assert_true(file >= 0 && saved >= 0);
	unlink(path);
	fflush(stderr);
	dup2(file, STDERR_FILENO);
	*ret_status = dispatch(word, NULL);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	assert_true(pread(file, text, sizeof(text) - 1, 0) >= 0);
	close(file);
	close(saved);
	return memory_copy_text(text);
}

static void a_command_gets_its_arguments(void **state)
{
	assert_int_equal(dispatch("echo", "x"), CMD_OK);
	assert_int_equal(dispatch("echo", NULL), CMD_FAILED);
}

static void help_asks_the_command(void **state)
{
	assert_int_equal(dispatch("help", "helpful"), 42);
	assert_int_equal(dispatch("help", NULL), CMD_OK);
	assert_int_equal(dispatch("--help", NULL), CMD_OK);
	assert_int_equal(dispatch("-h", NULL), CMD_OK);
	assert_int_equal(dispatch("help", "nothing"), CMD_USAGE);
	assert_int_equal(dispatch(NULL, NULL), CMD_USAGE);
}

static void an_unknown_command_names_the_nearest(void **state)
{
	int status;
	auto_free char *text = dispatch_and_catch("ecko", &status);

	assert_int_equal(status, CMD_USAGE);
	assert_string_equal(text, "wayleave: unknown command 'ecko'; did you mean 'echo'?; see "
				  "wayleave --help\n");
}

static void a_join_string_in_the_wrong_place_is_not_repeated(void **state)
{
	int status;
	auto_free char *text = dispatch_and_catch("wl1:c2VjcmV0c2VjcmV0", &status);

	assert_int_equal(status, CMD_USAGE);
	assert_string_equal(text, "wayleave: that is not a command; see wayleave --help\n");
}

static void a_taken_secret_is_gone_from_its_place(void **state)
{
	char argument[] = "hunter2";
	char *secret = cmd_take_secret(argument);

	assert_string_equal(secret, "hunter2");
	for (size_t i = 0; i < sizeof(argument); i++)
		assert_int_equal(argument[i], 0);
	cmd_forget_secret(secret);
	cmd_forget_secret(NULL);
}

static void an_interface_name_is_what_the_kernel_takes(void **state)
{
	static const char *const bad[] = {"",    ".",   "..",  "a/b",
					  "a b", "a:b", "a\n", "0123456789abcdef"};
	static const char *const good[] = {"wl0", "0123456789abcde", "a.b-c_d"};

	for (size_t i = 0; i < array_size(bad); i++)
		assert_false(cmd_is_interface_name(bad[i]));
	for (size_t i = 0; i < array_size(good); i++)
		assert_true(cmd_is_interface_name(good[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_gets_its_arguments),
		cmocka_unit_test(help_asks_the_command),
		cmocka_unit_test(an_unknown_command_names_the_nearest),
		cmocka_unit_test(a_join_string_in_the_wrong_place_is_not_repeated),
		cmocka_unit_test(a_taken_secret_is_gone_from_its_place),
		cmocka_unit_test(an_interface_name_is_what_the_kernel_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
