/* What the other files of this room share and nobody outside may see: the algorithms that
 * crypto_init() fetched, and the rule that a library call which cannot fail in a working program
 * ends the program. */
#pragma once

#include <openssl/evp.h>
#include <stdlib.h>

/* Written once by crypto_init(), read-only afterwards. */
struct algorithms {
	EVP_CIPHER *chacha20, *aes_256_ecb;
	EVP_MD *blake2s;
	EVP_MAC *blake2s_mac, *poly1305;
};

extern const struct algorithms *const algorithms;

/* A wrong answer here would be a packet in clear or a key of zeros: never go on. */
static inline void must(int is_done)
{
	if (is_done != 1)
		abort();
}
