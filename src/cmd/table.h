/* A table for people: columns as wide as their widest cell. Cells are copied and escaped, so they
 * may hold text from the network. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

#define TABLE_COLUMNS_MAX 12

enum table_colour { COLOUR_NONE, COLOUR_BOLD, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_RED };

struct table_cell {
	char *text;
	enum table_colour colour;
};

struct table {
	size_t column_count, cell_count, room;
	struct table_cell *cells; /* row after row */
};

/* 1..TABLE_COLUMNS_MAX columns. */
void table_init(struct table *table, size_t column_count);
void table_done(struct table *table);
/* Fills the next cell. */
void table_add(struct table *table, const char *text, enum table_colour colour);
/* All rows, each cell but the last of its row padded, two blanks between columns, no blanks at line
 * ends. An unfinished row is filled up with empty cells. */
void table_print(struct table *table, bool has_colour, struct buffer *out);
/* text between the escapes of its colour, or as it is. Escapes what is not printable ASCII. */
void table_print_coloured(const char *text, enum table_colour colour, bool has_colour,
			  struct buffer *out);
