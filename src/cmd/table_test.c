#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "cmd/table.h"

#include <cmocka.h>

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	auto_buffer struct buffer out = {0};
	struct table table;

	table_init(&table, 3);
	table_add(&table, "A", COLOUR_NONE);
	table_add(&table, "LONG TITLE", COLOUR_NONE);
	table_add(&table, "C", COLOUR_NONE);
	table_add(&table, "a longer cell", COLOUR_NONE);
	table_add(&table, "b", COLOUR_NONE);
	table_add(&table, "c", COLOUR_NONE);
	table_add(&table, "short row", COLOUR_NONE);
	table_print(&table, false, &out);
	assert_string_equal(out.data, "A              LONG TITLE  C\n"
				      "a longer cell  b           c\n"
				      "short row\n");
	table_done(&table);
}

static void colour_does_not_move_columns(void **state)
{
	auto_buffer struct buffer out = {0};
	struct table table;

	table_init(&table, 2);
	table_add(&table, "ab", COLOUR_GREEN);
	table_add(&table, "x", COLOUR_NONE);
	table_add(&table, "c", COLOUR_RED);
	table_add(&table, "y", COLOUR_BOLD);
	table_print(&table, true, &out);
	assert_string_equal(out.data, "\033[32mab\033[0m  x\n\033[31mc\033[0m   \033[1my\033[0m\n");
	table_done(&table);
}

static void what_a_terminal_would_obey_is_escaped(void **state)
{
	auto_buffer struct buffer out = {0};
	struct table table;

	table_init(&table, 1);
	table_add(&table, "a\033[2Jb\n", COLOUR_NONE);
	table_print(&table, true, &out);
	table_print_coloured("\a", COLOUR_NONE, true, &out);
	assert_string_equal(out.data, "a\\x1b[2Jb\\x0a\n\\x07");
	table_done(&table);
}

static void hundreds_of_cells_are_kept(void **state)
{
	auto_buffer struct buffer out = {0};
	struct table table;

	table_init(&table, 1);
	for (int i = 0; i < 300; i++)
		table_add(&table, "x", COLOUR_NONE);
	table_print(&table, false, &out);
	assert_int_equal(out.size, 600);
	table_done(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(colour_does_not_move_columns),
		cmocka_unit_test(what_a_terminal_would_obey_is_escaped),
		cmocka_unit_test(hundreds_of_cells_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
