/* The socket where wg(8) finds a device: UAPI_FOLDER/INTERFACE.sock, for root only, since it tells
 * the private key. The owner of the device says whether wg(8) may change it, or only look. Never
 * logs. */
#pragma once

#include <stdint.h>

#define UAPI_FOLDER "/var/run/wireguard"

struct builtin;
struct loop;
struct serve;

struct serve_options {
	struct builtin *builtin;
	uint32_t fwmark; /* as the device was made with */
	int fd;          /* an inherited socket in place of UAPI_FOLDER's; 0 = none */
	/* NULL: wg(8) may change everything. Otherwise see control.h. */
	void (*on_refused)(void *owner, const char *asked);
	void *owner;
};

/* Makes the folder, too. 0 or -errno: -EADDRINUSE another program serves this name (the folder is
 * shared by all network namespaces), and those of ctl_listen() or ctl_adopt_raw(). */
int serve_new(struct loop *loop, const struct serve_options *options, struct serve **ret_serve);
/* Before the device is freed. NULL is fine. */
void serve_free(struct serve *serve);
/* Of the socket. */
const char *serve_path(const struct serve *serve);
