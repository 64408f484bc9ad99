/* What two nodes share because each knows the other's WireGuard key: keys per purpose and
 * direction, and the sealed control datagrams under them (docs/protocol.md, "Pair keys", "Control
 * datagrams").
 *
 * The static-static key only bootstraps. The first datagrams carry ephemeral keys; everything later
 * runs under keys of both. No clock is involved: each process has a random boot id, and what has an
 * effect must echo ours (security 3). A datagram of an unknown boot id may cause one answer, no
 * larger than itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/key.h"
#include "base/random_source.h"
#include "base/time.h"
#include "proto/mask/mask.h"
#include "proto/pair/window.h"
#include "proto/wire/control.h"
#include "proto/wire/join.h"

/* Ephemeral keys and boot id live this long; datagrams that echo the one before are fresh for
 * OVERLAP. */
#define PAIR_BOOT_LIFETIME     USEC_PER_HOUR
#define PAIR_BOOT_OVERLAP      (2 * USEC_PER_MINUTE)
/* A new boot id of a peer costs us one X25519; at most this often per pair. */
#define PAIR_NEW_BOOT_INTERVAL (50 * USEC_PER_MSEC)
/* Pairs with one hint that are tried in turn. */
#define PAIR_EQUAL_HINTS_MAX   4

struct aead;

enum pair_purpose { PAIR_CONTROL, PAIR_MASK, PAIR_HINT, PAIR_RELAY, PAIR_API };
enum pair_direction { PAIR_LOWER_TO_HIGHER, PAIR_HIGHER_TO_LOWER, PAIR_BOTH };

struct pair_boot {
	uint8_t id[BOOT_ID_SIZE];
	struct key private_key, public_key;
};

/* This process, as all its pairs share it. Holds secrets: keep it in secret memory. */
struct pair_identity {
	struct key private_key, public_key;
	uint8_t network_id[NETWORK_ID_SIZE];
	uint8_t site_secret[SITE_SECRET_SIZE];
	struct pair_boot boot, previous_boot;
	usec_t renewed_at;
};

struct pair_session {
	bool is_set;
	uint8_t peer_boot_id[BOOT_ID_SIZE];
	uint8_t own_boot_id[BOOT_ID_SIZE];
	struct key send, receive;
	uint64_t index_out; /* the peer's choice for our headers */
	struct window window;
};

/* Where pairs are found by what stands in a header. One table per process. */
struct pair_table {
	struct hash_table indices, hints;
	struct hash_node *index_buckets[1024], *hint_buckets[1024];
};

struct pair_index {
	struct hash_node node;
	uint64_t value; /* 0 = not set */
	struct pair *pair;
};

struct pair {
	struct key peer;
	struct key control_send, control_receive, api;
	uint64_t hint_out, hint_in;
	struct hash_node hint_node;
	struct pair_index index, previous_index; /* ours, for the peer's headers */
	uint64_t counter;
	struct pair_session current; /* the peer has echoed our boot id */
	struct pair_session pending; /* a boot id that has not proved to be new */
	usec_t next_new_boot;
	struct mask mask; /* towards the peer as a listener */
	struct pair_table *table;
};

enum pair_result {
	PAIR_OK,
	PAIR_MALFORMED, /* size, version, kind */
	PAIR_UNKNOWN,   /* no pair has this index or hint */
	PAIR_FORGED,
	PAIR_REPLAYED,
	PAIR_LIMITED, /* new boot ids come too fast */
	PAIR_RESULT_COUNT
};

enum pair_mode { PAIR_BY_HINT, PAIR_BY_CURRENT, PAIR_BY_PENDING };

struct pair_opened {
	struct pair *pair;
	struct control_body body;
	enum pair_mode mode; /* answer in the same */
	bool is_fresh;       /* echoes our boot id: may have effects */
	size_t size;         /* of the datagram: an answer is no larger */
};

const char *pair_result_name(enum pair_result result);

void pair_identity_init(struct pair_identity *identity, const struct key *private_key,
			const uint8_t network_id[NETWORK_ID_SIZE],
			const uint8_t site_secret[SITE_SECRET_SIZE], usec_t now,
			const struct random_source *random);
/* Draws a new boot id and ephemeral key when the old ones are PAIR_BOOT_LIFETIME old; true if it
 * did. */
bool pair_identity_renew(struct pair_identity *identity, usec_t now,
			 const struct random_source *random);
void pair_identity_wipe(struct pair_identity *identity);

void pair_table_init(struct pair_table *table);

/* One key of the static pair key. psk NULL = zeros. 0, or -EBADMSG for a low-order or non-canonical
 * key. */
int pair_derive(const struct pair_identity *identity, const struct key *peer, const struct key *psk,
		enum pair_purpose purpose, enum pair_direction direction, struct key *ret_key);

/* One X25519. 0 or -EBADMSG; pair is then unusable and need not be freed. */
int pair_init(struct pair *pair, const struct pair_identity *identity, struct pair_table *table,
	      const struct key *peer, const struct random_source *random);
void pair_done(struct pair *pair);
/* After our addresses changed: a new index, so that nobody links the old network to the new one. */
void pair_renew_index(struct pair *pair, const struct random_source *random);
/* Does the lower key (as bytes) belong to us? */
bool pair_is_lower(const struct pair_identity *identity, const struct key *peer);
/* Forget sessions: the next datagram goes by hint, as to a peer that has restarted. */
void pair_forget(struct pair *pair);

/* Seals body and masks the header. Own boot id, counter, index and ephemeral key are filled in
 * here, and for probes the peer's boot id too; an answer carries the boot id of its question. A
 * mode whose session is gone falls back to the hint. size_max bounds the datagram:
 * CONTROL_MINIMUM..CONTROL_MAXIMUM, padding is random within it. Returns its size. */
size_t pair_seal(struct pair *pair, const struct pair_identity *identity, struct aead *aead,
		 const struct random_source *random, enum pair_mode mode, struct control_body *body,
		 size_t size_max, uint8_t out[CONTROL_MAXIMUM]);
/* The form of the nth unanswered request (from 0): every second one in first-contact form, in case
 * the peer has restarted and forgotten the session. */
enum pair_mode pair_send_mode(const struct pair *pair, const struct pair_identity *identity,
			      unsigned attempt);

/* data: header already unmasked, class WIRE_CLASS_CONTROL. */
enum pair_result pair_open(struct pair_table *table, const struct pair_identity *identity,
			   struct aead *aead, usec_t now, uint8_t *data, size_t size,
			   struct pair_opened *ret_opened);
