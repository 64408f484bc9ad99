/* Joins packets of one TCP or UDP flow, as they come out of the tunnel, into super-packets that a
 * TUN device takes in one write: the reverse of split.h. Only what split() would cut into the very
 * same packets again is joined, and only packets whose checksums are right (IP ids of packets that
 * must not be fragmented carry no meaning, RFC 6864, and are not kept). Order within a flow stays.
 * Pure; borrows the packets until coalesce_flush() and changes headers in place. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "sys/tun/tun.h"

#define COALESCE_FLOWS   8
/* Linux limits a UDP super-packet to 64 datagrams. */
#define COALESCE_PACKETS 64

struct coalesce_sink {
	void *owner;
	/* One write: packets is how many went into it, 1 or more. */
	void (*write)(void *owner, const struct tun_header *header, const struct iovec *parts,
		      size_t packets);
};

/* Packets of one flow that wait to be written as one. */
struct coalesce_run {
	struct iovec parts[COALESCE_PACKETS]; /* the first with its headers, the others payload */
	size_t count;                         /* 0 = free */
	size_t size;                          /* of the joined packet */
	size_t header_size, segment;          /* IP and transport header; payload of each */
	size_t transport;                     /* offset of the transport header */
	uint32_t next_sequence;
};

struct coalesce {
	struct coalesce_run runs[COALESCE_FLOWS];
	size_t next_victim;
	bool may_join_tcp, may_join_udp;
	struct coalesce_sink sink;
};

/* may_join_*: the TUN device takes such super-packets. sink is copied. */
void coalesce_init(struct coalesce *coalesce, bool may_join_tcp, bool may_join_udp,
		   const struct coalesce_sink *sink);
/* packet: an IP packet of exactly size bytes (packet_size()); anything else passes through. */
void coalesce_add(struct coalesce *coalesce, uint8_t *packet, size_t size);
/* Writes whatever waits. */
void coalesce_flush(struct coalesce *coalesce);
