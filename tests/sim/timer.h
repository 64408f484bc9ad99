/* One timer that can be moved. It outlives what it wakes: events that were asked for earlier come
 * to nothing. */
#pragma once

#include "network.h"

struct timer {
	struct network *network;
	usec_t armed;
	void (*on_time)(void *owner, usec_t now);
	void *owner;
};

static inline void timer_fire(void *owner, usec_t now)
{
	struct timer *timer = owner;

	if (now < timer->armed)
		return;
	timer->armed = USEC_NEVER;
	timer->on_time(timer->owner, now);
}

static inline void timer_init(struct timer *timer, struct network *network,
			      void (*on_time)(void *owner, usec_t now), void *owner)
{
	*timer = (struct timer){
		.network = network, .armed = USEC_NEVER, .on_time = on_time, .owner = owner};
}

static inline void timer_set(struct timer *timer, usec_t when)
{
	usec_t before = timer->armed;

	timer->armed = when;
	/* An event that comes no later is under way already, and is not lost by being early. */
	if (when != USEC_NEVER && when < before)
		network_at(timer->network, when, timer_fire, timer);
}
