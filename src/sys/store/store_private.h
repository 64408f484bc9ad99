/* Shared by the files of this room only: statements, transactions, addresses. */
#pragma once

#include <sqlite3.h>

#include "base/memory.h"
#include "sys/store/store.h"

#define STORE_APPLICATION_ID 0x77796c76 /* "wylv" */
#define STORE_SCHEMA_VERSION 1

struct store {
	sqlite3 *database;
	char *path; /* escaped, for messages */
	struct store_network network;
	uint64_t revision;
	bool has_changed; /* in the open transaction: the revision grows */
	char reserved_name[NODE_NAME_SIZE];
	char problem[STORE_PROBLEM_SIZE];
};

/* ---- database.c ---- */

/* One statement. Errors stick: bind, step and read as if all went well, ask query_end() once. */
struct query {
	struct store *store;
	sqlite3_stmt *statement;
	int code;
};

struct query query_new(struct store *store, const char *sql);
void query_number(struct query *query, int place, int64_t value);
void query_blob(struct query *query, int place, const void *data, size_t size);
void query_key(struct query *query, int place, const struct key *key);
/* NULL or "" becomes NULL. */
void query_text(struct query *query, int place, const char *text);
/* True when there is a row; after that columns count from 0 and live until the next step. */
bool query_row(struct query *query);
void query_again(struct query *query);
int64_t query_column(struct query *query, int column);
const char *query_column_text(struct query *query, int column); /* "" for NULL */
/* False when it has another size. */
bool query_column_blob(struct query *query, int column, void *out, size_t size);
/* STORE_OK, or why a step failed (also in store_problem()). */
enum store_result query_end(struct query *query);
/* For statements without rows. */
enum store_result query_run(struct query *query);
void query_done(struct query *query);

#define auto_query __attribute__((cleanup(query_done)))

/* Sets store_problem() and returns the result. */
enum store_result store_fail(struct store *store, enum store_result result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
enum store_result store_fail_database(struct store *store, int code);
enum store_result store_run(struct store *store, const char *sql);

/* The write lock, and the network as it is now. */
enum store_result transaction_begin(struct store *store);
/* Commits when result is STORE_OK, with a new revision if has_changed; otherwise rolls back. The
 * result, or why it could not be committed. */
enum store_result transaction_end(struct store *store, enum store_result result);
/* Rows of network and pool into store->network. */
enum store_result network_read(struct store *store);
/* The first fault of a set of pools, NULL if there is none. */
const char *pools_fault(const struct prefix *pools, size_t count);
enum store_result pools_write(struct store *store, const struct prefix *pools, size_t count);

/* ---- addresses.c ---- */

/* Gives the node one address of each pool, the wished one where there is one. */
enum store_result addresses_give(struct store *store, int64_t node, const struct key *key,
				 const struct address *wished, size_t wished_count, int64_t now);

/* ---- nodes.c ---- */

/* Over one member's addresses; place 1 takes its row. */
struct query addresses_query(struct store *store);
/* NULL, or what is wrong with them. */
const char *node_read_addresses(struct store *store, struct query *addresses, int64_t row,
				struct store_node *node);
/* STORE_NOT_FOUND without words in store_problem(). */
enum store_result node_find_name(struct store *store, const char *name,
				 struct store_node *ret_node);
enum store_result node_fail_unknown(struct store *store, const struct key *key);

/* ---- names.c ---- */

/* Whether an administrator may give it. */
enum store_result name_check(struct store *store, const char *name);
/* The name of a new member whose addresses are there already. is_wish: it comes from a stranger,
 * is made fit and gets a suffix when it is taken; otherwise it is taken as it is, or refused. */
enum store_result name_choose(struct store *store, const char *wish, bool is_wish, int64_t row,
			      char name[NODE_NAME_SIZE]);

/* ---- members.c ---- */

/* Row number of the member, 0 if it is none. */
enum store_result node_row(struct store *store, const struct key *key, int64_t *ret_row);
/* Inside a transaction. is_wish: as name_choose(). */
enum store_result node_insert(struct store *store, const struct store_addition *addition,
			      bool is_wish, int64_t now);

/* ---- events.c ---- */

/* A row of the audit log inside a transaction; key and token_id may be NULL. */
enum store_result event_add(struct store *store, const char *event, const struct key *key,
			    const char *name, const uint8_t *token_id, const char *source,
			    int64_t now);
