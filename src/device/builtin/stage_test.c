#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "device/builtin/stage.h"
#include "device/builtin/test_traffic.h"

#include <cmocka.h>

#define SLOTS 8
#define LIMIT 3

static struct stage_pool pool;
static struct stage a, b;

static int set_up(void **state)
{
	stage_pool_init(&pool, 1500, SLOTS);
	stage_init(&a);
	stage_init(&b);
	return 0;
}

static int tear_down(void **state)
{
	stage_clear(&pool, &a);
	stage_clear(&pool, &b);
	stage_pool_done(&pool);
	return 0;
}

static enum stage_result put(struct stage *stage, size_t limit, const char *text)
{
	uint8_t *room = NULL;
	enum stage_result result = stage_put(&pool, stage, limit, strlen(text), &room);

	if (room)
		memcpy(room, text, strlen(text));
	return result;
}

static void assert_first(struct stage *stage, const char *text)
{
	size_t size = 0;
	const uint8_t *packet = stage_first(&pool, stage, &size);

	assert_non_null(packet);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(packet, text, size);
	stage_drop_first(&pool, stage);
}

static void packets_leave_in_the_order_they_came(void **state)
{
	assert_int_equal(put(&a, LIMIT, "one"), STAGE_KEPT);
	assert_int_equal(put(&b, LIMIT, "other"), STAGE_KEPT);
	assert_int_equal(put(&a, LIMIT, "two"), STAGE_KEPT);
	assert_first(&a, "one");
	assert_first(&a, "two");
	assert_first(&b, "other");
	assert_int_equal(a.count + b.count, 0);
}

static void a_full_queue_gives_its_oldest(void **state)
{
	put(&a, LIMIT, "one");
	put(&a, LIMIT, "two");
	put(&a, LIMIT, "three");
	assert_int_equal(put(&a, LIMIT, "four"), STAGE_KEPT_FOR_OLDEST);
	assert_int_equal(a.count, LIMIT);
	assert_first(&a, "two");
}

static void a_packet_that_is_too_big_is_refused(void **state)
{
	uint8_t *room = NULL;

	assert_int_equal(stage_put(&pool, &a, LIMIT, 1500, &room), STAGE_KEPT);
	room = NULL;
	assert_int_equal(stage_put(&pool, &a, LIMIT, 1601, &room), STAGE_TOO_BIG);
	assert_null(room);
	assert_int_equal(a.count, 1);
}

static void an_empty_pool_never_takes_from_another_peer(void **state)
{
	for (int i = 0; i < SLOTS; i++)
		assert_int_equal(put(&a, SLOTS, "a"), STAGE_KEPT);
	assert_int_equal(put(&b, LIMIT, "b"), STAGE_FULL);
	assert_int_equal(put(&a, 2 * SLOTS, "last"), STAGE_KEPT_FOR_OLDEST);
	assert_int_equal(a.count, SLOTS);
	assert_int_equal(stage_clear(&pool, &a), SLOTS);
	assert_int_equal(put(&b, LIMIT, "b"), STAGE_KEPT);
}

static void a_peer_may_have_half_of_what_is_left(void **state)
{
	assert_int_equal(stage_limit(&pool, 100), SLOTS / 2);
	assert_int_equal(stage_limit(&pool, 2), 2);
	for (int i = 0; i < 6; i++)
		put(&a, SLOTS, "a");
	assert_int_equal(stage_limit(&pool, 100), 1);
	put(&a, SLOTS, "a");
	put(&a, SLOTS, "a");
	assert_int_equal(stage_limit(&pool, 100), 1);
	stage_clear(&pool, &a);
	assert_int_equal(stage_limit(&pool, 100), SLOTS / 2);
}

static void an_empty_queue_has_no_first(void **state)
{
	size_t size;

	assert_null(stage_first(&pool, &a, &size));
	stage_drop_first(&pool, &a);
	assert_int_equal(stage_clear(&pool, &a), 0);
}

/* Against a plain array, with the bytes of each packet. */
static void random_runs_agree_with_an_array(void **state)
{
	struct random_numbers numbers = seeded_random();
	uint32_t expected[SLOTS] = {0};
	size_t count = 0;

	for (uint32_t step = 0; step < 5000; step++) {
		uint8_t *room = NULL;
		size_t size;

		if (random_up_to(&numbers, 2)) {
			stage_put(&pool, &a, 5, 4, &room);
			memcpy(room, &step, 4);
			if (count == 5)
				memmove(expected, expected + 1, sizeof(expected[0]) * --count);
			expected[count++] = step;
		} else if (count) {
			assert_memory_equal(stage_first(&pool, &a, &size), &expected[0], 4);
			stage_drop_first(&pool, &a);
			memmove(expected, expected + 1, sizeof(expected[0]) * --count);
		}
		assert_int_equal(a.count, count);
	}
}

#define stage_unit_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		stage_unit_test(packets_leave_in_the_order_they_came),
		stage_unit_test(a_full_queue_gives_its_oldest),
		stage_unit_test(a_packet_that_is_too_big_is_refused),
		stage_unit_test(an_empty_pool_never_takes_from_another_peer),
		stage_unit_test(a_peer_may_have_half_of_what_is_left),
		stage_unit_test(an_empty_queue_has_no_first),
		stage_unit_test(random_runs_agree_with_an_array),
	};

	return cmocka_run_group_tests_name("stage", tests, NULL, NULL);
}
