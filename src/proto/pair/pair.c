#include "proto/pair/pair.h"

#include <errno.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"

static const char *const purpose_names[] = {"control", "mask", "hint", "relay", "api"};

const char *pair_result_name(enum pair_result result)
{
	static const char *const names[PAIR_RESULT_COUNT] = {
		[PAIR_OK] = "ok",
		[PAIR_MALFORMED] = "malformed",
		[PAIR_UNKNOWN] = "unknown-index",
		[PAIR_FORGED] = "forged",
		[PAIR_REPLAYED] = "replayed",
		[PAIR_LIMITED] = "limited",
	};

	return names[result];
}

static void boot_draw(struct pair_boot *boot, const struct random_source *random)
{
	random_fill(random, boot->id, sizeof(boot->id));
	random_fill(random, &boot->private_key, KEY_SIZE);
	x25519_clamp(&boot->private_key);
	x25519_public(&boot->private_key, &boot->public_key);
}

void pair_identity_init(struct pair_identity *identity, const struct key *private_key,
			const uint8_t network_id[NETWORK_ID_SIZE],
			const uint8_t site_secret[SITE_SECRET_SIZE], usec_t now,
			const struct random_source *random)
{
	memset(identity, 0, sizeof(*identity));
	identity->private_key = *private_key;
	x25519_public(private_key, &identity->public_key);
	memcpy(identity->network_id, network_id, NETWORK_ID_SIZE);
	memcpy(identity->site_secret, site_secret, SITE_SECRET_SIZE);
	boot_draw(&identity->boot, random);
	identity->renewed_at = now;
}

bool pair_identity_renew(struct pair_identity *identity, usec_t now,
			 const struct random_source *random)
{
	if (usec_since(now, identity->renewed_at) < PAIR_BOOT_LIFETIME)
		return false;
	/* Its id is still echoed for a while; its private key opens nothing any more. */
	identity->previous_boot = identity->boot;
	secret_wipe(&identity->previous_boot.private_key, KEY_SIZE);
	boot_draw(&identity->boot, random);
	identity->renewed_at = now;
	return true;
}

void pair_identity_wipe(struct pair_identity *identity)
{
	secret_wipe(identity, sizeof(*identity));
}

void pair_table_init(struct pair_table *table)
{
	hash_init(&table->indices, table->index_buckets, array_size(table->index_buckets));
	hash_init(&table->hints, table->hint_buckets, array_size(table->hint_buckets));
}

bool pair_is_lower(const struct pair_identity *identity, const struct key *peer)
{
	return key_compare(&identity->public_key, peer) < 0;
}

/* What HKDF needs of a pair: the secret half computed once, labels many times. */
struct pair_secret {
	uint8_t ikm[2 * KEY_SIZE];
	uint8_t salt[BLAKE2S_SIZE];
	struct key lower, higher;
};

static int secret_compute(const struct pair_identity *identity, const struct key *peer,
			  const struct key *psk, struct pair_secret *secret)
{
	static const char label[] = "wayleave pair v1";
	const struct hash_part parts[] = {{label, sizeof(label) - 1},
					  {identity->network_id, NETWORK_ID_SIZE}};
	bool is_lower = pair_is_lower(identity, peer);
	struct key shared;

	if (!key_is_canonical_point(peer) || x25519_shared(&identity->private_key, peer, &shared))
		return -EBADMSG;
	memset(secret, 0, sizeof(*secret));
	memcpy(secret->ikm, &shared, KEY_SIZE);
	if (psk)
		memcpy(secret->ikm + KEY_SIZE, psk, KEY_SIZE);
	blake2s(secret->salt, parts, array_size(parts));
	secret->lower = is_lower ? identity->public_key : *peer;
	secret->higher = is_lower ? *peer : identity->public_key;
	secret_wipe(&shared, sizeof(shared));
	return 0;
}

static void secret_expand(const struct pair_secret *secret, enum pair_purpose purpose,
			  enum pair_direction direction, struct key *ret_key)
{
	uint8_t info[16 + 2 * KEY_SIZE];
	size_t size = strlen(purpose_names[purpose]);

	memcpy(info, purpose_names[purpose], size);
	memcpy(info + size, &secret->lower, KEY_SIZE);
	memcpy(info + size + KEY_SIZE, &secret->higher, KEY_SIZE);
	info[size + 2 * KEY_SIZE] = (uint8_t)direction;
	hkdf_blake2s(ret_key, KEY_SIZE, secret->salt, sizeof(secret->salt), secret->ikm,
		     sizeof(secret->ikm), info, size + 2 * KEY_SIZE + 1);
}

int pair_derive(const struct pair_identity *identity, const struct key *peer, const struct key *psk,
		enum pair_purpose purpose, enum pair_direction direction, struct key *ret_key)
{
	struct pair_secret secret;
	int error = secret_compute(identity, peer, psk, &secret);

	if (!error)
		secret_expand(&secret, purpose, direction, ret_key);
	secret_wipe(&secret, sizeof(secret));
	return error;
}

/* The first 8 bytes of BLAKE2s(site secret; hint key): who lacks the site secret cannot link pairs.
 */
static uint64_t hint_compute(const struct pair_secret *secret, const struct pair_identity *identity,
			     enum pair_direction direction)
{
	struct hash_part part = {identity->site_secret, SITE_SECRET_SIZE};
	struct key key;
	uint8_t bytes[8];
	uint64_t hint = 0;

	secret_expand(secret, PAIR_HINT, direction, &key);
	blake2s_mac(bytes, sizeof(bytes), &key, KEY_SIZE, &part, 1);
	secret_wipe(&key, sizeof(key));
	for (int i = 7; i >= 0; i--)
		hint = hint << 8 | bytes[i];
	return hint;
}

static void index_set(struct pair_index *index, struct pair *pair, uint64_t value)
{
	if (index->value)
		hash_remove(&pair->table->indices, &index->node);
	index->value = value;
	index->pair = pair;
	if (value)
		hash_insert(&pair->table->indices, &index->node, value);
}

static uint64_t index_draw(const struct random_source *random)
{
	uint64_t value;

	do {
		value = random_u64(random);
	} while (!value);
	return value;
}

void pair_renew_index(struct pair *pair, const struct random_source *random)
{
	index_set(&pair->previous_index, pair, pair->index.value);
	index_set(&pair->index, pair, index_draw(random));
}

static void derive_all(struct pair *pair, const struct pair_identity *identity,
		       const struct pair_secret *secret)
{
	bool is_lower = pair_is_lower(identity, &pair->peer);
	enum pair_direction out = is_lower ? PAIR_LOWER_TO_HIGHER : PAIR_HIGHER_TO_LOWER;
	enum pair_direction in = is_lower ? PAIR_HIGHER_TO_LOWER : PAIR_LOWER_TO_HIGHER;

	secret_expand(secret, PAIR_CONTROL, out, &pair->control_send);
	secret_expand(secret, PAIR_CONTROL, in, &pair->control_receive);
	secret_expand(secret, PAIR_API, PAIR_BOTH, &pair->api);
	pair->hint_out = hint_compute(secret, identity, out);
	pair->hint_in = hint_compute(secret, identity, in);
}

int pair_init(struct pair *pair, const struct pair_identity *identity, struct pair_table *table,
	      const struct key *peer, const struct random_source *random)
{
	struct pair_secret secret;
	struct mask_key mask_key;
	int error = secret_compute(identity, peer, NULL, &secret);

	if (error)
		return error;
	memset(pair, 0, sizeof(*pair));
	pair->peer = *peer;
	pair->table = table;
	derive_all(pair, identity, &secret);
	secret_wipe(&secret, sizeof(secret));
	mask_key_derive(peer, identity->site_secret, MASK_TO_LISTENER, &mask_key);
	mask_init(&pair->mask, &mask_key);
	secret_wipe(&mask_key, sizeof(mask_key));
	hash_insert(&table->hints, &pair->hint_node, pair->hint_in);
	index_set(&pair->index, pair, index_draw(random));
	return 0;
}

void pair_done(struct pair *pair)
{
	index_set(&pair->index, pair, 0);
	index_set(&pair->previous_index, pair, 0);
	hash_remove(&pair->table->hints, &pair->hint_node);
	mask_done(&pair->mask);
	secret_wipe(pair, sizeof(*pair));
}

void pair_forget(struct pair *pair)
{
	secret_wipe(&pair->current, sizeof(pair->current));
	secret_wipe(&pair->pending, sizeof(pair->pending));
}
