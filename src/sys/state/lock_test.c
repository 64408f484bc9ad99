#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/state/lock.h"

#include <cmocka.h>

#define PATH "wl0.lock"

static char folder[64];

static int enter_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/wayleave-lock-XXXXXX");
	return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

static int leave_folder(void **state)
{
	return unlink(PATH) || chdir("/") || rmdir(folder) ? -1 : 0;
}

/* A child that holds the lock until it is killed, or for so many milliseconds. */
static pid_t holding_child(int milliseconds)
{
	int ready[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		struct state_lock *lock = NULL;

		alarm(60);
		if (state_lock_take(PATH, &lock, NULL) || write(ready[1], "x", 1) != 1)
			_exit(1);
		if (milliseconds)
			usleep((useconds_t)milliseconds * 1000);
		else
			pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void the_second_is_told_who_was_first(void **state)
{
	struct state_lock *lock = NULL;
	pid_t child = holding_child(0), holder = -1;

	assert_int_equal(state_lock_holder(PATH), child);
	assert_int_equal(state_lock_take(PATH, &lock, &holder), -EBUSY);
	assert_int_equal(holder, child);
	assert_int_equal(state_lock_take(PATH, &lock, NULL), -EBUSY);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	/* The lock goes with its process, the file stays. */
	assert_int_equal(state_lock_holder(PATH), 0);
	assert_int_equal(access(PATH, F_OK), 0);
	holder = -1;
	assert_int_equal(state_lock_take(PATH, &lock, &holder), 0);
	assert_int_equal(holder, 0);
	assert_int_equal(state_lock_holder(PATH), getpid());
	state_lock_free(lock);
	assert_int_equal(state_lock_holder(PATH), 0);
}

static void one_process_cannot_take_it_twice_either(void **state)
{
	struct state_lock *lock = NULL, *other = NULL;
	pid_t holder;

	assert_int_equal(state_lock_take(PATH, &lock, NULL), 0);
	assert_int_equal(state_lock_take(PATH, &other, &holder), -EBUSY);
	assert_int_equal(holder, getpid());
	state_lock_free(lock);
	state_lock_free(NULL);
}

static void only_the_owner_can_open_the_file(void **state)
{
	struct state_lock *lock = NULL;
	struct stat status;
	mode_t before = umask(0);

	unlink(PATH);
	assert_int_equal(state_lock_take(PATH, &lock, NULL), 0);
	umask(before);
	assert_int_equal(stat(PATH, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	state_lock_free(lock);
}

static void waiting_ends_when_the_other_does(void **state)
{
	struct state_lock *lock = NULL;
	pid_t child = holding_child(150), holder;

	assert_int_equal(state_lock_wait(PATH, 30 * USEC_PER_SEC, &lock, &holder), 0);
	assert_int_equal(state_lock_holder(PATH), getpid());
	state_lock_free(lock);
	waitpid(child, NULL, 0);
}

static void waiting_ends_at_its_deadline(void **state)
{
	struct state_lock *lock = NULL;
	pid_t child = holding_child(0), holder = 0;

	assert_int_equal(state_lock_wait(PATH, 60 * USEC_PER_MSEC, &lock, &holder), -EBUSY);
	assert_int_equal(holder, child);
	assert_int_equal(state_lock_wait(PATH, 0, &lock, &holder), -EBUSY);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void a_lock_on_a_file_that_was_removed_counts_no_more(void **state)
{
	struct state_lock *lock = NULL, *other = NULL;

	assert_int_equal(state_lock_take(PATH, &lock, NULL), 0);
	assert_int_equal(unlink(PATH), 0);
	assert_int_equal(state_lock_holder(PATH), 0);
	assert_int_equal(state_lock_take(PATH, &other, NULL), 0);
	state_lock_free(lock);
	assert_int_equal(state_lock_holder(PATH), getpid());
	state_lock_free(other);
}

static void asking_who_holds_it_never_stands_in_the_way(void **state)
{
	struct state_lock *lock = NULL;
	pid_t child = fork();

	if (!child) {
		alarm(60);
		for (;;)
			state_lock_holder(PATH);
	}
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(state_lock_take(PATH, &lock, NULL), 0);
		state_lock_free(lock);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void a_holder_without_a_number_is_still_a_holder(void **state)
{
	struct state_lock *lock = NULL, *other = NULL;
	pid_t holder = -1;

	assert_int_equal(state_lock_take(PATH, &lock, NULL), 0);
	assert_int_equal(truncate(PATH, 0), 0);
	assert_int_equal(state_lock_holder(PATH), -EBUSY);
	assert_int_equal(state_lock_take(PATH, &other, &holder), -EBUSY);
	assert_int_equal(holder, 0);
	state_lock_free(lock);
}

static void a_link_is_not_followed_and_a_missing_folder_is_told(void **state)
{
	struct state_lock *lock = NULL;

	assert_int_equal(symlink(PATH, "link"), 0);
	assert_int_equal(state_lock_take("link", &lock, NULL), -ELOOP);
	unlink("link");
	assert_int_equal(state_lock_take("none/lock", &lock, NULL), -ENOENT);
	assert_int_equal(state_lock_holder("none/lock"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_is_told_who_was_first),
		cmocka_unit_test(one_process_cannot_take_it_twice_either),
		cmocka_unit_test(only_the_owner_can_open_the_file),
		cmocka_unit_test(waiting_ends_when_the_other_does),
		cmocka_unit_test(waiting_ends_at_its_deadline),
		cmocka_unit_test(a_lock_on_a_file_that_was_removed_counts_no_more),
		cmocka_unit_test(asking_who_holds_it_never_stands_in_the_way),
		cmocka_unit_test(a_holder_without_a_number_is_still_a_holder),
		cmocka_unit_test(a_link_is_not_followed_and_a_missing_folder_is_told),
	};

	return cmocka_run_group_tests_name("state_lock", tests, enter_folder, leave_folder);
}
