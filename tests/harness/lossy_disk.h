/* A disk for SQLite, in memory, that loses its power or fills up at a chosen moment. Files that
 * exist on the real disk are read from there once; nothing is ever written there. One connection
 * at a time. */
#pragma once

#include <stdbool.h>

#include "seeded.h"

enum lossy_loss {
	LOSSY_KEEPS_SYNCED, /* exactly what was synced */
	LOSSY_KEEPS_SOME,   /* and any sectors (512 bytes) of what was written since */
	LOSSY_KEEPS_ALL,    /* every write up to the moment */
};

#define LOSSY_LOSSES 3
#define LOSSY_NEVER  (~0u)

/* Becomes SQLite's default. */
void lossy_start(struct seeded *random);
void lossy_stop(void);
/* Empty, and with power. */
void lossy_reset(void);
/* Writes, syncs, truncations and deletions since the reset. */
unsigned lossy_points(void);
/* At that point the power goes: it is not done, and after it everything fails. */
void lossy_crash_at(unsigned point);
bool lossy_is_dead(void);
void lossy_reboot(enum lossy_loss loss);
/* From that point on nothing can be written, until it is LOSSY_NEVER again. */
void lossy_fill_at(unsigned point);
