/* Replay window of 1,024 counters (RFC 6479 in spirit: a ring of words, the newest word cleared on
 * the way). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_SIZE  1024
#define WINDOW_WORDS (WINDOW_SIZE / 64 + 1)

struct window {
	uint64_t newest;
	uint64_t words[WINDOW_WORDS];
};

/* True once per counter, and never for one more than WINDOW_SIZE behind the newest. Call it only
 * for what was authenticated. */
bool window_accept(struct window *window, uint64_t counter);
