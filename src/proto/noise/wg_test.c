#include <errno.h>

#include "proto/noise/test_world.h"

static void a_peer_is_found_by_its_key_until_it_is_removed(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct wg *wg = &world->a.wg;
	enum { PEERS = 3000 };
	auto_free struct wg_peer **peers = new_array(struct wg_peer *, PEERS);

	for (size_t i = 0; i < PEERS; i++) {
		struct key key;

		peers[i] = new (struct wg_peer);
		seeded_fill(&world->seeded, &key, KEY_SIZE);
		key.bytes[31] &= 0x7f;
		assert_int_equal(wg_peer_add(wg, peers[i], &key), 0);
		assert_int_equal(wg_peer_add(wg, peers[i], &key), -EEXIST);
		assert_ptr_equal(wg_peer_find(wg, &key), peers[i]);
	}
	assert_int_equal(wg->peer_count, PEERS + 1);
	for (size_t i = 0; i < PEERS; i++) {
		struct key key = peers[i]->handshake.remote_static;

		assert_ptr_equal(wg_peer_find(wg, &key), peers[i]);
		wg_peer_remove(peers[i]);
		assert_null(wg_peer_find(wg, &key));
		free(peers[i]);
	}
	assert_int_equal(wg->peer_count, 1);
	world_free(world);
}

/* The points whose multiple by 8 is zero (RFC 7748, section 6.1), and encodings that are a second
 * one of the same point. */
static void keys_of_low_order_or_not_canonical_are_refused(void **state)
{
	static const struct key bad[] = {
		/* 0: zero */ {{0}},
		/* 1: one */ {{1}},
		/* 2: of order 8 */
		{{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
		  0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
		  0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00}},
		/* 3: of order 8 */
		{{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
		  0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
		  0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57}},
		/* 4: p - 1 */
		{{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
		/* 5: p + 9, the base point again */
		{{0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
		/* 6: 9 with bit 255 */ {{9, [31] = 0x80}},
	};
	struct world *world = world_new(__func__, NULL);
	auto_free struct wg_peer *peer = new (struct wg_peer);

	for (size_t i = 0; i < array_size(bad); i++) {
		if (wg_peer_add(&world->a.wg, peer, &bad[i]) != -EINVAL)
			fail_msg("key %zu", i);
	}
	assert_int_equal(world->a.wg.peer_count, 1);
	/* Also before there is a private key. */
	wg_set_private_key(&world->a.wg, world->a.aead, NULL);
	assert_int_equal(wg_peer_add(&world->a.wg, peer, &bad[2]), -EINVAL);
	world_free(world);
}

static void our_own_key_stays_without_sessions(void **state)
{
	struct world *world = world_new(__func__, NULL);
	auto_free struct wg_peer *peer = new (struct wg_peer);

	assert_int_equal(wg_peer_add(&world->a.wg, peer, &world->a.public_key), 0);
	wg_peer_set_endpoint(peer, &world->b.address);
	wg_handshake_start(peer, world->a.aead, world->now);
	assert_int_equal(world->a.sent, 0);
	/* With another key of ours it is a peer as any. */
	wg_set_private_key(&world->a.wg, world->a.aead, &(struct key){{5}});
	assert_true(peer->handshake.has_static_static);
	wg_peer_remove(peer);
	world_free(world);
}

static void the_same_private_key_again_ends_no_session(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct key unclamped = world->a.private_key;

	world_connect(world);
	unclamped.bytes[0] |= 7;
	unclamped.bytes[31] |= 0x80;
	wg_set_private_key(&world->a.wg, world->a.aead, &unclamped);
	assert_true(wg_peer_has_session(&world->a.peer, world->now));
	world_free(world);
}

static void another_private_key_ends_all_sessions_and_begins_anew(void **state)
{
	struct world *world = world_new(__func__, NULL);
	const struct key other_key = {{42}};

	world_connect(world);
	wg_set_private_key(&world->a.wg, world->a.aead, &other_key);
	assert_false(wg_peer_has_session(&world->a.peer, world->now));
	assert_false(
		memory_holds(&world->a.wg, sizeof(world->a.wg), &world->a.private_key, KEY_SIZE));
	wg_peer_remove(&world->b.peer);
	assert_int_equal(
		wg_peer_add(&world->b.wg, &world->b.peer, &world->a.wg.identity.public_key), 0);
	wg_peer_set_endpoint(&world->b.peer, &world->a.address);
	world_connect(world);
	world_free(world);
}

static void without_a_private_key_nothing_is_sent_or_taken(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	wg_set_private_key(&world->a.wg, world->a.aead, NULL);
	assert_false(world->a.wg.identity.is_set);
	assert_true(key_is_zero(&world->a.wg.identity.private_key));
	assert_false(side_send_data(&world->a));
	side_send_data(&world->b);
	world_deliver(world);
	assert_int_equal(world->a.last_drop, WG_DROP_NO_SESSION);
	wg_peer_end_sessions(&world->b.peer);
	wg_handshake_start(&world->b.peer, world->b.aead, world->now);
	world_deliver(world);
	assert_int_equal(world->a.last_drop, WG_DROP_NO_KEY);
	world_free(world);
}

static void a_removed_peer_leaves_no_byte_and_no_trace(void **state)
{
	struct world *world = world_new(__func__, NULL);
	static const struct wg_peer zeros;
	const struct key psk = {{1}};
	struct prefix host;

	wg_peer_set_preshared(&world->a.peer, &psk);
	wg_peer_set_preshared(&world->b.peer, &psk);
	world_connect(world);
	wg_peer_remove(&world->a.peer);
	assert_memory_equal(&world->a.peer, &zeros, sizeof(zeros));
	assert_int_equal(world->a.wg.peer_count, 0);
	assert_int_equal(world->a.wg.indices.count, 0);
	assert_int_equal(prefix_parse("10.0.0.2/32", &host), 0);
	assert_null(allowedips_find(&world->a.wg.allowed, host.family, host.ip));
	side_send_data(&world->b);
	world_deliver(world);
	assert_int_equal(world->a.last_drop, WG_DROP_NO_SESSION);
	world_free(world);
}

static void ended_sessions_leave_no_timer_but_the_persistent_one(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	side_send_data(&world->a);
	side_send_data(&world->b);
	world_deliver(world);
	wg_peer_end_sessions(&world->a.peer);
	wg_peer_end_sessions(&world->b.peer);
	world->a.sent = 0;
	world_pass(world, SECONDS(1000));
	assert_int_equal(world->a.sent, 0);
	assert_int_equal(wg_deadline(&world->a.wg), USEC_NEVER);
	wg_peer_set_keepalive(&world->a.peer, world->a.aead, world->now, 25);
	world_deliver(world);
	wg_peer_end_sessions(&world->a.peer);
	world_pass(world, SECONDS(25) - 1);
	assert_int_equal(world->a.initiations, 2);
	world_pass(world, 1);
	assert_int_equal(world->a.initiations, 3);
	world_free(world);
}

static void a_removed_peer_has_no_timer(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	side_send_data(&world->a);
	wg_peer_remove(&world->a.peer);
	assert_int_equal(wg_deadline(&world->a.wg), USEC_NEVER);
	wg_tick(&world->a.wg, world->a.aead, USEC_NEVER - 1);
	world_free(world);
}

static void the_end_of_a_wg_wipes_its_private_key(void **state)
{
	struct world *world = world_new(__func__, NULL);

	wg_peer_remove(&world->a.peer);
	wg_done(&world->a.wg);
	assert_false(
		memory_holds(&world->a.wg, sizeof(world->a.wg), &world->a.private_key, KEY_SIZE));
	world_free(world);
}

static void peers_are_listed_in_order_of_addition(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct wg_peer *peers = new_array(struct wg_peer, 3), *peer;
	size_t i = 0;

	wg_peer_remove(&world->a.peer);
	for (i = 0; i < 3; i++)
		assert_int_equal(
			wg_peer_add(&world->a.wg, &peers[i], &(struct key){{(uint8_t)(9 - i)}}), 0);
	i = 0;
	list_for_each (peer, &world->a.wg.peers, entry)
		assert_ptr_equal(peer, &peers[i++]);
	assert_int_equal(i, 3);
	for (i = 0; i < 3; i++)
		wg_peer_remove(&peers[i]);
	free(peers);
	world_free(world);
}

static void every_reason_has_a_name_of_its_own(void **state)
{
	for (unsigned i = 0; i < WG_DROP_COUNT; i++) {
		assert_non_null(wg_drop_name(i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(wg_drop_name(i), wg_drop_name(j));
	}
}

static void the_limits_are_wireguards(void **state)
{
	const struct wg_limits *limits = &wg_limits_default;

	assert_int_equal(limits->rekey_after_messages, 1ULL << 60);
	assert_int_equal(limits->reject_after_messages, UINT64_MAX - (1ULL << 13));
	assert_int_equal(limits->rekey_after_time, SECONDS(120));
	assert_int_equal(limits->reject_after_time, SECONDS(180));
	assert_int_equal(limits->rekey_attempt_time, SECONDS(90));
	assert_int_equal(limits->rekey_timeout, SECONDS(5));
	assert_int_equal(limits->keepalive_timeout, SECONDS(10));
	/* Runs of all workers fit between the limit and the counter's end. */
	assert_true((uint64_t)WG_RUN_MAX * WG_WORKERS_MAX <
		    UINT64_MAX - limits->reject_after_messages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_is_found_by_its_key_until_it_is_removed),
		cmocka_unit_test(keys_of_low_order_or_not_canonical_are_refused),
		cmocka_unit_test(our_own_key_stays_without_sessions),
		cmocka_unit_test(the_same_private_key_again_ends_no_session),
		cmocka_unit_test(another_private_key_ends_all_sessions_and_begins_anew),
		cmocka_unit_test(without_a_private_key_nothing_is_sent_or_taken),
		cmocka_unit_test(a_removed_peer_leaves_no_byte_and_no_trace),
		cmocka_unit_test(ended_sessions_leave_no_timer_but_the_persistent_one),
		cmocka_unit_test(a_removed_peer_has_no_timer),
		cmocka_unit_test(the_end_of_a_wg_wipes_its_private_key),
		cmocka_unit_test(peers_are_listed_in_order_of_addition),
		cmocka_unit_test(every_reason_has_a_name_of_its_own),
		cmocka_unit_test(the_limits_are_wireguards),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
