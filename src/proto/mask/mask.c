#include "proto/mask/mask.h"

#include <assert.h>
#include <string.h>

#include "crypto/block.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "proto/wire/wireguard.h"

static const char label[] = "wayleave mask v1";

void mask_key_derive(const struct key *listener, const uint8_t site_secret[SITE_SECRET_SIZE],
		     enum mask_direction direction, struct mask_key *ret_key)
{
	const char *info = direction == MASK_TO_LISTENER ? "to" : "from";
	uint8_t salt[BLAKE2S_SIZE], input[KEY_SIZE + SITE_SECRET_SIZE];
	uint8_t output[2 * KEY_SIZE];

	blake2s(salt, &(struct hash_part){label, strlen(label)}, 1);
	memcpy(input, listener, KEY_SIZE);
	memcpy(input + KEY_SIZE, site_secret, SITE_SECRET_SIZE);
	hkdf_blake2s(output, sizeof(output), salt, sizeof(salt), input, sizeof(input), info,
		     strlen(info));
	memcpy(&ret_key->header, output, KEY_SIZE);
	memcpy(&ret_key->tail, output + KEY_SIZE, KEY_SIZE);
	secret_wipe(input, sizeof(input));
	secret_wipe(output, sizeof(output));
}

void mask_init(struct mask *mask, const struct mask_key *key)
{
	mask->header = block_cipher_new(&key->header);
	mask->tail = block_cipher_new(&key->tail);
}

void mask_done(struct mask *mask)
{
	block_cipher_free(mask->header);
	block_cipher_free(mask->tail);
	*mask = (struct mask){0};
}

/* AES_K2(T) xor data's first block, into out. */
static void mix_tail(struct mask *mask, const uint8_t *data, size_t size,
		     const uint8_t in[MASK_HEADER_SIZE], uint8_t out[MASK_HEADER_SIZE])
{
	uint8_t pad[BLOCK_SIZE];

	block_encrypt(mask->tail, data + size - BLOCK_SIZE, pad);
	for (size_t i = 0; i < MASK_HEADER_SIZE; i++)
		out[i] = in[i] ^ pad[i];
}

bool mask_apply(struct mask *mask, uint8_t *data, size_t size)
{
	uint8_t clear[MASK_HEADER_SIZE];

	assert(size >= WIRE_MASKED_MINIMUM);
	memcpy(clear, data, sizeof(clear));
	mix_tail(mask, data, size, clear, data);
	block_encrypt(mask->header, data, data);
	if (wire_shape_of(data, size) == WIRE_MASKED)
		return true;
	memcpy(data, clear, sizeof(clear));
	return false;
}

/* The one list of classes that a masked header may have. */
static bool is_known_class(uint8_t byte)
{
	switch ((enum wire_class)byte) {
	case WIRE_CLASS_CONTROL:
	case WIRE_CLASS_ENROL_REQUEST:
	case WIRE_CLASS_ENROL_ANSWER:
	case WIRE_CLASS_ENROL_COOKIE:
		return true;
	}
	return false;
}

bool mask_remove(struct mask *mask, uint8_t *data, size_t size)
{
	uint8_t clear[MASK_HEADER_SIZE];

	if (size < WIRE_MASKED_MINIMUM)
		return false;
	block_decrypt(mask->header, data, clear);
	mix_tail(mask, data, size, clear, clear);
	if (!is_known_class(clear[0]) || clear[1] || clear[2] || clear[3])
		return false;
	memcpy(data, clear, sizeof(clear));
	return true;
}
