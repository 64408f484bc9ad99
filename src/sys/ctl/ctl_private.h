/* What the files of this room share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "sys/ctl/ctl.h"

/* ---- requests in a byte stream; pure ---- */

enum ctl_split { CTL_SPLIT_PARTIAL, CTL_SPLIT_WHOLE, CTL_SPLIT_TOO_LARGE };

/* Looks for the first request in data, of which the first `searched` bytes gave PARTIAL before.
 * WHOLE: it has ret_size bytes, and with its end it takes up ret_total. TOO_LARGE: more than limit
 * bytes, whatever follows. */
enum ctl_split ctl_split_line(const char *data, size_t size, size_t searched, size_t limit,
			      size_t *ret_size, size_t *ret_total);
enum ctl_split ctl_split_raw(const char *data, size_t size, size_t searched, size_t limit,
			     size_t *ret_size, size_t *ret_total);

/* ---- socket files ---- */

#define CTL_PATH_SIZE (sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1)

/* 0 or -ENAMETOOLONG. */
int ctl_socket_address(const char *path, struct sockaddr_un *ret_address);
/* A listening, non-blocking socket under this name; with a group that exists mode 0660, else 0600.
 * ret_identity is for ctl_socket_remove(). Errors as ctl_listen(). */
int ctl_socket_listen(const char *path, const char *group, int *ret_fd, struct stat *ret_identity);
/* Of an inherited socket: it listens, and its name is told. 0, -ENOTSOCK, or -EINVAL. */
int ctl_socket_inspect(int fd, char ret_path[CTL_PATH_SIZE], struct stat *ret_identity);
/* Removes the name when it still is the same file. */
void ctl_socket_remove(const char *path, const struct stat *identity);

/* In place of CTL_DEADLINE, for clients that come from now on; tests have less patience. */
void ctl_server_set_deadline(struct ctl_server *server, usec_t deadline);
