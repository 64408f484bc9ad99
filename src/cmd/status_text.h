/* What `wayleave status` prints for people, from the daemon's JSON (docs/man/wayleave-status.1).
 * Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/buffer.h"

/* Missing and odd members show as "-"; all text is escaped. before: an earlier status of the same
 * daemon and how many seconds ago it was, then rates are shown instead of totals; NULL and 0
 * without. */
void status_print(const json_t *status, const json_t *before, double seconds, bool has_colour,
		  struct buffer *out);
/* "direct-punched", or "none (offline)" with the reason when there is no path. Returns text. */
const char *status_path_text(const json_t *path, char *text, size_t size);
