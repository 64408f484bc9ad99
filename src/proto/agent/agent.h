/* What a node decides: whom it knows (the map), whom it asks the hub to meet, which addresses it
 * may probe, and where each peer's traffic goes. Pure: bytes, events and `now` in; calls of
 * agent_ops out. The daemon and the simulator link the same objects.
 *
 * The map is applied as a whole after it was checked as a whole (security 7); a bad record is
 * skipped and counted and never takes an address from a good one. Keys are pinned: a name or
 * address that comes back with another key is quarantined until agent_trust() (security 6), and a
 * key that was removed comes back only by a new admission (security 10). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/list.h"
#include "proto/mask/mask.h"
#include "proto/pair/pair.h"
#include "proto/path/budget.h"
#include "proto/path/path.h"
#include "proto/wire/message.h"

struct agent;
struct aead;

/* Members up to this number are connected as soon as they are known, so that the mesh stands when
 * the hub is gone; in larger networks a peer is connected when traffic wants it (agent_want). */
#define AGENT_EAGER_PEERS             128
/* Requests to the hub for appointments leave in bursts of at most this many per pace. */
#define AGENT_CONNECT_BURST           16
#define AGENT_CONNECT_PACE            (50 * USEC_PER_MSEC)
/* The side with the higher key asks later: normally the other one has asked by then. */
#define AGENT_CONNECT_PATIENCE        (2 * USEC_PER_SEC)
/* Asking again after failed rounds: 10 s doubling to 2 min; the hub grants one per pair and 10 s
 * anyway. */
#define AGENT_CONNECT_RETRY           (10 * USEC_PER_SEC)
#define AGENT_CONNECT_RETRY_MAX       (2 * USEC_PER_MINUTE)
/* Without a hub: rounds on our own, 1 s doubling to 1 min. */
#define AGENT_OWN_ROUND               (1 * USEC_PER_SEC)
#define AGENT_OWN_ROUND_MAX           (60 * USEC_PER_SEC)
/* So long after the hub or its link to the peer is gone: it may come back at once. */
#define AGENT_HUB_GONE_AFTER          (3 * USEC_PER_SEC)
/* The hub is there and says that the peer is not: rounds on our own up to this. */
#define AGENT_OFFLINE_ROUND_MAX       (10 * USEC_PER_MINUTE)
/* Who lacks the session that the other has starts the handshake, for it is who has restarted. If
 * neither has one the lower key does; the higher one only if nothing came for so long. */
#define AGENT_HANDSHAKE_PATIENCE      (1 * USEC_PER_SEC)
/* A change is written at once, so that kill -9 loses nothing: but one write per pace when changes
 * keep coming, after so many that may come one gap apart. */
#define AGENT_SAVE_GAP                (50 * USEC_PER_MSEC)
#define AGENT_SAVE_PACE               (1 * USEC_PER_SEC)
#define AGENT_SAVE_PACE_LARGE         (10 * USEC_PER_SEC) /* beyond eager_peers members */
#define AGENT_SAVE_BURST              32
/* While the hub confirms the map, the file's age is brought up to date this often. */
#define AGENT_SAVE_RENEWAL            USEC_PER_DAY
#define AGENT_MAP_AGE_DEFAULT         (30 * USEC_PER_DAY)
#define AGENT_MAP_AGE_WARNING         (7 * USEC_PER_DAY)
#define AGENT_INTERFACE_ADDRESSES_MAX 32
#define AGENT_HUB_ENDPOINTS_MAX       8
#define AGENT_ROUTES_MAX              16
/* Names and addresses that members left or gave up; the oldest go first. */
#define AGENT_PINS_MAX                1000
/* Keys that were removed; the oldest go first. */
#define AGENT_TOMBSTONES_MAX          1000

/* One address of this machine, as netlink lists it. */
struct agent_interface_address {
	struct prefix prefix; /* with the link's prefix length */
	bool is_ours;         /* stands on one of our own tunnel interfaces */
};

enum agent_rung { RUNG_NONE, RUNG_DIRECT_LAN, RUNG_DIRECT, RUNG_DIRECT_PUNCHED };

/* Why a peer has no path, for status; stable codes by agent_reason_name(). */
enum agent_reason {
	REASON_CONNECTED,
	REASON_NOT_WANTED, /* large network, no traffic yet */
	REASON_WAITING,    /* for the hub's appointment */
	REASON_PROBING,
	REASON_OFFLINE,      /* the hub has no link to it */
	REASON_NO_CANDIDATE, /* nothing that may be probed */
	REASON_NO_ANSWER,    /* rounds ended in silence */
	REASON_SWITCHED_OFF, /* the hub makes no appointments */
	REASON_NOT_ALLOWED,
	REASON_KEY_CHANGED, /* quarantined (security 6) */
	REASON_MAP_EXPIRED, /* security 10 */
	REASON_UNUSABLE,    /* no pair key can be made with its key, or no device peer */
};

struct agent_peer {
	struct list entry; /* agent.peers in order of the map, or agent.pins */
	struct hash_node by_key;
	struct agent *agent;
	struct map_node record;
	bool is_member;      /* false: on its way in, or only memory of a pin (pins.c) */
	bool is_quarantined; /* another key is pinned for its name or address */
	bool has_device;     /* ops->peer_add was called; pair and path are in use */
	bool is_wanted;
	struct pair pair;
	uint8_t boot_id[BOOT_ID_SIZE]; /* of its process that pair knows; zeros = none yet */
	struct path path;
	enum agent_reason reason;
	bool is_appointed; /* the round under way is the hub's appointment */
	unsigned connect_attempts, own_rounds;
	usec_t next_connect;   /* ask the hub not before; USEC_NEVER = do not ask */
	usec_t hub_wants;      /* the hub refused to arrange anything before */
	usec_t next_own_round; /* rounds without the hub; USEC_NEVER = none */
	usec_t handshake_due;
	bool has_its_session; /* the peer said last that it has a session with us */
	unsigned pings;       /* ping answers the owner waits for */
	void *owner;          /* the owner's device record */

	/* Staging of a map under way. */
	struct map_node staged;
	uint64_t staged_in, named_in; /* generation; named: also in a record that was refused */
	struct hash_node name_claim;
	struct agent_claim {
		struct hash_node node;
		struct agent_peer *peer;
	} address_claims[NODE_ADDRESSES_MAX];
};

/* The end of one admission of a key. */
struct agent_tombstone {
	struct key key;
	uint64_t admitted; /* of the record that ended */
};

enum agent_map_state {
	MAP_STATE_NONE,
	MAP_STATE_FRESH,
	MAP_STATE_OLD,     /* unconfirmed for AGENT_MAP_AGE_WARNING: removed nodes may be in it */
	MAP_STATE_EXPIRED, /* for max_map_age: no peer is used */
};

enum agent_notice {
	NOTICE_MAP,            /* a map or change was applied */
	NOTICE_MAP_REFUSED,    /* text says why */
	NOTICE_RECORD_SKIPPED, /* text says why; peer may be NULL */
	NOTICE_KEY_CHANGED,
	NOTICE_NEW_INCARNATION, /* the hub's database was replaced */
	NOTICE_PEER_JOINED,
	NOTICE_PEER_LEFT,
	NOTICE_PATH, /* traffic goes to the address in text from now on */
	NOTICE_PATH_LOST,
	NOTICE_MAP_OLD, /* unconfirmed for AGENT_MAP_AGE_WARNING */
	NOTICE_MAP_EXPIRED,
	NOTICE_REMOVED, /* the hub says that we are no member any more */
};

struct agent_traffic {
	usec_t last_data;      /* sent or received data, keepalives apart if the owner can tell; 0 =
				  never */
	usec_t last_received;  /* anything authentic */
	usec_t last_handshake; /* 0 = never */
	bool has_session;
};

struct agent_ops {
	void *owner;
	/* Memory of peers: zeroed, or NULL when there is none. */
	struct agent_peer *(*peer_new)(void *owner);
	void (*peer_free)(void *owner, struct agent_peer *peer);
	/* The WireGuard device. peer->record has key and addresses. 0 or -errno (the peer is then
	 * skipped). */
	int (*peer_add)(void *owner, struct agent_peer *peer);
	void (*peer_remove)(void *owner, struct agent_peer *peer);
	/* Addresses or name changed. */
	void (*peer_change)(void *owner, struct agent_peer *peer);
	void (*set_endpoint)(void *owner, struct agent_peer *peer, const struct address *endpoint);
	void (*start_handshake)(void *owner, struct agent_peer *peer);
	void (*get_traffic)(void *owner, const struct agent_peer *peer,
			    struct agent_traffic *ret_traffic);
	/* A masked datagram from the WireGuard port. data is borrowed. */
	void (*send_datagram)(void *owner, const struct address *to, const void *data, size_t size);
	/* To the hub over the control link; dropped when there is none. */
	void (*send_message)(void *owner, const void *data, size_t size);
	/* Would the packet leave through one of our own tunnel interfaces? */
	bool (*is_routed_through_us)(void *owner, const struct address *address);
	/* agent_save() should be written to disk. */
	void (*save)(void *owner);
	void (*ping_answer)(void *owner, struct agent_peer *peer, const struct address *from,
			    usec_t rtt);
	void (*notice)(void *owner, enum agent_notice notice, struct agent_peer *peer,
		       const char *text);
	const struct random_source *random;
};

/* Copied. Everything that the node's own configuration pins. */
struct agent_config {
	struct key private_key;
	uint8_t network_id[NETWORK_ID_SIZE];
	uint8_t site_secret[SITE_SECRET_SIZE]; /* zeros when not known yet: the map brings it */
	bool has_site_secret;
	struct key hub;
	struct prefix addresses[NODE_ADDRESSES_MAX]; /* own, with the network's prefix length */
	size_t address_count;
	struct address hub_addresses[NODE_ADDRESSES_MAX]; /* in the tunnel */
	size_t hub_address_count;
	struct prefix accepted_routes[AGENT_ROUTES_MAX];
	size_t accepted_route_count;
	uint16_t listen_port;
	usec_t max_map_age; /* 0 = never expires */
	size_t eager_peers;
};

struct agent_counters {
	uint64_t datagrams[PAIR_RESULT_COUNT]; /* received, by result */
	uint64_t probes_sent, probes_withheld, answers_sent, answers_unasked, stale;
	uint64_t messages, messages_malformed, maps_refused, records_skipped;
	uint64_t candidates_refused, appointments, appointments_unknown;
};

struct agent {
	struct agent_config config;
	struct agent_ops ops;
	struct pair_identity identity;
	struct pair_table pairs;
	struct budget budget; /* for addresses that never answered, whoever named them */
	struct aead *aead;    /* the owner's */
	struct list peers;    /* members */
	struct list pins;     /* who had which name and addresses before, the oldest first */
	struct hash_table by_key;
	struct hash_node *key_buckets[1024];
	struct hash_table name_claims, address_claims; /* of the map under way */
	struct hash_node *name_claim_buckets[1024], *address_claim_buckets[1024];
	uint64_t hash_seed;
	size_t member_count, pin_count;
	struct agent_tombstone tombstones[AGENT_TOMBSTONES_MAX]; /* a ring */
	size_t tombstone_count, tombstone_next;

	bool has_map;
	struct map_header map;
	struct map_node self, staged_self; /* our own record */
	usec_t map_confirmed;              /* when a hub last stood behind the map */
	uint64_t map_age_base;             /* age at map_confirmed: 0, or what a cached map had */
	uint64_t generation;
	bool has_unreadable; /* the map under way has a record of nobody knows whom */
	bool is_old, is_expired;

	struct agent_interface_address interfaces[AGENT_INTERFACE_ADDRESSES_MAX];
	size_t interface_count;
	struct address hub_endpoints[AGENT_HUB_ENDPOINTS_MAX];
	size_t hub_endpoint_count;
	bool is_linked; /* control link is up */
	bool was_linked;
	usec_t link_since;
	bool report_due;

	usec_t save_due, saved_at, next_connect_burst, next_renewal;
	usec_t save_credit_at; /* when a whole burst of writes is free again */
	usec_t deadline;
	struct agent_counters counters;
};

/* The owner's aead context is used by the caller's thread only. */
void agent_init(struct agent *agent, const struct agent_config *config, const struct agent_ops *ops,
		struct aead *aead, usec_t now);
/* Removes all peers (through ops) and wipes keys. */
void agent_done(struct agent *agent);

/* The key under which what comes to our port is masked; changes when the map brings the site
 * secret. */
void agent_get_mask_key(const struct agent *agent, struct mask_key *ret_key);

/* The control link to the hub. */
void agent_link_up(struct agent *agent, usec_t now);
void agent_link_down(struct agent *agent, usec_t now);
/* False: the message is malformed, close the link. */
bool agent_receive_message(struct agent *agent, usec_t now, const uint8_t *data, size_t size);

/* A datagram of WIRE_CLASS_CONTROL, unmasked. */
void agent_receive_datagram(struct agent *agent, usec_t now, const struct address *from,
			    uint8_t *data, size_t size);
/* The device got something authentic from an address that is not the peer's endpoint. */
void agent_endpoint_seen(struct agent *agent, usec_t now, struct agent_peer *peer,
			 const struct address *from);
void agent_handshake_completed(struct agent *agent, usec_t now, struct agent_peer *peer);
/* Traffic for a peer without a path. */
void agent_want(struct agent *agent, usec_t now, struct agent_peer *peer);

/* The machine's addresses, always the whole list; the rest is cut. Reports to the hub what is new.
 */
void agent_set_interfaces(struct agent *agent, usec_t now,
			  const struct agent_interface_address *addresses, size_t count);
/* Where the hub itself is reached: never a candidate of anybody. */
void agent_set_hub_endpoints(struct agent *agent, const struct address *addresses, size_t count);
/* Routes changed, or the machine woke up. */
void agent_check_paths(struct agent *agent, usec_t now);

/* One probe over the present path, or to every candidate when there is none; ops->ping_answer
 * tells. */
void agent_ping(struct agent *agent, usec_t now, struct agent_peer *peer);
/* Accepts the new key of a quarantined name or address. -ENOENT when nothing is quarantined there.
 */
int agent_trust(struct agent *agent, usec_t now, struct agent_peer *peer);

void agent_tick(struct agent *agent, usec_t now);
usec_t agent_deadline(const struct agent *agent);

/* The map for the disk: what agent_load() reads. 0 when it does not fit; agent_save_size() always
 * fits. */
size_t agent_save_size(const struct agent *agent);
size_t agent_save(const struct agent *agent, usec_t now, uint8_t *out, size_t size);
/* Before any link. age: since the file was written, as far as the wall clock can tell; the file
 * says how old the map was then. False: damaged, or of another network; nothing is applied then. */
bool agent_load(struct agent *agent, usec_t now, uint8_t *data, size_t size, usec_t age);

/* The owner could not write it: ops->save comes again at this time. */
void agent_save_again(struct agent *agent, usec_t when);
/* Something is not on disk yet. */
bool agent_is_unsaved(const struct agent *agent);

struct agent_peer *agent_find(const struct agent *agent, const struct key *key);
/* By name, address or unique key prefix; members and quarantined ones. */
struct agent_peer *agent_find_text(const struct agent *agent, const char *text);
enum agent_rung agent_rung(const struct agent_peer *peer);
const char *agent_rung_name(enum agent_rung rung);
const char *agent_reason_name(enum agent_reason reason);
/* Since a hub last stood behind it, restarts included. */
usec_t agent_map_age(const struct agent *agent, usec_t now);
enum agent_map_state agent_map_state(const struct agent *agent, usec_t now);
const char *agent_map_state_name(enum agent_map_state state);
