/* What encryption costs per packet of 1420 bytes and core: ChaCha20-Poly1305 through src/crypto, as
 * the data path does it, and AES-256-GCM through the same library for comparison (WireGuard does
 * not have it). Prints one JSON object: the median of several rounds, ns per packet.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/crypto.h"

#define PACKET_SIZE 1420
#define ROUNDS      9
#define PER_ROUND   20000 /* packets: some 20 ms, longer than a time slice of the scheduler */

struct bench {
	struct aead *aead;
	struct key key;
	EVP_CIPHER_CTX *aes_seal, *aes_open;
	uint64_t counter;
	uint8_t packet[PACKET_SIZE + AEAD_TAG_SIZE];
	uint8_t out[PACKET_SIZE + AEAD_TAG_SIZE];
};

static void expect(int is_true)
{
	if (is_true != 1)
		abort();
}

static void chacha_seal(struct bench *bench)
{
	aead_seal(bench->aead, &bench->key, bench->counter++, NULL, 0, bench->packet, PACKET_SIZE,
		  bench->out);
}

/* The same sealed packet each time, not in place, so that it stays one. */
static void chacha_open(struct bench *bench)
{
	expect(aead_open(bench->aead, &bench->key, 0, NULL, 0, bench->packet, sizeof(bench->packet),
			 bench->out));
}

static void aes_seal(struct bench *bench)
{
	uint8_t nonce[12] = {0};
	int size;

	memcpy(nonce + 4, &bench->counter, sizeof(bench->counter));
	bench->counter++;
	expect(EVP_EncryptInit_ex2(bench->aes_seal, NULL, NULL, nonce, NULL));
	expect(EVP_EncryptUpdate(bench->aes_seal, bench->out, &size, bench->packet, PACKET_SIZE));
	expect(EVP_EncryptFinal_ex(bench->aes_seal, bench->out + size, &size));
	expect(EVP_CIPHER_CTX_ctrl(bench->aes_seal, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE,
				   bench->out + PACKET_SIZE));
}

static void aes_open(struct bench *bench)
{
	uint8_t nonce[12] = {0};
	int size;

	expect(EVP_DecryptInit_ex2(bench->aes_open, NULL, NULL, nonce, NULL));
	expect(EVP_DecryptUpdate(bench->aes_open, bench->out, &size, bench->packet, PACKET_SIZE));
	expect(EVP_CIPHER_CTX_ctrl(bench->aes_open, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE,
				   bench->packet + PACKET_SIZE));
	expect(EVP_DecryptFinal_ex(bench->aes_open, bench->out + size, &size));
}

static int compare(const void *a, const void *b)
{
	const double *first = a, *second = b;

	return *first < *second ? -1 : *first > *second;
}

static double median_of(struct bench *bench, void (*once)(struct bench *bench))
{
	double times[ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		struct timespec start, end;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
		for (int i = 0; i < PER_ROUND; i++)
			once(bench);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
		times[round] = ((double)(end.tv_sec - start.tv_sec) * 1e9 +
				(double)(end.tv_nsec - start.tv_nsec)) /
			       PER_ROUND;
	}
	qsort(times, ROUNDS, sizeof(times[0]), compare);
	return times[ROUNDS / 2];
}

/* What seal made of the packet becomes the packet that open gets. */
static void keep_sealed(struct bench *bench, void (*seal)(struct bench *bench))
{
	bench->counter = 0;
	seal(bench);
	memcpy(bench->packet, bench->out, sizeof(bench->packet));
}

static EVP_CIPHER_CTX *aes_context(int is_sealing)
{
	static const uint8_t key[32] = {2};
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	expect(context &&
	       EVP_CipherInit_ex2(context, EVP_aes_256_gcm(), key, NULL, is_sealing, NULL));
	return context;
}

int main(void)
{
	static struct bench bench;
	crypto_init();
	bench.aead = aead_new();
	bench.key = (struct key){{1}};
	bench.aes_seal = aes_context(1);
	bench.aes_open = aes_context(0);
	printf("{\"chacha20-poly1305 seal\": %.0f,", median_of(&bench, chacha_seal));
	keep_sealed(&bench, chacha_seal);
	printf(" \"chacha20-poly1305 open\": %.0f,", median_of(&bench, chacha_open));
	printf(" \"aes-256-gcm seal\": %.0f,", median_of(&bench, aes_seal));
	keep_sealed(&bench, aes_seal);
	printf(" \"aes-256-gcm open\": %.0f}\n", median_of(&bench, aes_open));
	EVP_CIPHER_CTX_free(bench.aes_seal);
	EVP_CIPHER_CTX_free(bench.aes_open);
	aead_free(bench.aead);
	return 0;
}
