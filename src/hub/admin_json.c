#include "hub/admin_json.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static json_t *json_key(const struct key *key)
{
	char text[KEY_TEXT_SIZE];

	key_print(key, text);
	return json_string(text);
}

static json_t *json_prefixes(const struct prefix *prefixes, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		char text[ADDRESS_TEXT_SIZE];

		json_array_append_new(array, json_string(prefix_print(&prefixes[i], text)));
	}
	return array;
}

static json_t *json_text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *json_time_or_null(int64_t at)
{
	return at ? json_integer(at) : json_null();
}

json_t *admin_json_node(const struct store_node *node)
{
	char endpoint[ADDRESS_TEXT_SIZE] = "";
	json_t *object = json_object();

	if (node->endpoint.family != FAMILY_NONE)
		address_print(&node->endpoint, endpoint);
	json_object_set_new(object, "name", json_string(node->name));
	json_object_set_new(object, "public_key", json_key(&node->key));
	json_object_set_new(object, "addresses",
			    json_prefixes(node->addresses, node->address_count));
	json_object_set_new(object, "created", json_integer(node->created));
	json_object_set_new(object, "last_seen", json_time_or_null(node->last_seen));
	json_object_set_new(object, "endpoint", json_text_or_null(endpoint));
	return object;
}

const char *admin_token_id_print(const uint8_t id[TOKEN_ID_SIZE], char text[ADMIN_TOKEN_ID_TEXT])
{
	for (size_t i = 0; i < TOKEN_ID_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	return text;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool admin_token_id_parse(const char *text, uint8_t ret_id[TOKEN_ID_SIZE])
{
	if (strlen(text) != ADMIN_TOKEN_ID_TEXT - 1)
		return false;
	for (size_t i = 0; i < TOKEN_ID_SIZE; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret_id[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static json_t *json_token_id(const uint8_t id[TOKEN_ID_SIZE])
{
	char text[ADMIN_TOKEN_ID_TEXT];

	return json_string(admin_token_id_print(id, text));
}

json_t *admin_json_token(const struct store_token *token, int64_t now)
{
	json_t *object = json_object();

	json_object_set_new(object, "id", json_token_id(token->id));
	json_object_set_new(object, "label", json_text_or_null(token->label));
	json_object_set_new(object, "created", json_integer(token->created));
	json_object_set_new(object, "expires", json_integer(token->expires));
	json_object_set_new(object, "reusable", json_boolean(token->is_reusable));
	json_object_set_new(object, "revoked", json_boolean(token->is_revoked));
	json_object_set_new(object, "uses", json_integer(token->uses));
	json_object_set_new(object, "usable", json_boolean(store_token_is_usable(token, now)));
	return object;
}

json_t *admin_json_event(const struct store_event *event)
{
	json_t *object = json_object();

	json_object_set_new(object, "number", json_integer((json_int_t)event->number));
	json_object_set_new(object, "at", json_integer(event->at));
	json_object_set_new(object, "event", json_string(event->event));
	json_object_set_new(object, "name", json_text_or_null(event->name));
	json_object_set_new(object, "public_key",
			    key_is_zero(&event->key) ? json_null() : json_key(&event->key));
	json_object_set_new(object, "token",
			    event->has_token ? json_token_id(event->token_id) : json_null());
	json_object_set_new(object, "source", json_text_or_null(event->source));
	return object;
}

static json_t *json_endpoints(const struct hub_config *config)
{
	json_t *array = json_array();

	for (size_t i = 0; i < config->endpoint_count; i++) {
		char text[CONF_ENDPOINT_TEXT_SIZE];

		json_array_append_new(
			array, json_string(conf_endpoint_print(&config->endpoints[i], text)));
	}
	return array;
}

static json_t *json_base64(const void *data, size_t size)
{
	char text[64];

	base64_encode(text, sizeof(text), data, size, false);
	return json_string(text);
}

json_t *admin_json_network(const struct store_network *network, const struct hub_config *config,
			   const struct key *public_key)
{
	json_t *object = json_object();

	json_object_set_new(object, "id", json_base64(network->id, sizeof(network->id)));
	json_object_set_new(object, "public_key", json_key(public_key));
	json_object_set_new(object, "name", json_string(config->name));
	json_object_set_new(object, "endpoints", json_endpoints(config));
	json_object_set_new(object, "addresses",
			    json_prefixes(network->pools, network->pool_count));
	json_object_set_new(object, "site_secret",
			    json_base64(network->site_secret, sizeof(network->site_secret)));
	return object;
}
