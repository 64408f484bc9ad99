#include "proto/noise/ratelimit.h"

#include "base/hash.h"

#define NEIGHBOURS 4

bool ratelimit_allows(struct ratelimit *ratelimit, usec_t now, const struct address *from)
{
	uint64_t source =
		hash_bytes(ratelimit->seed, from->ip, from->family == FAMILY_IPV4 ? 4 : 8) | 1;
	size_t slot = SIZE_MAX, oldest = source % RATELIMIT_SLOTS;

	for (size_t i = 0; i < NEIGHBOURS; i++) {
		size_t place = (source + i) % RATELIMIT_SLOTS;

		if (ratelimit->slots[place].source == source)
			slot = place;
		if (ratelimit->slots[place].full_at < ratelimit->slots[oldest].full_at)
			oldest = place;
	}
	if (slot == SIZE_MAX) {
		slot = oldest;
		ratelimit->slots[slot].source = source;
		ratelimit->slots[slot].full_at = 0;
	}
	if (ratelimit->slots[slot].full_at < now)
		ratelimit->slots[slot].full_at = now;
	if (ratelimit->slots[slot].full_at - now > (RATELIMIT_BURST - 1) * RATELIMIT_INTERVAL)
		return false;
	ratelimit->slots[slot].full_at += RATELIMIT_INTERVAL;
	return true;
}
