#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/memory.h"
#include "device/builtin/split.h"
#include "device/builtin/test_traffic.h"

#include <cmocka.h>

static uint8_t super[TUN_PACKET_MAX + 1], out[TUN_PACKET_MAX + 1];

/* A super-packet as Linux hands it out: sizes of the whole, checksum field = pseudo-header's sum.
 */
static size_t make_super(struct test_flow *flow, struct random_numbers *numbers, uint8_t flags,
			 size_t payload, uint16_t segment, struct tun_header *ret_header)
{
	size_t size = flow_packet(flow, numbers, flags, payload, super);
	size_t ip = flow->is_ipv6 ? 40 : 20, checksum = ip + (flow->is_tcp ? 16 : 6);

	*ret_header = (struct tun_header){
		.flags = TUN_NEEDS_CHECKSUM,
		.gso_type = !flow->is_tcp   ? TUN_GSO_UDP
			    : flow->is_ipv6 ? TUN_GSO_TCP6
					    : TUN_GSO_TCP4,
		.gso_size = segment,
		.checksum_start = (uint16_t)ip,
		.checksum_offset = (uint16_t)(checksum - ip),
	};
	put16(super + checksum, 0x1234); /* must not matter when it is cut */
	return size;
}

static void every_cut_packet_is_whole_and_right(void **state)
{
	struct random_numbers numbers = seeded_random();

	for (int round = 0; round < 300; round++) {
		struct test_flow flow = random_flow(&numbers), expected = flow;
		uint16_t segment = (uint16_t)(1 + random_up_to(&numbers, 1400));
		size_t payload = 1 + random_up_to(&numbers, round % 10 ? 9000 : 60000);
		uint8_t flags = 0x10 | (next_random(&numbers) & 0x89); /* CWR PSH FIN */
		struct tun_header header;
		size_t size = make_super(&flow, &numbers, flags, payload, segment, &header);
		size_t done = 0, offset = flow_header_size(&flow);
		struct split split;

		assert_true(split_begin(&split, &header, super, size));
		assert_int_equal(split.count, (payload + segment - 1) / segment);
		for (size_t i = 0; i < split.count; i++) {
			size_t cut = split_size(&split, i), part = cut - offset;
			uint8_t wanted[2048];
			uint8_t here = flags & (i ? 0x7f : 0xff);

			if (i + 1 < split.count)
				here &= 0xf6;
			split_write(&split, i, out);
			assert_true(has_right_checksums(out, cut));
			assert_memory_equal(out + offset, super + offset + done, part);
			/* The headers are those of the packet that the flow itself would send. */
			flow_packet(&expected, &numbers, here, part, wanted);
			put16(wanted + header.checksum_start + header.checksum_offset,
			      get16(out + header.checksum_start + header.checksum_offset));
			assert_memory_equal(out, wanted, offset);
			done += part;
		}
		assert_int_equal(done, payload);
	}
}

static void a_single_packet_gets_the_checksum_the_kernel_left_to_us(void **state)
{
	struct random_numbers numbers = seeded_random();

	for (int round = 0; round < 300; round++) {
		struct test_flow flow = random_flow(&numbers);
		size_t size =
			flow_packet(&flow, &numbers, 0x18, random_up_to(&numbers, 1400), super);
		size_t ip = flow.is_ipv6 ? 40 : 20, offset = flow.is_tcp ? 16 : 6;
		uint32_t right = get16(super + ip + offset);
		struct tun_header header = {.flags = TUN_NEEDS_CHECKSUM,
					    .checksum_start = (uint16_t)ip,
					    .checksum_offset = (uint16_t)offset};
		uint8_t pseudo[4] = {0, flow.is_tcp ? 6 : 17};
		struct split split;
		uint32_t sum = slow_sum(0, super + (flow.is_ipv6 ? 8 : 12), flow.is_ipv6 ? 32 : 8);

		put16(pseudo + 2, (uint32_t)(size - ip));
		put16(super + ip + offset, slow_sum(sum, pseudo, 4));
		assert_true(split_begin(&split, &header, super, size));
		assert_int_equal(split.count, 1);
		assert_int_equal(split_size(&split, 0), size);
		split_write(&split, 0, out);
		assert_int_equal(get16(out + ip + offset), right);
		put16(super + ip + offset, right);
		assert_memory_equal(out, super, size);
	}
}

static void a_finished_single_packet_is_not_changed(void **state)
{
	struct tun_header header = {0};
	struct split split;

	memset(super, 0x45, 100);
	assert_true(split_begin(&split, &header, super, 100));
	split_write(&split, 0, out);
	assert_memory_equal(out, super, 100);
}

static void a_udp_checksum_of_zero_becomes_ones(void **state)
{
	struct random_numbers numbers = {7};
	struct test_flow flow = random_flow(&numbers);
	struct tun_header header;
	struct split split;
	size_t size;

	flow.is_tcp = flow.is_ipv6 = false;
	size = make_super(&flow, &numbers, 0, 4, 2, &header);
	for (uint32_t value = 0; value <= 0xffff; value++) {
		put16(super + 28, value);
		assert_true(split_begin(&split, &header, super, size));
		split_write(&split, 0, out);
		assert_int_not_equal(get16(out + 26), 0);
	}
}

static void headers_that_do_not_fit_are_refused(void **state)
{
	struct random_numbers numbers = {8};
	struct test_flow flow = random_flow(&numbers);
	struct tun_header right, header;
	struct split split;
	size_t size;

	flow.is_tcp = true;
	flow.is_ipv6 = false;
	flow.options = 0;
	size = make_super(&flow, &numbers, 0x10, 3000, 1000, &right);
	assert_true(split_begin(&split, &right, super, size));

#define refused(change)                                                  \
	do {                                                             \
		header = right;                                          \
		change;                                                  \
		assert_false(split_begin(&split, &header, super, size)); \
	} while (0)
	refused(header.gso_size = 0);
	refused(header.flags = 0);
	refused(header.gso_type = TUN_GSO_TCP6);
	refused(header.gso_type = TUN_GSO_UDP);
	refused(header.gso_type = 3);
	refused(header.checksum_start = 19);
	refused(header.checksum_start = 24);
	refused(header.checksum_start = 60000);
	refused((header.gso_type = TUN_GSO_NONE, header.checksum_start = 60000));
	refused((header.gso_type = TUN_GSO_NONE, header.checksum_offset = 60000));
	header = right;
	assert_false(split_begin(&split, &header, super, 39));
	assert_false(split_begin(&split, &header, super, 19));
	assert_false(split_begin(&split, &header, super, 0));
	super[32] = 0x40; /* a TCP header of 16 bytes */
	assert_false(split_begin(&split, &header, super, size));
	super[32] = 0xf0; /* of 60, with 40 there */
	assert_false(split_begin(&split, &header, super, 79));
	super[0] = 0x55;
	assert_false(split_begin(&split, &header, super, size));
}

static void ecn_with_tcp_is_understood(void **state)
{
	struct random_numbers numbers = {9};
	struct test_flow flow = random_flow(&numbers);
	struct tun_header header;
	struct split split;
	size_t size;

	flow.is_tcp = true;
	size = make_super(&flow, &numbers, 0x90, 3000, 1000, &header);
	header.gso_type |= TUN_GSO_ECN;
	assert_true(split_begin(&split, &header, super, size));
	assert_int_equal(split.count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_packet_is_whole_and_right),
		cmocka_unit_test(a_single_packet_gets_the_checksum_the_kernel_left_to_us),
		cmocka_unit_test(a_finished_single_packet_is_not_changed),
		cmocka_unit_test(a_udp_checksum_of_zero_becomes_ones),
		cmocka_unit_test(headers_that_do_not_fit_are_refused),
		cmocka_unit_test(ecn_with_tcp_is_understood),
	};

	return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
