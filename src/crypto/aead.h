/* ChaCha20-Poly1305 (RFC 8439) and XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03).
 * A context belongs to one thread. Between calls it still holds what the last one left: its key and
 * key stream, until the next call or aead_forget(). No allocation after aead_new(). Tags are 16
 * bytes behind the ciphertext. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

#define AEAD_TAG_SIZE    16
#define XAEAD_NONCE_SIZE 24

struct aead;

struct aead *aead_new(void);
void aead_free(struct aead *aead);
/* Wipes what the last calls left, in the context and on the stack of this thread below the caller.
 */
void aead_forget(struct aead *aead);

/* Nonce = 4 zero bytes || counter, little-endian (WireGuard). In place is fine: out may be ==
 * plain, but may not overlap it otherwise. out needs size + AEAD_TAG_SIZE bytes. */
void aead_seal(struct aead *aead, const struct key *key, uint64_t counter, const void *header,
	       size_t header_size, const void *plain, size_t size, void *out);
/* size includes the tag; out gets size - AEAD_TAG_SIZE bytes. False: forged, out is then wiped. */
bool aead_open(struct aead *aead, const struct key *key, uint64_t counter, const void *header,
	       size_t header_size, const void *sealed, size_t size, void *out);

/* XChaCha20-Poly1305; derives a one-time key per call, for control traffic only. */
void xaead_seal(struct aead *aead, const struct key *key, const uint8_t nonce[XAEAD_NONCE_SIZE],
		const void *header, size_t header_size, const void *plain, size_t size, void *out);
bool xaead_open(struct aead *aead, const struct key *key, const uint8_t nonce[XAEAD_NONCE_SIZE],
		const void *header, size_t header_size, const void *sealed, size_t size, void *out);
