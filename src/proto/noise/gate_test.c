#include "proto/noise/test_world.h"

static void under_load_only_who_shows_a_cookie_is_answered(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world->b.wg.force_load = true;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	assert_int_equal(deliver_one(world), WG_DROP_COOKIE_DEMANDED);
	assert_int_equal(world->queue[0].size, WG_COOKIE_SIZE);
	assert_int_equal(deliver_one(world), WG_OK);
	assert_int_equal(world->b.responses, 0);
	/* The retry shows it. */
	world_pass(world, SECONDS(6));
	assert_int_equal(world->a.initiations, 2);
	assert_int_equal(world->b.wg.cookies_sent, 1);
	assert_int_equal(world->a.completed, 1);
	world_free(world);
}

static void a_cookie_is_shown_after_half_a_second_once_a_handshake(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram cookie;

	world->b.wg.force_load = true;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	deliver_one(world);
	deliver_one(world);
	/* Data that waits hurries nobody. */
	world->now += WG_COOKIE_RETRY - 1;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	world_tick(world);
	assert_int_equal(world->a.initiations, 1);
	world->now++;
	world_tick(world);
	assert_int_equal(world->a.initiations, 2);
	/* The next cookie, of a peer that was told another secret, waits for its turn. */
	world->b.wg.checker.has_secret = false;
	deliver_one(world);
	cookie = world_take(world);
	assert_int_equal(side_receive(&world->a, &cookie), WG_OK);
	world->now += SECONDS(4);
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	world_tick(world);
	assert_int_equal(world->a.initiations, 2);
	world_pass(world, SECONDS(2));
	assert_int_equal(world->a.initiations, 3);
	assert_int_equal(world->a.completed, 1);
	world_free(world);
}

static void a_cookie_for_a_response_starts_no_handshake(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world->a.wg.force_load = true;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	deliver_one(world);
	assert_int_equal(deliver_one(world), WG_DROP_COOKIE_DEMANDED);
	assert_int_equal(deliver_one(world), WG_OK);
	world_pass(world, 2 * WG_COOKIE_RETRY);
	assert_int_equal(world->a.initiations + world->b.initiations, 1);
	world_free(world);
}

static void a_responder_under_load_demands_cookies_for_responses_too(void **state)
{
	struct world *world = world_new(__func__, NULL);

	world->a.wg.force_load = true;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	assert_int_equal(deliver_one(world), WG_OK);
	assert_int_equal(deliver_one(world), WG_DROP_COOKIE_DEMANDED);
	assert_int_equal(deliver_one(world), WG_OK);
	world_pass(world, SECONDS(6));
	assert_int_equal(world->a.completed, 1);
	world_free(world);
}

static void a_cookie_of_one_address_serves_no_other(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram initiation;

	world->b.wg.force_load = true;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	world_deliver(world);
	world->now += SECONDS(6);
	world_tick(world);
	initiation = world_take(world);
	initiation.source.port++;
	assert_int_equal(side_receive(&world->b, &initiation), WG_DROP_COOKIE_DEMANDED);
	initiation.source.port--;
	assert_int_equal(side_receive(&world->b, &initiation), WG_OK);
	world_free(world);
}

/* mac2 is right and the source is known: replays of it are still too many. */
static void under_load_a_proven_source_is_limited(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram initiation;

	world->b.wg.force_load = true;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	world_deliver(world);
	world->now += SECONDS(6);
	world_tick(world);
	initiation = world_take(world);
	assert_int_equal(side_receive(&world->b, &initiation), WG_OK);
	for (int i = 1; i < RATELIMIT_BURST; i++)
		assert_int_equal(side_receive(&world->b, &initiation), WG_DROP_HANDSHAKE_REPLAYED);
	assert_int_equal(side_receive(&world->b, &initiation), WG_DROP_LIMITED);
	assert_int_equal(world->b.wg.drops[WG_DROP_LIMITED], 1);
	world_free(world);
}

static void a_flood_with_a_right_mac1_raises_the_load_and_it_ends(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram flood;

	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	flood = world_take(world);
	memset(flood.data + WG_INITIATION_EPHEMERAL, 9, 8);
	sign_for(&world->b, &flood);
	for (unsigned i = 0; i < WG_LOAD_THRESHOLD; i++)
		assert_int_equal(side_receive(&world->b, &flood), WG_DROP_FORGED);
	assert_int_equal(side_receive(&world->b, &flood), WG_DROP_COOKIE_DEMANDED);
	world->now += USEC_PER_SEC - 1;
	assert_int_equal(side_receive(&world->b, &flood), WG_DROP_COOKIE_DEMANDED);
	world->now += 2 * USEC_PER_SEC;
	/* One message a second is no load, however long ago the flood was. */
	for (unsigned i = 0; i < 3; i++, world->now += USEC_PER_SEC)
		assert_int_equal(side_receive(&world->b, &flood), WG_DROP_FORGED);
	world_free(world);
}

static void a_flood_without_mac1_raises_no_load(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram flood = {.size = WG_INITIATION_SIZE, .data = {WG_INITIATION}};

	for (unsigned i = 0; i < 4 * WG_LOAD_THRESHOLD; i++)
		assert_int_equal(side_receive(&world->b, &flood), WG_DROP_MAC);
	world_connect(world);
	assert_int_equal(world->b.sent, 1);
	world_free(world);
}

static void a_cookie_for_nobody_or_forged_is_dropped(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct datagram cookie;

	world->b.wg.force_load = true;
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	deliver_one(world);
	cookie = world_take(world);
	cookie.data[WG_COOKIE_RECEIVER] ^= 1;
	assert_int_equal(side_receive(&world->a, &cookie), WG_DROP_UNKNOWN_INDEX);
	cookie.data[WG_COOKIE_RECEIVER] ^= 1;
	cookie.data[WG_COOKIE_SEALED] ^= 1;
	assert_int_equal(side_receive(&world->a, &cookie), WG_DROP_FORGED);
	cookie.data[WG_COOKIE_SEALED] ^= 1;
	assert_int_equal(side_receive(&world->a, &cookie), WG_OK);
	assert_int_equal(side_receive(&world->a, &cookie), WG_DROP_FORGED);
	world_free(world);
}

/* For every message that may draw an answer from somebody who proved nothing. */
static void no_answer_is_larger_than_its_request(void **state)
{
	assert_true(WG_COOKIE_SIZE <= WG_RESPONSE_SIZE);
	assert_true(WG_RESPONSE_SIZE <= WG_INITIATION_SIZE);
	assert_true(WG_DATA_OVERHEAD <= WG_RESPONSE_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(under_load_only_who_shows_a_cookie_is_answered),
		cmocka_unit_test(a_cookie_is_shown_after_half_a_second_once_a_handshake),
		cmocka_unit_test(a_cookie_for_a_response_starts_no_handshake),
		cmocka_unit_test(a_responder_under_load_demands_cookies_for_responses_too),
		cmocka_unit_test(a_cookie_of_one_address_serves_no_other),
		cmocka_unit_test(under_load_a_proven_source_is_limited),
		cmocka_unit_test(a_flood_with_a_right_mac1_raises_the_load_and_it_ends),
		cmocka_unit_test(a_flood_without_mac1_raises_no_load),
		cmocka_unit_test(a_cookie_for_nobody_or_forged_is_dropped),
		cmocka_unit_test(no_answer_is_larger_than_its_request),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
