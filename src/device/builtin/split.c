#include "device/builtin/split.h"

#include <string.h>

#include "device/builtin/checksum.h"
#include "device/builtin/packet.h"

static bool single_begin(struct split *split, const struct tun_header *header)
{
	size_t checksum = (size_t)header->checksum_start + header->checksum_offset;

	split->count = 1;
	split->header_size = split->size;
	split->needs_checksum = header->flags & TUN_NEEDS_CHECKSUM;
	if (!split->needs_checksum)
		return true;
	if (header->checksum_start < IPV4_HEADER_SIZE || checksum + 2 > split->size)
		return false;
	split->transport = header->checksum_start;
	split->checksum = (uint16_t)checksum;
	return true;
}

/* The size of the transport header, 0 when it does not fit. The header_size that the kernel gives
 * is a hint only. */
static size_t transport_header_size(const struct split *split)
{
	size_t left = split->size - split->transport;
	size_t size = UDP_HEADER_SIZE;

	if (split->protocol == PROTOCOL_TCP) {
		if (left < TCP_HEADER_SIZE)
			return 0;
		size = (size_t)(split->packet[split->transport + TCP_OFFSET] >> 4) * 4;
		if (size < TCP_HEADER_SIZE)
			return 0;
	}
	return size <= left ? size : 0;
}

/* Behind extension headers only the kernel knows the protocol; without them the packet says it. */
static bool is_transport_plausible(const struct split *split, enum address_family family)
{
	const uint8_t *packet = split->packet;

	if (family == FAMILY_IPV4)
		return split->transport == (packet[0] & 15) * 4 &&
		       split->transport >= IPV4_HEADER_SIZE &&
		       packet[IPV4_PROTOCOL] == split->protocol;
	if (split->transport == IPV6_HEADER_SIZE)
		return packet[IPV6_NEXT] == split->protocol;
	return split->transport > IPV6_HEADER_SIZE;
}

static bool segments_begin(struct split *split, const struct tun_header *header, uint8_t gso_type)
{
	enum address_family family = packet_family(split->packet, split->size);
	size_t transport_size, payload;

	split->protocol = gso_type == TUN_GSO_UDP ? PROTOCOL_UDP : PROTOCOL_TCP;
	split->transport = header->checksum_start;
	split->segment = header->gso_size;
	split->needs_checksum = true;
	if (!(header->flags & TUN_NEEDS_CHECKSUM) || !header->gso_size ||
	    split->transport >= split->size || !is_transport_plausible(split, family))
		return false;
	if (gso_type != TUN_GSO_UDP && (gso_type == TUN_GSO_TCP4) != (family == FAMILY_IPV4))
		return false;
	transport_size = transport_header_size(split);
	if (!transport_size)
		return false;
	split->checksum =
		(uint16_t)(split->transport +
			   (split->protocol == PROTOCOL_TCP ? TCP_CHECKSUM : UDP_CHECKSUM));
	split->header_size = split->transport + transport_size;
	payload = split->size - split->header_size;
	split->count = payload ? (payload + split->segment - 1) / split->segment : 1;
	return true;
}

bool split_begin(struct split *split, const struct tun_header *header, const uint8_t *packet,
		 size_t size)
{
	uint8_t gso_type = header->gso_type & (uint8_t)~TUN_GSO_ECN;

	*split = (struct split){.packet = packet, .size = size};
	if (size > TUN_PACKET_MAX || packet_family(packet, size) == FAMILY_NONE)
		return false;
	if (gso_type == TUN_GSO_NONE)
		return single_begin(split, header);
	if (gso_type != TUN_GSO_TCP4 && gso_type != TUN_GSO_TCP6 && gso_type != TUN_GSO_UDP)
		return false;
	return segments_begin(split, header, gso_type);
}

size_t split_size(const struct split *split, size_t index)
{
	size_t payload = split->size - split->header_size, offset = index * split->segment;

	if (split->count == 1)
		return split->size;
	return split->header_size +
	       (payload - offset < split->segment ? payload - offset : split->segment);
}

/* A UDP checksum of zero means "none" (RFC 768), so zero is sent as its other form. */
static void store_checksum(const struct split *split, uint8_t *out, uint64_t sum, bool is_udp)
{
	uint16_t checksum = (uint16_t)~checksum_fold(sum);

	if (!checksum && is_udp)
		checksum = 0xffff;
	memcpy(out + split->checksum, &checksum, 2);
}

/* The checksum field holds the sum of the pseudo-header (virtio 1.1, 5.1.6.2). */
static void write_single(const struct split *split, uint8_t *out)
{
	size_t start = split->transport;
	uint64_t sum;

	if (!split->needs_checksum) {
		memcpy(out, split->packet, split->size);
		return;
	}
	memcpy(out, split->packet, start);
	sum = checksum_copy(0, out + start, split->packet + start, split->size - start);
	store_checksum(split, out, sum, split->checksum == start + UDP_CHECKSUM);
}

static void write_ip_header(const struct split *split, size_t index, uint8_t *out, size_t size)
{
	uint16_t checksum;

	if (out[0] >> 4 == 6) {
		store_be16(out + IPV6_SIZE, size - IPV6_HEADER_SIZE);
		return;
	}
	store_be16(out + IPV4_SIZE, size);
	store_be16(out + IPV4_ID, load_be16(out + IPV4_ID) + index);
	memset(out + IPV4_CHECKSUM, 0, 2);
	checksum = (uint16_t)~checksum_fold(checksum_add(0, out, split->transport));
	memcpy(out + IPV4_CHECKSUM, &checksum, 2);
}

static void write_tcp_header(const struct split *split, size_t index, uint8_t *tcp)
{
	uint32_t sequence = load_be32(tcp + TCP_SEQUENCE);

	store_be32(tcp + TCP_SEQUENCE, sequence + (uint32_t)(index * split->segment));
	if (index > 0)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_FLAG_CWR;
	if (index + 1 < split->count)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
}

static uint64_t pseudo_sum(const uint8_t *packet, uint8_t protocol, size_t size)
{
	if (packet[0] >> 4 == 4)
		return checksum_pseudo(FAMILY_IPV4, packet + IPV4_SOURCE, packet + IPV4_DESTINATION,
				       protocol, (uint32_t)size);
	return checksum_pseudo(FAMILY_IPV6, packet + IPV6_SOURCE, packet + IPV6_DESTINATION,
			       protocol, (uint32_t)size);
}

void split_write(const struct split *split, size_t index, uint8_t *out)
{
	size_t size = split_size(split, index), transport_size = size - split->transport;
	uint64_t sum;

	if (!split->protocol) {
		write_single(split, out);
		return;
	}
	memcpy(out, split->packet, split->header_size);
	write_ip_header(split, index, out, size);
	if (split->protocol == PROTOCOL_TCP)
		write_tcp_header(split, index, out + split->transport);
	else
		store_be16(out + split->transport + UDP_SIZE, transport_size);
	memset(out + split->checksum, 0, 2);
	sum = pseudo_sum(out, split->protocol, transport_size);
	sum = checksum_add(sum, out + split->transport, split->header_size - split->transport);
	sum = checksum_copy(sum, out + split->header_size,
			    split->packet + split->header_size + index * split->segment,
			    size - split->header_size);
	store_checksum(split, out, sum, split->protocol == PROTOCOL_UDP);
}
