#include "proto/wire/wireguard.h"

#include <stdbool.h>
#include <string.h>

#define STUN_HEADER_SIZE 20

static bool is_stun(const uint8_t *data, size_t size)
{
	static const uint8_t magic[4] = {0x21, 0x12, 0xa4, 0x42};

	if (size < STUN_HEADER_SIZE || data[0] & 0xc0 || memcmp(data + 4, magic, sizeof(magic)))
		return false;
	return size == STUN_HEADER_SIZE + ((size_t)data[2] << 8 | data[3]);
}

static bool has_reserved_zeros(const uint8_t *data)
{
	return !data[1] && !data[2] && !data[3];
}

enum wire_shape wire_shape_of(const uint8_t *data, size_t size)
{
	if (size >= 4 && has_reserved_zeros(data)) {
		switch (data[0]) {
		case WG_INITIATION:
			return size == WG_INITIATION_SIZE ? WIRE_INITIATION : WIRE_MALFORMED;
		case WG_RESPONSE:
			return size == WG_RESPONSE_SIZE ? WIRE_RESPONSE : WIRE_MALFORMED;
		case WG_COOKIE:
			return size == WG_COOKIE_SIZE ? WIRE_COOKIE : WIRE_MALFORMED;
		case WG_DATA:
			return size >= WG_DATA_OVERHEAD ? WIRE_DATA : WIRE_MALFORMED;
		}
	}
	if (is_stun(data, size))
		return WIRE_STUN;
	return size >= WIRE_MASKED_MINIMUM ? WIRE_MASKED : WIRE_SHORT;
}
