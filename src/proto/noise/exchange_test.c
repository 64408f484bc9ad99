#include "proto/noise/test_world.h"

static void a_handshake_takes_one_round_trip_and_a_confirmation(void **state)
{
	struct world *world = world_new(__func__, NULL);

	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	assert_int_equal(world->queue[0].size, WG_INITIATION_SIZE);
	assert_int_equal(deliver_one(world), WG_OK);
	assert_int_equal(world->queue[0].size, WG_RESPONSE_SIZE);
	assert_int_equal(deliver_one(world), WG_OK);
	assert_int_equal(world->queue[0].size, WG_DATA_OVERHEAD);
	assert_int_equal(deliver_one(world), WG_OK);
	assert_int_equal(world->queued, 0);
	assert_int_equal(world->a.completed, 1);
	assert_int_equal(world->b.completed, 1);
	assert_int_equal(world->a.ready, 1);
	assert_int_equal(world->b.ready, 1);
	assert_int_equal(world->a.peer.last_handshake, world->now);
	assert_int_equal(world->b.peer.last_handshake, world->now);
	assert_int_equal(world->a.wg.handshakes_completed, 1);
	/* The handshake's index went over to the session; nothing is left behind. */
	assert_int_equal(world->a.wg.indices.count, 1);
	assert_int_equal(world->b.wg.indices.count, 1);
	world_free(world);
}

static void a_preshared_key_works_when_both_have_it(void **state)
{
	struct world *world = world_new(__func__, NULL);
	const struct key psk = {{1, 2, 3}};

	wg_peer_set_preshared(&world->a.peer, &psk);
	wg_peer_set_preshared(&world->b.peer, &psk);
	world_connect(world);
	world_free(world);
}

static void a_preshared_key_that_one_side_lacks_ends_no_session(void **state)
{
	struct world *world = world_new(__func__, NULL);
	const struct key psk = {{1, 2, 3}};

	world_connect(world);
	wg_peer_set_preshared(&world->a.peer, &psk);
	world->now += SECONDS(6);
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	assert_int_equal(deliver_one(world), WG_OK);
	assert_int_equal(deliver_one(world), WG_DROP_FORGED);
	assert_int_equal(world->a.completed, 1);
	side_send_data(&world->a);
	world_deliver(world);
	assert_int_equal(world->b.received, 1);
	/* Zeros are none. */
	wg_peer_set_preshared(&world->a.peer, NULL);
	world->now += SECONDS(6);
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	world_deliver(world);
	assert_int_equal(world->a.completed, 2);
	world_free(world);
}

static void an_initiation_by_a_key_that_is_no_peers_is_not_answered(void **state)
{
	struct world *world = world_new(__func__, NULL);

	wg_peer_remove(&world->b.peer);
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	assert_int_equal(deliver_one(world), WG_DROP_UNKNOWN_PEER);
	assert_int_equal(world->b.sent, 0);
	memset(&world->b.peer, 0, sizeof(world->b.peer));
	world_free(world);
}

static void a_message_for_another_key_falls_at_mac1(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram initiation;
	struct key key = {{77}};

	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	initiation = world_take(world);
	wg_set_private_key(&world->b.wg, world->b.aead, &key);
	assert_int_equal(side_receive(&world->b, &initiation), WG_DROP_MAC);
	/* With a right mac1 it falls at the first AEAD. */
	x25519_public(&world->b.wg.identity.private_key, &world->b.public_key);
	sign_for(&world->b, &initiation);
	assert_int_equal(side_receive(&world->b, &initiation), WG_DROP_FORGED);
	wg_set_private_key(&world->b.wg, world->b.aead, NULL);
	assert_int_equal(side_receive(&world->b, &initiation), WG_DROP_NO_KEY);
	assert_int_equal(world->b.sent, 0);
	world_free(world);
}

static void a_replayed_initiation_gets_no_answer(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram initiation, second;

	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	initiation = world->queue[0];
	world_deliver(world);
	world->now += SECONDS(6);
	initiation.source = world_address("203.0.113.9:9");
	assert_int_equal(side_receive(&world->b, &initiation), WG_DROP_HANDSHAKE_REPLAYED);
	assert_int_equal(world->b.responses, 1);
	assert_true(address_is_equal(&world->b.peer.endpoint, &world->a.address));
	/* Also one that never arrived, when a newer one did. */
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	second = world_take(world);
	world->now += SECONDS(6);
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	world_deliver(world);
	assert_int_equal(side_receive(&world->b, &second), WG_DROP_HANDSHAKE_REPLAYED);
	assert_int_equal(world->b.wg.drops[WG_DROP_HANDSHAKE_REPLAYED], 2);
	world_free(world);
}

static void initiations_of_a_peer_come_no_faster_than_50_a_second(void **state)
{
	struct world *world = world_new(__func__, NULL);

	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	world->a.peer.initiated_at = 0;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	assert_int_equal(deliver_one(world), WG_OK);
	assert_int_equal(deliver_one(world), WG_DROP_HANDSHAKE_FLOOD);
	world_free(world);
}

static void a_replayed_response_changes_nothing(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram response;
	uint32_t index;

	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	deliver_one(world);
	response = world->queue[0];
	world_deliver(world);
	index = world->a.peer.current->index.value;
	assert_int_equal(side_receive(&world->a, &response), WG_DROP_UNKNOWN_INDEX);
	assert_int_equal(world->a.peer.current->index.value, index);
	assert_int_equal(world->a.completed, 1);
	world_free(world);
}

static void messages_of_a_wrong_shape_are_dropped_unread(void **state)
{
	struct world *world = world_new(__func__, NULL);
	uint8_t data[200] = {0};

	for (unsigned type = 0; type < 256; type++) {
		for (size_t size = 0; size < sizeof(data); size++) {
			bool is_handshake = (type == 1 && size == 148) ||
					    (type == 2 && size == 92) || (type == 3 && size == 64);

			data[0] = (uint8_t)type;
			if (is_handshake)
				continue;
			assert_int_equal(wg_receive_handshake(&world->a.wg, world->a.aead,
							      world->now, &world->b.address, data,
							      size),
					 WG_DROP_SHAPE);
		}
	}
	assert_int_equal(world->a.sent, 0);
	world_free(world);
}

/* ---- both begin ---- */

static void assert_connected(struct world *world)
{
	unsigned received = world->a.received + world->b.received;

	for (int i = 0; i < 3; i++) {
		side_send_data(&world->a);
		side_send_data(&world->b);
	}
	world_deliver(world);
	assert_int_equal(world->a.received + world->b.received, received + 6);
}

static void two_that_begin_at_once_connect_in_one_round_trip(void **state)
{
	struct world *world = world_new(__func__, NULL);

	assert_false(side_send_data(&world->a));
	assert_false(side_send_data(&world->b));
	world_deliver(world);
	assert_int_equal(world->now, SECONDS(100));
	assert_int_equal(world->a.received, 1);
	assert_int_equal(world->b.received, 1);
	assert_connected(world);
	/* And they use one and the same session. */
	assert_int_equal(world->a.peer.current->remote_index, world->b.peer.current->index.value);
	world_pass(world, SECONDS(1000));
	world_free(world);
}

static void a_confirmed_session_ends_our_own_initiation(void **state)
{
	struct world *world = world_new(__func__, NULL);

	wg_handshake_start(&world->b.peer, world->b.aead, world->now);
	world->queued = 0;
	assert_int_equal(world->b.peer.handshake.state, HANDSHAKE_INITIATION_SENT);
	world_connect(world);
	assert_int_equal(world->b.peer.handshake.state, HANDSHAKE_NONE);
	assert_true(key_is_zero(&world->b.peer.handshake.ephemeral));
	assert_int_equal(world->b.wg.indices.count, 1);
	world_pass(world, SECONDS(60));
	assert_int_equal(world->b.initiations, 1);
	world_free(world);
}

static void two_that_begin_at_once_connect_also_when_a_response_is_lost(void **state)
{
	for (int lost = 0; lost < 2; lost++) {
		struct world *world = world_new(__func__, NULL);

		side_send_data(&world->a);
		side_send_data(&world->b);
		deliver_one(world);
		deliver_one(world);
		/* Both responses wait. */
		assert_int_equal(world->queued, 2);
		if (lost)
			world->queue[0] = world->queue[1];
		world->queued = 1;
		world_deliver(world);
		assert_int_equal(world->a.received, 1);
		assert_int_equal(world->b.received, 1);
		assert_connected(world);
		world_free(world);
	}
}

/* Any loss and any order: in the end they are connected, within the time of three tries. */
static void two_that_begin_at_once_connect_over_any_network(void **state)
{
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int run = 0; run < 200; run++) {
		struct world *world = world_new_seeded(seeded_u64(&seeded), NULL);
		usec_t end;

		side_send_data(&world->a);
		side_send_data(&world->b);
		end = world->now + SECONDS(12);
		while (world->now < end) {
			size_t place;

			world->now += 50 * USEC_PER_MSEC;
			world_tick(world);
			if (!world->queued)
				continue;
			place = seeded_below(&world->seeded, (uint32_t)world->queued);
			if (world->now < SECONDS(104) && seeded_below(&world->seeded, 3) == 0) {
				world_take(world);
				continue;
			}
			if (place) {
				struct datagram first = world->queue[0];

				world->queue[0] = world->queue[place];
				world->queue[place] = first;
			}
			deliver_one(world);
		}
		world_deliver(world);
		assert_connected(world);
		world_free(world);
	}
}

/* ---- roaming ---- */

static void a_peer_that_may_roam_is_followed_by_any_authentic_message(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram packet;

	world->a.address = world_address("198.51.100.1:5");
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	deliver_one(world);
	assert_int_equal(world->b.moved, 1);
	assert_true(address_is_equal(&world->b.peer.endpoint, &world->a.address));
	world->queue[0].source = world_address("198.51.100.9:9");
	deliver_one(world);
	assert_int_equal(world->a.moved, 1);
	assert_true(address_is_equal(&world->a.peer.endpoint,
				     &(struct address[]){world_address("198.51.100.9:9")}[0]));
	world_deliver(world);
	assert_int_equal(world->b.moved, 1);
	side_send_data(&world->a);
	packet = world_take(world);
	packet.source = world_address("198.51.100.2:6");
	assert_int_equal(side_receive(&world->b, &packet), WG_OK);
	assert_int_equal(world->b.moved, 2);
	assert_true(address_is_equal(&world->b.peer.endpoint, &packet.source));
	/* A copy from elsewhere comes too late. */
	packet.source = world_address("203.0.113.1:7");
	assert_int_equal(side_receive(&world->b, &packet), WG_DROP_REPLAYED);
	assert_int_equal(world->b.moved, 2);
	world_free(world);
}

static void a_peer_that_may_not_roam_is_told_of_once_per_address(void **state)
{
	const char *const sources[] = {"198.51.100.1:5", "198.51.100.1:5", "198.51.100.2:5",
				       "192.0.2.1:1000", "198.51.100.2:5"};
	const unsigned told[] = {1, 1, 2, 2, 3};
	struct world *world = world_new(__func__, NULL);
	struct address before;

	world_connect(world);
	world->b.peer.may_roam = false;
	before = world->b.peer.endpoint;
	for (size_t i = 0; i < array_size(sources); i++) {
		struct datagram packet;

		side_send_data(&world->a);
		packet = world_take(world);
		packet.source = world_address(sources[i]);
		assert_int_equal(side_receive(&world->b, &packet), WG_OK);
		assert_int_equal(world->b.moved, told[i]);
		assert_true(address_is_equal(&world->b.peer.endpoint, &before));
	}
	assert_true(address_is_equal(&world->b.moved_to,
				     &(struct address[]){world_address("198.51.100.2:5")}[0]));
	world_free(world);
}

static void an_endpoint_that_is_set_makes_addresses_new_again(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world->b.peer.may_roam = false;
	world->a.address = world_address("198.51.100.1:5");
	for (unsigned i = 1; i < 4; i++) {
		side_send_data(&world->a);
		side_send_data(&world->a);
		world_deliver(world);
		assert_int_equal(world->b.moved, i);
		wg_peer_set_endpoint(&world->b.peer, &world->b.address);
	}
	world_free(world);
}

static struct address answered_to;

static void note_send(void *owner, struct wg_peer *peer, const struct address *to, const void *data,
		      size_t size)
{
	answered_to = *to;
	side_send(owner, peer, to, data, size);
}

static void a_response_goes_where_the_initiation_came_from(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world->b.peer.may_roam = false;
	wg_peer_set_endpoint(&world->b.peer, &(struct address){0});
	world->b.wg.ops.send = note_send;
	world->a.address = world_address("198.51.100.1:5");
	world_connect(world);
	assert_true(address_is_equal(&answered_to, &world->a.address));
	assert_int_equal(world->b.peer.endpoint.family, FAMILY_NONE);
	assert_int_equal(world->b.moved, 1);
	world_free(world);
}

/* ---- who may begin, and when ---- */

static void a_peer_that_may_not_initiate_waits_to_be_told(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world->a.peer.may_initiate = false;
	wg_peer_set_keepalive(&world->a.peer, world->a.aead, world->now, 25);
	assert_false(side_send_data(&world->a));
	world_pass(world, SECONDS(100));
	assert_int_equal(world->a.sent, 0);
	/* It answers. */
	wg_handshake_start(&world->b.peer, world->b.aead, world->now);
	world_deliver(world);
	assert_int_equal(world->b.received, 1);
	world_pass(world, SECONDS(200));
	/* Told, it begins, and repeats that. */
	world->b.is_cut = true;
	world->a.initiations = 0;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	world_pass(world, SECONDS(12));
	assert_int_equal(world->a.initiations, 3);
	world_free(world);
}

static void no_second_initiation_within_five_seconds(void **state)
{
	struct world *world = world_new(__func__, NULL);

	for (int i = 0; i < 10; i++) {
		wg_handshake_start(&world->a.peer, world->a.aead, world->now);
		world->now += SECONDS(1) / 2;
	}
	assert_int_equal(world->a.initiations, 1);
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	assert_int_equal(world->a.initiations, 2);
	world_free(world);
}

static void a_handshake_asked_for_right_after_one_is_not_made_up_for(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	wg_handshake_start(&world->b.peer, world->b.aead, world->now);
	world_pass(world, SECONDS(60));
	assert_int_equal(world->a.initiations + world->b.initiations, 1);
	world_free(world);
}

/* The confirmation of the session that we answered is lost, and the initiator is gone: what waits
 * here still goes out. */
static void a_responder_whose_session_is_never_confirmed_begins_itself(void **state)
{
	struct world *world = world_new(__func__, NULL);

	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	deliver_one(world);
	world->queued = 0;
	wg_peer_end_sessions(&world->a.peer);
	assert_false(side_send_data(&world->b));
	assert_int_equal(world->b.initiations, 0);
	world_pass(world, SECONDS(6));
	assert_int_equal(world->b.initiations, 1);
	assert_int_equal(world->a.received, 1);
	world_free(world);
}

static void a_restarted_peer_is_heard_again_at_once(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world->now += SECONDS(1);
	/* All that b had in memory is gone. */
	wg_peer_end_sessions(&world->b.peer);
	assert_false(side_send_data(&world->b));
	world_deliver(world);
	assert_int_equal(world->a.received, 1);
	side_send_data(&world->a);
	world_deliver(world);
	assert_int_equal(world->b.received, 1);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handshake_takes_one_round_trip_and_a_confirmation),
		cmocka_unit_test(a_preshared_key_works_when_both_have_it),
		cmocka_unit_test(a_preshared_key_that_one_side_lacks_ends_no_session),
		cmocka_unit_test(an_initiation_by_a_key_that_is_no_peers_is_not_answered),
		cmocka_unit_test(a_message_for_another_key_falls_at_mac1),
		cmocka_unit_test(a_replayed_initiation_gets_no_answer),
		cmocka_unit_test(initiations_of_a_peer_come_no_faster_than_50_a_second),
		cmocka_unit_test(a_replayed_response_changes_nothing),
		cmocka_unit_test(messages_of_a_wrong_shape_are_dropped_unread),
		cmocka_unit_test(two_that_begin_at_once_connect_in_one_round_trip),
		cmocka_unit_test(a_confirmed_session_ends_our_own_initiation),
		cmocka_unit_test(two_that_begin_at_once_connect_also_when_a_response_is_lost),
		cmocka_unit_test(two_that_begin_at_once_connect_over_any_network),
		cmocka_unit_test(a_peer_that_may_roam_is_followed_by_any_authentic_message),
		cmocka_unit_test(a_peer_that_may_not_roam_is_told_of_once_per_address),
		cmocka_unit_test(an_endpoint_that_is_set_makes_addresses_new_again),
		cmocka_unit_test(a_response_goes_where_the_initiation_came_from),
		cmocka_unit_test(a_peer_that_may_not_initiate_waits_to_be_told),
		cmocka_unit_test(no_second_initiation_within_five_seconds),
		cmocka_unit_test(a_handshake_asked_for_right_after_one_is_not_made_up_for),
		cmocka_unit_test(a_responder_whose_session_is_never_confirmed_begins_itself),
		cmocka_unit_test(a_restarted_peer_is_heard_again_at_once),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
