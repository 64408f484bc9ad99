/* mac1, mac2 and cookies (WireGuard paper, 5.4.4, 5.4.7 and 5.3). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/key.h"
#include "base/random_source.h"
#include "base/time.h"
#include "proto/wire/wireguard.h"

#define COOKIE_SIZE            16
#define COOKIE_SECRET_LIFETIME (120 * USEC_PER_SEC)
/* A cookie is used until shortly before its secret may be gone. */
#define COOKIE_USABLE          (115 * USEC_PER_SEC)

struct aead;

/* For messages to us. */
struct cookie_checker {
	struct key mac1_key, cookie_key;
	uint8_t secret[32];
	usec_t secret_at;
	bool has_secret;
	/* The cookie computed last, and whose it is: a check and a reply need the same. */
	struct address cookie_for;
	uint8_t cookie[COOKIE_SIZE];
};

/* For messages to one peer. */
struct cookie_maker {
	struct key mac1_key, cookie_key;
	uint8_t cookie[COOKIE_SIZE], last_mac1[COOKIE_SIZE];
	usec_t received;
	bool has_cookie, has_last_mac1;
};

void cookie_checker_init(struct cookie_checker *checker, const struct key *own_public);
void cookie_maker_init(struct cookie_maker *maker, const struct key *peer_public);

/* size: of the message; the macs are its last 32 bytes. */
bool cookie_mac1_is_valid(const struct cookie_checker *checker, const uint8_t *message,
			  size_t size);
bool cookie_mac2_is_valid(struct cookie_checker *checker, usec_t now,
			  const struct random_source *random, const struct address *from,
			  const uint8_t *message, size_t size);
/* The reply that makes the sender prove its address. receiver: the sender index of its message. */
void cookie_reply_create(struct cookie_checker *checker, struct aead *aead, usec_t now,
			 const struct random_source *random, const struct address *from,
			 const uint8_t *message, size_t size, uint8_t out[WG_COOKIE_SIZE]);
/* Fills mac1, and mac2 if there is a fresh cookie. */
void cookie_add_macs(struct cookie_maker *maker, usec_t now, uint8_t *message, size_t size);
bool cookie_reply_consume(struct cookie_maker *maker, struct aead *aead, usec_t now,
			  const uint8_t message[WG_COOKIE_SIZE]);
