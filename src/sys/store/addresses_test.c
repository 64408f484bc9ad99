#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "registry.h"

#include <cmocka.h>

#define NOW REGISTRY_EPOCH

static int start(void **state)
{
	static struct registry registry;

	registry_start(&registry, "10.0.0.1/24", NULL);
	*state = &registry;
	return 0;
}

static int end(void **state)
{
	registry_end(*state);
	return 0;
}

static enum store_result set_pools(struct registry *registry, const char *one, const char *two)
{
	struct prefix pools[2] = {registry_prefix(one)};

	if (two)
		pools[1] = registry_prefix(two);
	return store_set_pools(registry->store, pools, two ? 2 : 1, NOW);
}

static const char *addresses_of(struct registry *registry, unsigned number)
{
	static char all[256];
	struct key key = registry_key(number);
	struct store_node node;
	char text[ADDRESS_TEXT_SIZE];

	all[0] = '\0';
	assert_int_equal(store_get(registry->store, &key, &node), STORE_OK);
	for (size_t i = 0; i < node.address_count; i++) {
		strcat(all, i ? " " : "");
		strcat(all, prefix_print(&node.addresses[i], text));
	}
	return all;
}

static void the_same_pools_change_nothing(void **state)
{
	struct registry *registry = *state;

	registry_add(registry, 1, NULL, NULL, NOW, NULL);
	assert_int_equal(set_pools(registry, "10.0.0.1/24", NULL), STORE_OK);
	assert_int_equal(store_revision(registry->store), 2);
}

static void a_second_network_gives_every_node_an_address(void **state)
{
	struct registry *registry = *state;

	registry_add(registry, 1, NULL, NULL, NOW, NULL);
	registry_add(registry, 2, NULL, NULL, NOW, NULL);
	assert_int_equal(set_pools(registry, "10.0.0.1/24", "fd00::1/64"), STORE_OK);
	assert_int_equal(store_revision(registry->store), 4);
	assert_string_equal(addresses_of(registry, 1), "10.0.0.2/24 fd00::2/64");
	assert_string_equal(addresses_of(registry, 2), "10.0.0.3/24 fd00::3/64");
	registry_reopen(registry);
	assert_string_equal(addresses_of(registry, 2), "10.0.0.3/24 fd00::3/64");
	/* In the other order too. */
	assert_int_equal(set_pools(registry, "fd00::1/64", "10.0.0.1/24"), STORE_OK);
	assert_string_equal(addresses_of(registry, 2), "fd00::3/64 10.0.0.3/24");
}

static void a_network_may_grow_and_the_hub_may_move_in_it(void **state)
{
	struct registry *registry = *state;

	registry_add(registry, 1, NULL, NULL, NOW, NULL);
	assert_int_equal(set_pools(registry, "10.0.200.1/16", NULL), STORE_OK);
	assert_string_equal(addresses_of(registry, 1), "10.0.0.2/16");
	registry_add(registry, 2, NULL, NULL, NOW, NULL);
	assert_string_equal(addresses_of(registry, 2), "10.0.0.1/16");
}

static void pools_that_leave_a_node_without_its_address_are_refused(void **state)
{
	static const char *const cases[] = {"10.0.0.1/30", "10.1.0.1/24", "10.0.0.5/24",
					    "fd00::1/64", "10.0.0.14/28"};
	struct registry *registry = *state;

	registry_add(registry, 1, "alpha", "10.0.0.5", NOW, NULL);
	registry_add(registry, 2, "beta", "10.0.0.15", NOW, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(set_pools(registry, cases[i], NULL), STORE_POOLS_IN_USE);
		assert_non_null(strstr(store_problem(registry->store), "hub.conf"));
		assert_string_equal(addresses_of(registry, 1), "10.0.0.5/24");
	}
	assert_int_equal(store_revision(registry->store), 3);
	assert_int_equal(set_pools(registry, "10.0.0.0/24", NULL), STORE_INVALID);
}

static void a_second_network_too_small_for_all_is_refused_whole(void **state)
{
	struct registry *registry = *state;

	for (unsigned i = 0; i < 3; i++)
		registry_add(registry, i, NULL, NULL, NOW, NULL);
	assert_int_equal(set_pools(registry, "10.0.0.1/24", "10.9.0.1/30"), STORE_POOL_EMPTY);
	assert_int_equal(store_network(registry->store)->pool_count, 1);
	assert_string_equal(addresses_of(registry, 0), "10.0.0.2/24");
	assert_int_equal(registry_add(registry, 5, NULL, NULL, NOW, NULL), STORE_OK);
}

static void another_process_s_pools_count_at_once(void **state)
{
	struct registry *registry = *state, other = *registry;

	registry_open(&other);
	registry_add(registry, 1, NULL, NULL, NOW, NULL);
	assert_int_equal(set_pools(&other, "10.0.0.1/24", "fd00::1/64"), STORE_OK);
	assert_int_equal(registry_add(registry, 2, NULL, NULL, NOW, NULL), STORE_OK);
	assert_string_equal(addresses_of(&other, 2), "10.0.0.3/24 fd00::3/64");
	store_close(other.store);
}

/* 9,000 nodes with the addresses 10.0.0.2 and up, and a gap at 10.0.17.5. */
static void fill(const struct registry *registry)
{
	sqlite3 *database;
	sqlite3_stmt *node, *address;

	assert_int_equal(sqlite3_open(registry->path, &database), SQLITE_OK);
	sqlite3_exec(database, "BEGIN", NULL, NULL, NULL);
	sqlite3_prepare_v2(database,
			   "INSERT INTO node(id, key, name, created)"
			   " VALUES(?1, randomblob(32), 'x' || ?1, 0)",
			   -1, &node, NULL);
	sqlite3_prepare_v2(database, "INSERT INTO address VALUES(4, ?2, ?1)", -1, &address, NULL);
	for (int i = 2; i < 9002; i++) {
		uint8_t ip[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i};

		if (i == 17 * 256 + 5)
			continue;
		sqlite3_bind_int(node, 1, i);
		assert_int_equal(sqlite3_step(node), SQLITE_DONE);
		sqlite3_reset(node);
		sqlite3_bind_int(address, 1, i);
		sqlite3_bind_blob(address, 2, ip, sizeof(ip), SQLITE_TRANSIENT);
		assert_int_equal(sqlite3_step(address), SQLITE_DONE);
		sqlite3_reset(address);
	}
	sqlite3_finalize(node);
	sqlite3_finalize(address);
	assert_int_equal(sqlite3_exec(database, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(database);
}

static void thousands_of_nodes_do_not_slow_down_the_next(void **state)
{
	struct registry registry;
	struct store_node node;
	struct timespec before, after;
	char text[ADDRESS_TEXT_SIZE];

	registry_start(&registry, "10.0.0.1/8", NULL);
	fill(&registry);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(registry_add(&registry, 1, NULL, NULL, NOW, &node), STORE_OK);
	assert_string_equal(prefix_print(&node.addresses[0], text), "10.0.17.5/8");
	assert_int_equal(registry_add(&registry, 2, NULL, NULL, NOW, &node), STORE_OK);
	assert_string_equal(prefix_print(&node.addresses[0], text), "10.0.35.42/8");
	clock_gettime(CLOCK_MONOTONIC, &after);
	/* Milliseconds; a scan of the /8 or a sort per address would be far beyond. */
	assert_true(after.tv_sec - before.tv_sec < 2);
	registry_end(&registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_same_pools_change_nothing, start, end),
		cmocka_unit_test_setup_teardown(a_second_network_gives_every_node_an_address, start,
						end),
		cmocka_unit_test_setup_teardown(a_network_may_grow_and_the_hub_may_move_in_it,
						start, end),
		cmocka_unit_test_setup_teardown(
			pools_that_leave_a_node_without_its_address_are_refused, start, end),
		cmocka_unit_test_setup_teardown(a_second_network_too_small_for_all_is_refused_whole,
						start, end),
		cmocka_unit_test_setup_teardown(another_process_s_pools_count_at_once, start, end),
		cmocka_unit_test(thousands_of_nodes_do_not_slow_down_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
