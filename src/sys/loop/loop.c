#include "sys/loop/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/loop/timer_heap.h"

/* More wait for the next turn; small, so that timers are looked at often. */
#define EVENTS_PER_TURN 64

/* epoll hands back slot and generation, never a pointer: an event of a source that was removed
 * earlier in the same turn, or whose descriptor lives on in a child process, finds another
 * generation. */
struct slot {
	struct loop_source *source; /* NULL: free */
	uint32_t generation;
};

struct loop {
	int epoll;
	usec_t now;
	bool is_stopping;
	struct slot *slots;
	size_t slot_count;

	struct timer_heap timers;
	/* CLOCK_BOOTTIME, because the timeout of epoll_wait stands still in suspend. */
	struct loop_source alarm;
	usec_t alarm_time; /* USEC_NEVER: not set */

	struct loop_source waker;
	struct loop_source signals; /* fd is -1 until loop_on_signals() */
	void (*on_signal)(void *owner, int signal);
	void *signal_owner;
};

static usec_t read_clock(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (usec_t)time.tv_sec * USEC_PER_SEC + (usec_t)time.tv_nsec / 1000;
}

static void on_alarm(void *owner, uint32_t events)
{
	struct loop *loop = owner;
	uint64_t expirations;

	if (read(loop->alarm.fd, &expirations, sizeof(expirations)) > 0)
		loop->alarm_time = USEC_NEVER;
}

static void on_wake(void *owner, uint32_t events)
{
	struct loop *loop = owner;
	uint64_t calls;

	if (read(loop->waker.fd, &calls, sizeof(calls)) < 0)
		return;
}

static void on_signal_waiting(void *owner, uint32_t events)
{
	struct loop *loop = owner;
	struct signalfd_siginfo info;

	while (read(loop->signals.fd, &info, sizeof(info)) == sizeof(info))
		loop->on_signal(loop->signal_owner, (int)info.ssi_signo);
}

static int add_internal(struct loop *loop, struct loop_source *source, int fd,
			void (*on_event)(void *owner, uint32_t events))
{
	*source = (struct loop_source){
		.fd = fd, .events = EPOLLIN, .on_event = on_event, .owner = loop};
	return fd < 0 ? -errno : loop_add(loop, source);
}

struct loop *loop_new(void)
{
	struct loop *loop = new (struct loop);
	int error;

	loop->alarm_time = USEC_NEVER;
	loop->alarm.fd = loop->waker.fd = loop->signals.fd = -1;
	loop->now = read_clock();
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	error = loop->epoll < 0 ? -errno : 0;
	if (!error)
		error = add_internal(loop, &loop->alarm,
				     timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK),
				     on_alarm);
	if (!error)
		error = add_internal(loop, &loop->waker, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
				     on_wake);
	if (error) {
		loop_free(loop);
		errno = -error;
		return NULL;
	}
	return loop;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close_if_open(loop->alarm.fd);
	close_if_open(loop->waker.fd);
	close_if_open(loop->signals.fd);
	close_if_open(loop->epoll);
	timer_heap_done(&loop->timers);
	free(loop->slots);
	free(loop);
}

usec_t loop_now(const struct loop *loop)
{
	return loop->now;
}

static size_t find_free_slot(struct loop *loop)
{
	size_t old = loop->slot_count, slot;

	for (slot = 0; slot < old; slot++) {
		if (!loop->slots[slot].source)
			return slot;
	}
	loop->slot_count = old ? 2 * old : 16;
	loop->slots = memory_resize(loop->slots, loop->slot_count, sizeof(*loop->slots));
	for (slot = old; slot < loop->slot_count; slot++)
		loop->slots[slot] = (struct slot){0};
	return old;
}

static int control(struct loop_source *source, int operation)
{
	struct loop *loop = source->loop;
	struct epoll_event event = {
		.events = source->events,
		.data.u64 = (uint64_t)loop->slots[source->slot].generation << 32 | source->slot,
	};

	return epoll_ctl(loop->epoll, operation, source->fd, &event) ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_source *source)
{
	int error;

	source->loop = loop;
	source->slot = find_free_slot(loop);
	error = control(source, EPOLL_CTL_ADD);
	if (error)
		source->loop = NULL;
	else
		loop->slots[source->slot].source = source;
	return error;
}

void loop_change(struct loop_source *source, uint32_t events)
{
	if (source->events == events)
		return;
	source->events = events;
	if (source->loop)
		control(source, EPOLL_CTL_MOD);
}

void loop_remove(struct loop_source *source)
{
	struct slot *slot;

	if (!source->loop)
		return;
	/* Fails when the descriptor is closed already; the slot is what counts. */
	control(source, EPOLL_CTL_DEL);
	slot = &source->loop->slots[source->slot];
	slot->source = NULL;
	slot->generation++;
	source->loop = NULL;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, usec_t deadline)
{
	if (deadline == USEC_NEVER) {
		loop_timer_stop(loop, timer);
		return;
	}
	timer->deadline = deadline;
	/* Overdue already and overdue again: it keeps its place, or a source that sets it with
	 * every event would put it off for ever. */
	if (deadline <= loop->now && timer->place &&
	    loop->timers.entries[timer->place - 1].time <= loop->now)
		return;
	/* Never due in this turn: a timer that sets itself into the past must not starve the
	 * sockets. */
	timer_heap_set(&loop->timers, timer, deadline > loop->now ? deadline : loop->now + 1);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	timer_heap_remove(&loop->timers, timer);
	timer->deadline = USEC_NEVER;
}

int loop_on_signals(struct loop *loop, const int *signals, size_t count,
		    void (*on_signal)(void *owner, int signal), void *owner)
{
	sigset_t set;
	int fd;

	if (loop->signals.fd >= 0)
		return -EALREADY;
	sigemptyset(&set);
	for (size_t i = 0; i < count; i++)
		sigaddset(&set, signals[i]);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL)) {
		int error = -errno;

		close_if_open(fd);
		return error;
	}
	loop->on_signal = on_signal;
	loop->signal_owner = owner;
	return add_internal(loop, &loop->signals, fd, on_signal_waiting);
}

/* Lets the wait end at `time`. An alarm that rings too early costs one empty turn, a call per
 * change of the earliest timer would cost more: so it is only ever moved forward. */
static void set_alarm(struct loop *loop, usec_t time)
{
	struct itimerspec when = {.it_value = {.tv_sec = (time_t)(time / USEC_PER_SEC),
					       .tv_nsec = (long)(time % USEC_PER_SEC) * 1000}};

	if (time >= loop->alarm_time)
		return;
	loop->alarm_time = time;
	timerfd_settime(loop->alarm.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static int wait_for_events(struct loop *loop, usec_t max_wait, struct epoll_event *events)
{
	usec_t end = USEC_NEVER;
	int count;

	if (max_wait && max_wait != USEC_NEVER)
		end = read_clock() + max_wait;
	if (max_wait)
		set_alarm(loop, usec_earlier(end, timer_heap_earliest(&loop->timers)));
	count = epoll_wait(loop->epoll, events, EVENTS_PER_TURN, max_wait ? -1 : 0);
	loop->now = read_clock();
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	return count;
}

static void dispatch(struct loop *loop, const struct epoll_event *event)
{
	struct slot *slot = &loop->slots[(uint32_t)event->data.u64];

	if (slot->source && slot->generation == event->data.u64 >> 32)
		slot->source->on_event(slot->source->owner, event->events);
}

int loop_turn(struct loop *loop, usec_t max_wait)
{
	struct epoll_event events[EVENTS_PER_TURN];
	struct loop_timer *timer;
	int count = wait_for_events(loop, max_wait, events);

	if (count < 0)
		return count;
	/* Sockets first: after a suspend, or when the machine was busy, an answer that waits there
	 * keeps the timer that gives up on it from firing. */
	for (int i = 0; i < count; i++)
		dispatch(loop, &events[i]);
	while ((timer = timer_heap_pop_due(&loop->timers, loop->now))) {
		timer->deadline = USEC_NEVER;
		timer->on_timer(timer->owner, loop->now);
	}
	return 0;
}

int loop_run(struct loop *loop)
{
	int error = 0;

	while (!loop->is_stopping && !error)
		error = loop_turn(loop, USEC_NEVER);
	loop->is_stopping = false;
	return error;
}

void loop_stop(struct loop *loop)
{
	loop->is_stopping = true;
}

void loop_wake(struct loop *loop)
{
	uint64_t one = 1;

	/* Fails only when 2^64 - 2 calls are unread; then the loop is awake anyway. */
	if (write(loop->waker.fd, &one, sizeof(one)) < 0)
		return;
}
