#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static int native_family(uint8_t family)
{
	return family == FAMILY_IPV4 ? AF_INET : AF_INET6;
}

static int parse_ip(const char *text, struct address *ret_address)
{
	*ret_address = (struct address){0};
	if (inet_pton(AF_INET, text, ret_address->ip) == 1)
		ret_address->family = FAMILY_IPV4;
	else if (inet_pton(AF_INET6, text, ret_address->ip) == 1)
		ret_address->family = FAMILY_IPV6;
	else
		return -EINVAL;
	return 0;
}

/* Splits "ip", "ip:port", "[ip]:port" in place; *ret_port stays NULL without a port. */
static char *split_port(char *text, char **ret_port)
{
	char *end;

	*ret_port = NULL;
	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return NULL;
		*end = '\0';
		if (end[1])
			*ret_port = end + 2;
		return text + 1;
	}
	end = strchr(text, ':');
	if (end && !strchr(end + 1, ':')) {
		*end = '\0';
		*ret_port = end + 1;
	}
	return text;
}

int address_parse(const char *text, uint16_t default_port, struct address *ret_address)
{
	char copy[ADDRESS_TEXT_SIZE], *ip, *port;
	struct address address;
	uint64_t number = default_port;

	if (!text_copy(copy, sizeof(copy), text))
		return -EINVAL;
	ip = split_port(copy, &port);
	if (!ip || parse_ip(ip, &address))
		return -EINVAL;
	if (port && text_to_u64(port, 65535, &number))
		return -EINVAL;
	if (!number)
		return -EINVAL;
	address.port = (uint16_t)number;
	*ret_address = address;
	return 0;
}

const char *address_print_ip(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
	if (address->family == FAMILY_NONE)
		return strcpy(text, "none");
	inet_ntop(native_family(address->family), address->ip, text, ADDRESS_TEXT_SIZE);
	return text;
}

const char *address_print(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
	char ip[INET6_ADDRSTRLEN];

	if (address->family == FAMILY_NONE)
		return strcpy(text, "none");
	inet_ntop(native_family(address->family), address->ip, ip, sizeof(ip));
	snprintf(text, ADDRESS_TEXT_SIZE, address->family == FAMILY_IPV6 ? "[%s]:%u" : "%s:%u", ip,
		 address->port);
	return text;
}

bool address_is_same_ip(const struct address *a, const struct address *b)
{
	return a->family == b->family && !memcmp(a->ip, b->ip, sizeof(a->ip));
}

bool address_is_equal(const struct address *a, const struct address *b)
{
	return a->port == b->port && address_is_same_ip(a, b);
}

socklen_t address_to_socket(const struct address *address, struct sockaddr_storage *ret_socket)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_socket;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_socket;

	if (address->family == FAMILY_IPV4) {
		*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(address->port)};
		memcpy(&v4->sin_addr, address->ip, 4);
		return sizeof(*v4);
	}
	if (address->family == FAMILY_IPV6) {
		*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
					    .sin6_port = htons(address->port)};
		memcpy(&v6->sin6_addr, address->ip, 16);
		return sizeof(*v6);
	}
	return 0;
}

struct address address_from_ip(uint8_t family, const void *ip, uint16_t port)
{
	struct address address = {.family = family, .port = port};

	memcpy(address.ip, ip, family_size(family));
	return address;
}

struct address address_from_socket(const struct sockaddr *socket)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)socket;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)socket;

	if (socket->sa_family == AF_INET)
		return address_from_ip(FAMILY_IPV4, &v4->sin_addr, ntohs(v4->sin_port));
	if (socket->sa_family != AF_INET6)
		return (struct address){0};
	if (!memcmp(&v6->sin6_addr, mapped, sizeof(mapped)))
		return address_from_ip(FAMILY_IPV4, v6->sin6_addr.s6_addr + 12,
				       ntohs(v6->sin6_port));
	return address_from_ip(FAMILY_IPV6, &v6->sin6_addr, ntohs(v6->sin6_port));
}

static bool is_in_any(const struct address *address, const char *const *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct prefix prefix;

		if (!prefix_parse(prefixes[i], &prefix) &&
		    prefix_contains_ip(&prefix, address->family, address->ip))
			return true;
	}
	return false;
}

bool address_is_private(const struct address *address)
{
	static const char *const prefixes[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
					       "100.64.0.0/10", "fc00::/7"};

	return is_in_any(address, prefixes, array_size(prefixes));
}

bool address_is_unusable(const struct address *address)
{
	static const char *const prefixes[] = {
		"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4",   "240.0.0.0/4",
		"::/127",    "fe80::/10",   "ff00::/8",       "::ffff:0:0/96",
	};

	if (address->family == FAMILY_NONE || !address->port)
		return true;
	return is_in_any(address, prefixes, array_size(prefixes));
}

int prefix_parse(const char *text, struct prefix *ret_prefix)
{
	char copy[ADDRESS_TEXT_SIZE], *slash;
	struct address address;
	uint64_t bits;

	if (!text_copy(copy, sizeof(copy), text))
		return -EINVAL;
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (parse_ip(copy, &address))
		return -EINVAL;
	bits = family_bits(address.family);
	if (slash && text_to_u64(slash + 1, bits, &bits))
		return -EINVAL;
	*ret_prefix = (struct prefix){.family = address.family, .bits = (uint8_t)bits};
	memcpy(ret_prefix->ip, address.ip, sizeof(address.ip));
	return 0;
}

const char *prefix_print(const struct prefix *prefix, char text[ADDRESS_TEXT_SIZE])
{
	char ip[INET6_ADDRSTRLEN];

	if (prefix->family == FAMILY_NONE)
		return strcpy(text, "none");
	inet_ntop(native_family(prefix->family), prefix->ip, ip, sizeof(ip));
	snprintf(text, ADDRESS_TEXT_SIZE, "%s/%u", ip, prefix->bits);
	return text;
}

struct prefix prefix_masked(const struct prefix *prefix)
{
	struct prefix masked = *prefix;

	for (unsigned i = 0; i < sizeof(masked.ip); i++) {
		if (i * 8 >= masked.bits)
			masked.ip[i] = 0;
		else if (masked.bits - i * 8 < 8)
			masked.ip[i] &= (uint8_t)(0xff00 >> (masked.bits - i * 8));
	}
	return masked;
}

struct prefix prefix_of_host(const struct address *address)
{
	struct prefix prefix = {.family = address->family, .bits = family_bits(address->family)};

	memcpy(prefix.ip, address->ip, sizeof(prefix.ip));
	return prefix;
}

bool prefix_is_equal(const struct prefix *a, const struct prefix *b)
{
	return a->family == b->family && a->bits == b->bits && !memcmp(a->ip, b->ip, sizeof(a->ip));
}

bool prefix_contains_ip(const struct prefix *prefix, uint8_t family, const void *ip)
{
	const uint8_t *bytes = ip;
	unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;

	if (prefix->family != family || memcmp(prefix->ip, bytes, whole))
		return false;
	return !rest || !((prefix->ip[whole] ^ bytes[whole]) & (uint8_t)(0xff00 >> rest));
}

bool prefix_contains(const struct prefix *outer, const struct prefix *inner)
{
	return inner->bits >= outer->bits && prefix_contains_ip(outer, inner->family, inner->ip);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return prefix_contains(a, b) || prefix_contains(b, a);
}

struct address prefix_address(const struct prefix *prefix)
{
	return address_from_ip(prefix->family, prefix->ip, 0);
}
