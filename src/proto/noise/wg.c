#include "proto/noise/wg.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "proto/noise/peer.h"
#include "proto/wire/wireguard.h"

const struct wg_limits wg_limits_default = {
	.rekey_after_time = 120 * USEC_PER_SEC,
	.reject_after_time = 180 * USEC_PER_SEC,
	.rekey_attempt_time = 90 * USEC_PER_SEC,
	.rekey_timeout = 5 * USEC_PER_SEC,
	.rekey_timeout_jitter = 334 * USEC_PER_MSEC,
	.keepalive_timeout = 10 * USEC_PER_SEC,
	.initiation_interval = 20 * USEC_PER_MSEC,
	.rekey_after_messages = 1ULL << 60,
	.reject_after_messages = UINT64_MAX - REPLAY_WINDOW,
};

const char *wg_drop_name(enum wg_drop drop)
{
	static const char *const names[WG_DROP_COUNT] = {
		[WG_OK] = "ok",
		[WG_DROP_NO_KEY] = "no-key",
		[WG_DROP_MAC] = "handshake-mac",
		[WG_DROP_COOKIE_DEMANDED] = "handshake-cookie-demanded",
		[WG_DROP_LIMITED] = "handshake-limited",
		[WG_DROP_FORGED] = "handshake-forged",
		[WG_DROP_UNKNOWN_PEER] = "handshake-unknown-peer",
		[WG_DROP_HANDSHAKE_REPLAYED] = "handshake-replayed",
		[WG_DROP_HANDSHAKE_FLOOD] = "handshake-flood",
		[WG_DROP_UNKNOWN_INDEX] = "handshake-unknown-index",
		[WG_DROP_NO_SESSION] = "no-session",
		[WG_DROP_EXPIRED] = "expired",
		[WG_DROP_DATA_FORGED] = "forged",
		[WG_DROP_REPLAYED] = "replayed",
		[WG_DROP_MALFORMED] = "malformed",
		[WG_DROP_SOURCE] = "source",
	};

	return names[drop];
}

void wg_count(struct wg *wg, enum wg_drop drop)
{
	if (drop != WG_OK)
		wg->drops[drop]++;
}

/* ---- indices ---- */

struct wg_index *index_find(const struct wg *wg, uint32_t value)
{
	struct hash_node *node = value ? hash_first(&wg->indices, value) : NULL;

	return node ? container_of(node, struct wg_index, node) : NULL;
}

void index_insert(struct wg *wg, struct wg_index *index, struct wg_peer *peer,
		  struct wg_keypair *keypair)
{
	index->peer = peer;
	index->keypair = keypair;
	while (!index->value || index_find(wg, index->value))
		index->value = random_u32(wg->ops.random);
	hash_insert(&wg->indices, &index->node, index->value);
}

void index_remove(struct wg *wg, struct wg_index *index)
{
	if (index->value)
		hash_remove(&wg->indices, &index->node);
	index->value = 0;
}

/* ---- configuration ---- */

void wg_init(struct wg *wg, const struct wg_ops *ops, const struct wg_limits *limits)
{
	memset(wg, 0, sizeof(*wg));
	wg->ops = *ops;
	wg->limits = limits ? *limits : wg_limits_default;
	list_init(&wg->peers);
	hash_init(&wg->by_key, wg->key_buckets, array_size(wg->key_buckets));
	hash_init(&wg->indices, wg->index_buckets, array_size(wg->index_buckets));
	wg->hash_seed = random_u64(ops->random);
	wg->ratelimit.seed = random_u64(ops->random);
}

void wg_done(struct wg *wg)
{
	secret_wipe(&wg->identity, sizeof(wg->identity));
	secret_wipe(&wg->checker, sizeof(wg->checker));
}

void wg_set_private_key(struct wg *wg, struct aead *aead, const struct key *private_key)
{
	struct wg_peer *peer;

	(void)aead;
	secret_wipe(&wg->identity, sizeof(wg->identity));
	if (private_key && !key_is_zero(private_key)) {
		wg->identity.private_key = *private_key;
		x25519_clamp(&wg->identity.private_key);
		x25519_public(&wg->identity.private_key, &wg->identity.public_key);
		wg->identity.is_set = true;
	}
	cookie_checker_init(&wg->checker, &wg->identity.public_key);
	list_for_each(peer, &wg->peers, entry) {
		session_end_all(peer);
		handshake_set_identity(&peer->handshake, &wg->identity);
	}
}

struct wg_peer *wg_peer_find(const struct wg *wg, const struct key *public_key)
{
	uint64_t hash = hash_bytes(wg->hash_seed, public_key, KEY_SIZE);
	struct hash_node *node;

	hash_for_each(node, &wg->by_key, hash) {
		struct wg_peer *peer = container_of(node, struct wg_peer, by_key);

		if (key_is_equal(&peer->handshake.remote_static, public_key))
			return peer;
	}
	return NULL;
}

int wg_peer_add(struct wg *wg, struct wg_peer *peer, const struct key *public_key)
{
	if (!key_is_canonical_point(public_key) || key_is_zero(public_key))
		return -EINVAL;
	if (wg_peer_find(wg, public_key))
		return -EEXIST;
	peer->wg = wg;
	peer->may_roam = true;
	handshake_init(&peer->handshake, &wg->identity, public_key);
	cookie_maker_init(&peer->cookies, public_key);
	timers_init(peer);
	list_append(&wg->peers, &peer->entry);
	hash_insert(&wg->by_key, &peer->by_key, hash_bytes(wg->hash_seed, public_key, KEY_SIZE));
	wg->peer_count++;
	return 0;
}

void wg_peer_remove(struct wg_peer *peer)
{
	struct wg *wg = peer->wg;

	session_end_all(peer);
	timers_stop(peer);
	allowedips_remove_all(&wg->allowed, &peer->allowed);
	list_remove(&peer->entry);
	hash_remove(&wg->by_key, &peer->by_key);
	wg->peer_count--;
	secret_wipe(peer, sizeof(*peer));
}

void wg_peer_set_preshared(struct wg_peer *peer, const struct key *preshared)
{
	if (preshared)
		peer->handshake.preshared = *preshared;
	else
		secret_wipe(&peer->handshake.preshared, KEY_SIZE);
}

void wg_peer_set_endpoint(struct wg_peer *peer, const struct address *endpoint)
{
	peer->endpoint = *endpoint;
	peer->told.family = FAMILY_NONE;
}

void wg_peer_set_keepalive(struct wg_peer *peer, struct aead *aead, usec_t now, uint16_t seconds)
{
	bool was_off = !peer->keepalive;

	peer->keepalive = seconds;
	timers_persistent(peer, now);
	if (was_off && seconds)
		wg_send_keepalive(peer, aead, now);
}

void wg_peer_end_sessions(struct wg_peer *peer)
{
	session_end_all(peer);
	peer->initiated_at = 0;
}

/* ---- handshakes ---- */

void peer_initiate(struct wg_peer *peer, struct aead *aead, usec_t now, bool is_retry)
{
	struct wg *wg = peer->wg;
	uint8_t message[WG_INITIATION_SIZE], stamp[STAMP_SIZE];

	if (!is_retry)
		peer->attempts = 0;
	if (peer->endpoint.family == FAMILY_NONE || !wg->identity.is_set ||
	    (peer->initiated_at && usec_since(now, peer->initiated_at) < wg->limits.rekey_timeout))
		return;
	wg->ops.stamp(wg->ops.owner, now, stamp);
	index_remove(wg, &peer->handshake_index);
	index_insert(wg, &peer->handshake_index, peer, NULL);
	if (!handshake_initiate(&peer->handshake, &wg->identity, aead, wg->ops.random, stamp,
				peer->handshake_index.value, message)) {
		index_remove(wg, &peer->handshake_index);
		return;
	}
	cookie_add_macs(&peer->cookies, now, message, sizeof(message));
	wg->handshakes_sent++;
	peer->tx_bytes += sizeof(message);
	timers_persistent(peer, now);
	timers_initiation_sent(peer, now);
	wg->ops.send(wg->ops.owner, peer, &peer->endpoint, message, sizeof(message));
}

void wg_handshake_start(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	peer_initiate(peer, aead, now, false);
}

void wg_send_keepalive(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	uint8_t message[WG_DATA_OVERHEAD];
	struct wg_run run;
	size_t size;

	if (!wg_send_begin(peer, aead, now, 1, &run) || peer->endpoint.family == FAMILY_NONE)
		return;
	size = wg_seal(&run, aead, 0, message + WG_DATA_HEADER_SIZE, 0, 0, message);
	peer->wg->ops.send(peer->wg->ops.owner, peer, &peer->endpoint, message, size);
	wg_sent(peer, aead, now, size, false);
}

static bool is_under_load(struct wg *wg, usec_t now)
{
	if (usec_since(now, wg->load_second) >= USEC_PER_SEC) {
		/* The second before counts too, or every second would begin with a free burst. */
		wg->load_count = usec_since(now, wg->load_second) < 2 * USEC_PER_SEC &&
						 wg->load_count > WG_LOAD_THRESHOLD
					 ? WG_LOAD_THRESHOLD
					 : 0;
		wg->load_second = now;
	}
	return ++wg->load_count > WG_LOAD_THRESHOLD || wg->force_load;
}

/* mac1 always; under load also mac2, or a cookie goes back, no larger than what came. */
static enum wg_drop check_macs(struct wg *wg, struct aead *aead, usec_t now, const struct address *from,
			       const uint8_t *data, size_t size)
{
	uint8_t reply[WG_COOKIE_SIZE];

	if (!cookie_mac1_is_valid(&wg->checker, data, size))
		return WG_DROP_MAC;
	if (!is_under_load(wg, now))
		return WG_OK;
	if (cookie_mac2_is_valid(&wg->checker, now, wg->ops.random, from, data, size))
		return ratelimit_allows(&wg->ratelimit, now, from) ? WG_OK : WG_DROP_LIMITED;
	cookie_reply_create(&wg->checker, aead, now, wg->ops.random, from, data, size, reply);
	wg->cookies_sent++;
	wg->ops.send(wg->ops.owner, NULL, from, reply, sizeof(reply));
	return WG_DROP_COOKIE_DEMANDED;
}

static void move_endpoint(struct wg *wg, struct wg_peer *peer, const struct address *from)
{
	bool is_first = peer->endpoint.family == FAMILY_NONE;

	if (address_is_equal(&peer->endpoint, from))
		return;
	if (peer->may_roam)
		peer->endpoint = *from;
	else if (address_is_equal(&peer->told, from))
		return;
	peer->told = *from;
	(void)is_first;
	wg->ops.endpoint_moved(wg->ops.owner, peer, from);
}

static enum wg_drop respond(struct wg *wg, struct aead *aead, usec_t now, struct wg_peer *peer,
			    const struct address *from)
{
	uint8_t message[WG_RESPONSE_SIZE];

	index_remove(wg, &peer->handshake_index);
	index_insert(wg, &peer->handshake_index, peer, NULL);
	if (!handshake_respond(&peer->handshake, aead, wg->ops.random, peer->handshake_index.value,
			       message))
		return WG_DROP_FORGED;
	cookie_add_macs(&peer->cookies, now, message, sizeof(message));
	session_begin(peer, now, false);
	/* Whatever we had begun ourselves is forgotten with the handshake's state. */
	peer->retransmit_at = USEC_NEVER;
	peer->tx_bytes += sizeof(message);
	peer->last_sent = now;
	timers_persistent(peer, now);
	/* To where it came from: a peer that may not roam is answered all the same. */
	wg->ops.send(wg->ops.owner, peer, from, message, sizeof(message));
	return WG_OK;
}

static enum wg_drop receive_initiation(struct wg *wg, struct aead *aead, usec_t now,
				       const struct address *from, const uint8_t *data)
{
	struct handshake_opening opening;
	enum handshake_verdict verdict;
	struct wg_peer *peer;

	if (!handshake_open(&wg->identity, aead, data, &opening))
		return WG_DROP_FORGED;
	peer = wg_peer_find(wg, &opening.remote_static);
	if (!peer) {
		secret_wipe(&opening, sizeof(opening));
		return WG_DROP_UNKNOWN_PEER;
	}
	verdict = handshake_accept(&peer->handshake, aead, now, wg->limits.initiation_interval, &opening,
				   data);
	secret_wipe(&opening, sizeof(opening));
	switch (verdict) {
	case HANDSHAKE_FORGED:
		return WG_DROP_FORGED;
	case HANDSHAKE_REPLAYED:
		return WG_DROP_HANDSHAKE_REPLAYED;
	case HANDSHAKE_FLOOD:
		return WG_DROP_HANDSHAKE_FLOOD;
	case HANDSHAKE_FINE:
		break;
	}
	peer->rx_bytes += WG_INITIATION_SIZE;
	peer->last_received = now;
	move_endpoint(wg, peer, from);
	return respond(wg, aead, now, peer, from);
}

static enum wg_drop receive_response(struct wg *wg, struct aead *aead, usec_t now,
				     const struct address *from, const uint8_t *data)
{
	struct reader reader = reader_over(data + WG_RESPONSE_RECEIVER, 4);
	struct wg_index *index = index_find(wg, read_u32(&reader));
	struct wg_peer *peer;
	uint64_t sent;

	if (!index || index->keypair)
		return WG_DROP_UNKNOWN_INDEX;
	peer = index->peer;
	if (!handshake_consume_response(&peer->handshake, &wg->identity, aead, data))
		return WG_DROP_FORGED;
	peer->rx_bytes += WG_RESPONSE_SIZE;
	peer->last_received = now;
	session_begin(peer, now, true);
	move_endpoint(wg, peer, from);
	timers_handshake_complete(peer, now);
	wg->ops.handshake_completed(wg->ops.owner, peer);
	/* What waits proves to the responder that we have the keys; if nothing waits, a keepalive does. */
	sent = peer->tx_bytes;
	wg->ops.session_ready(wg->ops.owner, peer);
	if (peer->tx_bytes == sent)
		wg_send_keepalive(peer, aead, now);
	return WG_OK;
}

static enum wg_drop receive_cookie(struct wg *wg, struct aead *aead, usec_t now, const uint8_t *data)
{
	struct reader reader = reader_over(data + WG_COOKIE_RECEIVER, 4);
	struct wg_index *index = index_find(wg, read_u32(&reader));

	if (!index)
		return WG_DROP_UNKNOWN_INDEX;
	return cookie_reply_consume(&index->peer->cookies, aead, now, data) ? WG_OK : WG_DROP_FORGED;
}

static enum wg_drop receive(struct wg *wg, struct aead *aead, usec_t now, const struct address *from,
			    const uint8_t *data, size_t size)
{
	enum wg_drop drop;

	if (!wg->identity.is_set)
		return WG_DROP_NO_KEY;
	if (data[0] == WG_COOKIE)
		return receive_cookie(wg, aead, now, data);
	drop = check_macs(wg, aead, now, from, data, size);
	if (drop != WG_OK)
		return drop;
	return data[0] == WG_INITIATION ? receive_initiation(wg, aead, now, from, data)
					: receive_response(wg, aead, now, from, data);
}

enum wg_drop wg_receive_handshake(struct wg *wg, struct aead *aead, usec_t now, const struct address *from,
				  const uint8_t *data, size_t size)
{
	enum wg_drop drop = receive(wg, aead, now, from, data, size);

	wg_count(wg, drop);
	return drop;
}

void wg_tick(struct wg *wg, struct aead *aead, usec_t now)
{
	while (wg->attention.root && wg->attention.root->when <= now) {
		struct wg_peer *peer = container_of(wg->attention.root, struct wg_peer, attention);

		heap_remove(&wg->attention, &peer->attention);
		timers_run(peer, aead, now);
	}
}

usec_t wg_deadline(const struct wg *wg)
{
	return wg->attention.root ? wg->attention.root->when : USEC_NEVER;
}
