#include "cmd/table.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"

void table_init(struct table *table, size_t column_count)
{
	*table = (struct table){.column_count = column_count};
}

void table_done(struct table *table)
{
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i].text);
	free(table->cells);
	*table = (struct table){0};
}

void table_add(struct table *table, const char *text, enum table_colour colour)
{
	size_t size = strlen(text);
	struct table_cell cell = {.text = memory_new(4 * size + 1), .colour = colour};

	text_escape(cell.text, 4 * size + 1, text, size);
	if (table->cell_count == table->room) {
		table->room = table->room ? table->room * 2 : 64;
		table->cells = memory_resize(table->cells, table->room, sizeof(cell));
	}
	table->cells[table->cell_count++] = cell;
}

static const char *colour_code(enum table_colour colour)
{
	switch (colour) {
	case COLOUR_NONE:
		return "";
	case COLOUR_BOLD:
		return "\033[1m";
	case COLOUR_GREEN:
		return "\033[32m";
	case COLOUR_YELLOW:
		return "\033[33m";
	case COLOUR_RED:
		return "\033[31m";
	}
	return "";
}

static void print_cell(const char *text, enum table_colour colour, bool has_colour,
		       struct buffer *out)
{
	if (has_colour && colour != COLOUR_NONE && *text)
		buffer_print(out, "%s%s\033[0m", colour_code(colour), text);
	else
		buffer_print(out, "%s", text);
}

void table_print_coloured(const char *text, enum table_colour colour, bool has_colour,
			  struct buffer *out)
{
	size_t size = strlen(text);
	auto_free char *escaped = memory_new(4 * size + 1);

	text_escape(escaped, 4 * size + 1, text, size);
	print_cell(escaped, colour, has_colour, out);
}

static void print_row(const struct table_cell *row, const size_t *widths, size_t count,
		      bool has_colour, struct buffer *out)
{
	while (count && !*row[count - 1].text)
		count--;
	for (size_t i = 0; i < count; i++) {
		print_cell(row[i].text, row[i].colour, has_colour, out);
		if (i + 1 < count)
			buffer_print(out, "%*s", (int)(widths[i] - strlen(row[i].text) + 2), "");
	}
	buffer_print(out, "\n");
}

void table_print(struct table *table, bool has_colour, struct buffer *out)
{
	size_t widths[TABLE_COLUMNS_MAX] = {0};

	while (table->cell_count % table->column_count)
		table_add(table, "", COLOUR_NONE);
	for (size_t i = 0; i < table->cell_count; i++) {
		size_t size = strlen(table->cells[i].text);

		if (size > widths[i % table->column_count])
			widths[i % table->column_count] = size;
	}
	for (size_t i = 0; i < table->cell_count; i += table->column_count)
		print_row(table->cells + i, widths, table->column_count, has_colour, out);
}
