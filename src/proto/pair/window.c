#include "proto/pair/window.h"

#include <string.h>

bool window_accept(struct window *window, uint64_t counter)
{
	uint64_t word = counter / 64, bit = 1ULL << (counter % 64);
	uint64_t newest_word = window->newest / 64;

	if (counter + WINDOW_SIZE < window->newest || counter > UINT64_MAX - WINDOW_SIZE)
		return false;
	if (word > newest_word) {
		uint64_t fresh = word - newest_word;

		if (fresh > WINDOW_WORDS)
			fresh = WINDOW_WORDS;
		for (uint64_t i = 0; i < fresh; i++)
			window->words[(word - i) % WINDOW_WORDS] = 0;
	}
	if (window->words[word % WINDOW_WORDS] & bit)
		return false;
	window->words[word % WINDOW_WORDS] |= bit;
	if (counter > window->newest)
		window->newest = counter;
	return true;
}
