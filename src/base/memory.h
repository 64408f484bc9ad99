/* Control memory: small objects that must exist. Running out of it ends the program (style: no
 * half-built state). Packet memory never comes from here while packets flow. */
#pragma once

#include <stddef.h>
#include <stdlib.h>

/* Zeroed; never NULL. */
void *memory_new(size_t size);
void *memory_new_array(size_t count, size_t size);
void *memory_resize(void *pointer, size_t count, size_t size);
char *memory_copy_text(const char *text);
void *memory_copy(const void *data, size_t size);
char *memory_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* clang-format 14 takes new for C++ and would part it from its parenthesis. */
/* clang-format off */
#define new(type) ((type *)memory_new(sizeof(type)))
/* clang-format on */
#define new_array(type, count) ((type *)memory_new_array((count), sizeof(type)))

/* auto_free char *x = ...;  frees at the end of the scope; return take(x) hands it over instead. */
void memory_free_pointer(void *pointer);
#define auto_free __attribute__((cleanup(memory_free_pointer)))
#define take(pointer)                                   \
	({                                              \
		__typeof__(pointer) taken_ = (pointer); \
		(pointer) = NULL;                       \
		taken_;                                 \
	})

#define array_size(array)                   (sizeof(array) / sizeof((array)[0]))
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
