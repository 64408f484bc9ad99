#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "proto/noise/heap.h"
#include "seeded.h"

#include <cmocka.h>

static void the_earliest_comes_first_whatever_the_order(void **state)
{
	const usec_t times[] = {5, 3, 9, 1, 7, 1, 8};
	struct heap_node nodes[array_size(times)] = {0};
	struct heap heap = {0};
	usec_t last = 0;

	for (size_t i = 0; i < array_size(times); i++)
		heap_insert(&heap, &nodes[i], times[i]);
	for (size_t i = 0; i < array_size(times); i++) {
		struct heap_node *first = heap.root;

		assert_true(first->when >= last);
		last = first->when;
		heap_remove(&heap, first);
		assert_false(first->is_queued);
	}
	assert_null(heap.root);
	assert_int_equal(last, 9);
}

static void removing_what_is_not_queued_is_harmless(void **state)
{
	struct heap_node in = {0}, out = {0};
	struct heap heap = {0};

	heap_insert(&heap, &in, 1);
	heap_remove(&heap, &out);
	assert_ptr_equal(heap.root, &in);
	heap_remove(&heap, &in);
	heap_remove(&heap, &in);
	assert_null(heap.root);
}

#define NODES 200

static usec_t model_first(const usec_t *times)
{
	usec_t first = USEC_NEVER;

	for (size_t i = 0; i < NODES; i++)
		first = usec_earlier(first, times[i]);
	return first;
}

static void it_agrees_with_an_unsorted_array(void **state)
{
	struct heap_node nodes[NODES] = {0};
	struct heap heap = {0};
	struct seeded seeded;
	usec_t times[NODES];

	seeded_start(&seeded, __func__);
	memset(times, 0xff, sizeof(times));
	for (int i = 0; i < 100000; i++) {
		size_t which = seeded_below(&seeded, NODES);

		if (seeded_below(&seeded, 5) < 3) {
			times[which] = seeded_below(&seeded, 1000);
			heap_insert(&heap, &nodes[which], times[which]);
		} else {
			times[which] = USEC_NEVER;
			heap_remove(&heap, &nodes[which]);
		}
		assert_int_equal(nodes[which].is_queued, times[which] != USEC_NEVER);
		assert_int_equal(heap.root ? heap.root->when : USEC_NEVER, model_first(times));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_earliest_comes_first_whatever_the_order),
		cmocka_unit_test(removing_what_is_not_queued_is_harmless),
		cmocka_unit_test(it_agrees_with_an_unsorted_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
