/* Where wayleave's files are, and how files that hold keys are read and written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* /etc/wayleave, /var/lib/wayleave, /run/wayleave, or what WAYLEAVE_CONFIG_DIR, WAYLEAVE_STATE_DIR
 * and WAYLEAVE_RUN_DIR say. Never NULL. */
const char *cmd_config_dir(void);
const char *cmd_state_dir(void);
const char *cmd_run_dir(void);
/* True for what the kernel takes as an interface name: 1-15 characters, no '/', blank or control.
 */
bool cmd_is_interface_name(const char *name);

/* Whole file into out. 0 or -errno: -EKEYREJECTED when others than the owner may read it (security
 * 26), -EFBIG above CONF_TEXT_MAX. */
int cmd_read_secret_file(const char *path, struct buffer *out);
/* Whole stdin (until its end) into out; -EFBIG above the limit. */
int cmd_read_stdin(struct buffer *out, size_t limit);
/* New content under the old name: temporary file of mode 0600, fsync, rename, fsync of the folder.
 * With is_new an existing file is left alone and -EEXIST returned. 0 or -errno; nothing
 * half-written stays. */
int cmd_write_secret_file(const char *path, const void *data, size_t size, bool is_new);
/* Creates the folder (and its parents) with the mode when missing. 0 or -errno. */
int cmd_make_folder(const char *path, unsigned mode);
/* Says what is wrong with the file and what to do about it, for the errors above; returns
 * CMD_FAILED. */
int cmd_fail_file(const char *path, int error);
/* Wipes and releases a buffer that held secrets. */
void cmd_forget_buffer(struct buffer *buffer);
