/* Enrolment: how a new key becomes a member by showing a token, in two datagrams of
 * Noise_IK_25519_ChaChaPoly_BLAKE2s (Noise specification rev. 34, 7.5; prologue "wayleave enrol v1"
 * || network id) to the hub's key.
 *
 * The initiator's static key is the node's WireGuard key, so nobody enrols a key that he does not
 * hold. The token never travels: its proof is a MAC over the handshake hash, so a later leak of the
 * hub's key reveals none (security 9). Without a fresh cookie the hub does no X25519, without a
 * right mac1 it is silent, and no answer is larger than its request. Refusals are sealed and of the
 * size of consent.
 *
 * All datagrams: 16-byte header, masked under K(hub, to) or K(hub, from): class, 3 zero bytes, 8
 * bytes that the node chose, 4 random. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/random_source.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "proto/mask/mask.h"
#include "proto/wire/message.h"

#define ENROL_REQUEST_MINIMUM  512
#define ENROL_REQUEST_MAXIMUM  768
#define ENROL_ANSWER_MAXIMUM   512
#define ENROL_COOKIE_SIZE      72
#define ENROL_TAG              16

/* The node repeats its request at these distances, then once a second until the deadline. */
#define ENROL_RETRY            (300 * USEC_PER_MSEC)
#define ENROL_RETRY_MAX        (2 * USEC_PER_SEC)
#define ENROL_DEADLINE         (15 * USEC_PER_SEC)
/* Cookie secrets live so long; the one before is honoured too. */
#define ENROL_COOKIE_LIFETIME  (120 * USEC_PER_SEC)
/* Requests with a right cookie that may cost X25519: of one /32 or /64, and in all. */
#define ENROL_SOURCES          256
#define ENROL_SOURCE_INTERVAL  (200 * USEC_PER_MSEC)
#define ENROL_TOTAL_PER_SECOND 50

enum enrol_status {
	ENROL_WELCOME = 0,
	ENROL_TOKEN_UNKNOWN = 1, /* no such token, or its proof is wrong */
	ENROL_TOKEN_EXPIRED = 2,
	ENROL_TOKEN_USED = 3,
	ENROL_TOKEN_REVOKED = 4,
	ENROL_KEY_REMOVED = 5, /* this key was removed from the network */
	ENROL_POOL_EMPTY = 6,
	ENROL_CLOSED = 7, /* the hub could not write its registry */
};

struct enrol_answer {
	enum enrol_status status;
	/* Only with ENROL_WELCOME. */
	char name[NODE_NAME_SIZE];
	struct prefix addresses[NODE_ADDRESSES_MAX]; /* with the network's prefix length */
	size_t address_count;
	char hub_name[NODE_NAME_SIZE];
	struct address hub_addresses[NODE_ADDRESSES_MAX]; /* port 0 */
	size_t hub_address_count;
};

/* For people: "the token was used up". */
const char *enrol_status_text(enum enrol_status status);

/* Noise's symmetric state; internal, but embedded. */
struct enrol_noise {
	uint8_t chaining[BLAKE2S_SIZE], hash[BLAKE2S_SIZE];
	struct key key;
	uint64_t counter;
};

/* --- the node --- */

enum enrol_state { ENROL_ASKING, ENROL_DONE, ENROL_TIMED_OUT };

struct aead;

struct enrol_client {
	enum enrol_state state;
	struct join join;
	struct key private_key, public_key;
	char name[NODE_NAME_SIZE];
	struct key ephemeral;
	struct enrol_noise noise; /* as it stands after our message */
	uint8_t id[8], mac1[16], cookie[16];
	bool has_cookie;
	usec_t deadline, next_send, retry;
	struct enrol_answer answer;
	struct mask to_hub, from_hub;
	struct aead *aead;
	const struct random_source *random;
};

/* name: what the node would like to be called, "" = the hub's choice. 0 or -EBADMSG (a bad hub
 * key). */
int enrol_client_init(struct enrol_client *client, const struct join *join,
		      const struct key *private_key, const char *name, struct aead *aead,
		      const struct random_source *random, usec_t now);
void enrol_client_done(struct enrol_client *client);
/* Masked datagram to send to the hub now; 0 when none is due. */
size_t enrol_client_send(struct enrol_client *client, usec_t now,
			 uint8_t out[ENROL_REQUEST_MAXIMUM]);
usec_t enrol_client_next(const struct enrol_client *client);
/* A datagram as it came from the network (data is changed). After it look at client->state. */
void enrol_client_receive(struct enrol_client *client, usec_t now, uint8_t *data, size_t size);

/* --- the hub --- */

struct enrol_server {
	struct key private_key, public_key;
	uint8_t network_id[NETWORK_ID_SIZE];
	uint8_t secrets[2][32]; /* newest first */
	usec_t secrets_at;
	struct {
		uint64_t hash;
		usec_t last;
	} sources[ENROL_SOURCES];
	uint64_t hash_seed;
	usec_t second;
	unsigned in_second;
	struct mask from_hub;
	struct aead *aead;
	const struct random_source *random;
	struct {
		uint64_t malformed, wrong_mac, cookies, limited, forged, requests;
	} counters;
};

struct enrol_request {
	struct key key; /* the node's WireGuard key, proved by the handshake */
	uint8_t token_id[TOKEN_ID_SIZE];
	char name[NODE_NAME_SIZE]; /* "" = none wished */
	uint8_t proof[BLAKE2S_SIZE], proof_hash[BLAKE2S_SIZE];
	/* What the answer needs. */
	struct enrol_noise noise;
	struct key ephemeral;
	uint8_t id[8];
	size_t size;
};

enum enrol_result {
	ENROL_IGNORE, /* nothing to send */
	ENROL_SEND,   /* *ret_size bytes at out go back where it came from */
	ENROL_ASK,    /* *ret_request waits for a decision and enrol_server_answer() */
};

void enrol_server_init(struct enrol_server *server, const struct key *private_key,
		       const uint8_t network_id[NETWORK_ID_SIZE],
		       const uint8_t site_secret[SITE_SECRET_SIZE], struct aead *aead,
		       const struct random_source *random, usec_t now);
void enrol_server_done(struct enrol_server *server);
/* data: header already unmasked, class WIRE_CLASS_ENROL_REQUEST. */
enum enrol_result enrol_server_receive(struct enrol_server *server, usec_t now,
				       const struct address *from, const uint8_t *data, size_t size,
				       uint8_t out[ENROL_ANSWER_MAXIMUM], size_t *ret_size,
				       struct enrol_request *ret_request);
/* verifier = BLAKE2s(token), all that the registry keeps of a token. */
bool enrol_proof_is_valid(const struct enrol_request *request,
			  const uint8_t verifier[BLAKE2S_SIZE]);
size_t enrol_server_answer(struct enrol_server *server, const struct enrol_request *request,
			   const struct enrol_answer *answer, uint8_t out[ENROL_ANSWER_MAXIMUM]);

/* BLAKE2s(token). */
void enrol_token_verifier(const uint8_t token[TOKEN_SIZE], uint8_t ret_verifier[BLAKE2S_SIZE]);
