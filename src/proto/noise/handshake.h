/* Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as WireGuard uses it (paper, 5.4.2 and 5.4.3). It knows
 * nothing of peers, sending or timers, and leaves the macs to cookie.h. State changes only after
 * everything was verified; secrets are wiped when a run ends. Sizes of messages are the caller's
 * check.
 *
 * The responder's side of a run is over when its response is made, so it needs no memory between
 * messages: what comes in never disturbs an initiation of our own that is under way. When both
 * sides begin at once, both runs succeed. */
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

enum handshake_state { HANDSHAKE_NONE, HANDSHAKE_INITIATION_SENT };

struct handshake {
	enum handshake_state state;
	/* Of the peer, for its life. */
	struct key remote_static, preshared, static_static;
	bool has_static_static; /* false: no private key, or the peer is ourselves */
	/* Of our initiation under way. */
	struct key ephemeral;
	uint8_t chaining[BLAKE2S_SIZE], hash[BLAKE2S_SIZE];
	uint32_t local_index;
	/* Against replay and floods of initiations. */
	uint8_t latest_stamp[STAMP_SIZE];
	usec_t last_initiation;
	bool has_initiation;
};

/* What a run ends in, as this side sees it. Wipe it. */
struct handshake_session {
	struct key send, receive;
	uint32_t local_index, remote_index;
	bool is_initiator;
};

void handshake_init(struct handshake *handshake, const struct noise_identity *identity,
		    const struct key *remote_static);
/* Our private key changed. */
void handshake_set_identity(struct handshake *handshake, const struct noise_identity *identity);
/* Forgets our initiation, keeps the peer. */
void handshake_clear(struct handshake *handshake);

/* message: WG_INITIATION_SIZE bytes; macs are left zero. An older initiation is forgotten. False
 * without usable keys. */
bool handshake_initiate(struct handshake *handshake, const struct noise_identity *identity,
			struct aead *aead, const struct random_source *random,
			const uint8_t stamp[STAMP_SIZE], uint32_t local_index, uint8_t *message);

/* An initiation from a peer, on its way to a response. Wipe it. */
struct handshake_opening {
	struct key remote_static, remote_ephemeral;
	uint8_t chaining[BLAKE2S_SIZE], hash[BLAKE2S_SIZE];
	uint32_t remote_index;
};
/* Opens it so far that remote_static tells who it is from. */
bool handshake_open(const struct noise_identity *identity, struct aead *aead,
		    const uint8_t *message, struct handshake_opening *ret_opening);
enum handshake_verdict { HANDSHAKE_FINE, HANDSHAKE_FORGED, HANDSHAKE_REPLAYED, HANDSHAKE_FLOOD };
/* The rest, with the peer that handshake_open() named. interval: between its initiations. */
enum handshake_verdict handshake_accept(struct handshake *handshake, struct aead *aead, usec_t now,
					usec_t interval, struct handshake_opening *opening,
					const uint8_t *message);
/* After handshake_accept(). message: WG_RESPONSE_SIZE bytes; macs are left zero. */
bool handshake_respond(const struct handshake *handshake, struct aead *aead,
		       const struct random_source *random, struct handshake_opening *opening,
		       uint32_t local_index, uint8_t *message,
		       struct handshake_session *ret_session);
/* Ends our run; a message that is not the answer to it changes nothing. */
bool handshake_consume_response(struct handshake *handshake, const struct noise_identity *identity,
				struct aead *aead, const uint8_t *message,
				struct handshake_session *ret_session);
