#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>

#include "base/memory.h"
#include "crypto/random.h"

#include <cmocka.h>

static void two_draws_differ(void **state)
{
	uint8_t first[32], second[32];

	random_bytes(first, sizeof(first));
	random_fill(&random_system, second, sizeof(second));
	assert_memory_not_equal(first, second, sizeof(first));
}

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
	alarms++;
}

/* A signal cuts a draw of more than 256 bytes short (getrandom(2)); this one takes long enough for
 * many. */
#define LARGE_SIZE ((size_t)32 << 20)

static void a_draw_that_signals_interrupt_is_filled_to_its_end_and_no_further(void **state)
{
	struct sigaction action = {.sa_handler = count_alarm}, before;
	struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
	auto_free uint8_t *data = new_array(uint8_t, LARGE_SIZE + 16);
	const uint8_t *end = data + LARGE_SIZE;
	size_t zeros = 0;

	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	random_bytes(data, LARGE_SIZE);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	assert_int_not_equal(alarms, 0);
	for (const uint8_t *byte = end - 100000; byte < end; byte++)
		zeros += !*byte;
	/* 391 expected, deviation 20: ten deviations either way. */
	assert_in_range(zeros, 191, 591);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(end[i], 0);
}

static void a_draw_of_nothing_writes_nothing(void **state)
{
	uint8_t byte = 0x5a;

	random_bytes(&byte, 0);
	assert_int_equal(byte, 0x5a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_draws_differ),
		cmocka_unit_test(a_draw_that_signals_interrupt_is_filled_to_its_end_and_no_further),
		cmocka_unit_test(a_draw_of_nothing_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
