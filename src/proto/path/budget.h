/* How often an address that never answered may be sent to (security 4): by this node, whoever named
 * the address, and however often it is named again. Addresses share slots by hash, which can only
 * make it less. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/time.h"

/* At most PATH_BUDGET packets in any PATH_BUDGET_PERIOD: two rounds. One of them is kept for
 * appointments and for answering to who is heard, or what a node tried on its own would silence it
 * when the other side listens. */
#define PATH_BUDGET        10
#define PATH_BUDGET_KEPT   5
#define PATH_BUDGET_PERIOD (30 * USEC_PER_SEC)
#define BUDGET_SLOTS       1024 /* a power of two */

struct budget {
	uint64_t seed;
	struct budget_slot {
		usec_t sent[PATH_BUDGET]; /* 0 = never; a ring */
		uint8_t next;             /* the oldest of them */
	} slots[BUDGET_SLOTS];
};

/* seed: secret, or strangers could choose addresses that share a slot with a peer's. */
void budget_init(struct budget *budget, uint64_t seed);
/* True: it may be sent, and is counted as sent. kept: so many of the budget must remain. */
bool budget_take(struct budget *budget, usec_t now, const struct address *to, size_t kept);
