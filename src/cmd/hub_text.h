/* The hub's answers (hub/admin.h) as people read them. Everything is escaped; times are local. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

#define HUB_TEXT_TIME_SIZE 32

/* "2025-11-21 08:37", local; "never" for 0. Returns text. */
const char *hub_text_time(int64_t at, char text[HUB_TEXT_TIME_SIZE]);
/* Printable ASCII as it is (backslashes too, for it may be escaped already), the rest as '?'. */
void hub_text_printable(const char *text, char *out, size_t size);
void hub_text_nodes(const json_t *answer, bool has_colour, struct buffer *out);
void hub_text_node(const json_t *answer, struct buffer *out);
/* "removed laptop (100.100.96.3, KEY)" */
void hub_text_changed(const json_t *answer, const char *what, struct buffer *out);
void hub_text_tokens(const json_t *answer, bool has_colour, struct buffer *out);
void hub_text_log(const json_t *answer, bool has_colour, struct buffer *out);
