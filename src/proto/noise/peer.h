/* Sessions and timers of one peer; shared by the files of this room. */
#pragma once

#include "proto/noise/wg.h"

/* timers.c: events of the paper's section 6, named as they happen */
void timers_init(struct wg_peer *peer);
void timers_stop(struct wg_peer *peer);
void timers_initiation_sent(struct wg_peer *peer, usec_t now);
void timers_session_derived(struct wg_peer *peer, usec_t now);
void timers_handshake_complete(struct wg_peer *peer, usec_t now);
void timers_authentic_sent(struct wg_peer *peer, usec_t now, bool is_data);
void timers_authentic_received(struct wg_peer *peer, usec_t now, bool is_data);
void timers_persistent(struct wg_peer *peer, usec_t now);
void timers_requeue(struct wg_peer *peer);
void timers_run(struct wg_peer *peer, struct aead *aead, usec_t now);

/* wg.c */
void peer_initiate(struct wg_peer *peer, struct aead *aead, usec_t now, bool is_retry);
void index_insert(struct wg *wg, struct wg_index *index, struct wg_peer *peer,
		  struct wg_keypair *keypair);
void index_remove(struct wg *wg, struct wg_index *index);
struct wg_index *index_find(const struct wg *wg, uint32_t value);

/* session.c */
void session_begin(struct wg_peer *peer, usec_t now, bool is_initiator);
void session_end_all(struct wg_peer *peer);
