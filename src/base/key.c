#include "base/key.h"

#include <errno.h>
#include <string.h>

static const char alphabet[2][65] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

/* Branch-free over the alphabet: private keys pass through here. -1 when c is not a digit. */
static int digit_value(char c, bool is_url)
{
	int value = -1;

	for (int i = 0; i < 64; i++) {
		int is_equal =
			(((unsigned)(unsigned char)c ^ (unsigned char)alphabet[is_url][i]) - 1) >>
			31;

		value += is_equal * (i + 1);
	}
	return value;
}

size_t base64_encode(char *out, size_t out_size, const void *data, size_t size, bool is_url)
{
	const uint8_t *bytes = data;
	size_t position = 0;

	for (size_t i = 0; i < size; i += 3) {
		size_t part = size - i < 3 ? size - i : 3;
		uint32_t word = (uint32_t)bytes[i] << 16;

		if (part > 1)
			word |= (uint32_t)bytes[i + 1] << 8;
		if (part > 2)
			word |= bytes[i + 2];
		for (size_t j = 0; j < 4; j++) {
			if (j > part && is_url)
				break;
			if (position + 1 >= out_size)
				return 0;
			out[position++] =
				j > part ? '=' : alphabet[is_url][word >> (18 - 6 * j) & 63];
		}
	}
	out[position] = '\0';
	return position;
}

static size_t digit_count(const char *text, bool is_url)
{
	size_t count = strlen(text);

	if (is_url)
		return count % 4 == 1 ? SIZE_MAX : count;
	if (count % 4)
		return SIZE_MAX;
	for (int padding = 0; padding < 2 && count && text[count - 1] == '='; padding++)
		count--;
	return count;
}

int base64_decode(void *out, size_t out_size, const char *text, bool is_url)
{
	size_t digits = digit_count(text, is_url), position = 0;
	uint8_t *bytes = out;
	uint32_t word = 0;
	int bits = 0, bad = 0;

	if (digits == SIZE_MAX || digits / 4 * 3 + (digits % 4 ? digits % 4 - 1 : 0) > out_size)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++) {
		int value = digit_value(text[i], is_url);

		bad |= value;
		word = word << 6 | ((uint32_t)value & 63);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			bytes[position++] = (uint8_t)(word >> bits);
		}
	}
	/* Left-over bits must be zero, otherwise two texts would name one key. */
	if (bad < 0 || (word & ((1u << bits) - 1)))
		return -EINVAL;
	return (int)position;
}

int key_parse(const char *text, struct key *ret_key)
{
	struct key key;

	if (strlen(text) != KEY_TEXT_SIZE - 1 ||
	    base64_decode(&key, sizeof(key), text, false) != KEY_SIZE)
		return -EINVAL;
	*ret_key = key;
	return 0;
}

void key_print(const struct key *key, char text[KEY_TEXT_SIZE])
{
	base64_encode(text, KEY_TEXT_SIZE, key, KEY_SIZE, false);
}

int key_compare(const struct key *a, const struct key *b)
{
	return memcmp(a, b, KEY_SIZE);
}

bool key_is_equal(const struct key *a, const struct key *b)
{
	return !key_compare(a, b);
}

bool key_is_zero(const struct key *key)
{
	static const struct key zero;

	return key_is_equal(key, &zero);
}

bool key_is_canonical_point(const struct key *key)
{
	/* 2^255 - 19, little-endian: ed ff .. ff 7f */
	if (key->bytes[31] & 0x80)
		return false;
	if (key->bytes[31] != 0x7f)
		return true;
	for (int i = 30; i > 0; i--) {
		if (key->bytes[i] != 0xff)
			return true;
	}
	return key->bytes[0] < 0xed;
}
