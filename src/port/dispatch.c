#include "port/dispatch.h"

#include "proto/wire/wireguard.h"

void dispatch_done(struct dispatch *dispatch)
{
	dispatch_set_mask(dispatch, NULL);
}

void dispatch_set_mask(struct dispatch *dispatch, const struct mask_key *key)
{
	if (dispatch->has_mask)
		mask_done(&dispatch->mask);
	dispatch->has_mask = key;
	if (key)
		mask_init(&dispatch->mask, key);
}

static void flush_data(struct dispatch *dispatch, usec_t now)
{
	size_t count = dispatch->count;

	if (!count)
		return;
	dispatch->count = 0;
	if (dispatch->handlers.on_data)
		dispatch->handlers.on_data(dispatch->handlers.owner, now, dispatch->packets, count);
	else
		dispatch->drops[PORT_DROP_NO_HANDLER] += count;
}

static void gather_data(struct dispatch *dispatch, usec_t now, const struct port_packet *packet)
{
	if (dispatch->count == PORT_PACKETS_MAX)
		flush_data(dispatch, now);
	dispatch->packets[dispatch->count++] = *packet;
}

static void hand_over(struct dispatch *dispatch, usec_t now, struct port_packet *packet,
		      void (*handler)(void *owner, usec_t now, struct port_packet *packet))
{
	if (handler)
		handler(dispatch->handlers.owner, now, packet);
	else
		dispatch->drops[PORT_DROP_NO_HANDLER]++;
}

static void flush_all(struct dispatch *dispatch, usec_t now)
{
	flush_data(dispatch, now);
	for (size_t i = 0; i < dispatch->handshake_count; i++)
		hand_over(dispatch, now, &dispatch->handshakes[i], dispatch->handlers.on_handshake);
	dispatch->handshake_count = 0;
}

static void gather_handshake(struct dispatch *dispatch, usec_t now,
			     const struct port_packet *packet)
{
	if (++dispatch->burst > PORT_BURST_MAX) {
		dispatch->drops[PORT_DROP_BURST]++;
		return;
	}
	if (dispatch->handshake_count == PORT_PACKETS_MAX)
		flush_all(dispatch, now);
	dispatch->handshakes[dispatch->handshake_count++] = *packet;
}

static void dispatch_masked(struct dispatch *dispatch, usec_t now, struct port_packet *packet)
{
	if (!dispatch->has_mask || !mask_remove(&dispatch->mask, packet->data, packet->size)) {
		dispatch->drops[PORT_DROP_UNMASKED]++;
		return;
	}
	flush_all(dispatch, now);
	hand_over(dispatch, now, packet, dispatch->handlers.on_control);
}

static void dispatch_packet(struct dispatch *dispatch, usec_t now, struct port_packet *packet)
{
	enum wire_shape shape = wire_shape_of(packet->data, packet->size);

	if (dispatch->on_other && shape != WIRE_DATA) {
		dispatch->on_other(dispatch->handlers.owner, now, packet);
		return;
	}
	switch (shape) {
	case WIRE_DATA:
		gather_data(dispatch, now, packet);
		return;
	case WIRE_INITIATION:
	case WIRE_RESPONSE:
	case WIRE_COOKIE:
		gather_handshake(dispatch, now, packet);
		return;
	case WIRE_MASKED:
		dispatch_masked(dispatch, now, packet);
		return;
	case WIRE_MALFORMED:
		dispatch->drops[PORT_DROP_MALFORMED]++;
		return;
	case WIRE_STUN:
		/* We send no requests, and answering one would show the port to every scanner. */
		dispatch->drops[PORT_DROP_STUN]++;
		return;
	case WIRE_SHORT:
		dispatch->drops[PORT_DROP_SHORT]++;
		return;
	}
}

static void dispatch_message(struct dispatch *dispatch, usec_t now,
			     const struct udp_message *message)
{
	size_t segment_size = message->segment_size ? message->segment_size : message->size;
	size_t offset = 0, left;

	dispatch->burst = 0;
	do {
		struct port_packet packet = {.data = message->data + offset,
					     .from = message->remote};

		left = message->size - offset;
		packet.size = left < segment_size ? left : segment_size;
		offset += packet.size;
		dispatch_packet(dispatch, now, &packet);
	} while (offset < message->size);
}

void dispatch_batch(struct dispatch *dispatch, usec_t now, const struct udp_message *messages,
		    size_t count)
{
	for (size_t i = 0; i < count; i++)
		dispatch_message(dispatch, now, &messages[i]);
	flush_all(dispatch, now);
}
