/* Sessions of a peer: where a new keypair goes, when it is used and when it ends; and its counters.
 * A keypair is never copied, kept elsewhere or revived; its slot is wiped before another comes. */
#include <string.h>

#include "crypto/secret.h"
#include "proto/noise/peer.h"

static void keypair_end(struct wg *wg, struct wg_keypair **keypair)
{
	if (!*keypair)
		return;
	index_remove(wg, &(*keypair)->index);
	secret_wipe(*keypair, sizeof(**keypair));
	wg->has_ended_keys = true;
	*keypair = NULL;
}

/* The slot of a new keypair: an initiator may use it at once, a responder only when the first
 * packet under it proves that the other side has it. Of three slots at most two are in use
 * afterwards, three with the new one. As the kernel does, but for one thing: an initiator's new
 * session leaves the next one where it is. When both sides began at once each has a session of
 * either kind, and what is still under way in the session before must not be lost for that. */
static struct wg_keypair *make_room(struct wg_peer *peer, bool is_initiator)
{
	struct wg *wg = peer->wg;

	keypair_end(wg, &peer->previous);
	if (is_initiator) {
		peer->previous = peer->current;
		peer->current = NULL;
	} else {
		keypair_end(wg, &peer->next);
	}
	for (size_t i = 0; i < array_size(peer->slots); i++) {
		if (!peer->slots[i].is_set)
			return &peer->slots[i];
	}
	return NULL;
}

void session_begin(struct wg_peer *peer, usec_t now, const struct handshake_session *keys)
{
	struct wg_keypair *keypair;

	wg_hold(peer->wg);
	keypair = make_room(peer, keys->is_initiator);
	memset(keypair, 0, sizeof(*keypair));
	keypair->is_set = true;
	keypair->is_initiator = keys->is_initiator;
	keypair->remote_index = keys->remote_index;
	keypair->born = now;
	keypair->number = ++peer->sessions;
	keypair->send = keys->send;
	keypair->receive = keys->receive;
	atomic_init(&keypair->counter, 0);
	atomic_flag_clear(&keypair->replay_lock);
	/* An initiator's index goes over from the handshake to its session. */
	if (keys->is_initiator)
		index_remove(peer->wg, &peer->handshake_index);
	index_insert(peer->wg, &keypair->index, keys->local_index, peer, keypair);
	if (keys->is_initiator)
		peer->current = keypair;
	else
		peer->next = keypair;
	wg_release(peer->wg);
	timers_session_derived(peer, now);
}

/* Whether the next session, of which the first packet came, goes before the current one. Usually it
 * is the newer one. But after both sides began at once each has two new sessions, and they must
 * come to use the same one: that of the side with the lower key. */
static bool is_next_preferred(const struct wg_peer *peer)
{
	const struct wg_keypair *current = peer->current, *next = peer->next;

	if (!current || next->number > current->number)
		return true;
	return usec_since(current->born, next->born) < peer->wg->limits.rekey_timeout &&
	       key_compare(&peer->handshake.remote_static, &peer->wg->identity.public_key) < 0;
}

bool session_confirm(struct wg_peer *peer, uint32_t index)
{
	bool is_preferred;

	if (!peer->next || peer->next->index.value != index)
		return false;
	wg_hold(peer->wg);
	is_preferred = is_next_preferred(peer);
	keypair_end(peer->wg, &peer->previous);
	peer->previous = is_preferred ? peer->current : peer->next;
	if (is_preferred)
		peer->current = peer->next;
	peer->next = NULL;
	wg_release(peer->wg);
	return is_preferred;
}

void session_end_all(struct wg_peer *peer)
{
	wg_hold(peer->wg);
	keypair_end(peer->wg, &peer->current);
	keypair_end(peer->wg, &peer->previous);
	keypair_end(peer->wg, &peer->next);
	wg_release(peer->wg);
}

void handshake_end(struct wg_peer *peer)
{
	index_remove(peer->wg, &peer->handshake_index);
	handshake_clear(&peer->handshake);
}

/* The first counter that is not given out any more. Workers that ask at the same time all pass the
 * first test and add once each, so the counter ends below reject_after_messages (security 24). */
static uint64_t counter_end(const struct wg_limits *limits)
{
	const uint64_t margin = WG_RUN_MAX * WG_WORKERS_MAX;

	return limits->reject_after_messages > margin ? limits->reject_after_messages - margin : 0;
}

static bool has_counters(const struct wg_keypair *keypair, const struct wg_limits *limits)
{
	return atomic_load_explicit(&keypair->counter, memory_order_relaxed) < counter_end(limits);
}

bool wg_peer_has_session(const struct wg_peer *peer, usec_t now)
{
	const struct wg_limits *limits = &peer->wg->limits;

	return peer->current && usec_since(now, peer->current->born) < limits->reject_after_time &&
	       has_counters(peer->current, limits);
}

bool session_reserve(struct wg_keypair *keypair, const struct wg_limits *limits, usec_t now,
		     unsigned count, struct wg_run *ret_run)
{
	uint64_t first;

	if (count < 1 || count > WG_RUN_MAX ||
	    usec_since(now, keypair->born) >= limits->reject_after_time ||
	    !has_counters(keypair, limits))
		return false;
	first = atomic_fetch_add_explicit(&keypair->counter, count, memory_order_relaxed);
	if (first >= counter_end(limits))
		return false;
	*ret_run = (struct wg_run){.keypair = keypair, .counter = first, .count = count};
	return true;
}

void session_rekey_after_sending(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	const struct wg_limits *limits = &peer->wg->limits;
	struct wg_keypair *keypair = peer->current;

	if (!keypair)
		return;
	if (atomic_load_explicit(&keypair->counter, memory_order_relaxed) >
		    limits->rekey_after_messages ||
	    (keypair->is_initiator && usec_since(now, keypair->born) >= limits->rekey_after_time))
		peer_initiate(peer, aead, now);
}

void session_rekey_after_receiving(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	const struct wg_limits *limits = &peer->wg->limits;
	usec_t waiting = limits->keepalive_timeout + limits->rekey_timeout;
	struct wg_keypair *keypair = peer->current;

	if (peer->is_last_minute_sent || !keypair || !keypair->is_initiator ||
	    usec_since(now, keypair->born) + waiting < limits->reject_after_time)
		return;
	peer->is_last_minute_sent = true;
	peer_initiate(peer, aead, now);
}
