#include "proto/wire/message.h"

#include <string.h>

#include "base/text.h"
#include "proto/wire/control.h"

#define FLAG_ONLINE  1
#define FLAG_REACHED 2

uint8_t message_kind_read(struct reader *reader)
{
	return read_u8(reader);
}

bool key_read(struct reader *reader, struct key *ret_key)
{
	read_bytes(reader, ret_key, KEY_SIZE);
	if (!key_is_canonical_point(ret_key) || key_is_zero(ret_key))
		reader->failed = true;
	return !reader->failed;
}

void key_write(struct writer *writer, const struct key *key)
{
	write_bytes(writer, key, KEY_SIZE);
}

static void name_read(struct reader *reader, char name[NODE_NAME_SIZE])
{
	size_t size = read_u8(reader);
	const uint8_t *text = size < NODE_NAME_SIZE ? read_view(reader, size) : NULL;

	memset(name, 0, NODE_NAME_SIZE);
	if (text)
		memcpy(name, text, size);
	if (!text || !text_is_name(name) || strlen(name) != size)
		reader->failed = true;
}

static void name_write(struct writer *writer, const char *name)
{
	write_u8(writer, (uint8_t)strlen(name));
	write_bytes(writer, name, strlen(name));
}

static void prefix_read(struct reader *reader, struct prefix *ret_prefix)
{
	struct prefix prefix = {.family = read_u8(reader)};

	prefix.bits = read_u8(reader);
	if ((prefix.family != FAMILY_IPV4 && prefix.family != FAMILY_IPV6) ||
	    prefix.bits > family_bits(prefix.family))
		reader->failed = true;
	else
		read_bytes(reader, prefix.ip, family_size(prefix.family));
	*ret_prefix = prefix;
}

static void prefix_write(struct writer *writer, const struct prefix *prefix)
{
	write_u8(writer, prefix->family);
	write_u8(writer, prefix->bits);
	write_bytes(writer, prefix->ip, family_size(prefix->family));
}

static size_t prefixes_read(struct reader *reader, struct prefix *prefixes)
{
	size_t count = read_u8(reader);

	if (count > NODE_ADDRESSES_MAX) {
		reader->failed = true;
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		prefix_read(reader, &prefixes[i]);
	return count;
}

static void prefixes_write(struct writer *writer, const struct prefix *prefixes, size_t count)
{
	write_u8(writer, (uint8_t)count);
	for (size_t i = 0; i < count; i++)
		prefix_write(writer, &prefixes[i]);
}

static size_t candidates_read(struct reader *reader, struct candidate *candidates)
{
	size_t count = read_u8(reader);

	if (count > NODE_CANDIDATES_MAX) {
		reader->failed = true;
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		uint8_t kind = read_u8(reader);

		if (kind != CANDIDATE_OBSERVED && kind != CANDIDATE_LOCAL)
			reader->failed = true;
		candidates[i].kind = kind;
		candidates[i].address = wire_read_address(reader);
	}
	return count;
}

static void candidates_write(struct writer *writer, const struct candidate *candidates,
			     size_t count)
{
	write_u8(writer, (uint8_t)count);
	for (size_t i = 0; i < count; i++) {
		write_u8(writer, (uint8_t)candidates[i].kind);
		wire_write_address(writer, &candidates[i].address);
	}
}

bool map_header_read(struct reader *reader, struct map_header *ret_header)
{
	struct map_header header = {0};

	read_bytes(reader, header.network_id, sizeof(header.network_id));
	header.incarnation = read_u64(reader);
	header.revision = read_u64(reader);
	header.issued = read_u64(reader);
	read_bytes(reader, header.site_secret, sizeof(header.site_secret));
	name_read(reader, header.hub_name);
	header.hub_address_count = prefixes_read(reader, header.hub_addresses);
	header.node_count = read_u32(reader);
	if (reader->failed || header.node_count > MAP_NODES_MAX)
		return false;
	*ret_header = header;
	return true;
}

void map_header_write(struct writer *writer, const struct map_header *header)
{
	write_u8(writer, MESSAGE_MAP);
	write_bytes(writer, header->network_id, sizeof(header->network_id));
	write_u64(writer, header->incarnation);
	write_u64(writer, header->revision);
	write_u64(writer, header->issued);
	write_bytes(writer, header->site_secret, sizeof(header->site_secret));
	name_write(writer, header->hub_name);
	prefixes_write(writer, header->hub_addresses, header->hub_address_count);
	write_u32(writer, header->node_count);
}

bool changes_header_read(struct reader *reader, struct changes_header *ret_header)
{
	struct changes_header header = {.incarnation = read_u64(reader)};

	header.revision = read_u64(reader);
	header.node_count = read_u32(reader);
	header.removed_count = read_u32(reader);
	if (reader->failed || header.node_count > MAP_NODES_MAX ||
	    header.removed_count > MAP_NODES_MAX)
		return false;
	*ret_header = header;
	return true;
}

void changes_header_write(struct writer *writer, const struct changes_header *header)
{
	write_u8(writer, MESSAGE_CHANGES);
	write_u64(writer, header->incarnation);
	write_u64(writer, header->revision);
	write_u32(writer, header->node_count);
	write_u32(writer, header->removed_count);
}

/* A record has a length of its own, so that a bad one can be skipped without losing those behind
 * it, and newer hubs can append fields. */
bool map_node_read(struct reader *reader, struct map_node *ret_node)
{
	struct reader record = read_sub(reader, read_u16(reader));
	struct map_node node = {0};
	uint8_t flags;

	key_read(&record, &node.key);
	name_read(&record, node.name);
	node.address_count = prefixes_read(&record, node.addresses);
	flags = read_u8(&record);
	node.is_online = flags & FLAG_ONLINE;
	node.was_reached = flags & FLAG_REACHED;
	node.candidate_count = candidates_read(&record, node.candidates);
	/* Earlier versions end here. */
	if (reader_left(&record))
		node.admitted = read_u64(&record);
	if (record.failed)
		return false;
	*ret_node = node;
	return true;
}

void map_node_write(struct writer *writer, const struct map_node *node)
{
	uint8_t bytes[MAP_NODE_SIZE_MAX];
	struct writer record = writer_over(bytes, sizeof(bytes));

	key_write(&record, &node->key);
	name_write(&record, node->name);
	prefixes_write(&record, node->addresses, node->address_count);
	write_u8(&record, (uint8_t)((node->is_online ? FLAG_ONLINE : 0) |
				    (node->was_reached ? FLAG_REACHED : 0)));
	candidates_write(&record, node->candidates, node->candidate_count);
	write_u64(&record, node->admitted);
	if (record.failed) {
		writer->failed = true;
		return;
	}
	write_u16(writer, (uint16_t)record.position);
	write_bytes(writer, bytes, record.position);
}

bool appointment_read(struct reader *reader, struct appointment *ret_appointment)
{
	struct appointment appointment = {0};
	uint8_t role;

	key_read(reader, &appointment.peer);
	role = read_u8(reader);
	if (role != APPOINTMENT_OPEN && role != APPOINTMENT_INITIATE)
		reader->failed = true;
	appointment.role = role;
	appointment.delay_ms = read_u16(reader);
	appointment.candidate_count = candidates_read(reader, appointment.candidates);
	if (reader->failed)
		return false;
	*ret_appointment = appointment;
	return true;
}

void appointment_write(struct writer *writer, const struct appointment *appointment)
{
	write_u8(writer, MESSAGE_APPOINTMENT);
	key_write(writer, &appointment->peer);
	write_u8(writer, (uint8_t)appointment->role);
	write_u16(writer, appointment->delay_ms);
	candidates_write(writer, appointment->candidates, appointment->candidate_count);
}

bool refused_read(struct reader *reader, struct refused *ret_refused)
{
	struct refused refused = {0};
	uint8_t reason;

	key_read(reader, &refused.peer);
	reason = read_u8(reader);
	refused.retry_ms = read_u32(reader);
	if (reason < REFUSAL_OFFLINE || reason > REFUSAL_SWITCHED_OFF || reader->failed)
		return false;
	refused.reason = reason;
	*ret_refused = refused;
	return true;
}

void refused_write(struct writer *writer, const struct refused *refused)
{
	write_u8(writer, MESSAGE_REFUSED);
	key_write(writer, &refused->peer);
	write_u8(writer, (uint8_t)refused->reason);
	write_u32(writer, refused->retry_ms);
}

bool report_read(struct reader *reader, struct report *ret_report)
{
	struct report report = {0};

	if (reader_left(reader) > REPORT_SIZE_MAX)
		return false;
	report.listen_port = read_u16(reader);
	report.capabilities = read_u32(reader);
	report.candidate_count = candidates_read(reader, report.candidates);
	for (size_t i = 0; i < report.candidate_count; i++) {
		/* What was observed is the hub's to say. */
		if (report.candidates[i].kind != CANDIDATE_LOCAL)
			return false;
	}
	if (reader->failed)
		return false;
	*ret_report = report;
	return true;
}

void report_write(struct writer *writer, const struct report *report)
{
	write_u8(writer, MESSAGE_REPORT);
	write_u16(writer, report->listen_port);
	write_u32(writer, report->capabilities);
	candidates_write(writer, report->candidates, report->candidate_count);
}

bool connect_read(struct reader *reader, struct key *ret_peer)
{
	return key_read(reader, ret_peer);
}

void connect_write(struct writer *writer, const struct key *peer)
{
	write_u8(writer, MESSAGE_CONNECT);
	key_write(writer, peer);
}

bool stamp_read(struct reader *reader, uint64_t *ret_stamp)
{
	*ret_stamp = read_u64(reader);
	return !reader->failed;
}

void stamp_write(struct writer *writer, enum message_kind kind, uint64_t stamp)
{
	write_u8(writer, (uint8_t)kind);
	write_u64(writer, stamp);
}
