/* Sealing and opening of control datagrams, and the sessions between boot ids. */
#include <string.h>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "proto/pair/pair.h"
#include "proto/wire/wireguard.h"

#define BODY_OFFSET (CONTROL_HEADER_SIZE + CONTROL_NONCE_SIZE)

static bool boot_is_equal(const uint8_t *a, const uint8_t *b)
{
	return !memcmp(a, b, BOOT_ID_SIZE);
}

static bool is_usable(const struct pair_session *session, const struct pair_identity *identity)
{
	return session->is_set && boot_is_equal(session->own_boot_id, identity->boot.id);
}

enum pair_mode pair_send_mode(const struct pair *pair, const struct pair_identity *identity,
			      unsigned attempt)
{
	return is_usable(&pair->current, identity) && attempt % 2 == 0 ? PAIR_BY_CURRENT
								       : PAIR_BY_HINT;
}

static void session_key(struct key *ret_key, const struct key *control, const struct key *shared,
			const struct key *own, const struct key *peer,
			enum pair_direction direction)
{
	static const char label[] = "wayleave session v1";
	bool is_own_lower = key_compare(own, peer) < 0;
	uint8_t info[sizeof(label) - 1 + 2 * KEY_SIZE + 1];
	uint8_t *keys = info + sizeof(label) - 1;

	memcpy(info, label, sizeof(label) - 1);
	memcpy(keys, is_own_lower ? own : peer, KEY_SIZE);
	memcpy(keys + KEY_SIZE, is_own_lower ? peer : own, KEY_SIZE);
	keys[2 * KEY_SIZE] = (uint8_t)direction;
	hkdf_blake2s(ret_key, KEY_SIZE, control, KEY_SIZE, shared, KEY_SIZE, info, sizeof(info));
}

static bool session_start(struct pair *pair, const struct pair_identity *identity,
			  const struct control_body *body, struct pair_session *ret_session)
{
	bool is_lower = pair_is_lower(identity, &pair->peer);
	struct pair_session session = {.is_set = true, .index_out = body->index};
	struct key shared;

	if (!key_is_canonical_point(&body->ephemeral) ||
	    x25519_shared(&identity->boot.private_key, &body->ephemeral, &shared))
		return false;
	session_key(&session.send, &pair->control_send, &shared, &identity->boot.public_key,
		    &body->ephemeral, is_lower ? PAIR_LOWER_TO_HIGHER : PAIR_HIGHER_TO_LOWER);
	session_key(&session.receive, &pair->control_receive, &shared, &identity->boot.public_key,
		    &body->ephemeral, is_lower ? PAIR_HIGHER_TO_LOWER : PAIR_LOWER_TO_HIGHER);
	secret_wipe(&shared, sizeof(shared));
	memcpy(session.peer_boot_id, body->boot_id, BOOT_ID_SIZE);
	memcpy(session.own_boot_id, identity->boot.id, BOOT_ID_SIZE);
	*ret_session = session;
	secret_wipe(&session, sizeof(session));
	return true;
}

static void fill_body(const struct pair *pair, const struct pair_identity *identity,
		      struct control_body *body)
{
	/* An answer echoes the boot id that asked. A request echoes the one that has proved to be
	 * new: a replayed datagram of an old boot id must not talk us out of it. */
	if (body->kind == CONTROL_PROBE)
		memcpy(body->peer_boot_id, pair->current.peer_boot_id, BOOT_ID_SIZE);
	memcpy(body->boot_id, identity->boot.id, BOOT_ID_SIZE);
	body->counter = pair->counter;
	body->index = pair->index.value;
	body->ephemeral = identity->boot.public_key;
}

size_t pair_seal(struct pair *pair, const struct pair_identity *identity, struct aead *aead,
		 const struct random_source *random, enum pair_mode mode, struct control_body *body,
		 size_t size_max, uint8_t out[CONTROL_MAXIMUM])
{
	const struct pair_session *session = NULL;
	uint8_t plain[CONTROL_BODY_SIZE + CONTROL_PADDING_MAX] = {0};
	struct control_header header;
	size_t padding;

	if (mode == PAIR_BY_CURRENT && is_usable(&pair->current, identity))
		session = &pair->current;
	if (mode == PAIR_BY_PENDING && is_usable(&pair->pending, identity))
		session = &pair->pending;
	size_max = size_max < CONTROL_MAXIMUM ? size_max : CONTROL_MAXIMUM;
	padding = random_below(random, (uint32_t)(size_max - CONTROL_MINIMUM + 1));
	pair->counter++;
	fill_body(pair, identity, body);
	control_body_encode(body, plain);
	header.index = session ? session->index_out : pair->hint_out;
	do {
		header.salt = random_u32(random);
		control_header_encode(&header, out);
		random_fill(random, out + CONTROL_HEADER_SIZE, CONTROL_NONCE_SIZE);
		xaead_seal(aead, session ? &session->send : &pair->control_send,
			   out + CONTROL_HEADER_SIZE, out, CONTROL_HEADER_SIZE, plain,
			   CONTROL_BODY_SIZE + padding, out + BODY_OFFSET);
	} while (!mask_apply(&pair->mask, out, CONTROL_MINIMUM + padding));
	return CONTROL_MINIMUM + padding;
}

/* Opens with key; false leaves ret_body alone. */
static bool open_with(const struct key *key, struct aead *aead, const uint8_t *data, size_t size,
		      enum pair_result *result, struct control_body *ret_body)
{
	uint8_t plain[CONTROL_BODY_SIZE + CONTROL_PADDING_MAX];

	if (!xaead_open(aead, key, data + CONTROL_HEADER_SIZE, data, CONTROL_HEADER_SIZE,
			data + BODY_OFFSET, size - BODY_OFFSET, plain))
		return false;
	*result = control_body_decode(plain, size - BODY_OFFSET - CONTROL_TAG_SIZE, ret_body)
			  ? PAIR_OK
			  : PAIR_MALFORMED;
	return true;
}

static bool is_fresh(const struct pair_identity *identity, usec_t now,
		     const struct control_body *body)
{
	static const uint8_t none[BOOT_ID_SIZE];

	/* Zeros say "unknown", also while there is no previous boot id. */
	if (boot_is_equal(body->peer_boot_id, none))
		return false;
	if (boot_is_equal(body->peer_boot_id, identity->boot.id))
		return true;
	return usec_since(now, identity->renewed_at) < PAIR_BOOT_OVERLAP &&
	       boot_is_equal(body->peer_boot_id, identity->previous_boot.id);
}

/* A datagram of a known boot id. The pending one becomes current once it echoes us. */
static enum pair_result accept_known(struct pair *pair, struct pair_session *session, bool fresh,
				     const struct control_body *body)
{
	bool is_newest = body->counter > session->window.newest;

	if (!window_accept(&session->window, body->counter))
		return PAIR_REPLAYED;
	if (is_newest)
		session->index_out = body->index;
	if (session == &pair->pending && fresh) {
		pair->current = pair->pending;
		secret_wipe(&pair->pending, sizeof(pair->pending));
	}
	return PAIR_OK;
}

static bool is_session_of(const struct pair_session *session, const struct control_body *body,
			  const struct pair_identity *identity)
{
	return is_usable(session, identity) && boot_is_equal(session->peer_boot_id, body->boot_id);
}

static enum pair_result accept_by_hint(struct pair *pair, const struct pair_identity *identity,
				       usec_t now, const struct control_body *body, bool fresh)
{
	struct pair_session session;

	if (is_session_of(&pair->current, body, identity))
		return accept_known(pair, &pair->current, fresh, body);
	if (is_session_of(&pair->pending, body, identity))
		return accept_known(pair, &pair->pending, fresh, body);
	/* A fresh one answers a probe of ours, and those are paced themselves. */
	if (!fresh && now < pair->next_new_boot)
		return PAIR_LIMITED;
	if (!fresh)
		pair->next_new_boot = now + PAIR_NEW_BOOT_INTERVAL;
	if (!session_start(pair, identity, body, &session))
		return PAIR_FORGED;
	if (fresh) {
		pair->current = session;
		secret_wipe(&pair->pending, sizeof(pair->pending));
		window_accept(&pair->current.window, body->counter);
	} else {
		pair->pending = session;
		window_accept(&pair->pending.window, body->counter);
	}
	secret_wipe(&session, sizeof(session));
	return PAIR_OK;
}

static bool open_by_session(struct pair *pair, struct aead *aead, struct pair_session *session,
			    enum pair_mode mode, const uint8_t *data, size_t size,
			    enum pair_result *result, struct pair_opened *opened)
{
	if (!session->is_set ||
	    !open_with(&session->receive, aead, data, size, result, &opened->body))
		return false;
	if (*result == PAIR_OK && !boot_is_equal(opened->body.boot_id, session->peer_boot_id))
		*result = PAIR_FORGED;
	opened->mode = mode;
	opened->pair = pair;
	return true;
}

static enum pair_result open_by_index(struct pair *pair, const struct pair_identity *identity,
				      struct aead *aead, usec_t now, const uint8_t *data,
				      size_t size, struct pair_opened *opened)
{
	enum pair_result result = PAIR_FORGED;

	if (open_by_session(pair, aead, &pair->current, PAIR_BY_CURRENT, data, size, &result,
			    opened)) {
		opened->is_fresh = is_fresh(identity, now, &opened->body);
		return result == PAIR_OK
			       ? accept_known(pair, &pair->current, opened->is_fresh, &opened->body)
			       : result;
	}
	if (open_by_session(pair, aead, &pair->pending, PAIR_BY_PENDING, data, size, &result,
			    opened)) {
		opened->is_fresh = is_fresh(identity, now, &opened->body);
		if (result == PAIR_OK)
			result =
				accept_known(pair, &pair->pending, opened->is_fresh, &opened->body);
		if (!pair->pending.is_set)
			opened->mode = PAIR_BY_CURRENT;
	}
	return result;
}

static enum pair_result open_by_hint(struct pair_table *table, const struct pair_identity *identity,
				     struct aead *aead, usec_t now, uint64_t hint,
				     const uint8_t *data, size_t size, struct pair_opened *opened)
{
	enum pair_result result = PAIR_UNKNOWN;
	struct hash_node *node;
	int tried = 0;

	hash_for_each (node, &table->hints, hint) {
		struct pair *pair = container_of(node, struct pair, hint_node);

		if (pair->hint_in != hint || ++tried > PAIR_EQUAL_HINTS_MAX)
			continue;
		result = PAIR_FORGED;
		if (!open_with(&pair->control_receive, aead, data, size, &result, &opened->body))
			continue;
		opened->pair = pair;
		opened->mode = PAIR_BY_HINT;
		opened->is_fresh = is_fresh(identity, now, &opened->body);
		if (result == PAIR_OK)
			result = accept_by_hint(pair, identity, now, &opened->body,
						opened->is_fresh);
		return result;
	}
	return result;
}

enum pair_result pair_open(struct pair_table *table, const struct pair_identity *identity,
			   struct aead *aead, usec_t now, uint8_t *data, size_t size,
			   struct pair_opened *ret_opened)
{
	struct pair_opened opened = {.size = size};
	struct control_header header;
	struct hash_node *node;
	enum pair_result result;

	if (size < CONTROL_MINIMUM || size > CONTROL_MAXIMUM || data[0] != WIRE_CLASS_CONTROL)
		return PAIR_MALFORMED;
	header = control_header_decode(data);
	node = hash_first(&table->indices, header.index);
	if (node)
		result = open_by_index(container_of(node, struct pair_index, node)->pair, identity,
				       aead, now, data, size, &opened);
	else
		result =
			open_by_hint(table, identity, aead, now, header.index, data, size, &opened);
	if (result == PAIR_OK)
		*ret_opened = opened;
	return result;
}
