#include "sys/state/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

/* The kernel cannot wait for a lock with a time limit; asking this often is soon enough for a
 * person. */
#define WAIT_STEP (20 * USEC_PER_MSEC)

struct state_lock {
	int fd;
};

static int lock_file(int fd, int command, struct flock *ret_lock)
{
	*ret_lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
	return fcntl(fd, command, ret_lock) ? -errno : 0;
}

/* 0 when it is not there or not a number. */
static pid_t read_holder(int fd)
{
	char text[16] = "";
	uint64_t id;

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return 0;
	return text_to_u64(text_trim(text), INT32_MAX, &id) ? 0 : (pid_t)id;
}

/* Only comfort: a full disk does not keep the lock from being held. */
static void write_holder(int fd)
{
	char text[16];
	int size = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)size, 0) < 0)
		return;
}

static bool is_same_file(int fd, const char *path)
{
	struct stat ours, there;

	return !fstat(fd, &ours) && !stat(path, &there) && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

int state_lock_take(const char *path, struct state_lock **ret_lock, pid_t *ret_holder)
{
	struct flock lock;
	int fd, error;

	if (ret_holder)
		*ret_holder = 0;
	for (;;) {
		/* 0600: who can open the file can hold the lock against us. */
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		error = lock_file(fd, F_OFD_SETLK, &lock);
		if (error || is_same_file(fd, path))
			break;
		/* The file was removed between open and lock: another would lock a new one. */
		close(fd);
	}
	if (error == -EAGAIN || error == -EACCES) {
		error = -EBUSY;
		if (ret_holder)
			*ret_holder = read_holder(fd);
	}
	if (error) {
		close(fd);
		return error;
	}
	write_holder(fd);
	*ret_lock = new (struct state_lock);
	(*ret_lock)->fd = fd;
	return 0;
}

int state_lock_wait(const char *path, usec_t timeout, struct state_lock **ret_lock,
		    pid_t *ret_holder)
{
	const struct timespec step = {.tv_nsec = WAIT_STEP * 1000};
	int error;

	for (usec_t waited = 0;; waited += WAIT_STEP) {
		error = state_lock_take(path, ret_lock, ret_holder);
		if (error != -EBUSY || waited >= timeout)
			return error;
		nanosleep(&step, NULL);
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
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), error;
	struct flock lock;
	pid_t holder = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	error = lock_file(fd, F_OFD_GETLK, &lock);
	if (!error && lock.l_type != F_UNLCK) {
		holder = read_holder(fd);
		error = holder ? 0 : -EBUSY;
	}
	close(fd);
	return error ? error : holder;
}
