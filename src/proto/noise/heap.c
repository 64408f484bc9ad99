#include "proto/noise/heap.h"

#include <stddef.h>

static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->when < a->when) {
		struct heap_node *swap = a;

		a = b;
		b = swap;
	}
	b->previous = a;
	b->sibling = a->child;
	if (a->child)
		a->child->previous = b;
	a->child = b;
	return a;
}

/* Two passes without recursion: pair from the left, then meld the pairs. */
static struct heap_node *merge_siblings(struct heap_node *first)
{
	struct heap_node *pairs = NULL, *root = NULL;

	while (first) {
		struct heap_node *a = first, *b = first->sibling;

		first = b ? b->sibling : NULL;
		a->sibling = a->previous = NULL;
		if (b)
			b->sibling = b->previous = NULL;
		a = meld(a, b);
		a->sibling = pairs;
		pairs = a;
	}
	while (pairs) {
		struct heap_node *next = pairs->sibling;

		pairs->sibling = NULL;
		root = meld(root, pairs);
		pairs = next;
	}
	return root;
}

void heap_insert(struct heap *heap, struct heap_node *node, usec_t when)
{
	heap_remove(heap, node);
	*node = (struct heap_node){.when = when, .is_queued = true};
	heap->root = meld(heap->root, node);
	heap->root->previous = heap->root->sibling = NULL;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
	struct heap_node *children;

	if (!node->is_queued)
		return;
	if (heap->root == node) {
		heap->root = merge_siblings(node->child);
	} else {
		if (node->previous->child == node)
			node->previous->child = node->sibling;
		else
			node->previous->sibling = node->sibling;
		if (node->sibling)
			node->sibling->previous = node->previous;
		children = merge_siblings(node->child);
		heap->root = meld(heap->root, children);
	}
	if (heap->root)
		heap->root->previous = heap->root->sibling = NULL;
	*node = (struct heap_node){0};
}
