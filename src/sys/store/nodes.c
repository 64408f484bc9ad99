/* Members read and found. A malformed record is skipped or refused, and never fatal. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "proto/rendezvous/pool.h"
#include "sys/store/store_private.h"

/* ---- reading ---- */

#define NODE_COLUMNS                                                              \
	"SELECT n.id, n.key, n.name, n.created, n.flags, p.last_seen, p.endpoint" \
	" FROM node n LEFT JOIN presence p ON p.node = n.id "

const char *node_read_addresses(struct store *store, struct query *addresses, int64_t row,
				struct store_node *node)
{
	const struct store_network *network = &store->network;
	bool has[NODE_ADDRESSES_MAX] = {false};

	query_again(addresses);
	query_number(addresses, 1, row);
	while (query_row(addresses)) {
		struct address address = {.family = (uint8_t)query_column(addresses, 0)};
		size_t pool = 0;

		if (!query_column_blob(addresses, 1, address.ip, family_size(address.family)))
			return "an address has the wrong size";
		while (pool < network->pool_count &&
		       (has[pool] || pool_check(&network->pools[pool], &address) != POOL_OK))
			pool++;
		if (pool == network->pool_count)
			return "an address is outside of the network";
		has[pool] = true;
		node->addresses[pool] = network->pools[pool];
		memcpy(node->addresses[pool].ip, address.ip, sizeof(address.ip));
	}
	for (size_t pool = 0; pool < network->pool_count; pool++) {
		if (!has[pool])
			return "an address is missing";
	}
	node->address_count = network->pool_count;
	return NULL;
}

/* The row that stands in query; NULL, or what is wrong with it. The key is filled in whenever it
 * can be. */
static const char *read_node(struct store *store, struct query *query, struct query *addresses,
			     struct store_node *node)
{
	const char *name = query_column_text(query, 2), *endpoint = query_column_text(query, 6);

	memset(node, 0, sizeof(*node));
	if (!query_column_blob(query, 1, node->key.bytes, KEY_SIZE) || key_is_zero(&node->key) ||
	    !key_is_canonical_point(&node->key))
		return "the key is no public key";
	if (!text_is_name(name))
		return "the name is no name";
	text_copy(node->name, sizeof(node->name), name);
	node->created = query_column(query, 3);
	node->flags = (uint32_t)query_column(query, 4);
	node->last_seen = query_column(query, 5);
	if (*endpoint && address_parse(endpoint, 0, &node->endpoint))
		return "the endpoint is no address";
	return node_read_addresses(store, addresses, query_column(query, 0), node);
}

struct query addresses_query(struct store *store)
{
	return query_new(store,
			 "SELECT family, ip FROM address WHERE node = ?1 ORDER BY family, ip");
}

static void describe_malformed(const struct query *query, const char *fault, char *text,
			       size_t size)
{
	struct query row = *query;
	const char *name = query_column_text(&row, 2);
	char shown[4 * NODE_NAME_SIZE];

	text_escape(shown, sizeof(shown), name, strlen(name));
	snprintf(text, size, "row=%lld name=\"%s\": %s", (long long)query_column(&row, 0), shown,
		 fault);
}

enum store_result store_load(struct store *store, const struct store_visitor *visitor)
{
	auto_query struct query query = query_new(store, NODE_COLUMNS "ORDER BY n.id");
	auto_query struct query addresses = addresses_query(store);
	enum store_result result;

	while (query_row(&query)) {
		struct store_node node;
		const char *fault = read_node(store, &query, &addresses, &node);
		char text[STORE_PROBLEM_SIZE];

		if (!fault) {
			visitor->on_node(visitor->owner, &node);
		} else if (visitor->on_malformed) {
			describe_malformed(&query, fault, text, sizeof(text));
			visitor->on_malformed(visitor->owner, text);
		}
	}
	result = query_end(&query);
	return result == STORE_OK ? query_end(&addresses) : result;
}

size_t store_node_count(struct store *store)
{
	auto_query struct query query = query_new(store, "SELECT count(*) FROM node");

	return query_row(&query) ? (size_t)query_column(&query, 0) : 0;
}

/* The first row of a query over NODE_COLUMNS. */
static enum store_result read_one(struct store *store, struct query *query,
				  struct store_node *ret_node)
{
	auto_query struct query addresses = addresses_query(store);
	const char *fault;
	char text[STORE_PROBLEM_SIZE / 2];

	if (!query_row(query)) {
		enum store_result result = query_end(query);

		return result == STORE_OK ? STORE_NOT_FOUND : result;
	}
	fault = read_node(store, query, &addresses, ret_node);
	if (query_end(&addresses) != STORE_OK)
		return query_end(&addresses);
	if (!fault)
		return STORE_OK;
	describe_malformed(query, fault, text, sizeof(text));
	return store_fail(store, STORE_FILE_DAMAGED, "a malformed record: %s", text);
}

enum store_result node_fail_unknown(struct store *store, const struct key *key)
{
	char text[KEY_TEXT_SIZE];

	key_print(key, text);
	return store_fail(store, STORE_NOT_FOUND, "no node has the key %s", text);
}

enum store_result store_get(struct store *store, const struct key *key, struct store_node *ret_node)
{
	auto_query struct query query = query_new(store, NODE_COLUMNS "WHERE n.key = ?1");
	enum store_result result;

	query_key(&query, 1, key);
	result = read_one(store, &query, ret_node);
	return result == STORE_NOT_FOUND ? node_fail_unknown(store, key) : result;
}

enum store_result node_find_name(struct store *store, const char *name, struct store_node *ret_node)
{
	auto_query struct query query = query_new(store, NODE_COLUMNS "WHERE n.name = ?1");

	query_text(&query, 1, name);
	return read_one(store, &query, ret_node);
}

static enum store_result find_address(struct store *store, const struct prefix *prefix,
				      struct store_node *ret_node)
{
	auto_query struct query query =
		query_new(store, NODE_COLUMNS "WHERE n.id = (SELECT node FROM address"
					      " WHERE family = ?1 AND ip = ?2)");

	query_number(&query, 1, prefix->family);
	query_blob(&query, 2, prefix->ip, family_size(prefix->family));
	return read_one(store, &query, ret_node);
}

static enum store_result find_key_start(struct store *store, const char *start,
					struct store_node *ret_node)
{
	auto_query struct query query = query_new(store, "SELECT key FROM node");
	struct key key, found;
	char text[KEY_TEXT_SIZE];
	size_t count = 0;

	while (count < 2 && query_row(&query)) {
		if (!query_column_blob(&query, 0, key.bytes, KEY_SIZE))
			continue;
		key_print(&key, text);
		if (!text_starts_with(text, start))
			continue;
		found = key;
		count++;
	}
	if (query_end(&query) != STORE_OK)
		return query_end(&query);
	if (count > 1)
		return store_fail(store, STORE_AMBIGUOUS,
				  "several keys begin with '%s'; write more of it", start);
	return count ? store_get(store, &found, ret_node) : STORE_NOT_FOUND;
}

/* So that a typing error of one letter never hits a node. */
static bool may_begin_a_key(const char *text)
{
	size_t size = strlen(text);

	return size >= STORE_KEY_PREFIX_LEAST && size < KEY_TEXT_SIZE &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
		       size;
}

enum store_result store_find(struct store *store, const char *text, struct store_node *ret_node)
{
	enum store_result result = STORE_NOT_FOUND;
	struct prefix prefix;
	char shown[128];

	memset(ret_node, 0, sizeof(*ret_node));
	if (text_is_name(text))
		result = node_find_name(store, text, ret_node);
	if (result == STORE_NOT_FOUND && !prefix_parse(text, &prefix))
		result = find_address(store, &prefix, ret_node);
	if (result == STORE_NOT_FOUND && may_begin_a_key(text))
		result = find_key_start(store, text, ret_node);
	if (result != STORE_NOT_FOUND)
		return result;
	text_escape(shown, sizeof(shown), text, strlen(text));
	return store_fail(store, STORE_NOT_FOUND,
			  "no node has the name, key or address '%s'; "
			  "`wayleave hub node list` shows all",
			  shown);
}
