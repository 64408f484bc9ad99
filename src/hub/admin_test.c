#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "crypto/crypto.h"
#include "crypto/hash.h"
#include "crypto/x25519.h"
#include "hub/admin.h"
#include "proto/wire/join.h"
#include "registry.h"

#include <cmocka.h>

#define NOW REGISTRY_EPOCH

struct fixture {
	struct registry registry;
	struct hub_config config;
	struct admin *admin;
	struct admin_change change;
	json_t *answer;
};

static int start(void **state)
{
	struct fixture *fixture = new (struct fixture);
	static const char text[] =
		"[Interface]\nPrivateKey = mHFvBkO+GrD2CDS7sUcwKTBNpfXA5hM9Vb5YmLqTxWc=\n"
		"Address = 100.100.96.1/24, fd00:96::1/64\n[Hub]\nName = nest\n"
		"Endpoint = 203.0.113.10:51820\nEndpoint = hub.example.org:443\n";
	struct conf_error error;

	registry_start(&fixture->registry, "100.100.96.1/24", "fd00:96::1/64");
	assert_int_equal(hub_config_parse(text, strlen(text), "hub.conf", &fixture->config, &error),
			 0);
	fixture->admin = admin_new(fixture->registry.store, &fixture->config);
	*state = fixture;
	return 0;
}

static int end(void **state)
{
	struct fixture *fixture = *state;

	json_decref(fixture->answer);
	admin_free(fixture->admin);
	registry_end(&fixture->registry);
	hub_config_done(&fixture->config);
	free(fixture);
	return 0;
}

static json_t *ask_as(struct fixture *fixture, const char *request, bool is_root)
{
	char *text = admin_handle(fixture->admin, request, is_root, NOW, &fixture->change);

	assert_null(strchr(text, '\n'));
	for (const char *c = text; *c; c++)
		assert_true(*c >= 0x20 && *c < 0x7f);
	json_decref(fixture->answer);
	fixture->answer = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_object(fixture->answer));
	if (json_is_true(json_object_get(fixture->answer, "ok"))) {
		assert_null(json_object_get(fixture->answer, "error"));
	} else {
		assert_true(json_is_string(json_object_get(fixture->answer, "code")));
		assert_true(json_is_string(json_object_get(fixture->answer, "error")));
		assert_int_equal(json_object_size(fixture->answer), 3);
		assert_int_equal(fixture->change.kind, ADMIN_NO_CHANGE);
	}
	free(text);
	return fixture->answer;
}

static json_t *ask(struct fixture *fixture, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static json_t *ask(struct fixture *fixture, const char *format, ...)
{
	char request[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(request, sizeof(request), format, arguments);
	va_end(arguments);
	return ask_as(fixture, request, true);
}

static const char *text_of(const json_t *object, const char *path)
{
	char first[32];
	const char *dot = strchr(path, '.');

	if (!dot)
		return json_string_value(json_object_get(object, path));
	snprintf(first, sizeof(first), "%.*s", (int)(dot - path), path);
	return text_of(json_object_get(object, first), dot + 1);
}

static const char *key_text(unsigned number)
{
	static char text[KEY_TEXT_SIZE];
	struct key key = registry_key(number);

	key_print(&key, text);
	return text;
}

static const char *add(struct fixture *fixture, unsigned key, const char *name)
{
	ask(fixture, "{\"command\":\"node-add\",\"key\":\"%s\",\"name\":\"%s\"}", key_text(key),
	    name);
	return text_of(fixture->answer, "code");
}

static void an_added_node_gets_all_it_needs_to_know(void **state)
{
	struct fixture *fixture = *state;
	struct key key = registry_key(1), public_key;
	char text[KEY_TEXT_SIZE];
	json_t *network;

	assert_null(add(fixture, 1, "alpha"));
	assert_int_equal(fixture->change.kind, ADMIN_ADDED);
	assert_true(key_is_equal(&fixture->change.key, &key));
	assert_string_equal(text_of(fixture->answer, "node.name"), "alpha");
	assert_string_equal(text_of(fixture->answer, "node.public_key"), key_text(1));
	network = json_object_get(fixture->answer, "network");
	x25519_public(&fixture->config.private_key, &public_key);
	key_print(&public_key, text);
	assert_string_equal(text_of(network, "public_key"), text);
	assert_string_equal(text_of(network, "id"), "FxcXFxcXFxcXFxcXFxcXFw==");
	assert_string_equal(text_of(network, "name"), "nest");
	assert_string_equal(text_of(network, "site_secret"),
			    "Xl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl4=");
	assert_int_equal(json_array_size(json_object_get(network, "endpoints")), 2);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(network, "addresses"), 1)),
		"fd00:96::1/64");
}

static void a_node_may_be_asked_addresses(void **state)
{
	struct fixture *fixture = *state;
	json_t *addresses;

	ask(fixture,
	    "{\"command\":\"node-add\",\"key\":\"%s\",\"addresses\":[\"100.100.96.77\","
	    "\"fd00:96::7/64\"]}",
	    key_text(1));
	addresses = json_object_get(json_object_get(fixture->answer, "node"), "addresses");
	assert_string_equal(json_string_value(json_array_get(addresses, 0)), "100.100.96.77/24");
	assert_string_equal(json_string_value(json_array_get(addresses, 1)), "fd00:96::7/64");
	ask(fixture, "{\"command\":\"node-add\",\"key\":\"%s\",\"addresses\":[\"100.100.96.77\"]}",
	    key_text(2));
	assert_string_equal(text_of(fixture->answer, "code"), "address-refused");
	ask(fixture, "{\"command\":\"node-add\",\"key\":\"%s\",\"addresses\":[\"here\"]}",
	    key_text(2));
	assert_string_equal(text_of(fixture->answer, "code"), "invalid");
}

static void what_is_no_public_key_is_refused(void **state)
{
	static const char *const keys[] = {
		"",
		"x",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", /* low order */
		"4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=", /* low order */
		"7f///////////////////////////////////////38=", /* the prime itself */
		"//////////////////////////////////////////8=",
	};
	struct fixture *fixture = *state;
	struct key hub;
	char text[KEY_TEXT_SIZE];

	for (size_t i = 0; i < array_size(keys); i++) {
		ask(fixture, "{\"command\":\"node-add\",\"key\":\"%s\"}", keys[i]);
		assert_string_equal(text_of(fixture->answer, "code"), "invalid");
	}
	x25519_public(&fixture->config.private_key, &hub);
	key_print(&hub, text);
	ask(fixture, "{\"command\":\"node-add\",\"key\":\"%s\"}", text);
	assert_non_null(strstr(text_of(fixture->answer, "error"), "hub's own key"));
	assert_int_equal(store_node_count(fixture->registry.store), 0);
}

static void nodes_are_listed_shown_renamed_and_removed(void **state)
{
	struct fixture *fixture = *state;
	struct key key = registry_key(2);
	json_t *nodes;

	add(fixture, 1, "alpha");
	add(fixture, 2, "beta");
	assert_string_equal(add(fixture, 2, "gamma"), "key-exists");
	nodes = json_object_get(ask(fixture, "{\"command\":\"node-list\"}"), "nodes");
	assert_int_equal(json_array_size(nodes), 2);
	assert_true(json_is_null(json_object_get(json_array_get(nodes, 0), "endpoint")));
	ask(fixture, "{\"command\":\"node-show\",\"node\":\"100.100.96.3\"}");
	assert_string_equal(text_of(fixture->answer, "node.name"), "beta");
	ask(fixture, "{\"command\":\"node-rename\",\"node\":\"beta\",\"name\":\"gamma\"}");
	assert_int_equal(fixture->change.kind, ADMIN_RENAMED);
	assert_true(key_is_equal(&fixture->change.key, &key));
	assert_string_equal(text_of(fixture->answer, "old_name"), "beta");
	ask(fixture, "{\"command\":\"node-remove\",\"node\":\"%s\"}", key_text(2));
	assert_int_equal(fixture->change.kind, ADMIN_REMOVED);
	assert_true(key_is_equal(&fixture->change.key, &key));
	assert_string_equal(text_of(fixture->answer, "node.name"), "gamma");
	ask(fixture, "{\"command\":\"node-remove\",\"node\":\"gamma\"}");
	assert_string_equal(text_of(fixture->answer, "code"), "not-found");
	assert_string_equal(add(fixture, 2, "gamma"), "key-removed");
	ask(fixture, "{\"command\":\"node-add\",\"key\":\"%s\",\"force\":true}", key_text(2));
	assert_null(text_of(fixture->answer, "code"));
}

static void keys_with_slash_and_plus_name_nodes(void **state)
{
	struct fixture *fixture = *state;
	unsigned found = 0;

	for (unsigned i = 0; i < 40; i++) {
		if (!strpbrk(key_text(i), "/") || !strpbrk(key_text(i), "+"))
			continue;
		found++;
		assert_null(add(fixture, i, ""));
		ask(fixture, "{\"command\":\"node-remove\",\"node\":\"%s\"}", key_text(i));
		assert_string_equal(text_of(fixture->answer, "node.public_key"), key_text(i));
	}
	assert_true(found > 5);
}

static void malformed_records_are_listed_beside_the_others_and_can_be_removed(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, 1, "alpha");
	add(fixture, 2, "beta");
	registry_sql(&fixture->registry,
		     "UPDATE node SET name = 'B' || char(27) || 'x' WHERE name = 'beta'");
	ask(fixture, "{\"command\":\"node-list\"}");
	assert_int_equal(json_array_size(json_object_get(fixture->answer, "nodes")), 1);
	assert_int_equal(json_array_size(json_object_get(fixture->answer, "malformed")), 1);
	ask(fixture, "{\"command\":\"node-remove\",\"node\":\"%s\"}", key_text(2));
	assert_int_equal(fixture->change.kind, ADMIN_REMOVED);
	ask(fixture, "{\"command\":\"node-list\"}");
	assert_int_equal(json_array_size(json_object_get(fixture->answer, "malformed")), 0);
}

static void a_join_string_carries_the_token_whose_hash_is_kept(void **state)
{
	struct fixture *fixture = *state;
	struct join join;
	struct hash_part part = {join.token, sizeof(join.token)};
	uint8_t verifier[BLAKE2S_SIZE];
	char sql[256] = "UPDATE token SET label = 'found' WHERE verifier = x'";

	ask(fixture, "{\"command\":\"token-create\"}");
	assert_int_equal(join_parse(text_of(fixture->answer, "join"), &join), JOIN_OK);
	assert_int_equal(join.endpoint_count, 2);
	assert_string_equal(join.endpoints[1], "hub.example.org:443");
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(fixture->answer, "token"), "expires")),
			 NOW + 3600);
	blake2s(verifier, &part, 1);
	for (size_t i = 0; i < sizeof(verifier); i++)
		snprintf(sql + strlen(sql), 3, "%02x", verifier[i]);
	strcat(sql, "'");
	registry_sql(&fixture->registry, sql);
	ask(fixture, "{\"command\":\"token-list\"}");
	assert_string_equal(
		text_of(json_array_get(json_object_get(fixture->answer, "tokens"), 0), "label"),
		"found");
}

static bool contains(const char *path, const void *wanted, size_t size)
{
	FILE *file = fopen(path, "rb");
	static char content[1 << 20];
	size_t got;

	if (!file)
		return false;
	got = fread(content, 1, sizeof(content), file);
	fclose(file);
	return memmem(content, got, wanted, size) != NULL;
}

static void a_token_is_in_no_file(void **state)
{
	struct fixture *fixture = *state;
	struct join join;
	char wal[128];

	ask(fixture, "{\"command\":\"token-create\",\"label\":\"planted-label\"}");
	assert_int_equal(join_parse(text_of(fixture->answer, "join"), &join), JOIN_OK);
	snprintf(wal, sizeof(wal), "%s-wal", fixture->registry.path);
	assert_true(contains(wal, "planted-label", 13));
	assert_false(contains(wal, join.token, sizeof(join.token)));
	assert_false(contains(fixture->registry.path, join.token, sizeof(join.token)));
	assert_false(contains(wal, &fixture->config.private_key, KEY_SIZE));
	/* And in no other answer. */
	ask(fixture, "{\"command\":\"token-list\"}");
	assert_null(text_of(fixture->answer, "join"));
}

static void tokens_are_limited_labelled_and_revoked(void **state)
{
	struct fixture *fixture = *state;
	char id[32];
	json_t *token;

	ask(fixture, "{\"command\":\"token-create\",\"reusable\":true,\"expires_s\":86400,"
		     "\"label\":\"office\"}");
	token = json_object_get(fixture->answer, "token");
	assert_true(json_is_true(json_object_get(token, "reusable")));
	assert_int_equal(json_integer_value(json_object_get(token, "expires")), NOW + 86400);
	snprintf(id, sizeof(id), "%s", text_of(token, "id"));
	ask(fixture, "{\"command\":\"token-revoke\",\"id\":\"%s\"}", id);
	assert_string_equal(text_of(fixture->answer, "id"), id);
	token = json_array_get(
		json_object_get(ask(fixture, "{\"command\":\"token-list\"}"), "tokens"), 0);
	assert_true(json_is_true(json_object_get(token, "revoked")));
	assert_true(json_is_false(json_object_get(token, "usable")));
	assert_string_equal(text_of(token, "label"), "office");
	ask(fixture, "{\"command\":\"token-revoke\",\"id\":\"0123456789abcdef\"}");
	assert_string_equal(text_of(fixture->answer, "code"), "token-unknown");
	ask(fixture, "{\"command\":\"token-revoke\",\"id\":\"nonsense\"}");
	assert_string_equal(text_of(fixture->answer, "code"), "invalid");
	ask(fixture, "{\"command\":\"token-create\",\"expires_s\":0}");
	assert_string_equal(text_of(fixture->answer, "code"), "invalid");
	ask(fixture, "{\"command\":\"token-create\",\"expires_s\":9223372036854775807}");
	assert_string_equal(text_of(fixture->answer, "code"), "invalid");
	ask(fixture, "{\"command\":\"token-create\",\"label\":\"\\u001b[31m\"}");
	assert_string_equal(text_of(fixture->answer, "code"), "invalid");
}

static void without_an_endpoint_there_is_no_join_string(void **state)
{
	struct fixture *fixture = *state;

	fixture->config.endpoint_count = 0;
	ask(fixture, "{\"command\":\"token-create\"}");
	assert_non_null(strstr(text_of(fixture->answer, "error"), "Endpoint = HOST:PORT"));
	ask(fixture, "{\"command\":\"token-list\"}");
	assert_int_equal(json_array_size(json_object_get(fixture->answer, "tokens")), 0);
}

static void only_root_changes_things_and_sees_secrets(void **state)
{
	static const struct {
		const char *request;
		bool is_allowed;
	} cases[] = {
		{"{\"command\":\"node-add\",\"key\":"
		 "\"Pg2pFFmi8ZrTaHq3mCWfgoVZUWpFKZbYBkmyBWTW2mk=\"}",
		 false},
		{"{\"command\":\"node-rename\",\"node\":\"alpha\",\"name\":\"beta\"}", false},
		{"{\"command\":\"node-remove\",\"node\":\"alpha\"}", false},
		{"{\"command\":\"token-create\"}", false},
		{"{\"command\":\"token-revoke\",\"id\":\"0123456789abcdef\"}", false},
		{"{\"command\":\"node-list\"}", true},
		{"{\"command\":\"node-show\",\"node\":\"alpha\"}", true},
		{"{\"command\":\"token-list\"}", true},
		{"{\"command\":\"log\"}", true},
	};
	struct fixture *fixture = *state;
	uint64_t revision;

	add(fixture, 1, "alpha");
	revision = store_revision(fixture->registry.store);
	for (size_t i = 0; i < array_size(cases); i++) {
		const char *code;

		ask_as(fixture, cases[i].request, false);
		code = text_of(fixture->answer, "code");
		if (cases[i].is_allowed)
			assert_null(code);
		else
			assert_string_equal(code, "denied");
	}
	assert_int_equal(store_revision(fixture->registry.store), revision);
}

static void nonsense_is_answered_in_words(void **state)
{
	static const char *const requests[] = {
		"",
		"{",
		"[]",
		"1",
		"null",
		"{}",
		"\"node-list\"",
		"{\"command\":1}",
		"{\"command\":\"destroy\"}",
		"{\"command\":\"node-add\"}",
		"{\"command\":\"node-add\",\"key\":5}",
		"{\"command\":\"node-list\",\"surprise\":1}",
		"{\"command\":\"node-list\",\"command\":\"log\"}",
		"{\"command\":\"node-show\",\"node\":null}",
		"{\"command\":\"log\",\"limit\":\"all\"}",
		"{\"command\":\"node-show\",\"\\u001b[31m\":\"x\",\"node\":\"y\"}",
		"{\"command\":\"node-show\",\"node\":\"\\u0000\"}",
		"\xff\xfe",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < array_size(requests); i++) {
		ask_as(fixture, requests[i], true);
		assert_string_equal(text_of(fixture->answer, "code"), "malformed");
	}
	ask(fixture, "{\"command\":\"log\",\"limit\":-1}");
	assert_string_equal(text_of(fixture->answer, "code"), "invalid");
}

static void the_log_tells_what_was_done(void **state)
{
	struct fixture *fixture = *state;
	json_t *events;

	add(fixture, 1, "alpha");
	ask(fixture, "{\"command\":\"token-create\"}");
	ask(fixture, "{\"command\":\"node-remove\",\"node\":\"alpha\"}");
	events = json_object_get(ask(fixture, "{\"command\":\"log\"}"), "events");
	assert_int_equal(json_array_size(events), 3);
	assert_string_equal(text_of(json_array_get(events, 0), "event"), "add");
	assert_string_equal(text_of(json_array_get(events, 0), "public_key"), key_text(1));
	assert_string_equal(text_of(json_array_get(events, 0), "source"), "admin");
	assert_string_equal(text_of(json_array_get(events, 2), "event"), "remove");
	events = json_object_get(ask(fixture, "{\"command\":\"log\",\"limit\":1}"), "events");
	assert_int_equal(json_array_size(events), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_added_node_gets_all_it_needs_to_know, start,
						end),
		cmocka_unit_test_setup_teardown(a_node_may_be_asked_addresses, start, end),
		cmocka_unit_test_setup_teardown(what_is_no_public_key_is_refused, start, end),
		cmocka_unit_test_setup_teardown(nodes_are_listed_shown_renamed_and_removed, start,
						end),
		cmocka_unit_test_setup_teardown(keys_with_slash_and_plus_name_nodes, start, end),
		cmocka_unit_test_setup_teardown(
			malformed_records_are_listed_beside_the_others_and_can_be_removed, start,
			end),
		cmocka_unit_test_setup_teardown(a_join_string_carries_the_token_whose_hash_is_kept,
						start, end),
		cmocka_unit_test_setup_teardown(a_token_is_in_no_file, start, end),
		cmocka_unit_test_setup_teardown(tokens_are_limited_labelled_and_revoked, start,
						end),
		cmocka_unit_test_setup_teardown(without_an_endpoint_there_is_no_join_string, start,
						end),
		cmocka_unit_test_setup_teardown(only_root_changes_things_and_sees_secrets, start,
						end),
		cmocka_unit_test_setup_teardown(nonsense_is_answered_in_words, start, end),
		cmocka_unit_test_setup_teardown(the_log_tells_what_was_done, start, end),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
