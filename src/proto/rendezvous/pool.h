/* Rules of the address pools: which host of a prefix a node may get. A pool is the hub's own
 * address with the network's length, "100.100.96.1/24". Knows nothing of who has which address: it
 * asks for the taken ones in ascending order, so that a /8 costs no more than its nodes do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

enum pool_result {
	POOL_OK,
	POOL_OUTSIDE,   /* not in the prefix */
	POOL_RESERVED,  /* the network's own or its broadcast address */
	POOL_HUB,       /* the hub's */
	POOL_TAKEN,     /* a node has it, or it is held back after a removal */
	POOL_EXHAUSTED, /* no free address is left */
};

/* A clause for people: "is outside of the network". */
const char *pool_result_text(enum pool_result result);

/* Taken addresses of the pool's family, held-back ones included, at least those inside the prefix.
 */
struct pool_taken {
	/* The lowest taken address that is >= from, in *ret_ip; false when there is none. Asked
	 * with rising addresses within one call of a pool_ function. */
	bool (*next)(void *owner, const uint8_t from[16], uint8_t ret_ip[16]);
	void *owner;
};

/* A pool that can exist: the hub's address is a host of it. /31 (RFC 3021), /127 (RFC 6164), /32
 * and /128 reserve nothing; otherwise IPv4 reserves the first and the last address, and IPv6 the
 * first (subnet-router anycast, RFC 4291 2.6.1). */
bool pool_is_valid(const struct prefix *pool);
/* How many nodes fit, at most UINT64_MAX. */
uint64_t pool_capacity(const struct prefix *pool);
/* Whether a node may have this address, apart from who has it: POOL_OK, _OUTSIDE, _RESERVED, _HUB.
 */
enum pool_result pool_check(const struct prefix *pool, const struct address *address);
/* The same, and that nobody has it: also POOL_TAKEN. */
enum pool_result pool_request(const struct prefix *pool, const struct address *address,
			      const struct pool_taken *taken);
/* The lowest free address. POOL_OK or POOL_EXHAUSTED. */
enum pool_result pool_next(const struct prefix *pool, const struct pool_taken *taken,
			   struct address *ret_address);
/* The address's number within its pool, its low 32 bits: 100.100.96.3/24 is 3. */
uint32_t pool_host_number(const struct prefix *pool, const struct address *address);
