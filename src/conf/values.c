#include "conf/values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"

#define ITEM_SIZE 300 /* one item of a list: the longest is an endpoint */

static bool is_host_name(const char *host)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._";
	size_t length = strlen(host);

	return length && length < CONF_HOST_SIZE && host[0] != '-' && host[0] != '.' &&
	       strspn(host, letters) == length && !strstr(host, "..");
}

/* Four numbers with dots that inet_pton refuses are a mistyped address, not a name. */
static bool is_dotted_number(const char *host)
{
	return strspn(host, "0123456789.") == strlen(host);
}

static bool is_host(const char *host)
{
	struct address address;

	if (!conf_ip_parse(host, &address))
		return true;
	return is_host_name(host) && !is_dotted_number(host);
}

int conf_endpoint_parse(const char *text, uint16_t default_port, struct conf_endpoint *ret_endpoint)
{
	struct conf_endpoint endpoint = {.port = default_port};
	char copy[CONF_ENDPOINT_TEXT_SIZE], *host = copy, *port = NULL, *colon;

	if (!text_copy(copy, sizeof(copy), text))
		return -EINVAL;
	colon = strchr(copy, ':');
	if (*copy == '[') {
		char *end = strchr(copy, ']');

		if (!end || (end[1] && end[1] != ':') || !colon || colon > end)
			return -EINVAL;
		*end = '\0';
		host = copy + 1;
		port = end[1] ? end + 2 : NULL;
	} else if (colon && colon == strrchr(copy, ':')) {
		*colon = '\0';
		port = colon + 1;
	}
	if (!is_host(host) || !text_copy(endpoint.host, sizeof(endpoint.host), host))
		return -EINVAL;
	if (port ? conf_port_parse(port, &endpoint.port) : !endpoint.port)
		return -EINVAL;
	*ret_endpoint = endpoint;
	return 0;
}

const char *conf_endpoint_print(const struct conf_endpoint *endpoint,
				char text[CONF_ENDPOINT_TEXT_SIZE])
{
	snprintf(text, CONF_ENDPOINT_TEXT_SIZE, strchr(endpoint->host, ':') ? "[%s]:%u" : "%s:%u",
		 endpoint->host, endpoint->port);
	return text;
}

bool conf_endpoint_address(const struct conf_endpoint *endpoint, struct address *ret_address)
{
	if (conf_ip_parse(endpoint->host, ret_address))
		return false;
	ret_address->port = endpoint->port;
	return true;
}

int conf_switch_parse(const char *text, bool *ret_value)
{
	static const char *const words[2][3] = {{"off", "false", "no"}, {"on", "true", "yes"}};

	for (size_t i = 0; i < 6; i++) {
		if (!strcasecmp(text, words[i / 3][i % 3])) {
			*ret_value = i >= 3;
			return 0;
		}
	}
	return -EINVAL;
}

static int number_parse(const char *text, uint64_t least, uint64_t most, uint16_t *ret_value)
{
	uint64_t value;
	int error = text_to_u64(text, most, &value);

	if (error)
		return error;
	if (value < least)
		return -ERANGE;
	*ret_value = (uint16_t)value;
	return 0;
}

int conf_port_parse(const char *text, uint16_t *ret_port)
{
	return number_parse(text, 1, 65535, ret_port);
}

int conf_mtu_parse(const char *text, uint16_t *ret_mtu)
{
	return number_parse(text, CONF_MTU_MIN, CONF_MTU_MAX, ret_mtu);
}

int conf_workers_parse(const char *text, uint16_t *ret_workers)
{
	if (strcasecmp(text, "auto"))
		return number_parse(text, 1, CONF_WORKERS_MAX, ret_workers);
	*ret_workers = 0;
	return 0;
}

int conf_keepalive_parse(const char *text, uint16_t *ret_seconds)
{
	if (strcasecmp(text, "off"))
		return number_parse(text, 0, 65535, ret_seconds);
	*ret_seconds = 0;
	return 0;
}

int conf_mark_parse(const char *text, uint32_t *ret_mark)
{
	uint64_t value = 0;
	int error = 0;

	if (text_starts_with(text, "0x")) {
		size_t digits = strspn(text + 2, "0123456789abcdefABCDEF");

		if (!digits || digits > 8 || text[2 + digits])
			return -EINVAL;
		value = strtoul(text + 2, NULL, 16);
	} else if (strcasecmp(text, "off")) {
		error = text_to_u64(text, UINT32_MAX, &value);
	}
	if (!error)
		*ret_mark = (uint32_t)value;
	return error;
}

int conf_private_key_parse(const char *text, struct key *ret_key)
{
	if (key_parse(text, ret_key))
		return -EINVAL;
	return key_is_zero(ret_key) ? -EINVAL : 0;
}

int conf_public_key_parse(const char *text, struct key *ret_key)
{
	if (conf_private_key_parse(text, ret_key))
		return -EINVAL;
	return key_is_canonical_point(ret_key) ? 0 : -EINVAL;
}

int conf_ip_parse(const char *text, struct address *ret_address)
{
	struct prefix prefix;

	if (strchr(text, '/') || prefix_parse(text, &prefix))
		return -EINVAL;
	*ret_address = prefix_address(&prefix);
	return 0;
}

/* Cuts the next item off *rest into item, trimmed. 1, 0 at the end, or -EINVAL. */
static int next_item(const char **rest, char item[ITEM_SIZE], char **ret_item)
{
	size_t size;

	if (!*rest)
		return 0;
	size = strcspn(*rest, ",");
	if (size >= ITEM_SIZE)
		return -EINVAL;
	memcpy(item, *rest, size);
	item[size] = '\0';
	*ret_item = text_trim(item);
	*rest = (*rest)[size] ? *rest + size + 1 : NULL;
	return **ret_item ? 1 : -EINVAL;
}

static int prefixes_parse(const char *text, bool is_network, struct prefix *prefixes, size_t *count,
			  size_t room)
{
	char buffer[ITEM_SIZE], *item;
	struct prefix prefix;
	int found;

	while ((found = next_item(&text, buffer, &item)) > 0) {
		if (prefix_parse(item, &prefix))
			return -EINVAL;
		if (is_network)
			prefix = prefix_masked(&prefix);
		for (size_t i = 0; i < *count; i++) {
			if (prefix_is_equal(&prefixes[i], &prefix))
				return -EEXIST;
		}
		if (*count >= room)
			return -E2BIG;
		prefixes[(*count)++] = prefix;
	}
	return found;
}

int conf_prefixes_parse(const char *text, struct prefix *prefixes, size_t *count, size_t room)
{
	return prefixes_parse(text, false, prefixes, count, room);
}

int conf_networks_parse(const char *text, struct prefix *prefixes, size_t *count, size_t room)
{
	return prefixes_parse(text, true, prefixes, count, room);
}

int conf_ips_parse(const char *text, struct address *addresses, size_t *count, size_t room)
{
	char buffer[ITEM_SIZE], *item;
	struct address address;
	int found;

	while ((found = next_item(&text, buffer, &item)) > 0) {
		if (conf_ip_parse(item, &address))
			return -EINVAL;
		for (size_t i = 0; i < *count; i++) {
			if (address_is_same_ip(&addresses[i], &address))
				return -EEXIST;
		}
		if (*count >= room)
			return -E2BIG;
		addresses[(*count)++] = address;
	}
	return found;
}

int conf_endpoints_parse(const char *text, struct conf_endpoint *endpoints, size_t *count,
			 size_t room)
{
	char buffer[ITEM_SIZE], *item;
	struct conf_endpoint endpoint;
	int found;

	while ((found = next_item(&text, buffer, &item)) > 0) {
		if (conf_endpoint_parse(item, CONF_DEFAULT_PORT, &endpoint))
			return -EINVAL;
		for (size_t i = 0; i < *count; i++) {
			if (endpoints[i].port == endpoint.port &&
			    !strcasecmp(endpoints[i].host, endpoint.host))
				return -EEXIST;
		}
		if (*count >= room)
			return -E2BIG;
		endpoints[(*count)++] = endpoint;
	}
	return found;
}

const char *conf_duration_print(usec_t duration, char text[CONF_DURATION_TEXT_SIZE])
{
	static const struct {
		usec_t unit;
		const char *name;
	} units[] = {
		{USEC_PER_DAY, "d"}, {USEC_PER_HOUR, "h"},  {USEC_PER_MINUTE, "m"},
		{USEC_PER_SEC, "s"}, {USEC_PER_MSEC, "ms"},
	};
	size_t i = 0;

	while (i + 1 < array_size(units) && (duration < units[i].unit || duration % units[i].unit))
		i++;
	if (!duration)
		return strcpy(text, "0");
	snprintf(text, CONF_DURATION_TEXT_SIZE, "%llu%s",
		 (unsigned long long)(duration / units[i].unit), units[i].name);
	return text;
}
