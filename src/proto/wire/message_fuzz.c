/* Every decoder of the control link; a node record that decodes encodes to what decodes to the
 * same. */
#include <stdlib.h>
#include <string.h>

#include "proto/wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_node(const struct map_node *node)
{
	uint8_t bytes[MAP_NODE_SIZE_MAX + 2];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct map_node again;
	struct reader reader;

	map_node_write(&writer, node);
	reader = reader_over(bytes, writer.position);
	if (writer.failed || !map_node_read(&reader, &again) || memcmp(node, &again, sizeof(again)))
		abort();
}

static void read_nodes(struct reader *reader, uint32_t count)
{
	struct map_node node;

	for (uint32_t i = 0; i < count && !reader->failed; i++) {
		memset(&node, 0, sizeof(node));
		if (map_node_read(reader, &node))
			check_node(&node);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_over(data, size);
	uint8_t kind = message_kind_read(&reader);
	struct appointment appointment;
	struct changes_header changes;
	struct map_header header;
	struct refused refused;
	struct report report;
	uint64_t stamp;
	struct key key;

	if (kind == MESSAGE_MAP && map_header_read(&reader, &header))
		read_nodes(&reader, header.node_count);
	else if (kind == MESSAGE_CHANGES && changes_header_read(&reader, &changes))
		read_nodes(&reader, changes.node_count);
	else if (kind == MESSAGE_APPOINTMENT)
		appointment_read(&reader, &appointment);
	else if (kind == MESSAGE_REFUSED)
		refused_read(&reader, &refused);
	else if (kind == MESSAGE_REPORT)
		report_read(&reader, &report);
	else if (kind == MESSAGE_CONNECT)
		connect_read(&reader, &key);
	else if (kind == MESSAGE_PING || kind == MESSAGE_PONG)
		stamp_read(&reader, &stamp);
	return 0;
}
