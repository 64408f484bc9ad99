/* One simulated network of wayleave: a hub, nodes, and what they share. Who they are stands here;
 * what they decide is the daemon's own objects (proto/agent, proto/rendezvous, proto/noise). */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/aead.h"
#include "network.h"
#include "proto/wire/message.h"

#define MESH_NODES_MAX 16 /* of a scenario; a mesh may have another limit */
#define MESH_HUB_PORT  51820
#define MESH_BITS      20 /* of the tunnel's network */

struct hub;
struct node;

struct mesh {
	struct network *network;
	struct aead *aead;
	uint8_t network_id[NETWORK_ID_SIZE], site_secret[SITE_SECRET_BYTES];
	struct key hub_private, hub_key;
	struct prefix hub_address;       /* in the tunnel, with the network's length */
	struct address hub_endpoints[2]; /* IPv4, IPv6 */
	struct hub *hub;
	struct node **nodes;
	size_t node_count, node_limit;
	bool has_appointments;
	bool is_hostile; /* some members are bad, and the hub has small limits */
	usec_t epoch;    /* unix time at the start, on a right clock */
	bool is_verbose;
	/* The first thing that was wrong; empty = nothing. */
	char failure[512];
};

struct mesh *mesh_new(uint64_t seed, size_t node_limit, bool has_appointments, bool is_verbose);
void mesh_free(struct mesh *mesh);
void mesh_draw_key(struct mesh *mesh, struct key *ret_private, struct key *ret_public);
/* Host `number` of the tunnel's network. */
struct prefix mesh_address(unsigned number);
/* NULL when it is nobody's. */
struct node *mesh_find(const struct mesh *mesh, const struct key *key);

/* One line of the trace. */
void mesh_trace(const struct mesh *mesh, const char *who, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Keeps the first. */
void mesh_fail(struct mesh *mesh, const char *format, ...) __attribute__((format(printf, 2, 3)));
