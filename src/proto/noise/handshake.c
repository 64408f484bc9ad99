#include "proto/noise/handshake.h"

#include <string.h>

#include "base/cursor.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "proto/wire/wireguard.h"

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

static void mix_hash(uint8_t hash[BLAKE2S_SIZE], const void *data, size_t size)
{
	const struct hash_part parts[] = {{hash, BLAKE2S_SIZE}, {data, size}};

	blake2s(hash, parts, 2);
}

static void start(uint8_t chaining[BLAKE2S_SIZE], uint8_t hash[BLAKE2S_SIZE],
		  const struct key *responder)
{
	const struct hash_part part = {construction, sizeof(construction) - 1};

	blake2s(chaining, &part, 1);
	memcpy(hash, chaining, BLAKE2S_SIZE);
	mix_hash(hash, identifier, sizeof(identifier) - 1);
	mix_hash(hash, responder, KEY_SIZE);
}

/* MixKey with a shared secret that was computed before. */
static void mix_shared(uint8_t chaining[BLAKE2S_SIZE], struct key *ret_key,
		       const struct key *shared)
{
	noise_kdf(chaining, shared, KEY_SIZE, chaining, ret_key ? ret_key->bytes : NULL, NULL);
}

static bool mix_dh(uint8_t chaining[BLAKE2S_SIZE], struct key *ret_key,
		   const struct key *private_key, const struct key *public_key)
{
	struct key shared;

	if (!key_is_canonical_point(public_key) || x25519_shared(private_key, public_key, &shared))
		return false;
	mix_shared(chaining, ret_key, &shared);
	secret_wipe(&shared, sizeof(shared));
	return true;
}

static void mix_ephemeral(uint8_t chaining[BLAKE2S_SIZE], uint8_t hash[BLAKE2S_SIZE],
			  const struct key *ephemeral)
{
	mix_hash(hash, ephemeral, KEY_SIZE);
	noise_kdf(chaining, ephemeral, KEY_SIZE, chaining, NULL, NULL);
}

static void mix_preshared(uint8_t chaining[BLAKE2S_SIZE], uint8_t hash[BLAKE2S_SIZE],
			  struct key *ret_key, const struct key *preshared)
{
	uint8_t temporary[BLAKE2S_SIZE];

	noise_kdf(chaining, preshared, KEY_SIZE, chaining, temporary, ret_key->bytes);
	mix_hash(hash, temporary, sizeof(temporary));
	secret_wipe(temporary, sizeof(temporary));
}

static void seal_and_hash(struct aead *aead, const struct key *key, uint8_t hash[BLAKE2S_SIZE],
			  const void *plain, size_t size, uint8_t *out)
{
	aead_seal(aead, key, 0, hash, BLAKE2S_SIZE, plain, size, out);
	mix_hash(hash, out, size + AEAD_TAG_SIZE);
}

static bool open_and_hash(struct aead *aead, const struct key *key, uint8_t hash[BLAKE2S_SIZE],
			  const uint8_t *sealed, size_t size, void *out)
{
	bool is_fine = aead_open(aead, key, 0, hash, BLAKE2S_SIZE, sealed, size, out);

	mix_hash(hash, sealed, size);
	return is_fine;
}

static void new_ephemeral(const struct random_source *random, struct key *ret_private,
			  struct key *ret_public)
{
	random_fill(random, ret_private, KEY_SIZE);
	x25519_clamp(ret_private);
	x25519_public(ret_private, ret_public);
}

void handshake_set_identity(struct handshake *handshake, const struct noise_identity *identity)
{
	handshake->has_static_static =
		identity->is_set &&
		!key_is_equal(&identity->public_key, &handshake->remote_static) &&
		!x25519_shared(&identity->private_key, &handshake->remote_static,
			       &handshake->static_static);
	if (!handshake->has_static_static)
		secret_wipe(&handshake->static_static, KEY_SIZE);
}

void handshake_init(struct handshake *handshake, const struct noise_identity *identity,
		    const struct key *remote_static)
{
	memset(handshake, 0, sizeof(*handshake));
	handshake->remote_static = *remote_static;
	handshake_set_identity(handshake, identity);
}

void handshake_clear(struct handshake *handshake)
{
	handshake->state = HANDSHAKE_NONE;
	secret_wipe(&handshake->ephemeral, KEY_SIZE);
	secret_wipe(handshake->chaining, BLAKE2S_SIZE);
	secret_wipe(handshake->hash, BLAKE2S_SIZE);
	handshake->local_index = 0;
}

bool handshake_initiate(struct handshake *handshake, const struct noise_identity *identity,
			struct aead *aead, const struct random_source *random,
			const uint8_t stamp[STAMP_SIZE], uint32_t local_index, uint8_t *message)
{
	struct writer writer = writer_over(message, WG_INITIATION_SIZE);
	uint8_t *chaining = handshake->chaining, *hash = handshake->hash;
	struct key key, public_key;

	handshake_clear(handshake);
	if (!identity->is_set || !handshake->has_static_static)
		return false;
	memset(message, 0, WG_INITIATION_SIZE);
	write_u32(&writer, WG_INITIATION);
	write_u32(&writer, local_index);
	start(chaining, hash, &handshake->remote_static);
	/* e */
	new_ephemeral(random, &handshake->ephemeral, &public_key);
	write_bytes(&writer, &public_key, KEY_SIZE);
	mix_ephemeral(chaining, hash, &public_key);
	/* es */
	if (!mix_dh(chaining, &key, &handshake->ephemeral, &handshake->remote_static)) {
		handshake_clear(handshake);
		return false;
	}
	/* s */
	seal_and_hash(aead, &key, hash, &identity->public_key, KEY_SIZE,
		      message + WG_INITIATION_STATIC);
	/* ss */
	mix_shared(chaining, &key, &handshake->static_static);
	/* {t} */
	seal_and_hash(aead, &key, hash, stamp, STAMP_SIZE, message + WG_INITIATION_TIMESTAMP);
	secret_wipe(&key, sizeof(key));
	handshake->local_index = local_index;
	handshake->state = HANDSHAKE_INITIATION_SENT;
	return true;
}

bool handshake_open(const struct noise_identity *identity, struct aead *aead,
		    const uint8_t *message, struct handshake_opening *ret_opening)
{
	struct reader reader = reader_over(message + WG_INITIATION_SENDER, 4);
	struct handshake_opening *opening = ret_opening;
	struct key key;
	bool is_fine;

	if (!identity->is_set)
		return false;
	opening->remote_index = read_u32(&reader);
	memcpy(&opening->remote_ephemeral, message + WG_INITIATION_EPHEMERAL, KEY_SIZE);
	start(opening->chaining, opening->hash, &identity->public_key);
	/* e, es, s */
	mix_ephemeral(opening->chaining, opening->hash, &opening->remote_ephemeral);
	is_fine = mix_dh(opening->chaining, &key, &identity->private_key,
			 &opening->remote_ephemeral) &&
		  open_and_hash(aead, &key, opening->hash, message + WG_INITIATION_STATIC,
				KEY_SIZE + AEAD_TAG_SIZE, &opening->remote_static);
	secret_wipe(&key, sizeof(key));
	if (!is_fine)
		secret_wipe(opening, sizeof(*opening));
	return is_fine;
}

enum handshake_verdict handshake_accept(struct handshake *handshake, struct aead *aead, usec_t now,
					usec_t interval, struct handshake_opening *opening,
					const uint8_t *message)
{
	uint8_t stamp[STAMP_SIZE];
	struct key key;
	bool is_fine;

	if (!handshake->has_static_static)
		return HANDSHAKE_FORGED;
	/* ss, {t} */
	mix_shared(opening->chaining, &key, &handshake->static_static);
	is_fine = open_and_hash(aead, &key, opening->hash, message + WG_INITIATION_TIMESTAMP,
				STAMP_SIZE + AEAD_TAG_SIZE, stamp);
	secret_wipe(&key, sizeof(key));
	if (!is_fine)
		return HANDSHAKE_FORGED;
	if (memcmp(stamp, handshake->latest_stamp, STAMP_SIZE) <= 0)
		return HANDSHAKE_REPLAYED;
	if (handshake->has_initiation && usec_since(now, handshake->last_initiation) < interval)
		return HANDSHAKE_FLOOD;
	memcpy(handshake->latest_stamp, stamp, STAMP_SIZE);
	handshake->last_initiation = now;
	handshake->has_initiation = true;
	return HANDSHAKE_FINE;
}

/* The two keys after the last message; the initiator's sending key comes first. */
static void derive(const uint8_t chaining[BLAKE2S_SIZE], struct handshake_session *session)
{
	struct key *first = session->is_initiator ? &session->send : &session->receive;
	struct key *second = session->is_initiator ? &session->receive : &session->send;

	noise_kdf(chaining, NULL, 0, first->bytes, second->bytes, NULL);
}

bool handshake_respond(const struct handshake *handshake, struct aead *aead,
		       const struct random_source *random, struct handshake_opening *opening,
		       uint32_t local_index, uint8_t *message,
		       struct handshake_session *ret_session)
{
	struct writer writer = writer_over(message, WG_RESPONSE_SIZE);
	uint8_t *chaining = opening->chaining, *hash = opening->hash;
	struct key key, ephemeral, public_key;
	bool is_fine;

	memset(message, 0, WG_RESPONSE_SIZE);
	write_u32(&writer, WG_RESPONSE);
	write_u32(&writer, local_index);
	write_u32(&writer, opening->remote_index);
	/* e, ee, se, psk */
	new_ephemeral(random, &ephemeral, &public_key);
	write_bytes(&writer, &public_key, KEY_SIZE);
	mix_ephemeral(chaining, hash, &public_key);
	is_fine = mix_dh(chaining, NULL, &ephemeral, &opening->remote_ephemeral) &&
		  mix_dh(chaining, NULL, &ephemeral, &handshake->remote_static);
	secret_wipe(&ephemeral, sizeof(ephemeral));
	if (!is_fine)
		return false;
	mix_preshared(chaining, hash, &key, &handshake->preshared);
	/* {} */
	seal_and_hash(aead, &key, hash, NULL, 0, message + WG_RESPONSE_EMPTY);
	secret_wipe(&key, sizeof(key));
	*ret_session = (struct handshake_session){
		.local_index = local_index,
		.remote_index = opening->remote_index,
	};
	derive(chaining, ret_session);
	return true;
}

bool handshake_consume_response(struct handshake *handshake, const struct noise_identity *identity,
				struct aead *aead, const uint8_t *message,
				struct handshake_session *ret_session)
{
	struct reader reader = reader_over(message + WG_RESPONSE_SENDER, 4);
	uint8_t chaining[BLAKE2S_SIZE], hash[BLAKE2S_SIZE], nothing[1];
	struct key key, ephemeral;
	bool is_fine;

	if (handshake->state != HANDSHAKE_INITIATION_SENT || !identity->is_set)
		return false;
	memcpy(chaining, handshake->chaining, BLAKE2S_SIZE);
	memcpy(hash, handshake->hash, BLAKE2S_SIZE);
	memcpy(&ephemeral, message + WG_RESPONSE_EPHEMERAL, KEY_SIZE);
	/* e, ee, se, psk, {} */
	mix_ephemeral(chaining, hash, &ephemeral);
	is_fine = mix_dh(chaining, NULL, &handshake->ephemeral, &ephemeral) &&
		  mix_dh(chaining, NULL, &identity->private_key, &ephemeral);
	if (is_fine) {
		mix_preshared(chaining, hash, &key, &handshake->preshared);
		is_fine = open_and_hash(aead, &key, hash, message + WG_RESPONSE_EMPTY,
					AEAD_TAG_SIZE, nothing);
		secret_wipe(&key, sizeof(key));
	}
	if (is_fine) {
		*ret_session = (struct handshake_session){
			.local_index = handshake->local_index,
			.remote_index = read_u32(&reader),
			.is_initiator = true,
		};
		derive(chaining, ret_session);
		handshake_clear(handshake);
	}
	secret_wipe(chaining, sizeof(chaining));
	secret_wipe(hash, sizeof(hash));
	return is_fine;
}
