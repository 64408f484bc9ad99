#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "registry.h"

#include <cmocka.h>

#define NOW  REGISTRY_EPOCH
#define HOUR 3600
#define DAY  86400

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

static enum store_result create(struct registry *registry, uint8_t number, bool is_reusable,
				int64_t now)
{
	struct store_token token = {.id = {number, 9, 9, 9, 9, 9, 9, 9},
				    .is_reusable = is_reusable,
				    .expires = now + HOUR};

	memset(token.verifier, number, sizeof(token.verifier));
	snprintf(token.label, sizeof(token.label), "label %u", number);
	return store_token_create(registry->store, &token, now);
}

/* The proof is right when the registry hands over the verifier of that token. */
static bool compare(void *owner, const uint8_t verifier[STORE_VERIFIER_SIZE])
{
	const uint8_t *number = owner;

	for (size_t i = 0; i < STORE_VERIFIER_SIZE; i++) {
		if (verifier[i] != *number)
			return false;
	}
	return true;
}

struct outcome {
	enum store_result result;
	struct store_node node;
	bool is_new;
};

static struct outcome enrol_with(struct registry *registry, unsigned key, uint8_t number,
				 uint8_t proof, int64_t now)
{
	struct store_enrolment enrolment = {.key = registry_key(key),
					    .token_id = {number, 9, 9, 9, 9, 9, 9, 9},
					    .is_proof_valid = compare,
					    .owner = &proof,
					    .name = "guest",
					    .source = "192.0.2.7:555"};
	struct outcome outcome;

	outcome.result =
		store_enrol(registry->store, &enrolment, now, &outcome.node, &outcome.is_new);
	return outcome;
}

static struct outcome enrol(struct registry *registry, unsigned key, uint8_t number, int64_t now)
{
	return enrol_with(registry, key, number, number, now);
}

static struct store_token listed[4];
static size_t listed_count;

static void on_token(void *owner, const struct store_token *token)
{
	if (listed_count < 4)
		listed[listed_count] = *token;
	listed_count++;
}

static size_t list(struct registry *registry)
{
	listed_count = 0;
	assert_int_equal(store_token_list(registry->store, on_token, NULL), STORE_OK);
	return listed_count;
}

static void a_token_lets_one_node_in(void **state)
{
	struct registry *registry = *state;
	struct outcome outcome;
	char text[ADDRESS_TEXT_SIZE];

	create(registry, 1, false, NOW);
	outcome = enrol(registry, 1, 1, NOW + 5);
	assert_int_equal(outcome.result, STORE_OK);
	assert_true(outcome.is_new);
	assert_string_equal(outcome.node.name, "guest");
	assert_string_equal(prefix_print(&outcome.node.addresses[0], text), "10.0.0.2/24");
	registry_reopen(registry);
	assert_int_equal(enrol(registry, 2, 1, NOW + 6).result, STORE_TOKEN_USED);
	assert_int_equal(store_node_count(registry->store), 1);
}

static void the_same_key_again_gets_the_same_and_spends_nothing(void **state)
{
	struct registry *registry = *state;
	struct outcome first, second;
	uint64_t revision;

	create(registry, 1, false, NOW);
	first = enrol(registry, 1, 1, NOW);
	revision = store_revision(registry->store);
	second = enrol(registry, 1, 1, NOW + STORE_REPEAT_TIME - 1);
	assert_int_equal(second.result, STORE_OK);
	assert_false(second.is_new);
	assert_memory_equal(&first.node, &second.node, sizeof(first.node));
	assert_int_equal(store_revision(registry->store), revision);
	list(registry);
	assert_int_equal(listed[0].uses, 1);
	assert_int_equal(enrol(registry, 1, 1, NOW + STORE_REPEAT_TIME).result, STORE_TOKEN_USED);
}

static void a_repetition_is_good_after_the_tokens_end(void **state)
{
	struct registry *registry = *state;

	create(registry, 1, false, NOW);
	enrol(registry, 1, 1, NOW + HOUR - 1);
	assert_int_equal(enrol(registry, 1, 1, NOW + HOUR + 1).result, STORE_OK);
	assert_int_equal(enrol(registry, 2, 1, NOW + HOUR + 1).result, STORE_TOKEN_EXPIRED);
}

static void a_clock_set_back_by_years_repeats_nothing(void **state)
{
	struct registry *registry = *state;

	create(registry, 1, false, NOW);
	enrol(registry, 1, 1, NOW);
	assert_int_equal(enrol(registry, 1, 1, NOW - 1000 * (int64_t)DAY).result, STORE_TOKEN_USED);
}

static void a_wrong_proof_is_refused_before_anything_else(void **state)
{
	struct registry *registry = *state;

	create(registry, 1, false, NOW);
	assert_int_equal(enrol_with(registry, 1, 1, 2, NOW).result, STORE_TOKEN_WRONG);
	assert_int_equal(enrol_with(registry, 1, 1, 2, NOW + 2 * HOUR).result, STORE_TOKEN_WRONG);
	assert_int_equal(enrol(registry, 1, 1, NOW).result, STORE_OK);
	/* A repetition needs it, too. */
	assert_int_equal(enrol_with(registry, 1, 1, 2, NOW).result, STORE_TOKEN_WRONG);
	assert_int_equal(enrol(registry, 1, 7, NOW).result, STORE_TOKEN_UNKNOWN);
}

static void an_expired_token_is_refused(void **state)
{
	struct registry *registry = *state;

	create(registry, 1, true, NOW);
	assert_int_equal(enrol(registry, 1, 1, NOW + HOUR).result, STORE_TOKEN_EXPIRED);
	assert_int_equal(enrol(registry, 1, 1, NOW + HOUR - 1).result, STORE_OK);
}

static void a_revoked_token_is_refused(void **state)
{
	struct registry *registry = *state;
	uint8_t id[TOKEN_ID_SIZE] = {1, 9, 9, 9, 9, 9, 9, 9}, other[TOKEN_ID_SIZE] = {5};

	create(registry, 1, true, NOW);
	assert_int_equal(enrol(registry, 1, 1, NOW).result, STORE_OK);
	assert_int_equal(store_token_revoke(registry->store, id, NULL, NOW), STORE_OK);
	assert_int_equal(enrol(registry, 1, 1, NOW).result, STORE_TOKEN_REVOKED);
	assert_int_equal(enrol(registry, 2, 1, NOW).result, STORE_TOKEN_REVOKED);
	assert_int_equal(store_token_revoke(registry->store, other, NULL, NOW),
			 STORE_TOKEN_UNKNOWN);
	assert_non_null(strstr(store_problem(registry->store), "0500000000000000"));
	assert_int_equal(store_node_count(registry->store), 1);
}

static void a_reusable_token_lets_many_in(void **state)
{
	struct registry *registry = *state;

	create(registry, 1, true, NOW);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(enrol(registry, i, 1, NOW + i).result, STORE_OK);
	list(registry);
	assert_int_equal(listed[0].uses, 20);
	assert_int_equal(store_node_count(registry->store), 20);
}

static void a_removed_key_is_not_readmitted_by_a_token(void **state)
{
	struct registry *registry = *state;
	struct key key = registry_key(1);

	create(registry, 1, true, NOW);
	enrol(registry, 1, 1, NOW);
	store_remove(registry->store, &key, NULL, NOW + 1, NULL);
	/* Not even as a repetition. */
	assert_int_equal(enrol(registry, 1, 1, NOW + 2).result, STORE_KEY_REMOVED);
	assert_int_equal(enrol(registry, 2, 1, NOW + 2).result, STORE_OK);
}

static void a_member_keeps_what_it_has(void **state)
{
	struct registry *registry = *state;
	struct store_node node;
	struct outcome outcome;

	registry_add(registry, 1, "alpha", "10.0.0.77", NOW, &node);
	create(registry, 1, false, NOW);
	outcome = enrol(registry, 1, 1, NOW);
	assert_int_equal(outcome.result, STORE_OK);
	assert_false(outcome.is_new);
	assert_memory_equal(&outcome.node, &node, sizeof(node));
	assert_int_equal(enrol(registry, 2, 1, NOW).result, STORE_TOKEN_USED);
}

static void a_full_pool_spends_no_token(void **state)
{
	struct registry registry;

	registry_start(&registry, "10.0.0.1/30", NULL);
	create(&registry, 1, false, NOW);
	registry_add(&registry, 1, NULL, NULL, NOW, NULL);
	assert_int_equal(enrol(&registry, 2, 1, NOW).result, STORE_POOL_EMPTY);
	list(&registry);
	assert_int_equal(listed[0].uses, 0);
	registry_end(&registry);
}

static void tokens_are_listed_without_their_verifier(void **state)
{
	static const uint8_t zeros[STORE_VERIFIER_SIZE];
	struct registry *registry = *state;

	create(registry, 1, false, NOW);
	create(registry, 2, true, NOW + 1);
	assert_int_equal(list(registry), 2);
	assert_string_equal(listed[0].label, "label 1");
	assert_int_equal(listed[0].created, NOW);
	assert_int_equal(listed[0].expires, NOW + HOUR);
	assert_false(listed[0].is_reusable);
	assert_true(listed[1].is_reusable);
	assert_memory_equal(listed[0].verifier, zeros, sizeof(zeros));
	assert_true(store_token_is_usable(&listed[0], NOW));
	assert_false(store_token_is_usable(&listed[0], NOW + HOUR));
}

static void a_token_that_is_over_already_is_refused(void **state)
{
	struct registry *registry = *state;
	struct store_token token = {.id = {1}, .expires = NOW};

	assert_int_equal(store_token_create(registry->store, &token, NOW), STORE_INVALID);
	token.expires = NOW + 1;
	strcpy(token.label, "tab\there");
	assert_int_equal(store_token_create(registry->store, &token, NOW), STORE_INVALID);
	strcpy(token.label, "fine");
	assert_int_equal(store_token_create(registry->store, &token, NOW), STORE_OK);
}

static void tokens_are_forgotten_30_days_after_their_end(void **state)
{
	struct registry *registry = *state;

	create(registry, 1, false, NOW);
	create(registry, 2, false, NOW + HOUR + 30 * DAY);
	assert_int_equal(list(registry), 2);
	create(registry, 3, false, NOW + HOUR + 30 * DAY + 1);
	assert_int_equal(list(registry), 2);
	assert_int_equal(listed[0].id[0], 2);
}

static void malformed_tokens_are_skipped(void **state)
{
	struct registry *registry = *state;

	create(registry, 1, true, NOW);
	create(registry, 2, true, NOW);
	registry_sql(registry, "UPDATE token SET verifier = x'00' WHERE label = 'label 1'");
	assert_int_equal(list(registry), 1);
	assert_int_equal(enrol(registry, 1, 1, NOW).result, STORE_TOKEN_UNKNOWN);
}

static void the_number_of_tokens_has_a_limit(void **state)
{
	struct registry *registry = *state;

	registry_sql(registry, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
			       " WHERE i < 10000) INSERT INTO token SELECT randomblob(8),"
			       " zeroblob(32), NULL, 1700000000, 1800000000, 0, 0, 0 FROM n");
	assert_int_equal(create(registry, 1, true, NOW), STORE_TOO_MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_token_lets_one_node_in, start, end),
		cmocka_unit_test_setup_teardown(the_same_key_again_gets_the_same_and_spends_nothing,
						start, end),
		cmocka_unit_test_setup_teardown(a_repetition_is_good_after_the_tokens_end, start,
						end),
		cmocka_unit_test_setup_teardown(a_clock_set_back_by_years_repeats_nothing, start,
						end),
		cmocka_unit_test_setup_teardown(a_wrong_proof_is_refused_before_anything_else,
						start, end),
		cmocka_unit_test_setup_teardown(an_expired_token_is_refused, start, end),
		cmocka_unit_test_setup_teardown(a_revoked_token_is_refused, start, end),
		cmocka_unit_test_setup_teardown(a_reusable_token_lets_many_in, start, end),
		cmocka_unit_test_setup_teardown(a_removed_key_is_not_readmitted_by_a_token, start,
						end),
		cmocka_unit_test_setup_teardown(a_member_keeps_what_it_has, start, end),
		cmocka_unit_test(a_full_pool_spends_no_token),
		cmocka_unit_test_setup_teardown(tokens_are_listed_without_their_verifier, start,
						end),
		cmocka_unit_test_setup_teardown(a_token_that_is_over_already_is_refused, start,
						end),
		cmocka_unit_test_setup_teardown(tokens_are_forgotten_30_days_after_their_end, start,
						end),
		cmocka_unit_test_setup_teardown(malformed_tokens_are_skipped, start, end),
		cmocka_unit_test_setup_teardown(the_number_of_tokens_has_a_limit, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
