/* Cuts a super-packet of a TUN device (TCP segmentation or UDP_L4, with vnet_hdr) into the packets
 * it stands for, and finishes checksums that the kernel left to us. Pure. The packets go one by one
 * to where the caller wants them (its headroom, its stride). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/tun/tun.h"

/* Borrows the packet. */
struct split {
	const uint8_t *packet;
	size_t size;
	size_t count;       /* packets, at least 1 */
	size_t header_size; /* IP and transport, of each packet; size when count is 1 */
	size_t segment;     /* payload of each packet, the last may have less */
	uint16_t transport; /* offset of the TCP or UDP header, or of the checksummed part */
	uint16_t checksum;  /* offset of its checksum in the packet */
	uint8_t protocol;   /* 0: a single packet, sent as it is but for the checksum */
	bool needs_checksum;
};

/* False: not IP, or the header does not fit the packet. */
bool split_begin(struct split *split, const struct tun_header *header, const uint8_t *packet,
		 size_t size);
/* Size of packet number index (0 .. count - 1). */
size_t split_size(const struct split *split, size_t index);
/* Writes it; out has room for split_size() bytes and does not overlap the super-packet. */
void split_write(const struct split *split, size_t index, uint8_t *out);
