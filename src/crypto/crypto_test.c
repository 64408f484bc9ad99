#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/crypto.h"
#include "crypto/library.h"

#include <cmocka.h>

static void starting_again_keeps_what_was_fetched(void **state)
{
	EVP_CIPHER *before;

	assert_null(algorithms->chacha20);
	crypto_init();
	before = algorithms->chacha20;
	assert_non_null(before);
	crypto_init();
	assert_ptr_equal(algorithms->chacha20, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starting_again_keeps_what_was_fetched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
