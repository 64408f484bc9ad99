#include "sys/state/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

/* ---- names ---- */

static const char *folder(const char *variable, const char *usual)
{
	const char *value = getenv(variable);

	return value && *value ? value : usual;
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

char *state_path(const char *folder_path, const char *name, const char *suffix)
{
	return memory_print("%s/%s%s", folder_path, name, suffix);
}

/* Whatever the umask; what exists keeps its mode. */
static int make_one(const char *path, mode_t mode)
{
	struct stat status;

	if (!mkdir(path, mode))
		return chmod(path, mode) ? -errno : 0;
	if (errno != EEXIST)
		return -errno;
	return stat(path, &status) ? -errno : S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

int state_make_folder(const char *path, mode_t mode)
{
	auto_free char *copy = memory_copy_text(path);
	int error = 0;

	if (!*path)
		return -ENOENT;
	for (char *next = strchr(copy + 1, '/'); next && !error; next = strchr(next + 1, '/')) {
		*next = '\0';
		error = make_one(copy, 0755);
		*next = '/';
	}
	return error ? error : make_one(path, mode);
}

static int sync_folder_of(const char *path)
{
	auto_free char *copy = memory_copy_text(path);
	char *slash = strrchr(copy, '/');
	int fd, error = 0;

	if (slash)
		slash[slash == copy] = '\0';
	fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* EINVAL: a filesystem that cannot. */
	if (fsync(fd) && errno != EINVAL)
		error = -errno;
	close(fd);
	return error;
}

/* ---- writing ---- */

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

/* Beyond RLIMIT_FSIZE the kernel sends SIGXFSZ, which ends the program, before it gives EFBIG. */
static int write_all_quietly(int fd, const char *data, size_t size)
{
	const struct timespec at_once = {0};
	sigset_t signal, before, pending;
	bool was_pending;
	int error;

	sigemptyset(&signal);
	sigaddset(&signal, SIGXFSZ);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &signal, &before);
	error = write_all(fd, data, size);
	if (!was_pending)
		sigtimedwait(&signal, NULL, &at_once);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* The mode comes before the first byte. */
static int fill(int fd, const void *data, size_t size, mode_t mode)
{
	int error = fchmod(fd, mode) ? -errno : write_all_quietly(fd, data, size);

	return !error && fsync(fd) ? -errno : error;
}

static int replace(const char *path, const void *data, size_t size, mode_t mode, bool is_new)
{
	auto_free char *temporary = memory_print("%s.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC), error;

	if (fd < 0)
		return -errno;
	error = fill(fd, data, size, mode);
	if (close(fd) && !error)
		error = -errno;
	/* link() fails when the name exists; rename() replaces it. */
	if (!error && (is_new ? link(temporary, path) : rename(temporary, path)))
		error = -errno;
	if (error || is_new)
		unlink(temporary);
	return error ? error : sync_folder_of(path);
}

int state_write_file(const char *path, const void *data, size_t size, mode_t mode)
{
	return replace(path, data, size, mode, false);
}

int state_create_file(const char *path, const void *data, size_t size, mode_t mode)
{
	return replace(path, data, size, mode, true);
}

int state_remove_file(const char *path)
{
	if (!unlink(path))
		return sync_folder_of(path);
	return errno == ENOENT ? 0 : -errno;
}

/* ---- reading ---- */

/* Room for limit + 1 bytes at once when the size is not known. */
static int read_all(int fd, size_t expected, size_t limit, struct buffer *out)
{
	size_t room = expected && expected <= limit ? expected + 1 : limit + 1, size = 0;
	char *start = buffer_reserve(out, room);

	while (size < room) {
		ssize_t part = read(fd, start + size, room - size);

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return -errno;
		if (!part)
			break;
		size += (size_t)part;
	}
	/* A file that grew meanwhile is no whole file. */
	if (size == room)
		return size > limit ? -EFBIG : -EAGAIN;
	out->size += size;
	out->data[out->size] = '\0';
	return 0;
}

static int check_secret(const struct stat *status)
{
	if (!S_ISREG(status->st_mode))
		return 0;
	if (status->st_mode & (S_IRWXG | S_IRWXO) ||
	    (status->st_uid && status->st_uid != geteuid()))
		return -EKEYREJECTED;
	return 0;
}

static int read_file(const char *path, size_t limit, bool is_secret, struct buffer *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), error = 0;
	struct stat status;
	size_t expected = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status))
		error = -errno;
	else if (S_ISDIR(status.st_mode))
		error = -EISDIR;
	else if (is_secret)
		error = check_secret(&status);
	if (!error && S_ISREG(status.st_mode)) {
		expected = (size_t)status.st_size;
		if (expected > limit)
			error = -EFBIG;
	}
	if (!error)
		error = read_all(fd, expected, limit, out);
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

/* ---- words ---- */

static const char *reason_of(int error)
{
	switch (-error) {
	case EFBIG:
		return "it is too large";
	case EACCES:
	case EPERM:
		return geteuid() ? "permission denied; run as root" : "permission denied";
	case ENOSPC:
	case EDQUOT:
		return "no space left on the disk; nothing was changed";
	default:
		return strerror(-error);
	}
}

char *state_describe(const char *action, const char *path, int error)
{
	char shown[512];

	text_escape(shown, sizeof(shown), path, strlen(path));
	if (error == -EKEYREJECTED)
		return memory_print("cannot %s %s: it holds keys and others may read or change "
				    "it; run: chmod 600 %s",
				    action, shown, shown);
	return memory_print("cannot %s %s: %s", action, shown, reason_of(error));
}
