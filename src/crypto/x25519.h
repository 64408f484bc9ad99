/* X25519 (RFC 7748). */
#pragma once

#include "base/key.h"

/* Clamps in place, as WireGuard stores private keys. */
void x25519_clamp(struct key *private_key);
void x25519_public(const struct key *private_key, struct key *ret_public);
/* 0, or -EBADMSG when the result is all zero (a low-order point): refused everywhere. */
int x25519_shared(const struct key *private_key, const struct key *public_key,
		  struct key *ret_shared);
