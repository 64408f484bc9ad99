#include "conf/conf_hub.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/secret.h"

/* More than any hub_config_print() needs: 4 addresses, 4 endpoints of 262 characters. */
#define HUB_CONFIG_TEXT_MAX 4096

static int read_private_key(void *place, const char *value)
{
	return conf_private_key_parse(value, place);
}

static int read_port(void *place, const char *value)
{
	return conf_port_parse(value, place);
}

static int read_workers(void *place, const char *value)
{
	return conf_workers_parse(value, place);
}

static int read_mtu(void *place, const char *value)
{
	return conf_mtu_parse(value, place);
}

/* A pool has room only when its length is written, and two pools never share an address. */
static int read_addresses(void *place, const char *value)
{
	struct hub_config *config = place;
	size_t before = config->address_count;
	int error = conf_prefixes_parse(value, config->addresses, &config->address_count,
					CONF_ADDRESSES_MAX);

	if (error)
		return error;
	for (const char *item = value; item; item = strchr(item, ',')) {
		item += *item == ',';
		if (!memchr(item, '/', strcspn(item, ",")))
			return -EINVAL;
	}
	for (size_t i = before; i < config->address_count; i++) {
		if (!config->addresses[i].bits)
			return -EINVAL;
		for (size_t j = 0; j < i; j++) {
			if (prefix_overlaps(&config->addresses[i], &config->addresses[j]))
				return -EEXIST;
		}
	}
	return 0;
}

static int read_name(void *place, const char *value)
{
	if (!text_is_name(value))
		return -EINVAL;
	return text_copy(place, CONF_NAME_SIZE, value) ? 0 : -EINVAL;
}

static int read_endpoints(void *place, const char *value)
{
	struct hub_config *config = place;

	return conf_endpoints_parse(value, config->endpoints, &config->endpoint_count,
				    CONF_ENDPOINTS_MAX);
}

static int read_switch(void *place, const char *value)
{
	return conf_switch_parse(value, place);
}

static const struct ini_key interface_keys[] = {
	{.name = "PrivateKey",
	 .read = read_private_key,
	 .offset = offsetof(struct hub_config, private_key),
	 .expect = "a base64 key of 32 bytes",
	 .is_required = true,
	 .is_secret = true},
	{.name = "ListenPort",
	 .read = read_port,
	 .offset = offsetof(struct hub_config, listen_port),
	 .expect = "a port (1-65535)"},
	{.name = "Address",
	 .read = read_addresses,
	 .expect = "a list of addresses with prefix length (100.100.96.1/24)",
	 .is_repeatable = true,
	 .is_required = true},
	{.name = "MTU",
	 .read = read_mtu,
	 .offset = offsetof(struct hub_config, mtu),
	 .expect = "a size in bytes (576-9000)"},
	{.name = "Workers",
	 .read = read_workers,
	 .offset = offsetof(struct hub_config, workers),
	 .expect = "a number of threads (1-4) or auto"},
};

static const struct ini_key hub_keys[] = {
	{.name = "Name",
	 .read = read_name,
	 .offset = offsetof(struct hub_config, name),
	 .expect = "a name of a-z, 0-9 and -, at most 63 characters"},
	{.name = "Endpoint",
	 .read = read_endpoints,
	 .expect = "HOST or HOST:PORT",
	 .is_repeatable = true},
	{.name = "Appointments",
	 .read = read_switch,
	 .offset = offsetof(struct hub_config, appointments),
	 .expect = "on or off"},
};

static const struct ini_section sections[] = {
	{.name = "Interface",
	 .keys = interface_keys,
	 .key_count = array_size(interface_keys),
	 .is_required = true},
	{.name = "Hub", .keys = hub_keys, .key_count = array_size(hub_keys)},
};

static const char *const foreign_keys[] = {"DNS",     "Table",    "PreUp",      "PostUp",
					   "PreDown", "PostDown", "SaveConfig", "FwMark"};

static const struct ini_schema schema = {.sections = sections,
					 .section_count = array_size(sections),
					 .foreign_keys = foreign_keys,
					 .foreign_count = array_size(foreign_keys)};

void hub_config_init(struct hub_config *config)
{
	*config = (struct hub_config){.listen_port = CONF_DEFAULT_PORT,
				      .mtu = CONF_DEFAULT_MTU,
				      .name = "hub",
				      .appointments = true};
}

void hub_config_done(struct hub_config *config)
{
	secret_wipe(config, sizeof(*config));
}

int hub_config_parse(const char *text, size_t size, const char *file, struct hub_config *ret_config,
		     struct conf_error *ret_error)
{
	int error;

	hub_config_init(ret_config);
	error = ini_parse(text, size, file, &schema, ret_config, ret_error);
	if (error)
		hub_config_done(ret_config);
	return error;
}

void hub_config_print(const struct hub_config *config, struct buffer *out)
{
	char text[CONF_ENDPOINT_TEXT_SIZE], key[KEY_TEXT_SIZE];

	/* Room for all of it at once: growing would leave copies of the key behind. */
	buffer_reserve(out, HUB_CONFIG_TEXT_MAX);
	key_print(&config->private_key, key);
	buffer_print(out, "[Interface]\nPrivateKey = %s\nListenPort = %u\n", key,
		     config->listen_port);
	secret_wipe(key, sizeof(key));
	for (size_t i = 0; i < config->address_count; i++)
		buffer_print(out, "Address = %s\n", prefix_print(&config->addresses[i], text));
	buffer_print(out, "MTU = %u\n", config->mtu);
	if (config->workers)
		buffer_print(out, "Workers = %u\n", config->workers);
	buffer_print(out, "\n[Hub]\nName = %s\n", config->name);
	for (size_t i = 0; i < config->endpoint_count; i++)
		buffer_print(out, "Endpoint = %s\n",
			     conf_endpoint_print(&config->endpoints[i], text));
	buffer_print(out, "Appointments = %s\n", config->appointments ? "on" : "off");
}
