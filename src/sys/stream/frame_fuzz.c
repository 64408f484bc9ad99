/* Whatever arrives: the frames found in all of it are those found when it comes byte by byte, none
 * is larger than the limit, and none reaches beyond the data. */
#include <stdlib.h>

#include "sys/stream/frame.h"
#include "sys/stream/stream.h"

#define LIMIT 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum frame_result result = FRAME_WHOLE;

	while (result == FRAME_WHOLE) {
		size_t found = 0, again = 0;

		result = frame_next(data, size, LIMIT, &found);
		for (size_t part = 0; part < size && part < STREAM_LENGTH_SIZE + found; part++) {
			enum frame_result early = frame_next(data, part, LIMIT, &again);

			if (early != FRAME_MORE && (early != result || early == FRAME_WHOLE))
				abort();
		}
		if (result != FRAME_WHOLE)
			break;
		if (!found || found > LIMIT || STREAM_LENGTH_SIZE + found > size)
			abort();
		data += STREAM_LENGTH_SIZE + found;
		size -= STREAM_LENGTH_SIZE + found;
	}
	return 0;
}
