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

	registry_start(&registry, "10.0.0.1/24", NULL);
	*state = &registry;
	return 0;
}

static int end(void **state)
{
	registry_end(*state);
	return 0;
}

struct rows {
	char text[1024];
	uint64_t first, last;
	size_t count;
};

static void on_event(void *owner, const struct store_event *event)
{
	struct rows *rows = owner;
	size_t size = strlen(rows->text);
	struct key zero = {{0}};

	if (!rows->count++)
		rows->first = event->number;
	rows->last = event->number;
	snprintf(rows->text + size, sizeof(rows->text) - size, "%s %s%s%s%s%s +%d\n", event->event,
		 event->name, key_is_equal(&event->key, &zero) ? "" : " key",
		 event->has_token ? " token" : "", *event->source ? " from " : "", event->source,
		 (int)(event->at - NOW));
}

static struct rows read_log(struct registry *registry, size_t limit)
{
	struct rows rows = {{0}};

	assert_int_equal(store_log(registry->store, limit, on_event, &rows), STORE_OK);
	return rows;
}

static bool is_always_valid(void *owner, const uint8_t verifier[STORE_VERIFIER_SIZE])
{
	return true;
}

static void the_log_says_who_came_and_went_and_by_what(void **state)
{
	struct registry *registry = *state;
	struct store_token token = {.id = {1}, .expires = NOW + 1000, .label = "guests"};
	struct store_addition addition = {
		.key = registry_key(1), .name = "alpha", .source = "uid 0\033["};
	struct store_enrolment enrolment = {.key = registry_key(2),
					    .token_id = {1},
					    .is_proof_valid = is_always_valid,
					    .name = "beta",
					    .source = "192.0.2.7:555"};
	struct key key = registry_key(1);
	struct store_node node;
	bool is_new;

	store_add(registry->store, &addition, NOW, &node);
	store_token_create(registry->store, &token, NOW + 1);
	store_enrol(registry->store, &enrolment, NOW + 2, &node, &is_new);
	store_enrol(registry->store, &enrolment, NOW + 3, &node, &is_new);
	store_rename(registry->store, &key, "gamma", NULL, NOW + 4, NULL);
	store_token_revoke(registry->store, token.id, NULL, NOW + 5);
	store_remove(registry->store, &key, NULL, NOW + 6, NULL);
	/* What was refused changed nothing and is not here. */
	store_remove(registry->store, &key, NULL, NOW + 7, NULL);
	registry_reopen(registry);
	assert_string_equal(read_log(registry, 100).text,
			    "add alpha key from uid 0\\x1b[ +0\n"
			    "token-create guests token +1\n"
			    "enrol beta key token from 192.0.2.7:555 +2\n"
			    "rename gamma key +4\n"
			    "token-revoke guests token +5\n"
			    "remove gamma key +6\n");
	assert_string_equal(read_log(registry, 2).text, "token-revoke guests token +5\n"
							"remove gamma key +6\n");
	assert_int_equal(read_log(registry, 0).count, 0);
}

static void the_oldest_rows_go_first(void **state)
{
	struct registry *registry = *state;
	struct rows rows;

	registry_sql(registry, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
			       " WHERE i < 100000) INSERT INTO log SELECT i, 0, 'add', NULL, 'x',"
			       " NULL, NULL FROM n");
	registry_add(registry, 1, NULL, NULL, NOW, NULL);
	registry_add(registry, 2, NULL, NULL, NOW, NULL);
	rows = read_log(registry, SIZE_MAX);
	assert_int_equal(rows.count, STORE_LOG_MAX);
	assert_int_equal(rows.first, 3);
	assert_int_equal(rows.last, STORE_LOG_MAX + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_log_says_who_came_and_went_and_by_what, start,
						end),
		cmocka_unit_test_setup_teardown(the_oldest_rows_go_first, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
