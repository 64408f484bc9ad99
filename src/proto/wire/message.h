/* Messages on the control link between a node and its hub: one kind byte, then fields,
 * little-endian. The link (proto/pair/link.h) frames, orders and seals them; here is only their
 * form. Decoding never allocates: maps are read record by record. Every count and size is bounded
 * here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cursor.h"
#include "base/key.h"
#include "proto/wire/join.h"

#define NODE_NAME_SIZE      64 /* [a-z0-9-]{1,63} and NUL */
#define NODE_ADDRESSES_MAX  4
#define NODE_CANDIDATES_MAX 8          /* security 4 */
#define MAP_NODES_MAX       10000      /* security 7 */
#define MESSAGE_SIZE_MAX    (4u << 20) /* security 7 */
#define REPORT_SIZE_MAX     2048       /* security 7: what a node may write of itself */

enum message_kind {
	/* hub to node */
	MESSAGE_MAP = 1,
	MESSAGE_CHANGES = 2,
	MESSAGE_APPOINTMENT = 3,
	MESSAGE_REFUSED = 4,
	MESSAGE_PING =
		5, /* answered by MESSAGE_PONG with the same stamp; the hub measures its RTT */
	MESSAGE_REMOVED = 6, /* "you are no longer a member": the last message of a link */
	/* node to hub */
	MESSAGE_REPORT = 16,
	MESSAGE_CONNECT = 17,
	MESSAGE_PONG = 18,
	MESSAGE_ALIVE = 19, /* no meaning but its way: a hub that restarted refuses the old
			       connection at once */
};

enum candidate_kind {
	CANDIDATE_OBSERVED = 1, /* by the hub, on its own WireGuard socket */
	CANDIDATE_LOCAL = 2,    /* an address of one of the node's interfaces */
	CANDIDATE_SEEN = 3,     /* where authentic packets came from; never travels */
};

struct candidate {
	enum candidate_kind kind;
	struct address address;
};

/* One member as others see it. Addresses keep the network's prefix length only in the owner's own
 * record; in records of others they are host prefixes. */
struct map_node {
	struct key key;
	char name[NODE_NAME_SIZE];
	struct prefix addresses[NODE_ADDRESSES_MAX];
	size_t address_count;
	bool is_online;
	bool was_reached; /* on a node's disk only: there was a path, to the first candidate */
	struct candidate candidates[NODE_CANDIDATES_MAX];
	size_t candidate_count;
	uint64_t admitted; /* by the hub's clock, unix seconds: grows with each admission of a key;
			      0 = not known */
};

struct map_header {
	uint8_t network_id[NETWORK_ID_SIZE];
	uint64_t incarnation; /* of the hub's database */
	uint64_t revision;    /* of its membership; grows */
	uint64_t issued;      /* unix seconds at the hub, for people */
	uint8_t site_secret[SITE_SECRET_BYTES];
	char hub_name[NODE_NAME_SIZE];
	struct prefix hub_addresses[NODE_ADDRESSES_MAX]; /* with the network's prefix length */
	size_t hub_address_count;
	uint32_t node_count;
};

/* Like a map, but only what changed: node_count records, then removed_count keys. */
struct changes_header {
	uint64_t incarnation, revision;
	uint32_t node_count, removed_count;
};

enum appointment_role {
	APPOINTMENT_OPEN = 1,     /* send first: open your NAT */
	APPOINTMENT_INITIATE = 2, /* send a moment later, and start the handshake */
};

/* "In delay_ms from the receipt of this, probe these addresses of that peer, who does the same." */
struct appointment {
	struct key peer;
	enum appointment_role role;
	uint16_t delay_ms;
	struct candidate candidates[NODE_CANDIDATES_MAX];
	size_t candidate_count;
};

enum refusal {
	REFUSAL_OFFLINE = 1,      /* the peer has no control link */
	REFUSAL_NOT_ALLOWED = 2,  /* unknown peer, or one that this node may not reach */
	REFUSAL_TOO_SOON = 3,     /* back-off of this pair or limit of this node */
	REFUSAL_SWITCHED_OFF = 4, /* the operator turned appointments off */
};

struct refused {
	struct key peer;
	enum refusal reason;
	uint32_t retry_ms; /* not before */
};

/* What a node may say of itself (security 7). */
struct report {
	uint16_t listen_port;
	uint32_t capabilities; /* none defined yet; unknown bits are ignored */
	struct candidate candidates[NODE_CANDIDATES_MAX]; /* CANDIDATE_LOCAL only */
	size_t candidate_count;
};

/* Kind of the message, 0 for an empty one; the reader stands behind it. */
uint8_t message_kind_read(struct reader *reader);

/* Decoders: the reader stands behind the kind. False when anything is malformed, unknown enum
 * values included. */
bool map_header_read(struct reader *reader, struct map_header *ret_header);
bool changes_header_read(struct reader *reader, struct changes_header *ret_header);
bool map_node_read(struct reader *reader, struct map_node *ret_node);
bool appointment_read(struct reader *reader, struct appointment *ret_appointment);
bool refused_read(struct reader *reader, struct refused *ret_refused);
bool report_read(struct reader *reader, struct report *ret_report);
bool connect_read(struct reader *reader, struct key *ret_peer);
bool stamp_read(struct reader *reader, uint64_t *ret_stamp); /* PING, PONG */

/* Encoders write the kind too (map_node_write and key_write are parts, not messages). Check
 * writer.failed. */
void map_header_write(struct writer *writer, const struct map_header *header);
void changes_header_write(struct writer *writer, const struct changes_header *header);
void map_node_write(struct writer *writer, const struct map_node *node);
void key_write(struct writer *writer, const struct key *key);
bool key_read(struct reader *reader, struct key *ret_key);
void appointment_write(struct writer *writer, const struct appointment *appointment);
void refused_write(struct writer *writer, const struct refused *refused);
void report_write(struct writer *writer, const struct report *report);
void connect_write(struct writer *writer, const struct key *peer);
void stamp_write(struct writer *writer, enum message_kind kind, uint64_t stamp);

/* No encoded map_node is larger. */
#define MAP_NODE_SIZE_MAX                                                  \
	(2 + KEY_SIZE + NODE_NAME_SIZE + 1 + NODE_ADDRESSES_MAX * 18 + 2 + \
	 NODE_CANDIDATES_MAX * 20 + 8)
#define MAP_HEADER_SIZE_MAX 512
