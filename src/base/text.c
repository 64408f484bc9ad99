#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int text_to_u64(const char *text, uint64_t maximum, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (value > (maximum - digit) / 10 || digit > maximum)
			return -ERANGE;
		value = value * 10 + digit;
	}
	*ret_value = value;
	return 0;
}

bool text_copy(char *out, size_t size, const char *text)
{
	size_t length = strlen(text), part = length < size ? length : size - 1;

	memcpy(out, text, part);
	out[part] = '\0';
	return part == length;
}

bool text_starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

void text_escape(char *out, size_t size, const char *text, size_t text_size)
{
	size_t position = 0;

	for (size_t i = 0; i < text_size; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '\\' && c != '"';

		if (position + (plain ? 1 : 4) >= size)
			break;
		if (plain)
			out[position++] = (char)c;
		else
			position += (size_t)snprintf(out + position, 5, "\\x%02x", c);
	}
	out[position] = '\0';
}

bool text_is_name(const char *text)
{
	size_t length = strlen(text);

	if (!length || length > 63 || text[0] == '-' || text[length - 1] == '-')
		return false;
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static bool is_same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Levenshtein distance with one row; words longer than the row are far from everything. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[64], a_size = strlen(a), b_size = strlen(b);

	if (b_size >= array_size(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= b_size; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			size_t best = diagonal + !is_same_letter(a[i - 1], b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_size];
}

const char *text_nearest(const char *text, const char *const *choices, size_t count)
{
	const char *nearest = NULL;
	size_t least = strlen(text) / 2 + 1;

	for (size_t i = 0; i < count; i++) {
		size_t distance = edit_distance(text, choices[i]);

		if (distance < least) {
			least = distance;
			nearest = choices[i];
		}
	}
	return nearest;
}

char *text_trim(char *text)
{
	size_t size;

	text += strspn(text, " \t\r\n");
	size = strlen(text);
	while (size && strchr(" \t\r\n", text[size - 1]))
		text[--size] = '\0';
	return text;
}
