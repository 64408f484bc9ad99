/* Which addresses of a peer may be probed (security 4). Pure rules over what the agent knows. */
#pragma once

#include <stdbool.h>

#include "proto/agent/agent.h"

/* The node's own candidates for its report; at most NODE_CANDIDATES_MAX. */
size_t filter_own(const struct agent *agent, struct candidate *ret_candidates);
/* Those of peer's candidates that may be probed, in order. */
size_t filter_peer(struct agent *agent, const struct agent_peer *peer,
		   struct candidate *ret_candidates);
/* May this address that authentic packets came from be probed? */
bool filter_seen(struct agent *agent, const struct address *address);
