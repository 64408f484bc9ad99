/* Whatever parses prints to a text that parses to the same. */
#include <stdlib.h>
#include <string.h>

#include "proto/wire/join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[JOIN_TEXT_SIZE * 2], printed[JOIN_TEXT_SIZE];
	struct join join, again;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (join_parse(text, &join) != JOIN_OK)
		return 0;
	if (!join_print(&join, printed) || join_parse(printed, &again) != JOIN_OK ||
	    memcmp(&join, &again, sizeof(join)))
		abort();
	return 0;
}
