/* The "counters" of a status for people: a line for each that is not 0. Pure. */
#pragma once

#include <jansson.h>

#include "base/buffer.h"

/* counters: {GROUP: {NAME: number}}; what is null or no number is left out. */
void counters_print(const json_t *counters, struct buffer *out);
