/* Replay window (RFC 6479): a ring of 8,192 bits, of which one word is always being refilled. A
 * counter is accepted once, and only when it is at most REPLAY_USABLE behind the newest. One thread
 * at a time per window; zeroed memory is an empty one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WINDOW 8192
#define REPLAY_WORDS  (REPLAY_WINDOW / 64)
#define REPLAY_USABLE (REPLAY_WINDOW - 64)

struct replay {
	uint64_t next; /* one above the newest counter */
	uint64_t words[REPLAY_WORDS];
};

/* True once per counter, false for one from `limit` on or too far behind. Only for what was
 * authenticated. */
bool replay_accept(struct replay *replay, uint64_t counter, uint64_t limit);
