/* A body that decodes encodes to what decodes to the same. */
#include <stdlib.h>
#include <string.h>

#include "proto/wire/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_body body, again;
	uint8_t bytes[CONTROL_BODY_SIZE];

	if (size >= CONTROL_HEADER_SIZE)
		control_header_decode(data);
	if (!control_body_decode(data, size, &body))
		return 0;
	control_body_encode(&body, bytes);
	if (!control_body_decode(bytes, sizeof(bytes), &again) || body.counter != again.counter ||
	    memcmp(body.echo, again.echo, sizeof(body.echo)) ||
	    !address_is_equal(&body.observed, &again.observed))
		abort();
	return 0;
}
