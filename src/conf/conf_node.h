/* node.conf: one node's interface and the hub it belongs to. Immutable once parsed. Holds secrets:
 * release it with node_config_done(), which wipes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/key.h"
#include "base/time.h"
#include "conf/conf_hub.h"
#include "conf/ini.h"
#include "conf/values.h"

#define CONF_NETWORK_SIZE      16
#define CONF_ROUTES_MAX        16 /* as many as proto/agent looks at */
#define CONF_DEFAULT_KEEPALIVE 25 /* seconds; below the 30 s that Linux keeps a new UDP mapping */
#define CONF_DEFAULT_MAP_AGE   (30 * USEC_PER_DAY)

struct node_config {
	/* [Interface] */
	struct key private_key;
	struct prefix addresses[CONF_ADDRESSES_MAX];
	size_t address_count; /* at least 1 */
	uint16_t listen_port; /* 0 = random */
	uint16_t mtu;         /* default 1420 */
	uint16_t workers;     /* threads that move data; 0 = as many as it takes */
	uint32_t fwmark;      /* 0 = none */
	/* [Hub] */
	struct key hub_key;
	struct conf_endpoint endpoints[CONF_ENDPOINTS_MAX];
	size_t endpoint_count;                            /* at least 1 */
	struct address hub_addresses[CONF_ADDRESSES_MAX]; /* tunnel addresses, port 0 */
	size_t hub_address_count;                         /* at least 1 */
	uint8_t network[CONF_NETWORK_SIZE];
	struct key site_secret; /* secret; zero when has_site_secret is false */
	bool has_site_secret;
	uint16_t keepalive;                           /* seconds, 0 = off */
	struct prefix accept_routes[CONF_ROUTES_MAX]; /* default none */
	size_t accept_route_count;
	usec_t max_map_age; /* 0 = never */
};

/* Defaults, no keys. */
void node_config_init(struct node_config *config);
/* Wipes and zeroes. */
void node_config_done(struct node_config *config);
/* file: its name in messages. 0, or -EINVAL with a line for people in *ret_error (config is then
 * done). */
int node_config_parse(const char *text, size_t size, const char *file,
		      struct node_config *ret_config, struct conf_error *ret_error);
/* The text that parses to the same struct. Holds secrets: wipe the buffer. */
void node_config_print(const struct node_config *config, struct buffer *out);
