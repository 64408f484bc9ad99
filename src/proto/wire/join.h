/* The join string: one line a person pastes, `wl1:` and base64url. It carries everything that a new
 * node must trust, so no certificate authority is needed; whoever reads it can join once. A secret:
 * never logged. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

#define NETWORK_ID_SIZE    16
#define SITE_SECRET_BYTES  32
#define TOKEN_ID_SIZE      8
#define TOKEN_SIZE         16
#define JOIN_ENDPOINTS_MAX 4
#define JOIN_ENDPOINT_SIZE 128 /* "HOST:PORT" with NUL */
#define JOIN_TEXT_SIZE     1024

struct join {
	uint8_t network_id[NETWORK_ID_SIZE];
	struct key hub;
	uint8_t site_secret[SITE_SECRET_BYTES];
	uint8_t token_id[TOKEN_ID_SIZE];
	uint8_t token[TOKEN_SIZE];
	char endpoints[JOIN_ENDPOINTS_MAX][JOIN_ENDPOINT_SIZE];
	size_t endpoint_count;
};

enum join_result {
	JOIN_OK,
	JOIN_NOT_ONE,       /* does not start with wl1: */
	JOIN_WRONG_VERSION, /* wl2: and later */
	JOIN_DAMAGED,       /* truncated or mistyped */
};

/* A clause for people: "the join string is truncated or mistyped". */
const char *join_result_text(enum join_result result);
/* Leading and trailing blanks are forgiven. */
enum join_result join_parse(const char *text, struct join *ret_join);
/* Returns the length, 0 when it does not fit. */
size_t join_print(const struct join *join, char text[JOIN_TEXT_SIZE]);
