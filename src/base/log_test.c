#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#include <cmocka.h>

/* What the four levels write to standard error. */
static void log_all_levels(char *out, size_t size)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	ssize_t got;

	assert_non_null(file);
	assert_true(saved >= 0);
	assert_int_equal(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
	log_error("event-a number=%d", 1);
	log_warn("event-b");
	log_info("event-c text=%s", "x");
	log_debug("event-d");
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	got = pread(fileno(file), out, size - 1, 0);
	assert_true(got >= 0);
	out[got] = '\0';
	fclose(file);
}

static void a_line_has_level_and_event(void **state)
{
	char text[512];

	unsetenv("JOURNAL_STREAM");
	log_set_level(LOG_LEVEL_DEBUG);
	log_all_levels(text, sizeof(text));
	assert_string_equal(text, "error: event-a number=1\nwarn: event-b\ninfo: event-c text=x\n"
				  "debug: event-d\n");
}

static void lines_above_the_level_are_not_written(void **state)
{
	char text[512];

	unsetenv("JOURNAL_STREAM");
	log_set_level(LOG_LEVEL_WARN);
	assert_int_equal(log_get_level(), LOG_LEVEL_WARN);
	log_all_levels(text, sizeof(text));
	assert_string_equal(text, "error: event-a number=1\nwarn: event-b\n");
	log_set_level(LOG_LEVEL_ERROR);
	log_all_levels(text, sizeof(text));
	assert_string_equal(text, "error: event-a number=1\n");
	log_set_level(LOG_LEVEL_SILENT);
	log_all_levels(text, sizeof(text));
	assert_string_equal(text, "");
}

static void the_journal_gets_priorities(void **state)
{
	char text[512];

	setenv("JOURNAL_STREAM", "8:1", 1);
	log_set_level(LOG_LEVEL_DEBUG);
	log_all_levels(text, sizeof(text));
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(text,
			    "<3>event-a number=1\n<4>event-b\n<6>event-c text=x\n<7>event-d\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_level_and_event),
		cmocka_unit_test(lines_above_the_level_are_not_written),
		cmocka_unit_test(the_journal_gets_priorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
