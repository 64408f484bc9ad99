#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

void buffer_done(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}

char *buffer_reserve(struct buffer *buffer, size_t size)
{
	size_t needed = buffer->size + size + 1;

	if (needed > buffer->capacity) {
		size_t capacity = buffer->capacity * 2 > needed ? buffer->capacity * 2 : needed;

		buffer->data = memory_resize(buffer->data, capacity, 1);
		buffer->capacity = capacity;
	}
	buffer->data[buffer->size] = '\0';
	return buffer->data + buffer->size;
}

void buffer_add(struct buffer *buffer, const void *data, size_t size)
{
	char *room = buffer_reserve(buffer, size);

	if (size)
		memcpy(room, data, size);
	buffer->size += size;
	buffer->data[buffer->size] = '\0';
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
	va_list arguments, again;
	int size;

	va_start(arguments, format);
	va_copy(again, arguments);
	size = vsnprintf(NULL, 0, format, arguments);
	if (size > 0) {
		vsnprintf(buffer_reserve(buffer, (size_t)size), (size_t)size + 1, format, again);
		buffer->size += (size_t)size;
	}
	va_end(again);
	va_end(arguments);
}

void buffer_consume(struct buffer *buffer, size_t size)
{
	if (!size)
		return;
	memmove(buffer->data, buffer->data + size, buffer->size - size);
	buffer->size -= size;
	buffer->data[buffer->size] = '\0';
}

char *buffer_take(struct buffer *buffer)
{
	char *data;

	buffer_reserve(buffer, 0);
	data = buffer->data;
	*buffer = (struct buffer){0};
	return data;
}
