#include <pthread.h>

#include "proto/noise/test_world.h"
#include "wireguard.h"

static void a_second_implementation_seals_the_same_packets(void **state)
{
	struct aead *aead = aead_new();

	for (size_t i = 0; i < array_size(wireguard_vectors); i++) {
		const struct wireguard_vector *vector = &wireguard_vectors[i];
		struct wg_keypair forth = {.remote_index = (uint32_t)vector->responder_index};
		struct wg_keypair back = {.remote_index = (uint32_t)vector->initiator_index};
		struct wg_run run = {.keypair = &forth, .count = 1};
		uint8_t datagram[WORLD_DATAGRAM];
		struct key key;

		memcpy(&key, vector->forth, KEY_SIZE);
		forth.send = key;
		memcpy(datagram + WG_DATA_HEADER_SIZE, vector->packet.data, vector->packet.size);
		assert_int_equal(wg_seal(&run, aead, 0, datagram + WG_DATA_HEADER_SIZE,
					 vector->packet.size, 1420, datagram),
				 vector->data_forth.size);
		assert_memory_equal(datagram, vector->data_forth.data, vector->data_forth.size);
		memcpy(&key, vector->back, KEY_SIZE);
		back.send = key;
		run = (struct wg_run){.keypair = &back, .counter = 1ULL << 32, .count = 8};
		memcpy(datagram + WG_DATA_HEADER_SIZE, vector->packet.data, vector->packet.size);
		assert_int_equal(wg_seal(&run, aead, 7, datagram + WG_DATA_HEADER_SIZE,
					 vector->packet.size, 1420, datagram),
				 vector->data_back.size);
		assert_memory_equal(datagram, vector->data_back.data, vector->data_back.size);
	}
	aead_free(aead);
}

static void padding_fills_up_to_16_but_never_beyond_the_mtu(void **state)
{
	const struct {
		size_t size, padded_max, padded;
	} cases[] = {
		{0, 0, 0},          {1, 1420, 16},      {16, 1420, 16},     {17, 1420, 32},
		{1408, 1420, 1408}, {1409, 1420, 1420}, {1420, 1420, 1420}, {1421, 1420, 1421},
		{5, 0, 5},          {5, 7, 7},
	};
	struct wg_keypair keypair = {0};
	struct wg_run run = {.keypair = &keypair, .count = 1};
	struct aead *aead = aead_new();
	uint8_t datagram[1500];

	keypair.send = (struct key){{1}};
	for (size_t i = 0; i < array_size(cases); i++)
		assert_int_equal(wg_seal(&run, aead, 0, datagram + WG_DATA_HEADER_SIZE,
					 cases[i].size, cases[i].padded_max, datagram),
				 WG_DATA_OVERHEAD + cases[i].padded);
	aead_free(aead);
}

static void packets_go_both_ways(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	for (int i = 0; i < 50; i++) {
		assert_true(side_send_data(&world->a));
		assert_true(side_send_data(&world->b));
		world_deliver(world);
	}
	assert_int_equal(world->a.received, 50);
	assert_int_equal(world->b.received, 50);
	world_free(world);
}

static void bytes_are_counted_as_they_cross_the_network(void **state)
{
	struct world *world = world_new(__func__, NULL);
	const uint64_t handshake = WG_INITIATION_SIZE + WG_DATA_OVERHEAD,
		       data = 48 + WG_DATA_OVERHEAD;

	world_connect(world);
	side_send_data(&world->a);
	world_deliver(world);
	assert_int_equal(world->a.peer.tx_bytes, handshake + data);
	assert_int_equal(world->b.peer.rx_bytes, handshake + data);
	assert_int_equal(world->a.peer.rx_bytes, WG_RESPONSE_SIZE);
	assert_int_equal(world->b.peer.tx_bytes, WG_RESPONSE_SIZE);
	world_free(world);
}

static void a_replayed_packet_is_refused_also_out_of_order(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram packets[20];

	world_connect(world);
	for (size_t i = 0; i < array_size(packets); i++) {
		side_send_data(&world->a);
		packets[i] = world_take(world);
	}
	for (size_t i = array_size(packets); i-- > 0;)
		assert_int_equal(side_receive(&world->b, &packets[i]), WG_OK);
	for (size_t i = 0; i < array_size(packets); i++)
		assert_int_equal(side_receive(&world->b, &packets[i]), WG_DROP_REPLAYED);
	assert_int_equal(world->b.wg.drops[WG_DROP_REPLAYED], array_size(packets));
	assert_int_equal(world->b.received, array_size(packets));
	world_free(world);
}

static void a_forged_packet_changes_nothing(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram packet;

	world_connect(world);
	world->now += USEC_PER_SEC;
	side_send_data(&world->a);
	packet = world_take(world);
	for (size_t bit = 8 * WG_DATA_COUNTER; bit < 8 * packet.size; bit++) {
		struct datagram forged = packet;

		forged.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		forged.source = world_address("203.0.113.1:1");
		/* The highest bits of the counter are past its limit, and never tried. */
		if (bit / 8 == WG_DATA_COUNTER + 7)
			assert_int_not_equal(side_receive(&world->b, &forged), WG_OK);
		else
			assert_int_equal(side_receive(&world->b, &forged), WG_DROP_DATA_FORGED);
	}
	assert_true(address_is_equal(&world->b.peer.endpoint, &world->a.address));
	assert_int_equal(world->b.moved, 0);
	assert_int_equal(world->b.peer.last_received, SECONDS(100));
	assert_int_equal(side_receive(&world->b, &packet), WG_OK);
	world_free(world);
}

static void a_packet_to_an_unknown_index_or_of_another_shape_is_refused(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram packet;
	struct wg_opened opened;

	world_connect(world);
	side_send_data(&world->a);
	packet = world_take(world);
	packet.data[WG_DATA_RECEIVER] ^= 1;
	assert_int_equal(side_receive(&world->b, &packet), WG_DROP_NO_SESSION);
	packet.data[WG_DATA_RECEIVER] ^= 1;
	packet.data[1] = 1;
	assert_int_equal(side_receive(&world->b, &packet), WG_DROP_SHAPE);
	packet.data[1] = 0;
	for (size_t size = 0; size < WG_DATA_OVERHEAD; size++)
		assert_int_equal(wg_open(&world->b.wg, world->b.aead, world->now, packet.data, size,
					 &opened),
				 WG_DROP_SHAPE);
	packet.data[0] = WG_INITIATION;
	assert_int_equal(
		wg_open(&world->b.wg, world->b.aead, world->now, packet.data, packet.size, &opened),
		WG_DROP_SHAPE);
	world_free(world);
}

/* A handshake's index must not be taken for a session's. */
static void data_to_the_index_of_a_handshake_is_refused(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram initiation, data = {.size = WG_DATA_OVERHEAD, .data = {WG_DATA}};

	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	initiation = world_take(world);
	memcpy(data.data + WG_DATA_RECEIVER, initiation.data + WG_INITIATION_SENDER, 4);
	assert_int_equal(side_receive(&world->a, &data), WG_DROP_NO_SESSION);
	world_free(world);
}

static void a_session_past_its_time_or_count_accepts_nothing(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram packet, last;

	world_connect(world);
	side_send_data(&world->a);
	packet = world_take(world);
	last = packet;
	memset(last.data + WG_DATA_COUNTER, 0xff, 8);
	assert_int_equal(side_receive(&world->b, &last), WG_DROP_EXPIRED);
	world->now += SECONDS(180) - 1;
	last = packet;
	assert_int_equal(side_receive(&world->b, &last), WG_OK);
	world->now++;
	assert_int_equal(side_receive(&world->b, &packet), WG_DROP_EXPIRED);
	assert_int_equal(world->b.wg.drops[WG_DROP_EXPIRED], 2);
	world_free(world);
}

static void without_a_session_a_handshake_starts_and_the_packet_goes_after_it(void **state)
{
	struct world *world = world_new(__func__, NULL);

	assert_false(side_send_data(&world->a));
	assert_int_equal(world->a.initiations, 1);
	assert_false(side_send_data(&world->a));
	assert_int_equal(world->a.initiations, 1);
	world_deliver(world);
	assert_int_equal(world->b.received, 2);
	/* They confirmed the session: no keepalive was needed. */
	assert_int_equal(world->a.keepalives, 0);
	assert_int_equal(world->b.ready, 1);
	world_free(world);
}

static void a_sender_without_endpoint_or_key_starts_nothing(void **state)
{
	struct world *world = world_new(__func__, NULL);

	wg_peer_set_endpoint(&world->a.peer, &(struct address){0});
	assert_false(side_send_data(&world->a));
	wg_set_private_key(&world->b.wg, world->b.aead, NULL);
	assert_false(side_send_data(&world->b));
	world_pass(world, SECONDS(300));
	assert_int_equal(world->a.sent + world->b.sent, 0);
	world_free(world);
}

static void the_responder_sends_only_after_the_first_packet_came(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram keepalive;

	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	side_receive(&world->b, &(struct datagram[]){world_take(world)}[0]);
	side_receive(&world->a, &(struct datagram[]){world_take(world)}[0]);
	keepalive = world_take(world);
	assert_true(wg_peer_has_session(&world->a.peer, world->now));
	assert_false(wg_peer_has_session(&world->b.peer, world->now));
	assert_false(side_send_data(&world->b));
	assert_int_equal(world->b.ready, 0);
	assert_int_equal(side_receive(&world->b, &keepalive), WG_OK);
	assert_int_equal(world->b.ready, 1);
	assert_int_equal(world->b.completed, 1);
	world_deliver(world);
	assert_int_equal(world->a.received, 1);
	world_free(world);
}

/* The old session serves what was under way. */
static void packets_of_the_previous_session_are_still_taken_after_a_rekey(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram old;

	world_connect(world);
	side_send_data(&world->a);
	old = world_take(world);
	world->now += SECONDS(6);
	world_connect(world);
	assert_int_equal(world->b.completed, 2);
	assert_int_equal(side_receive(&world->b, &old), WG_OK);
	assert_int_equal(world->b.received, 1);
	/* That old packet confirmed nothing anew. */
	assert_int_equal(world->b.completed, 2);
	world_free(world);
}

static void an_opened_packet_of_a_session_that_ended_meanwhile_confirms_nothing(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram keepalive;
	struct wg_opened opened;

	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	side_receive(&world->b, &(struct datagram[]){world_take(world)}[0]);
	side_receive(&world->a, &(struct datagram[]){world_take(world)}[0]);
	keepalive = world_take(world);
	assert_int_equal(wg_open(&world->b.wg, world->b.aead, world->now, keepalive.data,
				 keepalive.size, &opened),
			 WG_OK);
	/* Another run of a's comes between, and takes the same slot. */
	world->now += SECONDS(6);
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	side_receive(&world->b, &(struct datagram[]){world_take(world)}[0]);
	assert_ptr_equal(world->b.peer.next, opened.keypair);
	wg_received(&world->b.wg, world->b.aead, world->now, &opened, &world->a.address,
		    keepalive.size);
	assert_int_equal(world->b.completed, 0);
	assert_non_null(world->b.peer.next);
	world_free(world);
}

static void the_initiator_rekeys_after_two_minutes_of_sending(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world->now += SECONDS(120) - 1;
	side_send_data(&world->b);
	side_send_data(&world->a);
	world_deliver(world);
	assert_int_equal(world->a.initiations + world->b.initiations, 1);
	world->now++;
	side_send_data(&world->b);
	world_deliver(world);
	assert_int_equal(world->b.initiations, 0);
	side_send_data(&world->a);
	world_deliver(world);
	assert_int_equal(world->a.initiations, 2);
	assert_int_equal(world->a.completed, 2);
	assert_int_equal(world->b.completed, 2);
	assert_int_equal(world->a.peer.current->born, world->now);
	world_free(world);
}

static void an_initiator_that_only_receives_rekeys_before_the_end(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world->now += SECONDS(165) - 1;
	side_send_data(&world->b);
	world_deliver(world);
	assert_int_equal(world->a.initiations, 1);
	world->now++;
	side_send_data(&world->b);
	world_deliver(world);
	assert_int_equal(world->a.initiations, 2);
	world_free(world);
}

static void a_responder_that_only_receives_begins_nothing(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram packet;

	world_connect(world);
	side_send_data(&world->a);
	packet = world_take(world);
	world->now += SECONDS(170);
	assert_int_equal(side_receive(&world->b, &packet), WG_OK);
	assert_int_equal(world->b.initiations, 0);
	world_free(world);
}

static void the_rekey_before_the_end_is_tried_once_per_session(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	for (unsigned session = 2; session < 5; session++) {
		world->now += SECONDS(166);
		side_send_data(&world->b);
		world_deliver(world);
		assert_int_equal(world->a.completed, session);
	}
	/* The peer does not answer any more; what it sends does not begin the tries anew. */
	world->now += SECONDS(166);
	world->a.is_cut = true;
	side_send_data(&world->b);
	world_pass(world, SECONDS(6));
	assert_int_equal(world->a.peer.attempts, 1);
	side_send_data(&world->b);
	world_deliver(world);
	assert_int_equal(world->a.peer.attempts, 1);
	world_free(world);
}

static void too_many_messages_are_a_reason_to_rekey_for_both(void **state)
{
	struct wg_limits limits = wg_limits_default;
	struct world *world;

	limits.rekey_after_messages = 10;
	world = world_new(__func__, &limits);
	world_connect(world);
	world->now += SECONDS(6);
	for (int i = 0; i < 10; i++)
		side_send_data(&world->b);
	assert_int_equal(world->b.initiations, 0);
	side_send_data(&world->b);
	assert_int_equal(world->b.initiations, 1);
	world_deliver(world);
	assert_int_equal(world->b.completed, 2);
	assert_true(world->b.peer.current->is_initiator);
	world_free(world);
}

/* A packet may be under way for as long as its session is current or previous: here that is at
 * least the time between two handshakes, and no packet waits for so long. */
static void with_frequent_rekeys_every_packet_arrives(void **state)
{
	struct wg_limits limits = wg_limits_default;
	struct world *world;

	limits.rekey_after_messages = 5;
	limits.rekey_after_time = USEC_PER_SEC;
	limits.rekey_timeout = 100 * USEC_PER_MSEC;
	limits.initiation_interval = 1;
	world = world_new(__func__, &limits);
	for (int i = 0; i < 4000; i++) {
		side_send_data(seeded_below(&world->seeded, 2) ? &world->a : &world->b);
		if (i % 4 == 0 || seeded_below(&world->seeded, 3))
			world_deliver(world);
		world->now += seeded_below(&world->seeded, 20000);
		world_tick(world);
	}
	world_pass(world, USEC_PER_SEC);
	assert_int_equal(world->a.received + world->b.received, 4000);
	assert_true(world->a.completed > 100);
	world_free(world);
}

static void a_session_whose_numbers_are_used_up_is_replaced(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world->now += SECONDS(6);
	atomic_store(&world->a.peer.current->counter,
		     wg_limits_default.reject_after_messages - WG_RUN_MAX * WG_WORKERS_MAX);
	assert_false(wg_peer_has_session(&world->a.peer, world->now));
	assert_false(side_send_data(&world->a));
	world_deliver(world);
	assert_int_equal(world->b.received, 1);
	assert_int_equal(world->a.completed, 2);
	world_free(world);
}

/* ---- the replay window under several threads ---- */

#define THREADS 4
#define PACKETS 400

struct copies {
	struct world *world;
	struct datagram packets[PACKETS];
	atomic_uchar accepted[PACKETS];
};

struct receiver {
	pthread_t thread;
	struct copies *copies;
	struct aead *aead;
};

static void *receive_all(void *argument)
{
	struct receiver *receiver = argument;
	struct copies *copies = receiver->copies;

	for (size_t i = 0; i < PACKETS; i++) {
		struct datagram copy = copies->packets[i];
		struct wg_opened opened;

		if (wg_open(&copies->world->b.wg, receiver->aead, copies->world->now, copy.data,
			    copy.size, &opened) == WG_OK)
			atomic_fetch_add(&copies->accepted[i], 1);
	}
	return NULL;
}

static void each_packet_is_accepted_by_one_thread_only(void **state)
{
	auto_free struct receiver *receivers = new_array(struct receiver, THREADS);
	auto_free struct copies *copies = new (struct copies);
	struct world *world = world_new(__func__, NULL);

	copies->world = world;
	world_connect(world);
	for (size_t i = 0; i < PACKETS; i++) {
		side_send_data(&world->a);
		copies->packets[i] = world_take(world);
	}
	for (int i = 0; i < THREADS; i++) {
		receivers[i].copies = copies;
		receivers[i].aead = aead_new();
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&receivers[i].thread, NULL, receive_all, &receivers[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(receivers[i].thread, NULL);
		aead_free(receivers[i].aead);
	}
	for (size_t i = 0; i < PACKETS; i++)
		assert_int_equal(atomic_load(&copies->accepted[i]), 1);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_implementation_seals_the_same_packets),
		cmocka_unit_test(padding_fills_up_to_16_but_never_beyond_the_mtu),
		cmocka_unit_test(packets_go_both_ways),
		cmocka_unit_test(bytes_are_counted_as_they_cross_the_network),
		cmocka_unit_test(a_replayed_packet_is_refused_also_out_of_order),
		cmocka_unit_test(a_forged_packet_changes_nothing),
		cmocka_unit_test(a_packet_to_an_unknown_index_or_of_another_shape_is_refused),
		cmocka_unit_test(data_to_the_index_of_a_handshake_is_refused),
		cmocka_unit_test(a_session_past_its_time_or_count_accepts_nothing),
		cmocka_unit_test(without_a_session_a_handshake_starts_and_the_packet_goes_after_it),
		cmocka_unit_test(a_sender_without_endpoint_or_key_starts_nothing),
		cmocka_unit_test(the_responder_sends_only_after_the_first_packet_came),
		cmocka_unit_test(packets_of_the_previous_session_are_still_taken_after_a_rekey),
		cmocka_unit_test(
			an_opened_packet_of_a_session_that_ended_meanwhile_confirms_nothing),
		cmocka_unit_test(the_initiator_rekeys_after_two_minutes_of_sending),
		cmocka_unit_test(an_initiator_that_only_receives_rekeys_before_the_end),
		cmocka_unit_test(a_responder_that_only_receives_begins_nothing),
		cmocka_unit_test(the_rekey_before_the_end_is_tried_once_per_session),
		cmocka_unit_test(too_many_messages_are_a_reason_to_rekey_for_both),
		cmocka_unit_test(with_frequent_rekeys_every_packet_arrives),
		cmocka_unit_test(a_session_whose_numbers_are_used_up_is_replaced),
		cmocka_unit_test(each_packet_is_accepted_by_one_thread_only),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
