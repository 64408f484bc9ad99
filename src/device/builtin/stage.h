/* Packets that wait for their peer's handshake. The memory is one pool that all peers of a device
 * share, taken at the start and touched only as it is used; each peer has a bounded queue. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/* The bytes of its packet are at pool->memory + index * pool->slot_size. */
struct staged {
	struct list node;
	uint32_t size;
};

struct stage_pool {
	uint8_t *memory;
	size_t slot_size, slot_count;
	struct staged *slots;
	struct list unused;
	size_t unused_count;
};

/* One peer's queue, oldest first. */
struct stage {
	struct list packets;
	size_t count;
};

enum stage_result {
	STAGE_KEPT,
	STAGE_KEPT_FOR_OLDEST, /* this peer's oldest packet went for it */
	STAGE_TOO_BIG,
	STAGE_FULL, /* the pool is empty, and this peer has nothing to give */
};

void stage_pool_init(struct stage_pool *pool, size_t packet_size_max, size_t count);
/* All queues are empty by then. */
void stage_pool_done(struct stage_pool *pool);

void stage_init(struct stage *stage);
/* How many packets a peer may have now: at most half of what is left, so that many hungry peers
 * leave room for one more (the dynamic threshold of Choudhury and Hahne, 1998). 1 .. maximum. */
size_t stage_limit(const struct stage_pool *pool, size_t maximum);
/* Room for a packet of this size at the end of the queue, to be filled at once: *ret_room is set
 * when the packet is kept. limit: how many the peer may have, > 0. */
enum stage_result stage_put(struct stage_pool *pool, struct stage *stage, size_t limit, size_t size,
			    uint8_t **ret_room);
/* The oldest packet; NULL when the queue is empty. */
const uint8_t *stage_first(const struct stage_pool *pool, const struct stage *stage,
			   size_t *ret_size);
/* Gives the oldest packet's room back. */
void stage_drop_first(struct stage_pool *pool, struct stage *stage);
/* Returns how many there were. */
size_t stage_clear(struct stage_pool *pool, struct stage *stage);
