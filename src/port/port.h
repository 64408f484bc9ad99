/* Owner of one UDP port (an IPv4 and an IPv6 socket): receives in batches, unmasks, dispatches by
 * shape to registered handlers, sends. Knows shapes, not meaning; never answers anything by itself.
 * Callbacks run in the loop's thread; they may call everything here but port_free().
 *
 * A lane is a pair of sockets with what one thread needs to use them. Every port has one; more of
 * them, of other threads, share its number (SO_REUSEPORT), and the kernel gives each source to one
 * of them. Only while there are more is the port shared at all, so nobody else can be bound to it
 * before. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/time.h"
#include "proto/mask/mask.h"

struct loop;
struct port;
struct port_lane;

/* Room kept free around packets handed to port_send_run(), and around each received message: before
 * its first datagram and behind its last. Inside a message one datagram follows the other. */
#define PORT_HEADROOM    64
#define PORT_TAILROOM    32
/* on_data gets at most so many at once. */
#define PORT_PACKETS_MAX 256
/* Handshake messages in one message of the kernel (GRO), which is from one source: a WireGuard has
 * one or two to say to us at a time. */
#define PORT_BURST_MAX   8

/* One datagram, cut out of its GRO message. The bytes may be changed in place until the handler
 * returns. */
struct port_packet {
	uint8_t *data;
	size_t size;
	struct address from;
};

struct port_handlers {
	void *owner;
	/* Transport data (type 4), in order of arrival, at most PORT_PACKETS_MAX. */
	void (*on_data)(void *owner, usec_t now, struct port_packet *packets, size_t count);
	/* One handshake message, behind all data of its batch: those before it may use a keypair
	 * which it replaces, those after it cannot use what it is about to make, and a flood must
	 * not tear runs of data apart. Type WG_INITIATION, WG_RESPONSE or WG_COOKIE in data[0],
	 * size checked. */
	void (*on_handshake)(void *owner, usec_t now, struct port_packet *packet);
	/* A datagram of our own: header unmasked in place, class in data[0]. */
	void (*on_control)(void *owner, usec_t now, struct port_packet *packet);
};

enum port_drop {
	PORT_DROP_MALFORMED, /* WireGuard type with a wrong length */
	PORT_DROP_STUN,      /* nobody asked */
	PORT_DROP_SHORT,
	PORT_DROP_UNMASKED, /* header check failed under our key: noise, scanners, other software */
	PORT_DROP_BURST, /* more handshake messages at once from one source than PORT_BURST_MAX */
	PORT_DROP_NO_HANDLER,
	PORT_DROP_COUNT
};

struct port_counters {
	uint64_t rx_datagrams, rx_calls, tx_datagrams, tx_calls, gso_fallbacks;
	uint64_t tx_failures; /* refused by the kernel: no route, unreachable, buffer full */
	uint64_t drops[PORT_DROP_COUNT];
};

struct port_options {
	uint16_t listen_port; /* 0 = any */
	uint32_t fwmark;
	bool without_gso, without_gro;
};

/* 0 or -errno (-EADDRINUSE, -EACCES). Works when the machine has no IPv6. */
int port_new(struct loop *loop, const struct port_options *options, struct port **ret_port);
void port_free(struct port *port);
/* handlers is copied. */
void port_set_handlers(struct port *port, const struct port_handlers *handlers);
/* The listener key that unmasks what comes to us, NULL = no masked traffic is accepted. Copied. */
void port_set_mask(struct port *port, const struct mask_key *key);
/* Moves to another port (0: any other) without losing handlers and counters; what waits unread on
 * the old one is lost. 0 or -errno (then the old port stays; -EBUSY: there are more lanes). */
int port_set_number(struct port *port, uint16_t listen_port);
/* 0 or -errno (-EPERM), then the old mark stays. */
int port_set_fwmark(struct port *port, uint32_t fwmark);
uint16_t port_number(const struct port *port);
/* No other thread uses its lane meanwhile. */
void port_get_counters(const struct port *port, struct port_counters *ret_counters);
const char *port_drop_name(enum port_drop drop);

/* 0 or -errno of the kernel's refusal (-EAFNOSUPPORT: no socket of that family); refusals are
 * counted. */
int port_send(struct port *port, const struct address *to, const void *data, size_t size);
/* A run of datagrams to one destination, cut by segment_size, at most UDP_SEGMENTS_MAX and 65507
 * bytes. */
int port_send_run(struct port *port, const struct address *to, uint8_t *data, size_t size,
		  size_t segment_size);

/* ---- lanes ---- */

/* Of a lane for another thread, called there. */
struct port_lane_handlers {
	void *owner;
	/* Around each batch that is received and handed over. */
	void (*begin)(void *owner);
	void (*end)(void *owner);
	/* As in port_handlers. */
	void (*on_data)(void *owner, usec_t now, struct port_packet *packets, size_t count);
	/* Whatever is no data, as it came: for port_take() in the port's thread. */
	void (*on_other)(void *owner, usec_t now, struct port_packet *packet);
};

/* The port's own. */
struct port_lane *port_lane(struct port *port);
/* One more for the thread of that loop, which does not run yet. 0 or -errno. */
int port_add_lane(struct port *port, struct loop *loop, const struct port_lane_handlers *handlers,
		  struct port_lane **ret_lane);
/* Its thread has ended. What still waits there is handed to the handlers, here and now; nothing
 * else is lost. */
void port_remove_lane(struct port *port, struct port_lane *lane);
/* A datagram that another lane got: to the handlers, as if it had come here. */
void port_take(struct port *port, usec_t now, const struct port_packet *packet);
/* As port_send_run(), by the lane's thread. */
int port_lane_send_run(struct port_lane *lane, const struct address *to, uint8_t *data, size_t size,
		       size_t segment_size);
