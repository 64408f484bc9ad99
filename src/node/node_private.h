/* Shared by the files of this room only. */
#pragma once

#include <jansson.h>

#include "device/builtin/builtin.h"
#include "device/uapi/serve.h"
#include "node/node.h"
#include "port/port.h"
#include "proto/agent/agent.h"
#include "proto/pair/link.h"
#include "sys/ctl/ctl.h"
#include "sys/loop/loop.h"
#include "sys/netlink/netlink.h"
#include "sys/resolve/resolve.h"
#include "sys/state/lock.h"
#include "sys/stream/stream.h"

/* The hub's control port, on its tunnel addresses. */
#define HUB_CONTROL_PORT      51821
#define LINK_CONNECT_TIMEOUT  (5 * USEC_PER_SEC)
#define LINK_RETRY            (250 * USEC_PER_MSEC)
#define LINK_RETRY_MAX        (10 * USEC_PER_SEC)
/* A hub endpoint that gave no handshake for so long is exchanged for the next. */
#define HUB_ENDPOINT_PATIENCE (6 * USEC_PER_SEC)
/* Nothing from it for so long: its session has ended, and it may be elsewhere. */
#define HUB_SILENCE           (3 * USEC_PER_MINUTE)
#define HUB_RESOLVE_RETRY     (5 * USEC_PER_SEC)
/* `up` returns after this long in any case, and says what it still waits for. */
#define UP_PATIENCE           (5 * USEC_PER_SEC)
#define MAP_SAVE_RETRY        (30 * USEC_PER_SEC)
#define MAP_FILE_MAX          (8u << 20)
#define PING_TIMEOUT          (1 * USEC_PER_SEC)
#define PINGS_MAX             16

struct node;

enum node_link_state { LINK_DOWN, LINK_CONNECTING, LINK_PROVING, LINK_UP };

struct node_link {
	enum node_link_state state;
	struct stream *stream;
	struct link crypto;
	struct loop_timer retry_timer;
	usec_t retry, since, rtt;
	size_t hub_address; /* which of the hub's addresses is tried */
};

struct node_hub {
	struct builtin_peer *peer;
	struct address endpoints[AGENT_HUB_ENDPOINTS_MAX];
	size_t endpoint_count, endpoint;
	struct resolve_request *resolving;
	size_t resolving_index; /* of config->endpoints */
	struct loop_timer timer;
};

/* A ping command that waits for answers of one peer. */
struct node_ping {
	struct list entry;
	struct node *node;
	struct ctl_reply *reply;
	struct key peer;
	struct loop_timer timer;
	unsigned count, sent, received;
	bool is_waiting, until_direct;
	usec_t sent_at;
};

struct node {
	struct loop *loop;
	const struct node_config *config;
	const char *interface_name;
	struct state_daemon *daemon;
	struct state_lock *lock;
	struct netlink *netlink;
	struct netlink_interface interface;
	struct netlink_monitor *monitor;
	struct builtin *builtin;
	struct resolve *resolve;
	struct ctl_server *ctl;
	struct serve *uapi; /* NULL: wg(8) cannot look */
	struct aead *aead;
	struct agent *agent; /* in secret memory */
	struct node_hub hub;
	struct node_link link;
	struct loop_timer tick_timer, ready_timer;
	struct list pings;
	size_t ping_count;
	char *map_path, *port_path, *stamp_path;
	bool is_ready, has_mask;
	int exit_code;
};

/* device.c: agent's decisions on the device */
void node_save_map(struct node *node);
void node_agent_ops(struct node *node, struct agent_ops *ret_ops);
const struct builtin_events *node_device_events(struct node *node);
void node_read_interfaces(struct node *node);
/* Arms the timer by the agent's deadline; after everything that touched the agent. */
void node_rearm(struct node *node);
void node_update_mask(struct node *node);

/* hub.c: where the hub is, and the control link through its tunnel */
int node_hub_start(struct node *node);
void node_hub_stop(struct node *node);
void node_hub_nudge(struct node *node);
void node_hub_handshake(struct node *node);
void node_link_send(struct node *node, const void *data, size_t size);
const char *node_waits_for(const struct node *node);

/* control.c: requests of people */
int node_control_start(struct node *node);
void node_control_stop(struct node *node);
void node_ping_answered(struct node *node, struct agent_peer *peer, const struct address *from,
			usec_t rtt);

/* status.c */
json_t *node_status(const struct node *node);
json_t *node_path_json(const struct agent_peer *peer, usec_t now, unsigned mtu);

/* node.c */
void node_ready(struct node *node);
