/* From the network to the interface: open in place, check, join, write. */
#include "device/builtin/builtin_private.h"
#include "device/builtin/packet.h"
#include "port/port.h"

static bool is_taken(struct worker *worker, const uint8_t *packet)
{
	const struct builtin *builtin = worker->builtin;
	struct address destination;

	if (!builtin->local_count)
		return true;
	destination = packet_destination(packet);
	for (size_t i = 0; i < builtin->local_count; i++) {
		struct address local = prefix_address(&builtin->local[i]);

		if (address_is_same_ip(&local, &destination))
			return true;
	}
	count_drops(worker, BUILTIN_DROP_RX_FOREIGN, 1);
	return false;
}

/* False: its peer or session has gone meanwhile. */
static bool note_received(struct worker *worker, usec_t now, const struct wg_opened *opened,
			  const struct port_packet *packet)
{
	struct wg *wg = worker->builtin->wg;
	struct note *note;

	if (!worker->number) {
		wg_received(wg, worker->aead, now, opened, &packet->from, packet->size);
		return true;
	}
	note = workers_note(worker, opened->peer);
	if (!wg_tally_received(&note->tally, opened, &packet->from, packet->size))
		return true;
	/* An answer to this packet goes to its new address, under its new session. */
	coalesce_flush(&worker->coalesce);
	workers_ask(worker);
	if (wg_is_current(wg, opened))
		return true;
	count_wg_drop(worker, WG_DROP_NO_SESSION);
	return false;
}

static void receive_packet(struct worker *worker, usec_t now, struct port_packet *packet)
{
	const struct wg *wg = worker->builtin->wg;
	struct wg_opened opened;
	enum wg_drop drop;
	size_t size;

	drop = wg_open(wg, worker->aead, now, packet->data, packet->size, &opened);
	count_wg_drop(worker, drop);
	if (drop != WG_OK || !note_received(worker, now, &opened, packet) || !opened.size)
		return;
	drop = wg_accepts(wg, opened.peer, opened.packet, opened.size, &size);
	count_wg_drop(worker, drop);
	if (drop == WG_OK && is_taken(worker, opened.packet))
		coalesce_add(&worker->coalesce, opened.packet, size);
}

void receive_batch(struct worker *worker, usec_t now, struct port_packet *packets, size_t count)
{
	for (size_t i = 0; i < count; i++)
		receive_packet(worker, now, &packets[i]);
	/* The packets are only lent. */
	coalesce_flush(&worker->coalesce);
}

void receive_data(void *owner, usec_t now, struct port_packet *packets, size_t count)
{
	struct builtin *builtin = owner;

	receive_batch(&builtin->workers[0], now, packets, count);
	load_look(builtin, now);
	builtin_settle(builtin);
}

void receive_handshake(void *owner, usec_t now, struct port_packet *packet)
{
	struct builtin *builtin = owner;

	wg_receive_handshake(builtin->wg, builtin->workers[0].aead, now, &packet->from,
			     packet->data, packet->size);
	builtin_settle(builtin);
}

/* An interface that is down refuses (EIO), one whose queue is full too: both lose packets, as a
 * link does, and nothing else. */
void receive_write(void *owner, const struct tun_header *header, const struct iovec *parts,
		   size_t packets)
{
	struct worker *worker = owner;

	if (tun_write(worker->tun, header, parts, packets)) {
		count_drops(worker, BUILTIN_DROP_TUN_REFUSED, packets);
		return;
	}
	worker->counters.tun_writes++;
	worker->counters.tun_write_packets += packets;
}
