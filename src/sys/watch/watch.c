#include "sys/watch/watch.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/loop/loop.h"

struct watch {
	struct loop_source source;
	char *path;
	dev_t device;
	ino_t inode;
	void (*on_gone)(void *owner);
	void *owner;
};

static bool is_there(const struct watch *watch)
{
	struct stat status;

	return !lstat(watch->path, &status) && status.st_dev == watch->device &&
	       status.st_ino == watch->inode;
}

/* The events only say that it is time to look. */
static void on_event(void *owner, uint32_t events)
{
	struct watch *watch = owner;
	char record[4096];

	while (read(watch->source.fd, record, sizeof(record)) > 0)
		;
	if (is_there(watch))
		return;
	loop_remove(&watch->source);
	watch->on_gone(watch->owner);
}

static int watch_open(struct watch *watch, struct loop *loop)
{
	struct stat status;
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0)
		return -errno;
	watch->source = (struct loop_source){
		.fd = fd, .events = EPOLLIN, .on_event = on_event, .owner = watch};
	/* ATTRIB: the number of links changed. An open socket keeps its inode, so that DELETE_SELF
	 * never comes for it. */
	if (inotify_add_watch(fd, watch->path,
			      IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW) < 0 ||
	    lstat(watch->path, &status))
		return -errno;
	watch->device = status.st_dev;
	watch->inode = status.st_ino;
	return loop_add(loop, &watch->source);
}

int watch_new(struct loop *loop, const char *path, void (*on_gone)(void *owner), void *owner,
	      struct watch **ret_watch)
{
	struct watch *watch = new (struct watch);
	int result;

	watch->source.fd = -1;
	watch->path = memory_copy_text(path);
	watch->on_gone = on_gone;
	watch->owner = owner;
	result = watch_open(watch, loop);
	if (result)
		watch_free(watch);
	else
		*ret_watch = watch;
	return result;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	loop_remove(&watch->source);
	if (watch->source.fd >= 0)
		close(watch->source.fd);
	free(watch->path);
	free(watch);
}
