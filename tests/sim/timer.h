/* One timer that can be moved. It outlives what it wakes: events that were asked for earlier come
 * to nothing. */
#pragma once

#include "network.h"

struct timer {
	struct network *network;
	usec_t armed;
	usec_t pending; /* the earliest event that is under way */
	void (*on_time)(void *owner, usec_t now);
	void *owner;
};

static inline void timer_init(struct timer *timer, struct network *network,
			      void (*on_time)(void *owner, usec_t now), void *owner)
{
	*timer = (struct timer){.network = network,
				.armed = USEC_NEVER,
				.pending = USEC_NEVER,
				.on_time = on_time,
				.owner = owner};
}

static inline void timer_set(struct timer *timer, usec_t when);

static inline void timer_fire(void *owner, usec_t now)
{
	struct timer *timer = owner;

	if (now >= timer->pending)
		timer->pending = USEC_NEVER;
	if (now < timer->armed) {
		timer_set(timer, timer->armed);
		return;
	}
	timer->armed = USEC_NEVER;
	timer->on_time(timer->owner, now);
}

static inline void timer_set(struct timer *timer, usec_t when)
{
	timer->armed = when;
	if (when >= timer->pending || when == USEC_NEVER)
		return;
	timer->pending = when;
	network_at(timer->network, when, timer_fire, timer);
}
