#include "base/cursor.h"

#include <string.h>

struct reader reader_over(const void *data, size_t size)
{
	/* No pointer arithmetic on NULL. */
	return (struct reader){.data = data ? data : (const uint8_t *)"", .size = size};
}

struct writer writer_over(void *data, size_t size)
{
	return (struct writer){.data = data, .size = size};
}

size_t reader_left(const struct reader *reader)
{
	return reader->failed ? 0 : reader->size - reader->position;
}

const uint8_t *read_view(struct reader *reader, size_t size)
{
	const uint8_t *view;

	if (reader->failed || size > reader->size - reader->position) {
		reader->failed = true;
		return NULL;
	}
	view = reader->data + reader->position;
	reader->position += size;
	return view;
}

static uint64_t read_little(struct reader *reader, size_t size)
{
	const uint8_t *bytes = read_view(reader, size);
	uint64_t value = 0;

	for (size_t i = size; bytes && i > 0; i--)
		value = value << 8 | bytes[i - 1];
	return value;
}

static uint64_t read_big(struct reader *reader, size_t size)
{
	const uint8_t *bytes = read_view(reader, size);
	uint64_t value = 0;

	for (size_t i = 0; bytes && i < size; i++)
		value = value << 8 | bytes[i];
	return value;
}

uint8_t read_u8(struct reader *reader)
{
	return (uint8_t)read_little(reader, 1);
}

uint16_t read_u16(struct reader *reader)
{
	return (uint16_t)read_little(reader, 2);
}

uint32_t read_u32(struct reader *reader)
{
	return (uint32_t)read_little(reader, 4);
}

uint64_t read_u64(struct reader *reader)
{
	return read_little(reader, 8);
}

uint16_t read_u16_be(struct reader *reader)
{
	return (uint16_t)read_big(reader, 2);
}

uint32_t read_u32_be(struct reader *reader)
{
	return (uint32_t)read_big(reader, 4);
}

void read_bytes(struct reader *reader, void *out, size_t size)
{
	const uint8_t *bytes = read_view(reader, size);

	if (bytes && size)
		memcpy(out, bytes, size);
	else if (size)
		memset(out, 0, size);
}

struct reader read_sub(struct reader *reader, size_t size)
{
	const uint8_t *view = read_view(reader, size);

	return (struct reader){.data = view, .size = view ? size : 0, .failed = !view};
}

bool reader_is_done(const struct reader *reader)
{
	return !reader->failed && reader->position == reader->size;
}

size_t writer_left(const struct writer *writer)
{
	return writer->failed ? 0 : writer->size - writer->position;
}

uint8_t *write_room(struct writer *writer, size_t size)
{
	uint8_t *room;

	if (writer->failed || size > writer->size - writer->position) {
		writer->failed = true;
		return NULL;
	}
	room = writer->data + writer->position;
	writer->position += size;
	return room;
}

static void write_big(struct writer *writer, uint64_t value, size_t size)
{
	uint8_t *room = write_room(writer, size);

	for (size_t i = 0; room && i < size; i++)
		room[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static void write_little(struct writer *writer, uint64_t value, size_t size)
{
	uint8_t *room = write_room(writer, size);

	for (size_t i = 0; room && i < size; i++)
		room[i] = (uint8_t)(value >> (8 * i));
}

void write_u8(struct writer *writer, uint8_t value)
{
	write_little(writer, value, 1);
}

void write_u16(struct writer *writer, uint16_t value)
{
	write_little(writer, value, 2);
}

void write_u32(struct writer *writer, uint32_t value)
{
	write_little(writer, value, 4);
}

void write_u64(struct writer *writer, uint64_t value)
{
	write_little(writer, value, 8);
}

void write_u16_be(struct writer *writer, uint16_t value)
{
	write_big(writer, value, 2);
}

void write_u32_be(struct writer *writer, uint32_t value)
{
	write_big(writer, value, 4);
}

void write_bytes(struct writer *writer, const void *data, size_t size)
{
	uint8_t *room = write_room(writer, size);

	if (room && size)
		memcpy(room, data, size);
}

void write_zeros(struct writer *writer, size_t size)
{
	uint8_t *room = write_room(writer, size);

	if (room && size)
		memset(room, 0, size);
}
