/* From the network to the interface: open in place, check, join, write. */
#include "device/builtin/builtin_private.h"
#include "device/builtin/packet.h"
#include "port/port.h"

static bool is_taken(struct builtin *builtin, const uint8_t *packet)
{
	struct address destination;

	if (!builtin->local_count)
		return true;
	destination = packet_destination(packet);
	for (size_t i = 0; i < builtin->local_count; i++) {
		struct address local = prefix_address(&builtin->local[i]);

		if (address_is_same_ip(&local, &destination))
			return true;
	}
	count_drops(builtin, BUILTIN_DROP_RX_FOREIGN, 1);
	return false;
}

static void receive_packet(struct builtin *builtin, usec_t now, struct port_packet *packet)
{
	struct worker *worker = &builtin->worker;
	struct wg *wg = builtin->wg;
	struct wg_opened opened;
	enum wg_drop drop;
	size_t size;

	drop = wg_open(wg, worker->aead, now, packet->data, packet->size, &opened);
	wg_count(wg, drop);
	if (drop != WG_OK)
		return;
	wg_received(wg, worker->aead, now, &opened, &packet->from, packet->size);
	if (!opened.size)
		return;
	drop = wg_accepts(wg, opened.peer, opened.packet, opened.size, &size);
	wg_count(wg, drop);
	if (drop == WG_OK && is_taken(builtin, opened.packet))
		coalesce_add(&worker->coalesce, opened.packet, size);
}

void receive_data(void *owner, usec_t now, struct port_packet *packets, size_t count)
{
	struct builtin *builtin = owner;

	for (size_t i = 0; i < count; i++)
		receive_packet(builtin, now, &packets[i]);
	/* The packets are only lent. */
	coalesce_flush(&builtin->worker.coalesce);
	builtin_settle(builtin);
}

void receive_handshake(void *owner, usec_t now, struct port_packet *packet)
{
	struct builtin *builtin = owner;

	wg_receive_handshake(builtin->wg, builtin->worker.aead, now, &packet->from, packet->data,
			     packet->size);
	builtin_settle(builtin);
}

/* An interface that is down refuses (EIO), one whose queue is full too: both lose packets, as a
 * link does, and nothing else. */
void receive_write(void *owner, const struct tun_header *header, const struct iovec *parts,
		   size_t packets)
{
	struct worker *worker = owner;
	struct builtin *builtin = worker->builtin;

	if (tun_write(worker->tun, header, parts, packets)) {
		count_drops(builtin, BUILTIN_DROP_TUN_REFUSED, packets);
		return;
	}
	builtin->counters.tun_writes++;
	builtin->counters.tun_write_packets += packets;
}
