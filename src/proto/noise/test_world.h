/* Two WireGuard cores and the network between them, in virtual time, for this room's tests.
 * Datagrams wait in a queue until world_deliver(); a test may lose, copy, change or hold back any
 * of them. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/crypto.h"
#include "crypto/x25519.h"
#include "proto/noise/peer.h"
#include "proto/noise/stamp.h"
#include "proto/noise/wg.h"
#include "proto/wire/wireguard.h"
#include "seeded.h"

#include <cmocka.h>

#define WORLD_QUEUE    256
#define WORLD_DATAGRAM 256
#define WORLD_WALL     (1700000000 * USEC_PER_SEC)
#define SECONDS(n)     ((usec_t)(n)*USEC_PER_SEC)

struct world;

struct datagram {
	struct side *from, *to;
	struct address source;
	size_t size;
	uint8_t data[WORLD_DATAGRAM];
};

struct side {
	struct world *world;
	struct wg wg;
	struct wg_peer peer; /* the other side */
	struct key private_key, public_key;
	struct address address;
	struct stamp stamp;
	struct aead *aead;
	bool is_cut;   /* what it sends is lost */
	size_t staged; /* packets that wait for a session */
	/* What happened. */
	unsigned ready, completed, moved, gave_up, sent;
	unsigned initiations, responses, cookies, keepalives, packets; /* sent, by kind */
	struct address moved_to;
	unsigned received; /* packets that came through to the interface, keepalives not */
	enum wg_drop last_drop;
};

struct world {
	struct side a, b; /* a has the lower address, nothing else differs */
	usec_t now;
	struct seeded seeded;
	struct datagram queue[WORLD_QUEUE];
	size_t queued;
};

static inline struct side *other(struct side *side)
{
	return side == &side->world->a ? &side->world->b : &side->world->a;
}

static inline void world_queue(struct side *from, const void *data, size_t size)
{
	struct world *world = from->world;
	struct datagram *datagram = &world->queue[world->queued];

	if (from->is_cut)
		return;
	assert_true(world->queued < WORLD_QUEUE && size <= WORLD_DATAGRAM);
	*datagram = (struct datagram){
		.from = from, .to = other(from), .source = from->address, .size = size};
	memcpy(datagram->data, data, size);
	world->queued++;
}

static inline void side_send(void *owner, struct wg_peer *peer, const struct address *to,
			     const void *data, size_t size)
{
	struct side *side = owner;
	const uint8_t *bytes = data;

	assert_int_not_equal(to->family, FAMILY_NONE);
	assert_true(peer == &side->peer || (!peer && bytes[0] == WG_COOKIE));
	side->initiations += bytes[0] == WG_INITIATION;
	side->responses += bytes[0] == WG_RESPONSE;
	side->cookies += bytes[0] == WG_COOKIE;
	side->keepalives += bytes[0] == WG_DATA;
	side->sent++;
	world_queue(side, data, size);
}

/* An IPv4 packet from one side's tunnel address to the other's: 10.0.0.1 is a's, 10.0.0.2 b's. */
static inline size_t world_packet(const struct side *from, uint8_t *out, size_t size)
{
	bool is_a = from == &from->world->a;

	memset(out, 0, size);
	out[0] = 0x45;
	out[2] = (uint8_t)(size >> 8);
	out[3] = (uint8_t)size;
	memcpy(out + 12, (uint8_t[]){10, 0, 0, is_a ? 1 : 2, 10, 0, 0, is_a ? 2 : 1}, 8);
	return size;
}

/* One packet of data towards the other side; it waits when there is no session. */
static inline bool side_send_data(struct side *side)
{
	uint8_t datagram[WORLD_DATAGRAM];
	uint8_t *packet = datagram + WG_DATA_HEADER_SIZE;
	struct world *world = side->world;
	size_t size = world_packet(side, packet, 40);
	struct wg_run run;

	if (!wg_send_begin(&side->peer, side->aead, world->now, 1, &run)) {
		side->staged++;
		return false;
	}
	size = wg_seal(&run, side->aead, 0, packet, size, 1420, datagram);
	side->packets++;
	side->sent++;
	world_queue(side, datagram, size);
	wg_sent(&side->peer, side->aead, world->now, size, true);
	return true;
}

static inline void side_ready(void *owner, struct wg_peer *peer)
{
	struct side *side = owner;
	size_t staged = side->staged;

	side->ready++;
	side->staged = 0;
	while (staged-- > 0)
		assert_true(side_send_data(side));
}

static inline void side_completed(void *owner, struct wg_peer *peer)
{
	((struct side *)owner)->completed++;
}

static inline void side_moved(void *owner, struct wg_peer *peer, const struct address *from)
{
	struct side *side = owner;

	side->moved++;
	side->moved_to = *from;
}

static inline void side_gave_up(void *owner, struct wg_peer *peer)
{
	struct side *side = owner;

	side->gave_up++;
	side->staged = 0;
}

static inline void side_stamp(void *owner, usec_t now, uint8_t out[STAMP_SIZE])
{
	stamp_next(&((struct side *)owner)->stamp, now, out);
}

static inline struct address world_address(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, 0, &address), 0);
	return address;
}

static inline void world_allow(struct wg *wg, struct wg_peer *peer, const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	assert_int_equal(allowedips_add(&wg->allowed, &prefix, &peer->allowed), 0);
}

static inline void side_init(struct world *world, struct side *side, const char *address,
			     const struct wg_limits *limits)
{
	const struct wg_ops ops = {
		.owner = side,
		.send = side_send,
		.session_ready = side_ready,
		.handshake_completed = side_completed,
		.endpoint_moved = side_moved,
		.handshake_gave_up = side_gave_up,
		.stamp = side_stamp,
		.random = &world->seeded.source,
	};

	side->world = world;
	side->address = world_address(address);
	side->aead = aead_new();
	seeded_fill(&world->seeded, &side->private_key, KEY_SIZE);
	x25519_clamp(&side->private_key);
	x25519_public(&side->private_key, &side->public_key);
	stamp_init(&side->stamp, world->now, WORLD_WALL, 0);
	wg_init(&side->wg, &ops, limits);
	allowedips_give_memory(&side->wg.allowed, new_array(struct allowedips_node, 16), 16);
	wg_set_private_key(&side->wg, side->aead, &side->private_key);
}

/* Two sides that know each other; nothing was sent yet. limits NULL = WireGuard's. */
static inline struct world *world_new_seeded(uint64_t seed, const struct wg_limits *limits)
{
	struct world *world = new (struct world);

	seeded_init(&world->seeded, seed);
	world->now = SECONDS(100);
	side_init(world, &world->a, "192.0.2.1:1000", limits);
	side_init(world, &world->b, "192.0.2.2:2000", limits);
	assert_int_equal(wg_peer_add(&world->a.wg, &world->a.peer, &world->b.public_key), 0);
	assert_int_equal(wg_peer_add(&world->b.wg, &world->b.peer, &world->a.public_key), 0);
	wg_peer_set_endpoint(&world->a.peer, &world->b.address);
	wg_peer_set_endpoint(&world->b.peer, &world->a.address);
	world_allow(&world->a.wg, &world->a.peer, "10.0.0.2/32");
	world_allow(&world->b.wg, &world->b.peer, "10.0.0.1/32");
	return world;
}

static inline struct world *world_new(const char *test, const struct wg_limits *limits)
{
	struct seeded seeded;

	seeded_start(&seeded, test);
	return world_new_seeded(seeded_u64(&seeded), limits);
}

static inline void side_done(struct side *side)
{
	if (side->peer.wg)
		wg_peer_remove(&side->peer);
	wg_done(&side->wg);
	free(side->wg.allowed.nodes);
	aead_free(side->aead);
}

static inline void world_free(struct world *world)
{
	side_done(&world->a);
	side_done(&world->b);
	free(world);
}

static inline enum wg_drop side_receive_data(struct side *side, const struct address *from,
					     uint8_t *data, size_t size)
{
	struct world *world = side->world;
	struct wg_opened opened;
	enum wg_drop drop = wg_open(&side->wg, side->aead, world->now, data, size, &opened);
	size_t inner;

	wg_count(&side->wg, drop);
	if (drop != WG_OK)
		return drop;
	wg_received(&side->wg, side->aead, world->now, &opened, from, size);
	if (!opened.size)
		return WG_OK;
	drop = wg_accepts(&side->wg, opened.peer, opened.packet, opened.size, &inner);
	wg_count(&side->wg, drop);
	side->received += drop == WG_OK;
	return drop;
}

/* As the port would: by type. */
static inline enum wg_drop side_receive(struct side *side, const struct datagram *datagram)
{
	struct datagram copy = *datagram;

	side->last_drop = copy.data[0] == WG_DATA
				  ? side_receive_data(side, &copy.source, copy.data, copy.size)
				  : wg_receive_handshake(&side->wg, side->aead, side->world->now,
							 &copy.source, copy.data, copy.size);
	return side->last_drop;
}

static inline struct datagram world_take(struct world *world)
{
	struct datagram first = world->queue[0];

	assert_true(world->queued > 0);
	world->queued--;
	memmove(world->queue, world->queue + 1, world->queued * sizeof(*world->queue));
	return first;
}

/* Everything that waits, and all answers. */
static inline void world_deliver(struct world *world)
{
	while (world->queued) {
		struct datagram datagram = world_take(world);

		side_receive(datagram.to, &datagram);
	}
}

static inline void world_tick(struct world *world)
{
	wg_tick(&world->a.wg, world->a.aead, world->now);
	wg_tick(&world->b.wg, world->b.aead, world->now);
}

/* Delivers the first datagram of the queue and says what became of it. */
static inline enum wg_drop deliver_one(struct world *world)
{
	struct datagram datagram = world_take(world);

	return side_receive(datagram.to, &datagram);
}

/* The receiver checks mac1 with this key, and a changed message needs it anew. */
static inline void sign_for(const struct side *receiver, struct datagram *datagram)
{
	struct cookie_maker maker;

	cookie_maker_init(&maker, &receiver->public_key);
	cookie_add_macs(&maker, SECONDS(1), datagram->data, datagram->size);
}

/* Time passes; what is sent arrives at once. */
static inline void world_pass(struct world *world, usec_t time)
{
	usec_t end = world->now + time, next;

	world_deliver(world);
	for (;;) {
		next = usec_earlier(wg_deadline(&world->a.wg), wg_deadline(&world->b.wg));
		if (next > end)
			break;
		if (next > world->now)
			world->now = next;
		world_tick(world);
		world_deliver(world);
	}
	world->now = end;
}

/* a initiates, both have a confirmed session. */
static inline void world_connect(struct world *world)
{
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	world_deliver(world);
	assert_true(wg_peer_has_session(&world->a.peer, world->now));
	assert_true(wg_peer_has_session(&world->b.peer, world->now));
}

/* Whether the bytes occur anywhere in the memory. */
static inline bool memory_holds(const void *memory, size_t size, const void *bytes, size_t wanted)
{
	return memory && memmem(memory, size, bytes, wanted);
}
