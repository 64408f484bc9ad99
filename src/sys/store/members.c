/* Members added, removed, renamed and seen. */
#include <string.h>

#include "base/text.h"
#include "sys/store/store_private.h"

enum store_result node_row(struct store *store, const struct key *key, int64_t *ret_row)
{
	auto_query struct query query = query_new(store, "SELECT id FROM node WHERE key = ?1");

	query_key(&query, 1, key);
	*ret_row = query_row(&query) ? query_column(&query, 0) : 0;
	return query_end(&query);
}

static enum store_result check_key(struct store *store, const struct key *key)
{
	if (key_is_zero(key) || !key_is_canonical_point(key))
		return store_fail(store, STORE_INVALID, "that is no public key");
	return STORE_OK;
}

static enum store_result check_newcomer(struct store *store, const struct store_addition *addition)
{
	auto_query struct query query =
		query_new(store, "SELECT name, date(removed, 'unixepoch') FROM tombstone"
				 " WHERE key = ?1");
	struct store_node member;
	int64_t row;
	enum store_result result = node_row(store, &addition->key, &row);

	if (result != STORE_OK)
		return result;
	if (row && store_get(store, &addition->key, &member) == STORE_OK)
		return store_fail(store, STORE_KEY_EXISTS, "the key is a member already: %s",
				  member.name);
	if (row)
		return STORE_KEY_EXISTS; /* malformed: store_get() told */
	if (store_node_count(store) >= MAP_NODES_MAX)
		return store_fail(store, STORE_TOO_MANY, "a network has at most %d nodes",
				  MAP_NODES_MAX);
	query_key(&query, 1, &addition->key);
	if (query_row(&query) && !addition->is_forced)
		return store_fail(store, STORE_KEY_REMOVED,
				  "the key was removed on %s (as %s); only "
				  "`wayleave hub node add --force` brings it back",
				  query_column_text(&query, 1), query_column_text(&query, 0));
	return query_end(&query);
}

/* A key that comes back is created later than it was removed, within the same second too: nodes
 * tell the two admissions apart by that. The row gets its name last, because a made name follows
 * from its addresses; until then it has one that nobody can have. */
static enum store_result insert_row(struct store *store, const struct key *key, int64_t now,
				    int64_t *ret_row)
{
	auto_query struct query query =
		query_new(store, "INSERT INTO node(key, name, created) VALUES(?1, hex(?1),"
				 " max(?2, 1 + coalesce((SELECT removed FROM tombstone"
				 " WHERE key = ?1), -1)))");
	auto_query struct query bury = query_new(store, "DELETE FROM tombstone WHERE key = ?1");
	enum store_result result;

	query_key(&query, 1, key);
	query_number(&query, 2, now);
	result = query_run(&query);
	*ret_row = sqlite3_last_insert_rowid(store->database);
	query_key(&bury, 1, key);
	return result == STORE_OK ? query_run(&bury) : result;
}

static enum store_result set_name(struct store *store, int64_t row, const char *name)
{
	auto_query struct query query = query_new(store, "UPDATE node SET name = ?1 WHERE id = ?2");

	query_text(&query, 1, name);
	query_number(&query, 2, row);
	return query_run(&query);
}

enum store_result node_insert(struct store *store, const struct store_addition *addition,
			      bool is_wish, int64_t now)
{
	char name[NODE_NAME_SIZE];
	int64_t row;
	enum store_result result = check_newcomer(store, addition);

	if (result == STORE_OK)
		result = insert_row(store, &addition->key, now, &row);
	if (result == STORE_OK)
		result = addresses_give(store, row, &addition->key, addition->addresses,
					addition->address_count, now);
	if (result == STORE_OK)
		result = name_choose(store, addition->name, is_wish, row, name);
	if (result == STORE_OK)
		result = set_name(store, row, name);
	store->has_changed = true;
	return result;
}

enum store_result store_add(struct store *store, const struct store_addition *addition, int64_t now,
			    struct store_node *ret_node)
{
	enum store_result result = check_key(store, &addition->key);

	if (result == STORE_OK)
		result = transaction_begin(store);
	if (result != STORE_OK)
		return result;
	result = node_insert(store, addition, false, now);
	if (result == STORE_OK)
		result = store_get(store, &addition->key, ret_node);
	if (result == STORE_OK)
		result = event_add(store, "add", &addition->key, ret_node->name, NULL,
				   addition->source, now);
	return transaction_end(store, result);
}

/* ---- removing, renaming ---- */

/* Statements of a removal; each takes as many of (row, key, now, name, end of the hold) as it
 * needs. */
static const char *const removal[] = {
	("INSERT OR REPLACE INTO held(family, ip, key, until)"
	 " SELECT family, ip, ?2, ?5 FROM address WHERE node = ?1"),
	"INSERT OR REPLACE INTO tombstone(key, name, removed) VALUES(?2, coalesce(?4, ''), ?3)",
	"DELETE FROM address WHERE node = ?1",
	"DELETE FROM presence WHERE node = ?1",
	"DELETE FROM enrolment WHERE key = ?2",
	"DELETE FROM node WHERE id = ?1",
};

static enum store_result remove_row(struct store *store, int64_t row, const struct key *key,
				    const char *name, int64_t now)
{
	enum store_result result = STORE_OK;

	for (size_t i = 0; i < array_size(removal) && result == STORE_OK; i++) {
		auto_query struct query query = query_new(store, removal[i]);
		int places = sqlite3_bind_parameter_count(query.statement);

		query_number(&query, 1, row);
		if (places >= 2)
			query_key(&query, 2, key);
		if (places >= 3)
			query_number(&query, 3, now);
		if (places >= 4)
			query_text(&query, 4, name);
		if (places >= 5)
			query_number(&query, 5, now + STORE_HOLD_TIME);
		result = query_run(&query);
	}
	return result;
}

/* Reads the member inside a transaction; one whose record is malformed has at least its key. */
static enum store_result read_member(struct store *store, const struct key *key, int64_t *ret_row,
				     struct store_node *ret_node)
{
	enum store_result result = node_row(store, key, ret_row);

	if (result == STORE_OK)
		result = store_get(store, key, ret_node);
	return result == STORE_FILE_DAMAGED && *ret_row ? STORE_OK : result;
}

enum store_result store_remove(struct store *store, const struct key *key, const char *source,
			       int64_t now, struct store_node *ret_node)
{
	struct store_node node;
	int64_t row = 0;
	enum store_result result = transaction_begin(store);

	if (result != STORE_OK)
		return result;
	result = read_member(store, key, &row, &node);
	if (result == STORE_OK)
		result = remove_row(store, row, key, node.name, now);
	if (result == STORE_OK)
		result = event_add(store, "remove", key, node.name, NULL, source, now);
	store->has_changed = true;
	result = transaction_end(store, result);
	if (result == STORE_OK && ret_node)
		*ret_node = node;
	return result;
}

static enum store_result rename_row(struct store *store, const struct key *key, const char *name,
				    const char *source, int64_t now, struct store_node *ret_node)
{
	int64_t row = 0;
	enum store_result result = read_member(store, key, &row, ret_node);

	if (result != STORE_OK || !strcmp(ret_node->name, name))
		return result;
	store->has_changed = true;
	result = name_check(store, name);
	if (result == STORE_OK)
		result = set_name(store, row, name);
	if (result == STORE_OK)
		result = store_get(store, key, ret_node);
	if (result == STORE_OK)
		result = event_add(store, "rename", key, name, NULL, source, now);
	return result;
}

enum store_result store_rename(struct store *store, const struct key *key, const char *name,
			       const char *source, int64_t now, struct store_node *ret_node)
{
	struct store_node node;
	enum store_result result = transaction_begin(store);

	if (result != STORE_OK)
		return result;
	result = transaction_end(store, rename_row(store, key, name, source, now, &node));
	if (result == STORE_OK && ret_node)
		*ret_node = node;
	return result;
}

/* ---- seen ---- */

static enum store_result write_presence(struct store *store, int64_t row, const char *endpoint,
					int64_t now)
{
	auto_query struct query query = query_new(
		store, "INSERT INTO presence(node, endpoint, last_seen) VALUES(?1, ?2, ?3)"
		       " ON CONFLICT(node) DO UPDATE SET"
		       " endpoint = coalesce(excluded.endpoint, endpoint), last_seen = ?3");

	query_number(&query, 1, row);
	query_text(&query, 2, endpoint);
	query_number(&query, 3, now);
	return query_run(&query);
}

enum store_result store_observe(struct store *store, const struct key *key,
				const struct address *endpoint, int64_t now)
{
	auto_query struct query query =
		query_new(store, "SELECT n.id, p.last_seen, p.endpoint FROM node n"
				 " LEFT JOIN presence p ON p.node = n.id WHERE n.key = ?1");
	char text[ADDRESS_TEXT_SIZE] = "";
	enum store_result result, again;
	bool is_news;
	int64_t row;

	query_key(&query, 1, key);
	if (!query_row(&query))
		return query_end(&query) == STORE_OK ? node_fail_unknown(store, key)
						     : query_end(&query);
	if (endpoint->family != FAMILY_NONE)
		address_print(endpoint, text);
	row = query_column(&query, 0);
	is_news = (text[0] && strcmp(text, query_column_text(&query, 2))) ||
		  now < query_column(&query, 1) ||
		  now >= query_column(&query, 1) + STORE_SEEN_INTERVAL;
	query_again(&query); /* a statement that is under way would keep the old setting */
	if (!is_news)
		return STORE_OK;
	result = store_run(store, "PRAGMA synchronous = NORMAL");
	if (result == STORE_OK)
		result = write_presence(store, row, text, now);
	again = store_run(store, "PRAGMA synchronous = FULL");
	return result == STORE_OK ? again : result;
}
