/* The hub role: public rendezvous of one network. A WireGuard peer of every node, which observes
 * their endpoints on its own socket, admits new ones by token, pushes the map, and makes
 * appointments. It never forwards packets between nodes. */
#pragma once

#include "conf/conf_hub.h"

struct hub_run_options {
	const char *interface;
	const struct hub_config *config; /* the caller's, for the whole run */
	const char *database;            /* path of the registry */
	const char *lock;                /* path of the lock that admin commands share */
	const char *socket;              /* control socket */
};

/* In the foreground until SIGTERM or SIGINT. 0, or 1 after an error that was logged. */
int hub_run(const struct hub_run_options *options);
