#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "device/builtin/builtin.h"

#include <cmocka.h>

static int parse(const char *text, struct builtin_options *options)
{
	*options = (struct builtin_options){0};
	assert_int_equal(setenv(BUILTIN_WITHOUT, text, 1), 0);
	return builtin_options_without(options);
}

static void nothing_is_left_out_without_the_variable(void **state)
{
	struct builtin_options options = {0};

	unsetenv(BUILTIN_WITHOUT);
	assert_int_equal(builtin_options_without(&options), 0);
	assert_int_equal(parse("", &options), 0);
	assert_false(options.without_gso || options.without_gro || options.without_udp_gso ||
		     options.without_vnet_header);
}

static void each_word_sets_its_own_option(void **state)
{
	struct builtin_options options;

	assert_int_equal(parse("gso", &options), 0);
	assert_true(options.without_gso && !options.without_gro);
	assert_int_equal(parse("gro,uso", &options), 0);
	assert_true(options.without_gro && options.without_udp_gso && !options.without_gso &&
		    !options.without_vnet_header);
	assert_int_equal(parse("vnet-header", &options), 0);
	assert_true(options.without_vnet_header && !options.without_udp_gso);
}

static void another_word_is_refused(void **state)
{
	static const char *const texts[] = {"gs", "gsoo", "gso gro", ",gso", "gso,,gro", "GSO"};
	struct builtin_options options;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(parse(texts[i], &options), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_out_without_the_variable),
		cmocka_unit_test(each_word_sets_its_own_option),
		cmocka_unit_test(another_word_is_refused),
	};

	return cmocka_run_group_tests_name("without", tests, NULL, NULL);
}
