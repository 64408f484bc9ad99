/* Who has which address: the pools' rules (proto/rendezvous/pool.h) over the tables. Always inside
 * a transaction, so nobody else gets the address meanwhile. */
#include <stdio.h>
#include <string.h>

#include "proto/rendezvous/pool.h"
#include "sys/store/store_private.h"

/* Walks the addresses that are taken or held back, in ascending order. An address held back for
 * the very key that wants one is not in the way. */
struct walk {
	struct query query;
	size_t size;
	uint8_t ip[16];
	bool has_ip;
};

static const char taken_sql[] =
	"SELECT ip FROM (SELECT ip FROM address WHERE family = ?1"
	" UNION ALL SELECT ip FROM held WHERE family = ?1 AND until > ?2 AND key IS NOT ?3)"
	" WHERE ip >= ?4 ORDER BY ip";

static void walk_on(struct walk *walk)
{
	do {
		walk->has_ip = query_row(&walk->query);
	} while (walk->has_ip && !query_column_blob(&walk->query, 0, walk->ip, walk->size));
}

static bool walk_next(void *owner, const uint8_t from[16], uint8_t ret_ip[16])
{
	struct walk *walk = owner;

	while (walk->has_ip && memcmp(walk->ip, from, walk->size) < 0)
		walk_on(walk);
	if (walk->has_ip)
		memcpy(ret_ip, walk->ip, sizeof(walk->ip));
	return walk->has_ip;
}

static struct walk walk_new(struct store *store, uint8_t family, const uint8_t *from,
			    const struct key *key, int64_t now)
{
	struct walk walk = {.query = query_new(store, taken_sql), .size = family_size(family)};

	query_number(&walk.query, 1, family);
	query_number(&walk.query, 2, now);
	query_key(&walk.query, 3, key);
	query_blob(&walk.query, 4, from, walk.size);
	walk_on(&walk);
	return walk;
}

/* Says who has it. */
static enum store_result fail_taken(struct store *store, const struct address *address)
{
	auto_query struct query owner =
		query_new(store, "SELECT n.name FROM address a JOIN node n ON n.id = a.node"
				 " WHERE a.family = ?1 AND a.ip = ?2");
	auto_query struct query held = query_new(store, "SELECT date(until, 'unixepoch') FROM held"
							" WHERE family = ?1 AND ip = ?2");
	char text[ADDRESS_TEXT_SIZE];

	address_print_ip(address, text);
	query_number(&owner, 1, address->family);
	query_blob(&owner, 2, address->ip, family_size(address->family));
	query_number(&held, 1, address->family);
	query_blob(&held, 2, address->ip, family_size(address->family));
	if (query_row(&owner))
		return store_fail(store, STORE_ADDRESS_REFUSED, "%s is taken by %s", text,
				  query_column_text(&owner, 0));
	if (query_row(&held))
		return store_fail(store, STORE_ADDRESS_REFUSED,
				  "%s was a removed node's and stays unused until %s", text,
				  query_column_text(&held, 0));
	return store_fail(store, STORE_ADDRESS_REFUSED, "%s is taken", text);
}

static enum store_result check_wish(struct store *store, const struct prefix *pool,
				    const struct address *wish, const struct key *key, int64_t now)
{
	struct walk walk = walk_new(store, pool->family, wish->ip, key, now);
	struct pool_taken taken = {walk_next, &walk};
	enum pool_result answer = pool_request(pool, wish, &taken);
	enum store_result result = query_end(&walk.query);
	char text[ADDRESS_TEXT_SIZE];

	query_done(&walk.query);
	if (result != STORE_OK || answer == POOL_OK)
		return result;
	if (answer == POOL_TAKEN)
		return fail_taken(store, wish);
	return store_fail(store, STORE_ADDRESS_REFUSED, "%s %s", address_print_ip(wish, text),
			  pool_result_text(answer));
}

static enum store_result find_free(struct store *store, const struct prefix *pool,
				   const struct key *key, int64_t now, struct address *ret_address)
{
	struct prefix masked = prefix_masked(pool);
	struct walk walk = walk_new(store, pool->family, masked.ip, key, now);
	struct pool_taken taken = {walk_next, &walk};
	enum pool_result answer = pool_next(pool, &taken, ret_address);
	enum store_result result = query_end(&walk.query);
	char text[ADDRESS_TEXT_SIZE];

	query_done(&walk.query);
	if (result == STORE_OK && answer != POOL_OK)
		result = store_fail(store, STORE_POOL_EMPTY,
				    "no address is free in %s; addresses of removed nodes stay "
				    "unused for 30 days",
				    prefix_print(&masked, text));
	return result;
}

static enum store_result insert(struct store *store, int64_t node, const struct address *address)
{
	auto_query struct query unhold =
		query_new(store, "DELETE FROM held WHERE family = ?1 AND ip = ?2");
	auto_query struct query query =
		query_new(store, "INSERT INTO address(family, ip, node) VALUES(?1, ?2, ?3)");
	size_t size = family_size(address->family);
	enum store_result result;

	query_number(&unhold, 1, address->family);
	query_blob(&unhold, 2, address->ip, size);
	result = query_run(&unhold);
	if (result != STORE_OK)
		return result;
	query_number(&query, 1, address->family);
	query_blob(&query, 2, address->ip, size);
	query_number(&query, 3, node);
	return query_run(&query);
}

static enum store_result give_one(struct store *store, int64_t node, const struct key *key,
				  const struct prefix *pool, const struct address *wish,
				  int64_t now)
{
	struct address address;
	enum store_result result;

	if (wish) {
		address = *wish;
		result = check_wish(store, pool, wish, key, now);
	} else {
		result = find_free(store, pool, key, now, &address);
	}
	return result == STORE_OK ? insert(store, node, &address) : result;
}

enum store_result addresses_give(struct store *store, int64_t node, const struct key *key,
				 const struct address *wished, size_t wished_count, int64_t now)
{
	const struct store_network *network = &store->network;
	const struct address *wish_of[NODE_ADDRESSES_MAX] = {NULL};
	enum store_result result = STORE_OK;
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < wished_count; i++) {
		size_t pool = 0;

		while (pool < network->pool_count &&
		       pool_check(&network->pools[pool], &wished[i]) == POOL_OUTSIDE)
			pool++;
		if (pool == network->pool_count)
			return store_fail(store, STORE_ADDRESS_REFUSED,
					  "%s is outside of the network",
					  address_print_ip(&wished[i], text));
		if (wish_of[pool])
			return store_fail(store, STORE_ADDRESS_REFUSED,
					  "a node has one address of each network; %s is a second",
					  address_print_ip(&wished[i], text));
		wish_of[pool] = &wished[i];
	}
	for (size_t i = 0; i < network->pool_count && result == STORE_OK; i++)
		result = give_one(store, node, key, &network->pools[i], wish_of[i], now);
	return result;
}

/* ---- another set of pools ---- */

struct holder {
	int64_t node;
	struct key key;
	bool has[NODE_ADDRESSES_MAX];
};

struct holders {
	struct holder *items;
	size_t count;
};

static bool is_same_set(const struct store_network *network, const struct prefix *pools,
			size_t count)
{
	if (network->pool_count != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!prefix_is_equal(&network->pools[i], &pools[i]))
			return false;
	}
	return true;
}

static enum store_result read_holders(struct store *store, struct holders *holders)
{
	auto_query struct query query = query_new(store, "SELECT id, key FROM node ORDER BY id");

	while (query_row(&query)) {
		struct holder holder = {.node = query_column(&query, 0)};

		if (!query_column_blob(&query, 1, holder.key.bytes, KEY_SIZE))
			continue; /* malformed: nothing for it */
		holders->items =
			memory_resize(holders->items, holders->count + 1, sizeof(struct holder));
		holders->items[holders->count++] = holder;
	}
	return query_end(&query);
}

/* The pool that the address belongs in, noted at its node; false when there is none. */
static bool place_address(const struct prefix *pools, size_t count, const struct address *address,
			  struct holder *holder)
{
	for (size_t i = 0; i < count; i++) {
		if (pool_check(&pools[i], address) == POOL_OK && !holder->has[i]) {
			holder->has[i] = true;
			return true;
		}
	}
	return false;
}

/* Both lists rise by node. */
static enum store_result place_addresses(struct store *store, struct holders *holders,
					 const struct prefix *pools, size_t count)
{
	auto_query struct query query =
		query_new(store, "SELECT a.node, a.family, a.ip, n.name FROM address a"
				 " JOIN node n ON n.id = a.node ORDER BY a.node");
	size_t at = 0;

	while (query_row(&query)) {
		struct address address = {.family = (uint8_t)query_column(&query, 1)};
		char text[ADDRESS_TEXT_SIZE];

		while (at < holders->count && holders->items[at].node < query_column(&query, 0))
			at++;
		if (at == holders->count || holders->items[at].node != query_column(&query, 0) ||
		    !query_column_blob(&query, 2, address.ip, family_size(address.family)))
			continue;
		if (!place_address(pools, count, &address, &holders->items[at]))
			return store_fail(
				store, STORE_POOLS_IN_USE,
				"%s has %s, which the hub's new addresses leave no room "
				"for; take back the change of hub.conf or remove the node",
				query_column_text(&query, 3), address_print_ip(&address, text));
	}
	return query_end(&query);
}

static enum store_result fill_gaps(struct store *store, const struct holders *holders, int64_t now)
{
	const struct store_network *network = &store->network;
	enum store_result result = STORE_OK;

	for (size_t i = 0; i < holders->count; i++) {
		const struct holder *holder = &holders->items[i];

		for (size_t pool = 0; pool < network->pool_count && result == STORE_OK; pool++) {
			if (!holder->has[pool])
				result = give_one(store, holder->node, &holder->key,
						  &network->pools[pool], NULL, now);
		}
	}
	return result;
}

static enum store_result change_pools(struct store *store, const struct prefix *pools, size_t count,
				      int64_t now)
{
	struct holders holders = {0};
	enum store_result result = read_holders(store, &holders);

	if (result == STORE_OK)
		result = place_addresses(store, &holders, pools, count);
	if (result == STORE_OK)
		result = pools_write(store, pools, count);
	if (result == STORE_OK)
		result = network_read(store);
	if (result == STORE_OK)
		result = fill_gaps(store, &holders, now);
	free(holders.items);
	return result;
}

enum store_result store_set_pools(struct store *store, const struct prefix *pools, size_t count,
				  int64_t now)
{
	const char *fault = pools_fault(pools, count);
	enum store_result result;

	if (fault)
		return store_fail(store, STORE_INVALID, "%s", fault);
	result = transaction_begin(store);
	if (result != STORE_OK)
		return result;
	if (!is_same_set(&store->network, pools, count)) {
		store->has_changed = true;
		result = change_pools(store, pools, count, now);
	}
	result = transaction_end(store, result);
	if (result != STORE_OK)
		network_read(store); /* what change_pools() wrote is undone */
	return result;
}
