#include "proto/noise/cookie.h"

#include <string.h>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

static void labelled_key(struct key *ret_key, const char *label, const struct key *public_key)
{
	const struct hash_part parts[] = {{label, 8}, {public_key, KEY_SIZE}};

	blake2s(ret_key->bytes, parts, 2);
}

void cookie_checker_init(struct cookie_checker *checker, const struct key *own_public)
{
	*checker = (struct cookie_checker){0};
	labelled_key(&checker->mac1_key, "mac1----", own_public);
	labelled_key(&checker->cookie_key, "cookie--", own_public);
}

void cookie_maker_init(struct cookie_maker *maker, const struct key *peer_public)
{
	*maker = (struct cookie_maker){0};
	labelled_key(&maker->mac1_key, "mac1----", peer_public);
	labelled_key(&maker->cookie_key, "cookie--", peer_public);
}

static void mac1_compute(uint8_t out[COOKIE_SIZE], const struct key *key, const uint8_t *message,
			 size_t size)
{
	const struct hash_part part = {message, size - 2 * COOKIE_SIZE};

	blake2s_mac(out, COOKIE_SIZE, key, KEY_SIZE, &part, 1);
}

static void mac2_compute(uint8_t out[COOKIE_SIZE], const uint8_t cookie[COOKIE_SIZE],
			 const uint8_t *message, size_t size)
{
	const struct hash_part part = {message, size - COOKIE_SIZE};

	blake2s_mac(out, COOKIE_SIZE, cookie, COOKIE_SIZE, &part, 1);
}

bool cookie_mac1_is_valid(const struct cookie_checker *checker, const uint8_t *message, size_t size)
{
	uint8_t mac1[COOKIE_SIZE];

	mac1_compute(mac1, &checker->mac1_key, message, size);
	return secret_is_equal(mac1, message + size - 2 * COOKIE_SIZE, COOKIE_SIZE);
}

/* Valid until the next call. */
static const uint8_t *cookie_of(struct cookie_checker *checker, usec_t now,
				const struct random_source *random, const struct address *from)
{
	const struct hash_part parts[] = {{from->ip, family_size(from->family)}, {&from->port, 2}};

	if (!checker->has_secret || usec_since(now, checker->secret_at) >= COOKIE_SECRET_LIFETIME) {
		random_fill(random, checker->secret, sizeof(checker->secret));
		checker->secret_at = now;
		checker->has_secret = true;
	} else if (address_is_equal(&checker->cookie_for, from)) {
		return checker->cookie;
	}
	blake2s_mac(checker->cookie, COOKIE_SIZE, checker->secret, sizeof(checker->secret), parts,
		    2);
	checker->cookie_for = *from;
	return checker->cookie;
}

bool cookie_mac2_is_valid(struct cookie_checker *checker, usec_t now,
			  const struct random_source *random, const struct address *from,
			  const uint8_t *message, size_t size)
{
	static const uint8_t nothing[COOKIE_SIZE];
	const uint8_t *shown = message + size - COOKIE_SIZE;
	uint8_t mac2[COOKIE_SIZE];

	/* Most of a flood does not even pretend. */
	if (!memcmp(shown, nothing, COOKIE_SIZE))
		return false;
	mac2_compute(mac2, cookie_of(checker, now, random, from), message, size);
	return secret_is_equal(mac2, shown, COOKIE_SIZE);
}

void cookie_reply_create(struct cookie_checker *checker, struct aead *aead, usec_t now,
			 const struct random_source *random, const struct address *from,
			 const uint8_t *message, size_t size, uint8_t out[WG_COOKIE_SIZE])
{
	const uint8_t *cookie = cookie_of(checker, now, random, from);

	memset(out, 0, WG_COOKIE_SIZE);
	out[0] = WG_COOKIE;
	/* The sender index stands at the same place in initiations and responses. */
	memcpy(out + WG_COOKIE_RECEIVER, message + WG_INITIATION_SENDER, 4);
	random_fill(random, out + WG_COOKIE_NONCE, XAEAD_NONCE_SIZE);
	xaead_seal(aead, &checker->cookie_key, out + WG_COOKIE_NONCE,
		   message + size - 2 * COOKIE_SIZE, COOKIE_SIZE, cookie, COOKIE_SIZE,
		   out + WG_COOKIE_SEALED);
}

void cookie_add_macs(struct cookie_maker *maker, usec_t now, uint8_t *message, size_t size)
{
	uint8_t *mac1 = message + size - 2 * COOKIE_SIZE, *mac2 = message + size - COOKIE_SIZE;

	mac1_compute(mac1, &maker->mac1_key, message, size);
	memcpy(maker->last_mac1, mac1, COOKIE_SIZE);
	maker->has_last_mac1 = true;
	if (maker->has_cookie && usec_since(now, maker->received) < COOKIE_USABLE)
		mac2_compute(mac2, maker->cookie, message, size);
	else
		memset(mac2, 0, COOKIE_SIZE);
}

bool cookie_reply_consume(struct cookie_maker *maker, struct aead *aead, usec_t now,
			  const uint8_t message[WG_COOKIE_SIZE])
{
	uint8_t cookie[COOKIE_SIZE];

	if (!maker->has_last_mac1 ||
	    !xaead_open(aead, &maker->cookie_key, message + WG_COOKIE_NONCE, maker->last_mac1,
			COOKIE_SIZE, message + WG_COOKIE_SEALED, COOKIE_SIZE + AEAD_TAG_SIZE,
			cookie))
		return false;
	memcpy(maker->cookie, cookie, COOKIE_SIZE);
	maker->received = now;
	maker->has_cookie = true;
	maker->has_last_mac1 = false;
	return true;
}
