/* Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as WireGuard uses it (paper, 5.4.2 and 5.4.3). State changes only after
 * everything was verified. Sizes of messages are the caller's check. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/key.h"
#include "base/random_source.h"
#include "base/time.h"
#include "crypto/hash.h"

#define STAMP_SIZE 12 /* TAI64N */

struct aead;

struct noise_identity {
	struct key private_key, public_key;
	bool is_set;
};

enum handshake_state {
	HANDSHAKE_NONE,
	HANDSHAKE_INITIATION_SENT,
	HANDSHAKE_INITIATION_RECEIVED,
	HANDSHAKE_RESPONSE_SENT,
	HANDSHAKE_RESPONSE_RECEIVED,
};

struct handshake {
	enum handshake_state state;
	/* Of the peer, for its life. */
	struct key remote_static, preshared, static_static;
	bool has_static_static;
	/* Of the run under way. */
	struct key ephemeral, remote_ephemeral;
	uint8_t chaining[BLAKE2S_SIZE], hash[BLAKE2S_SIZE];
	uint32_t local_index, remote_index;
	/* Against replay and floods of initiations. */
	uint8_t latest_stamp[STAMP_SIZE];
	usec_t last_initiation;
	bool has_initiation;
};

/* The two keys a run ends in, as this side sends and receives. */
struct handshake_keys {
	struct key send, receive;
};

void handshake_init(struct handshake *handshake, const struct noise_identity *identity,
		    const struct key *remote_static);
/* Our private key changed. */
void handshake_set_identity(struct handshake *handshake, const struct noise_identity *identity);
/* Forgets the run, keeps the peer. */
void handshake_clear(struct handshake *handshake);

/* message: WG_INITIATION_SIZE bytes; macs are left zero. False without usable keys. */
bool handshake_initiate(struct handshake *handshake, const struct noise_identity *identity,
			struct aead *aead, const struct random_source *random,
			const uint8_t stamp[STAMP_SIZE], uint32_t local_index, uint8_t *message);

/* An initiation half opened: who it is from. */
struct handshake_opening {
	struct key remote_static, remote_ephemeral;
	uint8_t chaining[BLAKE2S_SIZE], hash[BLAKE2S_SIZE];
};
bool handshake_open(const struct noise_identity *identity, struct aead *aead, const uint8_t *message,
		    struct handshake_opening *ret_opening);
enum handshake_verdict { HANDSHAKE_FINE, HANDSHAKE_FORGED, HANDSHAKE_REPLAYED, HANDSHAKE_FLOOD };
/* The rest, with the peer that handshake_open() named. */
enum handshake_verdict handshake_accept(struct handshake *handshake, struct aead *aead, usec_t now,
					usec_t interval, struct handshake_opening *opening,
					const uint8_t *message);
/* After handshake_accept(). message: WG_RESPONSE_SIZE bytes; macs are left zero. */
bool handshake_respond(struct handshake *handshake, struct aead *aead,
		       const struct random_source *random, uint32_t local_index, uint8_t *message);
bool handshake_consume_response(struct handshake *handshake, const struct noise_identity *identity,
				struct aead *aead, const uint8_t *message);
/* After a response was sent or received; ends the run. */
void handshake_derive(struct handshake *handshake, struct handshake_keys *ret_keys);
