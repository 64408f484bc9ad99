/* What a daemon may still do once it is set up: few capabilities, the system calls it makes, the
 * folders it writes to. A process can only give up; nothing here brings anything back. It logs
 * nothing. */
#pragma once

#include <stddef.h>

#define PRIVILEGE_TEXT_SIZE 160

enum privilege_role { PRIVILEGE_WG, PRIVILEGE_NODE, PRIVILEGE_HUB };

/* Folders may be NULL or missing. */
struct privilege_options {
	enum privilege_role role;
	const char *state;   /* files are read, made, replaced, removed there */
	const char *run;     /* names of sockets are removed there */
	const char *sockets; /* the same */
};

/* Before the first secret: no core dumps, no look at our memory for others of the same user, and as
 * much locked memory as the hard limit allows. */
void privilege_keep_private(void);

/* After the last thing that needs root, before the second thread; threads made later have the same
 * little. Capabilities: what the role needs and we have, none to be gained by any program. Files:
 * by Landlock, where the kernel has it. System calls: a list; what is not on it fails with ENOSYS
 * and is logged by the kernel, and what only an intruder would call ends the process.
 * WAYLEAVE_SECCOMP=kill ends it in either case, =off leaves system calls alone.
 *
 * 0, and what is in force as `key=value` words; or -errno, and what could not be given up: then
 * part of it may be gone. -EBUSY: there are other threads. -EINVAL: WAYLEAVE_SECCOMP. */
int privilege_drop(const struct privilege_options *options, char ret_text[PRIVILEGE_TEXT_SIZE]);
