#include "device/builtin/test_ends.h"

static void packets_that_waited_arrive_in_order(void **state)
{
	need_namespace();
	char text[32];

	connect_ends(&plain_options);
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		send_text(&a, &b, text);
	}
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		wait_for(has_text(&b, text));
	}
}

static void the_oldest_packet_goes_when_too_many_wait(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	builtin_peer_remove(b.peer); /* nobody answers */
	for (int i = 0; i < BUILTIN_STAGED_MAX + 50; i++)
		send_text(&a, &b, "waits");
	wait_for(drops_of(&a, "staged-oldest") == 50);
	assert_int_equal(drops_of(&b, "handshake-unknown-peer"), 1);
}

static void what_waits_is_dropped_when_nobody_answers(void **state)
{
	need_namespace();
	struct wg_limits limits = impatient();
	const struct builtin_options options = {.limits = &limits};

	limits.rekey_attempt_time = 300 * USEC_PER_MSEC;
	connect_ends(&options);
	builtin_peer_remove(b.peer);
	for (int i = 0; i < 3; i++)
		send_text(&a, &b, "waits in vain");
	wait_for(drops_of(&a, "staged-expired") == 3);
	assert_true(counters_of(&a).handshakes_sent >= 3);
}

static void a_super_packet_leaves_in_one_call_and_arrives_in_one(void **state)
{
	need_namespace();
	static char data[10 * 1000], part[2000];
	struct builtin_counters before, after, arrived;
	int segment = 1000, received = 0;

	connect_ends(&plain_options);
	exchange();
	before = counters_of(&a);
	arrived = counters_of(&b);
	if (setsockopt(a.udp, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		skip();
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i / 1000);
	send_sized(&a, &b, data, sizeof(data));
	while (received < 10) {
		wait_for(recv(b.udp, part, sizeof(part), 0) == 1000);
		assert_int_equal(part[0], received);
		assert_int_equal(part[999], received);
		received++;
	}
	after = counters_of(&a);
	assert_int_equal(after.run_packets - before.run_packets, 10);
	if (after.tun_reads - before.tun_reads != 1)
		print_message("no UDP segmentation by this kernel's TUN\n");
	else
		assert_int_equal(counters_of(&b).tun_writes - arrived.tun_writes, 1);
	assert_int_equal(after.runs - before.runs, 1);
}

static void look_for_b(struct end *end)
{
	tell_endpoint(end, &b);
	builtin_peer_start_handshake(end->peer);
}

static void a_wanted_peer_without_endpoint_gets_its_packets_when_it_is_found(void **state)
{
	need_namespace();
	const struct address none = {0};

	connect_ends(&plain_options);
	builtin_peer_set_endpoint(a.peer, &none);
	for (int i = 0; i < 5; i++)
		send_text(&a, &b, "wanted");
	wait_for(a.wanted == 1);
	assert_int_equal(a.handshakes, 0);
	look_for_b(&a);
	for (int i = 0; i < 5; i++)
		wait_for(has_text(&b, "wanted"));
	/* The same from within the event. */
	builtin_peer_end_sessions(a.peer);
	builtin_peer_set_endpoint(a.peer, &none);
	a.in_wanted = look_for_b;
	/* Told at most once a second. */
	wait_for((send_text(&a, &b, "again"), a.wanted == 2));
	wait_for(has_text(&b, "again"));
}

static void what_waits_for_an_endpoint_alone_leaves_when_it_is_set(void **state)
{
	need_namespace();
	const struct address none = {0};

	connect_ends(&plain_options);
	exchange();
	builtin_peer_set_endpoint(a.peer, &none);
	send_text(&a, &b, "waits");
	wait_for(a.wanted == 1 || a.wanted == 2);
	assert_true(statistics_of(&a).has_session);
	tell_endpoint(&a, &b);
	wait_for(has_text(&b, "waits"));
	assert_int_equal(a.handshakes, 1);
}

static void nobody_looks_for_a_peer_without_endpoint(void **state)
{
	need_namespace();
	end_open(&a, &plain_options, false);
	end_open(&b, &plain_options, false);
	add_peer(&a, &b);
	send_text(&a, &b, "nowhere");
	wait_for(drops_of(&a, "tun-no-endpoint") == 1);
}

static void nothing_is_sent_without_a_private_key(void **state)
{
	need_namespace();
	struct key own;

	connect_ends(&plain_options);
	exchange();
	builtin_set_private_key(a.builtin, NULL);
	assert_false(builtin_has_private_key(a.builtin));
	builtin_get_private_key(a.builtin, &own);
	assert_true(key_is_zero(&own));
	send_text(&a, &b, "nothing");
	wait_for(drops_of(&a, "tun-no-key") == 1);
	builtin_set_private_key(a.builtin, &a.private_key);
	builtin_get_public_key(a.builtin, &own);
	assert_true(key_is_equal(&own, &a.public_key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		device_unit_test(packets_that_waited_arrive_in_order),
		device_unit_test(the_oldest_packet_goes_when_too_many_wait),
		device_unit_test(what_waits_is_dropped_when_nobody_answers),
		device_unit_test(a_super_packet_leaves_in_one_call_and_arrives_in_one),
		device_unit_test(a_wanted_peer_without_endpoint_gets_its_packets_when_it_is_found),
		device_unit_test(what_waits_for_an_endpoint_alone_leaves_when_it_is_set),
		device_unit_test(nobody_looks_for_a_peer_without_endpoint),
		device_unit_test(nothing_is_sent_without_a_private_key),
	};

	return cmocka_run_group_tests_name("transmit", tests, enter_namespace, NULL);
}
