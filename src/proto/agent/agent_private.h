/* Shared by the files of this room only. */
#pragma once

#include "proto/agent/agent.h"

/* map.c */
void map_receive(struct agent *agent, usec_t now, struct reader *reader);
void changes_receive(struct agent *agent, usec_t now, struct reader *reader);
void map_tick(struct agent *agent, usec_t now);

/* peer.c: a member's life between map and device. */
struct agent_peer *peer_create(struct agent *agent, const struct key *key);
void peer_destroy(struct agent_peer *peer);
/* Brings device, pair and path in line with the record. */
void peer_start(struct agent_peer *peer, usec_t now);
void peer_stop(struct agent_peer *peer);
/* The record's candidates or presence changed. */
void peer_refresh(struct agent_peer *peer, usec_t now, bool came_online);
void peer_plan(struct agent_peer *peer, usec_t now);
void peer_tick(struct agent_peer *peer, usec_t now, bool may_connect, bool *ret_connected);
usec_t peer_deadline(const struct agent_peer *peer, usec_t now);
void peer_appointment(struct agent_peer *peer, usec_t now, const struct appointment *appointment);
void peer_refused(struct agent_peer *peer, usec_t now, const struct refused *refused);

/* agent.c */
void agent_expect(struct agent *agent, usec_t deadline);
void agent_save_soon(struct agent *agent, usec_t now);
void agent_notice(struct agent *agent, enum agent_notice notice, struct agent_peer *peer,
		  const char *text);
