/* The simulated hub: a host, and in it the objects of the daemon, connected as src/hub connects
 * them. Its registry outlives its process. */
#pragma once

#include "device.h"
#include "mesh.h"
#include "proto/rendezvous/rendezvous.h"
#include "stream.h"
#include "timer.h"

struct hub_node {
	struct rendezvous_node node; /* first: the rendezvous allocates by us */
	struct hub *hub;
	struct device_peer *device;
	struct stream *stream;
};

/* A row of the registry. */
struct hub_member {
	bool is_member;
	struct address places[8]; /* where it ever was, the first of them, for checks */
	size_t place_count;
	struct address endpoint; /* where it was last; the daemon keeps this too */
};

/* One that the hub made: nodes by index. */
struct hub_appointment {
	usec_t when;
	unsigned run; /* of the hub's process: it remembers nothing longer */
	size_t from, to;
};

/* Over control links. */
struct hub_sent {
	uint64_t messages, bytes;
};

struct hub {
	struct mesh *mesh;
	struct host *host;
	struct timer timer;

	/* On disk. */
	struct hub_member *members; /* by index */
	uint64_t revision;
	uint64_t mark;

	/* The process; rendezvous NULL = it does not run. */
	struct rendezvous *rendezvous;
	struct device *device;
	uint8_t *room;
	unsigned run;
	struct hub_appointment *appointments;
	size_t appointment_count, appointment_room;
	struct hub_sent sent;
	uint64_t foreign_packets; /* inner packets that were not for the hub */
};

struct hub *hub_new(struct mesh *mesh);
void hub_free(struct hub *hub);
void hub_start(struct hub *hub);
void hub_stop(struct hub *hub);
/* `hub node add`, `rename` and `remove`. */
void hub_add(struct hub *hub, struct node *node);
void hub_rename(struct hub *hub, struct node *node, const char *name);
void hub_remove(struct hub *hub, struct node *node);
bool hub_has_link(const struct hub *hub, const struct node *node);
