/* The timers of WireGuard, by event (paper, section 6; the kernel's timers.c lists the same five):
 *   retransmit  an initiation was not answered: again every 5 s + jitter, for 90 s
 *   keepalive   data came and nothing went back for 10 s: an empty packet
 *   silence     data went and nothing came back for 15 s: a new handshake
 *   erase       three times 180 s without a new session: wipe all keys
 *   persistent  the configured keepalive */
#include "proto/noise/peer.h"

void timers_init(struct wg_peer *peer)
{
	peer->retransmit_at = peer->keepalive_at = peer->silence_at = USEC_NEVER;
	peer->persistent_at = peer->erase_at = USEC_NEVER;
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

/* A timer that moved back leaves the queue alone: the peer is looked at once for nothing, which is cheaper than
 * moving it with every packet. */
void timers_requeue(struct wg_peer *peer)
{
	usec_t when = earliest(peer);

	if (when == USEC_NEVER)
		return;
	if (!peer->attention.is_queued || when < peer->attention.when)
		heap_insert(&peer->wg->attention, &peer->attention, when);
}

void timers_initiation_sent(struct wg_peer *peer, usec_t now)
{
	const struct wg_limits *limits = &peer->wg->limits;
	usec_t jitter = limits->rekey_timeout_jitter
				? random_u32(peer->wg->ops.random) % limits->rekey_timeout_jitter
				: 0;

	peer->initiated_at = now;
	peer->retransmit_at = now + limits->rekey_timeout + jitter;
	timers_requeue(peer);
}

void timers_session_derived(struct wg_peer *peer, usec_t now)
{
	peer->erase_at = now + 3 * peer->wg->limits.reject_after_time;
	timers_requeue(peer);
}

void timers_handshake_complete(struct wg_peer *peer, usec_t now)
{
	peer->retransmit_at = USEC_NEVER;
	peer->attempts = 0;
	peer->is_last_minute_sent = false;
	peer->last_handshake = now;
	peer->wg->handshakes_completed++;
}

void timers_persistent(struct wg_peer *peer, usec_t now)
{
	peer->persistent_at = peer->keepalive ? now + peer->keepalive * USEC_PER_SEC : USEC_NEVER;
	timers_requeue(peer);
}

void timers_authentic_sent(struct wg_peer *peer, usec_t now, bool is_data)
{
	const struct wg_limits *limits = &peer->wg->limits;

	peer->keepalive_at = USEC_NEVER;
	peer->last_sent = now;
	if (is_data) {
		peer->last_data = now;
		if (peer->silence_at == USEC_NEVER)
			peer->silence_at = now + limits->keepalive_timeout + limits->rekey_timeout;
	}
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
	}
	timers_persistent(peer, now);
}

static void retransmit(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	const struct wg_limits *limits = &peer->wg->limits;

	peer->retransmit_at = USEC_NEVER;
	if ((peer->attempts + 1) * limits->rekey_timeout > limits->rekey_attempt_time) {
		peer->attempts = 0;
		handshake_clear(&peer->handshake);
		index_remove(peer->wg, &peer->handshake_index);
		if (peer->erase_at == USEC_NEVER)
			peer->erase_at = now + 3 * limits->reject_after_time;
		peer->wg->ops.handshake_gave_up(peer->wg->ops.owner, peer);
		return;
	}
	peer->attempts++;
	peer_initiate(peer, aead, now, true);
}

void timers_run(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	if (now >= peer->retransmit_at)
		retransmit(peer, aead, now);
	if (now >= peer->keepalive_at) {
		peer->keepalive_at = USEC_NEVER;
		wg_send_keepalive(peer, aead, now);
	}
	if (now >= peer->silence_at) {
		peer->silence_at = USEC_NEVER;
		peer_initiate(peer, aead, now, false);
	}
	if (now >= peer->erase_at) {
		peer->erase_at = USEC_NEVER;
		session_end_all(peer);
	}
	if (now >= peer->persistent_at) {
		timers_persistent(peer, now);
		wg_send_keepalive(peer, aead, now);
	}
	timers_requeue(peer);
}
