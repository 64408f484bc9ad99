/* Composed of ChaCha20 and Poly1305 as RFC 8439, 2.8 says, instead of taken whole from OpenSSL: its
 * AEAD asks the cipher for block 0, for the whole blocks and for the rest one after the other, and
 * takes the tag as a named parameter. One key stream from block 0 on, in whole blocks, takes half
 * the time for a packet of 1420 bytes. */
#include "crypto/aead.h"

#include <endian.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/library.h"
#include "crypto/secret.h"

#define NONCE_SIZE 12
#define BLOCK_SIZE ((size_t)64)
/* Block 0 and a packet of a usual MTU together, in 16 and 8 blocks, as OpenSSL's vector code likes
 * them. What is larger goes in several stretches. */
#define STRETCH    (24 * BLOCK_SIZE)
#define MAC_BLOCK  16

struct aead {
	EVP_CIPHER_CTX *stream;
	EVP_MAC_CTX *mac;
	uint8_t *key_stream; /* STRETCH, in locked memory */
};

static const uint8_t zeros[STRETCH];

struct aead *aead_new(void)
{
	struct aead *aead = new (struct aead);

	aead->stream = EVP_CIPHER_CTX_new();
	aead->mac = EVP_MAC_CTX_new(algorithms->poly1305);
	aead->key_stream = secret_new(STRETCH);
	must(aead->stream && aead->mac);
	must(EVP_CipherInit_ex2(aead->stream, algorithms->chacha20, NULL, NULL, 1, NULL));
	return aead;
}

void aead_free(struct aead *aead)
{
	if (!aead)
		return;
	EVP_CIPHER_CTX_free(aead->stream);
	EVP_MAC_CTX_free(aead->mac);
	secret_free(aead->key_stream, STRETCH);
	free(aead);
}

/* ChaCha20 from block 0. */
static void stream_begin(struct aead *aead, const struct key *key, const uint8_t nonce[NONCE_SIZE])
{
	uint8_t start[4 + NONCE_SIZE] = {0};

	memcpy(start + 4, nonce, NONCE_SIZE);
	must(EVP_CipherInit_ex2(aead->stream, NULL, key->bytes, start, 1, NULL));
}

/* The next bytes of the key stream, in whole blocks. */
static void stream_next(struct aead *aead, size_t size)
{
	int written, blocks = (int)((size + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE);

	must(EVP_CipherUpdate(aead->stream, aead->key_stream, &written, zeros, blocks));
}

/* libcrypto's ChaCha20 keeps its state, the key included, on the stack for short messages, and
 * leaves it there. What lay below this call is overwritten: more than the deepest way to a cipher.
 */
__attribute__((noinline)) static void wipe_stack(void)
{
	uint8_t below[16 * 1024];

	secret_wipe(below, sizeof(below));
}

void aead_forget(struct aead *aead)
{
	static const struct key no_key;

	wipe_stack();

	stream_begin(aead, &no_key, zeros);
	must(EVP_MAC_init(aead->mac, no_key.bytes, KEY_SIZE, NULL));
	secret_wipe(aead->key_stream, STRETCH);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void combine(uint8_t *out, const uint8_t *in, const uint8_t *key_stream, size_t size)
{
	typedef uint64_t lanes __attribute__((vector_size(32), aligned(1), may_alias));

	for (; size >= sizeof(lanes); size -= sizeof(lanes)) {
		*(lanes *)out = *(const lanes *)in ^ *(const lanes *)key_stream;
		out += sizeof(lanes);
		in += sizeof(lanes);
		key_stream += sizeof(lanes);
	}
	for (size_t i = 0; i < size; i++)
		out[i] = in[i] ^ key_stream[i];
}

static void mac_padded(struct aead *aead, const void *data, size_t size)
{
	if (!size)
		return;
	must(EVP_MAC_update(aead->mac, data, size));
	if (size % MAC_BLOCK)
		must(EVP_MAC_update(aead->mac, zeros, MAC_BLOCK - size % MAC_BLOCK));
}

/* Block 0 is the key of the tag; what follows it in the first stretch belongs to the text. */
static void begin(struct aead *aead, const struct key *key, const uint8_t nonce[NONCE_SIZE],
		  const void *header, size_t header_size, size_t size)
{
	stream_begin(aead, key, nonce);
	stream_next(aead, BLOCK_SIZE + smaller(size, STRETCH - BLOCK_SIZE));
	must(EVP_MAC_init(aead->mac, aead->key_stream, KEY_SIZE, NULL));
	mac_padded(aead, header, header_size);
}

static void crypt(struct aead *aead, const uint8_t *in, size_t size, uint8_t *out)
{
	size_t done = smaller(size, STRETCH - BLOCK_SIZE);

	combine(out, in, aead->key_stream + BLOCK_SIZE, done);
	while (done < size) {
		size_t next = smaller(size - done, STRETCH);

		stream_next(aead, next);
		combine(out + done, in + done, aead->key_stream, next);
		done += next;
	}
}

static void finish(struct aead *aead, size_t header_size, const void *sealed, size_t size,
		   uint8_t tag[AEAD_TAG_SIZE])
{
	const uint64_t sizes[2] = {htole64(header_size), htole64(size)};
	size_t written;

	mac_padded(aead, sealed, size);
	must(EVP_MAC_update(aead->mac, (const uint8_t *)sizes, sizeof(sizes)));
	must(EVP_MAC_final(aead->mac, tag, &written, AEAD_TAG_SIZE));
}

static void seal(struct aead *aead, const struct key *key, const uint8_t nonce[NONCE_SIZE],
		 const void *header, size_t header_size, const void *plain, size_t size,
		 uint8_t *out)
{
	begin(aead, key, nonce, header, header_size, size);
	crypt(aead, plain, size, out);
	finish(aead, header_size, out, size, out + size);
}

static bool open_sealed(struct aead *aead, const struct key *key, const uint8_t nonce[NONCE_SIZE],
			const void *header, size_t header_size, const uint8_t *sealed, size_t size,
			uint8_t *out)
{
	uint8_t tag[AEAD_TAG_SIZE];

	size -= AEAD_TAG_SIZE;
	begin(aead, key, nonce, header, header_size, size);
	finish(aead, header_size, sealed, size, tag);
	if (!secret_is_equal(tag, sealed + size, AEAD_TAG_SIZE)) {
		secret_wipe(out, size);
		return false;
	}
	crypt(aead, sealed, size, out);
	return true;
}

static void nonce_of_counter(uint64_t counter, uint8_t nonce[NONCE_SIZE])
{
	counter = htole64(counter);
	memset(nonce, 0, 4);
	memcpy(nonce + 4, &counter, sizeof(counter));
}

void aead_seal(struct aead *aead, const struct key *key, uint64_t counter, const void *header,
	       size_t header_size, const void *plain, size_t size, void *out)
{
	uint8_t nonce[NONCE_SIZE];

	nonce_of_counter(counter, nonce);
	seal(aead, key, nonce, header, header_size, plain, size, out);
}

bool aead_open(struct aead *aead, const struct key *key, uint64_t counter, const void *header,
	       size_t header_size, const void *sealed, size_t size, void *out)
{
	uint8_t nonce[NONCE_SIZE];

	if (size < AEAD_TAG_SIZE)
		return false;
	nonce_of_counter(counter, nonce);
	return open_sealed(aead, key, nonce, header, header_size, sealed, size, out);
}

/* draft-irtf-cfrg-xchacha-03, 2.2: HChaCha20 is the ChaCha20 state after 20 rounds without the
 * final addition of the initial state. A key-stream block is the state with it, so it is subtracted
 * again from the rows that are the result: the constants and the nonce. */
static void hchacha20(struct aead *aead, const struct key *key, const uint8_t nonce[16],
		      struct key *ret_subkey)
{
	static const uint8_t constants[] = "expand 32-byte k";
	const uint8_t *block = aead->key_stream;

	must(EVP_CipherInit_ex2(aead->stream, NULL, key->bytes, nonce, 1, NULL));
	stream_next(aead, BLOCK_SIZE);
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
}

static void xaead_prepare(struct aead *aead, const struct key *key,
			  const uint8_t xnonce[XAEAD_NONCE_SIZE], struct key *ret_subkey,
			  uint8_t nonce[NONCE_SIZE])
{
	hchacha20(aead, key, xnonce, ret_subkey);
	memset(nonce, 0, 4);
	memcpy(nonce + 4, xnonce + 16, 8);
}

void xaead_seal(struct aead *aead, const struct key *key, const uint8_t nonce[XAEAD_NONCE_SIZE],
		const void *header, size_t header_size, const void *plain, size_t size, void *out)
{
	uint8_t short_nonce[NONCE_SIZE];
	struct key subkey;

	xaead_prepare(aead, key, nonce, &subkey, short_nonce);
	seal(aead, &subkey, short_nonce, header, header_size, plain, size, out);
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
	is_genuine =
		open_sealed(aead, &subkey, short_nonce, header, header_size, sealed, size, out);
	secret_wipe(&subkey, sizeof(subkey));
	return is_genuine;
}
