/* The loop's timers, earliest first; among equal times the one set first. A binary heap of the
 * owners' timers: it never owns them. A private header of this room. */
#pragma once

#include <stddef.h>

#include "sys/loop/loop.h"

struct timer_heap_entry {
	usec_t time;
	uint64_t sequence;
	struct loop_timer *timer;
};

struct timer_heap {
	struct timer_heap_entry *entries;
	size_t count, capacity;
	uint64_t sequence;
};

void timer_heap_done(struct timer_heap *heap);
/* Adds the timer, or moves it. */
void timer_heap_set(struct timer_heap *heap, struct loop_timer *timer, usec_t time);
/* Nothing happens when the timer is not in the heap. */
void timer_heap_remove(struct timer_heap *heap, struct loop_timer *timer);
/* USEC_NEVER when empty. */
usec_t timer_heap_earliest(const struct timer_heap *heap);
/* Takes out the earliest timer whose time is not after now; NULL when there is none. */
struct loop_timer *timer_heap_pop_due(struct timer_heap *heap, usec_t now);
