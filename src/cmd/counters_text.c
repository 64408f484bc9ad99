#include "cmd/counters_text.h"

#include <stdio.h>

#include "cmd/table.h"

static void print_one(const char *group, const char *name, const json_t *value, struct buffer *out)
{
	char number[40];

	if (json_number_value(value) == 0)
		return;
	if (json_is_integer(value))
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
	else
		snprintf(number, sizeof(number), "%.1f", json_real_value(value));
	table_print_coloured(group, COLOUR_NONE, false, out);
	buffer_print(out, " ");
	table_print_coloured(name, COLOUR_NONE, false, out);
	buffer_print(out, " %s\n", number);
}

void counters_print(const json_t *counters, struct buffer *out)
{
	const char *group_name, *name;
	json_t *group, *value;

	json_object_foreach((json_t *)counters, group_name, group)
	{
		json_object_foreach(group, name, value)
		{
			print_one(group_name, name, value, out);
		}
	}
}
