/* The cross-platform configuration protocol that wg(8) speaks (wireguard.com/xplatform): text of
 * "key=value" lines. Turns a whole set request into a struct, so that it is checked to its end
 * before anything changes, and prints the answers. Pure; knows no device. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/key.h"

enum uapi_kind { UAPI_UNKNOWN, UAPI_GET, UAPI_SET };

enum uapi_kind uapi_kind_of(const char *request, size_t size);

struct uapi_allowed {
	struct prefix prefix;
	bool is_removed; /* "-10.0.0.0/8" */
};

/* What is asked of one peer; the same key may come more than once. */
struct uapi_peer {
	struct key public_key, preshared_key; /* zeros: none */
	struct address endpoint;
	uint16_t keepalive; /* seconds, 0 = off */
	bool is_removed, must_exist, replaces_allowed;
	bool has_preshared_key, has_endpoint, has_keepalive;
	size_t first_allowed, allowed_count; /* in uapi_set.allowed */
};

/* Holds secrets: uapi_set_done() wipes them. */
struct uapi_set {
	struct key private_key; /* zeros: none */
	uint32_t fwmark;        /* 0 = none */
	uint16_t listen_port;   /* 0 = any */
	bool has_private_key, has_listen_port, has_fwmark, replaces_peers;
	struct uapi_peer *peers;
	size_t peer_count;
	struct uapi_allowed *allowed;
	size_t allowed_count;
};

/* request: "set=1\n" and lines up to its end, without the empty line. 0, -EPROTO (no key=value
 * line) or -EINVAL (unknown key, bad value, key in the wrong place) with the number of the line;
 * there is nothing to free then. */
int uapi_set_parse(const char *request, size_t size, struct uapi_set *ret_set, size_t *ret_line);
void uapi_set_done(struct uapi_set *set);

/* The answer to get=1: the device, then each peer followed by its prefixes, then the end. */
struct uapi_device_status {
	struct key private_key; /* zeros: none */
	uint16_t listen_port;
	uint32_t fwmark;
};

struct uapi_peer_status {
	struct key public_key, preshared_key;
	struct address endpoint; /* FAMILY_NONE: unknown */
	uint64_t handshake_nsec; /* since 1970; 0 = never */
	uint64_t rx_bytes, tx_bytes;
	uint16_t keepalive;
};

void uapi_print_device(struct buffer *answer, const struct uapi_device_status *device);
void uapi_print_peer(struct buffer *answer, const struct uapi_peer_status *peer);
void uapi_print_allowed(struct buffer *answer, const struct prefix *prefix);
/* error: 0 or -errno; the end of every answer. */
void uapi_print_end(struct buffer *answer, int error);
