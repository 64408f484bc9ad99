/* Members that misuse what a member may do, and those they aim at: reported addresses of third
 * parties, floods of requests, answers that come late. Nobody may be hit harder than the budget
 * allows, and the honest ones must hardly notice. */
#pragma once

#include "mesh.h"
#include "proto/rendezvous/rendezvous.h"
#include "topology.h"

/* Small enough that a dozen nodes can meet them. */
extern const struct rendezvous_limits hostile_limits;

/* Makes some of the nodes bad, and adds the victims' hosts. Before any node starts. */
void hostile_prepare(struct mesh *mesh, struct topology *topology);
/* Everything that was sent, and every appointment that the hub made. */
void hostile_check(struct mesh *mesh);
