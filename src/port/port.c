#include "port/port.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/memory.h"
#include "port/dispatch.h"
#include "sys/loop/loop.h"
#include "sys/udp/udp.h"

/* Messages per receive call. GRO needs 64 KiB for each, so 16 cost 1 MiB when they are full. */
#define RECEIVE_MESSAGES  16
#define RECEIVE_SIZE      65535
#define RECEIVE_STRIDE    (PORT_HEADROOM + RECEIVE_SIZE + PORT_TAILROOM + 1)
/* Full receives in one turn before timers and other sources have theirs: at most 4 MiB, some 5 ms
 * of decryption. */
#define RECEIVES_PER_TURN 4
/* Draws of a number that must be free in both families. */
#define NUMBER_TRIES      32

/* The sockets of one port, either of which may be missing. */
enum { IPV4, IPV6, SOCKETS };

struct port_socket {
	struct udp *udp;
	struct loop_source source;
	struct port *port;
};

struct port_pair {
	struct port_socket sockets[SOCKETS];
};

struct port {
	struct loop *loop;
	struct port_options options;
	uint16_t number;
	struct port_pair *pair;
	struct dispatch dispatch;
	struct port_counters past; /* of sockets closed since, and what no socket counted */
	struct udp_message messages[RECEIVE_MESSAGES];
	uint8_t *room; /* RECEIVE_MESSAGES * RECEIVE_STRIDE */
};

static void port_receive(void *owner, uint32_t events)
{
	struct port_socket *socket = owner;
	struct port *port = socket->port;
	const struct port_pair *pair = port->pair;

	for (int i = 0; i < RECEIVES_PER_TURN; i++) {
		int count = udp_receive(socket->udp, port->messages, RECEIVE_MESSAGES);

		if (count <= 0)
			return;
		dispatch_batch(&port->dispatch, loop_now(port->loop), port->messages,
			       (size_t)count);
		/* A handler may have moved the port; then this socket is gone. */
		if (count < RECEIVE_MESSAGES || port->pair != pair)
			return;
	}
}

/* Opening */

static bool is_family_missing(int error)
{
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}

static int open_family(const struct port_options *options, uint8_t family, uint16_t number,
		       struct udp **ret_udp)
{
	struct udp_options udp_options = {
		.bind = {.family = family, .port = number},
		.fwmark = options->fwmark,
		.without_gso = options->without_gso,
		.without_gro = options->without_gro,
	};

	return udp_open(&udp_options, ret_udp);
}

static int open_socket(struct port *port, struct port_pair *pair, int which, uint16_t number)
{
	struct port_socket *socket = &pair->sockets[which];
	int error = open_family(&port->options, which == IPV4 ? FAMILY_IPV4 : FAMILY_IPV6, number,
				&socket->udp);

	if (error)
		return error;
	socket->port = port;
	socket->source = (struct loop_source){.fd = udp_fd(socket->udp),
					      .events = EPOLLIN,
					      .on_event = port_receive,
					      .owner = socket};
	return loop_add(port->loop, &socket->source);
}

static void pair_free(struct port_pair *pair)
{
	for (int i = 0; pair && i < SOCKETS; i++) {
		loop_remove(&pair->sockets[i].source);
		udp_close(pair->sockets[i].udp);
	}
	free(pair);
}

static uint16_t pair_number(const struct port_pair *pair)
{
	const struct udp *udp = pair->sockets[IPV4].udp;

	return udp_port(udp ? udp : pair->sockets[IPV6].udp);
}

static int pair_new(struct port *port, uint16_t number, struct port_pair **ret_pair)
{
	struct port_pair *pair = new (struct port_pair);
	int error = open_socket(port, pair, IPV4, number);

	if (!error)
		number = pair_number(pair);
	if (!error || is_family_missing(error)) {
		bool has_ipv4 = !error;

		error = open_socket(port, pair, IPV6, number);
		if (has_ipv4 && is_family_missing(error))
			error = 0;
	}
	if (error)
		pair_free(pair);
	else
		*ret_pair = pair;
	return error;
}

static void add_counters(struct port_counters *sum, const struct port_pair *pair)
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

/* The new sockets are there before the old ones go, so that a refusal changes nothing. */
static int move_to(struct port *port, uint16_t number)
{
	struct port_pair *pair;
	int error = -EADDRINUSE;

	for (int i = 0; error == -EADDRINUSE && i < (number ? 1 : NUMBER_TRIES); i++)
		error = pair_new(port, number, &pair);
	if (error)
		return error;
	add_counters(&port->past, port->pair);
	pair_free(port->pair);
	port->pair = pair;
	port->number = pair_number(pair);
	return 0;
}

int port_new(struct loop *loop, const struct port_options *options, struct port **ret_port)
{
	struct port *port = new (struct port);
	int error;

	port->loop = loop;
	port->options = *options;
	port->room = new_array(uint8_t, RECEIVE_MESSAGES * RECEIVE_STRIDE);
	for (size_t i = 0; i < RECEIVE_MESSAGES; i++)
		port->messages[i] = (struct udp_message){.data = port->room + i * RECEIVE_STRIDE +
								 PORT_HEADROOM,
							 .capacity = RECEIVE_SIZE};
	error = move_to(port, options->listen_port);
	if (error) {
		port_free(port);
		return error;
	}
	*ret_port = port;
	return 0;
}

void port_free(struct port *port)
{
	if (!port)
		return;
	pair_free(port->pair);
	dispatch_done(&port->dispatch);
	free(port->room);
	free(port);
}

void port_set_handlers(struct port *port, const struct port_handlers *handlers)
{
	port->dispatch.handlers = *handlers;
}

void port_set_mask(struct port *port, const struct mask_key *key)
{
	dispatch_set_mask(&port->dispatch, key);
}

int port_set_number(struct port *port, uint16_t listen_port)
{
	return listen_port == port->number ? 0 : move_to(port, listen_port);
}

int port_set_fwmark(struct port *port, uint32_t fwmark)
{
	struct port_socket *sockets = port->pair->sockets;
	int error = 0;

	for (int i = 0; !error && i < SOCKETS; i++) {
		if (sockets[i].udp)
			error = udp_set_fwmark(sockets[i].udp, fwmark);
	}
	if (!error)
		port->options.fwmark = fwmark;
	else if (sockets[IPV4].udp)
		udp_set_fwmark(sockets[IPV4].udp, port->options.fwmark);
	return error;
}

uint16_t port_number(const struct port *port)
{
	return port->number;
}

void port_get_counters(const struct port *port, struct port_counters *ret_counters)
{
	*ret_counters = port->past;
	memcpy(ret_counters->drops, port->dispatch.drops, sizeof(ret_counters->drops));
	add_counters(ret_counters, port->pair);
}

const char *port_drop_name(enum port_drop drop)
{
	switch (drop) {
	case PORT_DROP_MALFORMED:
		return "malformed";
	case PORT_DROP_STUN:
		return "stun";
	case PORT_DROP_SHORT:
		return "short";
	case PORT_DROP_UNMASKED:
		return "unmasked";
	case PORT_DROP_NO_HANDLER:
		return "no-handler";
	case PORT_DROP_COUNT:
		break;
	}
	return "unknown";
}

/* Sending */

static int send_message(struct port *port, const struct udp_message *message)
{
	int which = message->remote.family == FAMILY_IPV6 ? IPV6 : IPV4;
	struct udp *udp = port->pair->sockets[which].udp;

	if (udp)
		return udp_send(udp, message, 1);
	port->past.tx_failures += udp_message_datagrams(message);
	return -EAFNOSUPPORT;
}

int port_send(struct port *port, const struct address *to, const void *data, size_t size)
{
	/* Nothing writes to what is sent. */
	struct udp_message message = {
		.remote = *to, .data = (uint8_t *)data, .size = size, .segment_size = size};

	return send_message(port, &message);
}

int port_send_run(struct port *port, const struct address *to, uint8_t *data, size_t size,
		  size_t segment_size)
{
	struct udp_message message = {
		.remote = *to, .data = data, .size = size, .segment_size = segment_size};

	return send_message(port, &message);
}
