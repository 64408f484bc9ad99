#include "proto/noise/stamp.h"

#include "base/cursor.h"

/* TAI64's label of the unix epoch, with the 10 s that WireGuard adds. */
#define TAI64_EPOCH 0x400000000000000aULL

void stamp_init(struct stamp *stamp, usec_t now, usec_t wall, usec_t mark)
{
	usec_t least;
	bool is_plausible;

	/* No clock ever said so: the file is not ours. */
	if (mark > STAMP_MARK_MAX)
		mark = 0;
	least = mark ? mark + STAMP_MARGIN : 0;
	is_plausible = !mark || (wall > least && wall - least <= STAMP_LEAP_MAX);

	*stamp = (struct stamp){.base = is_plausible ? wall : least, .started = now};
	stamp->marked = stamp->base;
}

static usec_t present(const struct stamp *stamp, usec_t now)
{
	return stamp->base + usec_since(now, stamp->started);
}

bool stamp_needs_mark(struct stamp *stamp, usec_t now, usec_t *ret_mark)
{
	usec_t value = present(stamp, now);

	if (value < stamp->latest)
		value = stamp->latest;
	if (value < stamp->marked)
		return false;
	stamp->marked = value + STAMP_AHEAD;
	*ret_mark = stamp->marked;
	return true;
}

void stamp_next(struct stamp *stamp, usec_t now, uint8_t out[STAMP_SIZE])
{
	struct writer writer = writer_over(out, STAMP_SIZE);
	usec_t value = present(stamp, now) / STAMP_GRAIN * STAMP_GRAIN;

	if (value <= stamp->latest)
		value = stamp->latest + 1;
	stamp->latest = value;
	write_u32_be(&writer, (uint32_t)((TAI64_EPOCH + value / USEC_PER_SEC) >> 32));
	write_u32_be(&writer, (uint32_t)(TAI64_EPOCH + value / USEC_PER_SEC));
	write_u32_be(&writer, (uint32_t)(value % USEC_PER_SEC * 1000));
}
