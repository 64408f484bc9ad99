/* Cutting a byte stream into frames: u32 little-endian length, then so many bytes. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum frame_result {
	FRAME_WHOLE,
	FRAME_MORE,      /* bytes are missing */
	FRAME_TOO_LARGE, /* announced above the limit */
	FRAME_EMPTY,
};

/* The first frame in data. FRAME_WHOLE: its payload is data + 4, *ret_size long. */
enum frame_result frame_next(const uint8_t *data, size_t size, size_t limit, size_t *ret_size);
