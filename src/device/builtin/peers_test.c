#include "device/builtin/test_ends.h"

static void remove_peer(struct end *end)
{
	builtin_peer_remove(end->peer);
	end->peer = NULL;
}

static void a_peer_may_be_removed_by_its_own_event(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	b.in_handshake = remove_peer;
	send_text(&a, &b, "hello");
	wait_for(b.handshakes == 1);
	assert_int_equal(builtin_peer_count(b.builtin), 0);
	send_text(&a, &b, "still there?");
	wait_for(drops_of(&b, "no-session") >= 1);
}

static void a_peer_that_may_not_roam_only_proposes(void **state)
{
	need_namespace();
	struct address before, after;

	connect_ends(&plain_options);
	exchange();
	before = statistics_of(&b).endpoint;
	builtin_peer_set_may_roam(b.peer, false);
	assert_int_equal(builtin_set_listen_port(a.builtin, 0), 0);
	for (int i = 0; i < 3; i++) {
		send_text(&a, &b, "from elsewhere");
		wait_for(has_text(&b, "from elsewhere"));
	}
	assert_int_equal(b.proposals, 1);
	assert_int_equal(b.moved_to.port, port_number(builtin_port(a.builtin)));
	after = statistics_of(&b).endpoint;
	assert_true(address_is_equal(&before, &after));
	builtin_peer_set_may_roam(b.peer, true);
	exchange();
	assert_int_equal(statistics_of(&b).endpoint.port, port_number(builtin_port(a.builtin)));
}

static void a_keepalive_starts_a_session_without_traffic(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	builtin_peer_set_keepalive(a.peer, 1);
	assert_int_equal(builtin_peer_keepalive(a.peer), 1);
	wait_for(counters_of(&b).keepalives_received >= 2);
	assert_int_equal(a.handshakes, 1);
}

static void a_peer_that_may_not_initiate_waits_for_the_other_side(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	tell_endpoint(&b, &a);
	builtin_peer_set_may_initiate(a.peer, false);
	send_text(&a, &b, "waits");
	wait_for(a.wanted == 1);
	assert_int_equal(counters_of(&a).handshakes_sent, 0);
	builtin_peer_start_handshake(b.peer);
	wait_for(has_text(&b, "waits"));
	assert_int_equal(counters_of(&a).handshakes_sent, 0);
}

static void a_preshared_key_must_be_the_same_on_both_sides(void **state)
{
	need_namespace();
	const struct wg_limits limits = impatient();
	const struct builtin_options options = {.limits = &limits};
	struct key secret, read;

	connect_ends(&options);
	random_bytes(&secret, sizeof(secret));
	builtin_peer_set_preshared_key(a.peer, &secret);
	builtin_peer_get_preshared_key(a.peer, &read);
	assert_true(key_is_equal(&secret, &read));
	send_text(&a, &b, "wrong");
	wait_for(drops_of(&a, "handshake-forged") >= 1);
	builtin_peer_set_preshared_key(b.peer, &secret);
	builtin_peer_end_sessions(a.peer);
	exchange();
}

static void allowed_prefixes_move_grow_and_are_listed(void **state)
{
	need_namespace();
	struct builtin_peer *first, *second;
	struct address address;
	struct prefix prefix;
	struct key key = {{9}};
	char text[32];

	end_open(&a, &plain_options, false);
	assert_int_equal(builtin_peer_add(a.builtin, &key, &first), 0);
	assert_int_equal(builtin_peer_add(a.builtin, &key, &second), -EEXIST);
	x25519_public(&a.private_key, &key);
	key.bytes[0] ^= 1;
	assert_int_equal(builtin_peer_add(a.builtin, &key, &second), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "10.%d.%d.0/24", i / 256, i % 256);
		allow(first, text);
	}
	allow(second, "10.1.0.0/16");
	assert_int_equal(address_parse("10.1.7.7", 1, &address), 0);
	assert_ptr_equal(builtin_route(a.builtin, &address), first);
	allow(second, "10.1.7.0/24");
	assert_ptr_equal(builtin_route(a.builtin, &address), second);
	assert_true(builtin_peer_allowed(first, 998, &prefix));
	assert_false(builtin_peer_allowed(first, 999, &prefix));
	assert_int_equal(prefix_parse("10.1.7.0/24", &prefix), 0);
	assert_false(builtin_peer_disallow(first, &prefix));
	assert_true(builtin_peer_disallow(second, &prefix));
	assert_ptr_equal(builtin_route(a.builtin, &address), second);
	builtin_peer_remove(second);
	assert_null(builtin_route(a.builtin, &address));
	assert_ptr_equal(builtin_peer_next(a.builtin, NULL), first);
	assert_null(builtin_peer_next(a.builtin, first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		device_unit_test(a_peer_may_be_removed_by_its_own_event),
		device_unit_test(a_peer_that_may_not_roam_only_proposes),
		device_unit_test(a_keepalive_starts_a_session_without_traffic),
		device_unit_test(a_peer_that_may_not_initiate_waits_for_the_other_side),
		device_unit_test(a_preshared_key_must_be_the_same_on_both_sides),
		device_unit_test(allowed_prefixes_move_grow_and_are_listed),
	};

	return cmocka_run_group_tests_name("peers", tests, enter_namespace, NULL);
}
