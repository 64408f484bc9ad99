/* The timers of WireGuard, by event (paper, section 6; the kernel's timers.c lists the same five):
 *   retransmit  an initiation was not answered: again every 5 s + jitter, for 90 s
 *   keepalive   data came and nothing went back for 10 s: an empty packet
 *   silence     data went and nothing came back for 15 s + jitter: a new handshake
 *   erase       three times 180 s without a new session: wipe all keys
 *   persistent  the configured keepalive
 * A timer is the time when it is due, USEC_NEVER when it is off. */
#include "proto/noise/peer.h"

void timers_init(struct wg_peer *peer)
{
	timers_end_sessions(peer);
	peer->persistent_at = USEC_NEVER;
}

void timers_end_sessions(struct wg_peer *peer)
{
	peer->retransmit_at = peer->keepalive_at = peer->silence_at = peer->erase_at = USEC_NEVER;
	peer->needs_another_keepalive = peer->is_last_minute_sent = false;
	peer->attempts = 0;
	peer->initiated_at = peer->hurry_at = 0;
	peer->has_hurried = false;
}

void timers_stop(struct wg_peer *peer)
{
	timers_init(peer);
	heap_remove(&peer->wg->attention, &peer->attention);
}

static usec_t earliest(const struct wg_peer *peer)
{
	usec_t when = usec_earlier(peer->retransmit_at, peer->keepalive_at);

	when = usec_earlier(when, peer->silence_at);
	when = usec_earlier(when, peer->persistent_at);
	return usec_earlier(when, peer->erase_at);
}

/* A timer that moved back leaves the queue alone: the peer is looked at once for nothing, which is
 * cheaper than moving it with every packet. */
static void requeue(struct wg_peer *peer)
{
	usec_t when = earliest(peer);

	if (when == USEC_NEVER)
		return;
	if (!peer->attention.is_queued || when < peer->attention.when)
		heap_insert(&peer->wg->attention, &peer->attention, when);
}

/* Two sides that begin at the same time do not go on doing so. */
static usec_t jitter(const struct wg_peer *peer)
{
	const struct wg *wg = peer->wg;

	return random_below(wg->ops.random, (uint32_t)wg->limits.rekey_timeout_jitter);
}

void timers_initiation_sent(struct wg_peer *peer, usec_t now)
{
	peer->initiated_at = now;
	peer->hurry_at = 0;
	peer->retransmit_at = now + peer->wg->limits.rekey_timeout + jitter(peer);
	requeue(peer);
}

/* Data waits, but a message of a handshake went out less than REKEY_TIMEOUT ago: if nothing comes
 * of that one, ours follows. */
void timers_initiation_later(struct wg_peer *peer, usec_t now)
{
	if (peer->retransmit_at != USEC_NEVER || wg_peer_has_session(peer, now))
		return;
	peer->retransmit_at = peer->initiated_at + peer->wg->limits.rekey_timeout + jitter(peer);
	requeue(peer);
}

void timers_cookie_received(struct wg_peer *peer, usec_t now)
{
	if (peer->has_hurried || now + WG_COOKIE_RETRY >= peer->retransmit_at)
		return;
	peer->has_hurried = true;
	peer->hurry_at = peer->retransmit_at = now + WG_COOKIE_RETRY;
	requeue(peer);
}

void timers_session_derived(struct wg_peer *peer, usec_t now)
{
	peer->erase_at = now + 3 * peer->wg->limits.reject_after_time;
	/* Once a session: the timer starts with every burst of packets, and drawing is a system
	 * call. */
	peer->silence_jitter = jitter(peer);
	requeue(peer);
}

void timers_handshake_complete(struct wg_peer *peer, usec_t now)
{
	peer->retransmit_at = USEC_NEVER;
	peer->attempts = 0;
	peer->has_hurried = false;
	peer->is_last_minute_sent = false;
	peer->last_handshake = now;
}

void timers_persistent(struct wg_peer *peer, usec_t now)
{
	peer->persistent_at = peer->keepalive ? now + peer->keepalive * USEC_PER_SEC : USEC_NEVER;
	requeue(peer);
}

void timers_authentic_sent(struct wg_peer *peer, usec_t now, bool is_data)
{
	const struct wg_limits *limits = &peer->wg->limits;

	peer->keepalive_at = USEC_NEVER;
	peer->last_sent = now;
	if (is_data)
		peer->last_data = now;
	if (is_data && peer->silence_at == USEC_NEVER)
		peer->silence_at = now + limits->keepalive_timeout + limits->rekey_timeout +
				   peer->silence_jitter;
	timers_persistent(peer, now);
}

void timers_authentic_received(struct wg_peer *peer, usec_t now, bool is_data)
{
	peer->silence_at = USEC_NEVER;
	peer->last_received = now;
	if (is_data) {
		peer->last_data = now;
		if (peer->keepalive_at == USEC_NEVER)
			peer->keepalive_at = now + peer->wg->limits.keepalive_timeout;
		else
			peer->needs_another_keepalive = true;
	}
	timers_persistent(peer, now);
}

static void give_up(struct wg_peer *peer)
{
	struct wg *wg = peer->wg;

	peer->attempts = 0;
	peer->has_hurried = false;
	peer->keepalive_at = USEC_NEVER;
	handshake_end(peer);
	wg->ops.handshake_gave_up(wg->ops.owner, peer);
}

static void retransmit(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	const struct wg_limits *limits = &peer->wg->limits;

	peer->retransmit_at = USEC_NEVER;
	if ((peer->attempts + 1) * limits->rekey_timeout > limits->rekey_attempt_time) {
		give_up(peer);
		return;
	}
	peer->attempts++;
	peer_initiate_again(peer, aead, now);
	/* Nothing went out: without endpoint or key, or because a response of ours did just before.
	 * That may change in time. */
	if (peer->retransmit_at == USEC_NEVER)
		peer->retransmit_at = now + limits->rekey_timeout;
}

static void keepalive(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	peer->keepalive_at = USEC_NEVER;
	wg_send_keepalive(peer, aead, now);
	if (peer->needs_another_keepalive) {
		peer->needs_another_keepalive = false;
		peer->keepalive_at = now + peer->wg->limits.keepalive_timeout;
	}
}

void timers_run(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	if (now >= peer->retransmit_at)
		retransmit(peer, aead, now);
	if (now >= peer->keepalive_at)
		keepalive(peer, aead, now);
	if (now >= peer->silence_at) {
		peer->silence_at = USEC_NEVER;
		peer_initiate(peer, aead, now);
	}
	/* A handshake that is under way is young, and ends with its last try. */
	if (now >= peer->erase_at) {
		peer->erase_at = USEC_NEVER;
		session_end_all(peer);
	}
	if (now >= peer->persistent_at) {
		timers_persistent(peer, now);
		wg_send_keepalive(peer, aead, now);
	}
	requeue(peer);
}
