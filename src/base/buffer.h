/* Growing byte buffer for streams and text (control plane only). data[size] is always a NUL byte
 * once anything was added, so text can be read as a string. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buffer {
	char *data;
	size_t size, capacity;
};

void buffer_done(struct buffer *buffer);
/* Room for at least `size` more bytes at data + size; raise size afterwards. */
char *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_add(struct buffer *buffer, const void *data, size_t size);
void buffer_print(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3), nonnull(2)));
/* Drops the first size bytes. */
void buffer_consume(struct buffer *buffer, size_t size);
/* The text, for the caller to free; the buffer is empty afterwards. Never NULL. */
char *buffer_take(struct buffer *buffer);

#define auto_buffer __attribute__((cleanup(buffer_done)))
