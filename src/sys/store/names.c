/* Names of members: given, wished or made, and always unique. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "proto/rendezvous/pool.h"
#include "sys/store/store_private.h"

/* What a stranger would like to be called, made a name: "Anna's Laptop" -> "anna-s-laptop". Empty
 * when nothing is left. */
static void clean_name(const char *wish, char name[NODE_NAME_SIZE])
{
	size_t size = 0;

	for (; *wish && size < NODE_NAME_SIZE - 1; wish++) {
		char c = *wish >= 'A' && *wish <= 'Z' ? (char)(*wish - 'A' + 'a') : *wish;
		bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (is_plain)
			name[size++] = c;
		else if (size && name[size - 1] != '-')
			name[size++] = '-';
	}
	while (size && name[size - 1] == '-')
		size--;
	name[size] = '\0';
}

static bool is_name_taken(struct store *store, struct query *query, const char *name)
{
	if (!strcmp(name, store->reserved_name))
		return true;
	query_again(query);
	query_text(query, 1, name);
	return query_row(query);
}

/* "base", else "base-2", "base-3", .. within the size of a name. */
static enum store_result unique_name(struct store *store, const char *base,
				     char name[NODE_NAME_SIZE])
{
	auto_query struct query query = query_new(store, "SELECT 1 FROM node WHERE name = ?1");

	text_copy(name, NODE_NAME_SIZE, base);
	for (unsigned number = 2; is_name_taken(store, &query, name); number++) {
		char suffix[16];
		int size = snprintf(suffix, sizeof(suffix), "-%u", number);

		snprintf(name, NODE_NAME_SIZE, "%.*s%s", NODE_NAME_SIZE - 1 - size, base, suffix);
	}
	return query_end(&query);
}

static enum store_result fail_name_taken(struct store *store, const char *name)
{
	struct store_node other;
	char key[KEY_TEXT_SIZE];

	if (!strcmp(name, store->reserved_name))
		return store_fail(store, STORE_NAME_TAKEN, "'%s' is the hub's own name", name);
	if (node_find_name(store, name, &other) != STORE_OK)
		return store_fail(store, STORE_NAME_TAKEN, "the name '%s' is taken", name);
	key_print(&other.key, key);
	return store_fail(store, STORE_NAME_TAKEN, "the name '%s' is taken by %s", name, key);
}

/* A name that an administrator gives is taken as it is, or refused. */
enum store_result name_check(struct store *store, const char *name)
{
	auto_query struct query query = query_new(store, "SELECT 1 FROM node WHERE name = ?1");
	char shown[128];
	bool is_taken;

	if (!text_is_name(name)) {
		text_escape(shown, sizeof(shown), name, strlen(name));
		return store_fail(store, STORE_INVALID,
				  "'%s' is no name: 1 to 63 of a-z, 0-9 and '-', no '-' at an end",
				  shown);
	}
	is_taken = is_name_taken(store, &query, name);
	if (query_end(&query) != STORE_OK)
		return query_end(&query);
	return is_taken ? fail_name_taken(store, name) : STORE_OK;
}

/* "node-3" for 100.100.96.3. */
static void made_name(struct store *store, int64_t row, char name[NODE_NAME_SIZE])
{
	auto_query struct query addresses = addresses_query(store);
	struct store_node node = {0};
	struct address address;

	snprintf(name, NODE_NAME_SIZE, "node");
	if (node_read_addresses(store, &addresses, row, &node))
		return;
	address = prefix_address(&node.addresses[0]);
	snprintf(name, NODE_NAME_SIZE, "node-%u",
		 pool_host_number(&store->network.pools[0], &address));
}

enum store_result name_choose(struct store *store, const char *wish, bool is_wish, int64_t row,
			      char name[NODE_NAME_SIZE])
{
	char base[NODE_NAME_SIZE] = "";

	if (wish && *wish && !is_wish) {
		text_copy(name, NODE_NAME_SIZE, wish);
		return name_check(store, wish);
	}
	if (wish)
		clean_name(wish, base);
	if (!base[0])
		made_name(store, row, base);
	return unique_name(store, base, name);
}
