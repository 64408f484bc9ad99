#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "cmd/files.h"
#include "conf/ini.h"

#include <cmocka.h>

/* Each test runs inside a fresh folder, removed afterwards. */
static int enter_folder(void **state)
{
	char *path = memory_copy_text("/tmp/wayleave-files.XXXXXX");

	*state = mkdtemp(path);
	return !*state || chdir(path);
}

static int leave_folder(void **state)
{
	static const char *const names[] = {"a.conf", "link", "deep/er/folder", "deep/er", "deep"};
	int error = 0;

	for (size_t i = 0; i < array_size(names); i++)
		remove(names[i]);
	/* Fails when something else was left behind. */
	error = chdir("/") || rmdir(*state);
	free(*state);
	return error;
}

static void what_was_written_is_read_and_private(void **state)
{
	auto_buffer struct buffer text = {0};
	struct stat status;

	umask(0);
	assert_int_equal(cmd_write_secret_file("a.conf", "hello", 5, true), 0);
	assert_int_equal(stat("a.conf", &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(cmd_read_secret_file("a.conf", &text), 0);
	assert_string_equal(text.data, "hello");
}

static void a_new_file_never_replaces_an_old_one(void **state)
{
	auto_buffer struct buffer text = {0};

	assert_int_equal(cmd_write_secret_file("a.conf", "old", 3, true), 0);
	assert_int_equal(cmd_write_secret_file("a.conf", "new", 3, true), -EEXIST);
	assert_int_equal(cmd_read_secret_file("a.conf", &text), 0);
	assert_string_equal(text.data, "old");
}

static void an_old_file_is_replaced_as_a_whole(void **state)
{
	auto_buffer struct buffer text = {0};

	assert_int_equal(cmd_write_secret_file("a.conf", "a long old content", 18, false), 0);
	assert_int_equal(cmd_write_secret_file("a.conf", "new", 3, false), 0);
	assert_int_equal(cmd_read_secret_file("a.conf", &text), 0);
	assert_string_equal(text.data, "new");
}

static void a_failed_write_leaves_nothing(void **state)
{
	assert_int_equal(cmd_write_secret_file("missing/a.conf", "x", 1, true), -ENOENT);
	assert_int_equal(mkdir("deep", 0700), 0);
	assert_int_equal(cmd_write_secret_file("deep", "x", 1, false), -EISDIR);
}

static void a_file_that_others_may_read_is_refused(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0601};

	assert_int_equal(cmd_write_secret_file("a.conf", "x", 1, true), 0);
	for (size_t i = 0; i < array_size(modes); i++) {
		auto_buffer struct buffer text = {0};

		assert_int_equal(chmod("a.conf", modes[i]), 0);
		assert_int_equal(cmd_read_secret_file("a.conf", &text), -EKEYREJECTED);
		assert_int_equal(text.size, 0);
	}
}

static void a_folder_or_a_giant_is_no_config(void **state)
{
	auto_buffer struct buffer text = {0};

	assert_int_equal(cmd_read_secret_file(".", &text), -EISDIR);
	assert_int_equal(cmd_read_secret_file("a.conf", &text), -ENOENT);
	assert_int_equal(cmd_write_secret_file("a.conf", "x", 1, true), 0);
	assert_int_equal(truncate("a.conf", CONF_TEXT_MAX), 0);
	assert_int_equal(cmd_read_secret_file("a.conf", &text), 0);
	text.size = 0;
	assert_int_equal(truncate("a.conf", CONF_TEXT_MAX + 1), 0);
	assert_int_equal(cmd_read_secret_file("a.conf", &text), -EFBIG);
}

static void a_folder_is_made_with_its_parents(void **state)
{
	struct stat status;

	umask(0);
	assert_int_equal(cmd_make_folder("deep/er/folder", 0700), 0);
	assert_int_equal(cmd_make_folder("deep/er/folder", 0700), 0);
	assert_int_equal(stat("deep/er/folder", &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	assert_int_equal(cmd_write_secret_file("a.conf", "x", 1, true), 0);
	assert_int_equal(cmd_make_folder("a.conf", 0700), -ENOTDIR);
	assert_int_equal(cmd_make_folder("a.conf/b", 0700), -ENOTDIR);
}

static void the_environment_moves_the_folders(void **state)
{
	unsetenv("WAYLEAVE_CONFIG_DIR");
	assert_string_equal(cmd_config_dir(), "/etc/wayleave");
	setenv("WAYLEAVE_CONFIG_DIR", "/tmp/x", 1);
	assert_string_equal(cmd_config_dir(), "/tmp/x");
	setenv("WAYLEAVE_STATE_DIR", "", 1);
	assert_string_equal(cmd_state_dir(), "/var/lib/wayleave");
	setenv("WAYLEAVE_RUN_DIR", "/tmp/run", 1);
	assert_string_equal(cmd_run_dir(), "/tmp/run");
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

#define in_folder(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_folder(what_was_written_is_read_and_private),
		in_folder(a_new_file_never_replaces_an_old_one),
		in_folder(an_old_file_is_replaced_as_a_whole),
		in_folder(a_failed_write_leaves_nothing),
		in_folder(a_file_that_others_may_read_is_refused),
		in_folder(a_folder_or_a_giant_is_no_config),
		in_folder(a_folder_is_made_with_its_parents),
		cmocka_unit_test(the_environment_moves_the_folders),
		cmocka_unit_test(an_interface_name_is_what_the_kernel_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
