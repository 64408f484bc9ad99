/* Many nodes on one hub, all with public addresses: what it costs that everybody knows everybody, a
 * change, a restart of the hub, and nothing at all. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

#define SCALE_LINK_RTT (60 * USEC_PER_MSEC)

enum scale_phase {
	SCALE_JOIN,    /* all start within 10 s, and know no map */
	SCALE_RENAME,  /* of one node */
	SCALE_REMOVE,  /* of another */
	SCALE_RESTART, /* of the hub, away for a second */
	SCALE_IDLE,
	SCALE_PHASES
};

struct scale_phase_result {
	usec_t took;              /* virtual; SCALE_JOIN: after the last one started */
	double processor_seconds; /* of hub, nodes and network */
	uint64_t messages, bytes; /* of the hub, over control links */
	uint64_t hub_datagrams, node_datagrams;
	uint64_t wakes; /* of all nodes */
};

struct scale_result {
	char failure[512]; /* empty: all held */
	size_t nodes;
	struct scale_phase_result phases[SCALE_PHASES];
	size_t memory; /* bytes in use after SCALE_JOIN, more than before; 0 = not known */
	size_t agent_size, peer_size; /* bytes: without peers, and each of them, device included */
};

const char *scale_phase_name(enum scale_phase phase);
/* idle: how long nothing happens. */
void scale_run(uint64_t seed, size_t nodes, usec_t idle, bool is_verbose,
	       struct scale_result *ret_result);
void scale_print(const struct scale_result *result);
