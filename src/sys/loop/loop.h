/* One thread's event loop: epoll, a heap of timers, signals. Any callback may add, change or remove
 * any source or timer, its own included. Nothing here is thread-safe except loop_wake(). In a turn
 * the sources' callbacks run before the timers', so that an answer which waits in a socket is seen
 * before the timer that gives up on it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

struct loop;

/* Lives in its owner: zero-initialise, fill the first four, loop_add(). events: EPOLLIN etc. */
struct loop_source {
	int fd;
	uint32_t events;
	void (*on_event)(void *owner, uint32_t events);
	void *owner;
	struct loop *loop; /* NULL when not added; the loop's */
	size_t slot;       /* the loop's */
};

struct loop_timer {
	void (*on_timer)(void *owner, usec_t now);
	void *owner;
	usec_t deadline; /* read only; USEC_NEVER or 0 when not armed */
	size_t place;    /* the loop's: heap position + 1, 0 when not armed */
};

/* NULL when the kernel has no more descriptors (errno). */
struct loop *loop_new(void);
/* Touches no source and no timer: their owners go before the loop, or never call it again. Signals
 * stay blocked, so a second SIGTERM does not interrupt the way out. */
void loop_free(struct loop *loop);

/* CLOCK_BOOTTIME, read once per turn (fresh after each wait). */
usec_t loop_now(const struct loop *loop);

/* 0 or -errno. */
int loop_add(struct loop *loop, struct loop_source *source);
void loop_change(struct loop_source *source, uint32_t events);
/* Before the descriptor is closed. No event comes after it, also none that was already fetched. */
void loop_remove(struct loop_source *source);

/* Absolute deadline; USEC_NEVER disarms. A deadline in the past fires in the next turn. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, usec_t deadline);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/* Blocks these signals in the process (call it before threads start) and delivers them to
 * on_signal. 0 or -errno; once per loop, then -EALREADY. */
int loop_on_signals(struct loop *loop, const int *signals, size_t count,
		    void (*on_signal)(void *owner, int signal), void *owner);

/* Runs until loop_stop(), which may come before. 0 or -errno of epoll_wait. */
int loop_run(struct loop *loop);
/* One turn, waiting at most max_wait. */
int loop_turn(struct loop *loop, usec_t max_wait);
/* loop_run() returns after this turn. */
void loop_stop(struct loop *loop);
/* From any thread: ends the current wait. */
void loop_wake(struct loop *loop);
