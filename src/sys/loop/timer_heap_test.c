#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "seeded.h"
#include "sys/loop/timer_heap.h"

#include <cmocka.h>

#define TIMERS       40
#define STEPS        20000
#define HIGHEST_TIME 100 /* low, so that equal times are frequent */

/* The model: a plain array, searched from end to end. */
struct model {
	usec_t times[TIMERS]; /* USEC_NEVER: not set */
	uint64_t orders[TIMERS];
	uint64_t order;
};

static int model_earliest(const struct model *model)
{
	int best = -1;

	for (int i = 0; i < TIMERS; i++) {
		if (model->times[i] == USEC_NEVER)
			continue;
		if (best < 0 || model->times[i] < model->times[best] ||
		    (model->times[i] == model->times[best] &&
		     model->orders[i] < model->orders[best]))
			best = i;
	}
	return best;
}

static void compare_earliest(const struct timer_heap *heap, const struct model *model)
{
	int best = model_earliest(model);

	assert_int_equal(timer_heap_earliest(heap), best < 0 ? USEC_NEVER : model->times[best]);
}

static void pop_and_compare(struct timer_heap *heap, struct model *model,
			    const struct loop_timer *timers, usec_t now)
{
	const struct loop_timer *timer = timer_heap_pop_due(heap, now);
	int best = model_earliest(model);

	if (best < 0 || model->times[best] > now) {
		assert_null(timer);
		return;
	}
	assert_ptr_equal(timer, &timers[best]);
	assert_int_equal(timer->place, 0);
	model->times[best] = USEC_NEVER;
}

static void the_heap_agrees_with_a_plain_array(void **state)
{
	struct loop_timer timers[TIMERS] = {0};
	struct timer_heap heap = {0};
	struct model model = {0};
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int i = 0; i < TIMERS; i++)
		model.times[i] = USEC_NEVER;
	for (int step = 0; step < STEPS; step++) {
		uint32_t i = seeded_below(&seeded, TIMERS),
			 time = seeded_below(&seeded, HIGHEST_TIME);

		switch (seeded_below(&seeded, 4)) {
		case 0:
		case 1:
			timer_heap_set(&heap, &timers[i], time);
			model.times[i] = time;
			model.orders[i] = model.order++;
			break;
		case 2:
			timer_heap_remove(&heap, &timers[i]);
			model.times[i] = USEC_NEVER;
			break;
		case 3:
			pop_and_compare(&heap, &model, timers, time);
			break;
		}
		compare_earliest(&heap, &model);
	}
	while (heap.count)
		pop_and_compare(&heap, &model, timers, HIGHEST_TIME);
	assert_int_equal(model_earliest(&model), -1);
	timer_heap_done(&heap);
}

static void removing_twice_is_harmless(void **state)
{
	struct loop_timer a = {0}, b = {0};
	struct timer_heap heap = {0};

	timer_heap_remove(&heap, &a);
	timer_heap_set(&heap, &a, 1);
	timer_heap_set(&heap, &b, 2);
	timer_heap_remove(&heap, &a);
	timer_heap_remove(&heap, &a);
	assert_int_equal(heap.count, 1);
	assert_ptr_equal(timer_heap_pop_due(&heap, 2), &b);
	timer_heap_done(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_heap_agrees_with_a_plain_array),
		cmocka_unit_test(removing_twice_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
