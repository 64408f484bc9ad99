#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cmd/qr.h"

#include <cmocka.h>

#define SIDE_MAX 200

/* The picture read back: true = dark. */
struct picture {
	bool modules[SIDE_MAX][SIDE_MAX];
	size_t width, height;
};

static void read_picture(const char *text, struct picture *picture)
{
	size_t x = 0;

	memset(picture, 0, sizeof(*picture));
	while (*text) {
		size_t y = picture->height;
		bool is_upper_light = !strncmp(text, "\u2580", 3) || !strncmp(text, "\u2588", 3);
		bool is_lower_light = !strncmp(text, "\u2584", 3) || !strncmp(text, "\u2588", 3);

		if (*text == '\n') {
			assert_true(!picture->width || x == picture->width);
			picture->width = x;
			picture->height += 2;
			x = 0;
			text++;
			continue;
		}
		assert_true(*text == ' ' || is_upper_light || is_lower_light);
		assert_true(x < SIDE_MAX && y + 1 < SIDE_MAX);
		picture->modules[y][x] = !is_upper_light;
		picture->modules[y + 1][x] = !is_lower_light;
		x++;
		text += *text == ' ' ? 1 : 3;
	}
}

/* The 7x7 square that scanners look for. */
static void check_finder(const struct picture *picture, size_t left, size_t top)
{
	for (size_t y = 0; y < 7; y++) {
		for (size_t x = 0; x < 7; x++) {
			bool is_ring = x == 0 || x == 6 || y == 0 || y == 6;
			bool is_core = x >= 2 && x <= 4 && y >= 2 && y <= 4;

			assert_int_equal(picture->modules[top + y][left + x], is_ring || is_core);
		}
	}
}

static void the_picture_has_its_three_corners_and_a_quiet_zone(void **state)
{
	struct qr *qr = qr_open();
	struct picture picture;
	struct buffer text = {0};
	size_t side;

	if (!qr)
		skip();
	assert_true(qr_print(qr, "[Interface]\nPrivateKey = none\n", false, &text));
	read_picture(text.data, &picture);
	side = picture.width - 8;
	assert_int_equal((side - 17) % 4, 0);
	assert_true(picture.height == picture.width || picture.height == picture.width + 1);
	for (size_t i = 0; i < picture.width; i++) {
		for (size_t edge = 0; edge < 4; edge++) {
			assert_false(picture.modules[edge][i]);
			assert_false(picture.modules[i][edge]);
			assert_false(picture.modules[picture.width - 1 - edge][i]);
			assert_false(picture.modules[i][picture.width - 1 - edge]);
		}
	}
	check_finder(&picture, 4, 4);
	check_finder(&picture, 4 + side - 7, 4);
	check_finder(&picture, 4, 4 + side - 7);
	buffer_done(&text);
	qr_close(qr);
}

static void colours_surround_every_line(void **state)
{
	struct qr *qr = qr_open();
	struct buffer text = {0};

	if (!qr)
		skip();
	assert_true(qr_print(qr, "x", true, &text));
	for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n")) {
		assert_memory_equal(line, "\033[97;40m", 8);
		assert_string_equal(line + strlen(line) - 4, "\033[0m");
	}
	buffer_done(&text);
	qr_close(qr);
}

static void a_text_that_is_too_long_is_told(void **state)
{
	struct qr *qr = qr_open();
	struct buffer text = {0};
	auto_free char *longest = memory_new(2954 + 1);

	if (!qr)
		skip();
	memset(longest, 'a', 2953); /* version 40, level L, bytes */
	assert_true(qr_print(qr, longest, false, &text));
	longest[2953] = 'a';
	text.size = 0;
	assert_false(qr_print(qr, longest, false, &text));
	assert_int_equal(text.size, 0);
	buffer_done(&text);
	qr_close(qr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_picture_has_its_three_corners_and_a_quiet_zone),
		cmocka_unit_test(colours_surround_every_line),
		cmocka_unit_test(a_text_that_is_too_long_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
