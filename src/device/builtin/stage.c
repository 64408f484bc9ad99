#include "device/builtin/stage.h"

#include "base/memory.h"

/* Slots begin on cache lines. */
#define SLOT_ALIGNMENT 64

void stage_pool_init(struct stage_pool *pool, size_t packet_size_max, size_t count)
{
	pool->slot_size = (packet_size_max + SLOT_ALIGNMENT - 1) / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
	pool->slot_count = count;
	pool->memory = new_array(uint8_t, count * pool->slot_size);
	pool->slots = new_array(struct staged, count);
	pool->unused_count = count;
	list_init(&pool->unused);
	for (size_t i = 0; i < count; i++)
		list_append(&pool->unused, &pool->slots[i].node);
}

void stage_pool_done(struct stage_pool *pool)
{
	free(pool->memory);
	free(pool->slots);
	*pool = (struct stage_pool){0};
}

void stage_init(struct stage *stage)
{
	list_init(&stage->packets);
	stage->count = 0;
}

static struct staged *first_of(const struct stage *stage)
{
	return list_first(&stage->packets, struct staged, node);
}

static uint8_t *room_of(const struct stage_pool *pool, const struct staged *staged)
{
	return pool->memory + (size_t)(staged - pool->slots) * pool->slot_size;
}

size_t stage_limit(const struct stage_pool *pool, size_t maximum)
{
	size_t half = pool->unused_count / 2;

	if (half > maximum)
		return maximum;
	return half ? half : 1;
}

enum stage_result stage_put(struct stage_pool *pool, struct stage *stage, size_t limit, size_t size,
			    uint8_t **ret_room)
{
	enum stage_result result = STAGE_KEPT;
	struct staged *staged;

	if (size > pool->slot_size)
		return STAGE_TOO_BIG;
	if (stage->count >= limit || list_is_empty(&pool->unused)) {
		if (!stage->count)
			return STAGE_FULL;
		stage_drop_first(pool, stage);
		result = STAGE_KEPT_FOR_OLDEST;
	}
	/* The slot used last, while its memory is still in the cache. */
	staged = list_first(&pool->unused, struct staged, node);
	list_remove(&staged->node);
	pool->unused_count--;
	list_append(&stage->packets, &staged->node);
	stage->count++;
	staged->size = (uint32_t)size;
	*ret_room = room_of(pool, staged);
	return result;
}

const uint8_t *stage_first(const struct stage_pool *pool, const struct stage *stage,
			   size_t *ret_size)
{
	const struct staged *staged = first_of(stage);

	if (!staged)
		return NULL;
	*ret_size = staged->size;
	return room_of(pool, staged);
}

void stage_drop_first(struct stage_pool *pool, struct stage *stage)
{
	struct staged *staged = first_of(stage);

	if (!staged)
		return;
	list_remove(&staged->node);
	list_prepend(&pool->unused, &staged->node);
	pool->unused_count++;
	stage->count--;
}

size_t stage_clear(struct stage_pool *pool, struct stage *stage)
{
	size_t count = stage->count;

	while (stage->count)
		stage_drop_first(pool, stage);
	return count;
}
