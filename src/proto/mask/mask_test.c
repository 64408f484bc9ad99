#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/block.h"
#include "crypto/crypto.h"
#include "proto/mask/mask.h"
#include "proto/wire/wireguard.h"
#include "seeded.h"
#include "vectors.h"

#include <cmocka.h>

#define DATAGRAM_MAX 1500

static const uint8_t classes[] = {WIRE_CLASS_CONTROL, WIRE_CLASS_ENROL_REQUEST,
				  WIRE_CLASS_ENROL_ANSWER, WIRE_CLASS_ENROL_COOKIE};

static struct mask_key key_of(const uint8_t header[KEY_SIZE], const uint8_t tail[KEY_SIZE])
{
	struct mask_key key;

	memcpy(&key.header, header, KEY_SIZE);
	memcpy(&key.tail, tail, KEY_SIZE);
	return key;
}

static void a_second_implementation_derives_the_same_keys(void **state)
{
	for (size_t i = 0; i < array_size(mask_key_vectors); i++) {
		const struct mask_key_vector *vector = &mask_key_vectors[i];
		bool is_towards = !strcmp(vector->direction, "to");
		struct mask_key key;
		struct key listener;

		memcpy(&listener, vector->listener, KEY_SIZE);
		mask_key_derive(&listener, vector->site_secret,
				is_towards ? MASK_TO_LISTENER : MASK_FROM_LISTENER, &key);
		assert_memory_equal(&key.header, vector->header_key, KEY_SIZE);
		assert_memory_equal(&key.tail, vector->tail_key, KEY_SIZE);
	}
}

static void a_second_implementation_masks_the_same_way(void **state)
{
	for (size_t i = 0; i < array_size(masked_vectors); i++) {
		const struct masked_vector *vector = &masked_vectors[i];
		struct mask_key key = key_of(vector->header_key, vector->tail_key);
		uint8_t data[DATAGRAM_MAX];
		struct mask mask;

		mask_init(&mask, &key);
		memcpy(data, vector->clear.data, vector->clear.size);
		assert_true(mask_apply(&mask, data, vector->clear.size));
		assert_memory_equal(data, vector->masked_header, MASK_HEADER_SIZE);
		assert_memory_equal(data + MASK_HEADER_SIZE, vector->clear.data + MASK_HEADER_SIZE,
				    vector->clear.size - MASK_HEADER_SIZE);
		assert_true(mask_remove(&mask, data, vector->clear.size));
		assert_memory_equal(data, vector->clear.data, vector->clear.size);
		mask_done(&mask);
	}
}

static void random_mask(struct seeded *seeded, struct mask *mask)
{
	struct mask_key key;

	seeded_fill(seeded, &key, sizeof(key));
	mask_init(mask, &key);
}

/* A datagram of ours in clear: class, three zeros, the rest anything. */
static size_t random_datagram(struct seeded *seeded, uint8_t data[DATAGRAM_MAX])
{
	size_t size =
		WIRE_MASKED_MINIMUM + seeded_below(seeded, DATAGRAM_MAX - WIRE_MASKED_MINIMUM + 1);

	if (seeded_below(seeded, 4) == 0)
		size = WIRE_MASKED_MINIMUM;
	seeded_fill(seeded, data, size);
	data[0] = classes[seeded_below(seeded, array_size(classes))];
	data[1] = data[2] = data[3] = 0;
	return size;
}

static void what_was_masked_looks_masked_and_comes_back(void **state)
{
	uint8_t clear[DATAGRAM_MAX], data[DATAGRAM_MAX];
	struct seeded seeded;
	struct mask mask;

	seeded_start(&seeded, __func__);
	random_mask(&seeded, &mask);
	for (int round = 0; round < 5000; round++) {
		size_t size = random_datagram(&seeded, clear);

		memcpy(data, clear, size);
		if (!mask_apply(&mask, data, size)) {
			assert_memory_equal(data, clear, size);
			continue;
		}
		assert_int_equal(wire_shape_of(data, size), WIRE_MASKED);
		assert_memory_equal(data + MASK_HEADER_SIZE, clear + MASK_HEADER_SIZE,
				    size - MASK_HEADER_SIZE);
		assert_true(mask_remove(&mask, data, size));
		assert_memory_equal(data, clear, size);
	}
	mask_done(&mask);
}

/* A changed bit leaves a random header, which passes once in 2^30. */
static void any_changed_bit_of_header_or_tail_is_refused(void **state)
{
	uint8_t data[DATAGRAM_MAX], before[DATAGRAM_MAX];
	struct seeded seeded;
	struct mask mask;

	seeded_start(&seeded, __func__);
	random_mask(&seeded, &mask);
	for (int round = 0; round < 40; round++) {
		size_t size = random_datagram(&seeded, data);

		if (!mask_apply(&mask, data, size))
			continue;
		for (size_t bit = 0; bit < 2 * 8 * MASK_HEADER_SIZE; bit++) {
			size_t place = bit / 8;

			if (place >= MASK_HEADER_SIZE)
				place += size - 2 * MASK_HEADER_SIZE;
			data[place] ^= (uint8_t)(1 << bit % 8);
			memcpy(before, data, size);
			assert_false(mask_remove(&mask, data, size));
			assert_memory_equal(data, before, size);
			data[place] ^= (uint8_t)(1 << bit % 8);
		}
		assert_true(mask_remove(&mask, data, size));
	}
	mask_done(&mask);
}

/* The clear header that would be masked as `wire`. */
static void clear_of(const struct mask_key *key, const uint8_t wire[MASK_HEADER_SIZE],
		     uint8_t *data, size_t size)
{
	struct block_cipher *header = block_cipher_new(&key->header);
	struct block_cipher *tail = block_cipher_new(&key->tail);
	uint8_t pad[BLOCK_SIZE];

	block_encrypt(tail, data + size - BLOCK_SIZE, pad);
	block_decrypt(header, wire, data);
	for (size_t i = 0; i < BLOCK_SIZE; i++)
		data[i] ^= pad[i];
	block_cipher_free(header);
	block_cipher_free(tail);
}

static void what_would_look_like_wireguard_or_stun_is_left_in_clear_for_another_try(void **state)
{
	static const struct {
		uint8_t wire[MASK_HEADER_SIZE];
		size_t size;
		bool is_sent;
	} cases[] = {
		{{WG_INITIATION}, WG_INITIATION_SIZE, false},
		{{WG_RESPONSE}, WG_RESPONSE_SIZE, false},
		{{WG_COOKIE}, WG_COOKIE_SIZE, false},
		{{WG_DATA}, 100, false},
		{{WG_INITIATION}, 100, false}, /* malformed is dropped, not unmasked */
		{{1, 1, 0, 80, 0x21, 0x12, 0xa4, 0x42}, 100, false},
		{{1, 1, 0, 81, 0x21, 0x12, 0xa4, 0x42}, 100, true},
		{{0}, 100, true},
		{{5}, 100, true},
		{{4, 1}, 100, true},
	};
	static const struct mask_key key = {.header = {{5}}, .tail = {{6}}};
	struct mask mask;

	mask_init(&mask, &key);
	for (size_t i = 0; i < array_size(cases); i++) {
		uint8_t data[WG_INITIATION_SIZE] = {0}, clear[WG_INITIATION_SIZE];

		clear_of(&key, cases[i].wire, data, cases[i].size);
		memcpy(clear, data, sizeof(clear));
		assert_int_equal(mask_apply(&mask, data, cases[i].size), cases[i].is_sent);
		assert_memory_equal(data, cases[i].is_sent ? cases[i].wire : clear,
				    MASK_HEADER_SIZE);
	}
	mask_done(&mask);
}

/* With AES(header xor tail) the same change to both would cancel out. Here no pair of changes does.
 */
static void equal_changes_of_header_and_tail_do_not_cancel_out(void **state)
{
	uint8_t data[64];
	struct seeded seeded;
	struct mask mask;

	seeded_start(&seeded, __func__);
	random_mask(&seeded, &mask);
	seeded_fill(&seeded, data, sizeof(data));
	memcpy(data, (uint8_t[]){WIRE_CLASS_CONTROL, 0, 0, 0}, 4);
	assert_true(mask_apply(&mask, data, sizeof(data)));
	for (size_t bit = 0; bit < 8 * MASK_HEADER_SIZE; bit++) {
		uint8_t change = (uint8_t)(1 << bit % 8);
		size_t tail = sizeof(data) - MASK_HEADER_SIZE + bit / 8;

		data[bit / 8] ^= change;
		data[tail] ^= change;
		assert_false(mask_remove(&mask, data, sizeof(data)));
		data[bit / 8] ^= change;
		data[tail] ^= change;
	}
	assert_true(mask_remove(&mask, data, sizeof(data)));
	mask_done(&mask);
}

/* Decoding is a bijection of the header, so each clear header has a datagram that decodes to it. */
static void only_known_classes_with_three_zeros_are_accepted(void **state)
{
	uint8_t data[48];
	struct seeded seeded;
	struct mask mask;

	seeded_start(&seeded, __func__);
	random_mask(&seeded, &mask);
	for (unsigned value = 0; value < 256; value++) {
		bool is_known = memchr(classes, (int)value, sizeof(classes)) != NULL;

		for (unsigned place = 0; place < 5; place++) {
			seeded_fill(&seeded, data, sizeof(data));
			memcpy(data, (uint8_t[]){(uint8_t)value, 0, 0, 0}, 4);
			if (place)
				data[place] = (uint8_t)(1 + seeded_below(&seeded, 255));
			if (!mask_apply(&mask, data, sizeof(data)))
				continue;
			assert_int_equal(mask_remove(&mask, data, sizeof(data)),
					 is_known && (place == 0 || place == 4));
		}
	}
	mask_done(&mask);
}

static void anything_shorter_than_header_and_tail_is_refused(void **state)
{
	uint8_t data[WIRE_MASKED_MINIMUM] = {0};
	struct mask_key key = {0};
	struct mask mask;

	mask_init(&mask, &key);
	for (size_t size = 0; size < sizeof(data); size++)
		assert_false(mask_remove(&mask, data + sizeof(data) - size, size));
	mask_done(&mask);
}

static bool can_remove(const struct key *listener, const uint8_t *site_secret,
		       enum mask_direction direction, const uint8_t *masked, size_t size)
{
	uint8_t data[DATAGRAM_MAX];
	struct mask_key key;
	struct mask mask;
	bool is_ours;

	memcpy(data, masked, size);
	mask_key_derive(listener, site_secret, direction, &key);
	mask_init(&mask, &key);
	is_ours = mask_remove(&mask, data, size);
	mask_done(&mask);
	return is_ours;
}

static void listener_site_secret_and_direction_all_matter(void **state)
{
	static const uint8_t secret[SITE_SECRET_SIZE] = {1}, other[SITE_SECRET_SIZE] = {2};
	static const struct key listener = {{9}}, stranger = {{10}};
	uint8_t data[40] = {WIRE_CLASS_CONTROL};
	struct mask_key key;
	struct mask mask;

	mask_key_derive(&listener, secret, MASK_TO_LISTENER, &key);
	mask_init(&mask, &key);
	assert_true(mask_apply(&mask, data, sizeof(data)));
	mask_done(&mask);
	assert_true(can_remove(&listener, secret, MASK_TO_LISTENER, data, sizeof(data)));
	assert_false(can_remove(&listener, secret, MASK_FROM_LISTENER, data, sizeof(data)));
	assert_false(can_remove(&listener, other, MASK_TO_LISTENER, data, sizeof(data)));
	assert_false(can_remove(&stranger, secret, MASK_TO_LISTENER, data, sizeof(data)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_implementation_derives_the_same_keys),
		cmocka_unit_test(a_second_implementation_masks_the_same_way),
		cmocka_unit_test(what_was_masked_looks_masked_and_comes_back),
		cmocka_unit_test(any_changed_bit_of_header_or_tail_is_refused),
		cmocka_unit_test(
			what_would_look_like_wireguard_or_stun_is_left_in_clear_for_another_try),
		cmocka_unit_test(equal_changes_of_header_and_tail_do_not_cancel_out),
		cmocka_unit_test(only_known_classes_with_three_zeros_are_accepted),
		cmocka_unit_test(anything_shorter_than_header_and_tail_is_refused),
		cmocka_unit_test(listener_site_secret_and_direction_all_matter),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
