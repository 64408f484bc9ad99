#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "proto/mask/mask.h"
#include "proto/wire/wireguard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DATAGRAM_MAX 2048

static void require(int is_true)
{
	if (!is_true)
		abort();
}

/* The datagram as it came from the network, in a buffer that ends where it ends. */
static void remove_from_wire(struct mask *mask, const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	require(copy != NULL);
	if (size)
		memcpy(copy, data, size);
	/* The dispatcher asks only for what is shaped so; then masking again gives the same bytes.
	 */
	if (wire_shape_of(data, size) == WIRE_MASKED && mask_remove(mask, copy, size))
		require(mask_apply(mask, copy, size));
	require(!size || !memcmp(copy, data, size));
	free(copy);
}

/* The input as a datagram in clear: what may be sent comes back. */
static void send_and_receive(struct mask *mask, const uint8_t *data, size_t size)
{
	uint8_t clear[DATAGRAM_MAX], wire[DATAGRAM_MAX];

	memcpy(clear, data, size);
	clear[0] = (uint8_t)(WIRE_CLASS_CONTROL + clear[0] % 4);
	clear[1] = clear[2] = clear[3] = 0;
	memcpy(wire, clear, size);
	if (mask_apply(mask, wire, size)) {
		require(wire_shape_of(wire, size) == WIRE_MASKED);
		require(mask_remove(mask, wire, size));
	}
	require(!memcmp(wire, clear, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mask_key key = {.header = {{1}}, .tail = {{2}}};
	struct mask mask;

	crypto_init();
	mask_init(&mask, &key);
	remove_from_wire(&mask, data, size);
	if (size >= WIRE_MASKED_MINIMUM && size <= DATAGRAM_MAX)
		send_and_receive(&mask, data, size);
	mask_done(&mask);
	return 0;
}
