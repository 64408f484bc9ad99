#include <string.h>

#include "sys/ctl/ctl_private.h"

enum ctl_split ctl_split_line(const char *data, size_t size, size_t searched, size_t limit,
			      size_t *ret_size, size_t *ret_total)
{
	const char *end = size ? memchr(data + searched, '\n', size - searched) : NULL;

	if (end ? (size_t)(end - data) > limit : size > limit)
		return CTL_SPLIT_TOO_LARGE;
	if (!end)
		return CTL_SPLIT_PARTIAL;
	*ret_size = (size_t)(end - data);
	*ret_total = *ret_size + 1;
	return CTL_SPLIT_WHOLE;
}

/* Where the empty line ends, 0 when there is none. */
static size_t end_of_raw(const char *data, size_t size, size_t searched)
{
	/* The end of a line may be the last byte that was searched. */
	size_t start = searched ? searched - 1 : 0;
	const char *end;

	if (!size)
		return 0;
	if (*data == '\n')
		return 1;
	end = memmem(data + start, size - start, "\n\n", 2);
	return end ? (size_t)(end - data) + 2 : 0;
}

enum ctl_split ctl_split_raw(const char *data, size_t size, size_t searched, size_t limit,
			     size_t *ret_size, size_t *ret_total)
{
	size_t end = end_of_raw(data, size, searched);

	if (end ? end - 1 > limit : size > limit)
		return CTL_SPLIT_TOO_LARGE;
	if (!end)
		return CTL_SPLIT_PARTIAL;
	*ret_size = end - 1;
	*ret_total = end;
	return CTL_SPLIT_WHOLE;
}
