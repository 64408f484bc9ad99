#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/list.h"
#include "seeded.h"

#include <cmocka.h>

struct item {
	int number;
	struct list node;
};

static void an_empty_list_has_no_first_entry(void **state)
{
	struct list list;
	struct item *item;

	list_init(&list);
	assert_true(list_is_empty(&list));
	assert_null(list_first(&list, struct item, node));
	list_for_each (item, &list, node)
		fail();
}

static void removing_twice_is_harmless(void **state)
{
	struct item first = {1}, second = {2}, third = {3};
	struct list list;

	list_init(&list);
	list_append(&list, &first.node);
	list_append(&list, &second.node);
	list_remove(&first.node);
	/* Where first was, third is now: a second removal must not unlink that. */
	list_prepend(&list, &third.node);
	list_remove(&first.node);
	assert_ptr_equal(list_first(&list, struct item, node), &third);
	list_remove(&third.node);
	list_remove(&second.node);
	list_remove(&second.node);
	assert_true(list_is_empty(&list));
}

static void the_safe_walk_survives_removal(void **state)
{
	struct item items[5], *item, *after;
	struct list list;
	int sum = 0;

	list_init(&list);
	for (int i = 0; i < 5; i++) {
		items[i].number = i;
		list_append(&list, &items[i].node);
	}
	list_for_each_safe (item, after, &list, node) {
		sum += item->number;
		list_remove(&item->node);
		/* The walk must not read it any more. */
		memset(&item->node, 0xaa, sizeof(item->node));
	}
	assert_int_equal(sum, 10);
	assert_true(list_is_empty(&list));
}

/* The model: numbers in an array. */
struct model {
	int numbers[64];
	size_t count;
};

static void model_insert(struct model *model, size_t place, int number)
{
	memmove(model->numbers + place + 1, model->numbers + place,
		(model->count - place) * sizeof(int));
	model->numbers[place] = number;
	model->count++;
}

static size_t model_find(const struct model *model, int number)
{
	size_t place = 0;

	while (place < model->count && model->numbers[place] != number)
		place++;
	return place;
}

static void check(const struct list *list, const struct model *model)
{
	struct item *item;
	size_t place = 0;

	list_for_each (item, list, node) {
		assert_true(place < model->count);
		assert_int_equal(item->number, model->numbers[place++]);
		assert_ptr_equal(item->node.next->previous, &item->node);
	}
	assert_int_equal(place, model->count);
}

static void any_order_of_changes_keeps_the_order_of_entries(void **state)
{
	struct model model = {0};
	struct item items[32];
	struct seeded seeded;
	struct list list;

	seeded_start(&seeded, __func__);
	list_init(&list);
	for (int i = 0; i < 32; i++)
		items[i].number = i;
	for (int round = 0; round < 5000; round++) {
		int number = (int)seeded_below(&seeded, 32);
		int other = (int)seeded_below(&seeded, 32);
		size_t place = model_find(&model, number), there;

		if (place < model.count) {
			list_remove(&items[number].node);
			model.count--;
			memmove(model.numbers + place, model.numbers + place + 1,
				(model.count - place) * sizeof(int));
		} else if (seeded_below(&seeded, 2)) {
			list_append(&list, &items[number].node);
			model_insert(&model, model.count, number);
		} else if (seeded_below(&seeded, 2)) {
			list_prepend(&list, &items[number].node);
			model_insert(&model, 0, number);
		} else if ((there = model_find(&model, other)) < model.count) {
			list_add_before(&items[other].node, &items[number].node);
			model_insert(&model, there, number);
		}
		check(&list, &model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_list_has_no_first_entry),
		cmocka_unit_test(removing_twice_is_harmless),
		cmocka_unit_test(the_safe_walk_survives_removal),
		cmocka_unit_test(any_order_of_changes_keeps_the_order_of_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
