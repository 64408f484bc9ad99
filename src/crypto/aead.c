#include "crypto/aead.h"

#include <endian.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/library.h"
#include "crypto/secret.h"

#define NONCE_SIZE 12

/* One direction under one remembered key. */
struct keyed_context {
	EVP_CIPHER_CTX *cipher;
	uint64_t key_id; /* 0: none yet */
};

struct aead {
	struct keyed_context seal, open;
	/* For xaead: its key changes every call and must not displace the ones above. */
	EVP_CIPHER_CTX *once;
	EVP_CIPHER_CTX *stream; /* bare ChaCha20 */
};

static EVP_CIPHER_CTX *context_new(const EVP_CIPHER *cipher, int is_sealing)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	must(context && EVP_CipherInit_ex2(context, cipher, NULL, NULL, is_sealing, NULL) == 1);
	return context;
}

struct aead *aead_new(void)
{
	struct aead *aead = new (struct aead);

	aead->seal.cipher = context_new(algorithms->chacha20_poly1305, 1);
	aead->open.cipher = context_new(algorithms->chacha20_poly1305, 0);
	aead->once = context_new(algorithms->chacha20_poly1305, 1);
	aead->stream = context_new(algorithms->chacha20, 1);
	return aead;
}

void aead_free(struct aead *aead)
{
	if (!aead)
		return;
	EVP_CIPHER_CTX_free(aead->seal.cipher);
	EVP_CIPHER_CTX_free(aead->open.cipher);
	EVP_CIPHER_CTX_free(aead->once);
	EVP_CIPHER_CTX_free(aead->stream);
	free(aead);
}

void aead_key_set(struct aead_key *aead_key, const struct key *key)
{
	static _Atomic uint64_t last_id;

	aead_key->key = *key;
	aead_key->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
}

void aead_key_wipe(struct aead_key *aead_key)
{
	secret_wipe(aead_key, sizeof(*aead_key));
}

/* NULL when the context already holds this key. */
static const uint8_t *key_to_load(struct keyed_context *context, const struct aead_key *key)
{
	must(key->id != 0);
	if (context->key_id == key->id)
		return NULL;
	context->key_id = key->id;
	return key->key.bytes;
}

static void update(EVP_CIPHER_CTX *context, void *out, const void *in, size_t size)
{
	int written;

	must(size <= INT_MAX);
	if (size)
		must(EVP_CipherUpdate(context, out, &written, in, (int)size));
}

static void seal(EVP_CIPHER_CTX *context, const uint8_t *key, const uint8_t nonce[NONCE_SIZE],
		 const void *header, size_t header_size, const void *plain, size_t size, void *out)
{
	uint8_t *tag = (uint8_t *)out + size;
	int written;

	must(EVP_CipherInit_ex2(context, NULL, key, nonce, 1, NULL));
	update(context, NULL, header, header_size);
	update(context, out, plain, size);
	must(EVP_CipherFinal_ex(context, tag, &written));
	must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, tag));
}

static bool open_sealed(EVP_CIPHER_CTX *context, const uint8_t *key,
			const uint8_t nonce[NONCE_SIZE], const void *header, size_t header_size,
			const void *sealed, size_t size, void *out)
{
	uint8_t tag[AEAD_TAG_SIZE];
	int written;

	memcpy(tag, (const uint8_t *)sealed + size - AEAD_TAG_SIZE, AEAD_TAG_SIZE);
	size -= AEAD_TAG_SIZE;
	must(EVP_CipherInit_ex2(context, NULL, key, nonce, 0, NULL));
	must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, tag));
	update(context, NULL, header, header_size);
	update(context, out, sealed, size);
	if (EVP_CipherFinal_ex(context, (uint8_t *)out + size, &written) == 1)
		return true;
	secret_wipe(out, size);
	return false;
}

static void nonce_of_counter(uint64_t counter, uint8_t nonce[NONCE_SIZE])
{
	memset(nonce, 0, 4);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(counter >> 8 * i);
}

void aead_seal(struct aead *aead, const struct aead_key *key, uint64_t counter, const void *header,
	       size_t header_size, const void *plain, size_t size, void *out)
{
	uint8_t nonce[NONCE_SIZE];

	nonce_of_counter(counter, nonce);
	seal(aead->seal.cipher, key_to_load(&aead->seal, key), nonce, header, header_size, plain,
	     size, out);
}

bool aead_open(struct aead *aead, const struct aead_key *key, uint64_t counter, const void *header,
	       size_t header_size, const void *sealed, size_t size, void *out)
{
	uint8_t nonce[NONCE_SIZE];

	if (size < AEAD_TAG_SIZE)
		return false;
	nonce_of_counter(counter, nonce);
	return open_sealed(aead->open.cipher, key_to_load(&aead->open, key), nonce, header,
			   header_size, sealed, size, out);
}

/* draft-irtf-cfrg-xchacha-03, 2.2: HChaCha20 is the ChaCha20 state after 20 rounds without the
 * final addition of the initial state. A key-stream block is the state with it, so it is subtracted
 * again from the rows that are the result: the constants and the nonce. */
static void hchacha20(EVP_CIPHER_CTX *context, const struct key *key, const uint8_t nonce[16],
		      struct key *ret_subkey)
{
	static const uint8_t constants[] = "expand 32-byte k", zeros[64];
	uint8_t block[64];

	must(EVP_CipherInit_ex2(context, NULL, key->bytes, nonce, 1, NULL));
	update(context, block, zeros, sizeof(block));
	for (size_t i = 0; i < 4; i++) {
		uint32_t word, initial;

		memcpy(&word, block + 4 * i, 4);
		memcpy(&initial, constants + 4 * i, 4);
		word = htole32(le32toh(word) - le32toh(initial));
		memcpy(ret_subkey->bytes + 4 * i, &word, 4);
		memcpy(&word, block + 48 + 4 * i, 4);
		memcpy(&initial, nonce + 4 * i, 4);
		word = htole32(le32toh(word) - le32toh(initial));
		memcpy(ret_subkey->bytes + 16 + 4 * i, &word, 4);
	}
	secret_wipe(block, sizeof(block));
}

static void xaead_prepare(struct aead *aead, const struct key *key,
			  const uint8_t xnonce[XAEAD_NONCE_SIZE], struct key *ret_subkey,
			  uint8_t nonce[NONCE_SIZE])
{
	hchacha20(aead->stream, key, xnonce, ret_subkey);
	memset(nonce, 0, 4);
	memcpy(nonce + 4, xnonce + 16, 8);
}

void xaead_seal(struct aead *aead, const struct key *key, const uint8_t nonce[XAEAD_NONCE_SIZE],
		const void *header, size_t header_size, const void *plain, size_t size, void *out)
{
	uint8_t short_nonce[NONCE_SIZE];
	struct key subkey;

	xaead_prepare(aead, key, nonce, &subkey, short_nonce);
	seal(aead->once, subkey.bytes, short_nonce, header, header_size, plain, size, out);
	secret_wipe(&subkey, sizeof(subkey));
}

bool xaead_open(struct aead *aead, const struct key *key, const uint8_t nonce[XAEAD_NONCE_SIZE],
		const void *header, size_t header_size, const void *sealed, size_t size, void *out)
{
	uint8_t short_nonce[NONCE_SIZE];
	struct key subkey;
	bool is_genuine;

	if (size < AEAD_TAG_SIZE)
		return false;
	xaead_prepare(aead, key, nonce, &subkey, short_nonce);
	is_genuine = open_sealed(aead->once, subkey.bytes, short_nonce, header, header_size, sealed,
				 size, out);
	secret_wipe(&subkey, sizeof(subkey));
	return is_genuine;
}
