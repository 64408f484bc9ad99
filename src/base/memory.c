#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void *checked(void *pointer)
{
	if (!pointer) {
		fputs("wayleave: out of memory\n", stderr);
		abort();
	}
	return pointer;
}

void *memory_new(size_t size)
{
	return checked(calloc(1, size ? size : 1));
}

void *memory_new_array(size_t count, size_t size)
{
	return checked(calloc(count ? count : 1, size ? size : 1));
}

void *memory_resize(void *pointer, size_t count, size_t size)
{
	return checked(reallocarray(pointer, count ? count : 1, size ? size : 1));
}

char *memory_copy_text(const char *text)
{
	return checked(strdup(text));
}

void *memory_copy(const void *data, size_t size)
{
	return memcpy(memory_new(size), data, size);
}

char *memory_print(const char *format, ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	return checked(text);
}

void memory_free_pointer(void *pointer)
{
	free(*(void **)pointer);
}
