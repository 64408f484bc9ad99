/* The three parts of privilege_drop(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sys/privilege/privilege.h"

/* The library of a sanitizer has threads and system calls of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PRIVILEGE_IS_SANITIZED true
#else
#define PRIVILEGE_IS_SANITIZED false
#endif

enum filter_mode { FILTER_ENFORCE, FILTER_KILL, FILTER_OFF };

/* Keeps those of the role that we have; the bounding set is emptied if we may. Prints the names of
 * what is left. 0 or -errno. */
int capability_keep(enum privilege_role role, char *text, size_t size);

/* 0 or -errno: -ENOSYS or -EOPNOTSUPP, the kernel has no Landlock or does not use it. Needs
 * PR_SET_NO_NEW_PRIVS. */
int folders_limit(const struct privilege_options *options);

/* -EINVAL: the text is no mode; NULL and "" are FILTER_ENFORCE. */
int filter_mode_parse(const char *text, enum filter_mode *ret_mode);
/* For all threads. 0 or -errno. */
int filter_load(enum privilege_role role, enum filter_mode mode);
