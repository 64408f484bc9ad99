/* One run of a mesh from a seed: places, nodes, links, and what happens to them; what must hold
 * afterwards and all the time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum scenario_kind {
	SCENARIO_PLAIN,
	SCENARIO_LONG,     /* the same for tens of minutes, through rekeys and new boot ids */
	SCENARIO_HOSTILE,  /* a member lies, floods and dawdles */
	SCENARIO_RESTARTS, /* nodes are killed and started again, without a hub and with one */
	SCENARIO_NO_APPOINTMENTS, /* the hub makes none: what needs one must not connect */
};

struct scenario_options {
	uint64_t seed;
	bool is_verbose;
};

struct scenario_result {
	enum scenario_kind kind;
	char failure[512];    /* empty: all held */
	usec_t virtual_time;  /* that passed */
	usec_t worst_settle;  /* longest recovery after something happened */
	usec_t worst_connect; /* longest time from two links to traffic both ways, without loss */
	uint64_t network_events, probes;
	unsigned nodes, pairs, connected;
	char worst_what[64]; /* what the longest recovery was from */
};

enum scenario_kind scenario_kind_of(uint64_t seed);
const char *scenario_kind_name(enum scenario_kind kind);
void scenario_run(const struct scenario_options *options, struct scenario_result *ret_result);
