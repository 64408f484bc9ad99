/* Time stamps of our initiations. Peers refuse a stamp that is not newer than the last, so all that
 * matters is that it grows: over restarts, on machines without a clock battery, and after a forged
 * time of day (security 25). It starts at the saved mark + 15 min, or at the wall clock if that is
 * later by at most a year; from then on it advances with `now` alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "proto/noise/handshake.h"

#define STAMP_MARGIN   (15 * USEC_PER_MINUTE)
#define STAMP_AHEAD    (10 * USEC_PER_MINUTE)
#define STAMP_LEAP_MAX (366 * USEC_PER_DAY)
/* A hundred thousand years: from here on it is no time. */
#define STAMP_MARK_MAX (100000 * 365 * USEC_PER_DAY)
/* Stamps are rounded down, so that they do not tell how busy we are; the kernel's are as coarse. */
#define STAMP_GRAIN    ((usec_t)16384)

struct stamp {
	usec_t base; /* unix time, microseconds, at started */
	usec_t started;
	usec_t latest; /* last one given out, in microseconds */
	usec_t marked; /* what was saved covers stamps up to here */
};

/* wall: unix time in microseconds, as far as the machine knows. mark: what was saved, 0 = nothing.
 */
void stamp_init(struct stamp *stamp, usec_t now, usec_t wall, usec_t mark);
/* True: save *ret_mark before using stamps any further (it is written ahead). */
bool stamp_needs_mark(struct stamp *stamp, usec_t now, usec_t *ret_mark);
/* TAI64N, strictly growing from call to call. */
void stamp_next(struct stamp *stamp, usec_t now, uint8_t out[STAMP_SIZE]);
