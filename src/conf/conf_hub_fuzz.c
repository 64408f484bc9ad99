/* Any text either fails with a message or gives a config that prints and parses to itself. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf_hub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hub_config config, again;
	struct buffer text = {0};
	struct conf_error error;

	if (hub_config_parse((const char *)data, size, "hub.conf", &config, &error)) {
		if (!*error.text)
			abort();
		return 0;
	}
	hub_config_print(&config, &text);
	if (hub_config_parse(text.data, text.size, "hub.conf", &again, &error) ||
	    memcmp(&config, &again, sizeof(config)))
		abort();
	buffer_done(&text);
	return 0;
}
