/* BLAKE2s (RFC 7693), HMAC-BLAKE2s and HKDF (RFC 5869) over it. Any thread may call these. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

#define BLAKE2S_SIZE 32

struct hash_part {
	const void *data;
	size_t size;
};

/* Unkeyed, 32 bytes, over the concatenation of the parts. */
void blake2s(uint8_t out[BLAKE2S_SIZE], const struct hash_part *parts, size_t count);
/* Keyed mode (MAC), out_size 1..32, key_size 1..32. */
void blake2s_mac(void *out, size_t out_size, const void *key, size_t key_size,
		 const struct hash_part *parts, size_t count);
void hmac_blake2s(uint8_t out[BLAKE2S_SIZE], const void *key, size_t key_size,
		  const struct hash_part *parts, size_t count);

/* Noise / WireGuard KDF: outputs 1..3 keys from (chaining key, input). NULL outputs from the end
 * are skipped. */
void noise_kdf(const uint8_t chaining[BLAKE2S_SIZE], const void *input, size_t input_size,
	       uint8_t *ret_first, uint8_t *ret_second, uint8_t *ret_third);

/* RFC 5869: extract then expand to out_size <= 255 * 32 bytes. */
void hkdf_blake2s(void *out, size_t out_size, const void *salt, size_t salt_size, const void *ikm,
		  size_t ikm_size, const void *info, size_t info_size);
