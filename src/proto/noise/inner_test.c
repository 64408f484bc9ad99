#include "proto/noise/test_world.h"

static enum wg_drop accepts(struct world *world, const uint8_t *packet, size_t size, size_t *ret)
{
	return wg_accepts(&world->b.wg, &world->b.peer, packet, size, ret);
}

static void an_ipv4_packet_from_the_peer_is_cut_to_its_length(void **state)
{
	struct world *world = world_new(__func__, NULL);
	uint8_t packet[64] = {0};
	size_t size;

	world_packet(&world->a, packet, 41);
	assert_int_equal(accepts(world, packet, 48, &size), WG_OK);
	assert_int_equal(size, 41);
	assert_int_equal(accepts(world, packet, 41, &size), WG_OK);
	assert_int_equal(size, 41);
	world_free(world);
}

static void an_ipv6_packet_from_the_peer_is_cut_to_its_length(void **state)
{
	struct world *world = world_new(__func__, NULL);
	uint8_t packet[64] = {0x60, [5] = 9, [8] = 0xfd, [23] = 1};
	size_t size;

	assert_int_equal(accepts(world, packet, 64, &size), WG_DROP_SOURCE);
	world_allow(&world->b.wg, &world->b.peer, "fd00::1/128");
	assert_int_equal(accepts(world, packet, 64, &size), WG_OK);
	assert_int_equal(size, 49);
	world_free(world);
}

static void what_is_no_whole_ip_packet_is_malformed(void **state)
{
	struct world *world = world_new(__func__, NULL);
	const struct {
		uint8_t first, length_high, length_low, size;
	} cases[] = {
		/* 0: longer than what came */ {0x45, 0, 41, 40},
		/* 1 */ {0x45, 0xff, 0xff, 40},
		/* 2: shorter than a header */ {0x45, 0, 19, 40},
		/* 3 */ {0x45, 0, 0, 40},
		/* 4: no room for a header */ {0x45, 0, 19, 19},
		/* 5 */ {0x45, 0, 20, 1},
		/* 6: other versions */ {0x05, 0, 40, 40},
		/* 7 */ {0x50, 0, 40, 40},
		/* 8 */ {0xf0, 0, 40, 40},
		/* 9: IPv6 without room for its header */ {0x60, 0, 0, 39},
	};
	size_t size;

	world_allow(&world->b.wg, &world->b.peer, "0.0.0.0/0");
	world_allow(&world->b.wg, &world->b.peer, "::/0");
	for (size_t i = 0; i < array_size(cases); i++) {
		uint8_t packet[64] = {cases[i].first, 0, cases[i].length_high, cases[i].length_low};

		if (accepts(world, packet, cases[i].size, &size) != WG_DROP_MALFORMED)
			fail_msg("case %zu", i);
	}
	world_free(world);
}

static void an_ipv6_payload_longer_than_what_came_is_malformed(void **state)
{
	struct world *world = world_new(__func__, NULL);
	uint8_t packet[64] = {0x60, [5] = 25};
	size_t size;

	world_allow(&world->b.wg, &world->b.peer, "::/0");
	assert_int_equal(accepts(world, packet, 64, &size), WG_DROP_MALFORMED);
	packet[5] = 24;
	assert_int_equal(accepts(world, packet, 64, &size), WG_OK);
	world_free(world);
}

static void a_source_of_another_peer_or_of_nobody_is_refused(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct wg_peer *third = new (struct wg_peer);
	struct key key = {{9}};
	uint8_t packet[40];
	size_t size;

	assert_int_equal(wg_peer_add(&world->b.wg, third, &key), 0);
	world_allow(&world->b.wg, third, "10.0.0.3/32");
	world_packet(&world->a, packet, sizeof(packet));
	packet[15] = 3;
	assert_int_equal(accepts(world, packet, sizeof(packet), &size), WG_DROP_SOURCE);
	assert_int_equal(wg_accepts(&world->b.wg, third, packet, sizeof(packet), &size), WG_OK);
	packet[15] = 4;
	assert_int_equal(accepts(world, packet, sizeof(packet), &size), WG_DROP_SOURCE);
	wg_peer_remove(third);
	free(third);
	world_free(world);
}

static void the_destination_names_the_peer(void **state)
{
	struct world *world = world_new(__func__, NULL);
	uint8_t packet[40], six[40] = {0x60, [24] = 0xfd, [39] = 2};

	world_packet(&world->a, packet, sizeof(packet));
	assert_ptr_equal(wg_route(&world->a.wg, packet, sizeof(packet)), &world->a.peer);
	assert_ptr_equal(wg_route(&world->a.wg, packet, 20), &world->a.peer);
	assert_null(wg_route(&world->a.wg, packet, 19));
	packet[19] = 9;
	assert_null(wg_route(&world->a.wg, packet, sizeof(packet)));
	assert_null(wg_route(&world->a.wg, six, sizeof(six)));
	world_allow(&world->a.wg, &world->a.peer, "fd00::/64");
	assert_ptr_equal(wg_route(&world->a.wg, six, 40), &world->a.peer);
	assert_null(wg_route(&world->a.wg, six, 39));
	six[0] = 0x70;
	assert_null(wg_route(&world->a.wg, six, 40));
	assert_null(wg_route(&world->a.wg, NULL, 0));
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ipv4_packet_from_the_peer_is_cut_to_its_length),
		cmocka_unit_test(an_ipv6_packet_from_the_peer_is_cut_to_its_length),
		cmocka_unit_test(what_is_no_whole_ip_packet_is_malformed),
		cmocka_unit_test(an_ipv6_payload_longer_than_what_came_is_malformed),
		cmocka_unit_test(a_source_of_another_peer_or_of_nobody_is_refused),
		cmocka_unit_test(the_destination_names_the_peer),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
