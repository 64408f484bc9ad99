#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "registry.h"

#include <cmocka.h>

#define NOW REGISTRY_EPOCH
#define DAY 86400

static int start(void **state)
{
	static struct registry registry;

	registry_start(&registry, "10.0.0.1/29", NULL);
	*state = &registry;
	return 0;
}

static int start_two(void **state)
{
	static struct registry registry;

	registry_start(&registry, "10.0.0.1/24", "fd00::1/64");
	*state = &registry;
	return 0;
}

static int end(void **state)
{
	registry_end(*state);
	return 0;
}

static const char *address_of(const struct store_node *node)
{
	static char text[ADDRESS_TEXT_SIZE];

	return prefix_print(&node->addresses[0], text);
}

static void the_lowest_free_address_is_given(void **state)
{
	struct registry *registry = *state;
	struct store_node node;

	registry_add(registry, 1, NULL, NULL, NOW, &node);
	assert_string_equal(address_of(&node), "10.0.0.2/29");
	registry_add(registry, 2, NULL, "10.0.0.4", NOW, &node);
	assert_string_equal(address_of(&node), "10.0.0.4/29");
	registry_add(registry, 3, NULL, NULL, NOW, &node);
	assert_string_equal(address_of(&node), "10.0.0.3/29");
	registry_add(registry, 4, NULL, NULL, NOW, &node);
	assert_string_equal(address_of(&node), "10.0.0.5/29");
}

static void a_full_pool_is_told_and_nothing_is_added(void **state)
{
	struct registry *registry = *state;
	uint64_t revision;

	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(registry_add(registry, i, NULL, NULL, NOW, NULL), STORE_OK);
	revision = store_revision(registry->store);
	assert_int_equal(registry_add(registry, 9, NULL, NULL, NOW, NULL), STORE_POOL_EMPTY);
	assert_non_null(strstr(store_problem(registry->store), "10.0.0.0/29"));
	assert_int_equal(store_node_count(registry->store), 5);
	assert_int_equal(store_revision(registry->store), revision);
}

static void a_full_second_pool_adds_nothing_either(void **state)
{
	struct registry registry;

	registry_start(&registry, "10.0.0.1/24", "10.1.0.1/30");
	assert_int_equal(registry_add(&registry, 1, NULL, NULL, NOW, NULL), STORE_OK);
	assert_int_equal(registry_add(&registry, 2, NULL, NULL, NOW, NULL), STORE_POOL_EMPTY);
	assert_int_equal(store_node_count(registry.store), 1);
	assert_int_equal(registry_add(&registry, 2, NULL, "10.0.0.3", NOW, NULL), STORE_POOL_EMPTY);
	registry_end(&registry);
}

static void wished_addresses_are_checked(void **state)
{
	static const struct {
		const char *address, *words;
	} cases[] = {{"10.0.0.1", "hub's own"},
		     {"10.0.0.0", "network's own"},
		     {"10.0.0.7", "broadcast"},
		     {"10.0.0.8", "outside of the network"},
		     {"fd00::5", "outside of the network"},
		     {"10.0.0.2", "taken by alpha"}};
	struct registry *registry = *state;

	registry_add(registry, 1, "alpha", "10.0.0.2", NOW, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(registry_add(registry, 2, NULL, cases[i].address, NOW, NULL),
				 STORE_ADDRESS_REFUSED);
		assert_non_null(strstr(store_problem(registry->store), cases[i].words));
		assert_non_null(strstr(store_problem(registry->store), cases[i].address));
	}
	assert_int_equal(store_node_count(registry->store), 1);
}

static void one_wish_per_network(void **state)
{
	struct registry *registry = *state;
	struct store_addition addition = {
		.key = registry_key(1),
		.addresses = {registry_address("fd00::77"), registry_address("10.0.0.9")},
		.address_count = 2};
	struct store_node node;
	char text[ADDRESS_TEXT_SIZE];

	assert_int_equal(store_add(registry->store, &addition, NOW, &node), STORE_OK);
	assert_string_equal(address_of(&node), "10.0.0.9/24");
	assert_string_equal(prefix_print(&node.addresses[1], text), "fd00::77/64");
	addition.key = registry_key(2);
	addition.addresses[0] = registry_address("10.0.0.10");
	addition.addresses[1] = registry_address("10.0.0.11");
	assert_int_equal(store_add(registry->store, &addition, NOW, &node), STORE_ADDRESS_REFUSED);
}

static void a_key_is_a_member_once(void **state)
{
	struct registry *registry = *state;

	registry_add(registry, 1, "alpha", NULL, NOW, NULL);
	assert_int_equal(registry_add(registry, 1, "beta", NULL, NOW, NULL), STORE_KEY_EXISTS);
	assert_non_null(strstr(store_problem(registry->store), "alpha"));
}

static void what_is_no_public_key_is_refused(void **state)
{
	struct registry *registry = *state;
	struct store_addition addition = {.key = {{0}}};
	struct store_node node;

	assert_int_equal(store_add(registry->store, &addition, NOW, &node), STORE_INVALID);
	memset(&addition.key, 0xff, sizeof(addition.key));
	assert_int_equal(store_add(registry->store, &addition, NOW, &node), STORE_INVALID);
	assert_int_equal(store_node_count(registry->store), 0);
}

static void a_removed_key_comes_back_only_by_force(void **state)
{
	struct registry *registry = *state;
	struct store_addition addition = {.key = registry_key(1), .is_forced = true};
	struct key key = registry_key(1);
	struct store_node node;

	registry_add(registry, 1, "alpha", NULL, NOW, NULL);
	assert_int_equal(store_remove(registry->store, &key, NULL, NOW, &node), STORE_OK);
	assert_string_equal(node.name, "alpha");
	assert_string_equal(address_of(&node), "10.0.0.2/29");
	assert_int_equal(store_get(registry->store, &key, &node), STORE_NOT_FOUND);
	registry_reopen(registry);
	assert_int_equal(registry_add(registry, 1, NULL, NULL, NOW, NULL), STORE_KEY_REMOVED);
	assert_non_null(strstr(store_problem(registry->store), "--force"));
	assert_int_equal(store_add(registry->store, &addition, NOW, &node), STORE_OK);
	/* Nodes must tell the two admissions apart. */
	assert_int_equal(node.created, NOW + 1);
	/* Its own old address is not held back from it. */
	assert_string_equal(address_of(&node), "10.0.0.2/29");
	/* Force was for once: the tombstone is gone, a second removal sets it again. */
	assert_int_equal(store_remove(registry->store, &key, NULL, NOW, NULL), STORE_OK);
	assert_int_equal(registry_add(registry, 1, NULL, NULL, NOW, NULL), STORE_KEY_REMOVED);
}

static void a_removed_nodes_address_stays_unused_for_30_days(void **state)
{
	struct registry *registry = *state;
	struct key key = registry_key(1);
	struct store_node node;

	registry_add(registry, 1, NULL, "10.0.0.3", NOW, NULL);
	store_remove(registry->store, &key, NULL, NOW, NULL);
	assert_int_equal(registry_add(registry, 2, NULL, "10.0.0.3", NOW + 30 * DAY - 1, NULL),
			 STORE_ADDRESS_REFUSED);
	assert_non_null(strstr(store_problem(registry->store), "unused until 2023-12-14"));
	registry_add(registry, 2, NULL, NULL, NOW, NULL);
	registry_add(registry, 3, NULL, NULL, NOW, &node);
	assert_string_equal(address_of(&node), "10.0.0.4/29");
	registry_add(registry, 4, NULL, NULL, NOW + 30 * DAY, &node);
	assert_string_equal(address_of(&node), "10.0.0.3/29");
}

static void removing_a_stranger_says_so(void **state)
{
	struct registry *registry = *state;
	struct key key = registry_key(1);
	uint64_t revision = store_revision(registry->store);

	assert_int_equal(store_remove(registry->store, &key, NULL, NOW, NULL), STORE_NOT_FOUND);
	assert_non_null(strstr(store_problem(registry->store), "no node has the key"));
	assert_int_equal(store_revision(registry->store), revision);
}

static void renaming_keeps_names_unique(void **state)
{
	struct registry *registry = *state;
	struct key key = registry_key(1), other = registry_key(9);
	struct store_node node;
	uint64_t revision;

	registry_add(registry, 1, "alpha", NULL, NOW, NULL);
	registry_add(registry, 2, "beta", NULL, NOW, NULL);
	assert_int_equal(store_rename(registry->store, &key, "gamma", NULL, NOW, &node), STORE_OK);
	assert_string_equal(node.name, "gamma");
	assert_int_equal(store_rename(registry->store, &key, "beta", NULL, NOW, &node),
			 STORE_NAME_TAKEN);
	assert_int_equal(store_rename(registry->store, &key, "Beta", NULL, NOW, &node),
			 STORE_INVALID);
	assert_int_equal(store_rename(registry->store, &other, "zeta", NULL, NOW, &node),
			 STORE_NOT_FOUND);
	revision = store_revision(registry->store);
	assert_int_equal(store_rename(registry->store, &key, "gamma", NULL, NOW, &node), STORE_OK);
	assert_int_equal(store_revision(registry->store), revision);
	registry_reopen(registry);
	assert_int_equal(store_get(registry->store, &key, &node), STORE_OK);
	assert_string_equal(node.name, "gamma");
}

static void every_change_raises_the_revision_by_one(void **state)
{
	struct registry *registry = *state;
	struct key key = registry_key(1);
	struct address endpoint = registry_address("192.0.2.1:7");

	registry_add(registry, 1, NULL, NULL, NOW, NULL);
	assert_int_equal(store_revision(registry->store), 2);
	registry_add(registry, 1, NULL, NULL, NOW, NULL);
	assert_int_equal(store_revision(registry->store), 2);
	store_rename(registry->store, &key, "new", NULL, NOW, NULL);
	assert_int_equal(store_revision(registry->store), 3);
	store_observe(registry->store, &key, &endpoint, NOW);
	assert_int_equal(store_revision(registry->store), 3);
	store_remove(registry->store, &key, NULL, NOW, NULL);
	assert_int_equal(store_revision(registry->store), 4);
	registry_reopen(registry);
	assert_int_equal(store_revision(registry->store), 4);
}

static void an_endpoint_is_kept_and_never_emptied(void **state)
{
	struct registry *registry = *state;
	struct key key = registry_key(1);
	struct address endpoint = registry_address("[2001:db8::1]:51820"), none = {0};
	struct store_node node;

	registry_add(registry, 1, NULL, NULL, NOW, NULL);
	assert_int_equal(store_observe(registry->store, &key, &endpoint, NOW), STORE_OK);
	assert_int_equal(store_observe(registry->store, &key, &none, NOW + 90), STORE_OK);
	registry_reopen(registry);
	store_get(registry->store, &key, &node);
	assert_true(address_is_equal(&node.endpoint, &endpoint));
	assert_int_equal(node.last_seen, NOW + 90);
	key = registry_key(2);
	assert_int_equal(store_observe(registry->store, &key, &endpoint, NOW), STORE_NOT_FOUND);
}

static int total_changes(struct registry *registry, const struct key *key,
			 const struct address *endpoint, int64_t now)
{
	struct store_node before, after;

	store_get(registry->store, key, &before);
	assert_int_equal(store_observe(registry->store, key, endpoint, now), STORE_OK);
	store_get(registry->store, key, &after);
	return memcmp(&before, &after, sizeof(before)) != 0;
}

static void an_unchanged_endpoint_is_written_once_a_minute(void **state)
{
	struct registry *registry = *state;
	struct key key = registry_key(1);
	struct address one = registry_address("192.0.2.1:7"), two = registry_address("192.0.2.1:8");

	registry_add(registry, 1, NULL, NULL, NOW, NULL);
	assert_true(total_changes(registry, &key, &one, NOW));
	assert_false(total_changes(registry, &key, &one, NOW + 1));
	assert_false(total_changes(registry, &key, &one, NOW + 59));
	assert_true(total_changes(registry, &key, &one, NOW + 60));
	assert_true(total_changes(registry, &key, &two, NOW + 61));
	/* A clock that was set back by years does not freeze it. */
	assert_true(total_changes(registry, &key, &two, NOW - 100 * DAY));
}

static void a_network_has_a_limit(void **state)
{
	struct registry registry;

	registry_start(&registry, "10.0.0.1/8", NULL);
	registry_sql(
		&registry,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
		" INSERT INTO node(key, name, created)"
		" SELECT randomblob(32), 'x' || i, 0 FROM n");
	assert_int_equal(registry_add(&registry, 1, NULL, NULL, NOW, NULL), STORE_OK);
	assert_int_equal(registry_add(&registry, 2, NULL, NULL, NOW, NULL), STORE_TOO_MANY);
	assert_int_equal(store_node_count(registry.store), MAP_NODES_MAX);
	registry_end(&registry);
}

static void nothing_is_lost_when_another_process_holds_the_lock(void **state)
{
	struct registry *registry = *state;
	sqlite3 *other;

	sqlite3_open(registry->path, &other);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	registry_sql(registry, "SELECT 1");
	store_set_busy_wait(registry->store, 10);
	assert_int_equal(registry_add(registry, 1, NULL, NULL, NOW, NULL), STORE_BUSY);
	assert_non_null(strstr(store_problem(registry->store), registry->path));
	sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(other);
	assert_int_equal(registry_add(registry, 1, NULL, NULL, NOW, NULL), STORE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_lowest_free_address_is_given, start, end),
		cmocka_unit_test_setup_teardown(a_full_pool_is_told_and_nothing_is_added, start,
						end),
		cmocka_unit_test(a_full_second_pool_adds_nothing_either),
		cmocka_unit_test_setup_teardown(wished_addresses_are_checked, start, end),
		cmocka_unit_test_setup_teardown(one_wish_per_network, start_two, end),
		cmocka_unit_test_setup_teardown(a_key_is_a_member_once, start, end),
		cmocka_unit_test_setup_teardown(what_is_no_public_key_is_refused, start, end),
		cmocka_unit_test_setup_teardown(a_removed_key_comes_back_only_by_force, start, end),
		cmocka_unit_test_setup_teardown(a_removed_nodes_address_stays_unused_for_30_days,
						start, end),
		cmocka_unit_test_setup_teardown(removing_a_stranger_says_so, start, end),
		cmocka_unit_test_setup_teardown(renaming_keeps_names_unique, start, end),
		cmocka_unit_test_setup_teardown(every_change_raises_the_revision_by_one, start,
						end),
		cmocka_unit_test_setup_teardown(an_endpoint_is_kept_and_never_emptied, start, end),
		cmocka_unit_test_setup_teardown(an_unchanged_endpoint_is_written_once_a_minute,
						start, end),
		cmocka_unit_test(a_network_has_a_limit),
		cmocka_unit_test_setup_teardown(nothing_is_lost_when_another_process_holds_the_lock,
						start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
