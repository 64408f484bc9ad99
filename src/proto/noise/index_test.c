#include "proto/noise/test_world.h"

/* First a value that is taken and one that must not be, then others. */
static void script_fill(void *owner, void *out, size_t size)
{
	uint32_t *calls = owner, values[] = {0, 77, 0, 77, 78};

	assert_int_equal(size, sizeof(uint32_t));
	memcpy(out, &values[(*calls)++], size);
}

static void a_drawn_index_is_neither_zero_nor_taken(void **state)
{
	struct world *world = world_new(__func__, NULL);
	const struct random_source *before = world->a.wg.ops.random;
	uint32_t calls = 0;
	struct random_source script = {script_fill, &calls};
	struct wg_index first = {0};
	uint32_t value;

	world->a.wg.ops.random = &script;
	value = index_draw(&world->a.wg);
	assert_int_equal(value, 77);
	index_insert(&world->a.wg, &first, value, &world->a.peer, NULL);
	assert_int_equal(index_draw(&world->a.wg), 78);
	assert_int_equal(calls, 5);
	index_remove(&world->a.wg, &first);
	world->a.wg.ops.random = before;
	world_free(world);
}

static void an_index_is_found_until_it_is_removed(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct wg *wg = &world->a.wg;
	static struct wg_index entries[5000];

	for (size_t i = 0; i < array_size(entries); i++) {
		entries[i] = (struct wg_index){0};
		index_insert(wg, &entries[i], index_draw(wg), &world->a.peer, NULL);
	}
	for (size_t i = 0; i < array_size(entries); i++)
		assert_ptr_equal(index_find(wg, entries[i].value), &entries[i]);
	for (size_t i = 0; i < array_size(entries); i++) {
		uint32_t value = entries[i].value;

		index_remove(wg, &entries[i]);
		assert_null(index_find(wg, value));
		/* Again is harmless. */
		index_remove(wg, &entries[i]);
	}
	assert_int_equal(wg->indices.count, 0);
	assert_null(index_find(wg, 0));
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drawn_index_is_neither_zero_nor_taken),
		cmocka_unit_test(an_index_is_found_until_it_is_removed),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
