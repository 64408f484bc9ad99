/* Sessions and timers of one peer; shared by the files of this room. */
#pragma once

#include "proto/noise/wg.h"

static inline void wg_hold(const struct wg *wg)
{
	if (wg->ops.hold)
		wg->ops.hold(wg->ops.owner);
}

static inline void wg_release(const struct wg *wg)
{
	if (wg->ops.release)
		wg->ops.release(wg->ops.owner);
}

/* timers.c: events of the paper's section 6, named as they happen */
void timers_init(struct wg_peer *peer);
/* Everything of a session or handshake; the persistent keepalive goes on. */
void timers_end_sessions(struct wg_peer *peer);
void timers_stop(struct wg_peer *peer);
void timers_initiation_sent(struct wg_peer *peer, usec_t now);
void timers_initiation_later(struct wg_peer *peer, usec_t now);
void timers_session_derived(struct wg_peer *peer, usec_t now);
void timers_handshake_complete(struct wg_peer *peer, usec_t now);
void timers_authentic_sent(struct wg_peer *peer, usec_t now, bool is_data);
void timers_authentic_received(struct wg_peer *peer, usec_t now, bool is_data);
void timers_persistent(struct wg_peer *peer, usec_t now);
/* Our initiation under way has to show a cookie. */
void timers_cookie_received(struct wg_peer *peer, usec_t now);
void timers_run(struct wg_peer *peer, struct aead *aead, usec_t now);

/* exchange.c */
/* A handshake because of data or a timer: nothing when the peer may not initiate. */
void peer_initiate(struct wg_peer *peer, struct aead *aead, usec_t now);
/* The initiation again, with another ephemeral key and stamp. */
void peer_initiate_again(struct wg_peer *peer, struct aead *aead, usec_t now);
/* An authentic and fresh message came from there. */
void peer_heard_from(struct wg_peer *peer, const struct address *from);
/* A handshake is agreed and confirmed. */
void peer_handshake_completed(struct wg_peer *peer, usec_t now);

/* data.c */
/* A message came under the session with that index: if it is the next one, it is confirmed. */
void peer_confirm(struct wg_peer *peer, usec_t now, uint32_t index);

/* gate.c */
/* An initiation or response of its right size: mac1 always; under load also mac2 and the rate of
 * its source, or a cookie goes back, no larger than what came. */
enum wg_drop gate_check(struct wg *wg, struct aead *aead, usec_t now, const struct address *from,
			const uint8_t *data, size_t size);

/* index.c */
/* A random value that is not 0 and that no entry has. */
uint32_t index_draw(const struct wg *wg);
/* value: from index_draw(); keypair: NULL for a handshake. */
void index_insert(struct wg *wg, struct wg_index *index, uint32_t value, struct wg_peer *peer,
		  struct wg_keypair *keypair);
/* Harmless when it is not in the table. */
void index_remove(struct wg *wg, struct wg_index *index);
struct wg_index *index_find(const struct wg *wg, uint32_t value);

/* session.c */
void session_begin(struct wg_peer *peer, usec_t now, const struct handshake_session *keys);
/* A packet came under the session with that index. The first one under the next session proves that
 * the initiator has it: it is ours to send with, unless a better one is current. True when it
 * became current. */
bool session_confirm(struct wg_peer *peer, uint32_t index);
/* The initiator renews the session in time; too many messages are a reason for both. */
void session_rekey_after_sending(struct wg_peer *peer, struct aead *aead, usec_t now);
/* The initiator's session nears its end and packets still come: it is renewed before they are
 * refused. */
void session_rekey_after_receiving(struct wg_peer *peer, struct aead *aead, usec_t now);
void session_end_all(struct wg_peer *peer);
/* Our initiation under way. */
void handshake_end(struct wg_peer *peer);
