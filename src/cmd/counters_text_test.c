#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/counters_text.h"

#include <cmocka.h>

static void check(const char *counters, const char *expected)
{
	auto_buffer struct buffer out = {0};
	json_t *json = json_loads(counters, 0, NULL);

	buffer_print(&out, "#");
	counters_print(json, &out);
	assert_string_equal(out.data + 1, expected);
	json_decref(json);
}

static void what_is_not_zero_has_a_line(void **state)
{
	check("{\"drops\": {\"tun-no-peer\": 3, \"replayed\": 0}, \"device\": {\"cookies_sent\": "
	      "1}}",
	      "drops tun-no-peer 3\ndevice cookies_sent 1\n");
}

static void ratios_have_a_tenth_and_nulls_no_line(void **state)
{
	check("{\"packets_per_call\": {\"tun_read\": 44.96, \"udp_send\": null}}",
	      "packets_per_call tun_read 45.0\n");
}

static void odd_members_are_left_out_and_odd_names_escaped(void **state)
{
	check("{\"a\": 5, \"b\": {\"c\": \"text\", \"\\u001bd\": 2}}", "b \\x1bd 2\n");
	check("[]", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_zero_has_a_line),
		cmocka_unit_test(ratios_have_a_tenth_and_nulls_no_line),
		cmocka_unit_test(odd_members_are_left_out_and_odd_names_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
