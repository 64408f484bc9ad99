/* Values that config files hold: what one word means, in both directions. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

#define CONF_HOST_SIZE          254 /* RFC 1035: 253 characters of a name */
#define CONF_ENDPOINT_TEXT_SIZE (CONF_HOST_SIZE + sizeof("[]:65535"))
#define CONF_DEFAULT_PORT       51820

/* HOST:PORT as written; the host is a name or an address (IPv6 without its brackets). */
struct conf_endpoint {
	char host[CONF_HOST_SIZE];
	uint16_t port; /* never 0 */
};

/* "host", "host:port", "1.2.3.4:5", "[fd00::1]:5", "[fd00::1]", "fd00::1". 0 or -EINVAL. */
int conf_endpoint_parse(const char *text, uint16_t default_port,
			struct conf_endpoint *ret_endpoint);
/* Always with port. Returns text. */
const char *conf_endpoint_print(const struct conf_endpoint *endpoint,
				char text[CONF_ENDPOINT_TEXT_SIZE]);
/* True when the host is a literal address, which then needs no resolver. */
bool conf_endpoint_address(const struct conf_endpoint *endpoint, struct address *ret_address);

/* "on", "off" (also true/false, yes/no). 0 or -EINVAL. */
int conf_switch_parse(const char *text, bool *ret_value);
