/* Data messages: sealed under the current session, opened under any (paper, 5.4.6). */
#include <endian.h>
#include <string.h>

#include "proto/noise/peer.h"
#include "proto/wire/wireguard.h"

#define PADDING ((size_t)16)

bool wg_send_begin(struct wg_peer *peer, struct aead *aead, usec_t now, unsigned count,
		   struct wg_run *ret_run)
{
	if (peer->current && session_reserve(peer->current, &peer->wg->limits, now, count, ret_run))
		return true;
	peer_initiate(peer, aead, now);
	return false;
}

/* Once a packet, so without a cursor. */
static void write_header(uint8_t *out, uint32_t receiver, uint64_t counter)
{
	const uint32_t type = htole32(WG_DATA);

	receiver = htole32(receiver);
	counter = htole64(counter);
	memcpy(out, &type, sizeof(type));
	memcpy(out + WG_DATA_RECEIVER, &receiver, sizeof(receiver));
	memcpy(out + WG_DATA_COUNTER, &counter, sizeof(counter));
}

static void read_header(const uint8_t *data, uint32_t *ret_receiver, uint64_t *ret_counter)
{
	memcpy(ret_receiver, data + WG_DATA_RECEIVER, sizeof(*ret_receiver));
	memcpy(ret_counter, data + WG_DATA_COUNTER, sizeof(*ret_counter));
	*ret_receiver = le32toh(*ret_receiver);
	*ret_counter = le64toh(*ret_counter);
}

size_t wg_seal(const struct wg_run *run, struct aead *aead, unsigned i, uint8_t *plain, size_t size,
	       size_t padded_max, uint8_t *out)
{
	size_t padded = (size + PADDING - 1) / PADDING * PADDING;

	if (padded > padded_max)
		padded = padded_max > size ? padded_max : size;
	memset(plain + size, 0, padded - size);
	write_header(out, run->keypair->remote_index, run->counter + i);
	aead_seal(aead, &run->keypair->send, run->counter + i, NULL, 0, plain, padded,
		  out + WG_DATA_HEADER_SIZE);
	return WG_DATA_HEADER_SIZE + padded + AEAD_TAG_SIZE;
}

void wg_sent(struct wg_peer *peer, struct aead *aead, usec_t now, uint64_t bytes, bool is_data)
{
	peer->tx_bytes += bytes;
	timers_authentic_sent(peer, now, is_data);
	session_rekey_after_sending(peer, aead, now);
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

static enum wg_drop open_message(const struct wg *wg, struct aead *aead, usec_t now, uint8_t *data,
				 size_t size, struct wg_opened *opened)
{
	struct wg_keypair *keypair;
	struct wg_index *index;
	uint32_t receiver;
	uint64_t counter;

	read_header(data, &receiver, &counter);
	index = index_find(wg, receiver);
	keypair = index ? index->keypair : NULL;
	if (!keypair)
		return WG_DROP_NO_SESSION;
	if (usec_since(now, keypair->born) >= wg->limits.reject_after_time ||
	    counter >= wg->limits.reject_after_messages)
		return WG_DROP_EXPIRED;
	*opened = (struct wg_opened){
		.peer = index->peer,
		.keypair = keypair,
		.packet = data + WG_DATA_HEADER_SIZE,
		.size = size - WG_DATA_OVERHEAD,
		.index = index->value,
	};
	if (!aead_open(aead, &keypair->receive, counter, NULL, 0, opened->packet,
		       size - WG_DATA_HEADER_SIZE, opened->packet))
		return WG_DROP_DATA_FORGED;
	if (!window_accepts(keypair, counter, wg->limits.reject_after_messages))
		return WG_DROP_REPLAYED;
	return WG_OK;
}

enum wg_drop wg_open(const struct wg *wg, struct aead *aead, usec_t now, uint8_t *data, size_t size,
		     struct wg_opened *ret_opened)
{
	if (wire_shape_of(data, size) != WIRE_DATA)
		return WG_DROP_SHAPE;
	return open_message(wg, aead, now, data, size, ret_opened);
}

void peer_confirm(struct wg_peer *peer, usec_t now, uint32_t index)
{
	struct wg *wg = peer->wg;

	if (!peer->next || peer->next->index.value != index)
		return;
	/* Nobody else sends before what waits has gone. */
	wg_hold(wg);
	if (session_confirm(peer, index)) {
		peer_handshake_completed(peer, now);
		wg->ops.session_ready(wg->ops.owner, peer);
	}
	wg_release(wg);
}

void wg_received(struct wg *wg, struct aead *aead, usec_t now, const struct wg_opened *opened,
		 const struct address *from, size_t message_size)
{
	struct wg_peer *peer = opened->peer;

	peer->rx_bytes += message_size;
	if (!opened->size)
		wg->keepalives_received++;
	timers_authentic_received(peer, now, opened->size > 0);
	peer_heard_from(peer, from);
	peer_confirm(peer, now, opened->index);
	session_rekey_after_receiving(peer, aead, now);
}
