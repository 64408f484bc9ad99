#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/block.h"
#include "crypto/crypto.h"
#include "hex.h"
#include "seeded.h"
#include "vectors.h"

#include <cmocka.h>

/* FIPS 197, C.3. */
static void the_example_of_fips_197_holds_both_ways(void **state)
{
	struct block_cipher *cipher;
	uint8_t plain[BLOCK_SIZE], sealed[BLOCK_SIZE], out[BLOCK_SIZE];
	struct key key;

	hex_bytes("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", &key,
		  sizeof(key));
	hex_bytes("00112233445566778899aabbccddeeff", plain, sizeof(plain));
	hex_bytes("8ea2b7ca516745bfeafc49904b496089", sealed, sizeof(sealed));
	cipher = block_cipher_new(&key);
	block_encrypt(cipher, plain, out);
	assert_memory_equal(out, sealed, sizeof(out));
	block_decrypt(cipher, sealed, out);
	assert_memory_equal(out, plain, sizeof(out));
	block_cipher_free(cipher);
}

static void a_second_implementation_agrees(void **state)
{
	for (size_t i = 0; i < array_size(block_vectors); i++) {
		struct block_cipher *cipher;
		uint8_t out[BLOCK_SIZE];
		struct key key;

		memcpy(&key, block_vectors[i].key, KEY_SIZE);
		cipher = block_cipher_new(&key);
		block_encrypt(cipher, block_vectors[i].plain, out);
		assert_memory_equal(out, block_vectors[i].sealed, sizeof(out));
		block_cipher_free(cipher);
	}
}

/* Blocks must not chain: order and direction leave no trace. */
static void any_order_of_blocks_comes_back_in_place(void **state)
{
	struct block_cipher *cipher;
	struct seeded seeded;
	struct key key;

	seeded_start(&seeded, __func__);
	seeded_fill(&seeded, &key, sizeof(key));
	cipher = block_cipher_new(&key);
	for (int round = 0; round < 2000; round++) {
		uint8_t block[BLOCK_SIZE], again[BLOCK_SIZE], copy[BLOCK_SIZE];

		seeded_fill(&seeded, block, sizeof(block));
		memcpy(copy, block, sizeof(copy));
		block_encrypt(cipher, block, block);
		assert_memory_not_equal(block, copy, sizeof(block));
		if (seeded_below(&seeded, 2)) {
			block_encrypt(cipher, copy, again);
			assert_memory_equal(again, block, sizeof(again));
		}
		block_decrypt(cipher, block, block);
		assert_memory_equal(block, copy, sizeof(block));
	}
	block_cipher_free(cipher);
	block_cipher_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_fips_197_holds_both_ways),
		cmocka_unit_test(a_second_implementation_agrees),
		cmocka_unit_test(any_order_of_blocks_comes_back_in_place),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
