#include "proto/rendezvous/pool.h"

#include <string.h>

const char *pool_result_text(enum pool_result result)
{
	switch (result) {
	case POOL_OK:
		return "is free";
	case POOL_OUTSIDE:
		return "is outside of the network";
	case POOL_RESERVED:
		return "is the network's own or its broadcast address";
	case POOL_HUB:
		return "is the hub's own address";
	case POOL_TAKEN:
		return "is taken";
	case POOL_EXHAUSTED:
		return "no address is free";
	}
	return "";
}

static bool reserves_first(const struct prefix *pool)
{
	return pool->bits + 2 <= family_bits(pool->family);
}

static bool reserves_last(const struct prefix *pool)
{
	return pool->family == FAMILY_IPV4 && reserves_first(pool);
}

/* The prefix with every host bit set. */
static void last_ip(const struct prefix *pool, uint8_t ret_ip[16])
{
	struct prefix masked = prefix_masked(pool);

	memcpy(ret_ip, masked.ip, 16);
	for (unsigned bit = pool->bits; bit < family_bits(pool->family); bit++)
		ret_ip[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
}

static void ip_add_one(uint8_t family, uint8_t ip[16])
{
	for (size_t i = family_size(family); i-- > 0;) {
		if (++ip[i])
			return;
	}
}

static void ip_subtract_one(uint8_t family, uint8_t ip[16])
{
	for (size_t i = family_size(family); i-- > 0;) {
		if (ip[i]--)
			return;
	}
}

static bool has_usable_shape(const struct prefix *pool)
{
	return (pool->family == FAMILY_IPV4 || pool->family == FAMILY_IPV6) &&
	       pool->bits <= family_bits(pool->family);
}

bool pool_is_valid(const struct prefix *pool)
{
	struct prefix masked;
	uint8_t last[16];

	if (!has_usable_shape(pool))
		return false;
	masked = prefix_masked(pool);
	last_ip(pool, last);
	return !(reserves_first(pool) && !memcmp(pool->ip, masked.ip, 16)) &&
	       !(reserves_last(pool) && !memcmp(pool->ip, last, 16));
}

uint64_t pool_capacity(const struct prefix *pool)
{
	unsigned host_bits = family_bits(pool->family) - pool->bits;

	if (host_bits >= 64)
		return UINT64_MAX;
	return (UINT64_C(1) << host_bits) - 1 /* the hub */ - reserves_first(pool) -
	       reserves_last(pool);
}

enum pool_result pool_check(const struct prefix *pool, const struct address *address)
{
	struct prefix masked = prefix_masked(pool);
	uint8_t last[16];

	if (!prefix_contains_ip(pool, address->family, address->ip))
		return POOL_OUTSIDE;
	if (!memcmp(address->ip, pool->ip, family_size(pool->family)))
		return POOL_HUB;
	last_ip(pool, last);
	if (reserves_first(pool) && !memcmp(address->ip, masked.ip, family_size(pool->family)))
		return POOL_RESERVED;
	if (reserves_last(pool) && !memcmp(address->ip, last, family_size(pool->family)))
		return POOL_RESERVED;
	return POOL_OK;
}

static bool is_taken(const struct pool_taken *taken, uint8_t family, const uint8_t ip[16],
		     uint8_t ret_next[16])
{
	return taken->next(taken->owner, ip, ret_next) &&
	       !memcmp(ret_next, ip, family_size(family));
}

enum pool_result pool_request(const struct prefix *pool, const struct address *address,
			      const struct pool_taken *taken)
{
	enum pool_result result = pool_check(pool, address);
	uint8_t next[16] = {0};

	if (result == POOL_OK && is_taken(taken, pool->family, address->ip, next))
		result = POOL_TAKEN;
	return result;
}

enum pool_result pool_next(const struct prefix *pool, const struct pool_taken *taken,
			   struct address *ret_address)
{
	struct prefix masked = prefix_masked(pool);
	uint8_t ip[16], last[16], next[16] = {0};

	memcpy(ip, masked.ip, sizeof(ip));
	last_ip(pool, last);
	if (reserves_first(pool))
		ip_add_one(pool->family, ip);
	if (reserves_last(pool))
		ip_subtract_one(pool->family, last);
	for (;; ip_add_one(pool->family, ip)) {
		if (memcmp(ip, pool->ip, sizeof(ip)) && !is_taken(taken, pool->family, ip, next)) {
			*ret_address = address_from_ip(pool->family, ip, 0);
			return POOL_OK;
		}
		/* Compared before the step, which may wrap around. */
		if (!memcmp(ip, last, sizeof(ip)))
			return POOL_EXHAUSTED;
	}
}

uint32_t pool_host_number(const struct prefix *pool, const struct address *address)
{
	size_t size = family_size(pool->family);
	unsigned host_bits = family_bits(pool->family) - pool->bits;
	uint32_t number = 0;

	for (size_t i = size - 4; i < size; i++)
		number = number << 8 | address->ip[i];
	return host_bits >= 32 ? number : number & ((UINT32_C(1) << host_bits) - 1);
}
