/* A run: packets for one peer laid out as their datagrams will be, so that they are sealed in place
 * and leave in one system call (UDP_SEGMENT wants equal sizes, the last may be shorter). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/noise/wg.h"
#include "proto/wire/wireguard.h"
#include "sys/udp/udp.h"

/* Two messages of the kernel: a super-packet of 64 KB from the interface is larger than one when it
 * is sealed, and what follows it fills the second. */
#define RUN_SIZE_MAX    ((size_t)2 * UDP_PAYLOAD_MAX)
#define RUN_PACKETS_MAX (2 * UDP_SEGMENTS_MAX)

_Static_assert(RUN_PACKETS_MAX <= WG_RUN_MAX, "counters are reserved for a run at once");

struct run {
	uint8_t *room; /* RUN_SIZE_MAX */
	struct wg_peer *peer;
	size_t count;
	size_t used;                     /* bytes, when they are sealed */
	size_t stride;                   /* of each datagram but perhaps the last */
	bool is_ended;                   /* a shorter one was added: nothing may follow */
	uint32_t sizes[RUN_PACKETS_MAX]; /* of the packets inside */
};

/* Size of the datagram around a packet: header, padding to 16 but not beyond the MTU, tag. */
size_t run_sealed_size(size_t size, size_t mtu);
/* True when a packet of this size for this peer can join what is there. */
bool run_may_add(const struct run *run, const struct wg_peer *peer, size_t size, size_t mtu);
/* Room for the packet itself; run_may_add() was asked, or the run is empty. */
uint8_t *run_add(struct run *run, struct wg_peer *peer, size_t size, size_t mtu);
/* Packet number index as it was added; its datagram begins WG_DATA_HEADER_SIZE before. */
uint8_t *run_packet(const struct run *run, size_t index);
void run_clear(struct run *run);
