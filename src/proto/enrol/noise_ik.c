#include "proto/enrol/noise_ik.h"

#include <string.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"

void noise_ik_mix_hash(struct enrol_noise *noise, const void *data, size_t size)
{
	const struct hash_part parts[] = {{noise->hash, BLAKE2S_SIZE}, {data, size}};

	blake2s(noise->hash, parts, 2);
}

void noise_ik_start(struct enrol_noise *noise, const uint8_t network_id[NETWORK_ID_SIZE],
		    const struct key *hub)
{
	static const char name[] = "Noise_IK_25519_ChaChaPoly_BLAKE2s";
	static const char label[] = "wayleave enrol v1";
	const struct hash_part part = {name, sizeof(name) - 1};
	uint8_t prologue[sizeof(label) - 1 + NETWORK_ID_SIZE];

	memset(noise, 0, sizeof(*noise));
	blake2s(noise->hash, &part, 1);
	memcpy(noise->chaining, noise->hash, BLAKE2S_SIZE);
	memcpy(prologue, label, sizeof(label) - 1);
	memcpy(prologue + sizeof(label) - 1, network_id, NETWORK_ID_SIZE);
	noise_ik_mix_hash(noise, prologue, sizeof(prologue));
	noise_ik_mix_hash(noise, hub, KEY_SIZE);
}

bool noise_ik_mix_key(struct enrol_noise *noise, const struct key *private_key,
		      const struct key *public_key)
{
	struct key shared;

	if (!key_is_canonical_point(public_key) || x25519_shared(private_key, public_key, &shared))
		return false;
	noise_kdf(noise->chaining, &shared, KEY_SIZE, noise->chaining, noise->key.bytes, NULL);
	noise->counter = 0;
	secret_wipe(&shared, sizeof(shared));
	return true;
}

void noise_ik_seal(struct enrol_noise *noise, struct aead *aead, const void *plain, size_t size,
		   void *out)
{
	aead_seal(aead, &noise->key, noise->counter++, noise->hash, BLAKE2S_SIZE, plain, size, out);
	noise_ik_mix_hash(noise, out, size + ENROL_TAG);
}

bool noise_ik_open(struct enrol_noise *noise, struct aead *aead, const void *sealed, size_t size,
		   void *out)
{
	bool is_fine = aead_open(aead, &noise->key, noise->counter++, noise->hash, BLAKE2S_SIZE,
				 sealed, size, out);

	noise_ik_mix_hash(noise, sealed, size);
	return is_fine;
}

void enrol_token_verifier(const uint8_t token[TOKEN_SIZE], uint8_t ret_verifier[BLAKE2S_SIZE])
{
	const struct hash_part part = {token, TOKEN_SIZE};

	blake2s(ret_verifier, &part, 1);
}

void enrol_proof(uint8_t out[BLAKE2S_SIZE], const uint8_t verifier[BLAKE2S_SIZE],
		 const uint8_t handshake_hash[BLAKE2S_SIZE])
{
	static const char label[] = "wayleave token v1";
	const struct hash_part parts[] = {{label, sizeof(label) - 1},
					  {handshake_hash, BLAKE2S_SIZE}};

	blake2s_mac(out, BLAKE2S_SIZE, verifier, BLAKE2S_SIZE, parts, 2);
}

static void labelled_key(struct key *ret_key, const char *label, const struct key *hub)
{
	const struct hash_part parts[] = {{label, strlen(label)}, {hub, KEY_SIZE}};

	blake2s(ret_key->bytes, parts, 2);
}

void enrol_mac1(uint8_t out[16], const struct key *hub, const uint8_t *data, size_t size)
{
	const struct hash_part part = {data, size};
	struct key key;

	labelled_key(&key, "wayleave enrol mac1", hub);
	blake2s_mac(out, 16, &key, KEY_SIZE, &part, 1);
}

void enrol_mac2(uint8_t out[16], const uint8_t cookie[16], const uint8_t *data, size_t size)
{
	const struct hash_part part = {data, size};

	blake2s_mac(out, 16, cookie, 16, &part, 1);
}

void enrol_cookie_key(struct key *ret_key, const struct key *hub)
{
	labelled_key(ret_key, "wayleave enrol cookie", hub);
}

void enrol_header(uint8_t *out, uint8_t class, const uint8_t id[8],
		  const struct random_source *random)
{
	memset(out, 0, MASK_HEADER_SIZE);
	out[0] = class;
	memcpy(out + 4, id, 8);
	random_fill(random, out + 12, 4);
}

const char *enrol_status_text(enum enrol_status status)
{
	switch (status) {
	case ENROL_WELCOME:
		return "welcome";
	case ENROL_TOKEN_UNKNOWN:
		return "the hub does not know this token; ask for a new join string";
	case ENROL_TOKEN_EXPIRED:
		return "the token has expired; ask for a new join string";
	case ENROL_TOKEN_USED:
		return "the token was used up; ask for a new join string";
	case ENROL_TOKEN_REVOKED:
		return "the token was revoked; ask for a new join string";
	case ENROL_KEY_REMOVED:
		return "this node's key was removed from the network; use a new key, or ask the "
		       "hub's operator to add it with --force";
	case ENROL_POOL_EMPTY:
		return "the hub has no free address left";
	case ENROL_CLOSED:
		return "the hub could not write its registry; ask its operator to look at its log";
	}
	return "the hub refused for a reason that this version does not know";
}
