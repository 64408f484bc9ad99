#include "crypto/hash.h"

#include <openssl/core_names.h>
#include <string.h>

#include "crypto/library.h"
#include "crypto/secret.h"

/* RFC 7693: BLAKE2s works on blocks of 64 bytes; HMAC (RFC 2104) pads its key to one. */
#define BLAKE2S_BLOCK_SIZE 64

static EVP_MD_CTX *digest_new(void)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	must(context != NULL);
	return context;
}

static void digest(EVP_MD_CTX *context, uint8_t out[BLAKE2S_SIZE], const struct hash_part *parts,
		   size_t count)
{
	must(EVP_DigestInit_ex2(context, algorithms->blake2s, NULL));
	for (size_t i = 0; i < count; i++)
		must(EVP_DigestUpdate(context, parts[i].data, parts[i].size));
	must(EVP_DigestFinal_ex(context, out, NULL));
}

void blake2s(uint8_t out[BLAKE2S_SIZE], const struct hash_part *parts, size_t count)
{
	EVP_MD_CTX *context = digest_new();

	digest(context, out, parts, count);
	EVP_MD_CTX_free(context);
}

void blake2s_mac(void *out, size_t out_size, const void *key, size_t key_size,
		 const struct hash_part *parts, size_t count)
{
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(algorithms->blake2s_mac);
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &out_size),
		OSSL_PARAM_construct_end(),
	};
	size_t written = 0;

	must(context && key_size > 0 && EVP_MAC_init(context, key, key_size, parameters) == 1);
	for (size_t i = 0; i < count; i++)
		must(EVP_MAC_update(context, parts[i].data, parts[i].size));
	must(EVP_MAC_final(context, out, &written, out_size) == 1 && written == out_size);
	EVP_MAC_CTX_free(context);
}

/* HMAC over part_count parts; one context serves a chain of calls. */
static void hmac(EVP_MD_CTX *context, uint8_t out[BLAKE2S_SIZE], const void *key, size_t key_size,
		 const struct hash_part *parts, size_t part_count)
{
	uint8_t pad[BLAKE2S_BLOCK_SIZE] = {0}, inner[BLAKE2S_SIZE];

	if (key_size > sizeof(pad))
		digest(context, pad, &(struct hash_part){key, key_size}, 1);
	else if (key_size)
		memcpy(pad, key, key_size);

	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	must(EVP_DigestInit_ex2(context, algorithms->blake2s, NULL));
	must(EVP_DigestUpdate(context, pad, sizeof(pad)));
	for (size_t i = 0; i < part_count; i++)
		must(EVP_DigestUpdate(context, parts[i].data, parts[i].size));
	must(EVP_DigestFinal_ex(context, inner, NULL));

	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	digest(context, out, (struct hash_part[]){{pad, sizeof(pad)}, {inner, sizeof(inner)}}, 2);
	secret_wipe(pad, sizeof(pad));
	secret_wipe(inner, sizeof(inner));
}

void hmac_blake2s(uint8_t out[BLAKE2S_SIZE], const void *key, size_t key_size,
		  const struct hash_part *parts, size_t count)
{
	EVP_MD_CTX *context = digest_new();

	hmac(context, out, key, key_size, parts, count);
	EVP_MD_CTX_free(context);
}

/* RFC 5869, 2.3: T(n) = HMAC(PRK, T(n-1) || info || n). */
struct expansion {
	EVP_MD_CTX *context;
	uint8_t pseudorandom_key[BLAKE2S_SIZE];
	uint8_t block[BLAKE2S_SIZE];
	uint8_t number;
};

static void extract(struct expansion *expansion, const void *salt, size_t salt_size,
		    const void *input, size_t input_size)
{
	expansion->context = digest_new();
	expansion->number = 0;
	hmac(expansion->context, expansion->pseudorandom_key, salt, salt_size,
	     &(struct hash_part){input, input_size}, 1);
}

static const uint8_t *expand_next(struct expansion *expansion, const void *info, size_t info_size)
{
	size_t previous_size = expansion->number ? BLAKE2S_SIZE : 0;

	expansion->number++;
	hmac(expansion->context, expansion->block, expansion->pseudorandom_key, BLAKE2S_SIZE,
	     (struct hash_part[]){
		     {expansion->block, previous_size}, {info, info_size}, {&expansion->number, 1}},
	     3);
	return expansion->block;
}

static void expansion_done(struct expansion *expansion)
{
	EVP_MD_CTX_free(expansion->context);
	secret_wipe(expansion, sizeof(*expansion));
}

void noise_kdf(const uint8_t chaining[BLAKE2S_SIZE], const void *input, size_t input_size,
	       uint8_t *ret_first, uint8_t *ret_second, uint8_t *ret_third)
{
	uint8_t *outputs[] = {ret_first, ret_second, ret_third};
	struct expansion expansion;

	extract(&expansion, chaining, BLAKE2S_SIZE, input, input_size);
	for (size_t i = 0; i < 3 && outputs[i]; i++)
		memcpy(outputs[i], expand_next(&expansion, NULL, 0), BLAKE2S_SIZE);
	expansion_done(&expansion);
}

void hkdf_blake2s(void *out, size_t out_size, const void *salt, size_t salt_size, const void *ikm,
		  size_t ikm_size, const void *info, size_t info_size)
{
	struct expansion expansion;
	uint8_t *bytes = out;

	must(out_size <= 255 * BLAKE2S_SIZE);
	extract(&expansion, salt, salt_size, ikm, ikm_size);
	for (size_t part; out_size; bytes += part, out_size -= part) {
		part = out_size < BLAKE2S_SIZE ? out_size : BLAKE2S_SIZE;
		memcpy(bytes, expand_next(&expansion, info, info_size), part);
	}
	expansion_done(&expansion);
}
