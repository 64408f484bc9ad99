#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/memory.h"
#include "device/builtin/checksum.h"
#include "device/builtin/test_traffic.h"

#include <cmocka.h>

static uint16_t fold_be(uint64_t sum)
{
	uint16_t folded = checksum_fold(sum);

	return (uint16_t)get16((uint8_t *)&folded);
}

static void the_example_of_rfc_1071_sums_to_ddf2(void **state)
{
	const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	assert_int_equal(fold_be(checksum_add(0, data, sizeof(data))), 0xddf2);
}

static void any_size_and_alignment_agrees_with_the_slow_sum(void **state)
{
	struct random_numbers numbers = seeded_random();
	uint8_t data[4096], copy[4096];

	for (int round = 0; round < 3000; round++) {
		size_t offset = random_up_to(&numbers, 8);
		size_t size = random_up_to(&numbers, round % 10 ? 100 : 4000);
		uint64_t copied;

		/* All ones carry the most. */
		for (size_t i = 0; i < size; i++)
			data[offset + i] = round % 3 ? (uint8_t)next_random(&numbers) : 0xff;
		assert_int_equal(fold_be(checksum_add(0, data + offset, size)),
				 slow_sum(0, data + offset, size));
		copied = checksum_copy(0, copy + 3, data + offset, size);
		assert_int_equal(fold_be(copied), slow_sum(0, data + offset, size));
		assert_memory_equal(copy + 3, data + offset, size);
	}
}

static void parts_of_even_size_add_up(void **state)
{
	struct random_numbers numbers = seeded_random();
	uint8_t data[512];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)next_random(&numbers);
	for (size_t cut = 0; cut < sizeof(data) - 1; cut += 2) {
		uint64_t sum = checksum_add(0, data, cut);

		sum = checksum_add(sum, data + cut, sizeof(data) - 1 - cut);
		assert_int_equal(fold_be(sum), slow_sum(0, data, sizeof(data) - 1));
	}
}

static void a_whole_packet_with_its_checksum_folds_to_ones(void **state)
{
	struct random_numbers numbers = seeded_random();

	for (int round = 0; round < 200; round++) {
		struct test_flow flow = random_flow(&numbers);
		uint8_t packet[2048];
		size_t size =
			flow_packet(&flow, &numbers, 0x10, random_up_to(&numbers, 1400), packet);
		size_t ip = flow.is_ipv6 ? 40 : 20, address = flow.is_ipv6 ? 16 : 4;
		const uint8_t *source = packet + (flow.is_ipv6 ? 8 : 12);
		uint64_t sum = checksum_pseudo(flow.is_ipv6 ? FAMILY_IPV6 : FAMILY_IPV4, source,
					       source + address, flow.is_tcp ? 6 : 17,
					       (uint32_t)(size - ip));

		assert_int_equal(checksum_fold(checksum_add(sum, packet + ip, size - ip)), 0xffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_1071_sums_to_ddf2),
		cmocka_unit_test(any_size_and_alignment_agrees_with_the_slow_sum),
		cmocka_unit_test(parts_of_even_size_add_up),
		cmocka_unit_test(a_whole_packet_with_its_checksum_folds_to_ones),
	};

	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
