/* What a received datagram is and who gets it: cuts messages of the kernel into datagrams, unmasks,
 * and calls the handlers. No socket, clock or allocation, so that a fuzzer can drive it. A private
 * header of this room. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "port/port.h"
#include "proto/mask/mask.h"
#include "sys/udp/udp.h"

struct dispatch {
	struct port_handlers handlers;
	/* Set: all but data goes there as it came, with the owner of the handlers. */
	void (*on_other)(void *owner, usec_t now, struct port_packet *packet);
	struct mask mask;
	bool has_mask;
	uint64_t drops[PORT_DROP_COUNT];
	/* Data in arrival order that its handler has not seen yet; empty between batches. */
	struct port_packet packets[PORT_PACKETS_MAX];
	size_t count;
	/* Handshake messages likewise. */
	struct port_packet handshakes[PORT_PACKETS_MAX];
	size_t handshake_count;
	size_t burst; /* those of the present message */
};

void dispatch_done(struct dispatch *dispatch);
/* NULL: what looks masked is dropped. */
void dispatch_set_mask(struct dispatch *dispatch, const struct mask_key *key);
/* Every datagram reaches exactly one handler or one drop counter: in order of arrival, but for
 * handshake messages, which come behind data. */
void dispatch_batch(struct dispatch *dispatch, usec_t now, const struct udp_message *messages,
		    size_t count);
