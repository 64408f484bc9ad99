#include "sys/state/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

/* flock(2) has no timeout; a command that waits looks this often. */
#define LOOK_EVERY_MS 20

struct state_lock {
	int fd;
};

static pid_t read_holder(int fd)
{
	char text[24] = "";
	ssize_t size = pread(fd, text, sizeof(text) - 1, 0);

	return size > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static int write_holder(int fd)
{
	char text[24];
	int size = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	/* Only for messages: a full disk must not keep anybody from the lock. */
	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)size, 0) != size)
		return 0;
	return 0;
}

int state_lock_take(const char *path, struct state_lock **ret_lock, pid_t *ret_holder)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), error;

	if (ret_holder)
		*ret_holder = 0;
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		error = errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (ret_holder)
			*ret_holder = read_holder(fd);
		close(fd);
		return error;
	}
	write_holder(fd);
	*ret_lock = new (struct state_lock);
	(*ret_lock)->fd = fd;
	return 0;
}

static usec_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
}

int state_lock_wait(const char *path, usec_t timeout, struct state_lock **ret_lock, pid_t *ret_holder)
{
	usec_t end = monotonic() + timeout;

	for (;;) {
		int error = state_lock_take(path, ret_lock, ret_holder);

		if (error != -EBUSY || monotonic() >= end)
			return error;
		poll(NULL, 0, LOOK_EVERY_MS);
	}
}

void state_lock_free(struct state_lock *lock)
{
	if (!lock)
		return;
	close(lock->fd);
	free(lock);
}

pid_t state_lock_holder(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	pid_t holder = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(fd, LOCK_SH | LOCK_NB))
		holder = errno == EWOULDBLOCK ? read_holder(fd) : -errno;
	close(fd);
	return holder;
}
