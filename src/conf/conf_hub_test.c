#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "conf/conf_hub.h"

#include <cmocka.h>

#define PRIVATE_KEY "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define LEAST       "[Interface]\nPrivateKey = " PRIVATE_KEY "\nAddress = 100.100.96.1/24\n"

static int parse(const char *text, struct hub_config *config, struct conf_error *error)
{
	return hub_config_parse(text, strlen(text), "hub.conf", config, error);
}

static void check_fault(const char *text, const char *message)
{
	struct hub_config config;
	struct conf_error error;

	assert_int_equal(parse(text, &config, &error), -EINVAL);
	assert_string_equal(error.text, message);
	assert_true(key_is_zero(&config.private_key));
}

static void what_is_not_said_has_a_default(void **state)
{
	struct hub_config config;
	struct conf_error error;

	assert_int_equal(parse(LEAST, &config, &error), 0);
	assert_int_equal(config.listen_port, 51820);
	assert_int_equal(config.mtu, 1420);
	assert_string_equal(config.name, "hub");
	assert_int_equal(config.endpoint_count, 0);
	assert_true(config.appointments);
	hub_config_done(&config);
	assert_true(key_is_zero(&config.private_key));
}

static void everything_that_is_said_is_read(void **state)
{
	struct hub_config config;
	struct conf_error error;
	char text[CONF_ENDPOINT_TEXT_SIZE];

	assert_int_equal(parse(LEAST
			       "Address = fd00:60::1/64\nListenPort = 7\nMTU = 1380\n"
			       "[Hub]\nName = nest\nEndpoint = 203.0.113.10, hub.example.org:8\n"
			       "Endpoint = [2001:db8::1]:9\nAppointments = off\n",
			       &config, &error),
			 0);
	assert_int_equal(config.listen_port, 7);
	assert_int_equal(config.mtu, 1380);
	assert_int_equal(config.address_count, 2);
	assert_string_equal(prefix_print(&config.addresses[0], text), "100.100.96.1/24");
	assert_string_equal(prefix_print(&config.addresses[1], text), "fd00:60::1/64");
	assert_string_equal(config.name, "nest");
	assert_int_equal(config.endpoint_count, 3);
	assert_string_equal(conf_endpoint_print(&config.endpoints[0], text), "203.0.113.10:51820");
	assert_string_equal(conf_endpoint_print(&config.endpoints[1], text), "hub.example.org:8");
	assert_string_equal(conf_endpoint_print(&config.endpoints[2], text), "[2001:db8::1]:9");
	assert_false(config.appointments);
	hub_config_done(&config);
}

static void a_fault_leaves_nothing_but_a_message(void **state)
{
	check_fault(LEAST "ListenPrt = 7\n", "hub.conf:4: unknown key 'ListenPrt' in [Interface]; "
					     "did you mean 'ListenPort'?");
	check_fault("[Interface]\nPrivateKey = " PRIVATE_KEY "\n",
		    "hub.conf:1: [Interface] lacks Address (a list of addresses with prefix length "
		    "(100.100.96.1/24))");
	check_fault(LEAST "Address = 10.0.0.1\n",
		    "hub.conf:4: Address: '10.0.0.1' is not a list of addresses with prefix length "
		    "(100.100.96.1/24)");
	check_fault(
		LEAST "Address = 10.0.0.1/0\n",
		"hub.conf:4: Address: '10.0.0.1/0' is not a list of addresses with prefix length "
		"(100.100.96.1/24)");
	check_fault(LEAST "Address = 10.0.0.1/24, 10.0.1.1\n",
		    "hub.conf:4: Address: '10.0.0.1/24, 10.0.1.1' is not a list of addresses with "
		    "prefix length (100.100.96.1/24)");
	check_fault(LEAST "[Hub]\nName = Big Nest\n",
		    "hub.conf:5: Name: 'Big Nest' is not a name of a-z, 0-9 and -, at most 63 "
		    "characters");
	check_fault(LEAST "ListenPort = 0\n",
		    "hub.conf:4: ListenPort: '0' is not a port (1-65535)");
	check_fault("[Interface]\nPrivateKey = abc\n",
		    "hub.conf:2: PrivateKey: the value is not a base64 key of 32 bytes");
	check_fault(LEAST "FwMark = 7\n",
		    "hub.conf:4: 'FwMark' belongs to wg-quick and has no effect here; remove it");
}

static void two_pools_never_share_an_address(void **state)
{
	check_fault(LEAST "Address = 100.100.0.1/16\n",
		    "hub.conf:4: Address: '100.100.0.1/16' repeats or overlaps an earlier value");
	check_fault(LEAST "Address = 10.0.0.1/8, 10.9.0.1/16\n",
		    "hub.conf:4: Address: '10.0.0.1/8, 10.9.0.1/16' repeats or overlaps an earlier "
		    "value");
}

static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

static void fill_random(struct hub_config *config, uint64_t *seed)
{
	hub_config_init(config);
	for (size_t i = 0; i < KEY_SIZE; i++)
		config->private_key.bytes[i] = (uint8_t)next_random(seed);
	config->listen_port = (uint16_t)(1 + next_random(seed) % 65535);
	config->mtu = (uint16_t)(CONF_MTU_MIN + next_random(seed) % 8000);
	config->address_count = 1 + next_random(seed) % CONF_ADDRESSES_MAX;
	for (size_t i = 0; i < config->address_count; i++) {
		bool is_ipv6 = next_random(seed) % 2;
		struct prefix *prefix = &config->addresses[i];

		*prefix = (struct prefix){.family = is_ipv6 ? FAMILY_IPV6 : FAMILY_IPV4};
		for (size_t j = 1; j < family_size(prefix->family); j++)
			prefix->ip[j] = (uint8_t)next_random(seed);
		prefix->ip[0] = (uint8_t)(0x20 + i);
		prefix->bits = (uint8_t)(8 + next_random(seed) % (is_ipv6 ? 121 : 25));
	}
	snprintf(config->name, sizeof(config->name), "n%u", next_random(seed));
	config->endpoint_count = next_random(seed) % (CONF_ENDPOINTS_MAX + 1);
	for (size_t i = 0; i < config->endpoint_count; i++) {
		snprintf(config->endpoints[i].host, CONF_HOST_SIZE,
			 next_random(seed) % 2 ? "fd00::%zx" : "h%zu.example", i + 1);
		config->endpoints[i].port = (uint16_t)(1 + next_random(seed) % 65535);
	}
	config->appointments = next_random(seed) % 2;
}

static void whatever_is_printed_parses_to_the_same_config(void **state)
{
	uint64_t start = 20260001, seed = start;

	print_message("seed %llu\n", (unsigned long long)start);
	for (int round = 0; round < 2000; round++) {
		struct hub_config config, again;
		struct buffer text = {0};
		struct conf_error error;

		fill_random(&config, &seed);
		hub_config_print(&config, &text);
		if (hub_config_parse(text.data, text.size, "hub.conf", &again, &error))
			fail_msg("round %d: %s", round, error.text);
		assert_memory_equal(&config, &again, sizeof(config));
		buffer_done(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_a_default),
		cmocka_unit_test(everything_that_is_said_is_read),
		cmocka_unit_test(a_fault_leaves_nothing_but_a_message),
		cmocka_unit_test(two_pools_never_share_an_address),
		cmocka_unit_test(whatever_is_printed_parses_to_the_same_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
