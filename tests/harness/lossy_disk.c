#include "lossy_disk.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 8
#define SECTOR    512
#define REGIONS   8

struct content {
	uint8_t *bytes;
	size_t size;
	bool exists;
};

/* A write, or a truncation to `offset` when bytes is NULL. */
struct pending {
	struct pending *next;
	uint8_t *bytes;
	size_t offset, size;
};

struct lossy_file {
	char path[256];
	struct content now, synced;
	struct pending *first, **last;
	void *regions[REGIONS]; /* the shared memory of the WAL's index: gone with the power */
};

struct lossy_handle {
	sqlite3_file base;
	struct lossy_file *file;
	bool is_temporary;
};

static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	struct seeded *random;
	struct lossy_file files[FILES_MAX];
	size_t count;
	unsigned points, crash_at, fill_at;
	bool is_dead;
} disk;

/* ---- contents ---- */

static void content_resize(struct content *content, size_t size)
{
	content->bytes = realloc(content->bytes, size ? size : 1);
	if (!content->bytes)
		abort();
	if (size > content->size)
		memset(content->bytes + content->size, 0, size - content->size);
	content->size = size;
	content->exists = true;
}

static void content_write(struct content *content, const void *bytes, size_t size, size_t offset)
{
	if (offset + size > content->size)
		content_resize(content, offset + size);
	memcpy(content->bytes + offset, bytes, size);
	content->exists = true;
}

static void content_copy(struct content *to, const struct content *from)
{
	content_resize(to, from->size);
	if (from->size)
		memcpy(to->bytes, from->bytes, from->size);
	to->exists = from->exists;
}

static void content_clear(struct content *content)
{
	free(content->bytes);
	memset(content, 0, sizeof(*content));
}

static void forget_pending(struct lossy_file *file)
{
	while (file->first) {
		struct pending *pending = file->first;

		file->first = pending->next;
		free(pending->bytes);
		free(pending);
	}
	file->last = &file->first;
}

static void add_pending(struct lossy_file *file, const void *bytes, size_t size, size_t offset)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (!pending)
		abort();
	if (bytes) {
		pending->bytes = malloc(size ? size : 1);
		if (!pending->bytes)
			abort();
		memcpy(pending->bytes, bytes, size);
	}
	pending->size = size;
	pending->offset = offset;
	*file->last = pending;
	file->last = &pending->next;
}

static void load_real(struct lossy_file *file)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return;
	if (fstat(fd, &status))
		abort();
	content_resize(&file->now, (size_t)status.st_size);
	if (read(fd, file->now.bytes, file->now.size) != status.st_size)
		abort();
	content_copy(&file->synced, &file->now);
	close(fd);
}

static struct lossy_file *file_of(const char *path)
{
	struct lossy_file *file;

	for (size_t i = 0; i < disk.count; i++) {
		if (!strcmp(disk.files[i].path, path))
			return &disk.files[i];
	}
	if (disk.count == FILES_MAX || strlen(path) >= sizeof(file->path))
		abort();
	file = &disk.files[disk.count++];
	strcpy(file->path, path);
	file->last = &file->first;
	load_real(file);
	return file;
}

/* ---- power ---- */

enum verdict { GO_ON, NO_POWER, NO_SPACE };

static enum verdict next_point(bool needs_space)
{
	unsigned point = disk.points;

	if (disk.is_dead)
		return NO_POWER;
	disk.points++;
	if (point == disk.crash_at) {
		disk.is_dead = true;
		return NO_POWER;
	}
	return needs_space && point >= disk.fill_at ? NO_SPACE : GO_ON;
}

static void keep_some(struct lossy_file *file)
{
	for (struct pending *pending = file->first; pending; pending = pending->next) {
		if (!pending->bytes) {
			if (seeded_below(disk.random, 2))
				content_resize(&file->synced, pending->offset);
			continue;
		}
		for (size_t at = 0; at < pending->size;) {
			size_t part = SECTOR - (pending->offset + at) % SECTOR;

			if (part > pending->size - at)
				part = pending->size - at;
			if (seeded_below(disk.random, 2))
				content_write(&file->synced, pending->bytes + at, part,
					      pending->offset + at);
			at += part;
		}
	}
}

void lossy_reboot(enum lossy_loss loss)
{
	for (size_t i = 0; i < disk.count; i++) {
		struct lossy_file *file = &disk.files[i];

		if (loss == LOSSY_KEEPS_SOME)
			keep_some(file);
		if (loss == LOSSY_KEEPS_ALL)
			content_copy(&file->synced, &file->now);
		content_copy(&file->now, &file->synced);
		forget_pending(file);
		for (size_t region = 0; region < REGIONS; region++) {
			free(file->regions[region]);
			file->regions[region] = NULL;
		}
	}
	disk.is_dead = false;
	disk.crash_at = disk.fill_at = LOSSY_NEVER;
}

unsigned lossy_points(void)
{
	return disk.points;
}

void lossy_crash_at(unsigned point)
{
	disk.crash_at = point;
}

void lossy_fill_at(unsigned point)
{
	disk.fill_at = point;
}

bool lossy_is_dead(void)
{
	return disk.is_dead;
}

void lossy_reset(void)
{
	lossy_reboot(LOSSY_KEEPS_SYNCED);
	for (size_t i = 0; i < disk.count; i++) {
		content_clear(&disk.files[i].now);
		content_clear(&disk.files[i].synced);
	}
	disk.count = 0;
	disk.points = 0;
}

/* ---- SQLite's file ---- */

static struct lossy_file *file_in(sqlite3_file *handle)
{
	return ((struct lossy_handle *)handle)->file;
}

static int on_close(sqlite3_file *handle)
{
	if (((struct lossy_handle *)handle)->is_temporary)
		content_clear(&file_in(handle)->now);
	return SQLITE_OK;
}

static int on_read(sqlite3_file *handle, void *out, int size, sqlite3_int64 offset)
{
	const struct content *content = &file_in(handle)->now;
	size_t there;

	if (disk.is_dead)
		return SQLITE_IOERR_READ;
	there = (size_t)offset < content->size ? content->size - (size_t)offset : 0;
	if (there > (size_t)size)
		there = (size_t)size;
	memset(out, 0, (size_t)size);
	if (there)
		memcpy(out, content->bytes + offset, there);
	return there < (size_t)size ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int on_write(sqlite3_file *handle, const void *data, int size, sqlite3_int64 offset)
{
	struct lossy_file *file = file_in(handle);
	enum verdict verdict = next_point(true);

	if (verdict == NO_SPACE)
		return SQLITE_FULL;
	/* The last write may be on its way when the power goes. */
	if (verdict == GO_ON || disk.points == disk.crash_at + 1) {
		content_write(&file->now, data, (size_t)size, (size_t)offset);
		add_pending(file, data, (size_t)size, (size_t)offset);
	}
	return verdict == GO_ON ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

static int on_truncate(sqlite3_file *handle, sqlite3_int64 size)
{
	struct lossy_file *file = file_in(handle);

	if (next_point(false) != GO_ON)
		return SQLITE_IOERR_TRUNCATE;
	content_resize(&file->now, (size_t)size);
	add_pending(file, NULL, 0, (size_t)size);
	return SQLITE_OK;
}

static int on_sync(sqlite3_file *handle, int flags)
{
	struct lossy_file *file = file_in(handle);

	if (next_point(false) != GO_ON)
		return SQLITE_IOERR_FSYNC;
	content_copy(&file->synced, &file->now);
	forget_pending(file);
	return SQLITE_OK;
}

static int on_size(sqlite3_file *handle, sqlite3_int64 *ret_size)
{
	*ret_size = (sqlite3_int64)file_in(handle)->now.size;
	return disk.is_dead ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

static int on_lock(sqlite3_file *handle, int lock)
{
	return SQLITE_OK;
}

static int on_check_lock(sqlite3_file *handle, int *ret_is_locked)
{
	*ret_is_locked = 0;
	return SQLITE_OK;
}

static int on_control(sqlite3_file *handle, int operation, void *argument)
{
	return SQLITE_NOTFOUND;
}

static int on_sector_size(sqlite3_file *handle)
{
	return SECTOR;
}

/* What SQLite assumes of a Unix disk. */
static int on_characteristics(sqlite3_file *handle)
{
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int on_shm_map(sqlite3_file *handle, int region, int size, int extend, void volatile **ret)
{
	struct lossy_file *file = file_in(handle);

	if (region >= REGIONS)
		return SQLITE_IOERR_SHMSIZE;
	if (!file->regions[region] && extend)
		file->regions[region] = calloc(1, (size_t)size);
	*ret = file->regions[region];
	return SQLITE_OK;
}

static int on_shm_lock(sqlite3_file *handle, int offset, int count, int flags)
{
	return SQLITE_OK;
}

static void on_shm_barrier(sqlite3_file *handle)
{
	__sync_synchronize();
}

static int on_shm_unmap(sqlite3_file *handle, int is_delete)
{
	struct lossy_file *file = file_in(handle);

	for (size_t i = 0; i < REGIONS && is_delete; i++) {
		free(file->regions[i]);
		file->regions[i] = NULL;
	}
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_size,
	.xLock = on_lock,
	.xUnlock = on_lock,
	.xCheckReservedLock = on_check_lock,
	.xFileControl = on_control,
	.xSectorSize = on_sector_size,
	.xDeviceCharacteristics = on_characteristics,
	.xShmMap = on_shm_map,
	.xShmLock = on_shm_lock,
	.xShmBarrier = on_shm_barrier,
	.xShmUnmap = on_shm_unmap,
};

/* ---- SQLite's file system ---- */

static int on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *handle, int flags,
		   int *ret_flags)
{
	struct lossy_handle *lossy = (struct lossy_handle *)handle;

	handle->pMethods = NULL;
	if (disk.is_dead)
		return SQLITE_CANTOPEN;
	lossy->file = file_of(path ? path : "temporary");
	lossy->is_temporary = !path;
	if (!lossy->file->now.exists && !(flags & SQLITE_OPEN_CREATE) && path)
		return SQLITE_CANTOPEN;
	lossy->file->now.exists = true;
	handle->pMethods = &methods;
	if (ret_flags)
		*ret_flags = flags;
	return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *path, int must_sync)
{
	struct lossy_file *file = file_of(path);

	if (!file->now.exists)
		return SQLITE_IOERR_DELETE_NOENT;
	if (next_point(false) != GO_ON)
		return SQLITE_IOERR_DELETE;
	content_clear(&file->now);
	forget_pending(file);
	if (must_sync)
		content_clear(&file->synced);
	return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret_is_there)
{
	*ret_is_there = file_of(path)->now.exists;
	return SQLITE_OK;
}

static int on_full_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
	return disk.real->xFullPathname(disk.real, path, size, out);
}

void lossy_start(struct seeded *random)
{
	disk.real = sqlite3_vfs_find(NULL);
	disk.random = random;
	disk.vfs = *disk.real;
	disk.vfs.zName = "lossy";
	disk.vfs.iVersion = 1;
	disk.vfs.pNext = NULL;
	disk.vfs.szOsFile = sizeof(struct lossy_handle);
	disk.vfs.xOpen = on_open;
	disk.vfs.xDelete = on_delete;
	disk.vfs.xAccess = on_access;
	disk.vfs.xFullPathname = on_full_path;
	disk.crash_at = disk.fill_at = LOSSY_NEVER;
	if (sqlite3_vfs_register(&disk.vfs, 1) != SQLITE_OK)
		abort();
}

void lossy_stop(void)
{
	lossy_reset();
	sqlite3_vfs_unregister(&disk.vfs);
}
