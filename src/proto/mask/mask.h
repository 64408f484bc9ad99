/* The header mask (docs/protocol.md, "Masking"): C = AES-256_K1(H xor AES-256_K2(T)), where H is
 * the 16-byte header and T the last 16 bytes of the datagram, a tag or random. Changing C or T
 * gives a random H, which its check bits then refuse. Obfuscation with a header check, not
 * confidentiality of anything else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

#define MASK_HEADER_SIZE 16
#define SITE_SECRET_SIZE 32

/* One direction of one listener, K(X, to) or K(X, from). */
struct mask_key {
	struct key header; /* K1 */
	struct key tail;   /* K2 */
};

enum mask_direction { MASK_TO_LISTENER, MASK_FROM_LISTENER };

/* From the listener's public key and the network's site secret (all zeros when it is not known:
 * then anyone who knows the public key can unmask, "pattern only").
 * HKDF-BLAKE2s, salt = BLAKE2s("wayleave mask v1"), input = listener | site secret, info = "to" or
 * "from"; 64 bytes: K1 | K2. */
void mask_key_derive(const struct key *listener, const uint8_t site_secret[SITE_SECRET_SIZE],
		     enum mask_direction direction, struct mask_key *ret_key);

/* Both ciphers of one key, for one thread. */
struct block_cipher;
struct mask {
	struct block_cipher *header, *tail;
};
void mask_init(struct mask *mask, const struct mask_key *key);
void mask_done(struct mask *mask);

/* Masks the first 16 bytes in place. False when the result would be taken for vanilla WireGuard or
 * STUN: data is unchanged, the caller draws a new nonce or padding and tries again. size >= 32, or
 * it aborts. */
bool mask_apply(struct mask *mask, uint8_t *data, size_t size);
/* Unmasks the first 16 bytes in place. False, and data unchanged, unless byte 0 is a known class
 * (enum wire_class) and bytes 1..3 are zero; random bytes pass once in 2^30. Any size is fine. */
bool mask_remove(struct mask *mask, uint8_t *data, size_t size);
