#include "cmd/node_text.h"

#include <string.h>

#include "base/address.h"
#include "base/key.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/secret.h"

#define TEXTS_MAX 8
/* More than any config below: grown once, so that no copy of the site secret stays behind. */
#define TEXT_SIZE 8192

struct texts {
	const char *items[TEXTS_MAX];
	size_t count;
};

struct facts {
	const char *name, *hub_key, *id, *site_secret;
	struct texts endpoints;
	struct prefix addresses[TEXTS_MAX], pools[TEXTS_MAX];
	size_t address_count, pool_count;
};

/* What a line of a config may hold. NULL for anything else. */
static const char *plain(const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || !*text || strlen(text) > 300)
		return NULL;
	for (const char *c = text; *c; c++) {
		if (*c <= ' ' || *c >= 0x7f || strchr("#;\"'\\", *c))
			return NULL;
	}
	return text;
}

static bool read_texts(const json_t *array, struct texts *texts)
{
	size_t index;
	json_t *item;

	json_array_foreach((json_t *)array, index, item)
	{
		const char *text = plain(item);

		if (!text || texts->count == TEXTS_MAX)
			return false;
		texts->items[texts->count++] = text;
	}
	return json_is_array(array);
}

static bool read_prefixes(const json_t *array, struct prefix *prefixes, size_t *ret_count)
{
	struct texts texts = {.count = 0};

	if (!read_texts(array, &texts) || !texts.count)
		return false;
	for (size_t i = 0; i < texts.count; i++) {
		if (prefix_parse(texts.items[i], &prefixes[i]))
			return false;
	}
	*ret_count = texts.count;
	return true;
}

static bool is_key(const char *text)
{
	struct key key;
	bool is_right = text && !key_parse(text, &key);

	secret_wipe(&key, sizeof(key));
	return is_right;
}

static bool read_facts(const json_t *answer, struct facts *facts)
{
	const json_t *node = json_object_get(answer, "node");
	const json_t *network = json_object_get(answer, "network");

	memset(facts, 0, sizeof(*facts));
	facts->name = plain(json_object_get(node, "name"));
	facts->hub_key = plain(json_object_get(network, "public_key"));
	facts->id = plain(json_object_get(network, "id"));
	facts->site_secret = plain(json_object_get(network, "site_secret"));
	return facts->name && text_is_name(facts->name) && facts->id && is_key(facts->hub_key) &&
	       is_key(facts->site_secret) &&
	       read_texts(json_object_get(network, "endpoints"), &facts->endpoints) &&
	       read_prefixes(json_object_get(node, "addresses"), facts->addresses,
			     &facts->address_count) &&
	       read_prefixes(json_object_get(network, "addresses"), facts->pools,
			     &facts->pool_count);
}

/* ---- INI ---- */

bool node_text_ini(const json_t *answer, struct buffer *out)
{
	struct facts facts;
	char text[ADDRESS_TEXT_SIZE];

	if (!read_facts(answer, &facts))
		return false;
	buffer_reserve(out, TEXT_SIZE);
	buffer_print(
		out,
		"# %s: save this there as /etc/wayleave/node.conf (chmod 600), put its private "
		"key in,\n# then run: wayleave up\n"
		"[Interface]\nPrivateKey = PRIVATE-KEY-OF-%s\n",
		facts.name, facts.name);
	for (size_t i = 0; i < facts.address_count; i++)
		buffer_print(out, "Address = %s\n", prefix_print(&facts.addresses[i], text));
	buffer_print(out, "\n[Hub]\nPublicKey = %s\n", facts.hub_key);
	for (size_t i = 0; i < facts.endpoints.count; i++)
		buffer_print(out, "Endpoint = %s\n", facts.endpoints.items[i]);
	if (!facts.endpoints.count)
		buffer_print(out, "# hub.conf names no Endpoint; write one here:\n"
				  "# Endpoint = HOST:PORT\n");
	for (size_t i = 0; i < facts.pool_count; i++) {
		struct address hub = prefix_address(&facts.pools[i]);

		buffer_print(out, "Address = %s\n", address_print_ip(&hub, text));
	}
	buffer_print(out, "Network = %s\nSiteSecret = %s\nPersistentKeepalive = 25\n", facts.id,
		     facts.site_secret);
	return true;
}

/* ---- YAML ---- */

/* kurohabaki knows one address, of IPv4 when there is one. */
static const struct prefix *main_prefix(const struct prefix *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (prefixes[i].family == FAMILY_IPV4)
			return &prefixes[i];
	}
	return &prefixes[0];
}

/* "[fd00::1]:5" would be a list, and "::1" a key: those are quoted. */
static void add_yaml(struct buffer *out, const char *key, const char *value)
{
	bool needs_quotes = strchr("[:-?{&*!|>%@`", value[0]) != NULL;

	buffer_print(out, needs_quotes ? "    %s: '%s'\n" : "    %s: %s\n", key, value);
}

bool node_text_yaml(const json_t *answer, struct buffer *out)
{
	struct facts facts;
	const struct prefix *own, *pool;
	struct prefix network, own_host, hub_host;
	struct address own_ip, hub;
	char text[ADDRESS_TEXT_SIZE];

	if (!read_facts(answer, &facts))
		return false;
	own = main_prefix(facts.addresses, facts.address_count);
	pool = main_prefix(facts.pools, facts.pool_count);
	own_ip = prefix_address(own);
	hub = prefix_address(pool);
	own_host = prefix_of_host(&own_ip);
	hub_host = prefix_of_host(&hub);
	network = prefix_masked(pool);
	buffer_print(out, "# Client YAML configuration\ninterface:\n"
			  "    private_key: <YOUR_PRIVATE_KEY_HERE>\n");
	add_yaml(out, "address", prefix_print(&own_host, text));
	add_yaml(out, "dns", address_print_ip(&hub, text));
	buffer_print(out, "    routes:\n        - %s\npeer:\n", prefix_print(&network, text));
	add_yaml(out, "public_key", facts.hub_key);
	add_yaml(out, "endpoint",
		 facts.endpoints.count ? facts.endpoints.items[0] : "<HUB_ADDRESS>:51820");
	add_yaml(out, "allowed_ips", prefix_print(&hub_host, text));
	hub.port = 2379;
	buffer_print(out, "    persistent_keepalive: 5\n"
			  "# For the shape only: wayleave's hub runs no etcd.\netcd:\n");
	add_yaml(out, "endpoint", address_print(&hub, text));
	return true;
}
