#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/state/files.h"

#include <cmocka.h>

static char folder[64];

static int enter_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/wayleave-state-XXXXXX");
	return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

/* Fails when anything was left behind. */
static int leave_folder(void **state)
{
	return chdir("/") || rmdir(folder) ? -1 : 0;
}

static size_t count_files(const char *path)
{
	DIR *open_folder = opendir(path);
	const struct dirent *entry;
	size_t count = 0;

	while ((entry = readdir(open_folder)))
		count += entry->d_name[0] != '.';
	closedir(open_folder);
	return count;
}

static void expect_content(const char *path, const char *expected)
{
	struct buffer text = {0};

	assert_int_equal(state_read_file(path, 1 << 20, &text), 0);
	assert_string_equal(text.data, expected);
	buffer_done(&text);
}

static mode_t mode_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_mode & 07777;
}

static void folders_come_from_the_environment_or_are_the_usual_ones(void **state)
{
	auto_free char *path = NULL;

	unsetenv("WAYLEAVE_CONFIG_DIR");
	setenv("WAYLEAVE_STATE_DIR", "", 1);
	setenv("WAYLEAVE_RUN_DIR", "/tmp/run", 1);
	assert_string_equal(state_config_dir(), "/etc/wayleave");
	assert_string_equal(state_state_dir(), "/var/lib/wayleave");
	assert_string_equal(state_run_dir(), "/tmp/run");
	path = state_path(state_run_dir(), "wl0", ".sock");
	assert_string_equal(path, "/tmp/run/wl0.sock");
	unsetenv("WAYLEAVE_STATE_DIR");
	unsetenv("WAYLEAVE_RUN_DIR");
}

static void a_folder_is_made_with_its_parents_whatever_the_umask(void **state)
{
	mode_t before = umask(077);

	assert_int_equal(state_make_folder("a/b/c", 0755), 0);
	umask(before);
	assert_int_equal(mode_of("a/b/c"), 0755);
	assert_int_equal(mode_of("a/b"), 0755);
	assert_int_equal(mode_of("a"), 0755);
	assert_int_equal(state_make_folder("a/b/secret", 0700), 0);
	assert_int_equal(mode_of("a/b/secret"), 0700);
	/* What exists keeps its mode. */
	assert_int_equal(state_make_folder("a/b/secret", 0755), 0);
	assert_int_equal(mode_of("a/b/secret"), 0700);
	rmdir("a/b/secret");
	rmdir("a/b/c");
	rmdir("a/b");
	assert_int_equal(state_create_file("a/file", "", 0, 0600), 0);
	assert_int_equal(state_make_folder("a/file", 0700), -ENOTDIR);
	assert_int_equal(state_make_folder("a/file/below", 0700), -ENOTDIR);
	assert_int_equal(state_make_folder("", 0700), -ENOENT);
	unlink("a/file");
	rmdir("a");
}

static void a_file_is_replaced_whole_with_its_mode(void **state)
{
	mode_t before = umask(0);

	assert_int_equal(state_write_file("f", "first", 5, 0640), 0);
	umask(before);
	assert_int_equal(mode_of("f"), 0640);
	expect_content("f", "first");
	assert_int_equal(state_write_file("f", "second one", 10, 0600), 0);
	assert_int_equal(mode_of("f"), 0600);
	expect_content("f", "second one");
	assert_int_equal(state_write_file("f", "", 0, 0600), 0);
	expect_content("f", "");
	assert_int_equal(count_files("."), 1);
	unlink("f");
}

static void a_reader_with_the_old_file_open_keeps_it(void **state)
{
	char text[16] = "";
	int fd;

	assert_int_equal(state_write_file("f", "first", 5, 0600), 0);
	fd = open("f", O_RDONLY);
	assert_int_equal(state_write_file("f", "second", 6, 0600), 0);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 5);
	assert_string_equal(text, "first");
	close(fd);
	unlink("f");
}

static void creating_never_replaces(void **state)
{
	assert_int_equal(state_create_file("f", "mine", 4, 0600), 0);
	assert_int_equal(state_create_file("f", "other", 5, 0600), -EEXIST);
	expect_content("f", "mine");
	assert_int_equal(count_files("."), 1);
	unlink("f");
}

static void removing_twice_is_no_error(void **state)
{
	assert_int_equal(state_write_file("f", "x", 1, 0600), 0);
	assert_int_equal(state_remove_file("f"), 0);
	assert_int_equal(access("f", F_OK), -1);
	assert_int_equal(state_remove_file("f"), 0);
	assert_int_equal(state_remove_file("none/f"), 0);
}

static void a_limit_on_file_size_leaves_the_old_file_and_the_program_alive(void **state)
{
	struct rlimit before, limit;
	auto_free char *data = new_array(char, 100000);

	memset(data, 'x', 100000);
	assert_int_equal(state_write_file("f", "old", 3, 0600), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 5000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(state_write_file("f", data, 100000, 0600), -EFBIG);
	assert_int_equal(state_create_file("g", data, 100000, 0600), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	expect_content("f", "old");
	assert_int_equal(count_files("."), 1);
	unlink("f");
}

/* In a child with a mount namespace: a disk of 64 KB. */
static void on_a_small_disk(void)
{
	auto_free char *data = new_array(char, 200000);
	auto_free char *text = NULL;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "disk", "tmpfs", 0, "size=64k"))
		_exit(77);
	memset(data, 'x', 200000);
	assert_int_equal(state_write_file("disk/f", "old", 3, 0600), 0);
	assert_int_equal(state_write_file("disk/f", data, 200000, 0600), -ENOSPC);
	expect_content("disk/f", "old");
	assert_int_equal(count_files("disk"), 1);
	text = state_describe("write", "disk/f", -ENOSPC);
	assert_string_equal(text,
			    "cannot write disk/f: no space left on the disk; nothing was changed");
	/* What fits can be written as before. */
	assert_int_equal(state_write_file("disk/f", data, 20000, 0600), 0);
	_exit(0);
}

static void a_full_disk_leaves_the_old_file_intact(void **state)
{
	pid_t child;
	int status;

	assert_int_equal(mkdir("disk", 0700), 0);
	child = fork();
	if (!child)
		on_a_small_disk();
	waitpid(child, &status, 0);
	rmdir("disk");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("needs root and mount namespaces\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* A child rewrites the file again and again and is killed at some moment: what is there is one of
 * the two contents, whole. */
static void kill_9_leaves_one_whole_file(void **state)
{
	enum { SIZE = 300000, RUNS = 25 };
	auto_free char *data = new_array(char, SIZE);

	for (int run = 0; run < RUNS; run++) {
		struct buffer text = {0};
		int ready[2];
		pid_t child;
		char byte;

		memset(data, 'a', SIZE);
		assert_int_equal(state_write_file("f", data, SIZE, 0600), 0);
		assert_int_equal(pipe(ready), 0);
		child = fork();
		if (!child) {
			for (int i = 0;; i++) {
				memset(data, i % 2 ? 'a' : 'b', SIZE);
				if (state_write_file("f", data, SIZE, 0600) ||
				    (!i && write(ready[1], "x", 1) != 1))
					_exit(1);
			}
		}
		assert_int_equal(read(ready[0], &byte, 1), 1);
		usleep((useconds_t)run * 100);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		close(ready[0]);
		close(ready[1]);
		assert_int_equal(state_read_file("f", SIZE, &text), 0);
		assert_int_equal(text.size, SIZE);
		assert_true(text.data[0] == text.data[SIZE - 1]);
		buffer_done(&text);
	}
	/* A killed writer may leave its temporary file. */
	assert_true(count_files(".") <= RUNS + 1);
	assert_int_equal(system("rm -f f f.*"), 0);
}

static void reading_is_bounded(void **state)
{
	struct buffer text = {0};

	assert_int_equal(state_write_file("f", "12345678", 8, 0600), 0);
	assert_int_equal(state_read_file("f", 7, &text), -EFBIG);
	assert_int_equal(text.size, 0);
	assert_int_equal(state_read_file("f", 8, &text), 0);
	assert_int_equal(state_read_file("f", 8, &text), 0);
	assert_string_equal(text.data, "1234567812345678");
	assert_int_equal(state_read_file("/dev/zero", 1000, &text), -EFBIG);
	assert_int_equal(state_read_file("/", 1000, &text), -EISDIR);
	assert_int_equal(state_read_file("none", 1000, &text), -ENOENT);
	text.size = 0;
	/* Its size is not known before. */
	assert_int_equal(state_read_file("/proc/self/cmdline", 100000, &text), 0);
	assert_true(text.size > 0);
	buffer_done(&text);
	unlink("f");
}

static void a_pipe_can_be_read_like_a_file(void **state)
{
	struct buffer text = {0};
	char path[32];
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	assert_int_equal(write(ends[1], "through a pipe", 14), 14);
	close(ends[1]);
	assert_int_equal(state_read_secret_file(path, 1000, &text), 0);
	assert_string_equal(text.data, "through a pipe");
	close(ends[0]);
	buffer_done(&text);
}

static void a_key_file_that_others_may_touch_is_refused(void **state)
{
	static const mode_t refused[] = {0640, 0604, 0620, 0602, 0610, 0601, 0666};
	struct buffer text = {0};

	assert_int_equal(state_write_file("key", "secret", 6, 0600), 0);
	assert_int_equal(state_read_secret_file("key", 100, &text), 0);
	assert_string_equal(text.data, "secret");
	buffer_done(&text);
	assert_int_equal(chmod("key", 0400), 0);
	assert_int_equal(state_read_secret_file("key", 100, &text), 0);
	buffer_done(&text);
	for (size_t i = 0; i < array_size(refused); i++) {
		assert_int_equal(chmod("key", refused[i]), 0);
		assert_int_equal(state_read_secret_file("key", 100, &text), -EKEYREJECTED);
		assert_null(text.data);
	}
	if (!geteuid()) {
		assert_int_equal(chmod("key", 0600), 0);
		assert_int_equal(chown("key", 65534, 65534), 0);
		assert_int_equal(state_read_secret_file("key", 100, &text), -EKEYREJECTED);
	}
	unlink("key");
}

static void errors_are_said_in_one_clause_with_the_remedy(void **state)
{
	static const struct {
		int error;
		const char *text;
	} cases[] = {
		{-EKEYREJECTED,
		 "cannot read a\\x0ab: it holds keys and others may read or change it; "
		 "run: chmod 600 a\\x0ab"},
		{-EFBIG, "cannot read a\\x0ab: it is too large"},
		{-ENOENT, "cannot read a\\x0ab: No such file or directory"},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		auto_free char *text = state_describe("read", "a\nb", cases[i].error);

		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folders_come_from_the_environment_or_are_the_usual_ones),
		cmocka_unit_test(a_folder_is_made_with_its_parents_whatever_the_umask),
		cmocka_unit_test(a_file_is_replaced_whole_with_its_mode),
		cmocka_unit_test(a_reader_with_the_old_file_open_keeps_it),
		cmocka_unit_test(creating_never_replaces),
		cmocka_unit_test(removing_twice_is_no_error),
		cmocka_unit_test(a_limit_on_file_size_leaves_the_old_file_and_the_program_alive),
		cmocka_unit_test(a_full_disk_leaves_the_old_file_intact),
		cmocka_unit_test(kill_9_leaves_one_whole_file),
		cmocka_unit_test(reading_is_bounded),
		cmocka_unit_test(a_pipe_can_be_read_like_a_file),
		cmocka_unit_test(a_key_file_that_others_may_touch_is_refused),
		cmocka_unit_test(errors_are_said_in_one_clause_with_the_remedy),
	};

	return cmocka_run_group_tests_name("state_files", tests, enter_folder, leave_folder);
}
