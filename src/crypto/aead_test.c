#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "hex.h"
#include "seeded.h"
#include "vectors.h"

#include <cmocka.h>

#define SIZE_MAX_HERE 1500

/* How often OpenSSL took memory. */
static unsigned long allocations;

static void *count_malloc(size_t size, const char *file, int line)
{
	allocations++;
	return malloc(size);
}

static void *count_realloc(void *pointer, size_t size, const char *file, int line)
{
	allocations++;
	return realloc(pointer, size);
}

static void count_free(void *pointer, const char *file, int line)
{
	free(pointer);
}

static int open_aead(void **state)
{
	*state = aead_new();
	return 0;
}

static int close_aead(void **state)
{
	aead_free(*state);
	return 0;
}

static struct key key_of(const uint8_t bytes[KEY_SIZE])
{
	struct key key;

	memcpy(&key, bytes, KEY_SIZE);
	return key;
}

static const char draft_text[] =
	"Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "
	"replaced, or obsoleted by other documents at any time. It is inappropriate to use "
	"Internet-Drafts as reference material or to cite them other than as "
	"/\xe2\x80\x9cwork in progress./\xe2\x80\x9d";

/* RFC 8439, A.5; its nonce has WireGuard's shape. */
static void the_example_of_rfc_8439_seals_and_opens(void **state)
{
	uint8_t key_bytes[KEY_SIZE], header[12], first[16], tag[AEAD_TAG_SIZE];
	uint8_t sealed[sizeof(draft_text) - 1 + AEAD_TAG_SIZE];
	const size_t size = sizeof(draft_text) - 1;
	struct key key;

	hex_bytes("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0", key_bytes,
		  sizeof(key_bytes));
	hex_bytes("f33388860000000000004e91", header, sizeof(header));
	hex_bytes("64a0861575861af460f062c79be643bd", first, sizeof(first));
	hex_bytes("eead9d67890cbb22392336fea1851f38", tag, sizeof(tag));
	key = key_of(key_bytes);
	aead_seal(*state, &key, 0x0807060504030201, header, sizeof(header), draft_text, size,
		  sealed);
	assert_memory_equal(sealed, first, sizeof(first));
	assert_memory_equal(sealed + size, tag, sizeof(tag));
	assert_true(aead_open(*state, &key, 0x0807060504030201, header, sizeof(header), sealed,
			      sizeof(sealed), sealed));
	assert_memory_equal(sealed, draft_text, size);
}

/* draft-irtf-cfrg-xchacha-03, A.3.1. */
static void the_example_of_the_xchacha_draft_seals_and_opens(void **state)
{
	static const char plain[] =
		"Ladies and Gentlemen of the class of '99: If I could offer you "
		"only one tip for the future, sunscreen would be it.";
	static const char expected[] =
		"bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440b"
		"f3a82f4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3f"
		"ac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e"
		"c0875924c1c7987947deafd8780acf49";
	uint8_t header[12], nonce[XAEAD_NONCE_SIZE], answer[sizeof(plain) - 1 + AEAD_TAG_SIZE];
	uint8_t sealed[sizeof(answer)], opened[sizeof(plain) - 1];
	struct key key;

	hex_bytes("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", &key,
		  sizeof(key));
	hex_bytes("404142434445464748494a4b4c4d4e4f5051525354555657", nonce, sizeof(nonce));
	hex_bytes("50515253c0c1c2c3c4c5c6c7", header, sizeof(header));
	hex_bytes(expected, answer, sizeof(answer));
	xaead_seal(*state, &key, nonce, header, sizeof(header), plain, sizeof(plain) - 1, sealed);
	assert_memory_equal(sealed, answer, sizeof(answer));
	assert_true(xaead_open(*state, &key, nonce, header, sizeof(header), sealed, sizeof(sealed),
			       opened));
	assert_memory_equal(opened, plain, sizeof(opened));
}

static void a_second_implementation_agrees(void **state)
{
	uint8_t out[SIZE_MAX_HERE];

	for (size_t i = 0; i < array_size(aead_vectors); i++) {
		const struct aead_vector *vector = &aead_vectors[i];
		struct key key = key_of(vector->key);

		aead_seal(*state, &key, vector->counter, vector->header.data, vector->header.size,
			  vector->plain.data, vector->plain.size, out);
		assert_memory_equal(out, vector->sealed.data, vector->sealed.size);
		assert_true(aead_open(*state, &key, vector->counter, vector->header.data,
				      vector->header.size, vector->sealed.data, vector->sealed.size,
				      out));
		assert_memory_equal(out, vector->plain.data, vector->plain.size);
	}
}

static void a_second_implementation_agrees_on_xchacha(void **state)
{
	uint8_t out[SIZE_MAX_HERE];

	for (size_t i = 0; i < array_size(xaead_vectors); i++) {
		const struct xaead_vector *vector = &xaead_vectors[i];
		struct key key;

		memcpy(&key, vector->key, KEY_SIZE);
		xaead_seal(*state, &key, vector->nonce, vector->header.data, vector->header.size,
			   vector->plain.data, vector->plain.size, out);
		assert_memory_equal(out, vector->sealed.data, vector->sealed.size);
		assert_true(xaead_open(*state, &key, vector->nonce, vector->header.data,
				       vector->header.size, vector->sealed.data,
				       vector->sealed.size, out));
		assert_memory_equal(out, vector->plain.data, vector->plain.size);
	}
}

struct message {
	struct key key;
	uint64_t counter;
	uint8_t header[16], sealed[40 + AEAD_TAG_SIZE];
};

static bool opens(struct aead *aead, const struct message *message, uint8_t out[40])
{
	memset(out, 0xaa, 40);
	return aead_open(aead, &message->key, message->counter, message->header,
			 sizeof(message->header), message->sealed, sizeof(message->sealed), out);
}

static void one_changed_bit_anywhere_is_refused_and_the_output_wiped(void **state)
{
	static const uint8_t zeros[40];
	struct message genuine = {.counter = 77}, forged;
	uint8_t out[40];

	genuine.key = key_of(zeros);
	aead_seal(*state, &genuine.key, genuine.counter, genuine.header, sizeof(genuine.header),
		  zeros, sizeof(zeros), genuine.sealed);
	for (size_t bit = 0; bit < 8 * sizeof(genuine.sealed); bit++) {
		forged = genuine;
		forged.sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(opens(*state, &forged, out));
		assert_memory_equal(out, zeros, sizeof(out));
	}
	for (size_t bit = 0; bit < 8 * sizeof(genuine.header); bit++) {
		forged = genuine;
		forged.header[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(opens(*state, &forged, out));
	}
	for (size_t bit = 0; bit < 64; bit++) {
		forged = genuine;
		forged.counter ^= 1ULL << bit;
		assert_false(opens(*state, &forged, out));
	}
	assert_true(opens(*state, &genuine, out));
}

static void a_message_shorter_than_a_tag_is_refused(void **state)
{
	static const uint8_t zeros[KEY_SIZE];
	struct key key = key_of(zeros);
	uint8_t out[1] = {0};

	for (size_t size = 0; size < AEAD_TAG_SIZE; size++) {
		assert_false(aead_open(*state, &key, 0, NULL, 0, zeros, size, out));
		assert_false(xaead_open(*state, &key, zeros, NULL, 0, zeros, size, out));
	}
}

static void a_forged_xchacha_message_is_refused(void **state)
{
	static const uint8_t zeros[KEY_SIZE];
	uint8_t nonce[XAEAD_NONCE_SIZE] = {0}, sealed[32 + AEAD_TAG_SIZE], out[32];
	struct key key = {{1}};

	xaead_seal(*state, &key, nonce, "h", 1, zeros, 32, sealed);
	for (size_t bit = 0; bit < 8 * XAEAD_NONCE_SIZE; bit++) {
		nonce[bit / 8] ^= (uint8_t)(1 << bit % 8);
		memset(out, 0xaa, sizeof(out));
		assert_false(xaead_open(*state, &key, nonce, "h", 1, sealed, sizeof(sealed), out));
		assert_memory_equal(out, zeros, sizeof(out));
		nonce[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_false(xaead_open(*state, &key, nonce, "i", 1, sealed, sizeof(sealed), out));
	assert_false(xaead_open(*state, &key, nonce, "h", 1, sealed, sizeof(sealed) - 1, out));
	assert_true(xaead_open(*state, &key, nonce, "h", 1, sealed, sizeof(sealed), out));
}

/* What a context went through before must never show. */
static void any_order_of_keys_and_directions_gives_what_a_fresh_context_gives(void **state)
{
	uint8_t plain[300], header[20], sealed[sizeof(plain) + AEAD_TAG_SIZE];
	uint8_t expected[sizeof(sealed)], opened[sizeof(plain)];
	struct key keys[3];
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (size_t i = 0; i < array_size(keys); i++)
		keys[i] = (struct key){{(uint8_t)i}};
	for (int round = 0; round < 3000; round++) {
		size_t size = seeded_below(&seeded, sizeof(plain) + 1);
		size_t header_size = seeded_below(&seeded, sizeof(header) + 1);
		struct key *key = &keys[seeded_below(&seeded, array_size(keys))];
		uint64_t counter = seeded_u64(&seeded);
		struct aead *fresh = aead_new();

		seeded_fill(&seeded, plain, size);
		seeded_fill(&seeded, header, header_size);
		if (seeded_below(&seeded, 10) == 0)
			seeded_fill(&seeded, key, sizeof(*key));
		if (seeded_below(&seeded, 10) == 0)
			aead_forget(*state);
		aead_seal(fresh, key, counter, header, header_size, plain, size, expected);
		aead_seal(*state, key, counter, header, header_size, plain, size, sealed);
		assert_memory_equal(sealed, expected, size + AEAD_TAG_SIZE);
		if (seeded_below(&seeded, 4) == 0)
			expected[seeded_below(&seeded, (uint32_t)size + AEAD_TAG_SIZE)] ^= 0x40;
		assert_int_equal(aead_open(*state, key, counter, header, header_size, expected,
					   size + AEAD_TAG_SIZE, opened),
				 !memcmp(sealed, expected, size + AEAD_TAG_SIZE));
		if (seeded_below(&seeded, 4) == 0)
			xaead_seal(*state, key, plain, header, header_size, plain, size, sealed);
		aead_free(fresh);
	}
}

static void sealing_and_opening_in_place_is_the_same(void **state)
{
	uint8_t data[SIZE_MAX_HERE + AEAD_TAG_SIZE], plain[SIZE_MAX_HERE], apart[sizeof(data)];
	struct key key = key_of((const uint8_t[KEY_SIZE]){3});

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 7);
	memcpy(data, plain, sizeof(plain));
	aead_seal(*state, &key, 1, "header", 6, plain, sizeof(plain), apart);
	aead_seal(*state, &key, 1, "header", 6, data, sizeof(plain), data);
	assert_memory_equal(data, apart, sizeof(data));
	assert_true(aead_open(*state, &key, 1, "header", 6, data, sizeof(data), data));
	assert_memory_equal(data, plain, sizeof(plain));
}

/* OpenSSL's own AEAD is the model, at every size around the seams of blocks and stretches. */
static void every_size_is_sealed_as_openssl_seals_it(void **state)
{
	enum { LARGEST = 3 * 24 * 64 + 65 };
	uint8_t plain[LARGEST], sealed[LARGEST + AEAD_TAG_SIZE], expected[LARGEST + AEAD_TAG_SIZE];
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t nonce[12] = {0};
	struct seeded seeded;
	struct key key;
	int written;

	seeded_start(&seeded, __func__);
	seeded_fill(&seeded, &key, sizeof(key));
	seeded_fill(&seeded, plain, sizeof(plain));
	for (int size = 0; size <= LARGEST; size++) {
		nonce[4] = (uint8_t)size;
		nonce[5] = (uint8_t)(size >> 8);
		EVP_CipherInit_ex2(context, cipher, key.bytes, nonce, 1, NULL);
		EVP_CipherUpdate(context, NULL, &written, plain, size % 40);
		EVP_CipherUpdate(context, expected, &written, plain, size);
		EVP_CipherFinal_ex(context, expected + size, &written);
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, expected + size);
		aead_seal(*state, &key, (uint64_t)size, plain, (size_t)size % 40, plain,
			  (size_t)size, sealed);
		assert_memory_equal(sealed, expected, (size_t)size + AEAD_TAG_SIZE);
		assert_true(aead_open(*state, &key, (uint64_t)size, plain, (size_t)size % 40,
				      sealed, (size_t)size + AEAD_TAG_SIZE, sealed));
		assert_memory_equal(sealed, plain, (size_t)size);
	}
	EVP_CIPHER_CTX_free(context);
	EVP_CIPHER_free(cipher);
}

static void neither_a_packet_nor_a_forgery_takes_memory(void **state)
{
	struct key keys[2] = {key_of((const uint8_t[KEY_SIZE]){1}),
			      key_of((const uint8_t[KEY_SIZE]){2})};
	uint8_t data[SIZE_MAX_HERE + AEAD_TAG_SIZE] = {0};
	unsigned long before = allocations;

	assert_int_not_equal(before, 0);
	for (uint64_t i = 0; i < 100; i++) {
		bool is_forged = i % 3 == 0;

		aead_seal(*state, &keys[i % 2], i, "h", 1, data, SIZE_MAX_HERE, data);
		data[i] ^= is_forged;
		assert_int_equal(
			aead_open(*state, &keys[i % 2], i, "h", 1, data, sizeof(data), data),
			!is_forged);
	}
	assert_int_equal(allocations, before);
	assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_8439_seals_and_opens),
		cmocka_unit_test(the_example_of_the_xchacha_draft_seals_and_opens),
		cmocka_unit_test(a_second_implementation_agrees),
		cmocka_unit_test(a_second_implementation_agrees_on_xchacha),
		cmocka_unit_test(one_changed_bit_anywhere_is_refused_and_the_output_wiped),
		cmocka_unit_test(a_message_shorter_than_a_tag_is_refused),
		cmocka_unit_test(a_forged_xchacha_message_is_refused),
		cmocka_unit_test(any_order_of_keys_and_directions_gives_what_a_fresh_context_gives),
		cmocka_unit_test(sealing_and_opening_in_place_is_the_same),
		cmocka_unit_test(every_size_is_sealed_as_openssl_seals_it),
		cmocka_unit_test(neither_a_packet_nor_a_forgery_takes_memory),
	};

	/* Refused once OpenSSL has taken memory. */
	if (!CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free))
		return 1;
	crypto_init();
	return cmocka_run_group_tests(tests, open_aead, close_aead);
}
