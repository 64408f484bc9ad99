#include "device/builtin/packet.h"

enum address_family packet_family(const uint8_t *packet, size_t size)
{
	if (size >= IPV4_HEADER_SIZE && packet[0] >> 4 == 4)
		return FAMILY_IPV4;
	if (size >= IPV6_HEADER_SIZE && packet[0] >> 4 == 6)
		return FAMILY_IPV6;
	return FAMILY_NONE;
}

size_t packet_size(const uint8_t *packet, size_t size)
{
	enum address_family family = packet_family(packet, size);
	size_t said;

	if (family == FAMILY_NONE)
		return 0;
	if (family == FAMILY_IPV6)
		said = IPV6_HEADER_SIZE + load_be16(packet + IPV6_SIZE);
	else
		said = load_be16(packet + IPV4_SIZE);
	return said > size || (family == FAMILY_IPV4 && said < IPV4_HEADER_SIZE) ? 0 : said;
}

static bool is_ipv4(const uint8_t *packet)
{
	return packet[0] >> 4 == 4;
}

struct address packet_source(const uint8_t *packet)
{
	return is_ipv4(packet) ? address_from_ip(FAMILY_IPV4, packet + IPV4_SOURCE, 0)
			       : address_from_ip(FAMILY_IPV6, packet + IPV6_SOURCE, 0);
}

struct address packet_destination(const uint8_t *packet)
{
	return is_ipv4(packet) ? address_from_ip(FAMILY_IPV4, packet + IPV4_DESTINATION, 0)
			       : address_from_ip(FAMILY_IPV6, packet + IPV6_DESTINATION, 0);
}
