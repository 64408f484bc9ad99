/* Bounded reading and writing of byte formats with a sticky error: read, read, read, check once
 * (the idea of Knot DNS's wire_ctx). A failed reader returns zeros and stays failed; a failed
 * writer writes nothing more. Integers are little-endian unless the name says be. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *data;
	size_t size, position;
	bool failed;
};

struct writer {
	uint8_t *data;
	size_t size, position;
	bool failed;
};

struct reader reader_over(const void *data, size_t size);
struct writer writer_over(void *data, size_t size);

size_t reader_left(const struct reader *reader);
uint8_t read_u8(struct reader *reader);
uint16_t read_u16(struct reader *reader);
uint32_t read_u32(struct reader *reader);
uint64_t read_u64(struct reader *reader);
uint16_t read_u16_be(struct reader *reader);
uint32_t read_u32_be(struct reader *reader);
void read_bytes(struct reader *reader, void *out, size_t size);
/* Borrowed view of the next size bytes, NULL when there are fewer. */
const uint8_t *read_view(struct reader *reader, size_t size);
/* A reader over the next size bytes; failed when there are fewer (and then this one is too). */
struct reader read_sub(struct reader *reader, size_t size);
/* True when nothing failed and every byte was read. */
bool reader_is_done(const struct reader *reader);

size_t writer_left(const struct writer *writer);
void write_u8(struct writer *writer, uint8_t value);
void write_u16(struct writer *writer, uint16_t value);
void write_u32(struct writer *writer, uint32_t value);
void write_u64(struct writer *writer, uint64_t value);
void write_u16_be(struct writer *writer, uint16_t value);
void write_u32_be(struct writer *writer, uint32_t value);
void write_bytes(struct writer *writer, const void *data, size_t size);
void write_zeros(struct writer *writer, size_t size);
/* Room for size bytes to fill in later, NULL when it does not fit. */
uint8_t *write_room(struct writer *writer, size_t size);
