#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "proto/noise/ratelimit.h"
#include "seeded.h"

#include <cmocka.h>

static struct ratelimit *limit_new(void)
{
	struct ratelimit *limit = new (struct ratelimit);

	limit->seed = 42;
	return limit;
}

static struct address address_of(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, 0, &address), 0);
	return address;
}

static unsigned allowed_of(struct ratelimit *limit, usec_t now, const char *from, unsigned tries)
{
	struct address address = address_of(from);
	unsigned allowed = 0;

	while (tries-- > 0)
		allowed += ratelimit_allows(limit, now, &address);
	return allowed;
}

static void a_source_has_a_burst_and_then_its_rate(void **state)
{
	auto_free struct ratelimit *limit = limit_new();
	usec_t now = 10 * USEC_PER_SEC;

	assert_int_equal(allowed_of(limit, now, "192.0.2.1:1", 100), RATELIMIT_BURST);
	assert_int_equal(allowed_of(limit, now + RATELIMIT_INTERVAL - 1, "192.0.2.1:1", 100), 0);
	assert_int_equal(allowed_of(limit, now + RATELIMIT_INTERVAL, "192.0.2.1:1", 100), 1);
	now += 10 * USEC_PER_SEC;
	assert_int_equal(allowed_of(limit, now, "192.0.2.1:1", 100), RATELIMIT_BURST);
}

static void over_time_a_source_gets_20_a_second(void **state)
{
	auto_free struct ratelimit *limit = limit_new();
	usec_t now = USEC_PER_SEC, end = now + 60 * USEC_PER_SEC;
	unsigned allowed = 0;

	for (; now < end; now += USEC_PER_MSEC)
		allowed += allowed_of(limit, now, "192.0.2.1:1", 1);
	assert_in_range(allowed, 60 * 20, 60 * 20 + RATELIMIT_BURST);
}

static void ports_share_a_bucket_and_addresses_do_not(void **state)
{
	auto_free struct ratelimit *limit = limit_new();

	assert_int_equal(allowed_of(limit, USEC_PER_SEC, "192.0.2.1:1", 100), RATELIMIT_BURST);
	assert_int_equal(allowed_of(limit, USEC_PER_SEC, "192.0.2.1:2", 100), 0);
	assert_int_equal(allowed_of(limit, USEC_PER_SEC, "192.0.2.2:1", 100), RATELIMIT_BURST);
}

static void an_ipv6_source_is_a_64(void **state)
{
	auto_free struct ratelimit *limit = limit_new();

	assert_int_equal(allowed_of(limit, USEC_PER_SEC, "[2001:db8:0:1::1]:1", 100),
			 RATELIMIT_BURST);
	assert_int_equal(allowed_of(limit, USEC_PER_SEC, "[2001:db8:0:1:ffff::9]:1", 100), 0);
	assert_int_equal(allowed_of(limit, USEC_PER_SEC, "[2001:db8:0:2::1]:1", 100),
			 RATELIMIT_BURST);
}

/* Many sources cost no memory, and a busy source does not get out of its bucket because of them. */
static void a_flood_of_sources_leaves_a_busy_source_limited(void **state)
{
	auto_free struct ratelimit *limit = limit_new();
	struct address stranger = address_of("10.0.0.0:1");
	usec_t now = USEC_PER_SEC;
	unsigned allowed = 0;

	for (uint32_t i = 0; i < 100000; i++, now += 10) {
		memcpy(stranger.ip + 1, &i, 3);
		ratelimit_allows(limit, now, &stranger);
		allowed += allowed_of(limit, now, "192.0.2.1:1", 1);
	}
	/* One second has passed. */
	assert_in_range(allowed, 20, 20 + RATELIMIT_BURST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_has_a_burst_and_then_its_rate),
		cmocka_unit_test(over_time_a_source_gets_20_a_second),
		cmocka_unit_test(ports_share_a_bucket_and_addresses_do_not),
		cmocka_unit_test(an_ipv6_source_is_a_64),
		cmocka_unit_test(a_flood_of_sources_leaves_a_busy_source_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
