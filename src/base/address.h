/* IP addresses with port, and prefixes: parse, print, compare, classify. No system calls. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum address_family { FAMILY_NONE = 0, FAMILY_IPV4 = 4, FAMILY_IPV6 = 6 };

#define ADDRESS_TEXT_SIZE 64 /* "[....]:65535" with NUL, and prefixes */

/* An IP and a port. IPv4 uses the first four bytes, the rest stay zero, so memcmp-like equality
 * holds. */
struct address {
	uint8_t ip[16];
	uint16_t port; /* host order; 0 when there is none */
	uint8_t family;
};

struct prefix {
	uint8_t ip[16];
	uint8_t family;
	uint8_t bits;
};

static inline uint8_t family_bits(uint8_t family)
{
	return family == FAMILY_IPV4 ? 32 : 128;
}

static inline size_t family_size(uint8_t family)
{
	return family == FAMILY_IPV4 ? 4 : 16;
}

/* "1.2.3.4:5", "[fe80::1]:5"; without a port only when default_port is not 0. 0 or -EINVAL. No
 * names. */
int address_parse(const char *text, uint16_t default_port, struct address *ret_address);
/* With port, brackets around IPv6; "none" for FAMILY_NONE. Returns text. */
const char *address_print(const struct address *address, char text[ADDRESS_TEXT_SIZE]);
const char *address_print_ip(const struct address *address, char text[ADDRESS_TEXT_SIZE]);
bool address_is_equal(const struct address *a, const struct address *b);
bool address_is_same_ip(const struct address *a, const struct address *b);
/* size: what socket calls want. 0 for FAMILY_NONE. */
socklen_t address_to_socket(const struct address *address, struct sockaddr_storage *ret_socket);
/* IPv4-mapped IPv6 becomes IPv4. FAMILY_NONE for other socket families. */
struct address address_from_socket(const struct sockaddr *socket);
struct address address_from_ip(uint8_t family, const void *ip, uint16_t port);

/* RFC 1918, RFC 6598 (100.64/10), fc00::/7, link-local excluded. */
bool address_is_private(const struct address *address);
/* Nothing may ever be sent there: unspecified, 0/8, loopback, 169.254/16, fe80::/10, multicast,
 * 240/4, broadcast, IPv4-mapped IPv6, port 0 (security 4). */
bool address_is_unusable(const struct address *address);

/* "10.0.0.1/24"; without length a host prefix. Host bits are kept. 0 or -EINVAL. */
int prefix_parse(const char *text, struct prefix *ret_prefix);
/* "none" for FAMILY_NONE. Returns text. */
const char *prefix_print(const struct prefix *prefix, char text[ADDRESS_TEXT_SIZE]);
struct prefix prefix_masked(const struct prefix *prefix);
struct prefix prefix_of_host(const struct address *address);
bool prefix_is_equal(const struct prefix *a, const struct prefix *b);
bool prefix_contains_ip(const struct prefix *prefix, uint8_t family, const void *ip);
bool prefix_contains(const struct prefix *outer, const struct prefix *inner);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
struct address prefix_address(const struct prefix *prefix);
