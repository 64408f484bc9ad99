/* One instance at a time: a lock on a file that holds the owner's process id (fcntl(2), open file
 * description locks: asking who has it never stands in anybody's way). The lock is gone with its
 * process, however that dies; the file stays. */
#pragma once

#include <sys/types.h>

#include "base/time.h"

struct state_lock;

/* Takes the lock and writes our process id; call it in the process that stays (after
 * state_daemon_begin()). 0 or -errno: -EBUSY another one has it, and *ret_holder (may be NULL) is
 * its process id, 0 when it is not known. */
int state_lock_take(const char *path, struct state_lock **ret_lock, pid_t *ret_holder);
/* The same, but waits as long as timeout for the other one. Blocks; for commands, not for daemons.
 */
int state_lock_wait(const char *path, usec_t timeout, struct state_lock **ret_lock,
		    pid_t *ret_holder);
/* NULL is fine. */
void state_lock_free(struct state_lock *lock);
/* Who holds the lock: 0 nobody (or the file does not exist), else its process id, or -errno
 * (-EBUSY: somebody whose process id is not known). */
pid_t state_lock_holder(const char *path);
