#include "sys/loop/timer_heap.h"

#include <stdbool.h>

#include "base/memory.h"

static bool is_before(const struct timer_heap_entry *a, const struct timer_heap_entry *b)
{
	return a->time != b->time ? a->time < b->time : a->sequence < b->sequence;
}

static void put(struct timer_heap *heap, size_t place, struct timer_heap_entry entry)
{
	heap->entries[place] = entry;
	entry.timer->place = place + 1;
}

static void rise(struct timer_heap *heap, size_t place, struct timer_heap_entry entry)
{
	while (place) {
		size_t parent = (place - 1) / 2;

		if (!is_before(&entry, &heap->entries[parent]))
			break;
		put(heap, place, heap->entries[parent]);
		place = parent;
	}
	put(heap, place, entry);
}

static void sink(struct timer_heap *heap, size_t place, struct timer_heap_entry entry)
{
	for (;;) {
		size_t child = 2 * place + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
		    is_before(&heap->entries[child + 1], &heap->entries[child]))
			child++;
		if (!is_before(&heap->entries[child], &entry))
			break;
		put(heap, place, heap->entries[child]);
		place = child;
	}
	put(heap, place, entry);
}

/* Writes entry at place, whose old content is gone, and restores the order from there. */
static void settle(struct timer_heap *heap, size_t place, struct timer_heap_entry entry)
{
	if (place && is_before(&entry, &heap->entries[(place - 1) / 2]))
		rise(heap, place, entry);
	else
		sink(heap, place, entry);
}

void timer_heap_done(struct timer_heap *heap)
{
	free(heap->entries);
	*heap = (struct timer_heap){0};
}

void timer_heap_set(struct timer_heap *heap, struct loop_timer *timer, usec_t time)
{
	struct timer_heap_entry entry = {
		.time = time, .sequence = heap->sequence++, .timer = timer};

	if (timer->place) {
		settle(heap, timer->place - 1, entry);
		return;
	}
	if (heap->count == heap->capacity) {
		heap->capacity = heap->capacity ? 2 * heap->capacity : 16;
		heap->entries =
			memory_resize(heap->entries, heap->capacity, sizeof(*heap->entries));
	}
	rise(heap, heap->count++, entry);
}

void timer_heap_remove(struct timer_heap *heap, struct loop_timer *timer)
{
	size_t place = timer->place;

	if (!place)
		return;
	timer->place = 0;
	heap->count--;
	if (place - 1 < heap->count)
		settle(heap, place - 1, heap->entries[heap->count]);
}

usec_t timer_heap_earliest(const struct timer_heap *heap)
{
	return heap->count ? heap->entries[0].time : USEC_NEVER;
}

struct loop_timer *timer_heap_pop_due(struct timer_heap *heap, usec_t now)
{
	struct loop_timer *timer;

	if (!heap->count || heap->entries[0].time > now)
		return NULL;
	timer = heap->entries[0].timer;
	timer_heap_remove(heap, timer);
	return timer;
}
