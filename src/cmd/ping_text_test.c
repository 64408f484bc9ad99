#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "cmd/ping_text.h"

#include <cmocka.h>

static void feed(struct ping_summary *summary, const char *text, struct buffer *out)
{
	json_t *object = json_loads(text, 0, NULL);

	assert_non_null(object);
	ping_print(summary, "b", object, out);
	json_decref(object);
}

#define ANSWER(seq, rtt, rung)                                                                  \
	"{\"from\": \"b\", \"seq\": " seq ", \"rtt_ms\": " rtt ", \"path\": {\"rung\": \"" rung \
	"\", \"endpoint\": \"198.51.100.102:51820\"}}"

static void answers_and_their_paths_read_like_this(void **state)
{
	auto_buffer struct buffer out = {0};
	struct ping_summary summary = {0};

	feed(&summary, "{\"error\": \"no path yet\"}", &out);
	feed(&summary, ANSWER("2", "40.2", "direct-punched"), &out);
	feed(&summary, ANSWER("3", "39.8", "direct-punched"), &out);
	assert_false(summary.is_over);
	feed(&summary, "{\"end\": true, \"sent\": 3, \"received\": 2}", &out);
	assert_true(summary.is_over);
	assert_true(summary.is_direct);
	ping_print_summary(&summary, "b", &out);
	assert_string_equal(
		out.data,
		"b: no path yet\n"
		"b: answer 2 in 40.2 ms, direct-punched at 198.51.100.102:51820\n"
		"b: answer 3 in 39.8 ms, direct-punched at 198.51.100.102:51820\n"
		"b: 3 sent, 2 received, 33 % lost; least 39.8 ms, mean 40.0 ms, most 40.2 ms\n");
}

static void only_the_last_answer_decides_whether_the_path_is_direct(void **state)
{
	auto_buffer struct buffer out = {0};
	struct ping_summary summary = {0};

	feed(&summary, ANSWER("1", "1", "direct-lan"), &out);
	assert_true(summary.is_direct);
	feed(&summary, ANSWER("2", "1", "hub-relay"), &out);
	assert_false(summary.is_direct);
	feed(&summary, ANSWER("3", "1", "direct"), &out);
	feed(&summary, "{\"error\": \"no answer\"}", &out);
	assert_false(summary.is_direct);
}

static void a_refusal_is_kept_for_the_end_and_has_no_summary(void **state)
{
	auto_buffer struct buffer out = {0};
	struct ping_summary summary = {0};

	feed(&summary, "{\"error\": \"no such node\\u001b\"}", &out);
	ping_print_summary(&summary, "b\033", &out);
	assert_int_equal(out.size, 0);
	assert_string_equal(summary.first_error, "no such node\\x1b");
}

static void an_error_of_a_try_is_said_as_soon_as_it_is_known_to_be_one(void **state)
{
	auto_buffer struct buffer out = {0};
	struct ping_summary summary = {0};

	feed(&summary, "{\"error\": \"first\"}", &out);
	assert_int_equal(out.size, 0);
	feed(&summary, "{\"error\": \"second\"}", &out);
	assert_string_equal(out.data, "b: first\nb: second\n");
	feed(&summary, "{\"end\": true, \"sent\": 2, \"received\": 0}", &out);
	assert_string_equal(summary.first_error, "");
	assert_string_equal(out.data, "b: first\nb: second\n");
}

static void all_lost_has_no_times(void **state)
{
	auto_buffer struct buffer out = {0};
	struct ping_summary summary = {0};

	feed(&summary, "{\"end\": true, \"sent\": 4, \"received\": 0}", &out);
	ping_print_summary(&summary, "b", &out);
	assert_string_equal(out.data, "b: 4 sent, 0 received, 100 % lost\n");
}

static void an_interrupted_ping_counts_what_it_saw(void **state)
{
	auto_buffer struct buffer out = {0};
	struct ping_summary summary = {0};

	feed(&summary, "{\"rtt_ms\": 7}", &out);
	ping_print_summary(&summary, "b", &out);
	assert_string_equal(out.data,
			    "b: answer 0 in 7.00 ms, -\n"
			    "b: 1 sent, 1 received, 0 % lost; least 7.00 ms, mean 7.00 ms, "
			    "most 7.00 ms\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_and_their_paths_read_like_this),
		cmocka_unit_test(only_the_last_answer_decides_whether_the_path_is_direct),
		cmocka_unit_test(a_refusal_is_kept_for_the_end_and_has_no_summary),
		cmocka_unit_test(an_error_of_a_try_is_said_as_soon_as_it_is_known_to_be_one),
		cmocka_unit_test(all_lost_has_no_times),
		cmocka_unit_test(an_interrupted_ping_counts_what_it_saw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
