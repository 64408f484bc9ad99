/* For the tests of this room: a folder of one's own for socket files, and patience. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/time.h"
#include "sys/ctl/ctl_private.h"
#include "sys/loop/loop.h"

#include <cmocka.h>

/* Nothing takes that long unless it fails. */
#define PATIENCE (20 * USEC_PER_SEC)

static char test_folder[64];

static inline int enter_folder(void **state)
{
	snprintf(test_folder, sizeof(test_folder), "/tmp/wayleave-ctl-XXXXXX");
	return mkdtemp(test_folder) && !chdir(test_folder) ? 0 : -1;
}

/* Fails when anything was left behind. */
static inline int leave_folder(void **state)
{
	return chdir("/") || rmdir(test_folder) ? -1 : 0;
}

/* A connected client that the test reads and writes itself; never blocks. */
static inline int connected(const char *path)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(ctl_socket_address(path, &address), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Turns the loop until the expression holds. */
#define turn_until(loop, expression)                                              \
	do {                                                                      \
		bool is_so_;                                                      \
		usec_t end_;                                                      \
                                                                                  \
		loop_turn(loop, 0);                                               \
		end_ = loop_now(loop) + PATIENCE;                                 \
		while (!(is_so_ = (expression)) && loop_now(loop) < end_)         \
			assert_int_equal(loop_turn(loop, 10 * USEC_PER_MSEC), 0); \
		assert_true(is_so_);                                              \
	} while (0)
