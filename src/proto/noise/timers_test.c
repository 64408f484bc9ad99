#include "proto/noise/test_world.h"

/* When the next message leaves that side, within the time; 0 when none does. */
static usec_t next_send(struct world *world, struct side *side, usec_t within)
{
	unsigned sent = side->sent;
	usec_t start = world->now, end = start + within, next;

	for (;;) {
		world_deliver(world);
		if (side->sent != sent)
			return world->now - start;
		next = usec_earlier(wg_deadline(&world->a.wg), wg_deadline(&world->b.wg));
		if (next > end)
			break;
		world->now = next;
		world_tick(world);
	}
	world->now = end;
	return 0;
}

#define JITTER (334 * USEC_PER_MSEC)

/* ---- retransmission ---- */

static void an_unanswered_initiation_is_repeated_every_5_s_and_given_up_after_90(void **state)
{
	struct world *world = world_new(__func__, NULL);
	usec_t start = world->now, after;

	world->a.is_cut = true;
	side_send_data(&world->a);
	for (unsigned i = 1; i <= 18; i++) {
		after = next_send(world, &world->a, SECONDS(10));
		assert_in_range(after, SECONDS(5), SECONDS(5) + JITTER);
		assert_int_equal(world->a.initiations, 1 + i);
	}
	assert_in_range(world->now - start, SECONDS(90), SECONDS(90) + 18 * JITTER);
	assert_int_equal(world->a.gave_up, 0);
	assert_int_equal(next_send(world, &world->a, SECONDS(2000)), 0);
	assert_int_equal(world->a.gave_up, 1);
	assert_int_equal(wg_deadline(&world->a.wg), USEC_NEVER);
	world_free(world);
}

static void the_jitter_is_not_constant(void **state)
{
	struct world *world = world_new(__func__, NULL);
	usec_t before, after, different = 0;

	world->a.is_cut = true;
	side_send_data(&world->a);
	before = next_send(world, &world->a, SECONDS(10));
	for (int i = 0; i < 10; i++, before = after) {
		after = next_send(world, &world->a, SECONDS(10));
		different += after != before;
	}
	assert_true(different > 7);
	world_free(world);
}

static void each_try_has_new_keys_and_a_new_stamp(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram first, second;

	side_send_data(&world->a);
	first = world_take(world);
	world->now += SECONDS(6);
	world_tick(world);
	second = world_take(world);
	assert_memory_not_equal(first.data + WG_INITIATION_SENDER,
				second.data + WG_INITIATION_SENDER, 4);
	assert_memory_not_equal(first.data + WG_INITIATION_EPHEMERAL,
				second.data + WG_INITIATION_EPHEMERAL, KEY_SIZE);
	assert_memory_not_equal(first.data + WG_INITIATION_TIMESTAMP,
				second.data + WG_INITIATION_TIMESTAMP, 12);
	/* The answer to the first comes too late. */
	side_receive(&world->b, &first);
	assert_int_equal(side_receive(&world->a, &(struct datagram[]){world_take(world)}[0]),
			 WG_DROP_UNKNOWN_INDEX);
	world_free(world);
}

static void data_to_send_begins_the_90_seconds_anew(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world->a.is_cut = true;
	side_send_data(&world->a);
	world_pass(world, SECONDS(80));
	side_send_data(&world->a);
	world_pass(world, SECONDS(80));
	assert_int_equal(world->a.gave_up, 0);
	world_pass(world, SECONDS(20));
	assert_int_equal(world->a.gave_up, 1);
	/* And after that, from the beginning. */
	side_send_data(&world->a);
	world->a.is_cut = false;
	world_pass(world, SECONDS(6));
	assert_int_equal(world->a.completed, 1);
	world_free(world);
}

static void tries_go_on_when_the_endpoint_comes_back_in_time(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world->a.is_cut = true;
	side_send_data(&world->a);
	wg_peer_set_endpoint(&world->a.peer, &(struct address){0});
	world_pass(world, SECONDS(30));
	assert_int_equal(world->a.initiations, 1);
	wg_peer_set_endpoint(&world->a.peer, &world->b.address);
	world->a.is_cut = false;
	world_pass(world, SECONDS(6));
	assert_int_equal(world->b.received, 1);
	world_free(world);
}

static void giving_up_wipes_the_handshake(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct key ephemeral;

	world->a.is_cut = true;
	side_send_data(&world->a);
	world_pass(world, SECONDS(91));
	ephemeral = world->a.peer.handshake.ephemeral;
	assert_true(memory_holds(&world->a.peer, sizeof(world->a.peer), &ephemeral, KEY_SIZE));
	world_pass(world, SECONDS(20));
	assert_false(memory_holds(&world->a.peer, sizeof(world->a.peer), &ephemeral, KEY_SIZE));
	assert_int_equal(world->a.wg.indices.count, 0);
	world_free(world);
}

static void giving_up_ends_the_keepalive_that_was_due_and_keeps_the_time_of_wiping(void **state)
{
	struct world *world = world_new(__func__, NULL);
	usec_t erase_at;

	world_connect(world);
	erase_at = world->a.peer.erase_at;
	assert_int_equal(erase_at, world->now + SECONDS(540));
	wg_handshake_start(&world->a.peer, world->a.aead, world->now + SECONDS(6));
	world->queued = 0;
	/* Data comes just before a gives up: with its handshake goes the answer that was due. */
	world->now = world->a.peer.retransmit_at - 1;
	world->a.peer.attempts = 18;
	side_send_data(&world->b);
	world_deliver(world);
	assert_int_not_equal(world->a.peer.keepalive_at, USEC_NEVER);
	world->now++;
	world_tick(world);
	assert_int_equal(world->a.gave_up, 1);
	assert_int_equal(world->a.peer.keepalive_at, USEC_NEVER);
	assert_int_equal(world->a.peer.erase_at, erase_at);
	world_free(world);
}

/* ---- keepalives ---- */

static void received_data_is_answered_within_10_s(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world_pass(world, SECONDS(20));
	side_send_data(&world->a);
	assert_int_equal(next_send(world, &world->b, SECONDS(60)), SECONDS(10));
	assert_int_equal(world->b.keepalives, 1);
	world_deliver(world);
	/* It is no data, and nobody answers it. */
	world_pass(world, SECONDS(50));
	assert_int_equal(world->a.keepalives, 1);
	assert_int_equal(world->b.keepalives, 1);
	assert_int_equal(world->a.initiations, 1);
	world_free(world);
}

static void data_sent_in_time_makes_the_keepalive_needless(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	side_send_data(&world->a);
	world_pass(world, SECONDS(9));
	side_send_data(&world->b);
	world_pass(world, SECONDS(9));
	assert_int_equal(world->b.keepalives, 0);
	world_free(world);
}

static void data_that_came_while_one_was_due_brings_another(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	side_send_data(&world->a);
	world_pass(world, SECONDS(5));
	side_send_data(&world->a);
	assert_int_equal(next_send(world, &world->b, SECONDS(60)), SECONDS(5));
	assert_int_equal(next_send(world, &world->b, SECONDS(60)), SECONDS(10));
	assert_int_equal(next_send(world, &world->b, SECONDS(60)), 0);
	world_free(world);
}

static void a_persistent_keepalive_is_sent_at_once_and_after_each_silence(void **state)
{
	struct world *world = world_new(__func__, NULL);

	wg_peer_set_keepalive(&world->a.peer, world->a.aead, world->now, 25);
	world_deliver(world);
	assert_int_equal(world->a.completed, 1);
	assert_int_equal(world->a.keepalives, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(next_send(world, &world->a, SECONDS(60)), SECONDS(25));
	assert_int_equal(world->a.keepalives, 4);
	/* Anything authentic, either way, is as good. */
	world_pass(world, SECONDS(20));
	side_send_data(&world->b);
	world_deliver(world);
	assert_int_equal(next_send(world, &world->a, SECONDS(9)), 0);
	wg_peer_set_keepalive(&world->a.peer, world->a.aead, world->now, 0);
	/* The answer to that data, and no more. */
	assert_int_equal(next_send(world, &world->a, SECONDS(60)), SECONDS(1));
	assert_int_equal(next_send(world, &world->a, SECONDS(3600)), 0);
	world_free(world);
}

static void a_persistent_keepalive_keeps_a_session_for_days(void **state)
{
	struct world *world = world_new(__func__, NULL);
	unsigned sessions;

	wg_peer_set_keepalive(&world->a.peer, world->a.aead, world->now, 25);
	world_pass(world, SECONDS(2 * 86400));
	sessions = world->a.completed;
	/* One each 120 s, or 125 with the grid of the keepalives. */
	assert_in_range(sessions, 2 * 86400 / 126, 2 * 86400 / 119);
	assert_int_equal(world->a.gave_up, 0);
	assert_true(wg_peer_has_session(&world->b.peer, world->now));
	side_send_data(&world->b);
	world_deliver(world);
	assert_int_equal(world->a.received, 1);
	world_free(world);
}

static void a_persistent_keepalive_finds_a_peer_that_was_gone(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world->b.is_cut = true;
	wg_peer_set_keepalive(&world->a.peer, world->a.aead, world->now, 25);
	world_pass(world, SECONDS(3600));
	assert_int_equal(world->a.completed, 0);
	world->b.is_cut = false;
	world_pass(world, SECONDS(30));
	assert_int_equal(world->a.completed, 1);
	world_free(world);
}

static void a_persistent_keepalive_waits_for_an_endpoint(void **state)
{
	struct world *world = world_new(__func__, NULL);

	wg_peer_set_endpoint(&world->a.peer, &(struct address){0});
	wg_peer_set_keepalive(&world->a.peer, world->a.aead, world->now, 25);
	world_pass(world, SECONDS(100));
	assert_int_equal(world->a.sent, 0);
	wg_peer_set_endpoint(&world->a.peer, &world->b.address);
	world_pass(world, SECONDS(25));
	assert_int_equal(world->a.completed, 1);
	world_free(world);
}

static void another_interval_sends_nothing_at_once(void **state)
{
	struct world *world = world_new(__func__, NULL);

	wg_peer_set_keepalive(&world->a.peer, world->a.aead, world->now, 25);
	world_deliver(world);
	assert_int_equal(world->a.sent, 2);
	wg_peer_set_keepalive(&world->a.peer, world->a.aead, world->now, 15);
	assert_int_equal(world->a.sent, 2);
	assert_int_equal(next_send(world, &world->a, SECONDS(60)), SECONDS(15));
	world_free(world);
}

static void an_initiation_is_as_good_as_a_keepalive(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world_pass(world, SECONDS(10));
	side_send_data(&world->a);
	world_pass(world, SECONDS(5));
	world->b.is_cut = true;
	wg_handshake_start(&world->b.peer, world->b.aead, world->now);
	world_pass(world, SECONDS(8));
	assert_int_equal(world->b.initiations, 2);
	assert_int_equal(world->b.keepalives, 0);
	world_free(world);
}

static void a_response_is_as_good_as_a_keepalive(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world_pass(world, SECONDS(10));
	side_send_data(&world->a);
	world_pass(world, SECONDS(5));
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	world_pass(world, SECONDS(20));
	assert_int_equal(world->b.responses, 2);
	assert_int_equal(world->b.keepalives, 0);
	world_free(world);
}

/* ---- silence ---- */

static void data_without_an_answer_for_15_s_begins_a_new_handshake(void **state)
{
	struct world *world = world_new(__func__, NULL);
	usec_t after;

	world_connect(world);
	world_pass(world, SECONDS(1));
	world->b.is_cut = true;
	side_send_data(&world->a);
	after = next_send(world, &world->a, SECONDS(60));
	assert_in_range(after, SECONDS(15), SECONDS(15) + JITTER);
	assert_int_equal(world->a.initiations, 2);
	world_free(world);
}

static void more_data_does_not_put_the_silence_off(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world->b.is_cut = true;
	for (int i = 0; i < 16; i++) {
		side_send_data(&world->a);
		assert_int_equal(world->a.initiations, 1);
		world_pass(world, SECONDS(1) - JITTER / 15);
	}
	world_pass(world, SECONDS(1));
	assert_int_equal(world->a.initiations, 2);
	world_free(world);
}

static void anything_authentic_ends_the_silence(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	for (int i = 0; i < 10; i++) {
		/* b's keepalive comes 10 s later. */
		side_send_data(&world->a);
		world_pass(world, SECONDS(11));
	}
	assert_int_equal(world->a.initiations, 1);
	world_free(world);
}

static void the_response_ends_the_silence_too(void **state)
{
	struct world *world = world_new(__func__, NULL);

	/* The packet that waited goes out and nothing comes back: 15 s from then, not before. */
	side_send_data(&world->a);
	world_deliver(world);
	world->b.is_cut = true;
	assert_in_range(next_send(world, &world->a, SECONDS(60)), SECONDS(15),
			SECONDS(15) + JITTER);
	world_free(world);
}

static void an_initiation_ends_the_silence_too(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram initiation;

	world_connect(world);
	world_pass(world, SECONDS(10));
	world->a.is_cut = true;
	side_send_data(&world->b);
	world_pass(world, SECONDS(8));
	world->a.is_cut = false;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	initiation = world_take(world);
	world->a.is_cut = true;
	assert_int_equal(side_receive(&world->b, &initiation), WG_OK);
	world->queued = 0;
	world_pass(world, SECONDS(20));
	assert_int_equal(world->b.initiations, 0);
	world_free(world);
}

static void a_response_with_nothing_to_send_ends_an_older_silence(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world->b.is_cut = true;
	side_send_data(&world->a);
	world_pass(world, SECONDS(6));
	world->b.is_cut = false;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	world_deliver(world);
	world->b.is_cut = true;
	assert_int_equal(world->a.completed, 2);
	world_pass(world, SECONDS(30));
	assert_int_equal(world->a.initiations, 2);
	world_free(world);
}

static void a_peer_that_lost_its_memory_is_found_again(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	wg_peer_end_sessions(&world->b.peer);
	side_send_data(&world->a);
	world_pass(world, SECONDS(16));
	assert_int_equal(world->a.completed, 2);
	side_send_data(&world->a);
	world_deliver(world);
	assert_int_equal(world->b.received, 1);
	world_free(world);
}

/* ---- ends ---- */

static void idle_peers_cost_nothing(void **state)
{
	struct world *world = world_new(__func__, NULL);

	assert_int_equal(wg_deadline(&world->a.wg), USEC_NEVER);
	world_connect(world);
	world_pass(world, SECONDS(600));
	assert_int_equal(wg_deadline(&world->a.wg), USEC_NEVER);
	assert_int_equal(wg_deadline(&world->b.wg), USEC_NEVER);
	assert_int_equal(world->a.sent + world->b.sent, 3);
	world_free(world);
}

static void keys_are_wiped_after_three_times_180_s(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct key send, receive;

	world_connect(world);
	send = world->a.peer.current->send;
	receive = world->a.peer.current->receive;
	world_pass(world, SECONDS(540) - 1);
	assert_true(memory_holds(&world->a, sizeof(world->a), &send, KEY_SIZE));
	assert_true(memory_holds(&world->b, sizeof(world->b), &send, KEY_SIZE));
	world_pass(world, 1);
	assert_false(memory_holds(&world->a, sizeof(world->a), &send, KEY_SIZE));
	assert_false(memory_holds(&world->a, sizeof(world->a), &receive, KEY_SIZE));
	assert_false(memory_holds(&world->b, sizeof(world->b), &send, KEY_SIZE));
	assert_false(memory_holds(&world->b, sizeof(world->b), &receive, KEY_SIZE));
	assert_int_equal(world->a.wg.indices.count, 0);
	assert_int_equal(world->b.wg.indices.count, 0);
	world_free(world);
}

static void a_new_session_puts_the_wiping_off(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world_pass(world, SECONDS(300));
	world_connect(world);
	world_pass(world, SECONDS(300));
	assert_non_null(world->a.peer.current);
	world_pass(world, SECONDS(240));
	assert_null(world->a.peer.current);
	world_free(world);
}

/* The old sessions go while a new handshake is tried: that one must go on. */
static void wiping_does_not_end_a_handshake_that_is_under_way(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	world_pass(world, SECONDS(539));
	world->b.is_cut = true;
	side_send_data(&world->a);
	world_pass(world, SECONDS(2));
	assert_null(world->a.peer.current);
	assert_int_equal(world->a.peer.handshake.state, HANDSHAKE_INITIATION_SENT);
	world->b.is_cut = false;
	world_pass(world, SECONDS(6));
	assert_int_equal(world->b.received, 1);
	world_free(world);
}

/* Whatever happens, no timer is forgotten and none is late. */
static void the_deadline_is_never_behind_a_timer(void **state)
{
	struct world *world = world_new(__func__, NULL);

	for (int i = 0; i < 20000; i++) {
		struct side *side = seeded_below(&world->seeded, 2) ? &world->a : &world->b;
		const struct wg_peer *peer = &side->peer;
		usec_t first;

		switch (seeded_below(&world->seeded, 8)) {
		case 0:
			side->staged = 0;
			side_send_data(side);
			break;
		case 1:
			wg_handshake_start(&side->peer, side->aead, world->now);
			break;
		case 2:
			world->queued = 0;
			break;
		case 3:
			wg_peer_set_keepalive(&side->peer, side->aead, world->now,
					      (uint16_t)seeded_below(&world->seeded, 3));
			break;
		case 4:
			if (seeded_below(&world->seeded, 20) == 0)
				wg_peer_end_sessions(&side->peer);
			break;
		default:
			world_deliver(world);
		}
		first = usec_earlier(usec_earlier(peer->retransmit_at, peer->keepalive_at),
				     usec_earlier(usec_earlier(peer->silence_at, peer->erase_at),
						  peer->persistent_at));
		assert_true(wg_deadline(&side->wg) <= first);
		world->now += random_u64(&world->seeded.source) %
			      (seeded_below(&world->seeded, 50) ? SECONDS(2) : SECONDS(400));
		world_tick(world);
		assert_true(wg_deadline(&side->wg) > world->now);
		if (world->queued > WORLD_QUEUE / 2)
			world->queued = 0;
	}
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_unanswered_initiation_is_repeated_every_5_s_and_given_up_after_90),
		cmocka_unit_test(the_jitter_is_not_constant),
		cmocka_unit_test(each_try_has_new_keys_and_a_new_stamp),
		cmocka_unit_test(data_to_send_begins_the_90_seconds_anew),
		cmocka_unit_test(tries_go_on_when_the_endpoint_comes_back_in_time),
		cmocka_unit_test(giving_up_wipes_the_handshake),
		cmocka_unit_test(
			giving_up_ends_the_keepalive_that_was_due_and_keeps_the_time_of_wiping),
		cmocka_unit_test(received_data_is_answered_within_10_s),
		cmocka_unit_test(data_sent_in_time_makes_the_keepalive_needless),
		cmocka_unit_test(data_that_came_while_one_was_due_brings_another),
		cmocka_unit_test(a_persistent_keepalive_is_sent_at_once_and_after_each_silence),
		cmocka_unit_test(a_persistent_keepalive_keeps_a_session_for_days),
		cmocka_unit_test(a_persistent_keepalive_finds_a_peer_that_was_gone),
		cmocka_unit_test(a_persistent_keepalive_waits_for_an_endpoint),
		cmocka_unit_test(another_interval_sends_nothing_at_once),
		cmocka_unit_test(an_initiation_is_as_good_as_a_keepalive),
		cmocka_unit_test(a_response_is_as_good_as_a_keepalive),
		cmocka_unit_test(data_without_an_answer_for_15_s_begins_a_new_handshake),
		cmocka_unit_test(more_data_does_not_put_the_silence_off),
		cmocka_unit_test(anything_authentic_ends_the_silence),
		cmocka_unit_test(the_response_ends_the_silence_too),
		cmocka_unit_test(an_initiation_ends_the_silence_too),
		cmocka_unit_test(a_response_with_nothing_to_send_ends_an_older_silence),
		cmocka_unit_test(a_peer_that_lost_its_memory_is_found_again),
		cmocka_unit_test(idle_peers_cost_nothing),
		cmocka_unit_test(keys_are_wiped_after_three_times_180_s),
		cmocka_unit_test(a_new_session_puts_the_wiping_off),
		cmocka_unit_test(wiping_does_not_end_a_handshake_that_is_under_way),
		cmocka_unit_test(the_deadline_is_never_behind_a_timer),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
