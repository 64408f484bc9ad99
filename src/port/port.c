#include "port/port.h"

#include <errno.h>

#include "base/memory.h"
#include "port/lane.h"

/* Draws of a number that must be free in both families. */
#define NUMBER_TRIES 32

struct port {
	struct port_options options;
	uint16_t number;
	struct port_lane *own;
	struct list lanes;         /* the others */
	struct port_counters past; /* of lanes that are gone */
};

/* The new sockets are there before the old ones go, so that a refusal changes nothing. */
static int move_to(struct port *port, uint16_t number)
{
	struct lane_pair *pair;
	int error = -EADDRINUSE;

	for (int i = 0; error == -EADDRINUSE && i < (number ? 1 : NUMBER_TRIES); i++)
		error = lane_open_pair(port->own, &port->options, number, false, &pair);
	if (error)
		return error;
	lane_set_pair(port->own, pair);
	port->number = lane_pair_number(pair);
	return 0;
}

int port_new(struct loop *loop, const struct port_options *options, struct port **ret_port)
{
	struct port *port = new (struct port);
	int error;

	port->options = *options;
	list_init(&port->lanes);
	port->own = lane_new(loop);
	error = move_to(port, options->listen_port);
	if (error) {
		port_free(port);
		return error;
	}
	*ret_port = port;
	return 0;
}

void port_free(struct port *port)
{
	if (!port)
		return;
	lane_free(port->own);
	free(port);
}

void port_set_handlers(struct port *port, const struct port_handlers *handlers)
{
	port->own->dispatch.handlers = *handlers;
}

void port_set_mask(struct port *port, const struct mask_key *key)
{
	dispatch_set_mask(&port->own->dispatch, key);
}

int port_set_number(struct port *port, uint16_t listen_port)
{
	if (listen_port == port->number)
		return 0;
	return list_is_empty(&port->lanes) ? move_to(port, listen_port) : -EBUSY;
}

static int set_fwmark(const struct port_lane *lane, uint32_t fwmark)
{
	const struct lane_socket *sockets = lane->pair->sockets;
	int error = 0;

	for (int i = 0; !error && i < SOCKETS; i++) {
		if (sockets[i].udp)
			error = udp_set_fwmark(sockets[i].udp, fwmark);
	}
	return error;
}

static int set_fwmark_everywhere(const struct port *port, uint32_t fwmark)
{
	const struct port_lane *lane;
	int error = set_fwmark(port->own, fwmark);

	list_for_each (lane, &port->lanes, entry) {
		if (!error)
			error = set_fwmark(lane, fwmark);
	}
	return error;
}

int port_set_fwmark(struct port *port, uint32_t fwmark)
{
	int error = set_fwmark_everywhere(port, fwmark);

	if (!error)
		port->options.fwmark = fwmark;
	else
		set_fwmark_everywhere(port, port->options.fwmark);
	return error;
}

uint16_t port_number(const struct port *port)
{
	return port->number;
}

void port_get_counters(const struct port *port, struct port_counters *ret_counters)
{
	const struct port_lane *lane;

	*ret_counters = port->past;
	lane_add_counters(port->own, ret_counters);
	list_for_each (lane, &port->lanes, entry)
		lane_add_counters(lane, ret_counters);
}

const char *port_drop_name(enum port_drop drop)
{
	switch (drop) {
	case PORT_DROP_MALFORMED:
		return "malformed";
	case PORT_DROP_STUN:
		return "stun";
	case PORT_DROP_SHORT:
		return "short";
	case PORT_DROP_UNMASKED:
		return "unmasked";
	case PORT_DROP_BURST:
		return "burst";
	case PORT_DROP_NO_HANDLER:
		return "no-handler";
	case PORT_DROP_COUNT:
		break;
	}
	return "unknown";
}

/* Sending */

int port_send(struct port *port, const struct address *to, const void *data, size_t size)
{
	/* Nothing writes to what is sent. */
	struct udp_message message = {
		.remote = *to, .data = (uint8_t *)data, .size = size, .segment_size = size};

	return lane_send(port->own, &message);
}

int port_lane_send_run(struct port_lane *lane, const struct address *to, uint8_t *data, size_t size,
		       size_t segment_size)
{
	struct udp_message message = {
		.remote = *to, .data = data, .size = size, .segment_size = segment_size};

	return lane_send(lane, &message);
}

int port_send_run(struct port *port, const struct address *to, uint8_t *data, size_t size,
		  size_t segment_size)
{
	return port_lane_send_run(port->own, to, data, size, segment_size);
}

/* Lanes */

struct port_lane *port_lane(struct port *port)
{
	return port->own;
}

int port_add_lane(struct port *port, struct loop *loop, const struct port_lane_handlers *handlers,
		  struct port_lane **ret_lane)
{
	struct port_lane *lane = lane_new(loop);
	int error = lane_pair_share(port->own->pair, true);

	lane->handlers = *handlers;
	lane->dispatch.handlers = (struct port_handlers){
		.owner = handlers->owner,
		.on_data = handlers->on_data,
	};
	lane->dispatch.on_other = handlers->on_other;
	if (!error)
		error = lane_open_pair(lane, &port->options, port->number, true, &lane->pair);
	if (!error) {
		list_append(&port->lanes, &lane->entry);
		*ret_lane = lane;
		return 0;
	}
	lane_free(lane);
	if (list_is_empty(&port->lanes))
		lane_pair_share(port->own->pair, false);
	return error;
}

void port_remove_lane(struct port *port, struct port_lane *lane)
{
	list_remove(&lane->entry);
	lane_drain(lane);
	lane_add_counters(lane, &port->past);
	lane_free(lane);
	if (list_is_empty(&port->lanes))
		lane_pair_share(port->own->pair, false);
}

void port_take(struct port *port, usec_t now, const struct port_packet *packet)
{
	const struct udp_message message = {.remote = packet->from,
					    .data = packet->data,
					    .size = packet->size,
					    .segment_size = packet->size};

	dispatch_batch(&port->own->dispatch, now, &message, 1);
}
