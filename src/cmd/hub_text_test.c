#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "cmd/hub_text.h"

#include <cmocka.h>

static int in_utc(void **state)
{
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

static void check(void (*print)(const json_t *answer, bool has_colour, struct buffer *out),
		  const char *answer, const char *expected)
{
	json_t *object = json_loads(answer, 0, NULL);
	struct buffer text = {0};

	assert_non_null(object);
	print(object, false, &text);
	assert_string_equal(text.data, expected);
	buffer_done(&text);
	json_decref(object);
}

static void nodes_stand_in_columns(void **state)
{
	check(hub_text_nodes,
	      "{\"nodes\":[{\"name\":\"a\",\"addresses\":[\"10.0.0.2/24\",\"fd00::2/64\"],"
	      "\"last_seen\":1700000000,\"endpoint\":\"192.0.2.1:7\",\"public_key\":\"KEY\"},"
	      "{\"name\":\"longer\",\"addresses\":[\"10.0.0.3/24\"],\"last_seen\":null,"
	      "\"endpoint\":null,\"public_key\":\"K\"}]}",
	      "NAME    ADDRESS            LAST SEEN         ENDPOINT     PUBLIC KEY\n"
	      "a       10.0.0.2, fd00::2  2023-11-14 22:13  192.0.2.1:7  KEY\n"
	      "longer  10.0.0.3           never             -            K\n");
}

static void an_empty_list_is_its_heading(void **state)
{
	check(hub_text_nodes, "{}", "NAME  ADDRESS  LAST SEEN  ENDPOINT  PUBLIC KEY\n");
}

static void tokens_say_whether_they_are_good(void **state)
{
	check(hub_text_tokens,
	      "{\"tokens\":[{\"id\":\"1\",\"usable\":true,\"reusable\":true,\"uses\":3,"
	      "\"created\":1700000000,\"expires\":1700003600,\"label\":\"office\"},"
	      "{\"id\":\"2\",\"usable\":false,\"reusable\":false,\"uses\":1,\"created\":1700000000,"
	      "\"expires\":1700003600,\"label\":null},"
	      "{\"id\":\"3\",\"usable\":false,\"reusable\":true,\"uses\":1,\"created\":1700000000,"
	      "\"expires\":1700003600},"
	      "{\"id\":\"4\",\"usable\":false,\"revoked\":true,\"created\":1,\"expires\":60}]}",
	      "ID  STATE    KIND      USES  CREATED           EXPIRES           LABEL\n"
	      "1   good     reusable  3     2023-11-14 22:13  2023-11-14 23:13  office\n"
	      "2   used     once      1     2023-11-14 22:13  2023-11-14 23:13  -\n"
	      "3   expired  reusable  1     2023-11-14 22:13  2023-11-14 23:13  -\n"
	      "4   revoked  once      0     1970-01-01 00:00  1970-01-01 00:01  -\n");
}

static void the_log_stands_in_columns(void **state)
{
	check(hub_text_log,
	      "{\"events\":[{\"at\":1700000000,\"event\":\"enrol\",\"name\":\"a\",\"token\":\"01\","
	      "\"source\":\"192.0.2.1:7\",\"public_key\":\"KEY\"}]}",
	      "TIME              EVENT  NAME  TOKEN  SOURCE       PUBLIC KEY\n"
	      "2023-11-14 22:13  enrol  a     01     192.0.2.1:7  KEY\n");
}

static void no_text_steers_the_terminal(void **state)
{
	json_t *answer =
		json_loads("{\"nodes\":[{\"name\":\"\\u001b[31m\",\"addresses\":"
			   "[\"\\u001b[1m/\"],\"endpoint\":\"\\r\\n\"}],"
			   "\"node\":{\"name\":\"\\u001b[31m\",\"addresses\":[\"\\u0007\"]},"
			   "\"old_name\":\"\\u009b\"}",
			   0, NULL);
	struct buffer text = {0};

	hub_text_nodes(answer, false, &text);
	hub_text_node(answer, &text);
	hub_text_changed(answer, "renamed", &text);
	for (const char *c = text.data; *c; c++)
		assert_true((*c >= ' ' && *c < 0x7f) || *c == '\n');
	buffer_done(&text);
	json_decref(answer);
}

static void a_change_is_told_in_one_line(void **state)
{
	json_t *answer = json_loads("{\"node\":{\"name\":\"b\",\"addresses\":[\"10.0.0.2/24\"],"
				    "\"public_key\":\"KEY\"},\"old_name\":\"a\"}",
				    0, NULL);
	struct buffer text = {0};

	hub_text_changed(answer, "renamed", &text);
	json_object_del(answer, "old_name");
	hub_text_changed(answer, "removed", &text);
	assert_string_equal(text.data, "renamed a to b (10.0.0.2, KEY)\n"
				       "removed b (10.0.0.2, KEY)\n");
	buffer_done(&text);
	json_decref(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_stand_in_columns),
		cmocka_unit_test(an_empty_list_is_its_heading),
		cmocka_unit_test(tokens_say_whether_they_are_good),
		cmocka_unit_test(the_log_stands_in_columns),
		cmocka_unit_test(no_text_steers_the_terminal),
		cmocka_unit_test(a_change_is_told_in_one_line),
	};

	return cmocka_run_group_tests(tests, in_utc, NULL);
}
