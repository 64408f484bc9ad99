/* Bytes written as hexadecimal text, for known answers in tests. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* text must hold exactly size bytes; a test with a typing error ends at once. */
static inline void hex_bytes(const char *text, void *out, size_t size)
{
	uint8_t *bytes = out;

	if (strlen(text) != 2 * size) {
		fprintf(stderr, "hex_bytes: %zu digits for %zu bytes\n", strlen(text), size);
		abort();
	}
	for (size_t i = 0; i < size; i++) {
		char digits[3] = {text[2 * i], text[2 * i + 1], '\0'}, *end;

		bytes[i] = (uint8_t)strtoul(digits, &end, 16);
		if (end != digits + 2)
			abort();
	}
}
