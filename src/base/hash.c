#include "base/hash.h"

#include <string.h>

void hash_init(struct hash_table *table, struct hash_node **buckets, size_t bucket_count)
{
	table->buckets = buckets;
	table->bucket_count = bucket_count;
	table->count = 0;
	memset(buckets, 0, bucket_count * sizeof(*buckets));
}

static struct hash_node **bucket_of(const struct hash_table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->bucket_count - 1)];
}

void hash_insert(struct hash_table *table, struct hash_node *node, uint64_t hash)
{
	struct hash_node **bucket = bucket_of(table, hash);

	node->hash = hash;
	node->next = *bucket;
	*bucket = node;
	table->count++;
}

void hash_remove(struct hash_table *table, struct hash_node *node)
{
	struct hash_node **link = bucket_of(table, node->hash);

	while (*link && *link != node)
		link = &(*link)->next;
	if (!*link)
		return;
	*link = node->next;
	node->next = NULL;
	table->count--;
}

static struct hash_node *same_hash(struct hash_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hash_node *hash_first(const struct hash_table *table, uint64_t hash)
{
	return same_hash(*bucket_of(table, hash), hash);
}

struct hash_node *hash_next(const struct hash_node *node)
{
	return same_hash(node->next, node->hash);
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t hash = seed ^ (size * 0x9e3779b97f4a7c15ULL);

	while (size) {
		uint64_t word = 0;
		size_t part = size < 8 ? size : 8;

		memcpy(&word, bytes, part);
		hash = (hash ^ word) * 0xff51afd7ed558ccdULL;
		hash ^= hash >> 32;
		bytes += part;
		size -= part;
	}
	hash *= 0xc4ceb9fe1a85ec53ULL;
	return hash ^ (hash >> 33);
}
