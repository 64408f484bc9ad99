#include "device/builtin/run.h"

size_t run_sealed_size(size_t size, size_t mtu)
{
	size_t padded = (size + 15) & ~(size_t)15;

	if (padded > mtu)
		padded = mtu > size ? mtu : size;
	return padded + WG_DATA_OVERHEAD;
}

bool run_may_add(const struct run *run, const struct wg_peer *peer, size_t size, size_t mtu)
{
	size_t sealed = run_sealed_size(size, mtu);

	if (!run->count)
		return sealed <= UDP_PAYLOAD_MAX;
	return run->peer == peer && !run->is_ended && run->count < RUN_PACKETS_MAX &&
	       sealed <= run->stride && run->used + sealed <= RUN_SIZE_MAX;
}

uint8_t *run_add(struct run *run, struct wg_peer *peer, size_t size, size_t mtu)
{
	size_t sealed = run_sealed_size(size, mtu);
	uint8_t *packet = run->room + run->used + WG_DATA_HEADER_SIZE;

	if (!run->count) {
		run->peer = peer;
		run->stride = sealed;
	}
	run->is_ended = sealed < run->stride;
	run->sizes[run->count++] = (uint32_t)size;
	run->used += sealed;
	return packet;
}

uint8_t *run_packet(const struct run *run, size_t index)
{
	return run->room + index * run->stride + WG_DATA_HEADER_SIZE;
}

void run_clear(struct run *run)
{
	run->peer = NULL;
	run->count = run->used = run->stride = 0;
	run->is_ended = false;
}
