/* Tokens, and enrolment by them. Of a token only its verifier is here. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sys/store/store_private.h"

#define TOKEN_COLUMNS \
	"SELECT id, label, created, expires, is_reusable, is_revoked, uses, verifier FROM token "
#define TOKEN_ID_TEXT (2 * TOKEN_ID_SIZE + 1)

static const char *print_id(const uint8_t id[TOKEN_ID_SIZE], char text[TOKEN_ID_TEXT])
{
	for (size_t i = 0; i < TOKEN_ID_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	return text;
}

bool store_token_is_usable(const struct store_token *token, int64_t now)
{
	return !token->is_revoked && now < token->expires && (token->is_reusable || !token->uses);
}

/* False for a malformed row. */
static bool read_token(struct query *query, struct store_token *token)
{
	const char *label = query_column_text(query, 1);

	memset(token, 0, sizeof(*token));
	text_escape(token->label, sizeof(token->label), label, strlen(label));
	token->created = query_column(query, 2);
	token->expires = query_column(query, 3);
	token->is_reusable = query_column(query, 4);
	token->is_revoked = query_column(query, 5);
	token->uses = (uint32_t)query_column(query, 6);
	return query_column_blob(query, 0, token->id, TOKEN_ID_SIZE) &&
	       query_column_blob(query, 7, token->verifier, STORE_VERIFIER_SIZE);
}

static enum store_result find_token(struct store *store, const uint8_t id[TOKEN_ID_SIZE],
				    struct store_token *ret_token)
{
	auto_query struct query query = query_new(store, TOKEN_COLUMNS "WHERE id = ?1");
	char text[TOKEN_ID_TEXT];
	enum store_result result;

	query_blob(&query, 1, id, TOKEN_ID_SIZE);
	if (query_row(&query) && read_token(&query, ret_token))
		return STORE_OK;
	result = query_end(&query);
	return result != STORE_OK ? result
				  : store_fail(store, STORE_TOKEN_UNKNOWN,
					       "there is no token %s; `wayleave hub token list` "
					       "shows all",
					       print_id(id, text));
}

/* ---- making, listing, revoking ---- */

static bool is_printable(const char *text)
{
	char shown[4 * STORE_LABEL_SIZE];

	text_escape(shown, sizeof(shown), text, strlen(text));
	return !strcmp(shown, text);
}

static enum store_result forget_old(struct store *store, int64_t now)
{
	auto_query struct query query = query_new(store, "DELETE FROM token WHERE expires < ?1");

	query_number(&query, 1, now - STORE_HOLD_TIME);
	return query_run(&query);
}

static enum store_result count_tokens(struct store *store)
{
	auto_query struct query query = query_new(store, "SELECT count(*) FROM token");

	if (query_row(&query) && query_column(&query, 0) >= STORE_TOKENS_MAX)
		return store_fail(store, STORE_TOO_MANY,
				  "there are %d tokens already; they go 30 days after their end",
				  STORE_TOKENS_MAX);
	return query_end(&query);
}

static enum store_result insert_token(struct store *store, const struct store_token *token,
				      int64_t now)
{
	auto_query struct query query =
		query_new(store, "INSERT INTO token(id, verifier, label, created, expires, "
				 "is_reusable, is_revoked, uses)"
				 " VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, 0)");

	query_blob(&query, 1, token->id, TOKEN_ID_SIZE);
	query_blob(&query, 2, token->verifier, STORE_VERIFIER_SIZE);
	query_text(&query, 3, token->label);
	query_number(&query, 4, now);
	query_number(&query, 5, token->expires);
	query_number(&query, 6, token->is_reusable);
	return query_run(&query);
}

enum store_result store_token_create(struct store *store, const struct store_token *token,
				     int64_t now)
{
	enum store_result result;

	if (token->expires <= now)
		return store_fail(store, STORE_INVALID, "a token that has expired is of no use");
	if (!is_printable(token->label))
		return store_fail(store, STORE_INVALID,
				  "a label is printable ASCII, without quotation marks and "
				  "backslashes");
	result = transaction_begin(store);
	if (result != STORE_OK)
		return result;
	store->has_changed = true;
	result = forget_old(store, now);
	if (result == STORE_OK)
		result = count_tokens(store);
	if (result == STORE_OK)
		result = insert_token(store, token, now);
	if (result == STORE_OK)
		result = event_add(store, "token-create", NULL, token->label, token->id, NULL, now);
	return transaction_end(store, result);
}

enum store_result store_token_revoke(struct store *store, const uint8_t id[TOKEN_ID_SIZE],
				     const char *source, int64_t now)
{
	auto_query struct query query =
		query_new(store, "UPDATE token SET is_revoked = 1 WHERE id = ?1");
	struct store_token token = {0};
	enum store_result result = transaction_begin(store);

	if (result != STORE_OK)
		return result;
	result = find_token(store, id, &token);
	if (result == STORE_OK && !token.is_revoked) {
		store->has_changed = true;
		query_blob(&query, 1, id, TOKEN_ID_SIZE);
		result = query_run(&query);
		if (result == STORE_OK)
			result = event_add(store, "token-revoke", NULL, token.label, id, source,
					   now);
	}
	return transaction_end(store, result);
}

enum store_result store_token_list(struct store *store,
				   void (*on_token)(void *owner, const struct store_token *token),
				   void *owner)
{
	auto_query struct query query = query_new(store, TOKEN_COLUMNS "ORDER BY created, rowid");
	struct store_token token;

	while (query_row(&query)) {
		if (!read_token(&query, &token))
			continue;
		explicit_bzero(token.verifier, sizeof(token.verifier));
		on_token(owner, &token);
	}
	return query_end(&query);
}

/* ---- enrolment ---- */

/* The same run again: its answer was lost on the way. A clock that was set back does no harm. */
static enum store_result is_repetition(struct store *store, const struct store_enrolment *enrolment,
				       int64_t now, bool *ret_is_repetition)
{
	auto_query struct query query =
		query_new(store, "SELECT 1 FROM enrolment e JOIN node n ON n.key = e.key"
				 " WHERE e.key = ?1 AND e.token = ?2 AND abs(e.at - ?3) < ?4");

	query_key(&query, 1, &enrolment->key);
	query_blob(&query, 2, enrolment->token_id, TOKEN_ID_SIZE);
	query_number(&query, 3, now);
	query_number(&query, 4, STORE_REPEAT_TIME);
	*ret_is_repetition = query_row(&query);
	return query_end(&query);
}

static enum store_result check_usable(struct store *store, const struct store_token *token,
				      int64_t now)
{
	char id[TOKEN_ID_TEXT];

	print_id(token->id, id);
	if (now >= token->expires)
		return store_fail(store, STORE_TOKEN_EXPIRED, "the token %s has expired", id);
	if (!token->is_reusable && token->uses)
		return store_fail(store, STORE_TOKEN_USED, "the token %s was used up", id);
	return STORE_OK;
}

static enum store_result spend(struct store *store, const struct store_enrolment *enrolment,
			       int64_t now)
{
	auto_query struct query token =
		query_new(store, "UPDATE token SET uses = uses + 1 WHERE id = ?1");
	auto_query struct query old = query_new(store, "DELETE FROM enrolment WHERE at < ?1");
	auto_query struct query record = query_new(
		store, "INSERT OR REPLACE INTO enrolment(key, token, at) VALUES(?1, ?2, ?3)");
	enum store_result result;

	store->has_changed = true;
	query_blob(&token, 1, enrolment->token_id, TOKEN_ID_SIZE);
	result = query_run(&token);
	if (result != STORE_OK)
		return result;
	query_number(&old, 1, now - STORE_REPEAT_TIME);
	result = query_run(&old);
	if (result != STORE_OK)
		return result;
	query_key(&record, 1, &enrolment->key);
	query_blob(&record, 2, enrolment->token_id, TOKEN_ID_SIZE);
	query_number(&record, 3, now);
	return query_run(&record);
}

static enum store_result admit(struct store *store, const struct store_enrolment *enrolment,
			       int64_t now, bool *ret_is_new)
{
	struct store_addition addition = {
		.key = enrolment->key, .name = enrolment->name, .source = enrolment->source};
	int64_t row;
	enum store_result result = node_row(store, &enrolment->key, &row);

	*ret_is_new = !row;
	if (result == STORE_OK && !row)
		result = node_insert(store, &addition, true, now);
	return result == STORE_OK ? spend(store, enrolment, now) : result;
}

/* Proof first, so that a stranger learns nothing of a token whose id he found. */
static enum store_result decide(struct store *store, const struct store_enrolment *enrolment,
				int64_t now, bool *ret_is_new, bool *ret_is_repetition)
{
	struct store_token token;
	bool is_proved;
	enum store_result result = find_token(store, enrolment->token_id, &token);

	if (result != STORE_OK)
		return result;
	is_proved = enrolment->is_proof_valid(enrolment->owner, token.verifier);
	explicit_bzero(token.verifier, sizeof(token.verifier));
	if (!is_proved)
		return store_fail(store, STORE_TOKEN_WRONG, "the proof of the token is wrong");
	if (token.is_revoked)
		return store_fail(store, STORE_TOKEN_REVOKED, "the token was revoked");
	result = is_repetition(store, enrolment, now, ret_is_repetition);
	if (result != STORE_OK || *ret_is_repetition)
		return result;
	result = check_usable(store, &token, now);
	return result == STORE_OK ? admit(store, enrolment, now, ret_is_new) : result;
}

enum store_result store_enrol(struct store *store, const struct store_enrolment *enrolment,
			      int64_t now, struct store_node *ret_node, bool *ret_is_new)
{
	bool is_again = false;
	enum store_result result;

	*ret_is_new = false;
	if (key_is_zero(&enrolment->key) || !key_is_canonical_point(&enrolment->key))
		return store_fail(store, STORE_INVALID, "that is no public key");
	result = transaction_begin(store);
	if (result != STORE_OK)
		return result;
	result = decide(store, enrolment, now, ret_is_new, &is_again);
	if (result == STORE_OK)
		result = store_get(store, &enrolment->key, ret_node);
	if (result == STORE_OK && !is_again)
		result = event_add(store, "enrol", &enrolment->key, ret_node->name,
				   enrolment->token_id, enrolment->source, now);
	result = transaction_end(store, result);
	if (result != STORE_OK)
		*ret_is_new = false;
	return result;
}
