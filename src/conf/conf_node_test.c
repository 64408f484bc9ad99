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
	assert_null(config.peers);
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
	assert_int_equal(config.peer_count, 0);
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
		      "MaxMapAge = 12h\n"
		      "[Peer]\nPublicKey = " OTHER_KEY "\nPresharedKey = " PRIVATE_KEY "\n"
		      "AllowedIPs = 10.9.0.0/16\nAllowedIPs =\n"
		      "Endpoint = [2001:db8::7]:51820\nPersistentKeepalive = 20\n",
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
	assert_int_equal(config.peer_count, 1);
	assert_false(key_is_zero(&config.peers[0].preshared_key));
	assert_int_equal(config.peers[0].allowed_ip_count, 1);
	assert_string_equal(conf_endpoint_print(&config.peers[0].endpoint, text),
			    "[2001:db8::7]:51820");
	assert_int_equal(config.peers[0].keepalive, 20);
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
	check_fault(INTERFACE HUB "[Peer]\nPublicKey = " OTHER_KEY "\nEndpoint = 10.0.0.1\n",
		    "node.conf:11: Endpoint: '10.0.0.1' is not HOST:PORT");
}

static void one_key_is_one_peer(void **state)
{
	check_fault(INTERFACE HUB "[Peer]\nPublicKey = " PUBLIC_KEY "\n",
		    "node.conf: a [Peer] has the hub's PublicKey");
	check_fault(INTERFACE HUB "[Peer]\nPublicKey = " OTHER_KEY
				  "\n[Peer]\nPublicKey = " OTHER_KEY "\n",
		    "node.conf: two [Peer] sections have one PublicKey");
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

static void fill_peers(struct node_config *config, uint64_t *seed)
{
	config->peer_count = next_random(seed) % 4;
	if (config->peer_count)
		config->peers = new_array(struct conf_peer, config->peer_count);
	for (size_t i = 0; i < config->peer_count; i++) {
		struct conf_peer *peer = &config->peers[i];

		peer->public_key = random_key(seed, i + 1);
		if (next_random(seed) % 2)
			peer->preshared_key = random_key(seed, i);
		peer->allowed_ip_count = next_random(seed) % (CONF_ROUTES_MAX + 1);
		for (size_t j = 0; j < peer->allowed_ip_count; j++) {
			struct prefix prefix = random_prefix(seed, j);

			peer->allowed_ips[j] = prefix_masked(&prefix);
		}
		peer->has_endpoint = next_random(seed) % 2;
		if (peer->has_endpoint) {
			strcpy(peer->endpoint.host, "peer.example");
			peer->endpoint.port = (uint16_t)(1 + next_random(seed) % 65535);
		}
		peer->keepalive = (uint16_t)(next_random(seed) % 3 * 25);
	}
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
	fill_peers(config, seed);
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
		assert_int_equal(config.peer_count, again.peer_count);
		if (config.peer_count)
			assert_memory_equal(config.peers, again.peers,
					    config.peer_count * sizeof(*config.peers));
		free(again.peers);
		again.peers = config.peers;
		assert_memory_equal(&config, &again, sizeof(config));
		node_config_done(&config);
		buffer_done(&text);
	}
}

/* Growing a buffer copies it, and the old copy with its keys stays in freed memory. */
static void the_largest_config_fits_what_its_printer_reserves(void **state)
{
	struct node_config config;
	struct buffer text = {0};
	uint64_t seed = 3;

	fill_random(&config, &seed);
	free(config.peers);
	config.peer_count = CONF_PEERS_MAX;
	config.peers = new_array(struct conf_peer, CONF_PEERS_MAX);
	for (size_t i = 0; i < CONF_PEERS_MAX; i++) {
		struct conf_peer *peer = &config.peers[i];

		peer->public_key = peer->preshared_key = random_key(&seed, i + 1);
		peer->has_endpoint = true;
		memset(peer->endpoint.host, 'h', CONF_HOST_SIZE - 1);
		peer->endpoint.port = peer->keepalive = 65535;
		peer->allowed_ip_count = CONF_ROUTES_MAX;
		for (size_t j = 0; j < CONF_ROUTES_MAX; j++) {
			memset(peer->allowed_ips[j].ip, 0xab, 16);
			peer->allowed_ips[j].family = FAMILY_IPV6;
			peer->allowed_ips[j].bits = 128;
		}
	}
	node_config_print(&config, &text);
	/* NODE_CONFIG_TEXT_MAX and PEER_TEXT_MAX */
	assert_true(text.size < 16384 + CONF_PEERS_MAX * 5120);
	buffer_done(&text);
	node_config_done(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_a_default),
		cmocka_unit_test(everything_that_is_said_is_read),
		cmocka_unit_test(a_fault_leaves_nothing_but_a_message),
		cmocka_unit_test(one_key_is_one_peer),
		cmocka_unit_test(whatever_is_printed_parses_to_the_same_config),
		cmocka_unit_test(the_largest_config_fits_what_its_printer_reserves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
