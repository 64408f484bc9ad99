/* The WireGuard device of a simulated machine: proto/noise on a simulated host, as device/builtin
 * has it on a TUN interface and a socket. Datagrams are dispatched by shape, as port/ does it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network.h"
#include "proto/mask/mask.h"
#include "proto/noise/stamp.h"
#include "proto/noise/wg.h"

struct device;

#define DEVICE_STAGED_MAX 8
#define DEVICE_PACKET_MAX 16384

struct device_peer {
	struct wg_peer wg;
	struct device *device;
	void *owner;
	struct list pending;
	unsigned events;
	struct address from;
	bool has_moved;
	usec_t wanted_at; /* last told */
	struct {
		uint8_t *packet;
		size_t size;
	} staged[DEVICE_STAGED_MAX];
	size_t staged_count;
};

struct device_events {
	void *owner;
	void (*on_handshake)(void *owner, struct device_peer *peer);
	void (*on_endpoint)(void *owner, struct device_peer *peer, const struct address *from,
			    bool has_moved);
	/* May be NULL. */
	void (*on_wanted)(void *owner, struct device_peer *peer);
	/* An inner packet that passed all checks. */
	void (*on_packet)(void *owner, struct device_peer *peer, const struct host *origin,
			  const uint8_t *packet, size_t size);
	/* Masked for us, and unmasked. May be NULL. */
	void (*on_control)(void *owner, const struct address *from, uint8_t *data, size_t size);
};

struct device_options {
	struct network *network;
	struct host *host;
	struct aead *aead;
	const struct key *private_key;
	usec_t wall;         /* unix time, as this machine believes */
	uint64_t *mark;      /* of stamps, "on disk"; NULL = nothing is kept */
	size_t prefix_limit; /* of all peers */
	struct device_events events;
};

struct device {
	struct network *network;
	struct host *host;
	struct aead *aead;
	struct wg *wg;
	struct stamp stamp;
	uint64_t *mark;
	struct device_events events;
	struct list pending;
	struct mask mask;
	bool has_mask;
	uint64_t unmasked_failures, packets_sent, packets_unsent;
};

struct device *device_new(const struct device_options *options);
/* With all peers. */
void device_free(struct device *device);
void device_set_mask(struct device *device, const struct mask_key *key);

struct device_peer *device_peer_new(struct device *device, const struct key *key, void *owner);
void device_peer_free(struct device_peer *peer);
void device_peer_allow(struct device_peer *peer, const struct prefix *prefix);
bool device_peer_has_session(const struct device_peer *peer);
void device_peer_start_handshake(struct device_peer *peer);
void device_peer_set_keepalive(struct device_peer *peer, uint16_t seconds);
void device_peer_send_keepalive(struct device_peer *peer);

/* An inner IPv4 packet, routed by its destination. False: no session yet, it waits; or nobody's. */
bool device_send(struct device *device, const uint8_t *packet, size_t size);
void device_receive(struct device *device, const struct network_datagram *datagram);
void device_tick(struct device *device);
/* Tells what happened; after everything that touched the device. */
void device_settle(struct device *device);
usec_t device_deadline(const struct device *device);

/* Inner packets: an IPv4 header of 20 bytes and a payload. */
#define INNER_HEADER_SIZE 20
void inner_header_write(uint8_t *packet, size_t size, uint8_t protocol, const struct address *from,
			const struct address *to);
struct address inner_source(const uint8_t *packet);
uint8_t inner_protocol(const uint8_t *packet);
