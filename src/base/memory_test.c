#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

#include <cmocka.h>

static void new_memory_is_zeroed_and_never_null(void **state)
{
	auto_free uint8_t *bytes = new_array(uint8_t, 1000);
	auto_free void *nothing = memory_new(0);
	auto_free int *number = new (int);

	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(bytes[i], 0);
	assert_non_null(nothing);
	assert_int_equal(*number, 0);
}

static void copies_are_equal_and_apart(void **state)
{
	char original[] = "text";
	auto_free char *text = memory_copy_text(original);
	auto_free char *data = memory_copy(original, sizeof(original));
	auto_free char *printed = memory_print("%s-%d", original, 7);
	auto_free char *nothing = memory_copy("", 0);

	original[0] = 'n';
	assert_string_equal(text, "text");
	assert_string_equal(data, "text");
	assert_string_equal(printed, "text-7");
	assert_non_null(nothing);
}

static void resizing_keeps_the_content(void **state)
{
	auto_free char *text = memory_copy_text("text");

	text = memory_resize(text, 1000, 10);
	assert_string_equal(text, "text");
	text = memory_resize(text, 0, 10);
	assert_non_null(text);
}

static char *hand_over(void)
{
	auto_free char *kept = memory_copy_text("kept");
	auto_free char *dropped = memory_copy_text("dropped");

	assert_string_equal(dropped, "dropped");
	return take(kept);
}

static void taking_hands_over_and_the_rest_is_freed(void **state)
{
	auto_free char *text = hand_over();
	char *again = take(text);

	assert_null(text);
	assert_string_equal(again, "kept");
	free(again);
}

/* In a child with its standard error closed. By a signal, or with an error status when the
 * sanitizer's allocator speaks first. */
static bool ends_the_program(void (*run)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		struct rlimit no_core = {0, 0};

		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

/* volatile: or the compiler proves the size impossible. */
static void resize_beyond_all_memory(void)
{
	volatile size_t count = SIZE_MAX / 4;

	free(memory_resize(NULL, count, 8));
}

static void resize_to_little(void)
{
	free(memory_resize(NULL, 4, 8));
}

static void an_impossible_size_ends_the_program(void **state)
{
	assert_true(ends_the_program(resize_beyond_all_memory));
	assert_false(ends_the_program(resize_to_little));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_memory_is_zeroed_and_never_null),
		cmocka_unit_test(copies_are_equal_and_apart),
		cmocka_unit_test(resizing_keeps_the_content),
		cmocka_unit_test(taking_hands_over_and_the_rest_is_freed),
		cmocka_unit_test(an_impossible_size_ends_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
