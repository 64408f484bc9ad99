/* Any text either fails with a message or gives a config that prints to a text which prints to
 * itself. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf_hub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer first = {0}, second = {0};
	struct hub_config config;
	struct conf_error error;

	if (hub_config_parse((const char *)data, size, "hub.conf", &config, &error)) {
		if (!*error.text)
			abort();
		return 0;
	}
	hub_config_print(&config, &first);
	if (hub_config_parse(first.data, first.size, "hub.conf", &config, &error))
		abort();
	hub_config_print(&config, &second);
	if (first.size != second.size || memcmp(first.data, second.data, first.size))
		abort();
	hub_config_done(&config);
	buffer_done(&first);
	buffer_done(&second);
	return 0;
}
