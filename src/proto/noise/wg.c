/* The device's peers and settings, and the queue of those that want attention. */
#include <errno.h>
#include <string.h>

#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "proto/noise/peer.h"

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
		[WG_DROP_SHAPE] = "shape",
	};

	return names[drop];
}

void wg_count(struct wg *wg, enum wg_drop drop)
{
	if (drop != WG_OK)
		wg->drops[drop]++;
}

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

static void identity_of(struct noise_identity *identity, const struct key *private_key)
{
	*identity = (struct noise_identity){0};
	if (!private_key || key_is_zero(private_key))
		return;
	identity->private_key = *private_key;
	x25519_clamp(&identity->private_key);
	x25519_public(&identity->private_key, &identity->public_key);
	identity->is_set = true;
}

void wg_set_private_key(struct wg *wg, struct aead *aead, const struct key *private_key)
{
	struct noise_identity identity;
	struct wg_peer *peer;
	bool is_same;

	(void)aead;
	identity_of(&identity, private_key);
	is_same = secret_is_equal(&identity.private_key, &wg->identity.private_key, KEY_SIZE);
	if (!is_same)
		wg->identity = identity;
	secret_wipe(&identity, sizeof(identity));
	if (is_same)
		return;
	cookie_checker_init(&wg->checker, &wg->identity.public_key);
	list_for_each (peer, &wg->peers, entry) {
		wg_peer_end_sessions(peer);
		handshake_set_identity(&peer->handshake, &wg->identity);
	}
}

struct wg_peer *wg_peer_find(const struct wg *wg, const struct key *public_key)
{
	uint64_t hash = hash_bytes(wg->hash_seed, public_key, KEY_SIZE);
	struct hash_node *node;

	hash_for_each (node, &wg->by_key, hash) {
		struct wg_peer *peer = container_of(node, struct wg_peer, by_key);

		if (key_is_equal(&peer->handshake.remote_static, public_key))
			return peer;
	}
	return NULL;
}

/* A private key is a multiple of 8, and so takes each point of low order to zero, whatever it is.
 */
static bool is_low_order(const struct key *public_key)
{
	static const struct key any = {.bytes = {[KEY_SIZE - 1] = 64}};
	struct key shared;

	return x25519_shared(&any, public_key, &shared) != 0;
}

bool wg_may_be_peer(const struct key *public_key)
{
	return key_is_canonical_point(public_key) && !is_low_order(public_key);
}

int wg_peer_add(struct wg *wg, struct wg_peer *peer, const struct key *public_key)
{
	if (!wg_may_be_peer(public_key))
		return -EINVAL;
	if (wg_peer_find(wg, public_key))
		return -EEXIST;
	peer->wg = wg;
	peer->may_roam = peer->may_initiate = true;
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
	handshake_end(peer);
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
	wg_hold(peer->wg);
	peer->endpoint = *endpoint;
	peer->told.family = FAMILY_NONE;
	wg_release(peer->wg);
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
	handshake_end(peer);
	timers_end_sessions(peer);
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
