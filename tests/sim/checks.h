/* What must hold in a mesh, whatever happened. Each check keeps its finding with mesh_fail(). */
#pragma once

#include "node.h"
#include "oracle.h"

/* Both run, are members that say where they are, and their machines are on. */
bool checks_are_active(const struct node *a, const struct node *b);
struct pairs {
	bool has[MESH_NODES_MAX][MESH_NODES_MAX];
};
/* Those that have a path both ways now. */
void checks_get_met(struct mesh *mesh, struct pairs *ret_pairs);
/* Paths and traffic of all pairs that can have them, at least so surely, both ways, with packets
 * sent after `since`. NULL, or what is missing yet. */
const char *checks_missing(struct mesh *mesh, const struct pairs *only, enum oracle_verdict least,
			   usec_t since, char *text, size_t size);
/* From the moment that both had a link to traffic both ways, the longest of all pairs.
 * *ret_slowest: which. */
usec_t checks_slowest_start(struct mesh *mesh, char *slowest, size_t size);
/* Pairs that can connect, and of them those that need an appointment. */
void checks_count(struct mesh *mesh, unsigned *ret_pairs, unsigned *ret_appointed);

/* A stretch of time without events. */
struct calm {
	usec_t since;
	struct pairs met;
	unsigned path_changes[MESH_NODES_MAX][MESH_NODES_MAX];
	uint32_t sent[MESH_NODES_MAX][MESH_NODES_MAX], received[MESH_NODES_MAX][MESH_NODES_MAX];
	uint64_t probes[MESH_NODES_MAX];
};
void calm_begin(struct mesh *mesh, struct calm *ret_calm);
/* has_loss: links lose datagrams. */
void calm_end(struct mesh *mesh, const struct calm *calm, bool has_loss);

/* Of all ways to a peer its traffic takes about the shortest. Where no link loses anything. */
void checks_best_paths(struct mesh *mesh, usec_t jitter);
/* Nobody who never answered was sent more than the budget. */
void checks_budget(struct mesh *mesh);
/* What holds at every moment: sizes, agreement of states, nothing at the hub that is not the hub's.
 */
void checks_always(struct mesh *mesh);
/* `gone` is in nobody's map or device. */
void checks_removed(struct mesh *mesh, const struct node *gone);
