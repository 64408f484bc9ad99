#include "base/hash.h"

#include <endian.h>
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

struct sip {
	uint64_t a, b, c, d;
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static void sip_rounds(struct sip *sip, unsigned count)
{
	while (count--) {
		sip->a += sip->b;
		sip->c += sip->d;
		sip->b = rotate(sip->b, 13) ^ sip->a;
		sip->d = rotate(sip->d, 16) ^ sip->c;
		sip->a = rotate(sip->a, 32);
		sip->c += sip->b;
		sip->a += sip->d;
		sip->b = rotate(sip->b, 17) ^ sip->c;
		sip->d = rotate(sip->d, 21) ^ sip->a;
		sip->c = rotate(sip->c, 32);
	}
}

static void sip_word(struct sip *sip, uint64_t word)
{
	sip->d ^= word;
	sip_rounds(sip, 2);
	sip->a ^= word;
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t size)
{
	uint64_t second = seed ^ 0x0808080808080808ULL, word;
	struct sip sip = {
		seed ^ 0x736f6d6570736575ULL,
		second ^ 0x646f72616e646f6dULL,
		seed ^ 0x6c7967656e657261ULL,
		second ^ 0x7465646279746573ULL,
	};
	const uint8_t *bytes = data;
	size_t left = size;

	for (; left >= sizeof(word); left -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		sip_word(&sip, le64toh(word));
	}
	word = (uint64_t)size << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)bytes[i] << 8 * i;
	sip_word(&sip, word);
	sip.c ^= 0xff;
	sip_rounds(&sip, 4);
	return sip.a ^ sip.b ^ sip.c ^ sip.d;
}
