#include <string.h>

#include "sys/ctl/ctl_private.h"

enum ctl_split ctl_split_line(const char *data, size_t size, size_t limit, size_t *ret_size,
			      size_t *ret_total)
{
	const char *end = size ? memchr(data, '\n', size) : NULL;

	if (end ? (size_t)(end - data) > limit : size > limit)
		return CTL_SPLIT_TOO_LARGE;
	if (!end)
		return CTL_SPLIT_PARTIAL;
	*ret_size = (size_t)(end - data);
	*ret_total = *ret_size + 1;
	return CTL_SPLIT_WHOLE;
}

enum ctl_split ctl_split_raw(const char *data, size_t size, size_t limit, size_t *ret_size,
			     size_t *ret_total)
{
	const char *end = size ? memmem(data, size, "\n\n", 2) : NULL;

	/* The empty line may be the first one. */
	*ret_size = size && *data == '\n' ? 0 : end ? (size_t)(end - data) + 1 : size;
	if (*ret_size > limit)
		return CTL_SPLIT_TOO_LARGE;
	if (!end && !(size && *data == '\n'))
		return CTL_SPLIT_PARTIAL;
	*ret_total = *ret_size + 1;
	return CTL_SPLIT_WHOLE;
}
