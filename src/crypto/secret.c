#include "crypto/secret.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/mman.h>

void secret_wipe(void *data, size_t size)
{
	OPENSSL_cleanse(data, size);
}

bool secret_is_equal(const void *a, const void *b, size_t size)
{
	return CRYPTO_memcmp(a, b, size) == 0;
}

void secret_lock(void *data, size_t size)
{
	/* Best effort: RLIMIT_MEMLOCK may be small. */
	(void)mlock(data, size);
}

void *secret_new(size_t size)
{
	void *pages = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		abort();
	secret_lock(pages, size);
	/* Best effort: a kernel may lack the advice. */
	(void)madvise(pages, size, MADV_DONTDUMP);
	return pages;
}

void secret_free(void *data, size_t size)
{
	if (!data)
		return;
	secret_wipe(data, size);
	munmap(data, size ? size : 1);
}
