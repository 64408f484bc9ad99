/* WireGuard without sockets, clocks or memory of its own: peers, sessions, timers, and the messages
 * between them ("WireGuard: Next Generation Kernel Network Tunnel", Donenfeld 2017, and the
 * kernel's behaviour where the paper is silent). Bytes and `now` in; bytes out through wg_ops. The
 * owner moves packets (device/builtin) or simulates them. `now` never goes back and is greater than
 * 0. struct wg and struct wg_peer hold secrets: locked memory is the right one.
 *
 * One thread, the wg's, calls everything here. Others (workers) may call what takes a const wg or
 * peer, session_reserve(), wg_seal(), wg_open() and what has a tally, each with an aead and tallies
 * of its own, while the owner keeps wg_ops.hold() from returning. What they read there changes only
 * between hold() and release(): indices, keypairs, endpoints, and allowed IPs, which the owner
 * changes itself. The counter of a keypair is atomic, its replay window has a lock. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/hash.h"
#include "base/key.h"
#include "base/list.h"
#include "base/random_source.h"
#include "base/time.h"
#include "crypto/aead.h"
#include "proto/noise/allowedips.h"
#include "proto/noise/cookie.h"
#include "proto/noise/handshake.h"
#include "proto/noise/heap.h"
#include "proto/noise/limits.h"
#include "proto/noise/ratelimit.h"
#include "proto/noise/replay.h"

/* Handshake messages with a right mac1, in a second, above which cookies are demanded until a
 * second after that was last so. An initiation costs its responder four DHs, 0.1 ms. */
#define WG_LOAD_THRESHOLD 512

/* From a cookie to the initiation that shows it. Sooner than WireGuard's rekey_timeout, so that a
 * flooded peer lets us in at once; but later than most answers take, since who overhears us can
 * forge a cookie and must not make us forget a handshake that is being answered. Once a handshake.
 */
#define WG_COOKIE_RETRY   (500 * USEC_PER_MSEC)

enum wg_drop {
	WG_OK,
	WG_DROP_NO_KEY,          /* no private key is set */
	WG_DROP_MAC,             /* mac1: not for our key */
	WG_DROP_COOKIE_DEMANDED, /* under load, without a right mac2: a cookie reply went out */
	WG_DROP_LIMITED,         /* under load, too many from this source */
	WG_DROP_FORGED,          /* does not decrypt */
	WG_DROP_UNKNOWN_PEER,
	WG_DROP_HANDSHAKE_REPLAYED,
	WG_DROP_HANDSHAKE_FLOOD,
	WG_DROP_UNKNOWN_INDEX, /* responses and cookies to nothing we asked */
	WG_DROP_NO_SESSION,    /* data with an unknown index */
	WG_DROP_EXPIRED,       /* data of a session past its time or count */
	WG_DROP_DATA_FORGED,
	WG_DROP_REPLAYED,
	WG_DROP_MALFORMED, /* authentic, but no IP packet inside */
	WG_DROP_SOURCE,    /* inner source is not the peer's */
	WG_DROP_SHAPE,     /* no message of the expected type and size */
	WG_DROP_COUNT
};

struct wg;
struct wg_peer;

struct wg_index {
	struct hash_node node;
	uint32_t value; /* 0 = not in the table */
	struct wg_peer *peer;
	struct wg_keypair *keypair; /* NULL: a handshake under way */
};

struct wg_keypair {
	bool is_set, is_initiator;
	struct key send, receive;
	_Atomic uint64_t counter; /* next to send */
	struct replay replay;
	atomic_flag replay_lock;
	struct wg_index index;
	uint32_t remote_index;
	usec_t born;
	uint64_t number; /* of the peer's sessions, from 1 */
};

struct wg_peer {
	struct list entry; /* wg.peers, in order of addition */
	struct hash_node by_key;
	struct wg *wg;
	struct allowedips_owner allowed;
	struct handshake handshake;
	struct wg_index handshake_index;
	struct cookie_maker cookies;
	struct wg_keypair slots[3];
	struct wg_keypair *current, *previous, *next; /* NULL or one of slots */
	struct address endpoint;
	bool may_roam; /* true: authentic packets move the endpoint; false: only the event tells */
	/* true, from wg_peer_add(): data to send and timers start handshakes. false: only
	 * wg_handshake_start() does, and the retries that follow it. */
	bool may_initiate;
	struct address told; /* the last address that endpoint_moved told of, without roaming */
	uint16_t keepalive;  /* seconds, 0 = off */
	void *owner;

	uint64_t rx_bytes, tx_bytes; /* of whole messages */
	usec_t last_handshake, last_received, last_sent,
		last_data; /* 0 = never; last_data: not keepalives */

	/* Timers; USEC_NEVER = off. */
	usec_t retransmit_at, keepalive_at, silence_at, persistent_at, erase_at;
	usec_t silence_jitter; /* drawn with each session */
	usec_t initiated_at;   /* last initiation or response sent, 0 = never */
	usec_t hurry_at;       /* an initiation may go out again from then on; 0 = as always */
	bool has_hurried;      /* for a cookie, since the last handshake was completed */
	unsigned attempts;
	uint64_t sessions;            /* that were ever begun */
	bool needs_another_keepalive; /* more data came while one was due */
	bool is_last_minute_sent;     /* a rekey shortly before the session's end was asked for */
	struct heap_node attention;
};

/* All must be set, but hold and release. Called from inside the functions below; they may call
 * anything but wg_peer_remove(), wg_peer_end_sessions() and wg_set_private_key(). */
struct wg_ops {
	void *owner;
	/* A handshake message, cookie or keepalive for the network. peer: NULL for cookies. */
	void (*send)(void *owner, struct wg_peer *peer, const struct address *to, const void *data,
		     size_t size);
	/* Data can be sent now: what waits for the peer goes out through wg_send_begin(). When
	 * nothing does during the call, an initiator's session is confirmed by a keepalive. */
	void (*session_ready)(void *owner, struct wg_peer *peer);
	void (*handshake_completed)(void *owner, struct wg_peer *peer);
	/* An authentic, fresh message came from another address than the endpoint (which is `from`
	 * now if the peer may roam; otherwise told once until another address is heard). */
	void (*endpoint_moved)(void *owner, struct wg_peer *peer, const struct address *from);
	/* 90 s of initiations without an answer: drop what waits. */
	void (*handshake_gave_up)(void *owner, struct wg_peer *peer);
	/* TAI64N, strictly growing. */
	void (*stamp)(void *owner, usec_t now, uint8_t out[STAMP_SIZE]);
	const struct random_source *random;
	/* Around every change of what other threads may read: hold() returns when none of them
	 * reads, and until release() none does. They nest. Both NULL: there are no other threads.
	 */
	void (*hold)(void *owner);
	void (*release)(void *owner);
};

struct wg {
	struct wg_ops ops;
	struct wg_limits limits;
	struct noise_identity identity;
	struct list peers;
	size_t peer_count;
	struct hash_table by_key, indices;
	struct hash_node *key_buckets[1024], *index_buckets[4096];
	uint64_t hash_seed;
	struct allowedips allowed;
	struct cookie_checker checker;
	struct ratelimit ratelimit;
	struct heap attention;
	usec_t load_second, load_until;
	unsigned load_count;
	bool force_load; /* for tests */
	/* Session keys ended: the owner's aead may still hold them. It forgets, and clears this. */
	bool has_ended_keys;
	uint64_t drops[WG_DROP_COUNT];
	uint64_t handshakes_sent, handshakes_completed, cookies_sent, keepalives_received;
};

const char *wg_drop_name(enum wg_drop drop);

/* limits NULL = WireGuard's. */
void wg_init(struct wg *wg, const struct wg_ops *ops, const struct wg_limits *limits);
/* Wipes all secrets; peers must have been removed. */
void wg_done(struct wg *wg);
/* NULL or zeros: none, and then nothing is sent or accepted. Clamped. Another key ends all
 * sessions. A peer with our own public key stays, without sessions. */
void wg_set_private_key(struct wg *wg, struct aead *aead, const struct key *private_key);

/* False: not a canonical point, or of low order; no handshake with it can be safe. */
bool wg_may_be_peer(const struct key *public_key);
/* peer: zeroed memory of the owner. 0, -EINVAL (not a canonical point, or of low order) or -EEXIST.
 */
int wg_peer_add(struct wg *wg, struct wg_peer *peer, const struct key *public_key);
/* Wipes it; the memory is the owner's again. */
void wg_peer_remove(struct wg_peer *peer);
struct wg_peer *wg_peer_find(const struct wg *wg, const struct key *public_key);
void wg_peer_set_preshared(struct wg_peer *peer, const struct key *preshared);
void wg_peer_set_endpoint(struct wg_peer *peer, const struct address *endpoint);
/* Switched on, it sends one at once. */
void wg_peer_set_keepalive(struct wg_peer *peer, struct aead *aead, usec_t now, uint16_t seconds);
/* Wipes sessions and handshake and stops the timers, but that of the persistent keepalive. */
void wg_peer_end_sessions(struct wg_peer *peer);
/* Data can be sent at this moment. */
bool wg_peer_has_session(const struct wg_peer *peer, usec_t now);

/* A message of type 1, 2 or 3; data is not changed. */
enum wg_drop wg_receive_handshake(struct wg *wg, struct aead *aead, usec_t now,
				  const struct address *from, const uint8_t *data, size_t size);
/* An initiation now, unless one left within rekey_timeout or there is no endpoint or key. */
void wg_handshake_start(struct wg_peer *peer, struct aead *aead, usec_t now);
/* Sends an empty data message; starts a handshake when there is no session. */
void wg_send_keepalive(struct wg_peer *peer, struct aead *aead, usec_t now);

/* ---- sending data ---- */

struct wg_run {
	struct wg_keypair *keypair;
	uint64_t counter; /* of the first */
	unsigned count;
};

/* The peer for the destination of an inner IP packet, NULL when no allowed IP matches or it is no
 * IP. */
struct wg_peer *wg_route(const struct wg *wg, const uint8_t *packet, size_t size);
/* Reserves count (1..WG_RUN_MAX) counters. False: no session; a handshake is on its way if it can
 * be. Counters that are not used are lost, which WireGuard allows: never keep a run for another
 * batch. */
bool wg_send_begin(struct wg_peer *peer, struct aead *aead, usec_t now, unsigned count,
		   struct wg_run *ret_run);
/* The part of wg_send_begin() that any thread may call: one atomic add (security 24). False: the
 * session is past its time, or its counter within a run of each worker of its end. */
bool session_reserve(struct wg_keypair *keypair, const struct wg_limits *limits, usec_t now,
		     unsigned count, struct wg_run *ret_run);
/* Message i (< count) of the run. out gets WG_DATA_HEADER_SIZE + padded size + 16 bytes; plain may
 * lie at out + WG_DATA_HEADER_SIZE, and room for the padding behind it must be writable.
 * padded_max: the largest padded size (the MTU). Returns the size. */
size_t wg_seal(const struct wg_run *run, struct aead *aead, unsigned i, uint8_t *plain, size_t size,
	       size_t padded_max, uint8_t *out);
/* After the run went out: timers. bytes: of the messages. */
void wg_sent(struct wg_peer *peer, struct aead *aead, usec_t now, uint64_t bytes, bool is_data);

/* ---- receiving data ---- */

struct wg_opened {
	struct wg_peer *peer;
	struct wg_keypair *keypair; /* may have ended meanwhile: not to be followed */
	uint8_t *packet;            /* inside the message, padding included; size 0 = keepalive */
	size_t size;
	uint32_t index; /* the session's, ours */
};

/* Opens in place and checks age, authenticity and replay, in this order. Counts nothing. */
enum wg_drop wg_open(const struct wg *wg, struct aead *aead, usec_t now, uint8_t *data, size_t size,
		     struct wg_opened *ret_opened);
/* For everything that wg_open() accepted: key confirmation, roaming, timers. May call
 * session_ready. */
void wg_received(struct wg *wg, struct aead *aead, usec_t now, const struct wg_opened *opened,
		 const struct address *from, size_t message_size);
/* Is the inner packet a whole IP packet from an address of the peer? *ret_size: without padding.
 * Counts nothing. */
enum wg_drop wg_accepts(const struct wg *wg, const struct wg_peer *peer, const uint8_t *packet,
			size_t size, size_t *ret_size);
/* Counts a drop: wg_receive_handshake() has done so, for data the owner does. */
void wg_count(struct wg *wg, enum wg_drop drop);

/* ---- data in other threads ---- */

/* What a worker did with one peer since the wg's thread was last told. Zeroed memory is none. */
struct wg_tally {
	uint64_t rx_bytes, tx_bytes;
	uint64_t received, received_data; /* messages; the others were keepalives */
	bool is_last_sent;                /* the last thing done was sending */
	uint32_t confirmed;               /* the next session's index: a message came under it */
	struct address from; /* another address than the endpoint; FAMILY_NONE = none lately */
};

/* The counterpart of wg_send_begin(): no handshake comes of it. */
bool wg_send_reserve(const struct wg_peer *peer, usec_t now, unsigned count,
		     struct wg_run *ret_run);
/* Of wg_sent(). */
void wg_tally_sent(struct wg_tally *tally, uint64_t bytes);
/* Of wg_received(). True: the wg's thread has to hear of it before anything is answered. */
bool wg_tally_received(struct wg_tally *tally, const struct wg_opened *opened,
		       const struct address *from, size_t message_size);
/* What was opened before others were let in: its session and peer are still there. */
bool wg_is_current(const struct wg *wg, const struct wg_opened *opened);
/* In the wg's thread, which holds the others: as if it had done that now. */
void wg_fold(struct wg_peer *peer, struct aead *aead, usec_t now, const struct wg_tally *tally);

/* ---- time ---- */

void wg_tick(struct wg *wg, struct aead *aead, usec_t now);
usec_t wg_deadline(const struct wg *wg);
