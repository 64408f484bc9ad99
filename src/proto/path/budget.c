#include "proto/path/budget.h"

#include <string.h>

#include "base/hash.h"

void budget_init(struct budget *budget, uint64_t seed)
{
	memset(budget, 0, sizeof(*budget));
	budget->seed = seed;
}

static struct budget_slot *slot_of(struct budget *budget, const struct address *to)
{
	uint8_t bytes[sizeof(to->ip) + 2];

	memcpy(bytes, to->ip, sizeof(to->ip));
	bytes[sizeof(to->ip)] = (uint8_t)to->port;
	bytes[sizeof(to->ip) + 1] = (uint8_t)(to->port >> 8);
	return &budget->slots[hash_bytes(budget->seed, bytes, sizeof(bytes)) % BUDGET_SLOTS];
}

bool budget_take(struct budget *budget, usec_t now, const struct address *to, size_t kept)
{
	struct budget_slot *slot = slot_of(budget, to);
	/* The oldest of those that would count. */
	usec_t oldest = slot->sent[(slot->next + kept) % PATH_BUDGET];

	if (oldest && usec_since(now, oldest) < PATH_BUDGET_PERIOD)
		return false;
	slot->sent[slot->next] = now;
	slot->next = (uint8_t)((slot->next + 1) % PATH_BUDGET);
	return true;
}
