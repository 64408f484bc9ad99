#include "device/uapi/uapi.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/secret.h"

#define KEY_HEX_SIZE   (2 * KEY_SIZE)
/* The longest value is a key in hex; an IPv6 endpoint with its port is shorter. */
#define VALUE_SIZE_MAX 80

struct parser {
	struct uapi_set *set;
	size_t peer_room, allowed_room;
	struct uapi_peer *peer; /* the last one; NULL in the device's part */
};

/* First line "get=1" or "set=1". */
enum uapi_kind uapi_kind_of(const char *request, size_t size)
{
	if (size < 5 || (size > 5 && request[5] != '\n'))
		return UAPI_UNKNOWN;
	if (!memcmp(request, "get=1", 5))
		return UAPI_GET;
	return memcmp(request, "set=1", 5) ? UAPI_UNKNOWN : UAPI_SET;
}

static int hex_digit(char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	if (letter >= 'a' && letter <= 'f')
		return letter - 'a' + 10;
	return letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : -1;
}

static int parse_key(const char *value, struct key *ret_key)
{
	if (strlen(value) != KEY_HEX_SIZE)
		return -EINVAL;
	for (size_t i = 0; i < KEY_SIZE; i++) {
		int high = hex_digit(value[2 * i]), low = hex_digit(value[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		ret_key->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int parse_number(const char *value, uint64_t maximum, uint64_t *ret_number)
{
	return text_to_u64(value, maximum, ret_number) ? -EINVAL : 0;
}

static int parse_u16(const char *value, uint16_t *ret_number)
{
	uint64_t number = 0;
	int result = parse_number(value, UINT16_MAX, &number);

	*ret_number = (uint16_t)number;
	return result;
}

/* These keys can only be said, not denied. */
static int parse_true(const char *value, bool *ret_flag)
{
	*ret_flag = true;
	return strcmp(value, "true") ? -EINVAL : 0;
}

static int parse_private_key(struct parser *parser, const char *value)
{
	parser->set->has_private_key = true;
	return parse_key(value, &parser->set->private_key);
}

static int parse_listen_port(struct parser *parser, const char *value)
{
	parser->set->has_listen_port = true;
	return parse_u16(value, &parser->set->listen_port);
}

static int parse_fwmark(struct parser *parser, const char *value)
{
	uint64_t mark = 0;
	int result = parse_number(value, UINT32_MAX, &mark);

	parser->set->has_fwmark = true;
	parser->set->fwmark = (uint32_t)mark;
	return result;
}

static int parse_replace_peers(struct parser *parser, const char *value)
{
	return parse_true(value, &parser->set->replaces_peers);
}

/* Doubles by hand: memory_resize() would leave copies of preshared keys in freed memory. */
static void grow_peers(struct parser *parser)
{
	struct uapi_set *set = parser->set;
	size_t room = parser->peer_room ? 2 * parser->peer_room : 16;
	struct uapi_peer *peers = new_array(struct uapi_peer, room);

	if (set->peer_count) {
		memcpy(peers, set->peers, set->peer_count * sizeof(*peers));
		secret_wipe(set->peers, set->peer_count * sizeof(*peers));
	}
	free(set->peers);
	set->peers = peers;
	parser->peer_room = room;
}

static int parse_public_key(struct parser *parser, const char *value)
{
	struct uapi_set *set = parser->set;

	if (set->peer_count == parser->peer_room)
		grow_peers(parser);
	parser->peer = &set->peers[set->peer_count++];
	parser->peer->first_allowed = set->allowed_count;
	return parse_key(value, &parser->peer->public_key);
}

static int parse_remove(struct parser *parser, const char *value)
{
	return parse_true(value, &parser->peer->is_removed);
}

static int parse_update_only(struct parser *parser, const char *value)
{
	return parse_true(value, &parser->peer->must_exist);
}

static int parse_preshared_key(struct parser *parser, const char *value)
{
	parser->peer->has_preshared_key = true;
	return parse_key(value, &parser->peer->preshared_key);
}

static int parse_endpoint(struct parser *parser, const char *value)
{
	struct address *endpoint = &parser->peer->endpoint;
	int result = address_parse(value, 0, endpoint);

	parser->peer->has_endpoint = true;
	return !result && *value == '[' && endpoint->family == FAMILY_IPV4 ? -EINVAL : result;
}

static int parse_keepalive(struct parser *parser, const char *value)
{
	parser->peer->has_keepalive = true;
	return parse_u16(value, &parser->peer->keepalive);
}

/* What the request said of this peer's prefixes before is void then. */
static int parse_replace_allowed(struct parser *parser, const char *value)
{
	parser->set->allowed_count = parser->peer->first_allowed;
	parser->peer->allowed_count = 0;
	return parse_true(value, &parser->peer->replaces_allowed);
}

static int parse_allowed(struct parser *parser, const char *value)
{
	struct uapi_set *set = parser->set;
	struct uapi_allowed allowed = {.is_removed = value[0] == '-'};
	int result = prefix_parse(value + allowed.is_removed, &allowed.prefix);

	/* Here the length is never left out. */
	if (!result && !strchr(value, '/'))
		result = -EINVAL;
	if (result)
		return result;
	if (set->allowed_count == parser->allowed_room) {
		parser->allowed_room = parser->allowed_room ? 2 * parser->allowed_room : 16;
		set->allowed =
			memory_resize(set->allowed, parser->allowed_room, sizeof(*set->allowed));
	}
	set->allowed[set->allowed_count++] = allowed;
	parser->peer->allowed_count++;
	return 0;
}

static int parse_protocol(struct parser *parser, const char *value)
{
	return strcmp(value, "1") ? -EINVAL : 0;
}

static const struct {
	const char *key;
	bool is_of_peer;
	int (*parse)(struct parser *parser, const char *value);
} keys[] = {
	{"private_key", false, parse_private_key},
	{"listen_port", false, parse_listen_port},
	{"fwmark", false, parse_fwmark},
	{"replace_peers", false, parse_replace_peers},
	{"public_key", false, parse_public_key},
	{"remove", true, parse_remove},
	{"update_only", true, parse_update_only},
	{"preshared_key", true, parse_preshared_key},
	{"endpoint", true, parse_endpoint},
	{"persistent_keepalive_interval", true, parse_keepalive},
	{"replace_allowed_ips", true, parse_replace_allowed},
	{"allowed_ip", true, parse_allowed},
	{"protocol_version", true, parse_protocol},
};

static int parse_pair(struct parser *parser, const char *key, size_t key_size, const char *value)
{
	for (size_t i = 0; i < array_size(keys); i++) {
		if (strlen(keys[i].key) != key_size || memcmp(keys[i].key, key, key_size))
			continue;
		/* A peer's key needs a peer; the device's keys come before the first one, except
		 * that public_key starts the next. */
		if (keys[i].parse != parse_public_key && keys[i].is_of_peer != !!parser->peer)
			return -EINVAL;
		return keys[i].parse(parser, value);
	}
	return -EINVAL;
}

static int parse_line(struct parser *parser, const char *line, size_t size)
{
	const char *equals = memchr(line, '=', size);
	char value[VALUE_SIZE_MAX];
	size_t value_size;
	int result;

	if (!equals)
		return -EPROTO;
	value_size = size - (size_t)(equals + 1 - line);
	if (value_size >= sizeof(value) || memchr(equals, '\0', value_size + 1))
		return -EINVAL;
	memcpy(value, equals + 1, value_size);
	value[value_size] = '\0';
	result = parse_pair(parser, line, (size_t)(equals - line), value);
	secret_wipe(value, sizeof(value));
	return result;
}

int uapi_set_parse(const char *request, size_t size, struct uapi_set *ret_set, size_t *ret_line)
{
	struct parser parser = {.set = ret_set};
	int result = uapi_kind_of(request, size) == UAPI_SET ? 0 : -EPROTO;

	memset(ret_set, 0, sizeof(*ret_set));
	*ret_line = 0;
	for (size_t start = 0; start < size && !result;) {
		const char *line = request + start, *end = memchr(line, '\n', size - start);
		size_t line_size = end ? (size_t)(end - line) : size - start;

		if (++*ret_line > 1)
			result = parse_line(&parser, line, line_size);
		start += line_size + 1;
	}
	if (result)
		uapi_set_done(ret_set);
	return result;
}

void uapi_set_done(struct uapi_set *set)
{
	if (set->peers)
		secret_wipe(set->peers, set->peer_count * sizeof(*set->peers));
	free(set->peers);
	free(set->allowed);
	secret_wipe(set, sizeof(*set));
}

static void print_key(struct buffer *answer, const char *name, const struct key *key)
{
	char hex[KEY_HEX_SIZE + 1];

	for (size_t i = 0; i < KEY_SIZE; i++) {
		hex[2 * i] = "0123456789abcdef"[key->bytes[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[key->bytes[i] & 15];
	}
	hex[KEY_HEX_SIZE] = '\0';
	buffer_print(answer, "%s=%s\n", name, hex);
	secret_wipe(hex, sizeof(hex));
}

void uapi_print_device(struct buffer *answer, const struct uapi_device_status *device)
{
	if (!key_is_zero(&device->private_key))
		print_key(answer, "private_key", &device->private_key);
	buffer_print(answer, "listen_port=%u\n", device->listen_port);
	if (device->fwmark)
		buffer_print(answer, "fwmark=%" PRIu32 "\n", device->fwmark);
}

void uapi_print_peer(struct buffer *answer, const struct uapi_peer_status *peer)
{
	char text[ADDRESS_TEXT_SIZE];

	print_key(answer, "public_key", &peer->public_key);
	print_key(answer, "preshared_key", &peer->preshared_key);
	buffer_print(answer, "protocol_version=1\n");
	if (peer->endpoint.family != FAMILY_NONE)
		buffer_print(answer, "endpoint=%s\n", address_print(&peer->endpoint, text));
	buffer_print(answer,
		     "last_handshake_time_sec=%" PRIu64 "\nlast_handshake_time_nsec=%" PRIu64 "\n"
		     "tx_bytes=%" PRIu64 "\nrx_bytes=%" PRIu64 "\n"
		     "persistent_keepalive_interval=%u\n",
		     peer->handshake_nsec / 1000000000, peer->handshake_nsec % 1000000000,
		     peer->tx_bytes, peer->rx_bytes, peer->keepalive);
}

void uapi_print_allowed(struct buffer *answer, const struct prefix *prefix)
{
	char text[ADDRESS_TEXT_SIZE];

	buffer_print(answer, "allowed_ip=%s\n", prefix_print(prefix, text));
}

void uapi_print_end(struct buffer *answer, int error)
{
	buffer_print(answer, "errno=%d\n\n", error);
}
