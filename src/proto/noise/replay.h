/* Replay window of 8,192 counters (RFC 6479): a ring of words, one word larger than the window. One thread at a
 * time per window. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WINDOW 8192
#define REPLAY_WORDS (REPLAY_WINDOW / 64)

struct replay {
	uint64_t next; /* one above the newest counter */
	uint64_t words[REPLAY_WORDS];
};

/* True once per counter, false for one above `limit` or too far behind. Only for what was authenticated. */
bool replay_accept(struct replay *replay, uint64_t counter, uint64_t limit);
