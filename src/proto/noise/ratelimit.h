/* Token buckets per source, /32 or /64, for handshakes under load: 20 a second, bursts of 5 (as the
 * kernel does). A fixed number of slots; a newcomer takes the slot of the least recent of its
 * neighbours. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/time.h"

#define RATELIMIT_SLOTS    4096
#define RATELIMIT_INTERVAL (50 * USEC_PER_MSEC)
#define RATELIMIT_BURST    5

struct ratelimit {
	uint64_t seed;
	struct {
		uint64_t source;
		usec_t full_at; /* when the bucket will be full again */
	} slots[RATELIMIT_SLOTS];
};

bool ratelimit_allows(struct ratelimit *ratelimit, usec_t now, const struct address *from);
