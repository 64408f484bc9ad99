/* Whatever arrives: a request lies within the data and the limit, ends where it should, and a
 * request that was whole stays the same when more bytes follow. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sys/ctl/ctl_private.h"

#define LIMIT 64

typedef enum ctl_split splitter(const char *data, size_t size, size_t searched, size_t limit,
				size_t *ret_size, size_t *ret_total);

static void check(splitter *split, const char *data, size_t size)
{
	size_t found = 0, total = 0, again = 0, total_again = 0;
	enum ctl_split outcome = split(data, size, 0, LIMIT, &found, &total);

	if (outcome == CTL_SPLIT_PARTIAL && size > LIMIT + 1)
		abort();
	if (outcome != CTL_SPLIT_WHOLE)
		return;
	if (found > LIMIT || total > size || total != found + 1 || data[total - 1] != '\n')
		abort();
	/* Byte by byte: never whole before its end. */
	for (size_t part = 0; part < total; part++) {
		if (split(data, part, 0, LIMIT, &again, &total_again) != CTL_SPLIT_PARTIAL)
			abort();
		/* What was searched needs no second look. */
		if (split(data, size, part, LIMIT, &again, &total_again) != CTL_SPLIT_WHOLE ||
		    again != found || total_again != total)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(ctl_split_line, (const char *)data, size);
	check(ctl_split_raw, (const char *)data, size);
	return 0;
}
