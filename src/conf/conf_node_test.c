#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "conf/conf_node.h"

#include <cmocka.h>

#define PRIVATE_KEY "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define PUBLIC_KEY  "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define OTHER_KEY   "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
#define NETWORK     "AAECAwQFBgcICQoLDA0ODw=="
#define INTERFACE   "[Interface]\nPrivateKey = " PRIVATE_KEY "\nAddress = 100.100.96.2/32\n"
#define HUB                                                                                    \
	"[Hub]\nPublicKey = " PUBLIC_KEY "\nEndpoint = 203.0.113.10\nAddress = 100.100.96.1\n" \
	"Network = " NETWORK "\n"

static int parse(const char *text, struct node_config *config, struct conf_error *error)
{
	return node_config_parse(text, strlen(text), "node.conf", config, error);
}

static void check_fault(const char *text, const char *message)
{
	struct node_config config;
	struct conf_error error;

	assert_int_equal(parse(text, &config, &error), -EINVAL);
	assert_string_equal(error.text, message);
	assert_true(key_is_zero(&config.private_key));
}

static void what_is_not_said_has_a_default(void **state)
{
	struct node_config config;
	struct conf_error error;

	assert_int_equal(parse(INTERFACE HUB, &config, &error), 0);
	assert_int_equal(config.listen_port, 0);
	assert_int_equal(config.mtu, 1420);
	assert_int_equal(config.fwmark, 0);
	assert_false(config.has_site_secret);
	assert_int_equal(config.keepalive, 25);
	assert_int_equal(config.accept_route_count, 0);
	assert_int_equal(config.max_map_age, 30 * USEC_PER_DAY);
	assert_int_equal(config.network[15], 15);
	node_config_done(&config);
}

static void everything_that_is_said_is_read(void **state)
{
	struct node_config config;
	struct conf_error error;
	char text[CONF_ENDPOINT_TEXT_SIZE];

	assert_int_equal(
		parse(INTERFACE
		      "Address = fd00:60::2/128\nListenPort = 0\nMTU = 1380\n"
		      "FwMark = 0xca6c\n" HUB "Endpoint = hub.example.org:443\n"
		      "Address = fd00:60::1\nSiteSecret = " OTHER_KEY "\n"
		      "PersistentKeepalive = off\nAcceptRoutes = 192.168.7.9/24, fd99::/16\n"
		      "MaxMapAge = 12h\n",
		      &config, &error),
		0);
	assert_int_equal(config.address_count, 2);
	assert_int_equal(config.mtu, 1380);
	assert_int_equal(config.fwmark, 0xca6c);
	assert_int_equal(config.endpoint_count, 2);
	assert_int_equal(config.hub_address_count, 2);
	assert_string_equal(address_print_ip(&config.hub_addresses[1], text), "fd00:60::1");
	assert_int_equal(config.hub_addresses[0].port, 0);
	assert_true(config.has_site_secret);
	assert_int_equal(config.keepalive, 0);
	assert_int_equal(config.accept_route_count, 2);
	assert_string_equal(prefix_print(&config.accept_routes[0], text), "192.168.7.0/24");
	assert_int_equal(config.max_map_age, 12 * USEC_PER_HOUR);
	node_config_done(&config);
}

static void a_fault_leaves_nothing_but_a_message(void **state)
{
	check_fault(INTERFACE, "node.conf: lacks the section [Hub]");
	check_fault(INTERFACE HUB "PersistentKeepAliv = 25\n",
		    "node.conf:9: unknown key 'PersistentKeepAliv' in [Hub]; did you mean "
		    "'PersistentKeepalive'?");
	check_fault(INTERFACE "PostUp = reboot\n" HUB,
		    "node.conf:4: 'PostUp' belongs to wg-quick and has no effect here; remove it");
	check_fault(INTERFACE HUB "Address = 100.100.96.1/24\n",
		    "node.conf:9: Address: '100.100.96.1/24' is not a list of addresses without "
		    "prefix length");
	check_fault(INTERFACE HUB "SiteSecret = " NETWORK "\n",
		    "node.conf:9: SiteSecret: the value is not 32 bytes in base64");
	check_fault(INTERFACE HUB "MaxMapAge = soon\n",
		    "node.conf:9: MaxMapAge: 'soon' is not a duration (12h, 30d), or 0 for never");
	check_fault(INTERFACE "[Hub]\nPublicKey = " PUBLIC_KEY "\nNetwork = AAAA\n",
		    "node.conf:6: Network: 'AAAA' is not 16 bytes in base64");
	check_fault(INTERFACE HUB "[Peer]\nPublicKey = " OTHER_KEY "\n",
		    "node.conf:9: [Peer]: peers come from the hub's map; remove this section");
}

static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

static void random_bytes_below(uint8_t *bytes, size_t size, uint64_t *seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)next_random(seed);
}

/* A canonical public key, different for each i. */
static struct key random_key(uint64_t *seed, size_t i)
{
	struct key key;

	random_bytes_below(key.bytes, KEY_SIZE, seed);
	key.bytes[0] = (uint8_t)i;
	key.bytes[1] = (uint8_t)(i >> 8 | 0x80);
	key.bytes[31] &= 0x3f;
	return key;
}

static struct prefix random_prefix(uint64_t *seed, size_t i)
{
	bool is_ipv6 = next_random(seed) % 2;
	struct prefix prefix = {.family = is_ipv6 ? FAMILY_IPV6 : FAMILY_IPV4};

	random_bytes_below(prefix.ip, family_size(prefix.family), seed);
	prefix.ip[0] = (uint8_t)(0x20 + i);
	prefix.bits = (uint8_t)(8 + next_random(seed) % (is_ipv6 ? 121 : 25));
	return prefix;
}

static void fill_random(struct node_config *config, uint64_t *seed)
{
	node_config_init(config);
	config->private_key = random_key(seed, 0);
	config->hub_key = random_key(seed, 0);
	config->listen_port = (uint16_t)next_random(seed);
	config->mtu = (uint16_t)(CONF_MTU_MIN + next_random(seed) % 8000);
	config->fwmark = next_random(seed) % 2 ? next_random(seed) : 0;
	config->address_count = 1 + next_random(seed) % CONF_ADDRESSES_MAX;
	for (size_t i = 0; i < config->address_count; i++)
		config->addresses[i] = random_prefix(seed, i);
	config->endpoint_count = 1 + next_random(seed) % CONF_ENDPOINTS_MAX;
	for (size_t i = 0; i < config->endpoint_count; i++) {
		snprintf(config->endpoints[i].host, CONF_HOST_SIZE, "h%zu.example", i);
		config->endpoints[i].port = (uint16_t)(1 + next_random(seed) % 65535);
	}
	config->hub_address_count = 1 + next_random(seed) % CONF_ADDRESSES_MAX;
	for (size_t i = 0; i < config->hub_address_count; i++) {
		struct prefix prefix = random_prefix(seed, i);

		config->hub_addresses[i] = prefix_address(&prefix);
	}
	random_bytes_below(config->network, CONF_NETWORK_SIZE, seed);
	config->has_site_secret = next_random(seed) % 2;
	if (config->has_site_secret)
		config->site_secret = random_key(seed, 1);
	config->keepalive = (uint16_t)(next_random(seed) % 3 * 25);
	config->accept_route_count = next_random(seed) % (CONF_ROUTES_MAX + 1);
	for (size_t i = 0; i < config->accept_route_count; i++) {
		struct prefix prefix = random_prefix(seed, i);

		config->accept_routes[i] = prefix_masked(&prefix);
	}
	config->max_map_age = next_random(seed) % 100000 * USEC_PER_MINUTE;
}

static void whatever_is_printed_parses_to_the_same_config(void **state)
{
	uint64_t start = 20260002, seed = start;

	print_message("seed %llu\n", (unsigned long long)start);
	for (int round = 0; round < 500; round++) {
		struct node_config config, again;
		struct buffer text = {0};
		struct conf_error error;

		fill_random(&config, &seed);
		node_config_print(&config, &text);
		if (node_config_parse(text.data, text.size, "node.conf", &again, &error))
			fail_msg("round %d: %s", round, error.text);
		assert_memory_equal(&config, &again, sizeof(config));
		node_config_done(&config);
		buffer_done(&text);
	}
}

static void the_seventeenth_route_is_one_too_many(void **state)
{
	char text[2000] = INTERFACE HUB "AcceptRoutes = 10.0.0.0/16\n";

	for (int i = 1; i < 17; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "AcceptRoutes = 10.%d.0.0/16\n", i);
	check_fault(text, "node.conf:25: AcceptRoutes: too many values");
}

/* Growing a buffer copies it, and the old copy with its keys stays in freed memory. */
static void the_largest_config_fits_what_its_printer_reserves(void **state)
{
	struct node_config config;
	struct buffer text = {0};
	uint64_t seed = 3;

	fill_random(&config, &seed);
	config.endpoint_count = CONF_ENDPOINTS_MAX;
	config.accept_route_count = CONF_ROUTES_MAX;
	config.address_count = config.hub_address_count = CONF_ADDRESSES_MAX;
	for (size_t i = 0; i < CONF_ROUTES_MAX; i++) {
		struct prefix *route = &config.accept_routes[i];

		memset(route, 0xab, sizeof(*route));
		route->family = FAMILY_IPV6;
		route->bits = 128;
		config.addresses[i % CONF_ADDRESSES_MAX] = *route;
		config.hub_addresses[i % CONF_ADDRESSES_MAX] = prefix_address(route);
		memset(config.endpoints[i % CONF_ENDPOINTS_MAX].host, 'h', CONF_HOST_SIZE - 1);
	}
	node_config_print(&config, &text);
	/* NODE_CONFIG_TEXT_MAX */
	assert_true(text.size > 2500 && text.size < 4096);
	buffer_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_a_default),
		cmocka_unit_test(everything_that_is_said_is_read),
		cmocka_unit_test(a_fault_leaves_nothing_but_a_message),
		cmocka_unit_test(whatever_is_printed_parses_to_the_same_config),
		cmocka_unit_test(the_seventeenth_route_is_one_too_many),
		cmocka_unit_test(the_largest_config_fits_what_its_printer_reserves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
