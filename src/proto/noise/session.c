/* Sessions: keypairs of a peer, and the data messages under them. */
#include <string.h>

#include "base/cursor.h"
#include "crypto/secret.h"
#include "proto/noise/peer.h"
#include "proto/wire/wireguard.h"

static void keypair_end(struct wg *wg, struct wg_keypair **keypair)
{
	if (!*keypair)
		return;
	index_remove(wg, &(*keypair)->index);
	secret_wipe(*keypair, sizeof(**keypair));
	*keypair = NULL;
}

static struct wg_keypair *free_slot(struct wg_peer *peer)
{
	for (size_t i = 0; i < array_size(peer->slots); i++) {
		if (!peer->slots[i].is_set)
			return &peer->slots[i];
	}
	return NULL;
}

/* The place of a new keypair, as the kernel decides it: an initiator may use it at once, a responder only when the
 * first packet under it proves that the other side has it. */
static struct wg_keypair *make_room(struct wg_peer *peer, bool is_initiator)
{
	struct wg *wg = peer->wg;

	if (is_initiator) {
		if (peer->next) {
			keypair_end(wg, &peer->previous);
			peer->previous = peer->next;
			peer->next = NULL;
			keypair_end(wg, &peer->current);
		} else {
			keypair_end(wg, &peer->previous);
			peer->previous = peer->current;
			peer->current = NULL;
		}
	} else {
		keypair_end(wg, &peer->next);
		keypair_end(wg, &peer->previous);
	}
	return free_slot(peer);
}

void session_begin(struct wg_peer *peer, usec_t now, bool is_initiator)
{
	uint32_t local_index = peer->handshake.local_index;
	uint32_t remote_index = peer->handshake.remote_index;
	struct wg_keypair *keypair = make_room(peer, is_initiator);
	struct handshake_keys keys;

	handshake_derive(&peer->handshake, &keys);
	memset(keypair, 0, sizeof(*keypair));
	keypair->is_set = true;
	keypair->is_initiator = is_initiator;
	keypair->remote_index = remote_index;
	keypair->born = now;
	aead_key_set(&keypair->send, &keys.send);
	aead_key_set(&keypair->receive, &keys.receive);
	secret_wipe(&keys, sizeof(keys));
	/* The index goes over from the handshake to its session. */
	index_remove(peer->wg, &peer->handshake_index);
	keypair->index.value = local_index;
	index_insert(peer->wg, &keypair->index, peer, keypair);
	if (is_initiator)
		peer->current = keypair;
	else
		peer->next = keypair;
	timers_session_derived(peer, now);
}

void session_end_all(struct wg_peer *peer)
{
	keypair_end(peer->wg, &peer->current);
	keypair_end(peer->wg, &peer->previous);
	keypair_end(peer->wg, &peer->next);
	index_remove(peer->wg, &peer->handshake_index);
	handshake_clear(&peer->handshake);
	peer->retransmit_at = USEC_NEVER;
}

bool wg_peer_has_session(const struct wg_peer *peer, usec_t now)
{
	return peer->current && usec_since(now, peer->current->born) < peer->wg->limits.reject_after_time;
}

static bool reserve(struct wg_peer *peer, usec_t now, unsigned count, struct wg_run *run)
{
	const struct wg_limits *limits = &peer->wg->limits;
	struct wg_keypair *keypair = peer->current;

	if (!keypair || usec_since(now, keypair->born) >= limits->reject_after_time)
		return false;
	run->counter = atomic_fetch_add_explicit(&keypair->counter, count, memory_order_relaxed);
	if (run->counter >= limits->reject_after_messages - WG_RUN_MAX * WG_WORKERS_MAX) {
		/* Stay here: another thread must not wrap it around. */
		atomic_store_explicit(&keypair->counter, limits->reject_after_messages,
				      memory_order_relaxed);
		return false;
	}
	run->keypair = keypair;
	run->count = count;
	return true;
}

bool wg_send_begin(struct wg_peer *peer, struct aead *aead, usec_t now, unsigned count,
		   struct wg_run *ret_run)
{
	if (reserve(peer, now, count, ret_run))
		return true;
	peer_initiate(peer, aead, now, false);
	return false;
}

size_t wg_seal(const struct wg_run *run, struct aead *aead, unsigned i, uint8_t *plain, size_t size,
	       size_t padded_max, uint8_t *out)
{
	struct writer header = writer_over(out, WG_DATA_HEADER_SIZE);
	size_t padded = (size + 15) & ~(size_t)15;

	if (padded > padded_max)
		padded = padded_max > size ? padded_max : size;
	memset(plain + size, 0, padded - size);
	write_u32(&header, WG_DATA);
	write_u32(&header, run->keypair->remote_index);
	write_u64(&header, run->counter + i);
	aead_seal(aead, &run->keypair->send, run->counter + i, NULL, 0, plain, padded,
		  out + WG_DATA_HEADER_SIZE);
	return WG_DATA_HEADER_SIZE + padded + AEAD_TAG_SIZE;
}

/* The initiator renews the session in time. */
static void rekey_after_sending(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	const struct wg_limits *limits = &peer->wg->limits;
	struct wg_keypair *keypair = peer->current;

	if (!keypair)
		return;
	if (atomic_load_explicit(&keypair->counter, memory_order_relaxed) > limits->rekey_after_messages ||
	    (keypair->is_initiator && usec_since(now, keypair->born) >= limits->rekey_after_time))
		peer_initiate(peer, aead, now, false);
}

void wg_sent(struct wg_peer *peer, struct aead *aead, usec_t now, uint64_t bytes, bool is_data)
{
	peer->tx_bytes += bytes;
	timers_authentic_sent(peer, now, is_data);
	rekey_after_sending(peer, aead, now);
}

static bool window_accepts(struct wg_keypair *keypair, uint64_t counter, uint64_t limit)
{
	bool is_new;

	while (atomic_flag_test_and_set_explicit(&keypair->replay_lock, memory_order_acquire))
		;
	is_new = replay_accept(&keypair->replay, counter, limit);
	atomic_flag_clear_explicit(&keypair->replay_lock, memory_order_release);
	return is_new;
}

static enum wg_drop open_message(struct wg *wg, struct aead *aead, usec_t now, uint8_t *data,
				 size_t size, struct wg_opened *opened)
{
	struct reader reader = reader_over(data + WG_DATA_RECEIVER, 12);
	struct wg_index *index = index_find(wg, read_u32(&reader));
	uint64_t counter = read_u64(&reader);
	struct wg_keypair *keypair = index ? index->keypair : NULL;

	if (!keypair)
		return WG_DROP_NO_SESSION;
	if (usec_since(now, keypair->born) >= wg->limits.reject_after_time ||
	    counter >= wg->limits.reject_after_messages)
		return WG_DROP_EXPIRED;
	opened->peer = index->peer;
	opened->keypair = keypair;
	opened->packet = data + WG_DATA_HEADER_SIZE;
	opened->size = size - WG_DATA_OVERHEAD;
	if (!aead_open(aead, &keypair->receive, counter, NULL, 0, opened->packet,
		       size - WG_DATA_HEADER_SIZE, opened->packet))
		return WG_DROP_DATA_FORGED;
	if (!window_accepts(keypair, counter, wg->limits.reject_after_messages))
		return WG_DROP_REPLAYED;
	return WG_OK;
}

enum wg_drop wg_open(struct wg *wg, struct aead *aead, usec_t now, uint8_t *data, size_t size,
		     struct wg_opened *ret_opened)
{
	enum wg_drop drop = size < WG_DATA_OVERHEAD
				    ? WG_DROP_MALFORMED
				    : open_message(wg, aead, now, data, size, ret_opened);

	wg_count(wg, drop);
	return drop;
}

/* The first packet under the next keypair: the other side has it, so it is ours to send with. */
static void confirm(struct wg *wg, struct wg_peer *peer, usec_t now)
{
	keypair_end(wg, &peer->previous);
	peer->previous = peer->current;
	peer->current = peer->next;
	peer->next = NULL;
	timers_handshake_complete(peer, now);
	wg->ops.handshake_completed(wg->ops.owner, peer);
	wg->ops.session_ready(wg->ops.owner, peer);
}

static void see_endpoint(struct wg *wg, struct wg_peer *peer, const struct address *from)
{
	if (address_is_equal(&peer->endpoint, from)) {
		peer->told.family = FAMILY_NONE;
		return;
	}
	if (peer->may_roam)
		peer->endpoint = *from;
	else if (address_is_equal(&peer->told, from))
		return;
	else
		peer->told = *from;
	wg->ops.endpoint_moved(wg->ops.owner, peer, from);
}

/* The initiator's session nears its end and data still comes: renew before it is refused. */
static void rekey_after_receiving(struct wg_peer *peer, struct aead *aead, usec_t now)
{
	const struct wg_limits *limits = &peer->wg->limits;
	struct wg_keypair *keypair = peer->current;
	usec_t last = limits->reject_after_time - limits->keepalive_timeout - limits->rekey_timeout;

	if (peer->is_last_minute_sent || !keypair || !keypair->is_initiator ||
	    usec_since(now, keypair->born) < last)
		return;
	peer->is_last_minute_sent = true;
	peer_initiate(peer, aead, now, false);
}

void wg_received(struct wg *wg, struct aead *aead, usec_t now, const struct wg_opened *opened,
		 const struct address *from, size_t message_size)
{
	struct wg_peer *peer = opened->peer;

	peer->rx_bytes += message_size;
	see_endpoint(wg, peer, from);
	if (!opened->size)
		wg->keepalives_received++;
	timers_authentic_received(peer, now, opened->size > 0);
	if (opened->keypair == peer->next && peer->next)
		confirm(wg, peer, now);
	rekey_after_receiving(peer, aead, now);
}

/* Family, addresses and total length of an inner packet; false when it is no whole IP packet. */
static bool inspect(const uint8_t *packet, size_t size, uint8_t *ret_family, size_t *ret_total)
{
	size_t total;

	if (size >= 20 && packet[0] >> 4 == 4) {
		total = (size_t)packet[2] << 8 | packet[3];
		*ret_family = FAMILY_IPV4;
		*ret_total = total;
		return total >= 20 && total <= size;
	}
	if (size >= 40 && packet[0] >> 4 == 6) {
		total = 40 + ((size_t)packet[4] << 8 | packet[5]);
		*ret_family = FAMILY_IPV6;
		*ret_total = total;
		return total <= size;
	}
	return false;
}

enum wg_drop wg_accepts(struct wg *wg, const struct wg_peer *peer, const uint8_t *packet, size_t size,
			size_t *ret_size)
{
	enum wg_drop drop = WG_OK;
	uint8_t family;

	if (!inspect(packet, size, &family, ret_size))
		drop = WG_DROP_MALFORMED;
	else if (allowedips_find(&wg->allowed, family, packet + (family == FAMILY_IPV4 ? 12 : 8)) !=
		 &peer->allowed)
		drop = WG_DROP_SOURCE;
	wg_count(wg, drop);
	return drop;
}

struct wg_peer *wg_route(const struct wg *wg, const uint8_t *packet, size_t size)
{
	struct allowedips_owner *owner = NULL;

	if (size >= 20 && packet[0] >> 4 == 4)
		owner = allowedips_find(&wg->allowed, FAMILY_IPV4, packet + 16);
	else if (size >= 40 && packet[0] >> 4 == 6)
		owner = allowedips_find(&wg->allowed, FAMILY_IPV6, packet + 24);
	return owner ? container_of(owner, struct wg_peer, allowed) : NULL;
}
