#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/memory.h"
#include "device/builtin/coalesce.h"
#include "device/builtin/split.h"
#include "device/builtin/test_traffic.h"

#include <cmocka.h>

#define PACKETS_MAX 256
#define PACKET_ROOM 2048

struct packet {
	uint8_t data[PACKET_ROOM];
	size_t size;
	size_t flow;
	bool is_taken;
};

/* What was sent, what was to be sent again after a round trip through super-packets. */
static struct packet sent[PACKETS_MAX], came[PACKETS_MAX];
static size_t sent_count, came_count;

struct record {
	size_t writes, packets, last_size;
	uint8_t last_gso;
};

/* What the kernel would do with the super-packet: cut it. */
static void cut_again(void *owner, const struct tun_header *header, const struct iovec *parts,
		      size_t packets)
{
	static uint8_t whole[TUN_PACKET_MAX];
	struct record *record = owner;
	struct split split;
	size_t size = 0;

	for (size_t i = 0; i < packets; i++) {
		assert_true(size + parts[i].iov_len <= sizeof(whole));
		memcpy(whole + size, parts[i].iov_base, parts[i].iov_len);
		size += parts[i].iov_len;
	}
	record->writes++;
	record->packets += packets;
	record->last_size = size;
	record->last_gso = header->gso_type;
	if (packets == 1) {
		assert_int_equal(header->flags | header->gso_type, 0);
		came[came_count].size = size;
		memcpy(came[came_count++].data, whole, size);
		return;
	}
	assert_true(split_begin(&split, header, whole, size));
	assert_int_equal(split.count, packets);
	for (size_t i = 0; i < packets; i++) {
		struct packet *packet = &came[came_count++];

		packet->size = split_size(&split, i);
		assert_true(packet->size <= PACKET_ROOM);
		split_write(&split, i, packet->data);
	}
}

static struct record coalesced(bool may_join_tcp, bool may_join_udp)
{
	static uint8_t arena[PACKETS_MAX][PACKET_ROOM];
	struct record record = {0};
	struct coalesce_sink sink = {&record, cut_again};
	static struct coalesce coalesce;

	came_count = 0;
	coalesce_init(&coalesce, may_join_tcp, may_join_udp, &sink);
	for (size_t i = 0; i < sent_count; i++) {
		memcpy(arena[i], sent[i].data, sent[i].size);
		coalesce_add(&coalesce, arena[i], sent[i].size);
	}
	coalesce_flush(&coalesce);
	assert_int_equal(came_count, sent_count);
	assert_int_equal(record.packets, sent_count);
	return record;
}

static void send_packet(struct test_flow *flow, struct random_numbers *numbers, uint8_t flags,
			size_t payload)
{
	struct packet *packet = &sent[sent_count++];

	packet->size = flow_packet(flow, numbers, flags, payload, packet->data);
	packet->flow = (size_t)flow->ports[0];
	packet->is_taken = false;
}

/* Byte by byte, but for the id of a packet that must not be fragmented (and with it the checksum).
 */
static bool is_same(const struct packet *a, const struct packet *b)
{
	static uint8_t a_data[PACKET_ROOM], b_data[PACKET_ROOM];

	if (a->size != b->size)
		return false;
	memcpy(a_data, a->data, a->size);
	memcpy(b_data, b->data, b->size);
	if (a->data[0] == 0x45 && get16(a->data + 6) == 0x4000 &&
	    slow_sum(0, a->data, 20) == slow_sum(0, b->data, 20)) {
		memset(a_data + 4, 0, 2), memset(b_data + 4, 0, 2);
		memset(a_data + 10, 0, 2), memset(b_data + 10, 0, 2);
	}
	return !memcmp(a_data, b_data, a->size);
}

/* Every packet comes back, those of one flow in their order. */
static void assert_same_in_order(void)
{
	for (size_t i = 0; i < came_count; i++) {
		size_t j = 0;

		while (j < sent_count && (sent[j].is_taken || !is_same(&sent[j], &came[i])))
			j++;
		assert_true(j < sent_count);
		sent[j].is_taken = true;
		for (size_t k = 0; k < j; k++)
			assert_true(sent[k].is_taken || sent[k].flow != sent[j].flow);
	}
}

static struct test_flow plain_flow(struct random_numbers *numbers, bool is_tcp)
{
	struct test_flow flow = random_flow(numbers);

	flow.is_tcp = is_tcp;
	flow.options = is_tcp ? 3 : 0;
	return flow;
}

/* Flips a bit. With a broken header a packet may belong to no flow, so its order is not asked for.
 */
static void disturb(struct packet *packet, struct random_numbers *numbers, size_t header_size)
{
	size_t place = random_up_to(numbers, (uint32_t)packet->size - 1);

	packet->data[place] ^= (uint8_t)(1 << random_up_to(numbers, 7));
	if (place < header_size)
		packet->flow = 0x10000 + sent_count;
}

/* One random step of a flow: mostly what bulk looks like, now and then anything else. */
static void random_step(struct test_flow *flow, struct random_numbers *numbers, size_t usual)
{
	uint32_t dice = random_up_to(numbers, 99);
	uint8_t flags = dice < 5 ? 0x18 : dice < 8 ? (uint8_t)next_random(numbers) : 0x10;
	size_t payload = dice >= 8 && dice < 14 ? random_up_to(numbers, 1400) : usual;

	if (dice >= 14 && dice < 16)
		flow->sequence += 100;
	if (dice >= 16 && dice < 18)
		flow->ttl++;
	if (dice >= 18 && dice < 20)
		flow->acknowledge++;
	if (dice >= 20 && dice < 22 && !flow->fragment)
		flow->id += 5;
	if (dice >= 22 && dice < 24)
		flow->options ^= 1;
	if (dice >= 26 && dice < 28)
		flow->option++;
	if (dice >= 28 && dice < 30)
		flow->window++;
	if (dice >= 30 && dice < 32)
		flow->urgent++;
	if (dice >= 32 && dice < 34)
		flow->tos++;
	send_packet(flow, numbers, flags, payload);
	if (dice >= 24 && dice < 26)
		disturb(&sent[sent_count - 1], numbers, flow_header_size(flow));
}

static void what_is_joined_and_cut_again_is_the_same(void **state)
{
	struct random_numbers numbers = seeded_random();
	size_t packets = 0, writes = 0;

	for (int round = 0; round < 600; round++) {
		struct test_flow flows[12];
		size_t count = 1 + random_up_to(&numbers, 11), usual[12];
		struct record record;

		for (size_t i = 0; i < count; i++) {
			flows[i] = random_flow(&numbers);
			flows[i].ports[0] = (uint16_t)(1000 + i);
			usual[i] = 1 + random_up_to(&numbers, 1400);
		}
		sent_count = 0;
		for (size_t n = 1 + random_up_to(&numbers, 200); n > 0; n--) {
			size_t i = random_up_to(&numbers, (uint32_t)count - 1);
			size_t burst = 1 + random_up_to(&numbers, 8);

			while (burst-- && sent_count < PACKETS_MAX)
				random_step(&flows[i], &numbers, usual[i]);
		}
		record = coalesced(true, true);
		assert_same_in_order();
		packets += record.packets;
		writes += record.writes;
	}
	/* Otherwise nothing was tried. */
	assert_true(writes < packets / 2);
}

static void a_bulk_of_one_flow_becomes_one_write(void **state)
{
	struct random_numbers numbers = seeded_random();

	for (int round = 0; round < 8; round++) {
		struct test_flow flow = plain_flow(&numbers, round % 2);
		struct record record;

		flow.is_ipv6 = round / 2 % 2;
		sent_count = 0;
		for (int i = 0; i < 40; i++)
			send_packet(&flow, &numbers, 0x10, i < 39 ? 1380 : 77);
		record = coalesced(true, true);
		assert_int_equal(record.writes, 1);
		assert_same_in_order();
		assert_int_equal(record.last_gso, !flow.is_tcp   ? TUN_GSO_UDP
						  : flow.is_ipv6 ? TUN_GSO_TCP6
								 : TUN_GSO_TCP4);
	}
}

static void interleaved_flows_are_joined_apart(void **state)
{
	struct random_numbers numbers = seeded_random();
	struct test_flow flows[COALESCE_FLOWS];

	sent_count = 0;
	for (size_t i = 0; i < COALESCE_FLOWS; i++) {
		flows[i] = plain_flow(&numbers, true);
		flows[i].ports[0] = (uint16_t)i;
	}
	for (size_t n = 0; n < 10 * COALESCE_FLOWS; n++)
		send_packet(&flows[n % COALESCE_FLOWS], &numbers, 0x10, 500);
	assert_int_equal(coalesced(true, true).writes, COALESCE_FLOWS);
	assert_same_in_order();
}

static void push_and_a_shorter_packet_end_a_run(void **state)
{
	struct random_numbers numbers = seeded_random();
	struct test_flow flow = plain_flow(&numbers, true);

	sent_count = 0;
	for (int i = 0; i < 9; i++)
		send_packet(&flow, &numbers, i == 3 ? 0x18 : 0x10, i == 6 ? 99 : 100);
	assert_int_equal(coalesced(true, true).writes, 3);
	assert_same_in_order();
}

static void a_longer_packet_starts_a_new_run(void **state)
{
	struct random_numbers numbers = seeded_random();
	struct test_flow flow = plain_flow(&numbers, true);

	sent_count = 0;
	for (int i = 0; i < 6; i++)
		send_packet(&flow, &numbers, 0x10, i < 3 ? 100 : 200);
	assert_int_equal(coalesced(true, true).writes, 2);
	assert_same_in_order();
}

static void a_wrong_checksum_stays_wrong(void **state)
{
	struct random_numbers numbers = seeded_random();

	for (int round = 0; round < 200; round++) {
		struct test_flow flow = plain_flow(&numbers, round % 2);

		sent_count = 0;
		for (int i = 0; i < 5; i++)
			send_packet(&flow, &numbers, 0x10, 300);
		/* Behind addresses and ports: the packet stays one of the flow. */
		sent[2].data[flow_header_size(&flow) + random_up_to(&numbers, 299)] ^= 0x10;
		coalesced(true, true);
		assert_same_in_order();
		for (size_t i = 0; i < came_count; i++)
			assert_int_equal(has_right_checksums(came[i].data, came[i].size), i != 2);
	}
}

static void handshakes_resets_and_empty_acknowledgements_stay_alone_and_in_order(void **state)
{
	struct random_numbers numbers = seeded_random();
	struct test_flow flow = plain_flow(&numbers, true);
	const uint8_t flags[] = {0x02, 0x10, 0x10, 0x14, 0x10, 0x11, 0x30};

	sent_count = 0;
	for (size_t i = 0; i < array_size(flags); i++)
		send_packet(&flow, &numbers, flags[i], i == 4 ? 0 : 100);
	assert_int_equal(coalesced(true, true).writes, 6);
	for (size_t i = 0; i < sent_count; i++)
		assert_memory_equal(came[i].data, sent[i].data, sent[i].size);
}

static void a_super_packet_never_passes_64_kib_or_64_packets(void **state)
{
	struct random_numbers numbers = seeded_random();
	struct test_flow flow = plain_flow(&numbers, true);

	sent_count = 0;
	for (int i = 0; i < 50; i++)
		send_packet(&flow, &numbers, 0x10, 1960);
	assert_int_equal(coalesced(true, true).writes, 2);
	assert_same_in_order();
	sent_count = 0;
	for (int i = 0; i < 65; i++)
		send_packet(&flow, &numbers, 0x10, 10);
	assert_int_equal(coalesced(true, true).writes, 2);
}

static void nothing_is_joined_that_the_interface_cannot_take(void **state)
{
	struct random_numbers numbers = seeded_random();
	struct test_flow tcp = plain_flow(&numbers, true), udp = plain_flow(&numbers, false);

	sent_count = 0;
	for (int i = 0; i < 10; i++)
		send_packet(&tcp, &numbers, 0x10, 100);
	for (int i = 0; i < 10; i++)
		send_packet(&udp, &numbers, 0, 100);
	assert_int_equal(coalesced(true, true).writes, 2);
	assert_int_equal(coalesced(true, false).writes, 11);
	assert_int_equal(coalesced(false, true).writes, 11);
	assert_int_equal(coalesced(false, false).writes, 20);
}

static void ids_that_jump_are_kept_unless_fragmenting_is_forbidden(void **state)
{
	struct random_numbers numbers = seeded_random();
	struct test_flow flow = plain_flow(&numbers, true);

	flow.is_ipv6 = false;
	for (int is_forbidden = 0; is_forbidden < 2; is_forbidden++) {
		flow.fragment = is_forbidden ? 0x4000 : 0;
		sent_count = 0;
		for (int i = 0; i < 4; i++) {
			send_packet(&flow, &numbers, 0x10, 100);
			flow.id += 7;
		}
		assert_int_equal(coalesced(true, true).writes, is_forbidden ? 1 : 4);
	}
}

static void fragments_and_other_protocols_pass_through(void **state)
{
	struct random_numbers numbers = seeded_random();
	struct test_flow flow = plain_flow(&numbers, false);

	flow.is_ipv6 = false;
	for (uint16_t fragment = 0x2000; fragment; fragment = fragment == 0x2000 ? 0x0001 : 0) {
		flow.fragment = fragment;
		sent_count = 0;
		send_packet(&flow, &numbers, 0, 100);
		send_packet(&flow, &numbers, 0, 100);
		assert_int_equal(coalesced(true, true).writes, 2);
		assert_same_in_order();
	}
	flow.fragment = 0;
	sent_count = 0;
	send_packet(&flow, &numbers, 0, 100);
	send_packet(&flow, &numbers, 0, 100);
	sent[0].data[9] = sent[1].data[9] = 1;
	assert_int_equal(coalesced(true, true).writes, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_joined_and_cut_again_is_the_same),
		cmocka_unit_test(a_bulk_of_one_flow_becomes_one_write),
		cmocka_unit_test(interleaved_flows_are_joined_apart),
		cmocka_unit_test(push_and_a_shorter_packet_end_a_run),
		cmocka_unit_test(a_longer_packet_starts_a_new_run),
		cmocka_unit_test(a_wrong_checksum_stays_wrong),
		cmocka_unit_test(
			handshakes_resets_and_empty_acknowledgements_stay_alone_and_in_order),
		cmocka_unit_test(a_super_packet_never_passes_64_kib_or_64_packets),
		cmocka_unit_test(nothing_is_joined_that_the_interface_cannot_take),
		cmocka_unit_test(ids_that_jump_are_kept_unless_fragmenting_is_forbidden),
		cmocka_unit_test(fragments_and_other_protocols_pass_through),
	};

	return cmocka_run_group_tests_name("coalesce", tests, NULL, NULL);
}
