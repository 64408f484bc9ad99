#include "sys/state/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static const char *folder(const char *variable, const char *otherwise)
{
	const char *value = getenv(variable);

	return value && *value ? value : otherwise;
}

const char *state_config_dir(void)
{
	return folder("WAYLEAVE_CONFIG_DIR", "/etc/wayleave");
}

const char *state_state_dir(void)
{
	return folder("WAYLEAVE_STATE_DIR", "/var/lib/wayleave");
}

const char *state_run_dir(void)
{
	return folder("WAYLEAVE_RUN_DIR", "/run/wayleave");
}

char *state_path(const char *path, const char *name, const char *suffix)
{
	return memory_print("%s/%s%s", path, name, suffix);
}

static int make_one(const char *path, mode_t mode)
{
	struct stat status;

	if (!mkdir(path, mode))
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &status))
		return -errno;
	return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

int state_make_folder(const char *path, mode_t mode)
{
	auto_free char *copy = memory_copy_text(path);
	int error;

	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		error = make_one(copy, 0755);
		*slash = '/';
		if (error)
			return error;
	}
	return make_one(path, mode);
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t part = write(fd, data, size);

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return -errno;
		data += part;
		size -= (size_t)part;
	}
	return 0;
}

static int sync_folder(const char *path)
{
	auto_free char *copy = memory_copy_text(path);
	char *slash = strrchr(copy, '/');
	int fd, error = 0;

	if (slash)
		slash[slash == copy] = '\0';
	fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		error = -errno;
	close(fd);
	return error;
}

/* A complete, synced file beside the name. *ret_path is to be freed and, on success, used up. */
static int write_beside(const char *path, const void *data, size_t size, mode_t mode, char **ret_path)
{
	char *temporary = memory_print("%s.%d.new", path, (int)getpid());
	int fd, error;

	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0) {
		error = -errno;
		free(temporary);
		return error;
	}
	/* The umask must not decide who reads a key. */
	error = fchmod(fd, mode) ? -errno : write_all(fd, data, size);
	if (!error && fsync(fd))
		error = -errno;
	if (close(fd) && !error)
		error = -errno;
	if (error) {
		unlink(temporary);
		free(temporary);
		return error;
	}
	*ret_path = temporary;
	return 0;
}

int state_write_file(const char *path, const void *data, size_t size, mode_t mode)
{
	auto_free char *temporary = NULL;
	int error = write_beside(path, data, size, mode, &temporary);

	if (error)
		return error;
	if (rename(temporary, path)) {
		error = -errno;
		unlink(temporary);
		return error;
	}
	return sync_folder(path);
}

int state_create_file(const char *path, const void *data, size_t size, mode_t mode)
{
	auto_free char *temporary = NULL;
	int error = write_beside(path, data, size, mode, &temporary);

	if (error)
		return error;
	/* link(2) is the rename that never replaces. */
	error = link(temporary, path) ? -errno : 0;
	unlink(temporary);
	return error ? error : sync_folder(path);
}

int state_remove_file(const char *path)
{
	if (unlink(path))
		return errno == ENOENT ? 0 : -errno;
	return sync_folder(path);
}

static int read_open_file(int fd, size_t limit, struct buffer *out)
{
	struct stat status;
	size_t room;

	if (fstat(fd, &status))
		return -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	room = S_ISREG(status.st_mode) ? (size_t)status.st_size : limit;
	if (room > limit)
		return -EFBIG;
	buffer_reserve(out, room + 1);
	for (;;) {
		size_t left = out->capacity - out->size - 1;
		ssize_t part = left ? read(fd, out->data + out->size, left) : 0;

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return -errno;
		out->size += (size_t)part;
		if (out->size > limit || (!part && !left))
			return -EFBIG;
		if (!part)
			break;
	}
	out->data[out->size] = '\0';
	return 0;
}

static int read_file(const char *path, size_t limit, bool is_secret, struct buffer *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = 0;
	struct stat status;

	if (fd < 0)
		return -errno;
	if (is_secret && fstat(fd, &status))
		error = -errno;
	if (!error && is_secret &&
	    ((status.st_mode & (S_IRWXG | S_IRWXO)) || (status.st_uid && status.st_uid != geteuid())))
		error = -EKEYREJECTED;
	if (!error)
		error = read_open_file(fd, limit, out);
	close(fd);
	return error;
}

int state_read_file(const char *path, size_t limit, struct buffer *out)
{
	return read_file(path, limit, false, out);
}

int state_read_secret_file(const char *path, size_t limit, struct buffer *out)
{
	return read_file(path, limit, true, out);
}

char *state_describe(const char *action, const char *path, int error)
{
	if (error == -EKEYREJECTED)
		return memory_print("cannot %s %s: others may read it; chmod 600 it", action, path);
	if (error == -EFBIG)
		return memory_print("cannot %s %s: it is too large", action, path);
	if (error == -ENOSPC || error == -EDQUOT)
		return memory_print("cannot %s %s: no space left on the disk; the old one is intact",
				    action, path);
	return memory_print("cannot %s %s: %s", action, path, strerror(-error));
}
