/* Shared by the files of this room only. */
#pragma once

#include "proto/rendezvous/rendezvous.h"

void rendezvous_expect(struct rendezvous *rendezvous, usec_t deadline);
/* All changes go out now. */
void rendezvous_push(struct rendezvous *rendezvous, usec_t now);
void rendezvous_ping(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node);
/* appointment.c: `from` asks to meet the member with this key. */
void rendezvous_connect(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *from,
			const struct key *key);
