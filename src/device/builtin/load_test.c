#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "device/builtin/workers.h"

#include <cmocka.h>

#define LOOK (200 * USEC_PER_MSEC)

static struct load load_new(unsigned workers_max)
{
	return (struct load){.workers_max = workers_max,
			     .looked_at = 100 * USEC_PER_SEC,
			     .quiet_since = 100 * USEC_PER_SEC};
}

/* In the next 200 ms the workers spend so many percent of a processor each. */
static enum load_wish pass(struct load *load, unsigned running, unsigned first, unsigned second)
{
	usec_t cpu[BUILTIN_WORKERS_MAX] = {load->cpu[0] + LOOK * first / 100,
					   load->cpu[1] + LOOK * second / 100};

	return load_judge(load, load->looked_at + LOOK, cpu, running);
}

static void a_busy_worker_wants_another(void **state)
{
	struct load load = load_new(2);

	assert_int_equal(pass(&load, 1, 84, 0), LOAD_FINE);
	assert_int_equal(pass(&load, 1, 85, 0), LOAD_ONE_MORE);
	assert_int_equal(pass(&load, 2, 100, 100), LOAD_FINE);
}

static void a_busy_further_worker_wants_another_too(void **state)
{
	struct load load = load_new(3);

	assert_int_equal(pass(&load, 2, 1, 90), LOAD_ONE_MORE);
}

static void alone_on_its_processor_nothing_comes(void **state)
{
	struct load load = load_new(1);

	assert_int_equal(pass(&load, 1, 100, 0), LOAD_FINE);
}

static void what_could_not_be_attached_is_not_tried_at_once(void **state)
{
	struct load load = load_new(2);

	load.retry_at = load.looked_at + 2 * LOOK;
	assert_int_equal(pass(&load, 1, 100, 0), LOAD_FINE);
	assert_int_equal(pass(&load, 1, 100, 0), LOAD_ONE_MORE);
}

static void half_a_minute_of_little_load_makes_one_less(void **state)
{
	struct load load = load_new(2);

	for (int i = 0; i < 149; i++)
		assert_int_equal(pass(&load, 2, 30, 19), LOAD_FINE);
	assert_int_equal(pass(&load, 2, 30, 20), LOAD_FINE);
	for (int i = 0; i < 149; i++)
		assert_int_equal(pass(&load, 2, 30, 19), LOAD_FINE);
	assert_int_equal(pass(&load, 2, 30, 19), LOAD_ONE_LESS);
	/* The last one stays. */
	assert_int_equal(pass(&load, 1, 0, 0), LOAD_FINE);
}

static void after_a_long_silence_the_first_look_says_nothing(void **state)
{
	struct load load = load_new(2);
	const usec_t cpu[BUILTIN_WORKERS_MAX] = {USEC_PER_SEC * 100};

	assert_int_equal(load_judge(&load, load.looked_at + 60 * USEC_PER_SEC, cpu, 2), LOAD_FINE);
	assert_int_equal(pass(&load, 2, 0, 0), LOAD_ONE_LESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_busy_worker_wants_another),
		cmocka_unit_test(a_busy_further_worker_wants_another_too),
		cmocka_unit_test(alone_on_its_processor_nothing_comes),
		cmocka_unit_test(what_could_not_be_attached_is_not_tried_at_once),
		cmocka_unit_test(half_a_minute_of_little_load_makes_one_less),
		cmocka_unit_test(after_a_long_silence_the_first_look_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
