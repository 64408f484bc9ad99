/* The node role: one daemon per interface that owns a WireGuard device, keeps a control link to its
 * hub, and lets proto/agent decide where each peer's traffic goes. Joins decisions with effects,
 * and logs. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "conf/conf_node.h"
#include "proto/wire/join.h"

struct state_daemon;

struct node_run_options {
	const char *interface;
	const struct node_config *config; /* the caller's, for the whole run */
	struct state_daemon
		*daemon; /* told when the node is up, or why not; NULL in the foreground */
};

/* Runs until SIGTERM, SIGINT or a `down` request. 0, or 1 after an error that was told (through
 * daemon or log). */
int node_run(const struct node_run_options *options);

struct node_join_options {
	const struct join *join;
	const char *name;     /* "" = the hub's choice */
	const char *key_path; /* the new key waits here, so that a second try is the same node */
};

/* Shows the token to the hub and fills config (all but paths that have defaults). Blocks at most
 * about 30 s. 0, or -errno with one line for people in ret_error. */
int node_join(const struct node_join_options *options, struct node_config *ret_config,
	      struct buffer *ret_error);
