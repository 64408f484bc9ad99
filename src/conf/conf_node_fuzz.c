/* Any text either fails with a message or gives a config that prints to a text which prints to
 * itself. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf_node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer first = {0}, second = {0};
	struct node_config config;
	struct conf_error error;

	if (node_config_parse((const char *)data, size, "node.conf", &config, &error)) {
		if (!*error.text)
			abort();
		return 0;
	}
	node_config_print(&config, &first);
	node_config_done(&config);
	if (node_config_parse(first.data, first.size, "node.conf", &config, &error))
		abort();
	node_config_print(&config, &second);
	if (first.size != second.size || memcmp(first.data, second.data, first.size))
		abort();
	node_config_done(&config);
	buffer_done(&first);
	buffer_done(&second);
	return 0;
}
