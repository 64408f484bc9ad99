/* Noise's symmetric state with BLAKE2s and ChaCha20-Poly1305 (Noise specification rev. 34, 5.2),
 * and what the two sides of enrolment share. */
#pragma once

#include "proto/enrol/enrol.h"

/* Message layout; offsets in the unmasked datagram. */
#define REQUEST_EPHEMERAL  16
#define REQUEST_STATIC     48
#define REQUEST_PAYLOAD    96
#define REQUEST_PLAIN_SIZE 352
#define REQUEST_MAC1       (REQUEST_PAYLOAD + REQUEST_PLAIN_SIZE + ENROL_TAG)
#define REQUEST_MAC2       (REQUEST_MAC1 + 16)
#define REQUEST_TAIL       (REQUEST_MAC2 + 16)
#define ANSWER_EPHEMERAL   16
#define ANSWER_PAYLOAD     48
#define ANSWER_PLAIN_SIZE  352
#define ANSWER_SIZE        (ANSWER_PAYLOAD + ANSWER_PLAIN_SIZE + ENROL_TAG)
#define COOKIE_NONCE       16
#define COOKIE_SEALED      40
#define ENROL_VERSION      1

void noise_ik_start(struct enrol_noise *noise, const uint8_t network_id[NETWORK_ID_SIZE],
		    const struct key *hub);
void noise_ik_mix_hash(struct enrol_noise *noise, const void *data, size_t size);
/* MixKey with X25519 of both; false for a low-order point. */
bool noise_ik_mix_key(struct enrol_noise *noise, const struct key *private_key,
		      const struct key *public_key);
/* EncryptAndHash: out gets size + ENROL_TAG bytes. */
void noise_ik_seal(struct enrol_noise *noise, struct aead *aead, const void *plain, size_t size,
		   void *out);
/* DecryptAndHash; size with tag. */
bool noise_ik_open(struct enrol_noise *noise, struct aead *aead, const void *sealed, size_t size,
		   void *out);

void enrol_proof(uint8_t out[BLAKE2S_SIZE], const uint8_t verifier[BLAKE2S_SIZE],
		 const uint8_t handshake_hash[BLAKE2S_SIZE]);
void enrol_mac1(uint8_t out[16], const struct key *hub, const uint8_t *data, size_t size);
void enrol_mac2(uint8_t out[16], const uint8_t cookie[16], const uint8_t *data, size_t size);
void enrol_cookie_key(struct key *ret_key, const struct key *hub);
void enrol_header(uint8_t *out, uint8_t class, const uint8_t id[8],
		  const struct random_source *random);
