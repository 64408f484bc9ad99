/* What other threads than the wg's do with data, and how it hears of it. */
#include "proto/noise/peer.h"

bool wg_send_reserve(const struct wg_peer *peer, usec_t now, unsigned count, struct wg_run *ret_run)
{
	return peer->current &&
	       session_reserve(peer->current, &peer->wg->limits, now, count, ret_run);
}

void wg_tally_sent(struct wg_tally *tally, uint64_t bytes)
{
	tally->tx_bytes += bytes;
	tally->is_last_sent = true;
}

bool wg_tally_received(struct wg_tally *tally, const struct wg_opened *opened,
		       const struct address *from, size_t message_size)
{
	const struct wg_peer *peer = opened->peer;
	bool is_news = false;

	tally->rx_bytes += message_size;
	tally->received++;
	tally->received_data += opened->size > 0;
	tally->is_last_sent = false;
	if (address_is_equal(&peer->endpoint, from)) {
		tally->from.family = FAMILY_NONE;
	} else {
		tally->from = *from;
		is_news = peer->may_roam || !address_is_equal(&peer->told, from);
	}
	if (peer->next && peer->next->index.value == opened->index) {
		tally->confirmed = opened->index;
		is_news = true;
	}
	return is_news;
}

bool wg_is_current(const struct wg *wg, const struct wg_opened *opened)
{
	const struct wg_index *index = index_find(wg, opened->index);

	return index && index->peer == opened->peer && index->keypair == opened->keypair;
}

static void fold_sent(struct wg_peer *peer, struct aead *aead, usec_t now,
		      const struct wg_tally *tally)
{
	if (tally->tx_bytes)
		wg_sent(peer, aead, now, tally->tx_bytes, true);
}

static void fold_received(struct wg_peer *peer, struct aead *aead, usec_t now,
			  const struct wg_tally *tally)
{
	const struct address *from = tally->from.family ? &tally->from : &peer->endpoint;

	if (!tally->received)
		return;
	peer->rx_bytes += tally->rx_bytes;
	peer->wg->keepalives_received += tally->received - tally->received_data;
	timers_authentic_received(peer, now, tally->received_data > 0);
	/* The second one asks for another keepalive. */
	if (tally->received_data > 1)
		timers_authentic_received(peer, now, true);
	peer_heard_from(peer, from);
	if (tally->confirmed)
		peer_confirm(peer, now, tally->confirmed);
	session_rekey_after_receiving(peer, aead, now);
}

void wg_fold(struct wg_peer *peer, struct aead *aead, usec_t now, const struct wg_tally *tally)
{
	if (!tally->is_last_sent)
		fold_sent(peer, aead, now, tally);
	fold_received(peer, aead, now, tally);
	if (tally->is_last_sent)
		fold_sent(peer, aead, now, tally);
}
