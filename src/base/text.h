/* Small words about text: numbers, comparison, escaping of what came from the network. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* Decimal only, whole string. 0, -EINVAL (not a number) or -ERANGE (above maximum). */
int text_to_u64(const char *text, uint64_t maximum, uint64_t *ret_value);
/* Copies at most size - 1 bytes and always ends with NUL; false when it did not fit. */
bool text_copy(char *out, size_t size, const char *text);
bool text_starts_with(const char *text, const char *prefix);
/* Printable ASCII as it is, everything else (controls, quotes, backslash, bytes >= 0x7f) as \xNN.
 * For any text from the network before a terminal or log sees it. */
void text_escape(char *out, size_t size, const char *text, size_t text_size);
/* A node name: [a-z0-9-]{1,63}, not starting or ending with '-' (RFC 1123 label). */
bool text_is_name(const char *text);
/* The choice nearest to text by edit distance (case ignored), NULL when none is near. */
const char *text_nearest(const char *text, const char *const *choices, size_t count);
/* Cuts leading and trailing blanks in place. */
char *text_trim(char *text);
