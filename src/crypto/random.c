#include "crypto/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t size)
{
	uint8_t *bytes = out;

	while (size) {
		ssize_t got = getrandom(bytes, size, 0);

		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			bytes += got;
			size -= (size_t)got;
		}
	}
}

static void fill(void *owner, void *out, size_t size)
{
	random_bytes(out, size);
}

const struct random_source random_system = {.fill = fill};
