#include <errno.h>
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/crypto.h"
#include "crypto/x25519.h"
#include "hex.h"
#include "vectors.h"

#include <cmocka.h>

static struct key key_of(const char *text)
{
	struct key key;

	hex_bytes(text, &key, sizeof(key));
	return key;
}

/* RFC 7748, 5.2. */
static void the_two_examples_of_rfc_7748_hold(void **state)
{
	static const struct {
		const char *scalar, *point, *result;
	} examples[] = {
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		 "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		 "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
		 "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
		 "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
	};

	for (size_t i = 0; i < array_size(examples); i++) {
		struct key scalar = key_of(examples[i].scalar), point = key_of(examples[i].point);
		struct key expected = key_of(examples[i].result), result;

		assert_int_equal(x25519_shared(&scalar, &point, &result), 0);
		assert_true(key_is_equal(&result, &expected));
	}
}

/* RFC 7748, 5.2. */
static void a_thousand_rounds_end_where_rfc_7748_says(void **state)
{
	struct key scalar = {{9}}, point = {{9}}, result;
	struct key first =
		key_of("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
	struct key last =
		key_of("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");

	for (int i = 0; i < 1000; i++) {
		assert_int_equal(x25519_shared(&scalar, &point, &result), 0);
		point = scalar;
		scalar = result;
		if (i == 0)
			assert_true(key_is_equal(&result, &first));
	}
	assert_true(key_is_equal(&result, &last));
}

/* RFC 7748, 6.1. */
static void alice_and_bob_of_rfc_7748_agree(void **state)
{
	struct key alice =
		key_of("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	struct key bob = key_of("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	struct key alice_public =
		key_of("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	struct key bob_public =
		key_of("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	struct key agreed =
		key_of("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
	struct key result;

	x25519_public(&alice, &result);
	assert_true(key_is_equal(&result, &alice_public));
	x25519_public(&bob, &result);
	assert_true(key_is_equal(&result, &bob_public));
	assert_int_equal(x25519_shared(&alice, &bob_public, &result), 0);
	assert_true(key_is_equal(&result, &agreed));
	assert_int_equal(x25519_shared(&bob, &alice_public, &result), 0);
	assert_true(key_is_equal(&result, &agreed));
}

static void a_second_implementation_agrees(void **state)
{
	for (size_t i = 0; i < array_size(x25519_vectors); i++) {
		struct key private_key, peer, result;

		memcpy(&private_key, x25519_vectors[i].private_key, KEY_SIZE);
		memcpy(&peer, x25519_vectors[i].peer, KEY_SIZE);
		x25519_public(&private_key, &result);
		assert_memory_equal(&result, x25519_vectors[i].public_key, KEY_SIZE);
		assert_int_equal(x25519_shared(&private_key, &peer, &result), 0);
		assert_memory_equal(&result, x25519_vectors[i].shared, KEY_SIZE);
	}
}

/* The five points of low order, the encodings of two of them above the prime, and those with bit
 * 255 set (which the function ignores). */
static const char *const low_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"0100000000000000000000000000000000000000000000000000000000000080",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

static void every_point_of_low_order_is_refused(void **state)
{
	struct key private_key =
		key_of("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");

	for (size_t i = 0; i < array_size(low_order); i++) {
		struct key point = key_of(low_order[i]), result;

		memset(&result, 0xaa, sizeof(result));
		assert_int_equal(x25519_shared(&private_key, &point, &result), -EBADMSG);
		assert_true(key_is_zero(&result));
	}
	/* A queue of old errors would confuse the next user of the thread. */
	assert_int_equal(ERR_peek_error(), 0);
}

static void second_encodings_of_a_point_are_not_canonical(void **state)
{
	struct key base = {{9}}, again = {{9}};

	again.bytes[31] = 0x80;
	assert_true(key_is_canonical_point(&base));
	assert_false(key_is_canonical_point(&again));
	for (size_t i = 0; i < array_size(low_order); i++) {
		struct key point = key_of(low_order[i]);

		assert_int_equal(key_is_canonical_point(&point), i < 5);
	}
}

static void clamping_changes_no_result_and_is_idempotent(void **state)
{
	struct key private_key = {{0xff, 0x01, [31] = 0xff}}, clamped = private_key, once;
	struct key public_before, public_after;

	x25519_clamp(&clamped);
	assert_int_equal(clamped.bytes[0], 0xf8);
	assert_int_equal(clamped.bytes[1], 0x01);
	assert_int_equal(clamped.bytes[31], 0x7f);
	once = clamped;
	x25519_clamp(&clamped);
	assert_true(key_is_equal(&once, &clamped));
	x25519_public(&private_key, &public_before);
	x25519_public(&clamped, &public_after);
	assert_true(key_is_equal(&public_before, &public_after));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_two_examples_of_rfc_7748_hold),
		cmocka_unit_test(a_thousand_rounds_end_where_rfc_7748_says),
		cmocka_unit_test(alice_and_bob_of_rfc_7748_agree),
		cmocka_unit_test(a_second_implementation_agrees),
		cmocka_unit_test(every_point_of_low_order_is_refused),
		cmocka_unit_test(second_encodings_of_a_point_are_not_canonical),
		cmocka_unit_test(clamping_changes_no_result_and_is_idempotent),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
