/* Any packets, each behind its 16-bit size; what is written must be as much as what came, and the
 * kernel (split.h here) must be able to cut it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "device/builtin/coalesce.h"
#include "device/builtin/packet.h"
#include "device/builtin/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_write(void *owner, const struct tun_header *header, const struct iovec *parts,
			size_t packets)
{
	static uint8_t whole[TUN_PACKET_MAX];
	struct split split;
	size_t size = 0;

	for (size_t i = 0; i < packets; i++) {
		assert(size + parts[i].iov_len <= sizeof(whole));
		memcpy(whole + size, parts[i].iov_base, parts[i].iov_len);
		size += parts[i].iov_len;
	}
	*(size_t *)owner += packets;
	if (packets == 1)
		return;
	assert(split_begin(&split, header, whole, size));
	assert(split.count == packets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t written = 0, added = 0, left = size;
	struct coalesce_sink sink = {&written, count_write};
	uint8_t *copy = malloc(size + 1);
	static struct coalesce coalesce;

	memcpy(copy, data, size);
	coalesce_init(&coalesce, true, true, &sink);
	for (uint8_t *packet = copy; left >= 2; added++) {
		size_t wanted = load_be16(packet);

		packet += 2;
		left -= 2;
		if (wanted > left)
			wanted = left;
		coalesce_add(&coalesce, packet, wanted);
		packet += wanted;
		left -= wanted;
	}
	coalesce_flush(&coalesce);
	assert(written == added);
	free(copy);
	return 0;
}
