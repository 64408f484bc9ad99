/* Which peer an inner address belongs to: a path-compressed binary trie per family, longest prefix
 * wins (the cryptokey routing table of the WireGuard paper). Nodes live in one array of the owner
 * and name each other by index, so the owner can move them to a larger one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

/* What a prefix belongs to embeds this and is found back with container_of. Zero-initialise. */
struct allowedips_owner {
	uint32_t first; /* of its nodes; 0 = none */
	uint32_t count;
};

struct allowedips_node {
	struct prefix prefix; /* masked */
	uint32_t children[2];
	uint32_t next, previous;        /* of the same owner */
	struct allowedips_owner *owner; /* NULL: only joins its children */
};

struct allowedips {
	struct allowedips_node *nodes; /* [0] is unused */
	uint32_t capacity, used, free; /* free: list through children[0] */
	uint32_t roots[2];             /* IPv4, IPv6 */
};

/* Each prefix needs at most this many nodes. */
#define ALLOWEDIPS_NODES_PER_PREFIX 2

/* nodes: count zeroed nodes, count above the present one; what is in use is copied there. Returns
 * the old array for the owner to release (NULL at first). */
struct allowedips_node *allowedips_give_memory(struct allowedips *table,
					       struct allowedips_node *nodes, uint32_t count);
/* A prefix of another owner moves to this one. Host bits are cut. 0, -EINVAL (no family,
 * or too long), or -ENOSPC: nothing changed, give memory, try again. */
int allowedips_add(struct allowedips *table, const struct prefix *prefix,
		   struct allowedips_owner *owner);
/* False when the prefix is not this owner's. */
bool allowedips_remove(struct allowedips *table, const struct prefix *prefix,
		       struct allowedips_owner *owner);
void allowedips_remove_all(struct allowedips *table, struct allowedips_owner *owner);
/* ip: 4 or 16 bytes. NULL when nobody's. */
struct allowedips_owner *allowedips_find(const struct allowedips *table, uint8_t family,
					 const uint8_t *ip);
/* index 0..count-1, in no particular order. */
bool allowedips_get(const struct allowedips *table, const struct allowedips_owner *owner,
		    uint32_t index, struct prefix *ret_prefix);
