/* The ceiling of the userspace device on a machine: everything that it does to a packet but
 * handshakes, routing by allowed IPs, replay checks and encryption. Datagrams have WireGuard's
 * sizes and shape (a header of 16 bytes, padding, 16 bytes where the tag would be), so the kernel
 * has the same work.
 *
 *   shuttle INTERFACE LISTEN-PORT PEER-ADDRESS:PORT
 *
 * Says "ready" on stdout, and lives until SIGTERM.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/memory.h"
#include "device/builtin/coalesce.h"
#include "device/builtin/packet.h"
#include "device/builtin/run.h"
#include "device/builtin/split.h"
#include "port/port.h"
#include "sys/loop/loop.h"
#include "sys/tun/tun.h"

#define MTU                1420
/* As in device/builtin. */
#define TUN_READS_PER_TURN 128
#define TUN_BYTES_PER_TURN (1 << 20)

struct shuttle {
	struct port *port;
	struct tun *tun;
	struct loop_source source;
	struct address peer;
	uint8_t *read_room; /* TUN_PACKET_MAX */
	struct run run;
	struct coalesce coalesce;
};

static void flush(struct shuttle *shuttle)
{
	if (shuttle->run.count)
		port_send_run(shuttle->port, &shuttle->peer, shuttle->run.room, shuttle->run.used,
			      shuttle->run.stride);
	run_clear(&shuttle->run);
}

static void send_packet(struct shuttle *shuttle, const struct split *split, size_t index)
{
	size_t size = split_size(split, index);
	uint8_t *packet;

	if (!run_may_add(&shuttle->run, NULL, size, MTU))
		flush(shuttle);
	packet = run_add(&shuttle->run, NULL, size, MTU);
	memset(packet - WG_DATA_HEADER_SIZE, 0, WG_DATA_HEADER_SIZE);
	packet[-WG_DATA_HEADER_SIZE] = WG_DATA;
	split_write(split, index, packet);
}

static void on_interface(void *owner, uint32_t events)
{
	struct shuttle *shuttle = owner;
	struct tun_header header;
	struct split split;
	ssize_t total = 0;

	for (int i = 0; i < TUN_READS_PER_TURN && total < TUN_BYTES_PER_TURN; i++) {
		ssize_t size = tun_read(shuttle->tun, &header, shuttle->read_room, TUN_PACKET_MAX);

		if (size <= 0)
			break;
		total += size;
		if (!split_begin(&split, &header, shuttle->read_room, (size_t)size))
			continue;
		for (size_t packet = 0; packet < split.count; packet++)
			send_packet(shuttle, &split, packet);
	}
	flush(shuttle);
}

static void on_data(void *owner, usec_t now, struct port_packet *packets, size_t count)
{
	struct shuttle *shuttle = owner;

	for (size_t i = 0; i < count; i++) {
		uint8_t *packet = packets[i].data + WG_DATA_HEADER_SIZE;
		size_t size = packet_size(packet, packets[i].size - WG_DATA_OVERHEAD);

		if (size)
			coalesce_add(&shuttle->coalesce, packet, size);
	}
	coalesce_flush(&shuttle->coalesce);
}

static void write_packet(void *owner, const struct tun_header *header, const struct iovec *parts,
			 size_t packets)
{
	struct shuttle *shuttle = owner;

	tun_write(shuttle->tun, header, parts, packets);
}

static int begin(struct shuttle *shuttle, struct loop *loop, char **argv)
{
	const struct tun_options tun_options = {.name = argv[1], .mtu = MTU};
	const struct port_options port_options = {.listen_port = (uint16_t)atoi(argv[2])};
	const struct port_handlers handlers = {.owner = shuttle, .on_data = on_data};
	const struct coalesce_sink sink = {shuttle, write_packet};
	int error = address_parse(argv[3], 0, &shuttle->peer);

	if (!error)
		error = tun_open(&tun_options, &shuttle->tun);
	if (!error)
		error = port_new(loop, &port_options, &shuttle->port);
	if (error)
		return error;
	port_set_handlers(shuttle->port, &handlers);
	shuttle->read_room = new_array(uint8_t, TUN_PACKET_MAX);
	shuttle->run.room = new_array(uint8_t, UDP_PAYLOAD_MAX);
	coalesce_init(&shuttle->coalesce, true, tun_has_udp_gso(shuttle->tun), &sink);
	shuttle->source = (struct loop_source){.fd = tun_fd(shuttle->tun),
					       .events = EPOLLIN,
					       .on_event = on_interface,
					       .owner = shuttle};
	return loop_add(loop, &shuttle->source);
}

int main(int argc, char **argv)
{
	struct shuttle *shuttle = new (struct shuttle);
	struct loop *loop = loop_new();
	int error;

	if (argc != 4 || !loop) {
		fputs("usage: shuttle INTERFACE LISTEN-PORT PEER-ADDRESS:PORT\n", stderr);
		return 2;
	}
	error = begin(shuttle, loop, argv);
	if (error) {
		fprintf(stderr, "shuttle: %s\n", strerror(-error));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	return loop_run(loop) ? 1 : 0;
}
