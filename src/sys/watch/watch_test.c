#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/loop/loop.h"
#include "sys/watch/watch.h"

#include <cmocka.h>

static char folder[] = "/tmp/watch-test-XXXXXX";
static char path[64], other[64];
static struct loop *loop;
static struct watch *watch;
static int calls;

static void on_gone(void *owner)
{
	calls++;
	loop_stop(loop);
}

static void make_file(const char *name)
{
	close(open(name, O_CREAT | O_WRONLY, 0600));
}

static int set_up(void **state)
{
	loop = loop_new();
	calls = 0;
	make_file(path);
	return watch_new(loop, path, on_gone, NULL, &watch);
}

static int tear_down(void **state)
{
	watch_free(watch);
	loop_free(loop);
	unlink(path);
	unlink(other);
	return 0;
}

static int make_folder(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/file", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	return 0;
}

static int remove_folder(void **state)
{
	return rmdir(folder);
}

/* Events of inotify are there when the call that caused them returns. */
static void turn(void)
{
	for (int i = 0; i < 3; i++)
		loop_turn(loop, 0);
}

static void a_removed_file_is_told_once(void **state)
{
	turn();
	assert_int_equal(calls, 0);
	unlink(path);
	turn();
	assert_int_equal(calls, 1);
	make_file(path);
	unlink(path);
	turn();
	assert_int_equal(calls, 1);
}

static void a_replaced_file_is_told(void **state)
{
	make_file(other);
	rename(other, path);
	turn();
	assert_int_equal(calls, 1);
}

static void a_renamed_file_is_told(void **state)
{
	rename(path, other);
	turn();
	assert_int_equal(calls, 1);
}

static void a_changed_mode_is_not_told(void **state)
{
	chmod(path, 0644);
	turn();
	assert_int_equal(calls, 0);
}

static void a_listening_socket_that_loses_its_name_is_told(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct watch *second = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", other);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(watch_new(loop, other, on_gone, NULL, &second), 0);
	unlink(other);
	turn();
	assert_int_equal(calls, 1);
	watch_free(second);
	close(fd);
}

static void a_missing_file_is_refused(void **state)
{
	struct watch *second = NULL;

	assert_int_equal(watch_new(loop, other, on_gone, NULL, &second), -ENOENT);
}

#define watch_unit_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		watch_unit_test(a_removed_file_is_told_once),
		watch_unit_test(a_replaced_file_is_told),
		watch_unit_test(a_renamed_file_is_told),
		watch_unit_test(a_changed_mode_is_not_told),
		watch_unit_test(a_listening_socket_that_loses_its_name_is_told),
		watch_unit_test(a_missing_file_is_refused),
	};

	return cmocka_run_group_tests_name("watch", tests, make_folder, remove_folder);
}
