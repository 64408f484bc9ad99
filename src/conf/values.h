/* Values that config files hold: what one word means, in both directions. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/key.h"
#include "base/time.h"

#define CONF_HOST_SIZE          254 /* RFC 1035: 253 characters of a name */
#define CONF_ENDPOINT_TEXT_SIZE (CONF_HOST_SIZE + sizeof("[]:65535"))
#define CONF_DURATION_TEXT_SIZE 24
#define CONF_DEFAULT_PORT       51820
#define CONF_MTU_MIN            576  /* RFC 791: what every IPv4 host takes */
#define CONF_MTU_MAX            9000 /* jumbo frames; more never crosses a real link */
#define CONF_WORKERS_MAX        4

/* HOST:PORT as written; the host is a name or an address (IPv6 without its brackets). */
struct conf_endpoint {
	char host[CONF_HOST_SIZE];
	uint16_t port; /* never 0 */
};

/* "host", "host:port", "1.2.3.4:5", "[fd00::1]:5", "[fd00::1]", "fd00::1". Without a port the
 * default one; default_port 0 demands a port. 0 or -EINVAL. */
int conf_endpoint_parse(const char *text, uint16_t default_port,
			struct conf_endpoint *ret_endpoint);
/* Always with port. Returns text. */
const char *conf_endpoint_print(const struct conf_endpoint *endpoint,
				char text[CONF_ENDPOINT_TEXT_SIZE]);
/* True when the host is a literal address, which then needs no resolver. */
bool conf_endpoint_address(const struct conf_endpoint *endpoint, struct address *ret_address);

/* Each reads one value: 0, -EINVAL, or -ERANGE. */
int conf_switch_parse(const char *text, bool *ret_value);        /* on off true false yes no */
int conf_port_parse(const char *text, uint16_t *ret_port);       /* 1-65535 */
int conf_mtu_parse(const char *text, uint16_t *ret_mtu);         /* CONF_MTU_MIN-CONF_MTU_MAX */
int conf_workers_parse(const char *text, uint16_t *ret_workers); /* auto = 0, 1-CONF_WORKERS_MAX */
int conf_keepalive_parse(const char *text, uint16_t *ret_seconds); /* 1-65535; 0 and off are 0 */
int conf_mark_parse(const char *text, uint32_t *ret_mark);         /* 7, 0x7, off */
int conf_private_key_parse(const char *text,
			   struct key *ret_key); /* also any other secret: not zero */
int conf_public_key_parse(const char *text, struct key *ret_key); /* canonical, not zero */
/* An IP alone; the port of the result is 0. */
int conf_ip_parse(const char *text, struct address *ret_address);

/* Adds the comma separated items of text to an array. 0, -EINVAL, -E2BIG when there is no room,
 * -EEXIST for an item that is there already. */
int conf_prefixes_parse(const char *text, struct prefix *prefixes, size_t *count, size_t room);
/* The same for networks: host bits are cut off first, as WireGuard does with AllowedIPs. */
int conf_networks_parse(const char *text, struct prefix *prefixes, size_t *count, size_t room);
int conf_ips_parse(const char *text, struct address *addresses, size_t *count, size_t room);
int conf_endpoints_parse(const char *text, struct conf_endpoint *endpoints, size_t *count,
			 size_t room);

/* In the largest unit that says it exactly; what usec_parse() reads back. Whole milliseconds only.
 * Returns text. */
const char *conf_duration_print(usec_t duration, char text[CONF_DURATION_TEXT_SIZE]);
