#include "proto/wire/control.h"

#include <string.h>

#include "base/cursor.h"
#include "proto/wire/wireguard.h"

#define FLAG_SESSION 1

struct address wire_read_address(struct reader *reader)
{
	struct address address = {.family = read_u8(reader)};
	static const uint8_t zeros[16];
	size_t used = address.family == FAMILY_NONE ? 0 : family_size(address.family);

	read_bytes(reader, address.ip, sizeof(address.ip));
	address.port = read_u16(reader);
	/* One encoding per address: unused bytes are zero. */
	if ((address.family != FAMILY_NONE && address.family != FAMILY_IPV4 &&
	     address.family != FAMILY_IPV6) ||
	    memcmp(address.ip + used, zeros, sizeof(address.ip) - used) || (!used && address.port))
		reader->failed = true;
	return address;
}

void wire_write_address(struct writer *writer, const struct address *address)
{
	write_u8(writer, address->family);
	write_bytes(writer, address->ip, sizeof(address->ip));
	write_u16(writer, address->port);
}

void control_header_encode(const struct control_header *header, uint8_t out[CONTROL_HEADER_SIZE])
{
	struct writer writer = writer_over(out, CONTROL_HEADER_SIZE);

	write_u8(&writer, WIRE_CLASS_CONTROL);
	write_zeros(&writer, 3);
	write_u64(&writer, header->index);
	write_u32(&writer, header->salt);
}

struct control_header control_header_decode(const uint8_t data[CONTROL_HEADER_SIZE])
{
	struct reader reader = reader_over(data + 4, CONTROL_HEADER_SIZE - 4);
	struct control_header header = {.index = read_u64(&reader)};

	header.salt = read_u32(&reader);
	return header;
}

void control_body_encode(const struct control_body *body, uint8_t out[CONTROL_BODY_SIZE])
{
	struct writer writer = writer_over(out, CONTROL_BODY_SIZE);

	write_u8(&writer, CONTROL_VERSION);
	write_u8(&writer, (uint8_t)body->kind);
	write_bytes(&writer, body->boot_id, BOOT_ID_SIZE);
	write_bytes(&writer, body->peer_boot_id, BOOT_ID_SIZE);
	write_u64(&writer, body->counter);
	write_u64(&writer, body->index);
	write_bytes(&writer, &body->ephemeral, KEY_SIZE);
	write_bytes(&writer, body->echo, PROBE_ECHO_SIZE);
	wire_write_address(&writer, &body->observed);
	write_u8(&writer, body->has_session ? FLAG_SESSION : 0);
	write_zeros(&writer, writer_left(&writer));
}

bool control_body_decode(const uint8_t *data, size_t size, struct control_body *ret_body)
{
	struct reader reader = reader_over(data, size);
	struct control_body body = {0};
	uint8_t kind;

	if (size < CONTROL_BODY_SIZE || read_u8(&reader) != CONTROL_VERSION)
		return false;
	kind = read_u8(&reader);
	if (kind != CONTROL_PROBE && kind != CONTROL_ANSWER)
		return false;
	body.kind = kind;
	read_bytes(&reader, body.boot_id, BOOT_ID_SIZE);
	read_bytes(&reader, body.peer_boot_id, BOOT_ID_SIZE);
	body.counter = read_u64(&reader);
	body.index = read_u64(&reader);
	read_bytes(&reader, &body.ephemeral, KEY_SIZE);
	read_bytes(&reader, body.echo, PROBE_ECHO_SIZE);
	body.observed = wire_read_address(&reader);
	body.has_session = read_u8(&reader) & FLAG_SESSION;
	if (reader.failed)
		return false;
	*ret_body = body;
	return true;
}
