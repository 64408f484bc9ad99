#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/crypto.h"
#include "crypto/hash.h"
#include "hex.h"
#include "seeded.h"
#include "vectors.h"

#include <cmocka.h>

static struct hash_part part_of(const struct vector_bytes *bytes)
{
	return (struct hash_part){bytes->data, bytes->size};
}

/* RFC 7693, appendix B. */
static void abc_hashes_as_in_rfc_7693(void **state)
{
	uint8_t expected[BLAKE2S_SIZE], out[BLAKE2S_SIZE];

	hex_bytes("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982", expected,
		  sizeof(expected));
	blake2s(out, &(struct hash_part){"abc", 3}, 1);
	assert_memory_equal(out, expected, sizeof(out));
	blake2s(out, (struct hash_part[]){{"a", 1}, {NULL, 0}, {"bc", 2}}, 3);
	assert_memory_equal(out, expected, sizeof(out));
}

static void a_second_implementation_agrees_on_hashes(void **state)
{
	uint8_t out[BLAKE2S_SIZE];

	for (size_t i = 0; i < array_size(hash_vectors); i++) {
		const struct hash_vector *vector = &hash_vectors[i];
		struct hash_part part = part_of(&vector->input);

		if (vector->key.size)
			blake2s_mac(out, vector->output.size, vector->key.data, vector->key.size,
				    &part, 1);
		else
			blake2s(out, &part, 1);
		assert_memory_equal(out, vector->output.data, vector->output.size);
	}
}

static void a_second_implementation_agrees_on_hmac(void **state)
{
	uint8_t out[BLAKE2S_SIZE];

	for (size_t i = 0; i < array_size(hmac_vectors); i++) {
		const struct hmac_vector *vector = &hmac_vectors[i];
		struct hash_part part = part_of(&vector->input);

		hmac_blake2s(out, vector->key.data, vector->key.size, &part, 1);
		assert_memory_equal(out, vector->output, sizeof(out));
	}
}

static void a_second_implementation_agrees_on_hkdf(void **state)
{
	uint8_t out[128];

	for (size_t i = 0; i < array_size(hkdf_vectors); i++) {
		const struct hkdf_vector *vector = &hkdf_vectors[i];

		hkdf_blake2s(out, vector->output.size, vector->salt.data, vector->salt.size,
			     vector->ikm.data, vector->ikm.size, vector->info.data,
			     vector->info.size);
		assert_memory_equal(out, vector->output.data, vector->output.size);
	}
}

static void a_second_implementation_agrees_on_the_noise_kdf(void **state)
{
	for (size_t i = 0; i < array_size(noise_kdf_vectors); i++) {
		const struct noise_kdf_vector *vector = &noise_kdf_vectors[i];
		uint8_t first[BLAKE2S_SIZE], second[BLAKE2S_SIZE], third[BLAKE2S_SIZE];

		noise_kdf(vector->chaining, vector->input.data, vector->input.size, first, second,
			  third);
		assert_memory_equal(first, vector->first, sizeof(first));
		assert_memory_equal(second, vector->second, sizeof(second));
		assert_memory_equal(third, vector->third, sizeof(third));
	}
}

static void the_noise_kdf_may_replace_its_chaining_key(void **state)
{
	const struct noise_kdf_vector *vector = &noise_kdf_vectors[0];
	uint8_t chaining[BLAKE2S_SIZE], second[BLAKE2S_SIZE];

	memcpy(chaining, vector->chaining, sizeof(chaining));
	noise_kdf(chaining, vector->input.data, vector->input.size, chaining, NULL, NULL);
	assert_memory_equal(chaining, vector->first, sizeof(chaining));
	memcpy(chaining, vector->chaining, sizeof(chaining));
	noise_kdf(chaining, vector->input.data, vector->input.size, chaining, second, NULL);
	assert_memory_equal(chaining, vector->first, sizeof(chaining));
	assert_memory_equal(second, vector->second, sizeof(second));
}

/* The mac's size is part of what is hashed: a short one is not the start of a long one. */
static void a_short_mac_is_not_a_cut_one(void **state)
{
	uint8_t whole[32], half[16];

	blake2s_mac(whole, sizeof(whole), "key", 3, &(struct hash_part){"x", 1}, 1);
	blake2s_mac(half, sizeof(half), "key", 3, &(struct hash_part){"x", 1}, 1);
	assert_memory_not_equal(whole, half, sizeof(half));
}

static void how_the_input_is_cut_into_parts_does_not_matter(void **state)
{
	uint8_t data[400], whole[3][BLAKE2S_SIZE], cut[3][BLAKE2S_SIZE];
	struct hash_part parts[4];
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int round = 0; round < 500; round++) {
		size_t size = seeded_below(&seeded, sizeof(data) + 1), position = 0;

		seeded_fill(&seeded, data, sizeof(data));
		for (size_t i = 0; i < array_size(parts); i++) {
			size_t part = seeded_below(&seeded, (uint32_t)(size - position) + 1);

			if (i + 1 == array_size(parts))
				part = size - position;
			parts[i] = (struct hash_part){data + position, part};
			position += part;
		}
		for (int is_cut = 0; is_cut < 2; is_cut++) {
			struct hash_part all = {data, size};
			struct hash_part *input = is_cut ? parts : &all;
			size_t count = is_cut ? array_size(parts) : 1;
			uint8_t(*out)[BLAKE2S_SIZE] = is_cut ? cut : whole;

			blake2s(out[0], input, count);
			blake2s_mac(out[1], BLAKE2S_SIZE, data, 32, input, count);
			hmac_blake2s(out[2], data, 32, input, count);
		}
		assert_memory_equal(whole, cut, sizeof(whole));
	}
}

static void *hash_all(void *unused)
{
	for (int i = 0; i < 200; i++) {
		a_second_implementation_agrees_on_hashes(NULL);
		a_second_implementation_agrees_on_the_noise_kdf(NULL);
	}
	return unused;
}

static void threads_do_not_disturb_one_another(void **state)
{
	pthread_t threads[4];

	for (size_t i = 0; i < array_size(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hash_all, NULL), 0);
	for (size_t i = 0; i < array_size(threads); i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(abc_hashes_as_in_rfc_7693),
		cmocka_unit_test(a_second_implementation_agrees_on_hashes),
		cmocka_unit_test(a_second_implementation_agrees_on_hmac),
		cmocka_unit_test(a_second_implementation_agrees_on_hkdf),
		cmocka_unit_test(a_second_implementation_agrees_on_the_noise_kdf),
		cmocka_unit_test(the_noise_kdf_may_replace_its_chaining_key),
		cmocka_unit_test(a_short_mac_is_not_a_cut_one),
		cmocka_unit_test(how_the_input_is_cut_into_parts_does_not_matter),
		cmocka_unit_test(threads_do_not_disturb_one_another),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
