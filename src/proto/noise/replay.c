#include "proto/noise/replay.h"

/* One word is always being refilled, so the window that can be trusted is shorter by it. */
#define REPLAY_USABLE (REPLAY_WINDOW - 64)

bool replay_accept(struct replay *replay, uint64_t counter, uint64_t limit)
{
	uint64_t word, newest_word, bit = 1ULL << (counter % 64);

	if (counter >= limit || counter >= UINT64_MAX - REPLAY_WINDOW)
		return false;
	if (counter + REPLAY_USABLE < replay->next)
		return false;
	word = counter / 64;
	if (counter >= replay->next) {
		newest_word = replay->next ? (replay->next - 1) / 64 : 0;
		for (uint64_t i = newest_word + 1; i <= word && i <= newest_word + REPLAY_WORDS; i++)
			replay->words[i % REPLAY_WORDS] = 0;
		replay->next = counter + 1;
	}
	if (replay->words[word % REPLAY_WORDS] & bit)
		return false;
	replay->words[word % REPLAY_WORDS] |= bit;
	return true;
}
