#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "seeded.h"

#include <cmocka.h>

static void text_can_be_read_as_a_string_at_any_time(void **state)
{
	auto_buffer struct buffer buffer = {0};

	buffer_print(&buffer, "%s=%d", "port", 51820);
	assert_string_equal(buffer.data, "port=51820");
	buffer_add(&buffer, " more", 5);
	assert_string_equal(buffer.data, "port=51820 more");
	assert_int_equal(buffer.size, 15);
	buffer_print(&buffer, "%s", "");
	assert_string_equal(buffer.data, "port=51820 more");
}

static void taking_the_text_leaves_an_empty_buffer(void **state)
{
	struct buffer buffer = {0};
	auto_free char *nothing = buffer_take(&buffer);
	auto_free char *text = NULL;

	assert_string_equal(nothing, "");
	assert_null(buffer.data);
	buffer_add(&buffer, "text", 4);
	text = buffer_take(&buffer);
	assert_string_equal(text, "text");
	assert_null(buffer.data);
	assert_int_equal(buffer.size, 0);
}

static void reserved_room_becomes_content_when_size_is_raised(void **state)
{
	auto_buffer struct buffer buffer = {0};

	memcpy(buffer_reserve(&buffer, 1000), "received", 8);
	assert_int_equal(buffer.size, 0);
	buffer.size += 8;
	buffer_add(&buffer, "!", 1);
	assert_string_equal(buffer.data, "received!");
}

static void nothing_added_or_consumed_changes_nothing(void **state)
{
	auto_buffer struct buffer buffer = {0};

	buffer_consume(&buffer, 0);
	assert_null(buffer.data);
	buffer_add(&buffer, NULL, 0);
	assert_int_equal(buffer.size, 0);
	assert_string_equal(buffer.data, "");
}

/* The model: one large array and two positions. */
static void any_order_of_adding_and_consuming_is_a_queue_of_bytes(void **state)
{
	auto_buffer struct buffer buffer = {0};
	static uint8_t model[2000000];
	size_t start = 0, end = 0;
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	seeded_fill(&seeded, model, sizeof(model));
	for (int round = 0; round < 2000; round++) {
		size_t part = seeded_below(&seeded, 900);

		if (seeded_below(&seeded, 2)) {
			buffer_add(&buffer, model + end, part);
			end += part;
		} else {
			part = part < end - start ? part : end - start;
			buffer_consume(&buffer, part);
			start += part;
		}
		assert_int_equal(buffer.size, end - start);
		if (buffer.size) {
			assert_memory_equal(buffer.data, model + start, buffer.size);
			assert_int_equal(buffer.data[buffer.size], 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_can_be_read_as_a_string_at_any_time),
		cmocka_unit_test(taking_the_text_leaves_an_empty_buffer),
		cmocka_unit_test(reserved_room_becomes_content_when_size_is_raised),
		cmocka_unit_test(nothing_added_or_consumed_changes_nothing),
		cmocka_unit_test(any_order_of_adding_and_consuming_is_a_queue_of_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
