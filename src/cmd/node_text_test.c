#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "cmd/node_text.h"
#include "conf/conf_node.h"
#include "crypto/crypto.h"

#include <cmocka.h>

#define PRIVATE_KEY "mHFvBkO+GrD2CDS7sUcwKTBNpfXA5hM9Vb5YmLqTxWc="
#define HUB_KEY     "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
#define SITE_SECRET "Xl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl4="
#define NETWORK_ID  "FxcXFxcXFxcXFxcXFxcXFw=="

static json_t *answer_of(const char *endpoints, const char *addresses, const char *pools)
{
	auto_free char *text = memory_print(
		"{\"node\":{\"name\":\"laptop\",\"addresses\":[%s]},\"network\":{"
		"\"public_key\":\"" HUB_KEY "\",\"id\":\"" NETWORK_ID
		"\",\"site_secret\":\"" SITE_SECRET "\",\"endpoints\":[%s],\"addresses\":[%s]}}",
		addresses, endpoints, pools);
	json_t *answer = json_loads(text, 0, NULL);

	assert_non_null(answer);
	return answer;
}

static json_t *both_families(void)
{
	return answer_of("\"hub.example.org:51820\",\"[2001:db8::1]:443\"",
			 "\"fd00:96::7/64\",\"100.100.96.7/24\"",
			 "\"fd00:96::1/64\",\"100.100.96.1/24\"");
}

static void replace(struct buffer *text, const char *from, const char *to)
{
	char *place = strstr(text->data, from);
	auto_free char *after = NULL;

	assert_non_null(place);
	after = memory_copy_text(place + strlen(from));
	text->size = (size_t)(place - text->data);
	buffer_print(text, "%s%s", to, after);
}

static void the_ini_is_a_config_once_the_private_key_is_in_it(void **state)
{
	json_t *answer = both_families();
	struct buffer text = {0};
	struct node_config config;
	struct conf_error error;
	char shown[CONF_ENDPOINT_TEXT_SIZE];

	assert_true(node_text_ini(answer, &text));
	/* As it is, it is refused with the number of the line. */
	assert_int_not_equal(node_config_parse(text.data, text.size, "node.conf", &config, &error),
			     0);
	assert_non_null(strstr(error.text, "PrivateKey"));
	replace(&text, "PRIVATE-KEY-OF-laptop", PRIVATE_KEY);
	if (node_config_parse(text.data, text.size, "node.conf", &config, &error))
		fail_msg("%s", error.text);
	assert_int_equal(config.address_count, 2);
	assert_string_equal(prefix_print(&config.addresses[1], shown), "100.100.96.7/24");
	assert_int_equal(config.endpoint_count, 2);
	assert_string_equal(conf_endpoint_print(&config.endpoints[1], shown), "[2001:db8::1]:443");
	assert_int_equal(config.hub_address_count, 2);
	assert_string_equal(address_print_ip(&config.hub_addresses[0], shown), "fd00:96::1");
	assert_true(config.has_site_secret);
	assert_int_equal(config.network[15], 0x17);
	assert_int_equal(config.keepalive, 25);
	node_config_done(&config);
	buffer_done(&text);
	json_decref(answer);
}

static void without_an_endpoint_the_ini_says_what_is_missing(void **state)
{
	json_t *answer = answer_of("", "\"10.0.0.7/8\"", "\"10.0.0.1/8\"");
	struct buffer text = {0};

	assert_true(node_text_ini(answer, &text));
	assert_non_null(strstr(text.data, "# Endpoint = HOST:PORT"));
	buffer_done(&text);
	json_decref(answer);
}

static void the_yaml_knows_one_address_and_prefers_ipv4(void **state)
{
	json_t *answer = both_families();
	struct buffer text = {0};

	assert_true(node_text_yaml(answer, &text));
	assert_non_null(strstr(text.data, "    address: 100.100.96.7/32\n    dns: 100.100.96.1\n"
					  "    routes:\n        - 100.100.96.0/24\n"));
	assert_non_null(strstr(text.data, "    endpoint: hub.example.org:51820\n"));
	assert_null(strstr(text.data, SITE_SECRET));
	buffer_done(&text);
	json_decref(answer);
}

static void the_yaml_quotes_what_yaml_would_misread(void **state)
{
	json_t *answer =
		answer_of("\"[2001:db8::1]:443\"", "\"fd00:96::7/64\"", "\"fd00:96::1/64\"");
	struct buffer text = {0};

	assert_true(node_text_yaml(answer, &text));
	assert_non_null(strstr(text.data, "    endpoint: '[2001:db8::1]:443'\n"));
	assert_non_null(strstr(text.data, "    endpoint: '[fd00:96::1]:2379'\n"));
	assert_non_null(strstr(text.data, "    address: fd00:96::7/128\n"));
	buffer_done(&text);
	json_decref(answer);
}

static void what_does_not_belong_into_a_config_is_refused(void **state)
{
	static const char *const endpoints[] = {
		"\"x:1\\nPostUp = reboot\"", "\"x 1\"", "\"x#1\"", "\"\"", "5",
		"\"\\u001b[31m\"",           "\"'\"",   "null"};
	struct buffer text = {0};
	json_t *answer;

	for (size_t i = 0; i < array_size(endpoints); i++) {
		answer = answer_of(endpoints[i], "\"10.0.0.7/8\"", "\"10.0.0.1/8\"");
		assert_false(node_text_ini(answer, &text));
		assert_false(node_text_yaml(answer, &text));
		json_decref(answer);
	}
	answer = answer_of("\"x:1\"", "\"10.0.0.7/99\"", "\"10.0.0.1/8\"");
	assert_false(node_text_ini(answer, &text));
	json_decref(answer);
	answer = answer_of("\"x:1\"", "", "\"10.0.0.1/8\"");
	assert_false(node_text_ini(answer, &text));
	json_decref(answer);
	answer = both_families();
	json_object_set_new(json_object_get(answer, "node"), "name", json_string("A\nB"));
	assert_false(node_text_ini(answer, &text));
	json_object_clear(answer);
	assert_false(node_text_ini(answer, &text));
	assert_false(node_text_yaml(answer, &text));
	json_decref(answer);
	assert_int_equal(text.size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ini_is_a_config_once_the_private_key_is_in_it),
		cmocka_unit_test(without_an_endpoint_the_ini_says_what_is_missing),
		cmocka_unit_test(the_yaml_knows_one_address_and_prefers_ipv4),
		cmocka_unit_test(the_yaml_quotes_what_yaml_would_misread),
		cmocka_unit_test(what_does_not_belong_into_a_config_is_refused),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
