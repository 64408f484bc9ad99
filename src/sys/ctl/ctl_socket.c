#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "sys/ctl/ctl_private.h"

int ctl_socket_address(const char *path, struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	return *path && text_copy(ret_address->sun_path, sizeof(ret_address->sun_path), path)
		       ? 0
		       : -ENAMETOOLONG;
}

/* 0: the name is free, or nobody listens behind it any more. */
static int check_name(const char *path, const struct sockaddr_un *address)
{
	struct stat status;
	int fd, error = 0;

	if (lstat(path, &status))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		error = errno;
	close(fd);
	if (error == ECONNREFUSED || error == ENOENT)
		return 0;
	/* EAGAIN: somebody listens and is behind. */
	return !error || error == EAGAIN ? -EADDRINUSE : -error;
}

static bool find_group(const char *name, gid_t *ret_id)
{
	char memory[4096];
	struct group group, *found = NULL;

	if (!name || getgrnam_r(name, &group, memory, sizeof(memory), &found) || !found)
		return false;
	*ret_id = group.gr_gid;
	return true;
}

/* Who is not root and not in the group cannot give the file to it: then it stays 0600. */
static int set_mode(const char *path, const char *group)
{
	gid_t id;

	if (chmod(path, 0600))
		return -errno;
	if (find_group(group, &id) && !chown(path, (uid_t)-1, id) && chmod(path, 0660))
		return -errno;
	return 0;
}

/* Nobody can connect before listen(), and by then the mode is set. */
static int listen_at(int fd, const char *path, const char *group, struct stat *ret_identity)
{
	struct sockaddr_un address;
	int error = ctl_socket_address(path, &address);

	if (error)
		return error;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	error = set_mode(path, group);
	if (!error && (lstat(path, ret_identity) || listen(fd, CTL_CLIENTS_MAX)))
		error = -errno;
	return error;
}

int ctl_socket_listen(const char *path, const char *group, int *ret_fd, struct stat *ret_identity)
{
	auto_free char *temporary = memory_print("%s.new", path);
	struct sockaddr_un address;
	int fd, error = ctl_socket_address(path, &address);

	if (!error)
		error = check_name(path, &address);
	/* What a killed predecessor left. */
	if (!error && !ctl_socket_address(temporary, &address) && !check_name(temporary, &address))
		unlink(temporary);
	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	error = listen_at(fd, temporary, group, ret_identity);
	if (!error && rename(temporary, path))
		error = -errno;
	if (error) {
		/* -EADDRINUSE: the temporary name is not ours. */
		if (error != -EADDRINUSE && error != -ENAMETOOLONG)
			unlink(temporary);
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

int ctl_socket_inspect(int fd, char ret_path[CTL_PATH_SIZE], struct stat *ret_identity)
{
	struct sockaddr_un address = {0};
	socklen_t address_size = sizeof(address), size = sizeof(int);
	int listens = 0, type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) ||
	    getsockname(fd, (struct sockaddr *)&address, &address_size))
		return errno == ENOTSOCK || errno == EBADF ? -ENOTSOCK : -errno;
	snprintf(ret_path, CTL_PATH_SIZE, "%.*s", (int)sizeof(address.sun_path), address.sun_path);
	if (!listens || type != SOCK_STREAM || address.sun_family != AF_UNIX || *ret_path != '/' ||
	    lstat(ret_path, ret_identity))
		return -EINVAL;
	return 0;
}

void ctl_socket_remove(const char *path, const struct stat *identity)
{
	struct stat status;

	if (!lstat(path, &status) && status.st_dev == identity->st_dev &&
	    status.st_ino == identity->st_ino)
		unlink(path);
}
