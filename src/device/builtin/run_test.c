#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "device/builtin/run.h"

#include <cmocka.h>

static uint8_t room[RUN_SIZE_MAX];
static struct wg_peer a, b;

static struct run empty_run(void)
{
	struct run run = {.room = room};

	run_clear(&run);
	return run;
}

static void a_datagram_is_padded_to_16_but_not_beyond_the_mtu(void **state)
{
	assert_int_equal(run_sealed_size(0, 1420), 32);
	assert_int_equal(run_sealed_size(1, 1420), 48);
	assert_int_equal(run_sealed_size(16, 1420), 48);
	assert_int_equal(run_sealed_size(17, 1420), 64);
	assert_int_equal(run_sealed_size(1408, 1420), 1440);
	assert_int_equal(run_sealed_size(1409, 1420), 1452);
	assert_int_equal(run_sealed_size(1420, 1420), 1452);
	assert_int_equal(run_sealed_size(1430, 1420), 1462);
}

static void packets_lie_where_their_datagrams_will_be(void **state)
{
	struct run run = empty_run();

	assert_ptr_equal(run_add(&run, &a, 100, 1420), room + 16);
	assert_true(run_may_add(&run, &a, 100, 1420));
	assert_ptr_equal(run_add(&run, &a, 100, 1420), room + 144 + 16);
	assert_int_equal(run.stride, 144);
	assert_int_equal(run.used, 288);
	assert_ptr_equal(run_packet(&run, 1), room + 144 + 16);
}

static void a_shorter_packet_ends_the_run(void **state)
{
	struct run run = empty_run();

	run_add(&run, &a, 100, 1420);
	assert_true(run_may_add(&run, &a, 97, 1420));
	run_add(&run, &a, 97, 1420);
	assert_true(run_may_add(&run, &a, 10, 1420));
	run_add(&run, &a, 10, 1420);
	assert_false(run_may_add(&run, &a, 10, 1420));
	assert_int_equal(run.used, 144 + 144 + 48);
}

static void a_longer_packet_or_another_peer_does_not_join(void **state)
{
	struct run run = empty_run();

	run_add(&run, &a, 100, 1420);
	assert_false(run_may_add(&run, &a, 113, 1420));
	assert_false(run_may_add(&run, &b, 100, 1420));
	run_clear(&run);
	assert_true(run_may_add(&run, &b, 113, 1420));
}

static void a_run_never_passes_what_two_messages_take(void **state)
{
	struct run run = empty_run();
	size_t count = 0;

	while (run_may_add(&run, &a, 1420, 1420)) {
		run_add(&run, &a, 1420, 1420);
		count++;
	}
	assert_int_equal(count, RUN_SIZE_MAX / 1452);
	assert_true(run.used <= RUN_SIZE_MAX);
	run_clear(&run);
	for (count = 0; run_may_add(&run, &a, 50, 1420); count++)
		run_add(&run, &a, 50, 1420);
	assert_int_equal(count, RUN_PACKETS_MAX);
	run_clear(&run);
	assert_false(run_may_add(&run, &a, UDP_PAYLOAD_MAX - 31, 65456));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_is_padded_to_16_but_not_beyond_the_mtu),
		cmocka_unit_test(packets_lie_where_their_datagrams_will_be),
		cmocka_unit_test(a_shorter_packet_ends_the_run),
		cmocka_unit_test(a_longer_packet_or_another_peer_does_not_join),
		cmocka_unit_test(a_run_never_passes_what_two_messages_take),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
