#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "conf/ini.h"

#include <cmocka.h>

/* A little schema: [One] once and required, [Many] up to twice. */
struct many {
	char word[16];
};

struct sheet {
	char name[16], secret[16], all[64];
	struct many many[2];
	size_t many_count;
};

static int read_word(void *place, const char *value)
{
	if (strlen(value) > 15)
		return -EINVAL;
	strcpy(place, value);
	return 0;
}

static int append_word(void *place, const char *value)
{
	if (strlen(place) + strlen(value) + 2 > 64)
		return -E2BIG;
	if (strstr(place, value))
		return -EEXIST;
	strcat(place, value);
	strcat(place, ";");
	return 0;
}

static void *begin_many(void *destination)
{
	struct sheet *sheet = destination;

	return sheet->many_count < 2 ? &sheet->many[sheet->many_count++] : NULL;
}

static const struct ini_key one_keys[] = {
	{"Name", read_word, offsetof(struct sheet, name), "a short word", false, true, false},
	{"PrivateKey", read_word, offsetof(struct sheet, secret), "a short secret", false, false,
	 true},
	{"ListenPort", append_word, offsetof(struct sheet, all), "a word", true, false, false},
};

static const struct ini_key many_keys[] = {
	{"Word", read_word, offsetof(struct many, word), "a word", false, true, false},
};

static const struct ini_section sections[] = {
	{"One", one_keys, array_size(one_keys), true, NULL, NULL},
	{"Many", many_keys, array_size(many_keys), false, NULL, begin_many},
	{"Peer", NULL, 0, false, "peers come from elsewhere", NULL},
};

static const char *const foreign[] = {"PostUp"};

static const struct ini_schema schema = {sections, array_size(sections), foreign, 1};

static int parse(const char *text, struct sheet *sheet, struct conf_error *error)
{
	memset(sheet, 0, sizeof(*sheet));
	return ini_parse(text, strlen(text), "x.conf", &schema, sheet, error);
}

static void check_fault(const char *text, unsigned line, const char *message)
{
	struct conf_error error;
	struct sheet sheet;

	assert_int_equal(parse(text, &sheet, &error), -EINVAL);
	assert_string_equal(error.text, message);
	assert_int_equal(error.line, line);
}

static void values_reach_their_place(void **state)
{
	struct conf_error error;
	struct sheet sheet;

	assert_int_equal(parse("[One]\nName = a\nListenPort=b\n ListenPort =  c \n"
			       "[Many]\nWord = d\n[Many]\nWord = e\n",
			       &sheet, &error),
			 0);
	assert_string_equal(sheet.name, "a");
	assert_string_equal(sheet.all, "b;c;");
	assert_int_equal(sheet.many_count, 2);
	assert_string_equal(sheet.many[0].word, "d");
	assert_string_equal(sheet.many[1].word, "e");
}

static void comments_blanks_case_and_carriage_returns_do_not_matter(void **state)
{
	struct conf_error error;
	struct sheet sheet;

	assert_int_equal(parse("# top\r\n; another\r\n\r\n  [ oNE ]  # of it\r\n"
			       "\tnAMe\t=\tx y  # tail\r\n#ListenPort = z",
			       &sheet, &error),
			 0);
	assert_string_equal(sheet.name, "x y");
	assert_string_equal(sheet.all, "");
}

static void an_unknown_key_names_line_and_nearest_key(void **state)
{
	check_fault("[One]\nName = a\nListenPrt = 3\n", 3,
		    "x.conf:3: unknown key 'ListenPrt' in [One]; did you mean 'ListenPort'?");
	check_fault("[One]\nZebra = 3\n", 2, "x.conf:2: unknown key 'Zebra' in [One]");
	check_fault("[One]\nWord = 3\n", 2,
		    "x.conf:2: unknown key 'Word' in [One]; it belongs to [Many]");
}

static void a_key_of_wg_quick_is_refused_with_the_reason(void **state)
{
	check_fault("[One]\npostup = reboot\n", 2,
		    "x.conf:2: 'PostUp' belongs to wg-quick and has no effect here; remove it");
}

static void an_unknown_section_names_the_nearest(void **state)
{
	check_fault("[On]\n", 1, "x.conf:1: unknown section [On]; did you mean [One]?");
	check_fault("[Elsewhere]\n", 1, "x.conf:1: unknown section [Elsewhere]");
	check_fault("[One\n", 1, "x.conf:1: expected [Section]");
	check_fault("[\033[2Jx]\n", 1, "x.conf:1: unknown section [\\x1b[2Jx]");
}

static void a_section_that_has_no_effect_here_is_refused_with_the_reason(void **state)
{
	check_fault("[One]\nName = a\n[PEER]\nPublicKey = b\n", 3,
		    "x.conf:3: [Peer]: peers come from elsewhere");
}

static void what_must_occur_once_does(void **state)
{
	check_fault("[One]\nName = a\n\n[One]\n", 4,
		    "x.conf:4: second [One]; the first is on line 1");
	check_fault("[One]\nName = a\nNAME = b\n", 3, "x.conf:3: second Name in one [One]");
	check_fault("\n[One]\nListenPort = a\n", 2, "x.conf:2: [One] lacks Name (a short word)");
	check_fault("[One]\nName = a\n[Many]\n[Many]\n", 3, "x.conf:3: [Many] lacks Word (a word)");
	check_fault("", 0, "x.conf: lacks the section [One]");
	check_fault("[One]\nName=a\n[Many]\nWord=a\n[Many]\nWord=a\n[Many]\nWord=a\n", 7,
		    "x.conf:7: too many [Many] sections");
}

static void a_wrong_value_says_what_is_right(void **state)
{
	check_fault("[One]\nName = 0123456789abcdef\n", 2,
		    "x.conf:2: Name: '0123456789abcdef' is not a short word");
	check_fault("[One]\nName = 0123456789abcde\001\n", 2,
		    "x.conf:2: Name: '0123456789abcde\\x01' is not a short word");
	check_fault("[One]\nListenPort = a\nListenPort = a\n", 3,
		    "x.conf:3: ListenPort: 'a' repeats or overlaps an earlier value");
}

static void lines_that_are_no_lines_are_refused(void **state)
{
	struct conf_error error;
	struct sheet sheet = {0};
	char text[5000];

	check_fault("Name = a\n", 1, "x.conf:1: a key before the first [Section]");
	check_fault("[One]\nName\n", 2, "x.conf:2: expected 'Key = value'");
	check_fault("[One]\n = x\n", 2, "x.conf:2: expected 'Key = value'");
	memset(text, 'a', sizeof(text));
	assert_int_equal(ini_parse(text, sizeof(text), "x.conf", &schema, &sheet, &error), -EINVAL);
	assert_string_equal(error.text, "x.conf:1: a line of more than 2047 characters");
	assert_int_equal(ini_parse("[One]\nNa\0me", 11, "x.conf", &schema, &sheet, &error),
			 -EINVAL);
	assert_string_equal(error.text, "x.conf:2: a NUL byte; this is not a text file");
}

static void a_file_above_the_limit_is_refused(void **state)
{
	auto_free char *text = memory_new(CONF_TEXT_MAX + 1);
	struct conf_error error;
	struct sheet sheet = {0};

	memset(text, '\n', CONF_TEXT_MAX + 1);
	assert_int_equal(ini_parse(text, CONF_TEXT_MAX + 1, "x.conf", &schema, &sheet, &error),
			 -EINVAL);
	assert_string_equal(error.text, "x.conf: larger than 1048576 bytes");
}

static void no_message_shows_a_secret(void **state)
{
	static const char *const texts[] = {
		"[One]\nName=a\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n",
		"[One]\nName=a\nyAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n",
		"[One]\nName=a\nyAnz5TFalXXJte14tji3zlMNqahd2rYUIgJBgB3fBmk=\n",
		"[One]\nyAnz5TFalXXJte14tji3zlMNqahd2rYUIgJBgB3fBmk\n",
		"yAnz5TFalXXJte14tji3zlMNqahd2rYUIgJBgB3fBmk=\n",
		"[One]\nPrivateKey yAnz5TFalXXJte14tji3zlMNqahd2rYUIgJBgB3fBmk=\n",
	};

	for (size_t i = 0; i < array_size(texts); i++) {
		struct conf_error error;
		struct sheet sheet;

		assert_int_equal(parse(texts[i], &sheet, &error), -EINVAL);
		assert_null(strstr(error.text, "yAnz5TF"));
	}
}

static void a_long_file_name_does_not_crowd_out_the_message(void **state)
{
	struct conf_error error;
	struct sheet sheet = {0};
	char name[1000];

	memset(name, 'n', sizeof(name));
	name[999] = '\0';
	assert_int_equal(ini_parse("[On]", 4, name, &schema, &sheet, &error), -EINVAL);
	assert_non_null(strstr(error.text, ":1: unknown section [On]; did you mean [One]?"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_reach_their_place),
		cmocka_unit_test(comments_blanks_case_and_carriage_returns_do_not_matter),
		cmocka_unit_test(an_unknown_key_names_line_and_nearest_key),
		cmocka_unit_test(a_key_of_wg_quick_is_refused_with_the_reason),
		cmocka_unit_test(an_unknown_section_names_the_nearest),
		cmocka_unit_test(a_section_that_has_no_effect_here_is_refused_with_the_reason),
		cmocka_unit_test(what_must_occur_once_does),
		cmocka_unit_test(a_wrong_value_says_what_is_right),
		cmocka_unit_test(lines_that_are_no_lines_are_refused),
		cmocka_unit_test(a_file_above_the_limit_is_refused),
		cmocka_unit_test(no_message_shows_a_secret),
		cmocka_unit_test(a_long_file_name_does_not_crowd_out_the_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
