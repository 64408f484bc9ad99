/* One unit of time in the tree: microseconds. `now` is CLOCK_BOOTTIME (it goes on in suspend and
 * never jumps) and comes from sys/loop or the simulator; nothing below sys/ reads a clock. */
#pragma once

#include <stdint.h>

typedef uint64_t usec_t;

#define USEC_PER_MSEC   ((usec_t)1000)
#define USEC_PER_SEC    ((usec_t)1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR   (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY    (24 * USEC_PER_HOUR)
#define USEC_NEVER      UINT64_MAX

static inline usec_t usec_earlier(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

static inline usec_t usec_later(usec_t a, usec_t b)
{
	return a > b ? a : b;
}

/* now - then, 0 when then lies ahead. */
static inline usec_t usec_since(usec_t now, usec_t then)
{
	return now > then ? now - then : 0;
}

/* "90", "15s", "1m", "24h", "30d" -> microseconds; a bare number is seconds. 0, or -EINVAL /
 * -ERANGE. */
int usec_parse(const char *text, usec_t *ret_value);
