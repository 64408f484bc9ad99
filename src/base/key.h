/* 32-byte keys and their base64 text (RFC 4648, the 44 characters of WireGuard). Decoding is
 * strict: one text per key and one key per text. Comparison of secrets is crypto's matter. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_SIZE      32
#define KEY_TEXT_SIZE 45 /* with NUL */

struct key {
	uint8_t bytes[KEY_SIZE];
};

/* 0, or -EINVAL when text is not exactly one canonical base64 key. */
int key_parse(const char *text, struct key *ret_key);
void key_print(const struct key *key, char text[KEY_TEXT_SIZE]);
/* <0, 0, >0 as byte strings: this order decides who initiates and the order in key derivation. */
int key_compare(const struct key *a, const struct key *b);
bool key_is_equal(const struct key *a, const struct key *b);
bool key_is_zero(const struct key *key);
/* A public key all sides accept: below 2^255 - 19, so no second encoding of the same point
 * (security 13). */
bool key_is_canonical_point(const struct key *key);

/* base64 and base64url of any size, strict. Decode returns the size or -EINVAL. */
size_t base64_encode(char *out, size_t out_size, const void *data, size_t size, bool is_url);
int base64_decode(void *out, size_t out_size, const char *text, bool is_url);
