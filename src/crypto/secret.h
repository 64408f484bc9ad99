/* Handling of secret bytes: wiping, comparison in constant time, memory that is neither swapped nor
 * dumped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

void secret_wipe(void *data, size_t size);
bool secret_is_equal(const void *a, const void *b, size_t size);
/* Zeroed pages, mlock()ed (best effort under RLIMIT_MEMLOCK) and MADV_DONTDUMP; aborts when there
 * is no memory. */
void *secret_new(size_t size);
/* Again, after fork(2): locks are not inherited. */
void secret_lock(void *data, size_t size);
void secret_free(void *data, size_t size);
