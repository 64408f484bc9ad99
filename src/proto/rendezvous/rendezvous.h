/* What a hub decides: what each node may know of the others, when that is pushed, and when two
 * nodes probe each other at the same moment. It knows endpoints because it observes them on its own
 * WireGuard socket; it never forwards anything. Pure: the daemon and the simulator link the same
 * object.
 *
 * Membership is the registry's (sys/store); the owner tells every change after it is on disk. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/random_source.h"
#include "base/time.h"
#include "proto/wire/message.h"

/* Changes that come together are pushed together. */
#define RENDEZVOUS_PUSH_DELAY        (50 * USEC_PER_MSEC)
/* One appointment per pair in this time, doubling to the maximum while the pair asks as soon as it
 * may (security 4). A pair that lets twice the time pass had a path meanwhile, and starts over. */
#define RENDEZVOUS_PAIR_INTERVAL     (10 * USEC_PER_SEC)
#define RENDEZVOUS_PAIR_INTERVAL_MAX (2 * USEC_PER_MINUTE)
/* Pairs that are remembered; the least recent of four neighbours is forgotten first. */
#define RENDEZVOUS_PAIRS             16384
/* Requests of one node: a bucket of so many, refilled at so many per second. */
#define RENDEZVOUS_REQUEST_BURST     256
#define RENDEZVOUS_REQUEST_RATE      64
/* Appointments that send probes to one address in one window, whoever asks: no reflector (security
 * 4). */
#define RENDEZVOUS_TARGETS           4096
#define RENDEZVOUS_TARGET_LIMIT      64
#define RENDEZVOUS_TARGET_WINDOW     (2 * USEC_PER_SEC)
/* Reports of one node take effect this often (security 7: 5 writes/s, coalesced). */
#define RENDEZVOUS_REPORT_INTERVAL   (200 * USEC_PER_MSEC)
/* And so do addresses that a node is seen at: whoever moves with each packet costs no more. */
#define RENDEZVOUS_OBSERVE_INTERVAL  (200 * USEC_PER_MSEC)
#define RENDEZVOUS_PING_INTERVAL     (20 * USEC_PER_SEC)
/* A link that answers no ping for so long is closed. */
#define RENDEZVOUS_LINK_TIMEOUT      (60 * USEC_PER_SEC)
/* One side sends so much before the other: the higher key the first time, then in turns. There are
 * NATs that move a mapping when the other side's packet comes first, and which side has one is not
 * known. */
#define RENDEZVOUS_OPEN_LEAD         (10 * USEC_PER_MSEC)
#define RENDEZVOUS_DELAY_MAX         (2 * USEC_PER_SEC)
/* Removals between two pushes; more of them make every node get a whole map. */
#define RENDEZVOUS_REMOVALS_MAX      64

struct rendezvous;

struct rendezvous_node {
	struct list entry;
	struct hash_node by_key;
	struct map_node record;  /* as others see it */
	struct address observed; /* FAMILY_NONE = not yet */
	struct report report;
	bool is_linked;
	bool is_dirty; /* the record goes into the next push */
	bool needs_map;
	usec_t rtt; /* of the control link; 0 = not known yet */
	usec_t next_ping, last_pong;
	usec_t changed; /* last linked, or observed elsewhere: what was tried before proves nothing
			 */
	usec_t report_allowed; /* a report that comes earlier waits */
	bool has_report_waiting;
	struct report waiting;
	usec_t observe_allowed;
	struct address observation; /* that waits; FAMILY_NONE = none does */
	unsigned requests;          /* tokens left */
	usec_t requests_at;
	void *owner; /* the owner's link */
};

enum rendezvous_notice {
	RENDEZVOUS_ONLINE,
	RENDEZVOUS_OFFLINE,
	RENDEZVOUS_OBSERVED,    /* node->observed changed */
	RENDEZVOUS_APPOINTMENT, /* node asked for it; text is the other's name */
	RENDEZVOUS_MALFORMED,   /* node's link is closed for it */
	RENDEZVOUS_SILENT,      /* no pong: closed */
};

struct rendezvous_ops {
	void *owner;
	struct rendezvous_node *(*node_new)(void *owner); /* zeroed, or NULL */
	void (*node_free)(void *owner, struct rendezvous_node *node);
	/* Over the node's link; data is borrowed. */
	void (*send)(void *owner, struct rendezvous_node *node, const void *data, size_t size);
	/* After this the owner calls rendezvous_link_down(). */
	void (*close)(void *owner, struct rendezvous_node *node);
	/* Room for a message, valid until the next call. */
	uint8_t *(*room)(void *owner, size_t size);
	void (*notice)(void *owner, enum rendezvous_notice notice, struct rendezvous_node *node,
		       const char *text);
	const struct random_source *random;
};

/* As values, so that tests can meet them with a dozen nodes. */
struct rendezvous_limits {
	unsigned request_burst, request_rate; /* RENDEZVOUS_REQUEST_BURST, _RATE */
	unsigned target_limit;                /* RENDEZVOUS_TARGET_LIMIT */
};

struct rendezvous_config {
	struct map_header header; /* all but revision and node_count stay as they are */
	bool has_appointments;    /* false: every request is refused (a debugging aid) */
	const struct rendezvous_limits *limits; /* copied; NULL = those above */
};

struct rendezvous_pair {
	uint64_t hash; /* of both keys; 0 = unused */
	usec_t last, interval;
	usec_t excused;  /* last time that they need not wait, because one had moved */
	bool is_swapped; /* the lower key sent first, the last time */
};

struct rendezvous_target {
	usec_t since;
	unsigned count;
};

struct rendezvous_counters {
	uint64_t maps_sent, changes_sent, appointments, refused_offline, refused_too_soon,
		refused_not_allowed, refused_off, malformed, reports, reports_delayed,
		observations_delayed;
};

struct rendezvous {
	struct rendezvous_config config;
	struct rendezvous_limits limits;
	struct rendezvous_ops ops;
	struct list nodes;
	struct hash_table by_key;
	struct hash_node *key_buckets[1024];
	uint64_t hash_seed;
	size_t node_count, linked_count;
	struct key removals[RENDEZVOUS_REMOVALS_MAX];
	size_t removal_count;
	usec_t push_due, deadline;
	struct rendezvous_pair pairs[RENDEZVOUS_PAIRS];
	struct rendezvous_target targets[RENDEZVOUS_TARGETS];
	struct rendezvous_counters counters;
};

void rendezvous_init(struct rendezvous *rendezvous, const struct rendezvous_config *config,
		     const struct rendezvous_ops *ops);
void rendezvous_done(struct rendezvous *rendezvous);

/* The registry's changes; revision is that after the change. record: key, name, addresses (host
 * prefixes). 0, -EEXIST, -ENOMEM, -ENOSPC (MAP_NODES_MAX). */
int rendezvous_add(struct rendezvous *rendezvous, usec_t now, uint64_t revision,
		   const struct map_node *record, struct rendezvous_node **ret_node);
void rendezvous_rename(struct rendezvous *rendezvous, usec_t now, uint64_t revision,
		       struct rendezvous_node *node, const char *name);
/* Tells the node, closes its link and frees it. */
void rendezvous_remove(struct rendezvous *rendezvous, usec_t now, uint64_t revision,
		       struct rendezvous_node *node);
struct rendezvous_node *rendezvous_find(const struct rendezvous *rendezvous, const struct key *key);
/* The node that owns this tunnel address, NULL if none: a link's source names its node. */
struct rendezvous_node *rendezvous_find_address(const struct rendezvous *rendezvous,
						const struct address *address);

/* The proof on the link succeeded: the whole map goes out at once. */
void rendezvous_link_up(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node);
void rendezvous_link_down(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node);
void rendezvous_receive(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node,
			const uint8_t *data, size_t size);
/* The device saw an authentic packet of the node from this address. */
void rendezvous_observe(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node,
			const struct address *endpoint);

void rendezvous_tick(struct rendezvous *rendezvous, usec_t now);
usec_t rendezvous_deadline(const struct rendezvous *rendezvous);
