#include "sys/stream/frame.h"

#include "base/cursor.h"
#include "sys/stream/stream.h"

enum frame_result frame_next(const uint8_t *data, size_t size, size_t limit, size_t *ret_size)
{
	struct reader reader = reader_over(data, size);
	size_t length = read_u32(&reader);

	if (reader.failed)
		return FRAME_MORE;
	if (!length)
		return FRAME_EMPTY;
	if (length > limit)
		return FRAME_TOO_LARGE;
	if (reader_left(&reader) < length)
		return FRAME_MORE;
	*ret_size = length;
	return FRAME_WHOLE;
}
