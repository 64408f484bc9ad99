/* Which pairs can talk directly, from nothing but the shape of the network: what is between two
 * hosts, and what RFC 4787's kinds of NAT let through when both send to what a third party on the
 * internet sees of the other. */
#pragma once

#include <stdbool.h>

#include "network.h"

enum oracle_verdict {
	ORACLE_NEVER,
	ORACLE_PERHAPS,  /* a NAT that moves mappings: it depends on whose packet comes first */
	ORACLE_AT_FIRST, /* with such a NAT on one side, once both have been silent for a while */
	ORACLE_ALWAYS,
};

/* A machine, and in which family the hub sees it: behind a NAT it is known in that one only. */
struct oracle_side {
	const struct host *host;
	uint8_t seen_family;
};

enum oracle_verdict oracle_can_connect(struct network *network, struct oracle_side a,
				       struct oracle_side b);
/* Only through NATs that let nobody in who was not sent to first: what an appointment is for. */
bool oracle_needs_appointment(struct network *network, const struct host *a, const struct host *b);
/* One-way delay of the shortest way between two hosts that can connect, without jitter; USEC_NEVER
 * = none. */
usec_t oracle_best_delay(struct network *network, struct oracle_side a, struct oracle_side b);
