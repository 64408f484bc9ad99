#include "proto/noise/test_world.h"

/* What a worker of b does with what came, and the wg's thread is told. */
static void work(struct world *world, struct wg_tally *tally, bool is_news)
{
	struct datagram packet = world_take(world);
	struct side *b = &world->b;
	struct wg_opened opened;

	assert_int_equal(wg_open(&b->wg, b->aead, world->now, packet.data, packet.size, &opened),
			 WG_OK);
	assert_int_equal(wg_tally_received(tally, &opened, &packet.source, packet.size), is_news);
}

static void fold(struct world *world, struct wg_tally *tally)
{
	wg_fold(&world->b.peer, world->b.aead, world->now, tally);
	*tally = (struct wg_tally){0};
}

/* Both sides have a session; a's first data proves it to b. */
static void confirmed(struct world *world)
{
	world_connect(world);
	side_send_data(&world->a);
	world_deliver(world);
}

static void what_a_worker_did_counts_as_if_it_had_been_done_here(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct wg_peer *peer = &world->b.peer, before;
	struct wg_tally tally = {0};

	confirmed(world);
	before = *peer;
	world->now += SECONDS(1);
	side_send_data(&world->a);
	work(world, &tally, false);
	wg_tally_sent(&tally, 1000);
	assert_true(peer->rx_bytes == before.rx_bytes && peer->tx_bytes == before.tx_bytes);
	fold(world, &tally);
	assert_int_equal(peer->rx_bytes - before.rx_bytes, 48 + WG_DATA_OVERHEAD);
	assert_int_equal(peer->tx_bytes - before.tx_bytes, 1000);
	assert_int_equal(peer->last_received, world->now);
	assert_int_equal(peer->last_sent, world->now);
	assert_int_equal(peer->last_data, world->now);
	/* It was sent last: an answer is due, none is owed. */
	assert_int_equal(peer->keepalive_at, USEC_NEVER);
	assert_int_not_equal(peer->silence_at, USEC_NEVER);
	world_free(world);
}

static void the_order_of_sending_and_receiving_decides_who_owes_an_answer(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct wg_peer *peer = &world->b.peer;
	struct wg_tally tally = {0};

	confirmed(world);
	wg_tally_sent(&tally, 1000);
	side_send_data(&world->a);
	work(world, &tally, false);
	fold(world, &tally);
	assert_int_equal(peer->keepalive_at, world->now + SECONDS(10));
	assert_int_equal(peer->silence_at, USEC_NEVER);
	world_free(world);
}

static void a_keepalive_is_counted_and_asks_for_nothing(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct wg_tally tally = {0};
	uint64_t before;

	confirmed(world);
	wg_tally_sent(&tally, 1000);
	fold(world, &tally);
	before = world->b.wg.keepalives_received;
	wg_send_keepalive(&world->a.peer, world->a.aead, world->now);
	work(world, &tally, false);
	fold(world, &tally);
	assert_int_equal(world->b.wg.keepalives_received, before + 1);
	assert_int_equal(world->b.peer.keepalive_at, USEC_NEVER);
	assert_int_equal(world->b.peer.silence_at, USEC_NEVER);
	world_free(world);
}

static void the_first_packet_of_a_session_is_news_and_confirms_it(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct wg_tally tally = {0};
	struct wg_run run;

	/* Initiation and response; the keepalive that confirms waits. */
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	for (int i = 0; i < 2; i++) {
		struct datagram datagram = world_take(world);

		assert_int_equal(side_receive(datagram.to, &datagram), WG_OK);
	}
	assert_false(wg_send_reserve(&world->b.peer, world->now, 1, &run));
	work(world, &tally, true);
	assert_false(wg_send_reserve(&world->b.peer, world->now, 1, &run));
	fold(world, &tally);
	assert_true(wg_send_reserve(&world->b.peer, world->now, 1, &run));
	assert_int_equal(world->b.ready, 1);
	assert_int_equal(world->b.completed, 1);
	/* Told twice, it is done once. */
	tally.confirmed = world->b.peer.current->index.value;
	tally.received = 1;
	fold(world, &tally);
	assert_int_equal(world->b.completed, 1);
	world_free(world);
}

static void another_address_is_news_until_the_endpoint_has_moved(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct wg_tally tally = {0};

	confirmed(world);
	world->a.address.port++;
	for (int i = 0; i < 2; i++) {
		side_send_data(&world->a);
		work(world, &tally, true);
	}
	fold(world, &tally);
	assert_true(address_is_equal(&world->b.peer.endpoint, &world->a.address));
	assert_int_equal(world->b.moved, 1);
	side_send_data(&world->a);
	work(world, &tally, false);
	fold(world, &tally);
	assert_int_equal(world->b.moved, 1);
	world_free(world);
}

static void a_peer_that_may_not_roam_is_news_once_per_address(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct address endpoint;
	struct wg_tally tally = {0};

	confirmed(world);
	world->b.peer.may_roam = false;
	endpoint = world->b.peer.endpoint;
	world->a.address.port++;
	side_send_data(&world->a);
	work(world, &tally, true);
	fold(world, &tally);
	side_send_data(&world->a);
	work(world, &tally, false);
	fold(world, &tally);
	assert_true(address_is_equal(&world->b.peer.endpoint, &endpoint));
	assert_int_equal(world->b.moved, 1);
	world_free(world);
}

static void what_a_worker_sent_can_start_a_rekey(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct wg_tally tally = {0};
	unsigned before;

	confirmed(world);
	before = world->a.initiations;
	world->now += SECONDS(120);
	wg_tally_sent(&tally, 100);
	wg_fold(&world->a.peer, world->a.aead, world->now, &tally);
	assert_int_equal(world->a.initiations, before + 1);
	world_free(world);
}

/* What other threads may read of b, and whether they are held. */
struct view {
	struct wg_index *indices[4096];
	size_t index_count;
	struct wg_keypair *current, *previous, *next;
	struct {
		struct key send, receive;
		uint32_t index, remote_index;
		usec_t born;
	} slots[3];
	struct address endpoint, told;
};

static struct {
	int depth;
	unsigned holds;
	struct view view;
} watched;

static void look(const struct side *side, struct view *view)
{
	const struct wg_peer *peer = &side->peer;

	memset(view, 0, sizeof(*view));
	memcpy(view->indices, side->wg.index_buckets, sizeof(view->indices));
	view->index_count = side->wg.indices.count;
	view->current = peer->current;
	view->previous = peer->previous;
	view->next = peer->next;
	for (size_t i = 0; i < array_size(peer->slots); i++) {
		view->slots[i].send = peer->slots[i].send;
		view->slots[i].receive = peer->slots[i].receive;
		view->slots[i].index = peer->slots[i].index.value;
		view->slots[i].remote_index = peer->slots[i].remote_index;
		view->slots[i].born = peer->slots[i].born;
	}
	memcpy(view->endpoint.ip, peer->endpoint.ip, sizeof(view->endpoint.ip));
	view->endpoint.port = peer->endpoint.port;
	view->told.port = peer->told.family ? peer->told.port : 0;
}

static void nothing_changed(const struct side *side)
{
	static struct view now;

	look(side, &now);
	assert_memory_equal(&now, &watched.view, sizeof(now));
}

static void hold(void *owner)
{
	watched.holds++;
	if (!watched.depth++)
		nothing_changed(owner);
}

static void release(void *owner)
{
	assert_true(watched.depth > 0);
	if (!--watched.depth)
		look(owner, &watched.view);
}

/* Handshakes from both sides, rekeys, roaming, keys that change and sessions that end. */
static void what_other_threads_read_changes_only_while_they_are_held(void **state)
{
	struct wg_limits limits = wg_limits_default;
	struct world *world;

	limits.rekey_after_messages = 5;
	world = world_new(__func__, &limits);
	memset(&watched, 0, sizeof(watched));
	world->b.wg.ops.hold = hold;
	world->b.wg.ops.release = release;
	look(&world->b, &watched.view);
	for (int i = 0; i < 3000; i++) {
		struct side *side = random_below(&world->seeded.source, 2) ? &world->a : &world->b;

		switch (random_below(&world->seeded.source, 40)) {
		case 0:
			world->a.address.port++;
			break;
		case 1:
			world->b.peer.may_roam = !world->b.peer.may_roam;
			wg_peer_set_endpoint(&world->b.peer, &world->a.address);
			break;
		case 2:
			wg_peer_end_sessions(&side->peer);
			break;
		case 3:
			wg_set_private_key(&side->wg, side->aead, NULL);
			wg_set_private_key(&side->wg, side->aead, &side->private_key);
			break;
		case 4:
			world_pass(world, random_below(&world->seeded.source, 200) * USEC_PER_SEC);
			break;
		default:
			side_send_data(side);
			world_deliver(world);
		}
		world->now += USEC_PER_SEC / 10;
		assert_int_equal(watched.depth, 0);
		nothing_changed(&world->b);
	}
	assert_true(watched.holds > 500);
	world->b.wg.ops.hold = world->b.wg.ops.release = NULL;
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_worker_did_counts_as_if_it_had_been_done_here),
		cmocka_unit_test(the_order_of_sending_and_receiving_decides_who_owes_an_answer),
		cmocka_unit_test(a_keepalive_is_counted_and_asks_for_nothing),
		cmocka_unit_test(the_first_packet_of_a_session_is_news_and_confirms_it),
		cmocka_unit_test(another_address_is_news_until_the_endpoint_has_moved),
		cmocka_unit_test(a_peer_that_may_not_roam_is_news_once_per_address),
		cmocka_unit_test(what_a_worker_sent_can_start_a_rekey),
		cmocka_unit_test(what_other_threads_read_changes_only_while_they_are_held),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
