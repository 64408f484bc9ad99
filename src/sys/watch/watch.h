/* Tells when a file loses its name: removed, renamed, or replaced by another one (inotify(7)). */
#pragma once

struct loop;
struct watch;

/* The file exists now. on_gone is called once, from the loop, and may free the watch. 0 or -errno.
 */
int watch_new(struct loop *loop, const char *path, void (*on_gone)(void *owner), void *owner,
	      struct watch **ret_watch);
void watch_free(struct watch *watch);
