/* Handshake messages of a peer: when they go out, and what comes in (paper, 5.4.2 to 5.4.4
 * and 5.4.7).
 */
#include "base/cursor.h"
#include "crypto/secret.h"
#include "proto/noise/peer.h"
#include "proto/wire/wireguard.h"

static bool is_too_soon(const struct wg_peer *peer, usec_t now)
{
	if (peer->hurry_at && now >= peer->hurry_at)
		return false;
	return peer->initiated_at &&
	       usec_since(now, peer->initiated_at) < peer->wg->limits.rekey_timeout;
}

static void initiate(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	uint8_t message[WG_INITIATION_SIZE], stamp[STAMP_SIZE];
	struct wg *wg = peer->wg;
	uint32_t index;

	if (peer->endpoint.family == FAMILY_NONE || !peer->handshake.has_static_static)
		return;
	if (is_too_soon(peer, now)) {
		timers_initiation_later(peer, now);
		return;
	}
	handshake_end(peer);
	index = index_draw(wg);
	wg->ops.stamp(wg->ops.owner, now, stamp);
	if (!handshake_initiate(&peer->handshake, &wg->identity, aead, wg->ops.random, stamp, index,
				message))
		return;
	index_insert(wg, &peer->handshake_index, index, peer, NULL);
	cookie_add_macs(&peer->cookies, now, message, sizeof(message));
	wg->handshakes_sent++;
	peer->tx_bytes += sizeof(message);
	timers_authentic_sent(peer, now, false);
	timers_initiation_sent(peer, now);
	wg->ops.send(wg->ops.owner, peer, &peer->endpoint, message, sizeof(message));
}

void peer_initiate_again(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	initiate(peer, aead, now);
}

void peer_initiate(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	if (peer->may_initiate)
		wg_handshake_start(peer, aead, now);
}

void wg_handshake_start(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	/* Somebody wants it: the time until we give up begins again. */
	peer->attempts = 0;
	initiate(peer, aead, now);
}

void wg_send_keepalive(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	uint8_t message[WG_DATA_OVERHEAD];
	struct wg *wg = peer->wg;
	struct wg_run run;
	size_t size;

	if (peer->endpoint.family == FAMILY_NONE || !wg_send_begin(peer, aead, now, 1, &run))
		return;
	size = wg_seal(&run, aead, 0, message + WG_DATA_HEADER_SIZE, 0, 0, message);
	wg->ops.send(wg->ops.owner, peer, &peer->endpoint, message, size);
	wg_sent(peer, aead, now, size, false);
}

void peer_heard_from(struct wg_peer *peer, const struct address *from)
{
	bool is_endpoint = address_is_equal(&peer->endpoint, from);

	if (is_endpoint && peer->told.family == FAMILY_NONE)
		return;
	if (!is_endpoint && !peer->may_roam && address_is_equal(&peer->told, from))
		return;
	wg_hold(peer->wg);
	if (is_endpoint)
		peer->told.family = FAMILY_NONE;
	else if (peer->may_roam)
		peer->endpoint = *from;
	else
		peer->told = *from;
	wg_release(peer->wg);
	if (!is_endpoint)
		peer->wg->ops.endpoint_moved(peer->wg->ops.owner, peer, from);
}

void peer_handshake_completed(struct wg_peer *peer, usec_t now)
{
	/* A session is agreed; an initiation of ours that the other side's overtook is not needed.
	 */
	handshake_end(peer);
	timers_handshake_complete(peer, now);
	peer->wg->handshakes_completed++;
	peer->wg->ops.handshake_completed(peer->wg->ops.owner, peer);
}

static enum wg_drop respond(struct wg_peer *peer, struct aead *aead, usec_t now,
			    const struct address *from, struct handshake_opening *opening)
{
	uint8_t message[WG_RESPONSE_SIZE];
	struct handshake_session session;
	struct wg *wg = peer->wg;

	if (!handshake_respond(&peer->handshake, aead, wg->ops.random, opening, index_draw(wg),
			       message, &session))
		return WG_DROP_FORGED;
	cookie_add_macs(&peer->cookies, now, message, sizeof(message));
	session_begin(peer, now, &session);
	secret_wipe(&session, sizeof(session));
	peer->tx_bytes += sizeof(message);
	/* An initiation of our own has to wait for what becomes of this. */
	peer->initiated_at = now;
	peer->hurry_at = 0;
	timers_authentic_sent(peer, now, false);
	/* To where it came from: a peer that may not roam is answered all the same. */
	wg->ops.send(wg->ops.owner, peer, from, message, sizeof(message));
	return WG_OK;
}

static enum wg_drop accept_initiation(struct wg *wg, struct aead *aead, usec_t now,
				      const struct address *from, const uint8_t *data,
				      struct handshake_opening *opening)
{
	struct wg_peer *peer = wg_peer_find(wg, &opening->remote_static);

	if (!peer)
		return WG_DROP_UNKNOWN_PEER;
	switch (handshake_accept(&peer->handshake, aead, now, wg->limits.initiation_interval,
				 opening, data)) {
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
	timers_authentic_received(peer, now, false);
	peer_heard_from(peer, from);
	return respond(peer, aead, now, from, opening);
}

static enum wg_drop receive_initiation(struct wg *wg, struct aead *aead, usec_t now,
				       const struct address *from, const uint8_t *data)
{
	struct handshake_opening opening;
	enum wg_drop drop;

	if (!handshake_open(&wg->identity, aead, data, &opening))
		return WG_DROP_FORGED;
	drop = accept_initiation(wg, aead, now, from, data, &opening);
	secret_wipe(&opening, sizeof(opening));
	return drop;
}

static enum wg_drop receive_response(struct wg *wg, struct aead *aead, usec_t now,
				     const struct address *from, const uint8_t *data)
{
	struct reader reader = reader_over(data + WG_RESPONSE_RECEIVER, 4);
	struct wg_index *index = index_find(wg, read_u32(&reader));
	struct handshake_session session;
	struct wg_peer *peer;
	uint64_t sent;

	if (!index || index->keypair)
		return WG_DROP_UNKNOWN_INDEX;
	peer = index->peer;
	if (!handshake_consume_response(&peer->handshake, &wg->identity, aead, data, &session))
		return WG_DROP_FORGED;
	/* Nobody else sends before what waits has gone. */
	wg_hold(wg);
	session_begin(peer, now, &session);
	secret_wipe(&session, sizeof(session));
	peer->rx_bytes += WG_RESPONSE_SIZE;
	timers_authentic_received(peer, now, false);
	peer_heard_from(peer, from);
	peer_handshake_completed(peer, now);
	/* What waits proves to the responder that we have the keys; if nothing waits, a keepalive
	 * does. */
	sent = peer->tx_bytes;
	wg->ops.session_ready(wg->ops.owner, peer);
	if (peer->tx_bytes == sent)
		wg_send_keepalive(peer, aead, now);
	wg_release(wg);
	return WG_OK;
}

static enum wg_drop receive_cookie(struct wg *wg, struct aead *aead, usec_t now,
				   const uint8_t *data)
{
	struct reader reader = reader_over(data + WG_COOKIE_RECEIVER, 4);
	struct wg_index *index = index_find(wg, read_u32(&reader));

	if (!index)
		return WG_DROP_UNKNOWN_INDEX;
	if (!cookie_reply_consume(&index->peer->cookies, aead, now, data))
		return WG_DROP_FORGED;
	if (!index->keypair)
		timers_cookie_received(index->peer, now);
	return WG_OK;
}

static enum wg_drop receive(struct wg *wg, struct aead *aead, usec_t now,
			    const struct address *from, const uint8_t *data, size_t size)
{
	enum wire_shape shape = wire_shape_of(data, size);
	enum wg_drop drop;

	if (shape != WIRE_INITIATION && shape != WIRE_RESPONSE && shape != WIRE_COOKIE)
		return WG_DROP_SHAPE;
	if (!wg->identity.is_set)
		return WG_DROP_NO_KEY;
	if (shape == WIRE_COOKIE)
		return receive_cookie(wg, aead, now, data);
	drop = gate_check(wg, aead, now, from, data, size);
	if (drop != WG_OK)
		return drop;
	return shape == WIRE_INITIATION ? receive_initiation(wg, aead, now, from, data)
					: receive_response(wg, aead, now, from, data);
}

enum wg_drop wg_receive_handshake(struct wg *wg, struct aead *aead, usec_t now,
				  const struct address *from, const uint8_t *data, size_t size)
{
	enum wg_drop drop = receive(wg, aead, now, from, data, size);

	wg_count(wg, drop);
	return drop;
}
