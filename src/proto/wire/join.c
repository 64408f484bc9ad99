#include "proto/wire/join.h"

#include <string.h>

#include "base/cursor.h"
#include "base/text.h"

#define JOIN_PREFIX    "wl1:"
#define JOIN_BYTES_MAX 720

/* Finds typing errors, nothing else: FNV-1a. */
static uint32_t checksum(const uint8_t *data, size_t size)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ data[i]) * 16777619u;
	return sum;
}

const char *join_result_text(enum join_result result)
{
	switch (result) {
	case JOIN_OK:
		return "the join string is fine";
	case JOIN_NOT_ONE:
		return "this is not a join string (it starts with wl1:)";
	case JOIN_WRONG_VERSION:
		return "this join string was made by a newer wayleave";
	case JOIN_DAMAGED:
		return "the join string is truncated or mistyped";
	}
	return "unknown";
}

static bool is_endpoint_text(const char *text)
{
	for (; *text; text++) {
		if (*text <= ' ' || *text >= 0x7f || *text == '"' || *text == '\\' || *text == '#')
			return false;
	}
	return true;
}

static bool read_endpoint(struct reader *reader, char *out)
{
	size_t size = read_u8(reader);
	const uint8_t *text = read_view(reader, size);

	if (!text || !size || size >= JOIN_ENDPOINT_SIZE)
		return false;
	memcpy(out, text, size);
	out[size] = '\0';
	return strlen(out) == size && is_endpoint_text(out);
}

static enum join_result decode(struct reader *reader, struct join *join)
{
	read_bytes(reader, join->network_id, sizeof(join->network_id));
	read_bytes(reader, &join->hub, sizeof(join->hub));
	read_bytes(reader, join->site_secret, sizeof(join->site_secret));
	read_bytes(reader, join->token_id, sizeof(join->token_id));
	read_bytes(reader, join->token, sizeof(join->token));
	join->endpoint_count = read_u8(reader);
	if (!join->endpoint_count || join->endpoint_count > JOIN_ENDPOINTS_MAX)
		return JOIN_DAMAGED;
	for (size_t i = 0; i < join->endpoint_count; i++) {
		if (!read_endpoint(reader, join->endpoints[i]))
			return JOIN_DAMAGED;
	}
	return reader_is_done(reader) && key_is_canonical_point(&join->hub) ? JOIN_OK
									    : JOIN_DAMAGED;
}

static enum join_result parse_bytes(const uint8_t *bytes, int size, struct join *ret_join)
{
	struct join join = {0};
	struct reader reader, trailer;
	enum join_result result;

	if (size < 4)
		return JOIN_DAMAGED;
	trailer = reader_over(bytes + size - 4, 4);
	if (read_u32(&trailer) != checksum(bytes, (size_t)size - 4))
		return JOIN_DAMAGED;
	reader = reader_over(bytes, (size_t)size - 4);
	result = decode(&reader, &join);
	if (result == JOIN_OK)
		*ret_join = join;
	explicit_bzero(&join, sizeof(join));
	return result;
}

static enum join_result parse_line(const char *line, struct join *ret_join)
{
	uint8_t bytes[JOIN_BYTES_MAX];
	enum join_result result;
	int size;

	if (!text_starts_with(line, JOIN_PREFIX))
		return text_starts_with(line, "wl") && line[2] >= '2' && line[2] <= '9' &&
				       line[3] == ':'
			       ? JOIN_WRONG_VERSION
			       : JOIN_NOT_ONE;
	size = base64_decode(bytes, sizeof(bytes), line + strlen(JOIN_PREFIX), true);
	result = parse_bytes(bytes, size, ret_join);
	explicit_bzero(bytes, sizeof(bytes));
	return result;
}

enum join_result join_parse(const char *text, struct join *ret_join)
{
	char copy[JOIN_TEXT_SIZE];
	enum join_result result = JOIN_DAMAGED;

	if (text_copy(copy, sizeof(copy), text + strspn(text, " \t\r\n")))
		result = parse_line(text_trim(copy), ret_join);
	explicit_bzero(copy, sizeof(copy));
	return result;
}

size_t join_print(const struct join *join, char text[JOIN_TEXT_SIZE])
{
	uint8_t bytes[JOIN_BYTES_MAX];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	size_t size;

	write_bytes(&writer, join->network_id, sizeof(join->network_id));
	write_bytes(&writer, &join->hub, sizeof(join->hub));
	write_bytes(&writer, join->site_secret, sizeof(join->site_secret));
	write_bytes(&writer, join->token_id, sizeof(join->token_id));
	write_bytes(&writer, join->token, sizeof(join->token));
	write_u8(&writer, (uint8_t)join->endpoint_count);
	for (size_t i = 0; i < join->endpoint_count; i++) {
		write_u8(&writer, (uint8_t)strlen(join->endpoints[i]));
		write_bytes(&writer, join->endpoints[i], strlen(join->endpoints[i]));
	}
	write_u32(&writer, checksum(bytes, writer.position));
	memcpy(text, JOIN_PREFIX, sizeof(JOIN_PREFIX));
	size = writer.failed ? 0
			     : base64_encode(text + strlen(JOIN_PREFIX),
					     JOIN_TEXT_SIZE - strlen(JOIN_PREFIX), bytes,
					     writer.position, true);
	explicit_bzero(bytes, sizeof(bytes));
	return size ? size + strlen(JOIN_PREFIX) : 0;
}
