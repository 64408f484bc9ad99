/* The file: how it is made, recognised and opened, and the network it belongs to. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "proto/rendezvous/pool.h"
#include "sys/store/store_private.h"

/* Keys and IPs are blobs, so that their order is that of the bytes; times are unix seconds. */
static const char schema[] =
	"CREATE TABLE network(one INTEGER PRIMARY KEY CHECK(one = 1),"
	" id BLOB NOT NULL CHECK(length(id) = 16), incarnation INTEGER NOT NULL,"
	" revision INTEGER NOT NULL, site_secret BLOB NOT NULL CHECK(length(site_secret) = 32),"
	" created INTEGER NOT NULL) STRICT;"
	"CREATE TABLE pool(place INTEGER PRIMARY KEY, prefix TEXT NOT NULL) STRICT;"
	"CREATE TABLE node(id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" key BLOB NOT NULL UNIQUE CHECK(length(key) = 32), name TEXT NOT NULL UNIQUE,"
	" created INTEGER NOT NULL, flags INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE TABLE address(family INTEGER NOT NULL CHECK(family IN (4, 6)), ip BLOB NOT NULL,"
	" node INTEGER NOT NULL REFERENCES node(id), PRIMARY KEY(family, ip),"
	" CHECK(length(ip) = iif(family = 4, 4, 16))) STRICT, WITHOUT ROWID;"
	"CREATE INDEX address_node ON address(node);"
	"CREATE TABLE presence(node INTEGER PRIMARY KEY REFERENCES node(id), endpoint TEXT,"
	" last_seen INTEGER NOT NULL) STRICT;"
	"CREATE TABLE held(family INTEGER NOT NULL, ip BLOB NOT NULL, key BLOB NOT NULL,"
	" until INTEGER NOT NULL, PRIMARY KEY(family, ip)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE tombstone(key BLOB PRIMARY KEY NOT NULL, name TEXT NOT NULL,"
	" removed INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE token(id BLOB PRIMARY KEY NOT NULL CHECK(length(id) = 8),"
	" verifier BLOB NOT NULL CHECK(length(verifier) = 32), label TEXT,"
	" created INTEGER NOT NULL, expires INTEGER NOT NULL, is_reusable INTEGER NOT NULL,"
	" is_revoked INTEGER NOT NULL, uses INTEGER NOT NULL) STRICT;"
	"CREATE TABLE enrolment(key BLOB PRIMARY KEY NOT NULL, token BLOB NOT NULL,"
	" at INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE log(number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,"
	" event TEXT NOT NULL, key BLOB, name TEXT, token BLOB, source TEXT) STRICT;";

static struct store *store_new(const char *path)
{
	struct store *store = new (struct store);
	size_t size = 4 * strlen(path) + 1;

	store->path = memory_new(size);
	text_escape(store->path, size, path, strlen(path));
	return store;
}

/* Gives up the store; its problem goes to the caller. */
static enum store_result give_up(struct store *store, enum store_result result,
				 char problem[STORE_PROBLEM_SIZE])
{
	if (problem)
		text_copy(problem, STORE_PROBLEM_SIZE, store->problem);
	store_close(store);
	return result;
}

static enum store_result fail_errno(struct store *store, const char *action, int error)
{
	switch (error) {
	case ENOENT:
		return store_fail(store, STORE_FILE_MISSING,
				  "there is no %s; make it with `wayleave hub init`", store->path);
	case EEXIST:
		return store_fail(store, STORE_FILE_EXISTS, "%s exists already", store->path);
	case EACCES:
	case EPERM:
	case EROFS:
		return store_fail(store, STORE_FILE_DENIED, "cannot %s %s: %s; run as root", action,
				  store->path, strerror(error));
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return store_fail(store, STORE_DISK_FULL, "cannot %s %s: %s; nothing was changed",
				  action, store->path, strerror(error));
	}
	return store_fail(store, STORE_FAILED, "cannot %s %s: %s", action, store->path,
			  strerror(error));
}

/* ---- the network ---- */

const char *pools_fault(const struct prefix *pools, size_t count)
{
	if (!count)
		return "a network needs an address";
	if (count > NODE_ADDRESSES_MAX)
		return "a network has at most 4 addresses";
	for (size_t i = 0; i < count; i++) {
		if (!pool_is_valid(&pools[i]))
			return "the hub's address is the network's own or its broadcast address";
		for (size_t j = 0; j < i; j++) {
			if (prefix_overlaps(&pools[i], &pools[j]))
				return "the networks of two addresses overlap";
		}
	}
	return NULL;
}

static bool read_pools(struct store *store, struct store_network *network)
{
	auto_query struct query query = query_new(store, "SELECT prefix FROM pool ORDER BY place");

	network->pool_count = 0;
	while (query_row(&query)) {
		if (network->pool_count == NODE_ADDRESSES_MAX ||
		    prefix_parse(query_column_text(&query, 0),
				 &network->pools[network->pool_count++]))
			return false;
	}
	return query_end(&query) == STORE_OK && !pools_fault(network->pools, network->pool_count);
}

enum store_result network_read(struct store *store)
{
	struct store_network network = {0};
	auto_query struct query query = query_new(
		store, "SELECT id, site_secret, incarnation, revision, created FROM network");
	bool is_right =
		query_row(&query) && query_column_blob(&query, 0, network.id, sizeof(network.id)) &&
		query_column_blob(&query, 1, network.site_secret, sizeof(network.site_secret));
	enum store_result result;

	if (is_right) {
		network.incarnation = (uint64_t)query_column(&query, 2);
		store->revision = (uint64_t)query_column(&query, 3);
		network.created = query_column(&query, 4);
		is_right = read_pools(store, &network);
	}
	result = query_end(&query);
	if (result != STORE_OK)
		return result;
	if (!is_right)
		return store_fail(
			store, STORE_FILE_DAMAGED,
			"%s does not say which network it is of; restore it from a backup",
			store->path);
	store->network = network;
	return STORE_OK;
}

enum store_result pools_write(struct store *store, const struct prefix *pools, size_t count)
{
	enum store_result result = store_run(store, "DELETE FROM pool");

	for (size_t i = 0; i < count && result == STORE_OK; i++) {
		auto_query struct query query =
			query_new(store, "INSERT INTO pool(place, prefix) VALUES(?1, ?2)");
		char text[ADDRESS_TEXT_SIZE];

		query_number(&query, 1, (int64_t)i);
		query_text(&query, 2, prefix_print(&pools[i], text));
		result = query_run(&query);
	}
	return result;
}

static enum store_result write_network(struct store *store, const struct store_network *network)
{
	auto_query struct query query = query_new(
		store, "INSERT INTO network(one, id, incarnation, revision, site_secret, created)"
		       " VALUES(1, ?1, ?2, 1, ?3, ?4)");

	query_blob(&query, 1, network->id, sizeof(network->id));
	query_number(&query, 2, (int64_t)network->incarnation);
	query_blob(&query, 3, network->site_secret, sizeof(network->site_secret));
	query_number(&query, 4, network->created);
	return query_run(&query);
}

/* ---- making it ---- */

static enum store_result open_database(struct store *store, const char *path)
{
	int code = sqlite3_open_v2(
		path, &store->database,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

	return code == SQLITE_OK ? STORE_OK : store_fail_database(store, code);
}

/* The file has no name yet that anybody knows, so it needs no journal. */
static enum store_result fill(struct store *store, const char *path,
			      const struct store_network *network)
{
	char settings[128];
	enum store_result result = open_database(store, path);

	snprintf(settings, sizeof(settings), "PRAGMA application_id = %d; PRAGMA user_version = %d",
		 STORE_APPLICATION_ID, STORE_SCHEMA_VERSION);
	if (result == STORE_OK)
		result = store_run(store, "PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE");
	if (result == STORE_OK)
		result = store_run(store, schema);
	if (result == STORE_OK)
		result = store_run(store, settings);
	if (result == STORE_OK)
		result = write_network(store, network);
	if (result == STORE_OK)
		result = pools_write(store, network->pools, network->pool_count);
	if (result == STORE_OK)
		result = store_run(store, "COMMIT; PRAGMA journal_mode = WAL");
	if (sqlite3_close(store->database) != SQLITE_OK && result == STORE_OK)
		result = store_fail(store, STORE_FAILED, "cannot close %s", store->path);
	store->database = NULL;
	return result;
}

static int sync_path(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	if (fsync(fd))
		error = errno;
	close(fd);
	return error;
}

/* Gives the finished file its name, unless there is one of that name. */
static enum store_result publish(struct store *store, const char *temporary, const char *path)
{
	auto_free char *copy = memory_copy_text(path);
	int error = sync_path(temporary, O_RDWR);

	if (!error && renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE))
		error = errno;
	if (!error)
		error = sync_path(dirname(copy), O_RDONLY | O_DIRECTORY);
	return error ? fail_errno(store, "write", error) : STORE_OK;
}

enum store_result store_create(const char *path, const struct store_network *network,
			       char problem[STORE_PROBLEM_SIZE])
{
	struct store *store = store_new(path);
	auto_free char *temporary = memory_print("%s.XXXXXX", path);
	const char *fault = pools_fault(network->pools, network->pool_count);
	enum store_result result;
	int fd;

	if (fault)
		return give_up(store, store_fail(store, STORE_INVALID, "%s", fault), problem);
	if (access(path, F_OK) == 0)
		return give_up(store, fail_errno(store, "make", EEXIST), problem);
	fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600; SQLite's other files take it over */
	if (fd < 0)
		return give_up(store, fail_errno(store, "make", errno), problem);
	close(fd);
	result = fill(store, temporary, network);
	if (result == STORE_OK)
		result = publish(store, temporary, path);
	if (result != STORE_OK)
		unlink(temporary);
	return give_up(store, result, problem);
}

/* ---- opening it ---- */

static enum store_result check_file(struct store *store, const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return fail_errno(store, "open", errno);
	if (!S_ISREG(status.st_mode))
		return store_fail(store, STORE_FILE_FOREIGN, "%s is not a file", store->path);
	if (status.st_mode & (S_IRWXG | S_IRWXO))
		return store_fail(store, STORE_FILE_EXPOSED,
				  "%s holds a secret and others may read it; run: chmod 600 %s",
				  store->path, store->path);
	if (access(path, R_OK | W_OK))
		return fail_errno(store, "write", errno);
	return STORE_OK;
}

static enum store_result read_number(struct store *store, const char *sql, int64_t *ret_value)
{
	auto_query struct query query = query_new(store, sql);

	*ret_value = query_row(&query) ? query_column(&query, 0) : 0;
	return query_end(&query);
}

static enum store_result check_version(struct store *store)
{
	int64_t application, version;
	enum store_result result = read_number(store, "PRAGMA application_id", &application);

	if (result != STORE_OK)
		return result;
	if (application != STORE_APPLICATION_ID)
		return store_fail(store, STORE_FILE_FOREIGN, "%s is not a wayleave registry",
				  store->path);
	result = read_number(store, "PRAGMA user_version", &version);
	if (result == STORE_OK && version > STORE_SCHEMA_VERSION)
		return store_fail(
			store, STORE_FILE_FUTURE,
			"%s was made by a newer wayleave (format %lld, this one knows %d); "
			"upgrade wayleave",
			store->path, (long long)version, STORE_SCHEMA_VERSION);
	if (result == STORE_OK && version < 1)
		return store_fail(store, STORE_FILE_FOREIGN, "%s is not a wayleave registry",
				  store->path);
	return result;
}

enum store_result store_open(const char *path, struct store **ret_store,
			     char problem[STORE_PROBLEM_SIZE])
{
	struct store *store = store_new(path);
	enum store_result result = check_file(store, path);

	if (result == STORE_OK)
		result = open_database(store, path);
	if (result == STORE_OK)
		store_set_busy_wait(store, STORE_BUSY_WAIT);
	if (result == STORE_OK)
		result = check_version(store);
	if (result == STORE_OK)
		result = store_run(store, "PRAGMA journal_mode = WAL;"
					  "PRAGMA synchronous = FULL;"
					  "PRAGMA foreign_keys = ON;"
					  "PRAGMA trusted_schema = OFF;"
					  "PRAGMA temp_store = MEMORY");
	if (result == STORE_OK)
		result = network_read(store);
	if (result != STORE_OK)
		return give_up(store, result, problem);
	*ret_store = store;
	return STORE_OK;
}

static enum store_result set_incarnation(struct store *store, uint64_t incarnation)
{
	auto_query struct query query = query_new(store, "UPDATE network SET incarnation = ?1");

	query_number(&query, 1, (int64_t)incarnation);
	return query_run(&query);
}

enum store_result store_begin_anew(struct store *store, uint64_t incarnation, int64_t now)
{
	enum store_result result = transaction_begin(store);

	if (result != STORE_OK)
		return result;
	store->has_changed = true;
	result = set_incarnation(store, incarnation);
	if (result == STORE_OK)
		result = store_run(store, "UPDATE token SET is_revoked = 1");
	if (result == STORE_OK)
		result = event_add(store, "restore", NULL, NULL, NULL, NULL, now);
	result = transaction_end(store, result);
	return result == STORE_OK ? network_read(store) : result;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	sqlite3_close(store->database);
	free(store->path);
	explicit_bzero(store, sizeof(*store));
	free(store);
}

const struct store_network *store_network(const struct store *store)
{
	return &store->network;
}

uint64_t store_revision(const struct store *store)
{
	return store->revision;
}

void store_set_busy_wait(struct store *store, int milliseconds)
{
	sqlite3_busy_timeout(store->database, milliseconds);
}

void store_reserve_name(struct store *store, const char *name)
{
	text_copy(store->reserved_name, sizeof(store->reserved_name), name);
}
