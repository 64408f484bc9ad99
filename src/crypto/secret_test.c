#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "crypto/secret.h"

#include <cmocka.h>

static void wiping_leaves_zeros_and_spares_the_neighbours(void **state)
{
	uint8_t data[34];
	static const uint8_t zeros[32];

	memset(data, 0xaa, sizeof(data));
	secret_wipe(data + 1, 32);
	assert_memory_equal(data + 1, zeros, 32);
	assert_int_equal(data[0], 0xaa);
	assert_int_equal(data[33], 0xaa);
}

static void one_different_bit_is_not_equal(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0};

	assert_true(secret_is_equal(a, b, sizeof(a)));
	for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(secret_is_equal(a, b, sizeof(a)));
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(secret_is_equal(a, b, 0));
}

/* Does the mapping of this address carry the flag in /proc/self/smaps? */
static bool has_flag(const void *address, const char *flag)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	bool is_ours = false, is_found = false;
	char line[512];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_ours = (uintptr_t)address >= start && (uintptr_t)address < end;
		else if (is_ours && !strncmp(line, "VmFlags:", 8))
			is_found = strstr(line, flag) != NULL;
	}
	fclose(file);
	return is_found;
}

static void secret_memory_is_zeroed_and_never_dumped(void **state)
{
	const size_t size = 10000;
	uint8_t *secret = secret_new(size);

	for (size_t i = 0; i < size; i++)
		assert_int_equal(secret[i], 0);
	memset(secret, 0xff, size);
	assert_true(has_flag(secret, " dd"));
	assert_true(has_flag(secret + size - 1, " dd"));
	assert_false(has_flag(&size, " dd"));
	secret_free(secret, size);
	secret_free(NULL, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wiping_leaves_zeros_and_spares_the_neighbours),
		cmocka_unit_test(one_different_bit_is_not_equal),
		cmocka_unit_test(secret_memory_is_zeroed_and_never_dumped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
