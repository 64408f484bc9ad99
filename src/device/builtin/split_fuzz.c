/* Any offload header before any packet: the first ten bytes are the header. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "device/builtin/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tun_header header;
	struct split split;
	size_t total = 0;

	if (size < sizeof(header))
		return 0;
	memcpy(&header, data, sizeof(header));
	data += sizeof(header);
	size -= sizeof(header);
	if (!split_begin(&split, &header, data, size))
		return 0;
	for (size_t i = 0; i < split.count; i++) {
		size_t part = split_size(&split, i);
		uint8_t *out = malloc(part);

		assert(part <= size && part >= 20);
		split_write(&split, i, out);
		total += part - split.header_size;
		free(out);
	}
	assert(split.count == 1 || total == size - split.header_size);
	return 0;
}
