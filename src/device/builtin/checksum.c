#include "device/builtin/checksum.h"

#include <arpa/inet.h>
#include <string.h>

/* 32-bit words summed into 64 bits cannot overflow below 2^32 words, so carries need no care. */
static uint64_t add_tail(uint64_t sum, const uint8_t *data, size_t size)
{
	uint32_t word = 0;

	memcpy(&word, data, size);
	return sum + word;
}

static inline uint64_t add_block(uint64_t sum, const uint64_t block[4])
{
	for (size_t i = 0; i < 4; i++)
		sum += (block[i] & UINT32_MAX) + (block[i] >> 32);
	return sum;
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t block[4];

	for (; size >= sizeof(block); size -= sizeof(block), bytes += sizeof(block)) {
		memcpy(block, bytes, sizeof(block));
		sum = add_block(sum, block);
	}
	for (; size >= 4; size -= 4, bytes += 4)
		sum = add_tail(sum, bytes, 4);
	return add_tail(sum, bytes, size);
}

uint64_t checksum_copy(uint64_t sum, void *out, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint8_t *to = out;
	uint64_t block[4];

	for (; size >= sizeof(block); size -= sizeof(block)) {
		memcpy(block, bytes, sizeof(block));
		sum = add_block(sum, block);
		memcpy(to, block, sizeof(block));
		bytes += sizeof(block);
		to += sizeof(block);
	}
	memcpy(to, bytes, size);
	return checksum_add(sum, bytes, size);
}

uint16_t checksum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t checksum_pseudo(uint8_t family, const void *source, const void *destination,
			 uint8_t protocol, uint32_t size)
{
	uint32_t tail[2] = {htonl(size), htonl(protocol)};
	uint64_t sum = checksum_add(0, source, family_size(family));

	sum = checksum_add(sum, destination, family_size(family));
	return checksum_add(sum, tail, sizeof(tail));
}
