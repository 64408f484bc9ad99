#include "device.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "proto/wire/wireguard.h"

#define WANTED_INTERVAL USEC_PER_SEC
#define MTU             1420

enum pending_event { PENDING_HANDSHAKE = 1, PENDING_ENDPOINT = 2, PENDING_WANTED = 4 };

static struct device_peer *peer_of(struct wg_peer *peer)
{
	return container_of(peer, struct device_peer, wg);
}

static usec_t now_of(const struct device *device)
{
	return network_now(device->network);
}

static void add_event(struct device_peer *peer, enum pending_event event)
{
	if (!peer->events)
		list_append(&peer->device->pending, &peer->pending);
	peer->events |= event;
}

/* ---- what the core asks for ---- */

static void on_send(void *owner, struct wg_peer *peer, const struct address *to, const void *data,
		    size_t size)
{
	struct device *device = owner;

	(void)peer;
	host_send(device->host, to, data, size);
}

static void forget_staged(struct device_peer *peer)
{
	for (size_t i = 0; i < peer->staged_count; i++)
		free(peer->staged[i].packet);
	peer->staged_count = 0;
}

static bool send_to(struct device_peer *peer, const uint8_t *packet, size_t size)
{
	struct device *device = peer->device;
	uint8_t message[DEVICE_PACKET_MAX + WG_DATA_OVERHEAD + 16];
	struct wg_run run;

	if (!wg_send_begin(&peer->wg, device->aead, now_of(device), 1, &run) ||
	    peer->wg.endpoint.family == FAMILY_NONE)
		return false;
	memcpy(message + WG_DATA_HEADER_SIZE, packet, size);
	size = wg_seal(&run, device->aead, 0, message + WG_DATA_HEADER_SIZE, size, MTU, message);
	host_send(device->host, &peer->wg.endpoint, message, size);
	wg_sent(&peer->wg, device->aead, now_of(device), size, true);
	device->packets_sent++;
	return true;
}

static void on_session_ready(void *owner, struct wg_peer *wg_peer)
{
	struct device_peer *peer = peer_of(wg_peer);

	(void)owner;
	for (size_t i = 0; i < peer->staged_count; i++)
		send_to(peer, peer->staged[i].packet, peer->staged[i].size);
	forget_staged(peer);
}

static void on_handshake_completed(void *owner, struct wg_peer *peer)
{
	(void)owner;
	add_event(peer_of(peer), PENDING_HANDSHAKE);
}

static void on_endpoint_moved(void *owner, struct wg_peer *wg_peer, const struct address *from)
{
	struct device_peer *peer = peer_of(wg_peer);

	(void)owner;
	peer->from = *from;
	peer->has_moved = wg_peer->may_roam;
	add_event(peer, PENDING_ENDPOINT);
}

static void on_gave_up(void *owner, struct wg_peer *peer)
{
	(void)owner;
	forget_staged(peer_of(peer));
}

static void on_stamp(void *owner, usec_t now, uint8_t out[STAMP_SIZE])
{
	struct device *device = owner;
	usec_t mark;

	if (device->mark && stamp_needs_mark(&device->stamp, now, &mark))
		*device->mark = mark;
	stamp_next(&device->stamp, now, out);
}

/* ---- life ---- */

struct device *device_new(const struct device_options *options)
{
	uint32_t trie_nodes = 1 + ALLOWEDIPS_NODES_PER_PREFIX * (uint32_t)options->prefix_limit;
	struct device *device = new (struct device);
	const struct wg_ops ops = {
		.owner = device,
		.send = on_send,
		.session_ready = on_session_ready,
		.handshake_completed = on_handshake_completed,
		.endpoint_moved = on_endpoint_moved,
		.handshake_gave_up = on_gave_up,
		.stamp = on_stamp,
		.random = network_random(options->network),
	};

	device->network = options->network;
	device->host = options->host;
	device->aead = options->aead;
	device->mark = options->mark;
	device->events = options->events;
	list_init(&device->pending);
	stamp_init(&device->stamp, now_of(device), options->wall,
		   options->mark ? *options->mark : 0);
	device->wg = new (struct wg);
	wg_init(device->wg, &ops, NULL);
	allowedips_give_memory(&device->wg->allowed, new_array(struct allowedips_node, trie_nodes),
			       trie_nodes);
	wg_set_private_key(device->wg, device->aead, options->private_key);
	return device;
}

void device_free(struct device *device)
{
	struct wg_peer *peer;

	if (!device)
		return;
	while ((peer = list_first(&device->wg->peers, struct wg_peer, entry)))
		device_peer_free(peer_of(peer));
	if (device->has_mask)
		mask_done(&device->mask);
	free(device->wg->allowed.nodes);
	wg_done(device->wg);
	free(device->wg);
	free(device);
}

void device_set_mask(struct device *device, const struct mask_key *key)
{
	if (device->has_mask)
		mask_done(&device->mask);
	mask_init(&device->mask, key);
	device->has_mask = true;
}

struct device_peer *device_peer_new(struct device *device, const struct key *key, void *owner)
{
	struct device_peer *peer = new (struct device_peer);

	if (wg_peer_add(device->wg, &peer->wg, key)) {
		free(peer);
		return NULL;
	}
	peer->device = device;
	peer->owner = owner;
	list_init(&peer->pending);
	return peer;
}

void device_peer_free(struct device_peer *peer)
{
	forget_staged(peer);
	list_remove(&peer->pending);
	wg_peer_remove(&peer->wg);
	free(peer);
}

void device_peer_allow(struct device_peer *peer, const struct prefix *prefix)
{
	if (allowedips_add(&peer->device->wg->allowed, prefix, &peer->wg.allowed))
		abort();
}

bool device_peer_has_session(const struct device_peer *peer)
{
	return wg_peer_has_session(&peer->wg, now_of(peer->device));
}

void device_peer_start_handshake(struct device_peer *peer)
{
	wg_handshake_start(&peer->wg, peer->device->aead, now_of(peer->device));
}

void device_peer_set_keepalive(struct device_peer *peer, uint16_t seconds)
{
	wg_peer_set_keepalive(&peer->wg, peer->device->aead, now_of(peer->device), seconds);
}

void device_peer_send_keepalive(struct device_peer *peer)
{
	wg_send_keepalive(&peer->wg, peer->device->aead, now_of(peer->device));
}

/* ---- packets ---- */

static void stage(struct device_peer *peer, const uint8_t *packet, size_t size)
{
	usec_t now = now_of(peer->device);

	if (peer->staged_count == DEVICE_STAGED_MAX) {
		free(peer->staged[0].packet);
		peer->staged_count--;
		memmove(&peer->staged[0], &peer->staged[1],
			peer->staged_count * sizeof(peer->staged[0]));
	}
	peer->staged[peer->staged_count].packet = memory_copy(packet, size);
	peer->staged[peer->staged_count++].size = size;
	if (peer->wanted_at && usec_since(now, peer->wanted_at) < WANTED_INTERVAL)
		return;
	peer->wanted_at = now;
	add_event(peer, PENDING_WANTED);
}

bool device_send(struct device *device, const uint8_t *packet, size_t size)
{
	struct wg_peer *wg_peer = wg_route(device->wg, packet, size);

	if (!wg_peer || size > DEVICE_PACKET_MAX) {
		device->packets_unsent++;
		return false;
	}
	if (send_to(peer_of(wg_peer), packet, size))
		return true;
	device->packets_unsent++;
	stage(peer_of(wg_peer), packet, size);
	return false;
}

static void receive_data(struct device *device, const struct network_datagram *datagram)
{
	usec_t now = now_of(device);
	struct wg_opened opened;
	size_t size;

	if (wg_open(device->wg, device->aead, now, datagram->data, datagram->size, &opened) !=
	    WG_OK)
		return;
	wg_received(device->wg, device->aead, now, &opened, &datagram->from, datagram->size);
	if (opened.size &&
	    wg_accepts(device->wg, opened.peer, opened.packet, opened.size, &size) == WG_OK)
		device->events.on_packet(device->events.owner, peer_of(opened.peer),
					 datagram->origin, opened.packet, size);
}

void device_receive(struct device *device, const struct network_datagram *datagram)
{
	usec_t now = now_of(device);

	switch (wire_shape_of(datagram->data, datagram->size)) {
	case WIRE_DATA:
		receive_data(device, datagram);
		break;
	case WIRE_INITIATION:
	case WIRE_RESPONSE:
	case WIRE_COOKIE:
		wg_receive_handshake(device->wg, device->aead, now, &datagram->from, datagram->data,
				     datagram->size);
		break;
	case WIRE_MASKED:
		if (!device->has_mask || !device->events.on_control ||
		    !mask_remove(&device->mask, datagram->data, datagram->size))
			device->unmasked_failures++;
		else
			device->events.on_control(device->events.owner, &datagram->from,
						  datagram->data, datagram->size);
		break;
	case WIRE_MALFORMED:
	case WIRE_STUN:
	case WIRE_SHORT:
		break;
	}
}

void device_tick(struct device *device)
{
	wg_tick(device->wg, device->aead, now_of(device));
}

static void tell(struct device *device, struct device_peer *peer)
{
	const struct device_events *events = &device->events;
	unsigned event = peer->events & -peer->events;
	struct address from = peer->from;

	/* One at a time: the owner may free the peer. */
	peer->events &= ~event;
	if (!peer->events)
		list_remove(&peer->pending);
	if (event == PENDING_HANDSHAKE)
		events->on_handshake(events->owner, peer);
	if (event == PENDING_ENDPOINT)
		events->on_endpoint(events->owner, peer, &from, peer->has_moved);
	if (event == PENDING_WANTED && events->on_wanted)
		events->on_wanted(events->owner, peer);
}

void device_settle(struct device *device)
{
	struct device_peer *peer;

	while ((peer = list_first(&device->pending, struct device_peer, pending)))
		tell(device, peer);
}

usec_t device_deadline(const struct device *device)
{
	return wg_deadline(device->wg);
}

/* ---- inner packets ---- */

void inner_header_write(uint8_t *packet, size_t size, uint8_t protocol, const struct address *from,
			const struct address *to)
{
	memset(packet, 0, INNER_HEADER_SIZE);
	packet[0] = 0x45;
	packet[2] = (uint8_t)(size >> 8);
	packet[3] = (uint8_t)size;
	packet[8] = 64;
	packet[9] = protocol;
	memcpy(packet + 12, from->ip, 4);
	memcpy(packet + 16, to->ip, 4);
}

struct address inner_source(const uint8_t *packet)
{
	return address_from_ip(FAMILY_IPV4, packet + 12, 0);
}

uint8_t inner_protocol(const uint8_t *packet)
{
	return packet[9];
}
