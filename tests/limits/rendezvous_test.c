/* What one member can make a hub do to the others, and how often (security 4, 5, 7). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "proto/rendezvous/rendezvous.h"
#include "seeded.h"

#include <cmocka.h>

#define NOW (1000 * USEC_PER_SEC)

/* A hub without network: what it sends is counted by kind. */
struct world {
	struct rendezvous rendezvous;
	struct seeded seeded;
	uint64_t revision;
	size_t sent[256], closed, room_size;
	uint8_t *room;
};

static struct rendezvous_node *node_new(void *owner)
{
	(void)owner;
	return new (struct rendezvous_node);
}

static void node_free(void *owner, struct rendezvous_node *node)
{
	(void)owner;
	free(node);
}

static void count_sent(void *owner, struct rendezvous_node *node, const void *data, size_t size)
{
	(void)node;
	assert_true(size);
	((struct world *)owner)->sent[*(const uint8_t *)data]++;
}

static void close_link(void *owner, struct rendezvous_node *node)
{
	struct world *world = owner;

	world->closed++;
	rendezvous_link_down(&world->rendezvous, NOW, node);
}

static uint8_t *room(void *owner, size_t size)
{
	struct world *world = owner;

	if (size > world->room_size) {
		world->room = memory_resize(world->room, size, 1);
		world->room_size = size;
	}
	return world->room;
}

static void notice(void *owner, enum rendezvous_notice what, struct rendezvous_node *node,
		   const char *text)
{
	(void)owner, (void)what, (void)node, (void)text;
}

static int set_up(void **state)
{
	struct world *world = new (struct world);
	const struct rendezvous_config config = {.has_appointments = true};
	const struct rendezvous_ops ops = {.owner = world,
					   .node_new = node_new,
					   .node_free = node_free,
					   .send = count_sent,
					   .close = close_link,
					   .room = room,
					   .notice = notice,
					   .random = &world->seeded.source};

	seeded_start(&world->seeded, "rendezvous");
	rendezvous_init(&world->rendezvous, &config, &ops);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	rendezvous_done(&world->rendezvous);
	free(world->room);
	free(world);
	return 0;
}

static int try_add(struct world *world, struct rendezvous_node **ret_node)
{
	struct map_node record = {.address_count = 1};
	size_t number = world->rendezvous.node_count + 2;

	seeded_fill(&world->seeded, &record.key, KEY_SIZE);
	record.key.bytes[31] &= 0x3f;
	snprintf(record.name, sizeof(record.name), "n%zu", number);
	record.addresses[0] = (struct prefix){
		.family = FAMILY_IPV4,
		.bits = 32,
		.ip = {10, 0, (uint8_t)(number >> 8), (uint8_t)number},
	};
	return rendezvous_add(&world->rendezvous, NOW, ++world->revision, &record, ret_node);
}

static struct rendezvous_node *add(struct world *world)
{
	struct rendezvous_node *node;

	assert_int_equal(try_add(world, &node), 0);
	return node;
}

/* Linked, and seen at a public address of its own. */
static struct rendezvous_node *add_linked(struct world *world, usec_t now)
{
	struct rendezvous_node *node = add(world);
	struct address address = {.family = FAMILY_IPV4, .ip = {203, 0, 113}, .port = 1000};

	address.ip[2] = (uint8_t)(world->rendezvous.node_count >> 8);
	address.ip[3] = (uint8_t)world->rendezvous.node_count;
	rendezvous_link_up(&world->rendezvous, now, node);
	rendezvous_observe(&world->rendezvous, now, node, &address);
	return node;
}

static void send_report(struct world *world, usec_t now, struct rendezvous_node *node,
			const char *address)
{
	struct report report = {.candidate_count = 1, .candidates[0].kind = CANDIDATE_LOCAL};
	uint8_t bytes[REPORT_SIZE_MAX];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	assert_int_equal(address_parse(address, 0, &report.candidates[0].address), 0);
	report_write(&writer, &report);
	rendezvous_receive(&world->rendezvous, now, node, bytes, writer.position);
}

/* True: both got an appointment. */
static bool connect_to(struct world *world, usec_t now, struct rendezvous_node *from,
		       const struct rendezvous_node *to)
{
	size_t before = world->sent[MESSAGE_APPOINTMENT];
	uint8_t bytes[64];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	connect_write(&writer, &to->record.key);
	rendezvous_receive(&world->rendezvous, now, from, bytes, writer.position);
	return world->sent[MESSAGE_APPOINTMENT] == before + 2;
}

static void reports_of_a_node_take_effect_five_times_a_second(void **state)
{
	struct world *world = *state;
	struct rendezvous_node *node = add_linked(world, NOW);
	usec_t now = NOW;

	for (int i = 0; i < 1000; i++, now += USEC_PER_MSEC) {
		send_report(world, now, node, i % 2 ? "192.168.1.1:1" : "192.168.1.2:1");
		rendezvous_tick(&world->rendezvous, now);
	}
	assert_in_range(world->rendezvous.counters.reports, 5, 6);
	assert_int_equal(world->rendezvous.counters.reports_delayed, 995);
	/* The last one counts in the end. */
	send_report(world, now, node, "192.168.1.3:1");
	now += RENDEZVOUS_REPORT_INTERVAL;
	rendezvous_tick(&world->rendezvous, now);
	assert_int_equal(node->report.candidates[0].address.ip[3], 3);
}

static void a_node_that_moves_with_each_packet_is_told_of_five_times_a_second(void **state)
{
	struct world *world = *state;
	struct rendezvous_node *node = add_linked(world, NOW);
	struct address address = {.family = FAMILY_IPV4, .ip = {198, 51, 100, 1}, .port = 1};
	usec_t now = NOW + USEC_PER_SEC;
	size_t changes = world->rendezvous.counters.changes_sent;

	rendezvous_tick(&world->rendezvous, now);
	changes = world->rendezvous.counters.changes_sent;
	for (int i = 0; i < 1000; i++, now += USEC_PER_MSEC) {
		address.port++;
		rendezvous_observe(&world->rendezvous, now, node, &address);
		rendezvous_tick(&world->rendezvous, now);
	}
	assert_in_range(world->rendezvous.counters.changes_sent - changes, 4, 6);
	assert_in_range(world->rendezvous.counters.observations_delayed, 990, 999);
	now += RENDEZVOUS_OBSERVE_INTERVAL;
	rendezvous_tick(&world->rendezvous, now);
	assert_true(address_is_equal(&node->observed, &address));
	/* Back where it was: nothing waits any more. */
	address.port = 7;
	rendezvous_observe(&world->rendezvous, now, node, &address);
	assert_int_not_equal(node->observation.family, FAMILY_NONE);
	address = node->observed;
	rendezvous_observe(&world->rendezvous, now, node, &address);
	assert_int_equal(node->observation.family, FAMILY_NONE);
}

static void a_pair_meets_once_in_ten_seconds_and_ever_more_rarely(void **state)
{
	struct world *world = *state;
	struct rendezvous_node *a = add_linked(world, NOW), *b = add_linked(world, NOW);
	usec_t start = NOW + USEC_PER_SEC, last = 0, wait = RENDEZVOUS_PAIR_INTERVAL;
	unsigned met = 0;

	for (usec_t now = start; now < start + USEC_PER_HOUR; now += USEC_PER_SEC / 2) {
		/* Either may ask. */
		if (!connect_to(world, now, met % 2 ? a : b, met % 2 ? b : a))
			continue;
		if (met++)
			assert_in_range(now - last, wait, wait + USEC_PER_SEC);
		if (met > 1)
			wait = 2 * wait > RENDEZVOUS_PAIR_INTERVAL_MAX
				       ? RENDEZVOUS_PAIR_INTERVAL_MAX
				       : 2 * wait;
		last = now;
	}
	assert_in_range(met, 28, 36);
	assert_true(world->rendezvous.counters.refused_too_soon > 7000);
}

static void one_node_asks_no_more_often_than_its_bucket_allows(void **state)
{
	struct world *world = *state;
	struct rendezvous_node *a = add_linked(world, NOW), *others[600];
	unsigned met = 0;

	for (size_t i = 0; i < array_size(others); i++)
		others[i] = add_linked(world, NOW);
	/* The asker's own address is a target too; that limit has a test of its own. */
	a->record.candidate_count = 0;
	for (size_t i = 0; i < array_size(others); i++)
		met += connect_to(world, NOW, a, others[i]);
	assert_int_equal(met, RENDEZVOUS_REQUEST_BURST);
	/* Another link brings no new bucket. */
	rendezvous_link_down(&world->rendezvous, NOW, a);
	rendezvous_link_up(&world->rendezvous, NOW, a);
	assert_false(connect_to(world, NOW, a, others[599]));
	met = 0;
	for (size_t i = RENDEZVOUS_REQUEST_BURST; i < array_size(others); i++)
		met += connect_to(world, NOW + USEC_PER_SEC, a, others[i]);
	assert_int_equal(met, RENDEZVOUS_REQUEST_RATE);
}

static void no_address_gets_probes_of_more_than_64_appointments_at_once(void **state)
{
	struct world *world = *state;
	struct rendezvous_node *victim = add_linked(world, NOW);
	unsigned met = 0;

	for (int i = 0; i < 200; i++)
		met += connect_to(world, NOW, add_linked(world, NOW), victim);
	/* Who shares the victim's slot takes of its allowance. */
	assert_in_range(met, RENDEZVOUS_TARGET_LIMIT - 8, RENDEZVOUS_TARGET_LIMIT);
	assert_true(world->rendezvous.counters.refused_too_soon == 200 - met);
	assert_true(
		connect_to(world, NOW + RENDEZVOUS_TARGET_WINDOW, add_linked(world, NOW), victim));
}

static void a_report_may_not_name_what_nobody_may_send_to(void **state)
{
	static const char *const addresses[] = {"127.0.0.1:1", "169.254.169.254:80", "224.0.0.1:1",
						"0.0.0.1:1",   "255.255.255.255:1",  "[ff02::1]:1",
						"[fe80::1]:1"};
	struct world *world = *state;
	struct rendezvous_node *node = add_linked(world, NOW);
	usec_t now = NOW;

	for (size_t i = 0; i < array_size(addresses); i++) {
		now += RENDEZVOUS_REPORT_INTERVAL;
		send_report(world, now, node, addresses[i]);
		assert_int_equal(node->record.candidate_count, 1);
		assert_int_equal(node->record.candidates[0].kind, CANDIDATE_OBSERVED);
	}
}

static void malformed_oversized_and_hub_messages_end_the_link(void **state)
{
	static uint8_t large[REPORT_SIZE_MAX + 1] = {MESSAGE_ALIVE};
	static const uint8_t kinds[] = {0,
					MESSAGE_MAP,
					MESSAGE_CHANGES,
					MESSAGE_APPOINTMENT,
					MESSAGE_REFUSED,
					MESSAGE_PING,
					MESSAGE_REMOVED,
					MESSAGE_REPORT, /* with nothing behind it */
					MESSAGE_CONNECT,
					MESSAGE_PONG};
	struct world *world = *state;
	struct rendezvous_node *node = add_linked(world, NOW);

	for (size_t i = 0; i < array_size(kinds); i++) {
		rendezvous_receive(&world->rendezvous, NOW, node, &kinds[i], 1);
		assert_int_equal(world->closed, i + 1);
		rendezvous_link_up(&world->rendezvous, NOW, node);
	}
	rendezvous_receive(&world->rendezvous, NOW, node, large, sizeof(large) - 1);
	assert_int_equal(world->closed, array_size(kinds));
	rendezvous_receive(&world->rendezvous, NOW, node, large, sizeof(large));
	assert_int_equal(world->closed, array_size(kinds) + 1);
	assert_int_equal(world->rendezvous.counters.malformed, array_size(kinds) + 1);
}

static void a_link_that_answers_no_ping_is_closed_after_a_minute(void **state)
{
	struct world *world = *state;
	struct rendezvous_node *node = add_linked(world, NOW);

	for (usec_t now = NOW; now < NOW + RENDEZVOUS_LINK_TIMEOUT; now += USEC_PER_SEC)
		rendezvous_tick(&world->rendezvous, now);
	assert_true(node->is_linked);
	rendezvous_tick(&world->rendezvous, NOW + RENDEZVOUS_LINK_TIMEOUT);
	assert_false(node->is_linked);
	assert_int_equal(world->sent[MESSAGE_PING], 3);
}

static void a_link_is_its_own_addresss_and_no_routed_prefixs(void **state)
{
	struct world *world = *state;
	struct rendezvous_node *node = add(world);
	struct address address;

	assert_int_equal(prefix_parse("192.168.7.0/24", &node->record.addresses[1]), 0);
	node->record.address_count = 2;
	assert_int_equal(address_parse("192.168.7.0:1", 0, &address), 0);
	assert_null(rendezvous_find_address(&world->rendezvous, &address));
	assert_int_equal(address_parse("192.168.7.9:1", 0, &address), 0);
	assert_null(rendezvous_find_address(&world->rendezvous, &address));
	address = prefix_address(&node->record.addresses[0]);
	assert_ptr_equal(rendezvous_find_address(&world->rendezvous, &address), node);
}

static void more_removals_than_fit_a_change_become_a_whole_map(void **state)
{
	struct world *world = *state;
	struct rendezvous_node *witness = add_linked(world, NOW);
	struct rendezvous_node *others[RENDEZVOUS_REMOVALS_MAX + 1];
	size_t maps;

	for (size_t i = 0; i < array_size(others); i++)
		others[i] = add(world);
	rendezvous_tick(&world->rendezvous, NOW + USEC_PER_SEC);
	maps = world->sent[MESSAGE_MAP];
	for (size_t i = 0; i < array_size(others); i++)
		rendezvous_remove(&world->rendezvous, NOW + USEC_PER_SEC, ++world->revision,
				  others[i]);
	rendezvous_tick(&world->rendezvous, NOW + USEC_PER_SEC);
	assert_int_equal(world->sent[MESSAGE_MAP], maps + 1);
	assert_false(witness->needs_map);
}

static void a_network_has_a_limit(void **state)
{
	struct world *world = *state;
	struct rendezvous_node *node;

	for (int i = 0; i < MAP_NODES_MAX; i++)
		add(world);
	assert_int_equal(try_add(world, &node), -ENOSPC);
}

int main(void)
{
#define claim(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		claim(reports_of_a_node_take_effect_five_times_a_second),
		claim(a_node_that_moves_with_each_packet_is_told_of_five_times_a_second),
		claim(a_pair_meets_once_in_ten_seconds_and_ever_more_rarely),
		claim(one_node_asks_no_more_often_than_its_bucket_allows),
		claim(no_address_gets_probes_of_more_than_64_appointments_at_once),
		claim(a_report_may_not_name_what_nobody_may_send_to),
		claim(malformed_oversized_and_hub_messages_end_the_link),
		claim(a_link_that_answers_no_ping_is_closed_after_a_minute),
		claim(a_link_is_its_own_addresss_and_no_routed_prefixs),
		claim(more_removals_than_fit_a_change_become_a_whole_map),
		claim(a_network_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
