/* A simulated node: a host, and in it the objects of the daemon, connected as src/node connects
 * them. What it has on disk outlives its process. */
#pragma once

#include "device.h"
#include "mesh.h"
#include "proto/agent/agent.h"
#include "stream.h"
#include "timer.h"

#define NODE_TRAFFIC_PROTOCOL 17

enum node_link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP };

/* What one node knows of its traffic with another. */
struct node_traffic {
	uint32_t sent, received;
	usec_t first_received, last_received; /* a packet from there */
	usec_t last_sent_received;            /* when the newest packet received was sent */
	unsigned path_changes;
	usec_t last_path_change;
};

/* Ways to be a bad member; each is something that a modified daemon could do. */
struct node_malice {
	struct candidate lies[NODE_CANDIDATES_MAX]; /* reported as its own */
	size_t lie_count;
	unsigned requests_per_second; /* for appointments with everybody */
	usec_t pong_delay;            /* makes its link look slow */
};

struct node {
	struct mesh *mesh;
	size_t index;
	char name[16];
	struct key private_key, public_key;
	struct prefix address; /* in the tunnel, with the network's length */
	struct host *host;
	struct timer timer;
	struct node_malice malice;

	/* On disk. */
	uint8_t *saved_map;
	size_t saved_size;
	usec_t saved_wall;
	uint64_t mark;

	/* The machine's clock, off by so much. */
	int64_t wall_error;

	/* The process; agent NULL = it does not run. */
	struct agent *agent;
	struct device *device;
	struct device_peer *hub_peer;
	size_t hub_endpoint;
	usec_t hub_look;
	struct stream *stream;
	enum node_link_state link_state;
	usec_t link_retry_at, link_retry, link_since;
	bool was_removed; /* the hub said so */
	usec_t started;
	uint64_t wakes; /* for datagrams and timers */

	/* An application that sends to everybody. */
	usec_t talk_interval, next_talk; /* 0 = silent */
	struct node_traffic *traffic;    /* by index */

	/* Malice under way. */
	usec_t next_request;
	uint64_t late_pong;
	usec_t late_pong_at;
};

/* The caller attaches the host's interfaces before node_start(). */
struct node *node_new(struct mesh *mesh);
void node_free(struct node *node);
void node_start(struct node *node);
/* is_killed: only what is on disk already remains. */
void node_stop(struct node *node, bool is_killed);
bool node_is_running(const struct node *node);
/* The machine's addresses or routes changed. */
void node_network_changed(struct node *node);
void node_talk(struct node *node, usec_t interval);
usec_t node_wall(const struct node *node);
/* The peer record of another node, NULL when the map has none. */
struct agent_peer *node_peer(const struct node *node, const struct node *other);
/* The address that traffic to `other` goes to now; NULL = no path. */
const struct address *node_path(const struct node *node, const struct node *other);
