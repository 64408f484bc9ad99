#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "base/memory.h"
#include "device/builtin/mail.h"
#include "seeded.h"

#include <cmocka.h>

#define CAPACITY 4096

static bool put(struct mail *mail, uint32_t size, uint8_t value)
{
	uint8_t bytes[CAPACITY];
	const struct letter letter = {
		.size = size, .kind = LETTER_DATAGRAM, .from = {.port = value}};

	memset(bytes, value, sizeof(bytes));
	return mail_put(mail, &letter, bytes);
}

static void letters_come_out_whole_and_in_order(void **state)
{
	struct seeded seeded;
	struct mail mail;
	uint8_t written = 0, read = 0;

	seeded_start(&seeded, __func__);
	mail_init(&mail, CAPACITY);
	for (int i = 0; i < 1000; i++) {
		struct mailbox *box;
		struct letter *letter;
		uint8_t *bytes;
		size_t offset = 0;

		while (random_below(&seeded.source, 8) &&
		       put(&mail, random_below(&seeded.source, 700), written))
			written++;
		box = mail_take(&mail);
		if (!box)
			continue;
		assert_true(mail_is_empty(&mail));
		while ((letter = mail_next(box, &offset, &bytes))) {
			assert_int_equal(letter->from.port, read);
			for (uint32_t j = 0; j < letter->size; j++)
				assert_int_equal(bytes[j], read);
			read++;
		}
		mail_finish(&mail);
		assert_int_equal(read, written);
	}
	mail_done(&mail);
}

static void a_full_box_refuses_until_it_is_taken(void **state)
{
	struct mail mail;

	mail_init(&mail, CAPACITY);
	assert_false(put(&mail, CAPACITY - sizeof(struct letter) + 1, 1));
	assert_true(mail_is_empty(&mail));
	assert_null(mail_take(&mail));
	assert_true(put(&mail, CAPACITY - sizeof(struct letter), 1));
	assert_false(put(&mail, 0, 2));
	assert_non_null(mail_take(&mail));
	assert_true(put(&mail, 0, 3));
	mail_done(&mail);
}

static void the_number_of_a_box_is_done_when_its_receiver_has_finished(void **state)
{
	struct mail mail;
	uint64_t number;

	mail_init(&mail, CAPACITY);
	number = mail.number;
	put(&mail, 1, 1);
	mail_take(&mail);
	assert_true(mail.done < number && mail.number > number);
	mail_finish(&mail);
	assert_int_equal(mail.done, number);
	mail_done(&mail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_come_out_whole_and_in_order),
		cmocka_unit_test(a_full_box_refuses_until_it_is_taken),
		cmocka_unit_test(the_number_of_a_box_is_done_when_its_receiver_has_finished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
