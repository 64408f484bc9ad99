#include "port/lane.h"

#include <errno.h>
#include <sys/epoll.h>

#include "base/memory.h"

#define RECEIVE_SIZE      65535
#define RECEIVE_STRIDE    (PORT_HEADROOM + RECEIVE_SIZE + PORT_TAILROOM + 1)
/* Full receives in one turn before timers and other sources have theirs: at most 4 MiB, some 5 ms
 * of decryption. */
#define RECEIVES_PER_TURN 4

struct port_lane *lane_new(struct loop *loop)
{
	struct port_lane *lane = new (struct port_lane);

	lane->loop = loop;
	list_init(&lane->entry);
	lane->room = new_array(uint8_t, RECEIVE_MESSAGES * RECEIVE_STRIDE);
	for (size_t i = 0; i < RECEIVE_MESSAGES; i++)
		lane->messages[i] = (struct udp_message){.data = lane->room + i * RECEIVE_STRIDE +
								 PORT_HEADROOM,
							 .capacity = RECEIVE_SIZE};
	return lane;
}

void lane_free(struct port_lane *lane)
{
	if (!lane)
		return;
	lane_pair_free(lane->pair);
	dispatch_done(&lane->dispatch);
	free(lane->room);
	free(lane);
}

/* Receiving */

/* How many messages of the kernel came. */
static int receive_batch(struct port_lane *lane, struct udp *udp)
{
	int count;

	if (lane->handlers.begin)
		lane->handlers.begin(lane->handlers.owner);
	count = udp_receive(udp, lane->messages, RECEIVE_MESSAGES);
	if (count > 0)
		dispatch_batch(&lane->dispatch, loop_now(lane->loop), lane->messages,
			       (size_t)count);
	if (lane->handlers.end)
		lane->handlers.end(lane->handlers.owner);
	return count;
}

static void on_readable(void *owner, uint32_t events)
{
	struct lane_socket *socket = owner;
	struct port_lane *lane = socket->lane;
	const struct lane_pair *pair = lane->pair;

	for (int i = 0; i < RECEIVES_PER_TURN; i++) {
		int count = receive_batch(lane, socket->udp);

		/* A handler may have moved the port; then this socket is gone. */
		if (count < RECEIVE_MESSAGES || lane->pair != pair)
			return;
	}
}

void lane_drain(struct port_lane *lane)
{
	for (int i = 0; i < SOCKETS; i++) {
		if (lane->pair->sockets[i].udp)
			udp_retire(lane->pair->sockets[i].udp);
	}
	for (int i = 0; i < SOCKETS; i++) {
		struct udp *udp = lane->pair->sockets[i].udp;

		while (udp && receive_batch(lane, udp) > 0)
			;
	}
}

/* Opening */

static bool is_family_missing(int error)
{
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}

static int open_socket(struct port_lane *lane, const struct udp_options *options,
		       struct lane_socket *socket)
{
	int error = udp_open(options, &socket->udp);

	if (error)
		return error;
	socket->lane = lane;
	socket->source = (struct loop_source){.fd = udp_fd(socket->udp),
					      .events = EPOLLIN,
					      .on_event = on_readable,
					      .owner = socket};
	return loop_add(lane->loop, &socket->source);
}

void lane_pair_free(struct lane_pair *pair)
{
	for (int i = 0; pair && i < SOCKETS; i++) {
		loop_remove(&pair->sockets[i].source);
		udp_close(pair->sockets[i].udp);
	}
	free(pair);
}

uint16_t lane_pair_number(const struct lane_pair *pair)
{
	const struct udp *udp = pair->sockets[IPV4].udp;

	return udp_port(udp ? udp : pair->sockets[IPV6].udp);
}

int lane_open_pair(struct port_lane *lane, const struct port_options *options, uint16_t number,
		   bool is_shared, struct lane_pair **ret_pair)
{
	struct lane_pair *pair = new (struct lane_pair);
	struct udp_options udp_options = {
		.bind = {.family = FAMILY_IPV4, .port = number},
		.fwmark = options->fwmark,
		.without_gso = options->without_gso,
		.without_gro = options->without_gro,
		.is_shared = is_shared,
	};
	int error = open_socket(lane, &udp_options, &pair->sockets[IPV4]);

	if (!error)
		udp_options.bind.port = lane_pair_number(pair);
	if (!error || is_family_missing(error)) {
		bool has_ipv4 = !error;

		udp_options.bind.family = FAMILY_IPV6;
		error = open_socket(lane, &udp_options, &pair->sockets[IPV6]);
		if (has_ipv4 && is_family_missing(error))
			error = 0;
	}
	if (error)
		lane_pair_free(pair);
	else
		*ret_pair = pair;
	return error;
}

int lane_pair_share(struct lane_pair *pair, bool is_shared)
{
	int error = 0;

	for (int i = 0; i < SOCKETS && !error; i++) {
		if (pair->sockets[i].udp)
			error = udp_set_shared(pair->sockets[i].udp, is_shared);
	}
	return error;
}

/* Counting */

static void add_counters(struct port_counters *sum, const struct lane_pair *pair)
{
	for (int i = 0; pair && i < SOCKETS; i++) {
		const struct udp_counters *counters;

		if (!pair->sockets[i].udp)
			continue;
		counters = udp_counters(pair->sockets[i].udp);
		sum->rx_datagrams += counters->receive_datagrams;
		sum->rx_calls += counters->receive_calls;
		sum->tx_datagrams += counters->send_datagrams;
		sum->tx_calls += counters->send_calls;
		sum->tx_failures += counters->send_failures;
		sum->gso_fallbacks += counters->gso_fallbacks;
	}
}

void lane_set_pair(struct port_lane *lane, struct lane_pair *pair)
{
	add_counters(&lane->past, lane->pair);
	lane_pair_free(lane->pair);
	lane->pair = pair;
}

void lane_add_counters(const struct port_lane *lane, struct port_counters *sum)
{
	sum->rx_datagrams += lane->past.rx_datagrams;
	sum->rx_calls += lane->past.rx_calls;
	sum->tx_datagrams += lane->past.tx_datagrams;
	sum->tx_calls += lane->past.tx_calls;
	sum->tx_failures += lane->past.tx_failures;
	sum->gso_fallbacks += lane->past.gso_fallbacks;
	for (int i = 0; i < PORT_DROP_COUNT; i++)
		sum->drops[i] += lane->past.drops[i] + lane->dispatch.drops[i];
	add_counters(sum, lane->pair);
}

/* Sending */

int lane_send(struct port_lane *lane, const struct udp_message *message)
{
	int which = message->remote.family == FAMILY_IPV6 ? IPV6 : IPV4;
	struct udp *udp = lane->pair->sockets[which].udp;

	if (udp)
		return udp_send(udp, message, 1);
	lane->past.tx_failures += udp_message_datagrams(message);
	return -EAFNOSUPPORT;
}
