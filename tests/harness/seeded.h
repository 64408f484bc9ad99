/* Random numbers that can be had again: for property tests. Never in the product (security 31).
 * WAYLEAVE_SEED=number in the environment repeats a run; otherwise each run is another one, and
 * prints its seed first. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/random_source.h"

struct seeded {
	uint64_t state;
	struct random_source source;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t seeded_u64(struct seeded *seeded)
{
	uint64_t value = seeded->state += 0x9e3779b97f4a7c15ULL;

	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
	return value ^ (value >> 31);
}

static inline void seeded_fill(void *owner, void *out, size_t size)
{
	struct seeded *seeded = owner;
	uint8_t *bytes = out;

	for (size_t part; size; bytes += part, size -= part) {
		uint64_t value = seeded_u64(seeded);

		part = size < sizeof(value) ? size : sizeof(value);
		memcpy(bytes, &value, part);
	}
}

static inline void seeded_init(struct seeded *seeded, uint64_t seed)
{
	seeded->state = seed;
	seeded->source = (struct random_source){.fill = seeded_fill, .owner = seeded};
}

static inline void seeded_start(struct seeded *seeded, const char *test)
{
	const char *wanted = getenv("WAYLEAVE_SEED");
	uint64_t seed;

	if (wanted)
		seed = strtoull(wanted, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		abort();
	printf("%s: WAYLEAVE_SEED=%llu\n", test, (unsigned long long)seed);
	seeded_init(seeded, seed);
}

/* 0 .. limit - 1 */
static inline uint32_t seeded_below(struct seeded *seeded, uint32_t limit)
{
	return random_below(&seeded->source, limit);
}
