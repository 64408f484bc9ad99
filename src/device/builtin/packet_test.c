#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "device/builtin/packet.h"

#include <cmocka.h>

static void the_family_needs_version_and_a_whole_header(void **state)
{
	uint8_t packet[40] = {0x45};

	assert_int_equal(packet_family(packet, 20), FAMILY_IPV4);
	assert_int_equal(packet_family(packet, 19), FAMILY_NONE);
	packet[0] = 0x60;
	assert_int_equal(packet_family(packet, 40), FAMILY_IPV6);
	assert_int_equal(packet_family(packet, 39), FAMILY_NONE);
	packet[0] = 0x50;
	assert_int_equal(packet_family(packet, 40), FAMILY_NONE);
	assert_int_equal(packet_family(packet, 0), FAMILY_NONE);
}

static void padding_behind_a_packet_is_not_part_of_it(void **state)
{
	uint8_t packet[64] = {0x45, 0, 0, 28};

	assert_int_equal(packet_size(packet, 32), 28);
	packet[0] = 0x60;
	packet[5] = 4;
	assert_int_equal(packet_size(packet, 48), 44);
}

static void a_packet_longer_than_what_came_or_shorter_than_its_header_has_no_size(void **state)
{
	uint8_t packet[64] = {0x45, 0, 0, 33};

	assert_int_equal(packet_size(packet, 32), 0);
	packet[3] = 19;
	assert_int_equal(packet_size(packet, 32), 0);
	packet[0] = 0x60;
	packet[5] = 9;
	assert_int_equal(packet_size(packet, 48), 0);
}

static void addresses_are_read_from_their_places(void **state)
{
	uint8_t packet[40] = {0x45};
	struct address address;

	memcpy(packet + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
	address = packet_source(packet);
	assert_int_equal(address.family, FAMILY_IPV4);
	assert_memory_equal(address.ip, "\x0a\x00\x00\x01", 4);
	address = packet_destination(packet);
	assert_memory_equal(address.ip, "\x0a\x00\x00\x02", 4);

	packet[0] = 0x60;
	for (uint8_t i = 0; i < 32; i++)
		packet[8 + i] = i;
	address = packet_source(packet);
	assert_int_equal(address.family, FAMILY_IPV6);
	assert_memory_equal(address.ip, packet + 8, 16);
	address = packet_destination(packet);
	assert_memory_equal(address.ip, packet + 24, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_family_needs_version_and_a_whole_header),
		cmocka_unit_test(padding_behind_a_packet_is_not_part_of_it),
		cmocka_unit_test(
			a_packet_longer_than_what_came_or_shorter_than_its_header_has_no_size),
		cmocka_unit_test(addresses_are_read_from_their_places),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
