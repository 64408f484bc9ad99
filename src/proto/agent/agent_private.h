/* Shared by the files of this room only. */
#pragma once

#include "proto/agent/agent.h"

/* map.c */
/* The reader stands behind the kind. age: of the map, 0 from the hub itself. */
void map_apply(struct agent *agent, usec_t now, struct reader *reader, usec_t age);
/* Why a map may not be used; NULL = it may. */
const char *map_header_fault(const struct agent *agent, const struct map_header *header);
void changes_receive(struct agent *agent, usec_t now, struct reader *reader);
/* Whatever its prefix length. */
bool map_has_address(const struct map_node *node, const struct prefix *address);

/* members.c */
/* What was staged becomes real. is_whole: members that were not staged have left. */
void members_commit(struct agent *agent, usec_t now, bool is_whole);
void members_leave(struct agent_peer *peer);
void members_tick(struct agent *agent, usec_t now);

/* pins.c */
void pins_add(struct agent *agent, const struct map_node *record);
/* Of another key that had this name or one of these addresses; NULL = none. */
struct agent_peer *pins_find(const struct agent *agent, const struct map_node *record);
void pins_drop(struct agent *agent, struct agent_peer *pin);
/* The oldest go until AGENT_PINS_MAX are left. */
void pins_trim(struct agent *agent);
void pins_clear(struct agent *agent);

/* tombstones.c */
void tombstones_add(struct agent *agent, const struct key *key, uint64_t admitted);
/* The record tells of an admission that ended. */
bool tombstones_refuse(const struct agent *agent, const struct map_node *node);
void tombstones_write(const struct agent *agent, struct writer *writer);
void tombstones_read(struct agent *agent, struct reader *reader);

/* peer.c: a member's life between map and device. */
struct agent_peer *peer_create(struct agent *agent, const struct key *key);
void peer_destroy(struct agent_peer *peer);
/* Brings device, pair and path in line with the record. */
void peer_start(struct agent_peer *peer, usec_t now);
void peer_stop(struct agent_peer *peer);
/* The record's candidates changed, or its presence. */
void peer_refresh(struct agent_peer *peer, usec_t now, bool has_presence_changed);
/* What failed may work from now on: forget how often it did. */
void peer_retry(struct agent_peer *peer, usec_t now);
void peer_plan(struct agent_peer *peer, usec_t now);
void peer_tick(struct agent_peer *peer, usec_t now, bool may_connect, bool *ret_connected);
usec_t peer_deadline(const struct agent_peer *peer, usec_t now);
void peer_appointment(struct agent_peer *peer, usec_t now, const struct appointment *appointment);
/* In a fresh answer. */
void peer_session_told(struct agent_peer *peer, usec_t now, bool has_session);
void peer_refused(struct agent_peer *peer, usec_t now, const struct refused *refused);

/* agent.c */
bool agent_is_self(const struct agent *agent, const struct key *key);
void agent_expect(struct agent *agent, usec_t deadline);
void agent_save_soon(struct agent *agent, usec_t now);
void agent_notice(struct agent *agent, enum agent_notice notice, struct agent_peer *peer,
		  const char *text);
