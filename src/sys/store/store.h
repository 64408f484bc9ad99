/* The hub's registry: members, their addresses, tokens, and who came and went, in one SQLite file
 * (WAL). What a function acknowledges with STORE_OK is on disk and survives kill -9 and power loss;
 * only store_observe() may be forgotten by a power loss. Every change is one transaction, also
 * between processes, so no address is ever given twice. It holds no private key and no token, but
 * the site secret: the file is 0600 and a file that others may read is refused.
 *
 * Times are unix seconds and arguments. One thread per struct store. Never logs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/key.h"
#include "proto/wire/message.h"

#define STORE_FILE             "hub.db" /* in the state directory */
#define STORE_VERIFIER_SIZE    32
#define STORE_LABEL_SIZE       64
#define STORE_SOURCE_SIZE      64
#define STORE_PROBLEM_SIZE     512
#define STORE_HOLD_TIME        (30 * 86400) /* an address stays unused after a removal (security 5) */
#define STORE_REPEAT_TIME      600          /* the same key gets the same answer (security 9) */
#define STORE_SEEN_INTERVAL    60           /* last_seen alone is not written more often */
#define STORE_BUSY_WAIT        5000         /* milliseconds for another process's transaction */
#define STORE_TOKENS_MAX       10000
#define STORE_LOG_MAX          100000 /* rows of the audit log; the oldest go first */
#define STORE_KEY_PREFIX_LEAST 4      /* characters of a key that may stand for a node */

struct store;

enum store_result {
	STORE_OK,
	/* the registry's rules */
	STORE_INVALID,     /* an argument that no registry accepts */
	STORE_KEY_EXISTS,  /* the key is a member already */
	STORE_KEY_REMOVED, /* the key was removed; only force brings it back */
	STORE_NAME_TAKEN,
	STORE_ADDRESS_REFUSED, /* outside, reserved, the hub's, taken or held back */
	STORE_POOL_EMPTY,      /* no free address left */
	STORE_TOO_MANY,        /* MAP_NODES_MAX nodes, STORE_TOKENS_MAX tokens */
	STORE_NOT_FOUND,
	STORE_AMBIGUOUS,    /* a key prefix of several nodes */
	STORE_POOLS_IN_USE, /* a node's address would fall outside */
	STORE_TOKEN_UNKNOWN,
	STORE_TOKEN_WRONG, /* the proof does not fit */
	STORE_TOKEN_EXPIRED,
	STORE_TOKEN_USED,
	STORE_TOKEN_REVOKED,
	/* the file */
	STORE_FILE_MISSING,
	STORE_FILE_EXISTS,
	STORE_FILE_FOREIGN, /* not a registry of ours */
	STORE_FILE_FUTURE,  /* made by a newer wayleave */
	STORE_FILE_EXPOSED, /* others than its owner may read it */
	STORE_FILE_DENIED,  /* no permission, read-only */
	STORE_FILE_DAMAGED,
	STORE_DISK_FULL,
	STORE_BUSY,   /* another process kept it for STORE_BUSY_WAIT */
	STORE_FAILED, /* any other input or output error */
};

/* A stable word for scripts: "name-taken". */
const char *store_result_code(enum store_result result);
/* What went wrong last, one clause that names the thing: "the name 'alpha' is taken by <key>". */
const char *store_problem(const struct store *store);

struct store_network {
	uint8_t id[NETWORK_ID_SIZE];
	uint64_t incarnation;                   /* random, of this database */
	uint8_t site_secret[SITE_SECRET_BYTES]; /* secret */
	/* The hub's own addresses with the network's length: a node gets one address of each. */
	struct prefix pools[NODE_ADDRESSES_MAX];
	size_t pool_count;
	int64_t created;
};

struct store_node {
	struct key key;
	char name[NODE_NAME_SIZE];
	/* addresses[i] is of pools[i] and has its length. */
	struct prefix addresses[NODE_ADDRESSES_MAX];
	size_t address_count;
	int64_t created;
	int64_t last_seen;       /* 0 = never */
	struct address endpoint; /* last observed; FAMILY_NONE = never */
	uint32_t flags;          /* none defined yet */
};

/* A new registry, revision 1, no nodes. It appears under its name complete or not at all, and never
 * replaces a file. Pools of one family must not overlap. problem may be NULL. */
enum store_result store_create(const char *path, const struct store_network *network,
			       char problem[STORE_PROBLEM_SIZE]);
enum store_result store_open(const char *path, struct store **ret_store,
			     char problem[STORE_PROBLEM_SIZE]);
/* NULL is fine. */
void store_close(struct store *store);
/* As it was when opened, or after store_set_pools(). */
const struct store_network *store_network(const struct store *store);
/* Of the registry after this store's last change (or when it was opened). Grows with every
 * acknowledged change but store_observe(). */
uint64_t store_revision(const struct store *store);
/* This file came back from a backup: another incarnation begins, and no token is good any more, for
 * the backup does not know which were spent or revoked since. */
enum store_result store_begin_anew(struct store *store, uint64_t incarnation, int64_t now);
/* Instead of STORE_BUSY_WAIT. */
void store_set_busy_wait(struct store *store, int milliseconds);
/* A name that no node may get: the hub's own. "" = none. */
void store_reserve_name(struct store *store, const char *name);
/* Another set of pools: nodes keep their addresses, which must all still be right, and get one of
 * each pool where they have none. Nothing is done when the set is the same. */
enum store_result store_set_pools(struct store *store, const struct prefix *pools, size_t count,
				  int64_t now);

struct store_visitor {
	void (*on_node)(void *owner, const struct store_node *node);
	/* A row that is skipped; text is printable and names it. */
	void (*on_malformed)(void *owner, const char *text);
	void *owner;
};

/* Every node in the order of creation; on_malformed may be NULL. */
enum store_result store_load(struct store *store, const struct store_visitor *visitor);
size_t store_node_count(struct store *store);
enum store_result store_get(struct store *store, const struct key *key,
			    struct store_node *ret_node);
/* By what a person types: a name, a key, an address (with or without length), or the beginning of a
 * key that is no other's. STORE_NOT_FOUND, STORE_AMBIGUOUS. */
enum store_result store_find(struct store *store, const char *text, struct store_node *ret_node);

struct store_addition {
	struct key key;
	const char *name; /* NULL or "" = made */
	struct address
		addresses[NODE_ADDRESSES_MAX]; /* wished; other pools give their lowest free */
	size_t address_count;
	bool is_forced;     /* also a key that was removed */
	const char *source; /* for the audit log; NULL = none */
};

enum store_result store_add(struct store *store, const struct store_addition *addition, int64_t now,
			    struct store_node *ret_node);
/* Leaves a tombstone and holds the addresses back. ret_node: as it was; may be NULL. */
enum store_result store_remove(struct store *store, const struct key *key, const char *source,
			       int64_t now, struct store_node *ret_node);
enum store_result store_rename(struct store *store, const struct key *key, const char *name,
			       const char *source, int64_t now, struct store_node *ret_node);
/* An authentic packet of this node came from there. Cheap when nothing changed; not synced. */
enum store_result store_observe(struct store *store, const struct key *key,
				const struct address *endpoint, int64_t now);

struct store_token {
	uint8_t id[TOKEN_ID_SIZE];
	uint8_t verifier[STORE_VERIFIER_SIZE]; /* BLAKE2s(token) */
	char label[STORE_LABEL_SIZE];          /* printable ASCII, "" = none */
	int64_t created, expires;
	bool is_reusable, is_revoked;
	uint32_t uses; /* how often it let a node in */
};

bool store_token_is_usable(const struct store_token *token, int64_t now);
/* created and uses are the store's. Forgets tokens that ended 30 days ago. */
enum store_result store_token_create(struct store *store, const struct store_token *token,
				     int64_t now);
enum store_result store_token_revoke(struct store *store, const uint8_t id[TOKEN_ID_SIZE],
				     const char *source, int64_t now);
/* Newest last. The verifier is not filled in. */
enum store_result store_token_list(struct store *store,
				   void (*on_token)(void *owner, const struct store_token *token),
				   void *owner);

struct store_enrolment {
	struct key key; /* proved by the handshake */
	uint8_t token_id[TOKEN_ID_SIZE];
	/* Whether the handshake proves the token whose verifier this is. */
	bool (*is_proof_valid)(void *owner, const uint8_t verifier[STORE_VERIFIER_SIZE]);
	void *owner;
	const char *name;   /* wished by a stranger: any text; NULL or "" = none */
	const char *source; /* for the audit log; NULL = none */
};

/* Spends a token and adds its bearer, in one transaction. A key that repeats itself within
 * STORE_REPEAT_TIME, and a key that is a member already, get what they have (is_new false). */
enum store_result store_enrol(struct store *store, const struct store_enrolment *enrolment,
			      int64_t now, struct store_node *ret_node, bool *ret_is_new);

/* A row of the audit log. Texts are printable. */
struct store_event {
	uint64_t number;
	int64_t at;
	const char *event; /* "add", "enrol", "remove", "rename", "token-create", "token-revoke",
			      "restore" */
	const char *name;  /* of the node, or the token's label */
	const char *source;
	struct key key; /* zero = none */
	bool has_token;
	uint8_t token_id[TOKEN_ID_SIZE];
};

/* The newest `limit` rows, oldest of them first. */
enum store_result store_log(struct store *store, size_t limit,
			    void (*on_event)(void *owner, const struct store_event *event),
			    void *owner);
