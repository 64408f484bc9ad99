/* The wg role: a userspace WireGuard device alone, configured by wg(8) through its socket
 * (device/uapi), as wireguard-go is. Peers roam as in WireGuard. */
#pragma once

#include <stdint.h>

struct state_daemon;
struct wg_limits;

struct standalone_options {
	const char *interface;
	/* Inherited descriptors of the interface and of the listening socket of wg(8), in place of
	 * our own; 0 = none. */
	int tun_fd, uapi_fd;
	uint16_t workers;               /* as in struct builtin_options */
	struct state_daemon *daemon;    /* told when the socket is ready; NULL in the foreground */
	const struct wg_limits *limits; /* of sessions; NULL = WireGuard's own */
};

/* Runs until SIGTERM or SIGINT, until the interface is deleted or the socket removed. 0, or 1 after
 * an error that was told (through daemon, or on the log). */
int standalone_run(const struct standalone_options *options);
