#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "registry.h"

#include <cmocka.h>

#define NOW REGISTRY_EPOCH

static int start(void **state)
{
	static struct registry registry;

	registry_start(&registry, "100.100.96.1/24", "fd00:6::1/64");
	*state = &registry;
	return 0;
}

static int end(void **state)
{
	registry_end(*state);
	return 0;
}

struct listing {
	char names[512], malformed[2048];
	size_t count, malformed_count;
};

static void on_node(void *owner, const struct store_node *node)
{
	struct listing *listing = owner;
	size_t size = strlen(listing->names);

	listing->count++;
	snprintf(listing->names + size, sizeof(listing->names) - size, "%s ", node->name);
}

static void on_malformed(void *owner, const char *text)
{
	struct listing *listing = owner;
	size_t size = strlen(listing->malformed);

	listing->malformed_count++;
	snprintf(listing->malformed + size, sizeof(listing->malformed) - size, "%s\n", text);
}

static struct listing load(struct registry *registry)
{
	struct listing listing = {0};
	struct store_visitor visitor = {on_node, on_malformed, &listing};

	assert_int_equal(store_load(registry->store, &visitor), STORE_OK);
	return listing;
}

static void a_node_is_read_as_it_was_added(void **state)
{
	struct registry *registry = *state;
	struct store_node added, read;
	struct key key = registry_key(7);
	char text[ADDRESS_TEXT_SIZE];

	assert_int_equal(registry_add(registry, 7, "alpha", NULL, NOW, &added), STORE_OK);
	registry_reopen(registry);
	assert_int_equal(store_get(registry->store, &key, &read), STORE_OK);
	assert_memory_equal(&read, &added, sizeof(read));
	assert_true(key_is_equal(&read.key, &key));
	assert_string_equal(read.name, "alpha");
	assert_int_equal(read.address_count, 2);
	assert_string_equal(prefix_print(&read.addresses[0], text), "100.100.96.2/24");
	assert_string_equal(prefix_print(&read.addresses[1], text), "fd00:6::2/64");
	assert_int_equal(read.created, NOW);
	assert_int_equal(read.last_seen, 0);
	assert_int_equal(read.endpoint.family, FAMILY_NONE);
}

static void nodes_load_in_the_order_of_their_creation(void **state)
{
	struct registry *registry = *state;

	registry_add(registry, 9, "zeta", NULL, NOW, NULL);
	registry_add(registry, 1, "alpha", NULL, NOW, NULL);
	registry_add(registry, 5, "mid", NULL, NOW, NULL);
	assert_string_equal(load(registry).names, "zeta alpha mid ");
}

static void malformed_records_are_skipped_and_told(void **state)
{
	static const char *const faults[] = {
		"UPDATE node SET key = x'0011' WHERE name = 'n1'",
		"UPDATE node SET key = zeroblob(32) WHERE name = 'n2'",
		"UPDATE node SET key = unhex_ff WHERE name = 'n3'",
		"UPDATE node SET name = 'Bad' || char(27) || '[31m' WHERE name = 'n4'",
		"DELETE FROM address WHERE node = (SELECT id FROM node WHERE name = 'n5')"
		" AND family = 6",
		"UPDATE address SET ip = x'0a000001' WHERE family = 4"
		" AND node = (SELECT id FROM node WHERE name = 'n6')",
		"UPDATE address SET ip = x'6464' WHERE family = 4"
		" AND node = (SELECT id FROM node WHERE name = 'n7')",
		"INSERT INTO presence VALUES((SELECT id FROM node WHERE name = 'n8'), 'there', 5)",
		"INSERT INTO address VALUES(4, x'646460c8', (SELECT id FROM node WHERE name = "
		"'n9'))",
	};
	struct registry *registry = *state;
	struct listing listing;
	char name[8];

	for (unsigned i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		registry_add(registry, i, name, NULL, NOW, NULL);
	}
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		char sql[512];
		const char *mark = strstr(faults[i], "unhex_ff");

		if (mark)
			snprintf(sql, sizeof(sql), "%.*sx'%s'%s", (int)(mark - faults[i]),
				 faults[i],
				 "ffffffffffffffffffffffffffffffff"
				 "ffffffffffffffffffffffffffffffff",
				 mark + strlen("unhex_ff"));
		else
			snprintf(sql, sizeof(sql), "%s", faults[i]);
		registry_sql(registry, sql);
	}
	listing = load(registry);
	assert_string_equal(listing.names, "n0 n10 n11 ");
	assert_int_equal(listing.malformed_count, 9);
	assert_non_null(strstr(listing.malformed, "name=\"Bad\\x1b[31m\": the name is no name"));
	assert_non_null(strstr(listing.malformed, "name=\"n5\": an address is missing"));
	assert_non_null(strstr(listing.malformed, "name=\"n8\": the endpoint is no address"));
	assert_non_null(strstr(listing.malformed, "name=\"n9\": an address is outside"));
	assert_null(strchr(listing.malformed, '\033'));
}

static void a_malformed_member_can_still_be_removed_by_its_key(void **state)
{
	struct registry *registry = *state;
	struct key key = registry_key(3);
	struct store_node node;

	registry_add(registry, 3, "gamma", NULL, NOW, NULL);
	registry_sql(registry, "DELETE FROM address WHERE family = 6");
	assert_int_equal(store_find(registry->store, "gamma", &node), STORE_FILE_DAMAGED);
	assert_true(key_is_equal(&node.key, &key));
	assert_non_null(strstr(store_problem(registry->store), "gamma"));
	assert_int_equal(registry_add(registry, 3, NULL, NULL, NOW, NULL), STORE_KEY_EXISTS);
	assert_int_equal(store_remove(registry->store, &key, NULL, NOW, &node), STORE_OK);
	assert_int_equal(load(registry).malformed_count, 0);
}

static enum store_result find(struct registry *registry, const char *text, const char *expected)
{
	struct store_node node;
	enum store_result result = store_find(registry->store, text, &node);

	if (result == STORE_OK)
		assert_string_equal(node.name, expected);
	return result;
}

static void a_node_is_found_by_what_people_type(void **state)
{
	struct registry *registry = *state;
	struct key key = registry_key(2);
	char text[KEY_TEXT_SIZE];

	registry_add(registry, 1, "alpha", NULL, NOW, NULL);
	registry_add(registry, 2, "beta", NULL, NOW, NULL);
	key_print(&key, text);
	assert_int_equal(find(registry, "alpha", "alpha"), STORE_OK);
	assert_int_equal(find(registry, text, "beta"), STORE_OK);
	assert_int_equal(find(registry, "100.100.96.3", "beta"), STORE_OK);
	assert_int_equal(find(registry, "100.100.96.3/24", "beta"), STORE_OK);
	assert_int_equal(find(registry, "fd00:6::2", "alpha"), STORE_OK);
	text[8] = '\0';
	assert_int_equal(find(registry, text, "beta"), STORE_OK);
	text[3] = '\0';
	assert_int_equal(find(registry, text, NULL), STORE_NOT_FOUND);
	assert_int_equal(find(registry, "gamma", NULL), STORE_NOT_FOUND);
	assert_int_equal(find(registry, "100.100.96.4", NULL), STORE_NOT_FOUND);
	assert_int_equal(find(registry, "", NULL), STORE_NOT_FOUND);
	assert_int_equal(find(registry, "a\033[0mb", NULL), STORE_NOT_FOUND);
	assert_null(strchr(store_problem(registry->store), '\033'));
	assert_int_equal(find(registry, "' OR 1=1 --", NULL), STORE_NOT_FOUND);
}

static void keys_with_slash_and_plus_are_found(void **state)
{
	struct registry *registry = *state;
	unsigned slashes = 0, pluses = 0;

	for (unsigned i = 0; i < 60; i++) {
		struct key key = registry_key(i);
		char text[KEY_TEXT_SIZE], name[8];

		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(registry_add(registry, i, name, NULL, NOW, NULL), STORE_OK);
		key_print(&key, text);
		slashes += strchr(text, '/') != NULL;
		pluses += strchr(text, '+') != NULL;
		assert_int_equal(find(registry, text, name), STORE_OK);
		text[20] = '\0';
		assert_int_equal(find(registry, text, name), STORE_OK);
	}
	assert_true(slashes > 10 && pluses > 10);
}

static void the_beginning_of_two_keys_is_ambiguous(void **state)
{
	struct registry *registry = *state;
	struct store_addition addition = {.key = registry_key(4)};
	struct store_node node;
	char text[KEY_TEXT_SIZE];

	assert_int_equal(store_add(registry->store, &addition, NOW, &node), STORE_OK);
	addition.key.bytes[10] ^= 1;
	assert_int_equal(store_add(registry->store, &addition, NOW, &node), STORE_OK);
	key_print(&addition.key, text);
	text[12] = '\0';
	assert_int_equal(store_find(registry->store, text, &node), STORE_AMBIGUOUS);
	assert_non_null(strstr(store_problem(registry->store), text));
}

static void a_name_wins_over_the_beginning_of_a_key(void **state)
{
	struct registry *registry = *state;
	char text[KEY_TEXT_SIZE], start[5] = "";
	unsigned lower = 0;

	/* A key whose first four digits could be a name. */
	for (unsigned i = 0; i < 65536 && !lower; i++) {
		struct key key = registry_key(i);

		key_print(&key, text);
		memcpy(start, text, 4);
		if (strspn(start, "abcdefghijklmnopqrstuvwxyz0123456789") == 4)
			lower = i;
	}
	assert_int_not_equal(lower, 0);
	registry_add(registry, lower, "other", NULL, NOW, NULL);
	assert_int_equal(find(registry, start, "other"), STORE_OK);
	registry_add(registry, lower + 1, start, NULL, NOW, NULL);
	assert_int_equal(find(registry, start, start), STORE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_node_is_read_as_it_was_added, start, end),
		cmocka_unit_test_setup_teardown(nodes_load_in_the_order_of_their_creation, start,
						end),
		cmocka_unit_test_setup_teardown(malformed_records_are_skipped_and_told, start, end),
		cmocka_unit_test_setup_teardown(a_malformed_member_can_still_be_removed_by_its_key,
						start, end),
		cmocka_unit_test_setup_teardown(a_node_is_found_by_what_people_type, start, end),
		cmocka_unit_test_setup_teardown(keys_with_slash_and_plus_are_found, start, end),
		cmocka_unit_test_setup_teardown(the_beginning_of_two_keys_is_ambiguous, start, end),
		cmocka_unit_test_setup_teardown(a_name_wins_over_the_beginning_of_a_key, start,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
