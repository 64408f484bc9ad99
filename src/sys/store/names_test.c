#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "registry.h"

#include <cmocka.h>

#define NOW     REGISTRY_EPOCH
#define LONGEST "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc" /* 63 */

static int start(void **state)
{
	static struct registry registry;
	struct store_token token = {
		.id = {1}, .is_reusable = true, .expires = NOW + 1000, .label = "names"};

	registry_start(&registry, "10.0.0.1/16", NULL);
	store_token_create(registry.store, &token, NOW);
	*state = &registry;
	return 0;
}

static int end(void **state)
{
	registry_end(*state);
	return 0;
}

static bool is_always_valid(void *owner, const uint8_t verifier[STORE_VERIFIER_SIZE])
{
	return true;
}

/* The name that a stranger who wishes this one gets. */
static const char *enrolled(struct registry *registry, unsigned key, const char *wish)
{
	static struct store_node node;
	struct store_enrolment enrolment = {.key = registry_key(key),
					    .token_id = {1},
					    .is_proof_valid = is_always_valid,
					    .name = wish};
	bool is_new;

	assert_int_equal(store_enrol(registry->store, &enrolment, NOW, &node, &is_new), STORE_OK);
	assert_true(is_new);
	return node.name;
}

static void a_node_without_a_name_is_called_by_its_address(void **state)
{
	struct registry *registry = *state;
	struct store_node node;

	registry_add(registry, 1, NULL, NULL, NOW, &node);
	assert_string_equal(node.name, "node-2");
	registry_add(registry, 2, "", "10.0.1.44", NOW, &node);
	assert_string_equal(node.name, "node-300");
	registry_add(registry, 3, "node-3", "10.0.9.9", NOW, &node);
	registry_add(registry, 4, NULL, "10.0.0.3", NOW, &node);
	assert_string_equal(node.name, "node-3-2");
}

static void an_administrators_name_is_taken_as_it_is_or_refused(void **state)
{
	static const char *const bad[] = {"Alpha",   "a.b", "-a",        "a-", "a b",
					  "\033[1m", "ä",   LONGEST "d", "a\n"};
	struct registry *registry = *state;
	struct store_node node;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(registry_add(registry, 1, bad[i], NULL, NOW, &node),
				 STORE_INVALID);
		assert_null(strpbrk(store_problem(registry->store), "\033\n"));
	}
	assert_int_equal(registry_add(registry, 1, LONGEST, NULL, NOW, &node), STORE_OK);
	assert_string_equal(node.name, LONGEST);
	assert_int_equal(registry_add(registry, 2, LONGEST, NULL, NOW, &node), STORE_NAME_TAKEN);
	assert_int_equal(store_node_count(registry->store), 1);
}

static void a_strangers_wish_is_made_a_name(void **state)
{
	static const char *const cases[][2] = {
		{"laptop", "laptop"},
		{"Anna's Laptop", "anna-s-laptop"},
		{"--x--", "x"},
		{"\033[31mred", "31mred"},
		{"a_b.c d", "a-b-c-d"},
		{"\xf0\x9f\x98\x80", "node-7"},
		{"...", "node-8"},
		{"'; DROP TABLE node", "drop-table-node"},
		{LONGEST "defg", LONGEST},
	};
	struct registry *registry = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(enrolled(registry, i, cases[i][0]), cases[i][1]);
}

static void a_strangers_wish_that_is_taken_gets_a_number(void **state)
{
	struct registry *registry = *state;

	assert_string_equal(enrolled(registry, 1, "pc"), "pc");
	assert_string_equal(enrolled(registry, 2, "pc"), "pc-2");
	assert_string_equal(enrolled(registry, 3, "PC"), "pc-3");
	assert_string_equal(enrolled(registry, 4, LONGEST), LONGEST);
	assert_string_equal(enrolled(registry, 5, LONGEST),
			    "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghija-2");
}

static void nobody_gets_the_hubs_name(void **state)
{
	struct registry *registry = *state;
	struct key key = registry_key(2);

	store_reserve_name(registry->store, "hub");
	assert_int_equal(registry_add(registry, 1, "hub", NULL, NOW, NULL), STORE_NAME_TAKEN);
	assert_string_equal(enrolled(registry, 2, "hub"), "hub-2");
	assert_int_equal(store_rename(registry->store, &key, "hub", NULL, NOW, NULL),
			 STORE_NAME_TAKEN);
	assert_non_null(strstr(store_problem(registry->store), "hub's own"));
}

static void a_removed_nodes_name_is_free_again(void **state)
{
	struct registry *registry = *state;
	struct key key = registry_key(1);

	registry_add(registry, 1, "alpha", NULL, NOW, NULL);
	store_remove(registry->store, &key, NULL, NOW, NULL);
	assert_int_equal(registry_add(registry, 2, "alpha", NULL, NOW, NULL), STORE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_node_without_a_name_is_called_by_its_address,
						start, end),
		cmocka_unit_test_setup_teardown(an_administrators_name_is_taken_as_it_is_or_refused,
						start, end),
		cmocka_unit_test_setup_teardown(a_strangers_wish_is_made_a_name, start, end),
		cmocka_unit_test_setup_teardown(a_strangers_wish_that_is_taken_gets_a_number, start,
						end),
		cmocka_unit_test_setup_teardown(nobody_gets_the_hubs_name, start, end),
		cmocka_unit_test_setup_teardown(a_removed_nodes_name_is_free_again, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
