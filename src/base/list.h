/* Intrusive doubly linked list. A removed node points at itself, so removing twice is harmless. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"

struct list {
	struct list *next, *previous;
};

static inline void list_init(struct list *list)
{
	list->next = list->previous = list;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_add_before(struct list *place, struct list *node)
{
	node->previous = place->previous;
	node->next = place;
	place->previous->next = node;
	place->previous = node;
}

static inline void list_append(struct list *list, struct list *node)
{
	list_add_before(list, node);
}

static inline void list_prepend(struct list *list, struct list *node)
{
	list_add_before(list->next, node);
}

static inline void list_remove(struct list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	list_init(node);
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(list, type, member) \
	(list_is_empty(list) ? NULL : list_entry((list)->next, type, member))

/* The body must not remove entries; use list_for_each_safe for that. */
#define list_for_each(entry, list, member)                                 \
	for (entry = list_entry((list)->next, __typeof__(*entry), member); \
	     &entry->member != (list);                                     \
	     entry = list_entry(entry->member.next, __typeof__(*entry), member))

#define list_for_each_safe(entry, after, list, member)                          \
	for (entry = list_entry((list)->next, __typeof__(*entry), member),      \
	    after = list_entry(entry->member.next, __typeof__(*entry), member); \
	     &entry->member != (list);                                          \
	     entry = after, after = list_entry(entry->member.next, __typeof__(*entry), member))
