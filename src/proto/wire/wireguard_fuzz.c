/* The dispatch rule over any datagram: one shape, and what each shape promises. */
#include <stdbool.h>
#include <stdlib.h>

#include "proto/wire/wireguard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_true)
{
	if (!is_true)
		abort();
}

/* A type of WireGuard's with three zero bytes is never anything else, and nothing else is one. */
static bool is_vanilla(const uint8_t *data, size_t size)
{
	return size >= 4 && data[0] >= 1 && data[0] <= 4 && !data[1] && !data[2] && !data[3];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum wire_shape shape = wire_shape_of(data, size);

	must((shape <= WIRE_MALFORMED) == is_vanilla(data, size));
	switch (shape) {
	case WIRE_INITIATION:
		must(size == WG_INITIATION_SIZE && data[0] == WG_INITIATION);
		break;
	case WIRE_RESPONSE:
		must(size == WG_RESPONSE_SIZE && data[0] == WG_RESPONSE);
		break;
	case WIRE_COOKIE:
		must(size == WG_COOKIE_SIZE && data[0] == WG_COOKIE);
		break;
	case WIRE_DATA:
		must(size >= WG_DATA_OVERHEAD && data[0] == WG_DATA);
		break;
	case WIRE_MALFORMED:
		break;
	case WIRE_STUN:
		must(size >= 20 && data[0] < 0x40 && data[4] == 0x21);
		break;
	case WIRE_MASKED:
		must(size >= WIRE_MASKED_MINIMUM);
		break;
	case WIRE_SHORT:
		must(size < WIRE_MASKED_MINIMUM);
		break;
	}
	return 0;
}
