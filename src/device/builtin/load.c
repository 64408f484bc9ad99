/* How many workers there are: one more when one of them has no time left and the machine has, one
 * less when they have little to do for long. An idle processor that wakes for a second worker makes
 * round trips longer, so few are better. */
#include <time.h>

#include "device/builtin/builtin_private.h"

#define LOOK_INTERVAL  (200 * USEC_PER_MSEC)
/* Further apart, the two looks say nothing of the present. */
#define LOOK_MAX       (2 * USEC_PER_SEC)
#define TIMER_INTERVAL (1 * USEC_PER_SEC)
/* In percent of one processor. */
#define BUSY           85
#define QUIET          50 /* all workers together */
#define QUIET_TIME     (30 * USEC_PER_SEC)
/* After a worker could not be attached. */
#define RETRY_TIME     (30 * USEC_PER_SEC)
/* A peer that moved data in this time is active. */
#define ACTIVE_TIME    (1 * USEC_PER_SEC)

static usec_t cpu_of(const struct builtin *builtin, unsigned number)
{
	clockid_t clock = CLOCK_THREAD_CPUTIME_ID;
	struct timespec time;

	if (number && pthread_getcpuclockid(builtin->workers[number].thread, &clock))
		return 0;
	if (clock_gettime(clock, &time))
		return 0;
	return (usec_t)time.tv_sec * USEC_PER_SEC + (usec_t)time.tv_nsec / 1000;
}

/* The kernel gives all datagrams of one source to one socket, and answers in the interface's queue
 * follow what came out there: a second worker has a share only of another peer's. */
static bool has_two_active_peers(const struct builtin *builtin, usec_t now)
{
	const struct wg_peer *peer;
	unsigned active = 0;

	list_for_each (peer, &builtin->wg->peers, entry) {
		if (peer->last_data && usec_since(now, peer->last_data) < ACTIVE_TIME &&
		    ++active == 2)
			return true;
	}
	return false;
}

void load_attach(struct builtin *builtin, usec_t now)
{
	struct load *load = &builtin->load;

	if (workers_attach(builtin)) {
		load->retry_at = now + RETRY_TIME;
		return;
	}
	load->cpu[builtin->running - 1] = cpu_of(builtin, builtin->running - 1);
	load->quiet_since = now;
	loop_timer_set(builtin->loop, &load->timer, now + TIMER_INTERVAL);
}

enum load_wish load_judge(struct load *load, usec_t now, const usec_t *cpu, unsigned running)
{
	usec_t passed = usec_since(now, load->looked_at), most = 0, all = 0;

	load->looked_at = now;
	for (unsigned i = 0; i < running; i++) {
		usec_t spent = usec_since(cpu[i], load->cpu[i]);

		load->cpu[i] = cpu[i];
		most = spent > most ? spent : most;
		all += spent;
	}
	if (passed > LOOK_MAX)
		return LOAD_FINE;
	if (all * 100 >= passed * QUIET)
		load->quiet_since = now;
	if (most * 100 >= passed * BUSY)
		return running < load->workers_max && now >= load->retry_at ? LOAD_ONE_MORE
									    : LOAD_FINE;
	return running > 1 && usec_since(now, load->quiet_since) >= QUIET_TIME ? LOAD_ONE_LESS
									       : LOAD_FINE;
}

static enum load_wish wish(struct builtin *builtin, usec_t now)
{
	usec_t cpu[BUILTIN_WORKERS_MAX];

	for (unsigned i = 0; i < builtin->running; i++)
		cpu[i] = cpu_of(builtin, i);
	return load_judge(&builtin->load, now, cpu, builtin->running);
}

void load_look(struct builtin *builtin, usec_t now)
{
	const struct load *load = &builtin->load;

	if (load->workers_max < 2 || usec_since(now, load->looked_at) < LOOK_INTERVAL)
		return;
	if (wish(builtin, now) == LOAD_ONE_MORE && has_two_active_peers(builtin, now))
		load_attach(builtin, now);
}

void load_on_timer(void *owner, usec_t now)
{
	struct builtin *builtin = owner;
	struct load *load = &builtin->load;

	switch (wish(builtin, now)) {
	case LOAD_ONE_MORE:
		if (has_two_active_peers(builtin, now))
			load_attach(builtin, now);
		break;
	case LOAD_ONE_LESS:
		workers_detach(builtin);
		load->quiet_since = now;
		break;
	case LOAD_FINE:
		break;
	}
	if (builtin->running > 1)
		loop_timer_set(builtin->loop, &load->timer, now + TIMER_INTERVAL);
	builtin_settle(builtin);
}
