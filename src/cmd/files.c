#include "cmd/files.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "conf/ini.h"
#include "crypto/secret.h"

static const char *folder(const char *variable, const char *usual)
{
	const char *value = getenv(variable);

	return value && *value ? value : usual;
}

const char *cmd_config_dir(void)
{
	return folder("WAYLEAVE_CONFIG_DIR", "/etc/wayleave");
}

const char *cmd_state_dir(void)
{
	return folder("WAYLEAVE_STATE_DIR", "/var/lib/wayleave");
}

const char *cmd_run_dir(void)
{
	return folder("WAYLEAVE_RUN_DIR", "/run/wayleave");
}

bool cmd_is_interface_name(const char *name)
{
	size_t size = strlen(name);

	if (!size || size >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++) {
		if (!isgraph((unsigned char)*name) || strchr("/:", *name))
			return false;
	}
	return true;
}

/* Reads fd to its end; more than limit bytes are -EFBIG. Room is taken once, so no copies of keys
 * stay behind. */
static int read_all(int fd, struct buffer *out, size_t limit)
{
	char *room = buffer_reserve(out, limit + 1);
	size_t size = 0;

	while (size <= limit) {
		ssize_t part = read(fd, room + size, limit + 1 - size);

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return -errno;
		if (!part)
			break;
		size += (size_t)part;
	}
	if (size > limit)
		return -EFBIG;
	out->size += size;
	out->data[out->size] = '\0';
	return 0;
}

int cmd_read_secret_file(const char *path, struct buffer *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), error = 0;
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status))
		error = -errno;
	else if (S_ISDIR(status.st_mode))
		error = -EISDIR;
	else if (S_ISREG(status.st_mode) && status.st_mode & (S_IRWXG | S_IRWXO))
		error = -EKEYREJECTED;
	else
		error = read_all(fd, out, CONF_TEXT_MAX);
	close(fd);
	return error;
}

int cmd_read_stdin(struct buffer *out, size_t limit)
{
	return read_all(STDIN_FILENO, out, limit);
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
	return fsync(fd) ? -errno : 0;
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
	if (fsync(fd))
		error = -errno;
	close(fd);
	return error;
}

int cmd_write_secret_file(const char *path, const void *data, size_t size, bool is_new)
{
	auto_free char *temporary = memory_print("%s.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC), error; /* mode 0600 */

	if (fd < 0)
		return -errno;
	error = write_all(fd, data, size);
	close(fd);
	/* link() fails when the name exists; rename() replaces it. */
	if (!error && (is_new ? link(temporary, path) : rename(temporary, path)))
		error = -errno;
	if (error || is_new)
		unlink(temporary);
	return error ? error : sync_folder_of(path);
}

int cmd_make_folder(const char *path, unsigned mode)
{
	auto_free char *copy = memory_copy_text(path);
	struct stat status;

	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	if (!mkdir(path, mode) || errno == EEXIST)
		return stat(path, &status) ? -errno : S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
	return -errno;
}

int cmd_fail_file(const char *path, int error)
{
	char shown[512];

	text_escape(shown, sizeof(shown), path, strlen(path));
	if (error == -EKEYREJECTED)
		return cmd_fail("%s holds keys and others may read it; run: chmod 600 %s", shown,
				shown);
	if (error == -EFBIG)
		return cmd_fail("%s is too large to be a config file (limit %d bytes)", shown,
				CONF_TEXT_MAX);
	if (error == -EACCES || error == -EPERM)
		return cmd_fail("%s: permission denied; run as root", shown);
	return cmd_fail("%s: %s", shown, strerror(-error));
}

void cmd_forget_buffer(struct buffer *buffer)
{
	if (buffer->data)
		secret_wipe(buffer->data, buffer->capacity);
	buffer_done(buffer);
}
