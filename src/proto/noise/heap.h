/* Peers by the time at which they want attention: an intrusive pairing heap (Fredman et al. 1986),
 * so that idle peers cost nothing and no memory is asked for. */
#pragma once

#include <stdbool.h>

#include "base/time.h"

struct heap_node {
	usec_t when;
	struct heap_node *child, *sibling, *previous; /* previous: left sibling or parent */
	bool is_queued;
};

struct heap {
	struct heap_node *root;
};

void heap_insert(struct heap *heap, struct heap_node *node, usec_t when);
/* Harmless when it is not queued. */
void heap_remove(struct heap *heap, struct heap_node *node);
