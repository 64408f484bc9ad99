#include "conf/conf_node.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/secret.h"

/* More than any node_config_print() needs: 16 routes, 4 endpoints of 262 characters. */
#define NODE_CONFIG_TEXT_MAX 4096

#define BASE64_NETWORK_SIZE  25 /* 16 bytes, with NUL */

static int read_secret(void *place, const char *value)
{
	return conf_private_key_parse(value, place);
}

static int read_public_key(void *place, const char *value)
{
	return conf_public_key_parse(value, place);
}

static int read_workers(void *place, const char *value)
{
	return conf_workers_parse(value, place);
}

static int read_mtu(void *place, const char *value)
{
	return conf_mtu_parse(value, place);
}

static int read_mark(void *place, const char *value)
{
	return conf_mark_parse(value, place);
}

static int read_keepalive(void *place, const char *value)
{
	return conf_keepalive_parse(value, place);
}

static int read_duration(void *place, const char *value)
{
	return usec_parse(value, place);
}

/* 0 means: the kernel picks one. */
static int read_port(void *place, const char *value)
{
	if (!strcmp(value, "0")) {
		*(uint16_t *)place = 0;
		return 0;
	}
	return conf_port_parse(value, place);
}

static int read_addresses(void *place, const char *value)
{
	struct node_config *config = place;

	return conf_prefixes_parse(value, config->addresses, &config->address_count,
				   CONF_ADDRESSES_MAX);
}

static int read_endpoints(void *place, const char *value)
{
	struct node_config *config = place;

	return conf_endpoints_parse(value, config->endpoints, &config->endpoint_count,
				    CONF_ENDPOINTS_MAX);
}

static int read_hub_addresses(void *place, const char *value)
{
	struct node_config *config = place;

	return conf_ips_parse(value, config->hub_addresses, &config->hub_address_count,
			      CONF_ADDRESSES_MAX);
}

static int read_network(void *place, const char *value)
{
	if (strlen(value) != BASE64_NETWORK_SIZE - 1)
		return -EINVAL;
	return base64_decode(place, CONF_NETWORK_SIZE, value, false) == CONF_NETWORK_SIZE ? 0
											  : -EINVAL;
}

static int read_site_secret(void *place, const char *value)
{
	struct node_config *config = place;

	config->has_site_secret = true;
	return conf_private_key_parse(value, &config->site_secret);
}

static int read_accept_routes(void *place, const char *value)
{
	struct node_config *config = place;

	return conf_networks_parse(value, config->accept_routes, &config->accept_route_count,
				   CONF_ROUTES_MAX);
}

static const struct ini_key interface_keys[] = {
	{.name = "PrivateKey",
	 .read = read_secret,
	 .offset = offsetof(struct node_config, private_key),
	 .expect = "a base64 key of 32 bytes",
	 .is_required = true,
	 .is_secret = true},
	{.name = "Address",
	 .read = read_addresses,
	 .expect = "a list of addresses (100.100.96.2/32)",
	 .is_repeatable = true,
	 .is_required = true},
	{.name = "ListenPort",
	 .read = read_port,
	 .offset = offsetof(struct node_config, listen_port),
	 .expect = "a port (1-65535, or 0 for any)"},
	{.name = "MTU",
	 .read = read_mtu,
	 .offset = offsetof(struct node_config, mtu),
	 .expect = "a size in bytes (576-9000)"},
	{.name = "Workers",
	 .read = read_workers,
	 .offset = offsetof(struct node_config, workers),
	 .expect = "a number of threads (1-4) or auto"},
	{.name = "FwMark",
	 .read = read_mark,
	 .offset = offsetof(struct node_config, fwmark),
	 .expect = "a number of 32 bits, in decimal or 0x..., or off"},
};

static const struct ini_key hub_keys[] = {
	{.name = "PublicKey",
	 .read = read_public_key,
	 .offset = offsetof(struct node_config, hub_key),
	 .expect = "a base64 public key of 32 bytes",
	 .is_required = true},
	{.name = "Endpoint",
	 .read = read_endpoints,
	 .expect = "HOST or HOST:PORT",
	 .is_repeatable = true,
	 .is_required = true},
	{.name = "Address",
	 .read = read_hub_addresses,
	 .expect = "a list of addresses without prefix length",
	 .is_repeatable = true,
	 .is_required = true},
	{.name = "Network",
	 .read = read_network,
	 .offset = offsetof(struct node_config, network),
	 .expect = "16 bytes in base64",
	 .is_required = true},
	{.name = "SiteSecret",
	 .read = read_site_secret,
	 .expect = "32 bytes in base64",
	 .is_secret = true},
	{.name = "PersistentKeepalive",
	 .read = read_keepalive,
	 .offset = offsetof(struct node_config, keepalive),
	 .expect = "a number of seconds (1-65535), or off"},
	{.name = "AcceptRoutes",
	 .read = read_accept_routes,
	 .expect = "a list of prefixes (192.168.0.0/16)",
	 .is_repeatable = true},
	{.name = "MaxMapAge",
	 .read = read_duration,
	 .offset = offsetof(struct node_config, max_map_age),
	 .expect = "a duration (12h, 30d), or 0 for never"},
};

static const struct ini_section sections[] = {
	{.name = "Interface",
	 .keys = interface_keys,
	 .key_count = array_size(interface_keys),
	 .is_required = true},
	{.name = "Hub", .keys = hub_keys, .key_count = array_size(hub_keys), .is_required = true},
	{.name = "Peer", .refusal = "peers come from the hub's map; remove this section"},
};

static const char *const foreign_keys[] = {"DNS",     "Table",    "PreUp",     "PostUp",
					   "PreDown", "PostDown", "SaveConfig"};

static const struct ini_schema schema = {.sections = sections,
					 .section_count = array_size(sections),
					 .foreign_keys = foreign_keys,
					 .foreign_count = array_size(foreign_keys)};

void node_config_init(struct node_config *config)
{
	*config = (struct node_config){.mtu = CONF_DEFAULT_MTU,
				       .keepalive = CONF_DEFAULT_KEEPALIVE,
				       .max_map_age = CONF_DEFAULT_MAP_AGE};
}

void node_config_done(struct node_config *config)
{
	secret_wipe(config, sizeof(*config));
}

int node_config_parse(const char *text, size_t size, const char *file,
		      struct node_config *ret_config, struct conf_error *ret_error)
{
	int error;

	node_config_init(ret_config);
	error = ini_parse(text, size, file, &schema, ret_config, ret_error);
	if (error)
		node_config_done(ret_config);
	return error;
}

static void print_key(struct buffer *out, const char *name, const struct key *key)
{
	char text[KEY_TEXT_SIZE];

	key_print(key, text);
	buffer_print(out, "%s = %s\n", name, text);
	secret_wipe(text, sizeof(text));
}

static void print_prefixes(struct buffer *out, const char *name, const struct prefix *prefixes,
			   size_t count)
{
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < count; i++)
		buffer_print(out, "%s = %s\n", name, prefix_print(&prefixes[i], text));
}

static void print_keepalive(struct buffer *out, uint16_t seconds)
{
	if (seconds)
		buffer_print(out, "PersistentKeepalive = %u\n", seconds);
	else
		buffer_print(out, "PersistentKeepalive = off\n");
}

static void print_interface(const struct node_config *config, struct buffer *out)
{
	buffer_print(out, "[Interface]\n");
	print_key(out, "PrivateKey", &config->private_key);
	print_prefixes(out, "Address", config->addresses, config->address_count);
	if (config->listen_port)
		buffer_print(out, "ListenPort = %u\n", config->listen_port);
	buffer_print(out, "MTU = %u\n", config->mtu);
	if (config->workers)
		buffer_print(out, "Workers = %u\n", config->workers);
	if (config->fwmark)
		buffer_print(out, "FwMark = 0x%x\n", config->fwmark);
}

static void print_hub(const struct node_config *config, struct buffer *out)
{
	char text[CONF_ENDPOINT_TEXT_SIZE], network[BASE64_NETWORK_SIZE];

	buffer_print(out, "\n[Hub]\n");
	print_key(out, "PublicKey", &config->hub_key);
	for (size_t i = 0; i < config->endpoint_count; i++)
		buffer_print(out, "Endpoint = %s\n",
			     conf_endpoint_print(&config->endpoints[i], text));
	for (size_t i = 0; i < config->hub_address_count; i++)
		buffer_print(out, "Address = %s\n",
			     address_print_ip(&config->hub_addresses[i], text));
	base64_encode(network, sizeof(network), config->network, CONF_NETWORK_SIZE, false);
	buffer_print(out, "Network = %s\n", network);
	if (config->has_site_secret)
		print_key(out, "SiteSecret", &config->site_secret);
	print_keepalive(out, config->keepalive);
	print_prefixes(out, "AcceptRoutes", config->accept_routes, config->accept_route_count);
	buffer_print(out, "MaxMapAge = %s\n", conf_duration_print(config->max_map_age, text));
}

void node_config_print(const struct node_config *config, struct buffer *out)
{
	buffer_reserve(out, NODE_CONFIG_TEXT_MAX);
	print_interface(config, out);
	print_hub(config, out);
}
