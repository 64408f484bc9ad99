/* All of it runs in a network namespace of its own. */
#include "sys/loop/loop.h"
#include "sys/netlink/test_namespace.h"

/* Nothing here takes that long unless it fails. */
#define PATIENCE (5 * USEC_PER_SEC)

struct seen {
	struct loop *loop;
	int changes;
	usec_t time;
};

static void on_change(void *owner)
{
	struct seen *seen = owner;

	seen->changes++;
	seen->time = loop_now(seen->loop);
}

static void run_until_change(struct seen *seen, int changes)
{
	usec_t end;

	loop_turn(seen->loop, 0);
	end = loop_now(seen->loop) + PATIENCE;
	while (seen->changes < changes && loop_now(seen->loop) < end)
		assert_int_equal(loop_turn(seen->loop, 100 * USEC_PER_MSEC), 0);
	assert_int_equal(seen->changes, changes);
}

/* The kernel may still have something to tell about an interface that was just set up. */
static void run_until_quiet(struct seen *seen)
{
	usec_t end = loop_now(seen->loop) + PATIENCE, quiet = loop_now(seen->loop);
	int before = seen->changes;

	while (loop_now(seen->loop) < quiet + 300 * USEC_PER_MSEC && loop_now(seen->loop) < end) {
		assert_int_equal(loop_turn(seen->loop, 50 * USEC_PER_MSEC), 0);
		if (seen->changes != before)
			quiet = loop_now(seen->loop);
		before = seen->changes;
	}
}

static void many_changes_at_once_are_told_once_when_it_is_quiet(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct seen seen = {.loop = loop_new()};
	struct netlink_monitor *monitor = NULL;
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0");
	struct prefix address = prefix_from("10.0.0.1/32"), route = prefix_from("10.7.0.0/16");
	usec_t start;

	netlink_interface_set_up(&interface, 0);
	assert_int_equal(netlink_monitor_new(seen.loop, on_change, &seen, &monitor), 0);
	run_until_quiet(&seen);
	seen.changes = 0;
	start = loop_now(seen.loop);
	for (int i = 0; i < 20; i++) {
		address.ip[3] = (uint8_t)i;
		assert_int_equal(netlink_interface_add_address(&interface, &address), 0);
	}
	run_until_change(&seen, 1);
	assert_true(seen.time - start >= NETLINK_MONITOR_QUIET);
	assert_int_equal(netlink_interface_add_route(&interface, &route, 0), 0);
	run_until_change(&seen, 2);
	assert_int_equal(netlink_interface_remove_route(&interface, &route, 0), 0);
	run_until_change(&seen, 3);
	assert_int_equal(netlink_interface_set_mtu(&interface, 1300), 0);
	run_until_change(&seen, 4);
	close(fd);
	run_until_change(&seen, 5);
	netlink_monitor_free(monitor);
	loop_free(seen.loop);
	netlink_close(netlink);
}

static void an_endless_stream_of_events_is_told_now_and_then(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct seen seen = {.loop = loop_new()};
	struct netlink_monitor *monitor = NULL;
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0");
	usec_t end;

	netlink_interface_set_up(&interface, 0);
	assert_int_equal(netlink_monitor_new(seen.loop, on_change, &seen, &monitor), 0);
	end = loop_now(seen.loop) + PATIENCE;
	/* An event every turn, so it is never quiet. */
	for (unsigned int i = 0; !seen.changes && loop_now(seen.loop) < end; i++) {
		assert_int_equal(netlink_interface_set_mtu(&interface, 1300 + i % 2), 0);
		loop_turn(seen.loop, 5 * USEC_PER_MSEC);
	}
	assert_int_equal(seen.changes, 1);
	close(fd);
	netlink_monitor_free(monitor);
	loop_free(seen.loop);
	netlink_close(netlink);
}

static void lost_events_are_a_change_and_the_monitor_lives_on(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct seen seen = {.loop = loop_new()};
	struct netlink_monitor *monitor = NULL;
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0");
	int again;

	netlink_interface_set_up(&interface, 0);
	assert_int_equal(netlink_monitor_new(seen.loop, on_change, &seen, &monitor), 0);
	/* More events than a receive buffer of some 200 KB holds. */
	for (unsigned int i = 0; i < 2000; i++)
		assert_int_equal(netlink_interface_set_mtu(&interface, 1300 + i % 2), 0);
	run_until_change(&seen, 1);
	again = seen.changes;
	assert_int_equal(netlink_interface_set_mtu(&interface, 1400), 0);
	run_until_change(&seen, again + 1);
	close(fd);
	netlink_monitor_free(monitor);
	loop_free(seen.loop);
	netlink_close(netlink);
}

struct one_shot {
	struct netlink_monitor *monitor;
	bool is_called;
};

static void free_on_change(void *owner)
{
	struct one_shot *shot = owner;

	shot->is_called = true;
	netlink_monitor_free(shot->monitor);
}

static void the_monitor_may_be_freed_in_its_own_callback(void **state)
{
	need_namespace(state);
	struct loop *loop = loop_new();
	struct one_shot shot = {0};
	usec_t end = loop_now(loop) + PATIENCE;
	int fd;

	assert_int_equal(netlink_monitor_new(loop, free_on_change, &shot, &shot.monitor), 0);
	fd = make_tun("wl0");
	while (!shot.is_called && loop_now(loop) < end)
		loop_turn(loop, 100 * USEC_PER_MSEC);
	assert_true(shot.is_called);
	close(fd);
	loop_turn(loop, 0);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_changes_at_once_are_told_once_when_it_is_quiet),
		cmocka_unit_test(an_endless_stream_of_events_is_told_now_and_then),
		cmocka_unit_test(lost_events_are_a_change_and_the_monitor_lives_on),
		cmocka_unit_test(the_monitor_may_be_freed_in_its_own_callback),
	};

	return cmocka_run_group_tests_name("netlink_monitor", tests, enter_namespace, NULL);
}
