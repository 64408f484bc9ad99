/* hub.conf: what the operator decides about a hub. Immutable once parsed. Holds a private key:
 * release it with hub_config_done(), which wipes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/key.h"
#include "conf/ini.h"
#include "conf/values.h"

/* What one record of the map and one join string can hold (proto/wire). */
#define CONF_ADDRESSES_MAX 4
#define CONF_ENDPOINTS_MAX 4
#define CONF_NAME_SIZE     64
#define CONF_DEFAULT_MTU   1420

struct hub_config {
	/* [Interface] */
	struct key private_key; /* clamped or not, as written */
	uint16_t listen_port;   /* default 51820 */
	uint16_t mtu;           /* default 1420 */
	uint16_t workers;       /* threads that move data; 0 = as many as it takes */
	struct prefix addresses[CONF_ADDRESSES_MAX]; /* the hub's own, host bits kept: the pools */
	size_t address_count;                        /* at least 1 */
	/* [Hub] */
	char name[CONF_NAME_SIZE]; /* default "hub" */
	struct conf_endpoint endpoints[CONF_ENDPOINTS_MAX];
	size_t endpoint_count; /* 0: nodes must be told where the hub is by other means */
	bool appointments;     /* default on; off = the negative control of the network tests */
};

/* Defaults, no key. */
void hub_config_init(struct hub_config *config);
/* Wipes and zeroes. */
void hub_config_done(struct hub_config *config);
/* file: its name in messages. 0, or -EINVAL with a line for people in *ret_error (config is then
 * done). */
int hub_config_parse(const char *text, size_t size, const char *file, struct hub_config *ret_config,
		     struct conf_error *ret_error);
/* The text that parses to the same struct. Holds the private key: wipe the buffer. */
void hub_config_print(const struct hub_config *config, struct buffer *out);
