#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/loop/loop.h"

#include <cmocka.h>

#define LONG_WAIT (20 * USEC_PER_SEC) /* a test that needs it has failed */

/* An eventfd in the loop: ready when raised, counts its calls. */
struct probe {
	struct loop_source source;
	struct loop *loop;
	struct probe *victim;    /* removed by this one's callback */
	struct probe *successor; /* added by this one's callback */
	int *freed;              /* not NULL: it frees itself, and counts that here */
	int calls;
};

static void on_probe(void *owner, uint32_t events)
{
	struct probe *probe = owner;
	uint64_t count;

	assert_int_equal(events, EPOLLIN);
	probe->calls++;
	if (probe->victim)
		loop_remove(&probe->victim->source);
	if (probe->successor)
		assert_int_equal(loop_add(probe->loop, &probe->successor->source), 0);
	if (probe->freed) {
		++*probe->freed;
		loop_remove(&probe->source);
		close(probe->source.fd);
		free(probe);
		return;
	}
	assert_int_equal(read(probe->source.fd, &count, sizeof(count)), sizeof(count));
}

static void probe_init(struct probe *probe, struct loop *loop)
{
	*probe = (struct probe){.loop = loop};
	probe->source = (struct loop_source){.fd = eventfd(0, EFD_NONBLOCK),
					     .events = EPOLLIN,
					     .on_event = on_probe,
					     .owner = probe};
	assert_true(probe->source.fd >= 0);
}

static void probe_raise(struct probe *probe)
{
	uint64_t one = 1;

	assert_int_equal(write(probe->source.fd, &one, sizeof(one)), sizeof(one));
}

static void probe_done(struct probe *probe)
{
	loop_remove(&probe->source);
	close(probe->source.fd);
}

static int set_up(void **state)
{
	*state = loop_new();
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	loop_free(*state);
	return 0;
}

static void a_ready_source_is_called_until_it_is_read(void **state)
{
	struct loop *loop = *state;
	struct probe probe;

	probe_init(&probe, loop);
	assert_int_equal(loop_add(loop, &probe.source), 0);
	assert_int_equal(loop_turn(loop, 0), 0);
	assert_int_equal(probe.calls, 0);
	probe_raise(&probe);
	assert_int_equal(loop_turn(loop, LONG_WAIT), 0);
	assert_int_equal(loop_turn(loop, 0), 0);
	assert_int_equal(probe.calls, 1);
	probe_done(&probe);
}

static void a_changed_source_sees_only_what_it_asked_for(void **state)
{
	struct loop *loop = *state;
	struct probe probe;

	probe_init(&probe, loop);
	loop_change(&probe.source, 0); /* before loop_add: remembered */
	assert_int_equal(loop_add(loop, &probe.source), 0);
	probe_raise(&probe);
	assert_int_equal(loop_turn(loop, 0), 0);
	assert_int_equal(probe.calls, 0);
	loop_change(&probe.source, EPOLLIN);
	assert_int_equal(loop_turn(loop, LONG_WAIT), 0);
	assert_int_equal(probe.calls, 1);
	probe_done(&probe);
}

static void a_source_removed_in_a_turn_gets_none_of_its_events(void **state)
{
	struct loop *loop = *state;
	struct probe a, b;

	/* Whichever comes first removes the other. */
	probe_init(&a, loop);
	probe_init(&b, loop);
	a.victim = &b;
	b.victim = &a;
	assert_int_equal(loop_add(loop, &a.source), 0);
	assert_int_equal(loop_add(loop, &b.source), 0);
	probe_raise(&a);
	probe_raise(&b);
	assert_int_equal(loop_turn(loop, LONG_WAIT), 0);
	assert_int_equal(a.calls + b.calls, 1);
	probe_done(&a);
	probe_done(&b);
}

static void a_source_does_not_inherit_the_events_of_the_one_before_it(void **state)
{
	struct loop *loop = *state;
	struct probe a, b, successor;

	probe_init(&a, loop);
	probe_init(&b, loop);
	probe_init(&successor, loop);
	a.victim = &b;
	b.victim = &a;
	a.successor = b.successor = &successor;
	assert_int_equal(loop_add(loop, &a.source), 0);
	assert_int_equal(loop_add(loop, &b.source), 0);
	probe_raise(&a);
	probe_raise(&b);
	assert_int_equal(loop_turn(loop, LONG_WAIT), 0);
	assert_int_equal(successor.calls, 0);
	probe_done(&a);
	probe_done(&b);
	probe_done(&successor);
}

static void a_source_may_free_itself(void **state)
{
	struct loop *loop = *state;
	struct probe *probe = new (struct probe);
	int freed = 0;

	probe_init(probe, loop);
	probe->freed = &freed;
	assert_int_equal(loop_add(loop, &probe->source), 0);
	probe_raise(probe);
	assert_int_equal(loop_turn(loop, LONG_WAIT), 0);
	assert_int_equal(loop_turn(loop, 0), 0);
	assert_int_equal(freed, 1);
}

static void a_closed_descriptor_that_lives_on_elsewhere_calls_nobody(void **state)
{
	struct loop *loop = *state;
	struct probe probe;
	int copy;

	probe_init(&probe, loop);
	assert_int_equal(loop_add(loop, &probe.source), 0);
	probe_raise(&probe);
	copy = dup(probe.source.fd);
	close(probe.source.fd);
	loop_remove(&probe.source); /* too late for epoll_ctl */
	assert_int_equal(loop_turn(loop, 0), 0);
	assert_int_equal(probe.calls, 0);
	close(copy);
}

static void more_sources_than_one_turn_takes_are_all_served(void **state)
{
	enum { COUNT = 150 };
	struct loop *loop = *state;
	struct probe probes[COUNT];

	for (int i = 0; i < COUNT; i++) {
		probe_init(&probes[i], loop);
		assert_int_equal(loop_add(loop, &probes[i].source), 0);
		probe_raise(&probes[i]);
	}
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_turn(loop, 0), 0);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(probes[i].calls, 1);
		probe_done(&probes[i]);
	}
}

static void a_refused_descriptor_leaves_the_source_unadded(void **state)
{
	struct loop_source source = {.fd = -1, .events = EPOLLIN, .on_event = on_probe};

	assert_int_equal(loop_add(*state, &source), -EBADF);
	assert_null(source.loop);
	loop_remove(&source);
}

/* A timer that appends its name to a text. */
struct bell {
	struct loop_timer timer;
	struct loop *loop;
	char name;
	char *log;
	struct bell *victim; /* stopped when this one rings */
	bool rings_again;
};

static void on_bell(void *owner, usec_t now)
{
	struct bell *bell = owner;

	assert_true(now == loop_now(bell->loop));
	assert_int_equal(bell->timer.place, 0);
	assert_true(bell->timer.deadline == USEC_NEVER);
	while (*bell->log)
		bell->log++;
	*bell->log = bell->name;
	if (bell->victim)
		loop_timer_stop(bell->loop, &bell->victim->timer);
	if (bell->rings_again)
		loop_timer_set(bell->loop, &bell->timer, 1);
}

static struct bell bell_new(struct loop *loop, char name, char *log)
{
	return (struct bell){
		.timer = {.on_timer = on_bell}, .loop = loop, .name = name, .log = log};
}

static void bell_set(struct bell *bell, usec_t deadline)
{
	bell->timer.owner = bell;
	loop_timer_set(bell->loop, &bell->timer, deadline);
}

static void turn_until(struct loop *loop, usec_t time)
{
	while (loop_now(loop) < time)
		assert_int_equal(loop_turn(loop, time - loop_now(loop)), 0);
}

static void timers_ring_in_order_of_deadline_and_then_of_setting(void **state)
{
	struct loop *loop = *state;
	char log[8] = "";
	struct bell a = bell_new(loop, 'a', log), b = bell_new(loop, 'b', log),
		    c = bell_new(loop, 'c', log), d = bell_new(loop, 'd', log);
	usec_t soon = loop_now(loop) + 2 * USEC_PER_MSEC;

	bell_set(&a, soon + 2);
	bell_set(&b, soon + 1);
	bell_set(&c, soon + 2);
	bell_set(&d, soon);
	assert_int_equal(d.timer.deadline, soon);
	turn_until(loop, soon + 2);
	assert_string_equal(log, "dbac");
}

static void a_timer_never_rings_early(void **state)
{
	struct loop *loop = *state;
	char log[8] = "";
	struct bell a = bell_new(loop, 'a', log);

	for (int i = 0; i < 5; i++) {
		usec_t soon = loop_now(loop) + 1500;

		log[0] = '\0';
		a.log = log;
		bell_set(&a, soon);
		while (!log[0])
			assert_int_equal(loop_turn(loop, USEC_NEVER), 0);
		assert_true(loop_now(loop) >= soon);
	}
}

static void a_timer_moved_later_rings_once_and_late(void **state)
{
	struct loop *loop = *state;
	char log[8] = "";
	struct bell a = bell_new(loop, 'a', log);
	usec_t start = loop_now(loop);

	bell_set(&a, start + 1000);
	assert_int_equal(loop_turn(loop, 1), 0);
	bell_set(&a, start + 8000);
	turn_until(loop, start + 7000);
	if (loop_now(loop) < start + 8000)
		assert_string_equal(log, "");
	turn_until(loop, start + 9000);
	assert_string_equal(log, "a");
}

static void an_earlier_timer_shortens_a_wait_that_was_set_for_a_later_one(void **state)
{
	struct loop *loop = *state;
	char log[8] = "";
	struct bell late = bell_new(loop, 'l', log), early = bell_new(loop, 'e', log);
	usec_t start = loop_now(loop);

	bell_set(&late, start + LONG_WAIT);
	loop_wake(loop);
	assert_int_equal(loop_turn(loop, USEC_NEVER), 0);
	bell_set(&early, loop_now(loop) + 1000);
	while (!log[0])
		assert_int_equal(loop_turn(loop, USEC_NEVER), 0);
	assert_string_equal(log, "e");
	loop_timer_stop(loop, &late.timer);
}

static void a_past_deadline_rings_in_the_next_turn_not_in_this_one(void **state)
{
	struct loop *loop = *state;
	char log[8] = "";
	struct bell a = bell_new(loop, 'a', log);

	a.rings_again = true;
	bell_set(&a, 1);
	assert_int_equal(loop_turn(loop, LONG_WAIT), 0);
	assert_string_equal(log, "a");
	assert_int_equal(loop_turn(loop, LONG_WAIT), 0);
	assert_string_equal(log, "aa");
	loop_timer_stop(loop, &a.timer);
}

/* A source with an event in every turn, which sets an overdue timer again each time. */
static void on_restless(void *owner, uint32_t events)
{
	struct bell *bell = owner;

	(void)events;
	loop_timer_set(bell->loop, &bell->timer, 1);
}

static void a_source_cannot_put_off_an_overdue_timer(void **state)
{
	struct loop *loop = *state;
	char log[16] = "";
	struct bell bell = bell_new(loop, 'a', log);
	struct loop_source source = {.fd = eventfd(1, EFD_NONBLOCK),
				     .events = EPOLLIN,
				     .on_event = on_restless,
				     .owner = &bell};

	bell.timer.owner = &bell;
	assert_int_equal(loop_add(loop, &source), 0);
	for (int turn = 0; turn < 5; turn++)
		assert_int_equal(loop_turn(loop, 0), 0);
	loop_remove(&source);
	close(source.fd);
	assert_int_equal(log[0], 'a');
	loop_timer_stop(loop, &bell.timer);
}

static void a_timer_stopped_by_another_of_the_same_turn_stays_silent(void **state)
{
	struct loop *loop = *state;
	char log[8] = "";
	struct bell a = bell_new(loop, 'a', log), b = bell_new(loop, 'b', log);

	a.victim = &b;
	bell_set(&a, 1);
	bell_set(&b, 2);
	assert_int_equal(loop_turn(loop, LONG_WAIT), 0);
	assert_int_equal(loop_turn(loop, 1000), 0);
	assert_string_equal(log, "a");
}

static void never_disarms(void **state)
{
	struct loop *loop = *state;
	char log[8] = "";
	struct bell a = bell_new(loop, 'a', log);

	bell_set(&a, loop_now(loop) + 500);
	bell_set(&a, USEC_NEVER);
	assert_int_equal(a.timer.place, 0);
	turn_until(loop, loop_now(loop) + 2000);
	assert_string_equal(log, "");
}

/* What waits in a socket is news from before the timer: it must be able to stop it. */
static void on_answer(void *owner, uint32_t events)
{
	struct bell *bell = owner;

	loop_timer_stop(bell->loop, &bell->timer);
}

static void a_waiting_answer_comes_before_the_timer_that_gives_up(void **state)
{
	struct loop *loop = *state;
	char log[8] = "";
	struct bell a = bell_new(loop, 'a', log);
	struct probe probe;

	probe_init(&probe, loop);
	probe.source.on_event = on_answer;
	probe.source.owner = &a;
	assert_int_equal(loop_add(loop, &probe.source), 0);
	probe_raise(&probe);
	bell_set(&a, 1);
	assert_int_equal(loop_turn(loop, LONG_WAIT), 0);
	assert_string_equal(log, "");
	probe_done(&probe);
}

static void the_clock_is_boottime(void **state)
{
	struct timespec time;
	usec_t before, after;

	clock_gettime(CLOCK_BOOTTIME, &time);
	before = (usec_t)time.tv_sec * USEC_PER_SEC + (usec_t)time.tv_nsec / 1000;
	assert_int_equal(loop_turn(*state, 0), 0);
	clock_gettime(CLOCK_BOOTTIME, &time);
	after = (usec_t)time.tv_sec * USEC_PER_SEC + (usec_t)time.tv_nsec / 1000;
	assert_in_range(loop_now(*state), before, after);
}

static void a_turn_waits_no_longer_than_it_may(void **state)
{
	usec_t start;

	assert_int_equal(loop_turn(*state, 0), 0);
	start = loop_now(*state);
	turn_until(*state, start + 3000);
	assert_in_range(loop_now(*state) - start, 3000, LONG_WAIT);
}

struct signal_log {
	int signals[4];
	int count;
};

static void on_signal(void *owner, int signal)
{
	struct signal_log *log = owner;

	log->signals[log->count++] = signal;
}

static void signals_arrive_as_calls(void **state)
{
	struct loop *loop = *state;
	const int signals[] = {SIGUSR1, SIGUSR2};
	struct signal_log log = {0};

	assert_int_equal(loop_on_signals(loop, signals, 2, on_signal, &log), 0);
	assert_int_equal(loop_on_signals(loop, signals, 2, on_signal, &log), -EALREADY);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	while (log.count < 2)
		assert_int_equal(loop_turn(loop, LONG_WAIT), 0);
	assert_int_equal(log.signals[0] + log.signals[1], SIGUSR1 + SIGUSR2);
}

static void *wake_from_thread(void *argument)
{
	loop_wake(argument);
	return NULL;
}

static void another_thread_ends_the_wait(void **state)
{
	struct loop *loop = *state;
	pthread_t thread;
	usec_t start = loop_now(loop);

	assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, loop), 0);
	assert_int_equal(loop_turn(loop, LONG_WAIT), 0);
	assert_true(loop_now(loop) - start < LONG_WAIT);
	pthread_join(thread, NULL);
}

static void stop_bell(void *owner, usec_t now)
{
	loop_stop(owner);
}

static void run_ends_after_stop_also_when_it_came_before(void **state)
{
	struct loop *loop = *state;
	struct loop_timer timer = {.on_timer = stop_bell, .owner = loop};

	loop_stop(loop);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_set(loop, &timer, loop_now(loop) + 100);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(timer.place, 0);
}

#define loop_test(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		loop_test(a_ready_source_is_called_until_it_is_read),
		loop_test(a_changed_source_sees_only_what_it_asked_for),
		loop_test(a_source_removed_in_a_turn_gets_none_of_its_events),
		loop_test(a_source_does_not_inherit_the_events_of_the_one_before_it),
		loop_test(a_source_may_free_itself),
		loop_test(a_closed_descriptor_that_lives_on_elsewhere_calls_nobody),
		loop_test(more_sources_than_one_turn_takes_are_all_served),
		loop_test(a_refused_descriptor_leaves_the_source_unadded),
		loop_test(timers_ring_in_order_of_deadline_and_then_of_setting),
		loop_test(a_timer_never_rings_early),
		loop_test(a_timer_moved_later_rings_once_and_late),
		loop_test(an_earlier_timer_shortens_a_wait_that_was_set_for_a_later_one),
		loop_test(a_past_deadline_rings_in_the_next_turn_not_in_this_one),
		loop_test(a_source_cannot_put_off_an_overdue_timer),
		loop_test(a_timer_stopped_by_another_of_the_same_turn_stays_silent),
		loop_test(never_disarms),
		loop_test(a_waiting_answer_comes_before_the_timer_that_gives_up),
		loop_test(the_clock_is_boottime),
		loop_test(a_turn_waits_no_longer_than_it_may),
		loop_test(signals_arrive_as_calls),
		loop_test(another_thread_ends_the_wait),
		loop_test(run_ends_after_stop_also_when_it_came_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
