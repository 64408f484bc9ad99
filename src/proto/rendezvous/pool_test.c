#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "proto/rendezvous/pool.h"
#include "seeded.h"

#include <cmocka.h>

/* Taken addresses, sorted. */
struct set {
	uint8_t ips[600][16];
	size_t count, asked;
};

static bool set_next(void *owner, const uint8_t from[16], uint8_t ret_ip[16])
{
	struct set *set = owner;

	set->asked++;
	for (size_t i = 0; i < set->count; i++) {
		if (memcmp(set->ips[i], from, 16) >= 0) {
			memcpy(ret_ip, set->ips[i], 16);
			return true;
		}
	}
	return false;
}

static void set_add(struct set *set, const struct address *address)
{
	size_t place = 0;

	while (place < set->count && memcmp(set->ips[place], address->ip, 16) < 0)
		place++;
	memmove(set->ips[place + 1], set->ips[place], (set->count - place) * 16);
	memcpy(set->ips[place], address->ip, 16);
	set->count++;
}

static struct prefix pool_of(const char *text)
{
	struct prefix pool;

	assert_int_equal(prefix_parse(text, &pool), 0);
	return pool;
}

static struct address ip_of(const char *text)
{
	struct prefix host = pool_of(text);

	return prefix_address(&host);
}

/* The addresses a pool gives in order, as "a b c", until it is exhausted or `limit` were given. */
static const char *given(const char *pool_text, size_t limit)
{
	static char all[512];
	struct prefix pool = pool_of(pool_text);
	struct set set = {0};
	struct pool_taken taken = {set_next, &set};
	struct address address;
	char text[ADDRESS_TEXT_SIZE];

	all[0] = '\0';
	while (set.count < limit && pool_next(&pool, &taken, &address) == POOL_OK) {
		if (set.count)
			strcat(all, " ");
		strcat(all, address_print_ip(&address, text));
		set_add(&set, &address);
	}
	return all;
}

static void network_broadcast_and_hub_are_never_given(void **state)
{
	assert_string_equal(given("10.0.0.1/29", 9),
			    "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6");
	assert_string_equal(given("10.0.0.6/29", 9),
			    "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5");
	assert_string_equal(given("10.0.0.1/30", 9), "10.0.0.2");
	assert_string_equal(given("10.0.0.0/31", 9), "10.0.0.1");
	assert_string_equal(given("10.0.0.1/31", 9), "10.0.0.0");
	assert_string_equal(given("10.0.0.1/32", 9), "");
	assert_string_equal(given("fd00::1/126", 9), "fd00::2 fd00::3");
	assert_string_equal(given("fd00::/127", 9), "fd00::1");
	assert_string_equal(given("fd00::1/128", 9), "");
	assert_string_equal(given("fd00::5/64", 5), "fd00::1 fd00::2 fd00::3 fd00::4 fd00::6");
	assert_string_equal(given("255.255.255.254/29", 9),
			    "255.255.255.249 255.255.255.250 255.255.255.251 255.255.255.252 "
			    "255.255.255.253");
	assert_string_equal(given("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", 9),
			    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void a_big_pool_costs_no_more_than_its_nodes(void **state)
{
	struct prefix pools[] = {pool_of("10.0.0.1/8"), pool_of("fd00::1/16"),
				 pool_of("10.0.0.1/0"), pool_of("fd00::1/0")};

	for (size_t i = 0; i < array_size(pools); i++) {
		struct set set = {0};
		struct pool_taken taken = {set_next, &set};
		struct address address;

		for (size_t count = 0; count < 500; count++) {
			set.asked = 0;
			assert_int_equal(pool_next(&pools[i], &taken, &address), POOL_OK);
			assert_true(set.asked <= set.count + 1);
			set_add(&set, &address);
		}
	}
}

static void a_gap_is_filled_before_the_end(void **state)
{
	struct prefix pool = pool_of("10.9.8.1/16");
	struct set set = {0};
	struct pool_taken taken = {set_next, &set};
	struct address address;
	char text[ADDRESS_TEXT_SIZE];

	/* The network's own address is 10.9.0.0, so 10.9.0.1 comes first; across a byte's end too.
	 */
	for (unsigned i = 1; i <= 300; i++) {
		if (i != 256) {
			snprintf(text, sizeof(text), "10.9.%u.%u", i >> 8, i & 255);
			address = ip_of(text);
			set_add(&set, &address);
		}
	}
	assert_int_equal(pool_next(&pool, &taken, &address), POOL_OK);
	assert_string_equal(address_print_ip(&address, text), "10.9.1.0");
}

static void a_pool_whose_hub_has_no_host_address_is_refused(void **state)
{
	static const char *const bad[] = {"10.0.0.0/24", "10.0.0.255/24", "fd00::/64",
					  "10.0.0.0/30", "10.0.0.3/30"};
	static const char *const good[] = {"10.0.0.1/24",
					   "10.0.0.254/24",
					   "fd00::1/64",
					   "10.0.0.0/31",
					   "10.0.0.0/32",
					   "fd00::/128",
					   "fd00::ffff:ffff:ffff:ffff/64",
					   "0.0.0.1/0"};
	struct prefix pool;

	for (size_t i = 0; i < array_size(bad); i++) {
		pool = pool_of(bad[i]);
		assert_false(pool_is_valid(&pool));
	}
	for (size_t i = 0; i < array_size(good); i++) {
		pool = pool_of(good[i]);
		assert_true(pool_is_valid(&pool));
	}
	pool = (struct prefix){0};
	assert_false(pool_is_valid(&pool));
	pool = (struct prefix){.family = FAMILY_IPV4, .bits = 33};
	assert_false(pool_is_valid(&pool));
}

static void capacity_counts_nodes_without_the_hub(void **state)
{
	static const struct {
		const char *pool;
		uint64_t capacity;
	} cases[] = {
		{"10.0.0.1/24", 253},       {"10.0.0.1/30", 1},       {"10.0.0.1/31", 1},
		{"10.0.0.1/32", 0},         {"10.0.0.1/8", 16777213}, {"10.0.0.1/0", 4294967293},
		{"fd00::1/126", 2},         {"fd00::1/127", 1},       {"fd00::1/128", 0},
		{"fd00::1/64", UINT64_MAX}, {"fd00::1/0", UINT64_MAX}};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct prefix pool = pool_of(cases[i].pool);

		assert_int_equal(pool_capacity(&pool), cases[i].capacity);
	}
}

static enum pool_result request(const char *pool_text, const char *ip_text, const char *taken_text)
{
	struct prefix pool = pool_of(pool_text);
	struct address ip = ip_of(ip_text), other;
	struct set set = {0};
	struct pool_taken taken = {set_next, &set};

	if (taken_text) {
		other = ip_of(taken_text);
		set_add(&set, &other);
	}
	return pool_request(&pool, &ip, &taken);
}

static void a_requested_address_is_checked(void **state)
{
	assert_int_equal(request("10.0.0.1/24", "10.0.0.7", NULL), POOL_OK);
	assert_int_equal(request("10.0.0.1/24", "10.0.0.7", "10.0.0.8"), POOL_OK);
	assert_int_equal(request("10.0.0.1/24", "10.0.0.7", "10.0.0.7"), POOL_TAKEN);
	assert_int_equal(request("10.0.0.1/24", "10.0.0.1", NULL), POOL_HUB);
	assert_int_equal(request("10.0.0.1/24", "10.0.0.0", NULL), POOL_RESERVED);
	assert_int_equal(request("10.0.0.1/24", "10.0.0.255", NULL), POOL_RESERVED);
	assert_int_equal(request("10.0.0.1/24", "10.0.1.7", NULL), POOL_OUTSIDE);
	assert_int_equal(request("10.0.0.1/24", "fd00::7", NULL), POOL_OUTSIDE);
	assert_int_equal(request("10.0.0.1/31", "10.0.0.0", NULL), POOL_OK);
	assert_int_equal(request("fd00::1/64", "fd00::", NULL), POOL_RESERVED);
	assert_int_equal(request("fd00::1/64", "fd00::ffff:ffff:ffff:ffff", NULL), POOL_OK);
	assert_int_equal(request("fd00::1/64", "fd00:0:0:1::5", NULL), POOL_OUTSIDE);
	assert_int_equal(request("fd00::1/64", "10.0.0.7", NULL), POOL_OUTSIDE);
}

static void the_host_number_is_what_is_left_of_the_network(void **state)
{
	static const struct {
		const char *pool, *ip;
		uint32_t number;
	} cases[] = {{"10.0.0.1/24", "10.0.0.3", 3},         {"10.0.0.1/16", "10.0.1.3", 259},
		     {"10.0.0.1/0", "10.0.0.1", 0x0a000001}, {"10.0.0.8/29", "10.0.0.11", 3},
		     {"fd00::1/64", "fd00::1:2", 0x10002},   {"fd00::1/120", "fd00::102", 2}};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct prefix pool = pool_of(cases[i].pool);
		struct address ip = ip_of(cases[i].ip);

		assert_int_equal(pool_host_number(&pool, &ip), cases[i].number);
	}
}

static void every_result_has_words(void **state)
{
	for (int result = POOL_OK; result <= POOL_EXHAUSTED; result++)
		assert_true(strlen(pool_result_text((enum pool_result)result)) > 5);
}

/* Small pools against the plainest model: a row of booleans. */
static void random_pools_agree_with_a_row_of_booleans(void **state)
{
	struct seeded random;

	seeded_start(&random, __func__);
	for (int run = 0; run < 300; run++) {
		bool is_ipv6 = seeded_below(&random, 2), is_used[256] = {0};
		unsigned host_bits = seeded_below(&random, 9), count = 1u << host_bits;
		struct prefix pool = {.family = is_ipv6 ? FAMILY_IPV6 : FAMILY_IPV4};
		size_t last = family_size(pool.family) - 1;
		struct set set = {0};
		struct pool_taken taken = {set_next, &set};
		struct address address;

		pool.bits = (uint8_t)(family_bits(pool.family) - host_bits);
		random_fill(&random.source, pool.ip, last);
		pool.ip[last] = (uint8_t)seeded_below(&random, 256);
		if (!pool_is_valid(&pool))
			continue;
		is_used[pool.ip[last] & (count - 1)] = true;
		is_used[0] |= host_bits >= 2;
		is_used[count - 1] |= host_bits >= 2 && !is_ipv6;
		for (unsigned expected = 0; expected < count; expected++) {
			if (is_used[expected])
				continue;
			address = prefix_address(&pool);
			address.ip[last] = (uint8_t)((pool.ip[last] & ~(count - 1)) | expected);
			if (!seeded_below(&random, 3)) {
				/* Somebody asked for a later one before. */
				set_add(&set, &address);
				is_used[expected] = true;
			}
		}
		for (unsigned expected = 0; expected < count; expected++) {
			if (is_used[expected])
				continue;
			assert_int_equal(pool_next(&pool, &taken, &address), POOL_OK);
			assert_int_equal(address.ip[last] & (count - 1), expected);
			assert_int_equal(pool_request(&pool, &address, &taken), POOL_OK);
			set_add(&set, &address);
			assert_int_equal(pool_request(&pool, &address, &taken), POOL_TAKEN);
		}
		assert_int_equal(pool_next(&pool, &taken, &address), POOL_EXHAUSTED);
		assert_int_equal(set.count, pool_capacity(&pool));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(network_broadcast_and_hub_are_never_given),
		cmocka_unit_test(a_big_pool_costs_no_more_than_its_nodes),
		cmocka_unit_test(a_gap_is_filled_before_the_end),
		cmocka_unit_test(a_pool_whose_hub_has_no_host_address_is_refused),
		cmocka_unit_test(capacity_counts_nodes_without_the_hub),
		cmocka_unit_test(a_requested_address_is_checked),
		cmocka_unit_test(the_host_number_is_what_is_left_of_the_network),
		cmocka_unit_test(every_result_has_words),
		cmocka_unit_test(random_pools_agree_with_a_row_of_booleans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
