#include "proto/noise/replay.h"

/* Forgets what the ring still holds of words that the newest counter passes. */
static void advance(struct replay *replay, uint64_t counter)
{
	uint64_t newest = replay->next ? (replay->next - 1) / 64 : 0, word = counter / 64;

	for (uint64_t i = newest + 1; i <= word && i <= newest + REPLAY_WORDS; i++)
		replay->words[i % REPLAY_WORDS] = 0;
	replay->next = counter + 1;
}

bool replay_accept(struct replay *replay, uint64_t counter, uint64_t limit)
{
	uint64_t *word = &replay->words[counter / 64 % REPLAY_WORDS], bit = 1ULL << (counter % 64);

	/* The highest number of all has no next one. */
	if (counter >= limit || counter == UINT64_MAX)
		return false;
	if (counter >= replay->next)
		advance(replay, counter);
	else if (replay->next - 1 - counter > REPLAY_USABLE)
		return false;
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}
