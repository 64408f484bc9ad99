#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "crypto/x25519.h"
#include "proto/enrol/noise_ik.h"
#include "vectors.h"

#include <cmocka.h>

static const struct enrolment_vector *const vector = &enrolment_vectors[0];

static struct key key_of(const uint8_t *bytes)
{
	struct key key;

	memcpy(&key, bytes, KEY_SIZE);
	return key;
}

static struct key public_of(const uint8_t *private_key)
{
	struct key private_copy = key_of(private_key), public_key;

	x25519_public(&private_copy, &public_key);
	return public_key;
}

/* Both sides of the handshake against what a second implementation made of the same keys. */
static void a_second_implementation_makes_the_same_messages(void **state)
{
	struct key node = key_of(vector->node_private), hub = key_of(vector->hub_private);
	struct key first = key_of(vector->ephemeral_node), second = key_of(vector->ephemeral_hub);
	struct key node_public = public_of(vector->node_private),
		   hub_public = public_of(vector->hub_private);
	struct key first_public = public_of(vector->ephemeral_node);
	struct key second_public = public_of(vector->ephemeral_hub);
	uint8_t verifier[BLAKE2S_SIZE], proof[BLAKE2S_SIZE],
		plain[REQUEST_PLAIN_SIZE] = {ENROL_VERSION};
	uint8_t sealed[REQUEST_PLAIN_SIZE + ENROL_TAG],
		answer[ANSWER_PLAIN_SIZE] = {ENROL_VERSION, 3};
	struct enrol_noise client, server;
	struct aead *aead = aead_new();

	noise_ik_start(&client, vector->network_id, &hub_public);
	server = client;
	noise_ik_mix_hash(&client, &first_public, KEY_SIZE);
	assert_true(noise_ik_mix_key(&client, &first, &hub_public));
	noise_ik_seal(&client, aead, &node_public, KEY_SIZE, sealed);
	assert_memory_equal(sealed, vector->static_sealed.data, vector->static_sealed.size);
	assert_true(noise_ik_mix_key(&client, &node, &hub_public));
	enrol_token_verifier(vector->token, verifier);
	assert_memory_equal(verifier, vector->verifier, BLAKE2S_SIZE);
	enrol_proof(proof, verifier, client.hash);
	assert_memory_equal(proof, vector->proof, BLAKE2S_SIZE);
	memcpy(plain + 1, vector->token_id, TOKEN_ID_SIZE);
	memcpy(plain + 9, proof, BLAKE2S_SIZE);
	plain[41] = 5;
	memcpy(plain + 42, "alpha", 5);
	noise_ik_seal(&client, aead, plain, sizeof(plain), sealed);
	assert_int_equal(vector->payload_sealed.size, sizeof(sealed));
	assert_memory_equal(sealed, vector->payload_sealed.data, sizeof(sealed));

	noise_ik_mix_hash(&server, &first_public, KEY_SIZE);
	assert_true(noise_ik_mix_key(&server, &hub, &first_public));
	assert_true(noise_ik_open(&server, aead, vector->static_sealed.data,
				  vector->static_sealed.size, plain));
	assert_memory_equal(plain, &node_public, KEY_SIZE);
	assert_true(noise_ik_mix_key(&server, &hub, &node_public));
	assert_true(noise_ik_open(&server, aead, vector->payload_sealed.data,
				  vector->payload_sealed.size, plain));
	noise_ik_mix_hash(&server, &second_public, KEY_SIZE);
	assert_true(noise_ik_mix_key(&server, &second, &first_public));
	assert_true(noise_ik_mix_key(&server, &second, &node_public));
	noise_ik_seal(&server, aead, answer, sizeof(answer), sealed);
	assert_memory_equal(sealed, vector->answer_sealed.data, vector->answer_sealed.size);
	aead_free(aead);
}

static void a_second_implementation_makes_the_same_macs(void **state)
{
	struct key hub_public = public_of(vector->hub_private), cookie_key;
	uint8_t data[600], mac1[16], mac2[16];
	size_t first = vector->static_sealed.size, second = vector->payload_sealed.size;

	memcpy(data, vector->static_sealed.data, first);
	memcpy(data + first, vector->payload_sealed.data, second);
	enrol_mac1(mac1, &hub_public, data, first + second);
	assert_memory_equal(mac1, vector->mac1, sizeof(mac1));
	enrol_mac2(mac2, vector->verifier, data, first + second);
	assert_memory_equal(mac2, vector->mac2, sizeof(mac2));
	enrol_cookie_key(&cookie_key, &hub_public);
	assert_memory_equal(&cookie_key, vector->cookie_key, KEY_SIZE);
}

static void low_order_points_end_a_handshake(void **state)
{
	struct key node = key_of(vector->node_private), zero = {0}, one = {{1}};
	struct enrol_noise noise = {0};

	assert_false(noise_ik_mix_key(&noise, &node, &zero));
	assert_false(noise_ik_mix_key(&noise, &node, &one));
}

static int set_up(void **state)
{
	crypto_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_implementation_makes_the_same_messages),
		cmocka_unit_test(a_second_implementation_makes_the_same_macs),
		cmocka_unit_test(low_order_points_end_a_handshake),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
