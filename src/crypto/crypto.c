#include "crypto/crypto.h"

#include <pthread.h>
#include <stddef.h>

#include "crypto/library.h"

static struct algorithms fetched;
static pthread_once_t once = PTHREAD_ONCE_INIT;

const struct algorithms *const algorithms = &fetched;

static void fetch_all(void)
{
	fetched.chacha20 = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL);
	fetched.aes_256_ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	fetched.blake2s = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
	fetched.blake2s_mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	fetched.poly1305 = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	must(fetched.chacha20 && fetched.aes_256_ecb && fetched.blake2s && fetched.blake2s_mac &&
	     fetched.poly1305);
}

void crypto_init(void)
{
	must(pthread_once(&once, fetch_all) == 0);
}
