/* Files and folders of a daemon: a file is replaced whole or not at all, and is read with a bound.
 * Nothing here logs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buffer.h"

/* /etc/wayleave, /var/lib/wayleave, /run/wayleave, or what WAYLEAVE_CONFIG_DIR, WAYLEAVE_STATE_DIR
 * and WAYLEAVE_RUN_DIR say (absolute; an empty one counts as unset). Never NULL. */
const char *state_config_dir(void);
const char *state_state_dir(void);
const char *state_run_dir(void);
/* "folder/name" + suffix, to be freed. */
char *state_path(const char *folder, const char *name, const char *suffix);
/* Creates the folder with this mode, missing parents with 0755; what exists keeps its mode. 0 or
 * -errno (-ENOTDIR: there is something else). */
int state_make_folder(const char *path, mode_t mode);

/* New content under the name, with this mode: temporary file beside it, fsync, rename, fsync of the
 * folder. On any failure the old file is as it was, and nothing of ours stays behind. 0 or -errno
 * (-ENOSPC, -EDQUOT, -EFBIG: the disk or a limit). */
int state_write_file(const char *path, const void *data, size_t size, mode_t mode);
/* The same for a name that must not exist yet: -EEXIST, and the file is left alone. */
int state_create_file(const char *path, const void *data, size_t size, mode_t mode);
/* Removes the file and syncs the folder; a missing file is no error. */
int state_remove_file(const char *path);

/* Appends the whole file to out. 0 or -errno: -EFBIG above limit bytes, -EISDIR,
 * -EAGAIN it grew meanwhile. Room is taken
 * once, so that no copy of a key is left in freed memory; the caller wipes out. */
int state_read_file(const char *path, size_t limit, struct buffer *out);
/* The same for files that hold keys: -EKEYREJECTED when anybody but the owner may read or write the
 * file, or when it belongs to neither us nor root. */
int state_read_secret_file(const char *path, size_t limit, struct buffer *out);

/* One clause with the remedy where there is one, to be freed: "cannot write /var/lib/wayleave/map:
 * no space left on the disk; nothing was changed". action: "read", "write", ..; error: a -errno
 * from above. */
char *state_describe(const char *action, const char *path, int error);
