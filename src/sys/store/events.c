/* The audit log: who was added, let in, renamed and removed, and by which token. */
#include <string.h>

#include "base/text.h"
#include "sys/store/store_private.h"

enum store_result event_add(struct store *store, const char *event, const struct key *key,
			    const char *name, const uint8_t *token_id, const char *source,
			    int64_t now)
{
	auto_query struct query query =
		query_new(store, "INSERT INTO log(at, event, key, name, token, source)"
				 " VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
	auto_query struct query trim = query_new(store, "DELETE FROM log WHERE number <= ?1");
	enum store_result result;

	query_number(&query, 1, now);
	query_text(&query, 2, event);
	if (key)
		query_key(&query, 3, key);
	query_text(&query, 4, name);
	if (token_id)
		query_blob(&query, 5, token_id, TOKEN_ID_SIZE);
	query_text(&query, 6, source);
	result = query_run(&query);
	if (result != STORE_OK)
		return result;
	query_number(&trim, 1, sqlite3_last_insert_rowid(store->database) - STORE_LOG_MAX);
	return query_run(&trim);
}

static void copy_escaped(char *out, size_t size, const char *text)
{
	text_escape(out, size, text, strlen(text));
}

enum store_result store_log(struct store *store, size_t limit,
			    void (*on_event)(void *owner, const struct store_event *event),
			    void *owner)
{
	auto_query struct query query = query_new(
		store, "SELECT number, at, event, key, name, token, source FROM"
		       " (SELECT * FROM log ORDER BY number DESC LIMIT ?1) ORDER BY number");

	query_number(&query, 1, limit > STORE_LOG_MAX ? STORE_LOG_MAX : (int64_t)limit);
	while (query_row(&query)) {
		char event_text[32], name[4 * STORE_LABEL_SIZE], source[4 * STORE_SOURCE_SIZE];
		struct store_event event = {.number = (uint64_t)query_column(&query, 0),
					    .at = query_column(&query, 1),
					    .event = event_text,
					    .name = name,
					    .source = source};

		copy_escaped(event_text, sizeof(event_text), query_column_text(&query, 2));
		copy_escaped(name, sizeof(name), query_column_text(&query, 4));
		copy_escaped(source, sizeof(source), query_column_text(&query, 6));
		if (!query_column_blob(&query, 3, event.key.bytes, KEY_SIZE))
			event.key = (struct key){0};
		event.has_token = query_column_blob(&query, 5, event.token_id, TOKEN_ID_SIZE);
		on_event(owner, &event);
	}
	return query_end(&query);
}
