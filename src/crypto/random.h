/* The only source of randomness in the product: getrandom(2), blocking until seeded (security 31).
 */
#pragma once

#include "base/random_source.h"

void random_bytes(void *out, size_t size);
extern const struct random_source random_system;
