/* Intrusive hash table with a fixed number of buckets (a power of two) in the owner's memory.
 * The caller hashes; keys that strangers choose must be hashed with a secret seed (hash_bytes). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash_table {
	struct hash_node **buckets;
	size_t bucket_count;
	size_t count;
};

/* buckets: bucket_count NULL pointers, a power of two, owned by the caller. */
void hash_init(struct hash_table *table, struct hash_node **buckets, size_t bucket_count);
void hash_insert(struct hash_table *table, struct hash_node *node, uint64_t hash);
void hash_remove(struct hash_table *table, struct hash_node *node);
struct hash_node *hash_first(const struct hash_table *table, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *node);

/* SipHash-2-4 (Aumasson, Bernstein 2012): who does not know the seed cannot make keys collide. Its
 * 128-bit key is the seed and the seed xor 0x0808080808080808, so published vectors hold. Not for
 * secrets. */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t size);

/* Entries whose full hash equals; the body still compares keys. */
#define hash_for_each(node, table, wanted) \
	for (node = hash_first(table, wanted); node; node = hash_next(node))
