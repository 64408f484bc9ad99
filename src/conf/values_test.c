#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "base/memory.h"
#include "conf/values.h"

#include <cmocka.h>

static void an_endpoint_has_a_host_and_a_port(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
	} rows[] = {
		{"hub.example.org", "hub.example.org", 51820},
		{"hub.example.org:7", "hub.example.org", 7},
		{"203.0.113.10:51821", "203.0.113.10", 51821},
		{"203.0.113.10", "203.0.113.10", 51820},
		{"[fd00::1]:5", "fd00::1", 5},
		{"[fd00::1]", "fd00::1", 51820},
		{"fd00::1", "fd00::1", 51820},
		{"hub", "hub", 51820},
		{"hub_1.lan.", "hub_1.lan.", 51820},
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		struct conf_endpoint endpoint;

		assert_int_equal(conf_endpoint_parse(rows[i].text, 51820, &endpoint), 0);
		assert_string_equal(endpoint.host, rows[i].host);
		assert_int_equal(endpoint.port, rows[i].port);
	}
}

static void what_is_no_endpoint_is_refused(void **state)
{
	static const char *const texts[] = {
		"",           ":51820",  "hub:",        "hub:0",      "hub:65536",
		"hub:x",      "hub:-1",  "[fd00::1",    "[fd00::1]5", "[fd00::1]:",
		"fd00::1::2", "1.2.3",   "1.2.3.4.5",   "256.1.1.1",  "1.2.3.4/24",
		"a b",        "-hub",    ".hub",        "a..b",       "hub;rm",
		"[hub]:",     "hub:1:2", "http://hub/", "\xc3\xa4",   "[]:5",
	};

	for (size_t i = 0; i < array_size(texts); i++) {
		struct conf_endpoint endpoint;

		assert_int_equal(conf_endpoint_parse(texts[i], 51820, &endpoint), -EINVAL);
	}
}

static void an_endpoint_without_port_is_refused_when_there_is_no_default(void **state)
{
	struct conf_endpoint endpoint;

	assert_int_equal(conf_endpoint_parse("hub", 0, &endpoint), -EINVAL);
	assert_int_equal(conf_endpoint_parse("[fd00::1]", 0, &endpoint), -EINVAL);
	assert_int_equal(conf_endpoint_parse("hub:1", 0, &endpoint), 0);
}

static void a_host_of_254_characters_is_refused_and_253_are_kept(void **state)
{
	struct conf_endpoint endpoint;
	char host[300];

	memset(host, 'a', sizeof(host));
	host[253] = '\0';
	assert_int_equal(conf_endpoint_parse(host, 1, &endpoint), 0);
	assert_int_equal(strlen(endpoint.host), 253);
	host[253] = 'a';
	host[254] = '\0';
	assert_int_equal(conf_endpoint_parse(host, 1, &endpoint), -EINVAL);
}

static void a_printed_endpoint_reads_back(void **state)
{
	static const char *const texts[] = {"hub.example.org:7", "1.2.3.4:65535", "[fd00::1]:5"};

	for (size_t i = 0; i < array_size(texts); i++) {
		char text[CONF_ENDPOINT_TEXT_SIZE];
		struct conf_endpoint endpoint;

		assert_int_equal(conf_endpoint_parse(texts[i], 0, &endpoint), 0);
		assert_string_equal(conf_endpoint_print(&endpoint, text), texts[i]);
	}
}

static void a_literal_address_needs_no_resolver(void **state)
{
	struct conf_endpoint endpoint;
	struct address address;
	char text[ADDRESS_TEXT_SIZE];

	assert_int_equal(conf_endpoint_parse("[fd00::1]:5", 0, &endpoint), 0);
	assert_true(conf_endpoint_address(&endpoint, &address));
	assert_string_equal(address_print(&address, text), "[fd00::1]:5");
	assert_int_equal(conf_endpoint_parse("hub:5", 0, &endpoint), 0);
	assert_false(conf_endpoint_address(&endpoint, &address));
}

static void numbers_have_bounds(void **state)
{
	uint16_t value;
	uint32_t mark;

	assert_int_equal(conf_port_parse("0", &value), -ERANGE);
	assert_int_equal(conf_port_parse("65536", &value), -ERANGE);
	assert_int_equal(conf_port_parse("", &value), -EINVAL);
	assert_int_equal(conf_port_parse("65535", &value), 0);
	assert_int_equal(value, 65535);
	assert_int_equal(conf_mtu_parse("575", &value), -ERANGE);
	assert_int_equal(conf_mtu_parse("9001", &value), -ERANGE);
	assert_int_equal(conf_mtu_parse("576", &value), 0);
	assert_int_equal(conf_workers_parse("4", &value), 0);
	assert_int_equal(value, 4);
	assert_int_equal(conf_workers_parse("auto", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(conf_workers_parse("0", &value), -ERANGE);
	assert_int_equal(conf_workers_parse("5", &value), -ERANGE);
	assert_int_equal(conf_keepalive_parse("Off", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(conf_keepalive_parse("25s", &value), -EINVAL);
	assert_int_equal(conf_mark_parse("0x1F", &mark), 0);
	assert_int_equal(mark, 31);
	assert_int_equal(conf_mark_parse("4294967295", &mark), 0);
	assert_int_equal(mark, UINT32_MAX);
	assert_int_equal(conf_mark_parse("4294967296", &mark), -ERANGE);
	assert_int_equal(conf_mark_parse("0x", &mark), -EINVAL);
	assert_int_equal(conf_mark_parse("0x123456789", &mark), -EINVAL);
	assert_int_equal(conf_mark_parse("0x1g", &mark), -EINVAL);
	assert_int_equal(conf_mark_parse("off", &mark), 0);
	assert_int_equal(mark, 0);
}

static void a_switch_is_on_or_off(void **state)
{
	bool value = false;

	assert_int_equal(conf_switch_parse("on", &value), 0);
	assert_true(value);
	assert_int_equal(conf_switch_parse("FALSE", &value), 0);
	assert_false(value);
	assert_int_equal(conf_switch_parse("yes", &value), 0);
	assert_true(value);
	assert_int_equal(conf_switch_parse("1", &value), -EINVAL);
	assert_int_equal(conf_switch_parse("", &value), -EINVAL);
}

static void a_zero_key_is_no_key(void **state)
{
	struct key key;

	assert_int_equal(
		conf_private_key_parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &key),
		-EINVAL);
}

static void a_public_key_with_a_second_spelling_is_refused(void **state)
{
	struct key key;

	/* 2^255 - 19 and 2^255 - 1, and a small one with bit 255 set. */
	assert_int_equal(
		conf_public_key_parse("7f///////////////////////////////////////38=", &key),
		-EINVAL);
	assert_int_equal(
		conf_public_key_parse("/////////////////////////////////////////38=", &key),
		-EINVAL);
	assert_int_equal(
		conf_public_key_parse("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA=", &key),
		-EINVAL);
	assert_int_equal(
		conf_public_key_parse("xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", &key), 0);
}

static void a_list_refuses_empty_and_repeated_items(void **state)
{
	struct prefix prefixes[3];
	size_t count = 0;

	assert_int_equal(conf_prefixes_parse("10.0.0.1/24, fd00::1/64", prefixes, &count, 3), 0);
	assert_int_equal(count, 2);
	assert_int_equal(conf_prefixes_parse("10.0.0.1/24", prefixes, &count, 3), -EEXIST);
	assert_int_equal(conf_prefixes_parse("10.0.0.2,,10.0.0.3", prefixes, &count, 3), -EINVAL);
	assert_int_equal(conf_prefixes_parse("10.0.0.4", prefixes, &count, 3), -E2BIG);
	count = 0;
	assert_int_equal(conf_prefixes_parse("", prefixes, &count, 3), -EINVAL);
	assert_int_equal(conf_prefixes_parse("10.0.0.2,", prefixes, &count, 3), -EINVAL);
}

static void a_list_of_networks_has_no_host_bits(void **state)
{
	struct prefix prefixes[3];
	size_t count = 0;
	char text[ADDRESS_TEXT_SIZE];

	assert_int_equal(conf_networks_parse("10.0.0.1/24", prefixes, &count, 3), 0);
	assert_string_equal(prefix_print(&prefixes[0], text), "10.0.0.0/24");
	assert_int_equal(conf_networks_parse("10.0.0.2/24", prefixes, &count, 3), -EEXIST);
}

static void a_list_of_addresses_takes_no_prefix_length(void **state)
{
	struct address addresses[2];
	size_t count = 0;

	assert_int_equal(conf_ips_parse("10.0.0.1/32", addresses, &count, 2), -EINVAL);
	assert_int_equal(conf_ips_parse(" 10.0.0.1 ,fd00::1 ", addresses, &count, 2), 0);
	assert_int_equal(count, 2);
	assert_int_equal(addresses[1].family, FAMILY_IPV6);
}

static void a_list_of_endpoints_compares_names_without_case(void **state)
{
	struct conf_endpoint endpoints[4];
	size_t count = 0;

	assert_int_equal(conf_endpoints_parse("Hub:1,hub:2", endpoints, &count, 4), 0);
	assert_int_equal(conf_endpoints_parse("HUB:1", endpoints, &count, 4), -EEXIST);
	assert_int_equal(count, 2);
}

static void a_duration_is_printed_in_the_largest_exact_unit(void **state)
{
	static const struct {
		usec_t duration;
		const char *text;
	} rows[] = {
		{0, "0"},
		{30 * USEC_PER_DAY, "30d"},
		{36 * USEC_PER_HOUR, "36h"},
		{90 * USEC_PER_SEC, "90s"},
		{5 * USEC_PER_MINUTE, "5m"},
		{1500 * USEC_PER_MSEC, "1500ms"},
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		char text[CONF_DURATION_TEXT_SIZE];
		usec_t again;

		assert_string_equal(conf_duration_print(rows[i].duration, text), rows[i].text);
		assert_int_equal(usec_parse(text, &again), 0);
		assert_int_equal(again, rows[i].duration);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_has_a_host_and_a_port),
		cmocka_unit_test(what_is_no_endpoint_is_refused),
		cmocka_unit_test(an_endpoint_without_port_is_refused_when_there_is_no_default),
		cmocka_unit_test(a_host_of_254_characters_is_refused_and_253_are_kept),
		cmocka_unit_test(a_printed_endpoint_reads_back),
		cmocka_unit_test(a_literal_address_needs_no_resolver),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(a_switch_is_on_or_off),
		cmocka_unit_test(a_zero_key_is_no_key),
		cmocka_unit_test(a_public_key_with_a_second_spelling_is_refused),
		cmocka_unit_test(a_list_refuses_empty_and_repeated_items),
		cmocka_unit_test(a_list_of_networks_has_no_host_bits),
		cmocka_unit_test(a_list_of_addresses_takes_no_prefix_length),
		cmocka_unit_test(a_list_of_endpoints_compares_names_without_case),
		cmocka_unit_test(a_duration_is_printed_in_the_largest_exact_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
