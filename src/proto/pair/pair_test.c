#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/crypto.h"
#include "crypto/random.h"
#include "proto/pair/pair.h"
#include "vectors.h"

#include <cmocka.h>

static void identity_of(struct pair_identity *identity, const uint8_t *private_key,
			const uint8_t *network_id, const uint8_t *site_secret)
{
	static const uint8_t zeros[SITE_SECRET_SIZE];
	struct key key;

	memcpy(&key, private_key, KEY_SIZE);
	pair_identity_init(identity, &key, network_id, site_secret ? site_secret : zeros, 0,
			   &random_system);
}

static void a_second_implementation_derives_the_same_keys(void **state)
{
	for (size_t i = 0; i < array_size(pair_key_vectors); i++) {
		const struct pair_key_vector *vector = &pair_key_vectors[i];
		struct pair_identity lower, higher;
		struct key psk, key;

		memcpy(&psk, vector->psk, KEY_SIZE);
		identity_of(&lower, vector->lower_private, vector->network_id, NULL);
		identity_of(&higher, vector->higher_private, vector->network_id, NULL);
		assert_int_equal(pair_derive(&lower, &higher.public_key, &psk,
					     (enum pair_purpose)vector->purpose_number,
					     (enum pair_direction)vector->direction, &key),
				 0);
		assert_memory_equal(&key, vector->key, KEY_SIZE);
		assert_int_equal(pair_derive(&higher, &lower.public_key, &psk,
					     (enum pair_purpose)vector->purpose_number,
					     (enum pair_direction)vector->direction, &key),
				 0);
		assert_memory_equal(&key, vector->key, KEY_SIZE);
	}
}

static void a_second_implementation_derives_the_same_hints(void **state)
{
	for (size_t i = 0; i < array_size(pair_hint_vectors); i++) {
		const struct pair_hint_vector *vector = &pair_hint_vectors[i];
		struct pair_identity lower;
		struct pair_table *table = new (struct pair_table);
		struct pair pair;
		struct key peer;

		memcpy(&peer, vector->higher_public, KEY_SIZE);
		identity_of(&lower, vector->lower_private, vector->network_id, vector->site_secret);
		pair_table_init(table);
		assert_int_equal(pair_init(&pair, &lower, table, &peer, &random_system), 0);
		assert_int_equal(vector->direction == PAIR_LOWER_TO_HIGHER ? pair.hint_out
									   : pair.hint_in,
				 vector->hint);
		pair_done(&pair);
		free(table);
	}
}

static void no_psk_is_a_psk_of_zeros(void **state)
{
	const struct pair_key_vector *vector = &pair_key_vectors[0];
	struct pair_identity lower;
	struct key zeros = {0}, peer, with, without;

	identity_of(&lower, vector->lower_private, vector->network_id, NULL);
	memcpy(&peer, vector->higher_public, KEY_SIZE);
	assert_int_equal(pair_derive(&lower, &peer, &zeros, PAIR_API, PAIR_BOTH, &with), 0);
	assert_int_equal(pair_derive(&lower, &peer, NULL, PAIR_API, PAIR_BOTH, &without), 0);
	assert_true(key_is_equal(&with, &without));
}

static void keys_of_one_purpose_fit_no_other(void **state)
{
	const struct pair_key_vector *vector = &pair_key_vectors[0];
	struct key keys[15], peer;
	struct pair_identity lower;
	size_t count = 0;

	identity_of(&lower, vector->lower_private, vector->network_id, NULL);
	memcpy(&peer, vector->higher_public, KEY_SIZE);
	for (int purpose = PAIR_CONTROL; purpose <= PAIR_API; purpose++)
		for (int direction = PAIR_LOWER_TO_HIGHER; direction <= PAIR_BOTH; direction++)
			assert_int_equal(pair_derive(&lower, &peer, NULL, purpose, direction,
						     &keys[count++]),
					 0);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			assert_false(key_is_equal(&keys[i], &keys[j]));
}

static void keys_of_two_networks_differ(void **state)
{
	const struct pair_key_vector *vector = &pair_key_vectors[0];
	uint8_t other[NETWORK_ID_SIZE] = {1};
	struct pair_identity here, there;
	struct key peer, a, b;

	identity_of(&here, vector->lower_private, vector->network_id, NULL);
	identity_of(&there, vector->lower_private, other, NULL);
	memcpy(&peer, vector->higher_public, KEY_SIZE);
	assert_int_equal(pair_derive(&here, &peer, NULL, PAIR_CONTROL, PAIR_BOTH, &a), 0);
	assert_int_equal(pair_derive(&there, &peer, NULL, PAIR_CONTROL, PAIR_BOTH, &b), 0);
	assert_false(key_is_equal(&a, &b));
}

static void bad_points_are_refused(void **state)
{
	const struct pair_key_vector *vector = &pair_key_vectors[0];
	struct pair_table *table = new (struct pair_table);
	struct key zero = {0}, one = {{1}}, high;
	struct pair_identity lower;
	struct pair pair;

	identity_of(&lower, vector->lower_private, vector->network_id, NULL);
	memcpy(&high, vector->higher_public, KEY_SIZE);
	high.bytes[31] |= 0x80;
	pair_table_init(table);
	assert_int_not_equal(pair_init(&pair, &lower, table, &zero, &random_system), 0);
	assert_int_not_equal(pair_init(&pair, &lower, table, &one, &random_system), 0);
	assert_int_not_equal(pair_init(&pair, &lower, table, &high, &random_system), 0);
	free(table);
}

static void an_identity_is_renewed_every_hour(void **state)
{
	struct pair_identity identity;
	uint8_t first[BOOT_ID_SIZE];

	identity_of(&identity, pair_key_vectors[0].lower_private, pair_key_vectors[0].network_id,
		    NULL);
	memcpy(first, identity.boot.id, sizeof(first));
	assert_false(pair_identity_renew(&identity, PAIR_BOOT_LIFETIME - 1, &random_system));
	assert_memory_equal(identity.boot.id, first, sizeof(first));
	assert_true(pair_identity_renew(&identity, PAIR_BOOT_LIFETIME, &random_system));
	assert_memory_not_equal(identity.boot.id, first, sizeof(first));
	assert_memory_equal(identity.previous_boot.id, first, sizeof(first));
	/* What was sealed under it stays closed, whoever gets this memory. */
	assert_true(key_is_zero(&identity.previous_boot.private_key));
}

static int set_up(void **state)
{
	crypto_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_implementation_derives_the_same_keys),
		cmocka_unit_test(a_second_implementation_derives_the_same_hints),
		cmocka_unit_test(no_psk_is_a_psk_of_zeros),
		cmocka_unit_test(keys_of_one_purpose_fit_no_other),
		cmocka_unit_test(keys_of_two_networks_differ),
		cmocka_unit_test(bad_points_are_refused),
		cmocka_unit_test(an_identity_is_renewed_every_hour),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
