/* What `wayleave ping` prints: a line for each answer of the daemon, and a summary. Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/buffer.h"

struct ping_summary {
	unsigned sent, received;
	double least_ms, most_ms, sum_ms;
	bool is_direct; /* the last answer came over a direct path */
	bool is_over;   /* the daemon said so */
	/* An error that came first of all: the refusal of the whole ping when nothing follows. Held
	 * back until then, escaped. */
	char first_error[256];
	bool has_begun;
};

/* Adds the object to the summary and its line to out (nothing for the final object). */
void ping_print(struct ping_summary *summary, const char *node, const json_t *object,
		struct buffer *out);
void ping_print_summary(const struct ping_summary *summary, const char *node, struct buffer *out);
