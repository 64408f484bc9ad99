/* WireGuard's limits (paper, section 6.1) as values, so that tests can make a day pass in
 * a second. All times are greater than 0. */
#pragma once

#include <stdint.h>

#include "base/time.h"

struct wg_limits {
	usec_t rekey_after_time;        /* 120 s: the initiator makes a new session */
	usec_t reject_after_time;       /* 180 s: a session ends */
	usec_t rekey_attempt_time;      /* 90 s: give up */
	usec_t rekey_timeout;           /* 5 s: between initiations */
	usec_t rekey_timeout_jitter;    /* up to 334 ms more */
	usec_t keepalive_timeout;       /* 10 s: answer data with something */
	usec_t initiation_interval;     /* 20 ms: a peer's initiations come no faster */
	uint64_t rekey_after_messages;  /* 2^60 */
	uint64_t reject_after_messages; /* 2^64 - 2^13 - 1: the window must never meet the end */
};

extern const struct wg_limits wg_limits_default;

/* Counters are reserved in runs of at most this many (security 24). */
#define WG_RUN_MAX     128
/* Threads that may reserve at once; the last run of each must stay below the limit: so the counter
 * of a session ends WG_RUN_MAX * WG_WORKERS_MAX early. Their product is far below 2^13, what lies
 * above the limit, so that no counter wraps around. */
#define WG_WORKERS_MAX 16
