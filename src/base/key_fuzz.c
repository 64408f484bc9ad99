#include <stdlib.h>
#include <string.h>

#include "base/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

/* One text for each sequence of bytes: what decodes must encode to the very same text. */
static void decode(const char *text, size_t size, bool is_url)
{
	uint8_t *out = malloc(size + 1);
	char *again = malloc(size + 1);
	int decoded;

	require(out && again);
	decoded = base64_decode(out, size, text, is_url);
	if (decoded >= 0) {
		base64_encode(again, size + 1, out, (size_t)decoded, is_url);
		require(!strcmp(again, text));
	}
	free(out);
	free(again);
}

static void encode(const uint8_t *data, size_t size, bool is_url)
{
	size_t room = (size + 2) / 3 * 4 + 1;
	char *text = malloc(room);
	uint8_t *out = malloc(size + 1);

	require(text && out);
	base64_encode(text, room, data, size, is_url);
	require(base64_decode(out, size, text, is_url) == (int)size);
	require(!size || !memcmp(out, data, size));
	free(text);
	free(out);
}

static void parse_key(const char *text)
{
	char again[KEY_TEXT_SIZE];
	struct key key;

	if (key_parse(text, &key))
		return;
	key_print(&key, again);
	require(!strcmp(text, again));
	require(!key_is_zero(&key) || key_is_canonical_point(&key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	require(text != NULL);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	decode(text, strlen(text), false);
	decode(text, strlen(text), true);
	encode(data, size, false);
	encode(data, size, true);
	parse_key(text);
	free(text);
	return 0;
}
