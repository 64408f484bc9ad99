/* The registry as a child would write it: arrays and loops, no database, no cleverness. Random
 * commands run on both, and whatever they answer and keep must be equal. */
#pragma once

#include "seeded.h"
#include "sys/store/store.h"

#define MODEL_POOL      "10.0.0.1/28"
#define MODEL_POOL6     "fd00::9/125"
#define MODEL_HOSTS     16
#define MODEL_KEYS      18 /* more than the pools have room for */
#define MODEL_TOKENS    6
#define MODEL_TEXT_SIZE 16384

enum command_kind {
	COMMAND_ADD,
	COMMAND_REMOVE,
	COMMAND_RENAME,
	COMMAND_TOKEN_CREATE,
	COMMAND_TOKEN_REVOKE,
	COMMAND_ENROL,
	COMMAND_OBSERVE,
};

struct command {
	enum command_kind kind;
	int64_t at;
	unsigned key, token;
	char name[NODE_NAME_SIZE];
	struct address wish, endpoint; /* FAMILY_NONE = none */
	bool is_forced, is_reusable, is_proof_right;
};

struct outcome {
	enum store_result result;
	bool is_new, has_changed;
	uint64_t revision; /* after the command */
	struct store_node node;
};

struct model_node {
	bool is_used;
	uint64_t order;
	char name[NODE_NAME_SIZE];
	unsigned host, host6;
	int64_t created, last_seen;
	struct address endpoint;
};

struct model {
	uint64_t revision, order;
	struct model_node nodes[MODEL_KEYS];
	bool is_tombstone[MODEL_KEYS];
	int64_t removed[MODEL_KEYS];
	struct {
		int64_t until; /* 0 = not held */
		unsigned key;
	} held[2][MODEL_HOSTS];
	struct {
		bool is_used, is_revoked, is_reusable;
		int64_t expires;
		uint32_t uses;
		uint64_t order;
	} tokens[MODEL_TOKENS];
	struct {
		bool is_used;
		unsigned token;
		int64_t at;
	} enrolments[MODEL_KEYS];
};

/* The next of a random sequence whose time goes on from *now; two sequences with different salts
 * never make the same token. */
void command_random(struct seeded *random, int64_t *now, struct command *ret_command);
const char *command_print(const struct command *command, char text[256]);

void command_run(struct store *store, const struct command *command, struct outcome *ret_outcome);
void model_init(struct model *model);
void model_run(struct model *model, const struct command *command, struct outcome *ret_outcome);

/* NULL, or what differs, in text. Revision and has_changed count, too. */
const char *outcome_difference(const struct outcome *store, const struct outcome *model,
			       char text[256]);
/* All that they keep, as text that can be compared. */
void model_dump(const struct model *model, char text[MODEL_TEXT_SIZE]);
void store_dump(struct store *store, char text[MODEL_TEXT_SIZE]);
