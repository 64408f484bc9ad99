/* Shared by the files of this room only. */
#pragma once

#include "device/builtin/builtin.h"
#include "device/uapi/serve.h"
#include "hub/admin.h"
#include "hub/hub.h"
#include "port/port.h"
#include "proto/enrol/enrol.h"
#include "proto/pair/link.h"
#include "proto/pair/pair.h"
#include "proto/rendezvous/rendezvous.h"
#include "sys/ctl/ctl.h"
#include "sys/loop/loop.h"
#include "sys/netlink/netlink.h"
#include "sys/state/lock.h"
#include "sys/store/store.h"
#include "sys/stream/stream.h"

#define HUB_CONTROL_PORT     51821
#define HUB_LINKS_PENDING    256 /* not proved yet, in all */
#define HUB_LINKS_PER_NODE   4
#define HUB_LINK_PROOF_TIME  (5 * USEC_PER_SEC)
#define HUB_LINKS_MAX        (MAP_NODES_MAX + HUB_LINKS_PENDING)
/* Why a stream ends that waits for its last frame. */
#define HUB_LINK_FINISH      (2 * USEC_PER_SEC)

#define HUB_REFUSAL_LOG_PACE USEC_PER_MINUTE

struct hub;

struct hub_link {
	struct list entry;
	struct hub *hub;
	struct stream *stream;
	struct link crypto;
	struct hub_node *node; /* NULL once the node is gone */
	bool is_proved;
};

struct hub_node {
	struct rendezvous_node node; /* first: the rendezvous allocates by us */
	struct builtin_peer *device;
	struct hub_link *link;
	bool has_api;
	struct key api;
};

struct hub {
	const struct hub_run_options *options;
	struct loop *loop;
	struct state_lock *lock;
	struct store *store;
	struct netlink *netlink;
	struct netlink_interface interface;
	struct builtin *builtin;
	struct stream_listener *listeners[NODE_ADDRESSES_MAX];
	struct ctl_server *ctl;
	struct serve *uapi; /* NULL: wg(8) cannot look */
	struct admin *admin;
	struct aead *aead;
	struct pair_identity *identity; /* in secret memory */
	struct enrol_server *enrol;     /* likewise */
	struct rendezvous *rendezvous;
	struct list links;
	struct loop_timer tick_timer;
	uint8_t *room; /* for messages on their way out */
	size_t room_size;
	uint64_t links_refused; /* without the proof */
	usec_t refusal_logged;
	int exit_code;
};

/* members.c: registry, device and rendezvous in step */
int members_load(struct hub *hub);
int members_add(struct hub *hub, const struct store_node *stored);
void members_remove(struct hub *hub, const struct key *key);
void members_rename(struct hub *hub, const struct key *key, const char *name);
void members_observe(struct hub *hub, struct builtin_peer *device);
void hub_rearm(struct hub *hub);

/* links.c: control links */
int links_listen(struct hub *hub);
void links_stop(struct hub *hub);
void links_send(struct hub *hub, struct rendezvous_node *node, const void *data, size_t size);
void links_close(struct hub *hub, struct rendezvous_node *node);
/* The node is about to go: connections in its name, also those that proved nothing yet, are
 * nobody's. */
void links_forget(struct hub *hub, const struct hub_node *node);

/* status.c: counters, one line of JSON for the caller to free */
char *hub_status(const struct hub *hub);
bool hub_is_status_request(const char *request);

/* admission.c: tokens */
void admission_receive(struct hub *hub, usec_t now, struct port_packet *packet);
