/* What one thread needs to use a port: its sockets, room for what they receive, its dispatcher. A
 * private header of this room. */
#pragma once

#include "base/list.h"
#include "port/dispatch.h"
#include "port/port.h"
#include "sys/loop/loop.h"
#include "sys/udp/udp.h"

/* Messages per receive call. GRO needs 64 KiB for each, so 16 cost 1 MiB when they are full. */
#define RECEIVE_MESSAGES 16

/* The sockets of one port, either of which may be missing. */
enum { IPV4, IPV6, SOCKETS };

struct lane_socket {
	struct udp *udp;
	struct loop_source source;
	struct port_lane *lane;
};

struct lane_pair {
	struct lane_socket sockets[SOCKETS];
};

struct port_lane {
	struct list entry; /* port.lanes; not the port's own */
	struct loop *loop;
	struct lane_pair *pair;
	struct dispatch dispatch;
	struct port_lane_handlers handlers; /* none of the port's own lane */
	struct port_counters past; /* of sockets closed since, and what no socket counted */
	struct udp_message messages[RECEIVE_MESSAGES];
	uint8_t *room; /* RECEIVE_MESSAGES * RECEIVE_STRIDE */
};

struct port_lane *lane_new(struct loop *loop);
void lane_free(struct port_lane *lane);
/* Sockets on that port (0: any); -EADDRINUSE is worth another try then. 0 or -errno. */
int lane_open_pair(struct port_lane *lane, const struct port_options *options, uint16_t number,
		   bool is_shared, struct lane_pair **ret_pair);
void lane_pair_free(struct lane_pair *pair);
uint16_t lane_pair_number(const struct lane_pair *pair);
int lane_pair_share(struct lane_pair *pair, bool is_shared);
/* Instead of the present ones, which are closed. */
void lane_set_pair(struct port_lane *lane, struct lane_pair *pair);
/* Takes no new datagrams, and hands over what waits. */
void lane_drain(struct port_lane *lane);
int lane_send(struct port_lane *lane, const struct udp_message *message);
void lane_add_counters(const struct port_lane *lane, struct port_counters *sum);
