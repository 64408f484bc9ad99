/* SQLite as this room uses it: statements with sticky errors, transactions, errors in words. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sys/store/store_private.h"

static const char *const result_codes[] = {
	[STORE_OK] = "ok",
	[STORE_INVALID] = "invalid",
	[STORE_KEY_EXISTS] = "key-exists",
	[STORE_KEY_REMOVED] = "key-removed",
	[STORE_NAME_TAKEN] = "name-taken",
	[STORE_ADDRESS_REFUSED] = "address-refused",
	[STORE_POOL_EMPTY] = "pool-empty",
	[STORE_TOO_MANY] = "too-many",
	[STORE_NOT_FOUND] = "not-found",
	[STORE_AMBIGUOUS] = "ambiguous",
	[STORE_POOLS_IN_USE] = "pools-in-use",
	[STORE_TOKEN_UNKNOWN] = "token-unknown",
	[STORE_TOKEN_WRONG] = "token-wrong",
	[STORE_TOKEN_EXPIRED] = "token-expired",
	[STORE_TOKEN_USED] = "token-used",
	[STORE_TOKEN_REVOKED] = "token-revoked",
	[STORE_FILE_MISSING] = "file-missing",
	[STORE_FILE_EXISTS] = "file-exists",
	[STORE_FILE_FOREIGN] = "file-foreign",
	[STORE_FILE_FUTURE] = "file-future",
	[STORE_FILE_EXPOSED] = "file-exposed",
	[STORE_FILE_DENIED] = "file-denied",
	[STORE_FILE_DAMAGED] = "file-damaged",
	[STORE_DISK_FULL] = "disk-full",
	[STORE_BUSY] = "busy",
	[STORE_FAILED] = "failed",
};

const char *store_result_code(enum store_result result)
{
	return result_codes[result];
}

const char *store_problem(const struct store *store)
{
	return store->problem;
}

enum store_result store_fail(struct store *store, enum store_result result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(store->problem, sizeof(store->problem), format, arguments);
	va_end(arguments);
	return result;
}

/* SQLite reports a limit on file sizes and a quota as plain write errors. */
static bool is_out_of_space(int primary, int error)
{
	return primary == SQLITE_FULL || ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) &&
					  (error == ENOSPC || error == EDQUOT || error == EFBIG));
}

static enum store_result fail_denied(struct store *store, int error)
{
	if (!error || error == EACCES || error == EPERM || error == EROFS)
		return store_fail(store, STORE_FILE_DENIED, "cannot write %s: %s; run as root",
				  store->path, strerror(error ? error : EACCES));
	return store_fail(store, STORE_FAILED, "cannot open %s: %s", store->path, strerror(error));
}

enum store_result store_fail_database(struct store *store, int code)
{
	int primary = code & 0xff, error = sqlite3_system_errno(store->database);

	/* SQLite keeps no errno of a COMMIT that failed, and changes ours no more after it. */
	if (!error)
		error = errno;
	if (is_out_of_space(primary, error))
		return store_fail(store, STORE_DISK_FULL,
				  "cannot write %s: no space left on device; nothing was changed",
				  store->path);
	switch (primary) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return store_fail(store, STORE_BUSY, "another process keeps %s busy; try again",
				  store->path);
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		return fail_denied(store, primary == SQLITE_CANTOPEN ? error : 0);
	case SQLITE_NOTADB:
		return store_fail(store, STORE_FILE_FOREIGN, "%s is not a wayleave registry",
				  store->path);
	case SQLITE_CORRUPT:
		return store_fail(store, STORE_FILE_DAMAGED,
				  "%s is damaged; restore it from a backup", store->path);
	}
	return store_fail(store, STORE_FAILED, "%s: %s", store->path,
			  sqlite3_errmsg(store->database));
}

enum store_result store_run(struct store *store, const char *sql)
{
	int code = sqlite3_exec(store->database, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? STORE_OK : store_fail_database(store, code);
}

/* ---- statements ---- */

struct query query_new(struct store *store, const char *sql)
{
	struct query query = {.store = store};

	query.code = sqlite3_prepare_v2(store->database, sql, -1, &query.statement, NULL);
	return query;
}

static void note(struct query *query, int code)
{
	if (query->code == SQLITE_OK)
		query->code = code;
}

void query_number(struct query *query, int place, int64_t value)
{
	note(query, sqlite3_bind_int64(query->statement, place, value));
}

void query_blob(struct query *query, int place, const void *data, size_t size)
{
	note(query, sqlite3_bind_blob(query->statement, place, data, (int)size, SQLITE_TRANSIENT));
}

void query_key(struct query *query, int place, const struct key *key)
{
	query_blob(query, place, key->bytes, KEY_SIZE);
}

void query_text(struct query *query, int place, const char *text)
{
	if (text && *text)
		note(query, sqlite3_bind_text(query->statement, place, text, -1, SQLITE_TRANSIENT));
	else
		note(query, sqlite3_bind_null(query->statement, place));
}

bool query_row(struct query *query)
{
	int code;

	if (query->code != SQLITE_OK)
		return false;
	code = sqlite3_step(query->statement);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		note(query, code);
	return code == SQLITE_ROW;
}

void query_again(struct query *query)
{
	/* A failed step is noted already; reset would only repeat it. */
	sqlite3_reset(query->statement);
}

int64_t query_column(struct query *query, int column)
{
	return sqlite3_column_int64(query->statement, column);
}

const char *query_column_text(struct query *query, int column)
{
	const char *text = (const char *)sqlite3_column_text(query->statement, column);

	return text ? text : "";
}

bool query_column_blob(struct query *query, int column, void *out, size_t size)
{
	const void *data = sqlite3_column_blob(query->statement, column);

	if (!data || (size_t)sqlite3_column_bytes(query->statement, column) != size)
		return false;
	memcpy(out, data, size);
	return true;
}

enum store_result query_end(struct query *query)
{
	return query->code == SQLITE_OK ? STORE_OK : store_fail_database(query->store, query->code);
}

enum store_result query_run(struct query *query)
{
	query_row(query);
	return query_end(query);
}

void query_done(struct query *query)
{
	sqlite3_finalize(query->statement);
	query->statement = NULL;
}

/* ---- transactions ---- */

enum store_result transaction_begin(struct store *store)
{
	enum store_result result = store_run(store, "BEGIN IMMEDIATE");

	if (result != STORE_OK)
		return result;
	store->has_changed = false;
	result = network_read(store);
	return result == STORE_OK ? STORE_OK : transaction_end(store, result);
}

static enum store_result raise_revision(struct store *store, uint64_t *ret_revision)
{
	auto_query struct query query =
		query_new(store, "UPDATE network SET revision = revision + 1 RETURNING revision");

	if (query_row(&query))
		*ret_revision = (uint64_t)query_column(&query, 0);
	while (query_row(&query))
		;
	return query_end(&query);
}

enum store_result transaction_end(struct store *store, enum store_result result)
{
	uint64_t revision = store->revision;

	if (result == STORE_OK && store->has_changed)
		result = raise_revision(store, &revision);
	if (result == STORE_OK)
		result = store_run(store, "COMMIT");
	if (result == STORE_OK)
		store->revision = revision;
	else if (!sqlite3_get_autocommit(store->database))
		sqlite3_exec(store->database, "ROLLBACK", NULL, NULL, NULL);
	return result;
}
