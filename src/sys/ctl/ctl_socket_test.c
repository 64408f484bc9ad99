#include <fcntl.h>
#include <grp.h>
#include <sys/wait.h>

#include "sys/ctl/test_folder.h"

static mode_t mode_of(const char *path)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status.st_mode & 07777;
}

static void without_a_group_only_the_owner_may_connect(void **state)
{
	struct stat identity;
	mode_t before = umask(0);
	int fd;

	assert_int_equal(ctl_socket_listen("a.sock", NULL, &fd, &identity), 0);
	assert_int_equal(mode_of("a.sock"), 0600);
	umask(before);
	assert_int_equal(access("a.sock.new", F_OK), -1);
	ctl_socket_remove("a.sock", &identity);
	close(fd);
	assert_int_equal(ctl_socket_listen("a.sock", "no-such-group-here", &fd, &identity), 0);
	assert_int_equal(mode_of("a.sock"), 0600);
	ctl_socket_remove("a.sock", &identity);
	close(fd);
}

static void with_a_group_its_members_may_connect(void **state)
{
	struct group *group;
	struct stat identity, status;
	int fd;

	if (geteuid())
		skip();
	/* Any group that is not ours. */
	setgrent();
	while ((group = getgrent()) && group->gr_gid == getegid())
		;
	if (!group)
		skip();
	assert_int_equal(ctl_socket_listen("a.sock", group->gr_name, &fd, &identity), 0);
	assert_int_equal(lstat("a.sock", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
	assert_int_equal(status.st_gid, group->gr_gid);
	assert_int_equal(status.st_uid, geteuid());
	endgrent();
	ctl_socket_remove("a.sock", &identity);
	close(fd);
}

static void a_socket_somebody_listens_on_is_left_alone(void **state)
{
	struct stat identity, now;
	int fd, other = -1, client;

	assert_int_equal(ctl_socket_listen("a.sock", NULL, &fd, &identity), 0);
	assert_int_equal(ctl_socket_listen("a.sock", NULL, &other, &now), -EADDRINUSE);
	assert_int_equal(lstat("a.sock", &now), 0);
	assert_int_equal(now.st_ino, identity.st_ino);
	client = connected("a.sock");
	close(client);
	close(fd);
	unlink("a.sock");
}

static void a_stale_socket_is_replaced(void **state)
{
	struct stat identity;
	int fd;

	assert_int_equal(ctl_socket_listen("a.sock", NULL, &fd, &identity), 0);
	close(fd);
	assert_int_equal(ctl_socket_listen("a.sock", NULL, &fd, &identity), 0);
	close(connected("a.sock"));
	close(fd);
	/* Also what was left by one that was killed before it was finished. */
	assert_int_equal(rename("a.sock", "a.sock.new"), 0);
	assert_int_equal(ctl_socket_listen("a.sock", NULL, &fd, &identity), 0);
	assert_int_equal(access("a.sock.new", F_OK), -1);
	ctl_socket_remove("a.sock", &identity);
	close(fd);
}

static void what_is_no_socket_is_never_replaced(void **state)
{
	struct stat identity;
	int fd = open("a.sock", O_CREAT | O_WRONLY, 0600);

	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(ctl_socket_listen("a.sock", NULL, &fd, &identity), -EEXIST);
	assert_int_equal(lstat("a.sock", &identity), 0);
	assert_int_equal(identity.st_size, 1);
	unlink("a.sock");
}

static void errors_have_their_own_numbers(void **state)
{
	char path[200];
	struct stat identity;
	int fd;

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(ctl_socket_listen(path, NULL, &fd, &identity), -ENAMETOOLONG);
	assert_int_equal(ctl_socket_listen("", NULL, &fd, &identity), -ENAMETOOLONG);
	assert_int_equal(ctl_socket_listen("none/a.sock", NULL, &fd, &identity), -ENOENT);
}

static void another_file_of_that_name_is_not_removed(void **state)
{
	struct stat first, second;
	int fd, other;

	assert_int_equal(ctl_socket_listen("a.sock", NULL, &fd, &first), 0);
	/* The first still has its inode, so that the number is not given out again. */
	assert_int_equal(rename("a.sock", "b.sock"), 0);
	assert_int_equal(ctl_socket_listen("a.sock", NULL, &other, &second), 0);
	ctl_socket_remove("a.sock", &first);
	assert_int_equal(access("a.sock", F_OK), 0);
	ctl_socket_remove("a.sock", &second);
	assert_int_equal(access("a.sock", F_OK), -1);
	ctl_socket_remove("b.sock", &first);
	close(fd);
	close(other);
}

static void only_a_unix_socket_that_listens_under_a_name_is_inherited(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[CTL_PATH_SIZE], expected[CTL_PATH_SIZE];
	struct stat identity;
	int file = open("/dev/null", O_RDONLY), fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(ctl_socket_inspect(-1, path, &identity), -ENOTSOCK);
	assert_int_equal(ctl_socket_inspect(file, path, &identity), -ENOTSOCK);
	assert_int_equal(ctl_socket_inspect(fd, path, &identity), -EINVAL);
	snprintf(expected, sizeof(expected), "%s/a.sock", test_folder);
	strcpy(address.sun_path, expected);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(ctl_socket_inspect(fd, path, &identity), -EINVAL);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(ctl_socket_inspect(fd, path, &identity), 0);
	assert_string_equal(path, expected);
	ctl_socket_remove("a.sock", &identity);
	assert_int_equal(ctl_socket_inspect(fd, path, &identity), -EINVAL);
	close(fd);
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_group_only_the_owner_may_connect),
		cmocka_unit_test(with_a_group_its_members_may_connect),
		cmocka_unit_test(a_socket_somebody_listens_on_is_left_alone),
		cmocka_unit_test(a_stale_socket_is_replaced),
		cmocka_unit_test(what_is_no_socket_is_never_replaced),
		cmocka_unit_test(errors_have_their_own_numbers),
		cmocka_unit_test(only_a_unix_socket_that_listens_under_a_name_is_inherited),
		cmocka_unit_test(another_file_of_that_name_is_not_removed),
	};

	return cmocka_run_group_tests_name("ctl_socket", tests, enter_folder, leave_folder);
}
