/* A registry in a folder of its own, for tests. */
#pragma once

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/store/store.h"

#define REGISTRY_EPOCH 1700000000 /* the time when tests begin */

struct registry {
	char folder[64], path[96];
	struct store *store;
};

/* Key number n: canonical, and every base64 digit occurs among them. */
static inline struct key registry_key(unsigned n)
{
	struct key key;
	uint64_t value = n * 0x9e3779b97f4a7c15ULL + 1;

	for (size_t i = 0; i < KEY_SIZE; i++) {
		value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL + 0x94d049bb133111ebULL;
		key.bytes[i] = (uint8_t)(value >> 56);
	}
	key.bytes[31] &= 0x7f;
	key.bytes[0] = (uint8_t)n;
	key.bytes[1] = (uint8_t)(n >> 8);
	return key;
}

static inline struct prefix registry_prefix(const char *text)
{
	struct prefix prefix;

	if (prefix_parse(text, &prefix))
		abort();
	return prefix;
}

static inline struct address registry_address(const char *text)
{
	struct address address = {0};
	struct prefix prefix;

	if (!prefix_parse(text, &prefix))
		return prefix_address(&prefix);
	if (address_parse(text, 0, &address))
		abort();
	return address;
}

static inline struct store_network registry_network(const char *pool, const char *second_pool)
{
	struct store_network network = {.incarnation = UINT64_C(0xfedcba9876543210),
					.created = REGISTRY_EPOCH};

	memset(network.id, 0x17, sizeof(network.id));
	memset(network.site_secret, 0x5e, sizeof(network.site_secret));
	network.pools[network.pool_count++] = registry_prefix(pool);
	if (second_pool)
		network.pools[network.pool_count++] = registry_prefix(second_pool);
	return network;
}

/* In memory where that can be had: kill -9 does not care, and power loss has its own disk. */
static inline void registry_folder(struct registry *registry)
{
	const char *parent = getenv("TMPDIR");

	if (!parent || strlen(parent) > 32)
		parent = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	memset(registry, 0, sizeof(*registry));
	snprintf(registry->folder, sizeof(registry->folder), "%s/wayleave-store-XXXXXX", parent);
	if (!mkdtemp(registry->folder))
		abort();
	snprintf(registry->path, sizeof(registry->path), "%s/%s", registry->folder, STORE_FILE);
}

static inline void registry_open(struct registry *registry)
{
	char problem[STORE_PROBLEM_SIZE];

	if (store_open(registry->path, &registry->store, problem) != STORE_OK) {
		fprintf(stderr, "registry_open: %s\n", problem);
		abort();
	}
}

static inline void registry_start(struct registry *registry, const char *pool,
				  const char *second_pool)
{
	struct store_network network = registry_network(pool, second_pool);

	registry_folder(registry);
	if (store_create(registry->path, &network, NULL) != STORE_OK)
		abort();
	registry_open(registry);
}

static inline void registry_reopen(struct registry *registry)
{
	store_close(registry->store);
	registry_open(registry);
}

static inline size_t registry_files(const struct registry *registry)
{
	DIR *folder = opendir(registry->folder);
	size_t count = 0;

	while (folder) {
		struct dirent *entry = readdir(folder);

		if (!entry)
			break;
		count += entry->d_name[0] != '.';
	}
	if (folder)
		closedir(folder);
	return count;
}

static inline void registry_end(struct registry *registry)
{
	DIR *folder;
	struct dirent *entry;

	store_close(registry->store);
	registry->store = NULL;
	folder = opendir(registry->folder);
	while (folder && (entry = readdir(folder))) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", registry->folder, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	if (folder)
		closedir(folder);
	rmdir(registry->folder);
}

/* What no function of the registry would do: for malformed rows. */
static inline void registry_sql(const struct registry *registry, const char *sql)
{
	sqlite3 *database;
	char *error = NULL;

	if (sqlite3_open(registry->path, &database) != SQLITE_OK ||
	    sqlite3_exec(database, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL) ||
	    sqlite3_exec(database, sql, NULL, NULL, &error)) {
		fprintf(stderr, "registry_sql: %s\n", error ? error : sqlite3_errmsg(database));
		abort();
	}
	sqlite3_close(database);
}

static inline enum store_result registry_add(struct registry *registry, unsigned key,
					     const char *name, const char *address, int64_t now,
					     struct store_node *ret_node)
{
	struct store_addition addition = {.key = registry_key(key), .name = name};
	struct store_node node;

	if (address)
		addition.addresses[addition.address_count++] = registry_address(address);
	return store_add(registry->store, &addition, now, ret_node ? ret_node : &node);
}
