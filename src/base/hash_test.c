#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"
#include "seeded.h"

#include <cmocka.h>

/* Aumasson, Bernstein, SipHash (2012), appendix A; and the empty input of the reference's list. */
static void the_hash_is_siphash(void **state)
{
	uint8_t data[15];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	assert_true(hash_bytes(0x0706050403020100, data, sizeof(data)) == 0xa129ca6149be45e5);
	assert_true(hash_bytes(0x0706050403020100, NULL, 0) == 0x726fdb47dd0e0e31);
}

/* Changes that cancel out in a hash of multiplications, whatever its seed. */
static void no_difference_collides_under_every_seed(void **state)
{
	uint64_t first[2] = {0}, second[2] = {1ULL << 63, 1ULL << 63 | 1ULL << 31};
	unsigned collisions = 0;

	for (uint64_t seed = 0; seed < 1000; seed++)
		collisions += hash_bytes(seed, first, sizeof(first)) ==
			      hash_bytes(seed, second, sizeof(second));
	assert_int_equal(collisions, 0);
}

static void length_seed_and_every_bit_change_the_hash(void **state)
{
	uint8_t data[40] = {0};

	for (size_t size = 0; size < sizeof(data); size++) {
		uint64_t hash = hash_bytes(1, data, size);

		assert_true(hash_bytes(1, data, size + 1) != hash);
		assert_true(hash_bytes(2, data, size) != hash);
		for (size_t bit = 0; bit < 8 * size; bit++) {
			data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_true(hash_bytes(1, data, size) != hash);
			data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

struct item {
	struct hash_node node;
	uint32_t key;
	bool is_in;
};

static struct item *find(struct hash_table *table, uint64_t hash, uint32_t key)
{
	struct hash_node *node;

	hash_for_each (node, table, hash) {
		struct item *item = container_of(node, struct item, node);

		if (item->key == key)
			return item;
	}
	return NULL;
}

/* Eight buckets and few hash values: chains with equal and with different hashes. */
static void the_table_finds_what_is_in_it_and_nothing_else(void **state)
{
	struct hash_node *buckets[8];
	struct hash_table table;
	struct item items[100] = {0};
	struct seeded seeded;
	size_t count = 0;

	seeded_start(&seeded, __func__);
	hash_init(&table, buckets, array_size(buckets));
	for (uint32_t i = 0; i < array_size(items); i++)
		items[i].key = i;
	for (int round = 0; round < 20000; round++) {
		struct item *item = &items[seeded_below(&seeded, array_size(items))];
		uint64_t hash = item->key % 40;

		if (seeded_below(&seeded, 2) && !item->is_in) {
			hash_insert(&table, &item->node, hash);
			item->is_in = true;
			count++;
		} else {
			/* Also when it is not in: then nothing may happen. */
			item->node.hash = hash;
			hash_remove(&table, &item->node);
			count -= item->is_in;
			item->is_in = false;
		}
		item = &items[seeded_below(&seeded, array_size(items))];
		assert_ptr_equal(find(&table, item->key % 40, item->key),
				 item->is_in ? item : NULL);
		assert_int_equal(table.count, count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hash_is_siphash),
		cmocka_unit_test(no_difference_collides_under_every_seed),
		cmocka_unit_test(length_seed_and_every_bit_change_the_hash),
		cmocka_unit_test(the_table_finds_what_is_in_it_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
