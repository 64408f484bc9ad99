/* Randomness as an argument: proto/ draws from a source it is handed. In the product that is
 * crypto/random.h (getrandom); generators that can be seeded live in tests/ only (security 31). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct random_source {
	void (*fill)(void *owner, void *out, size_t size);
	void *owner;
};

static inline void random_fill(const struct random_source *source, void *out, size_t size)
{
	source->fill(source->owner, out, size);
}

static inline uint32_t random_u32(const struct random_source *source)
{
	uint32_t value;

	random_fill(source, &value, sizeof(value));
	return value;
}

static inline uint64_t random_u64(const struct random_source *source)
{
	uint64_t value;

	random_fill(source, &value, sizeof(value));
	return value;
}

/* Uniform enough below limit (limit far below 2^32). */
static inline uint32_t random_below(const struct random_source *source, uint32_t limit)
{
	return limit ? (uint32_t)(((uint64_t)random_u32(source) * limit) >> 32) : 0;
}
