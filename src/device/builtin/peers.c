#include <errno.h>

#include "base/memory.h"
#include "crypto/secret.h"
#include "device/builtin/builtin_private.h"

static usec_t now_of(const struct builtin_peer *peer)
{
	return loop_now(peer->builtin->loop);
}

static struct aead *aead_of(const struct builtin_peer *peer)
{
	return peer->builtin->workers[0].aead;
}

bool builtin_may_be_peer(const struct key *public_key)
{
	return wg_may_be_peer(public_key);
}

int builtin_peer_add(struct builtin *builtin, const struct key *public_key,
		     struct builtin_peer **ret_peer)
{
	struct builtin_peer *peer;
	int result;

	if (builtin->wg->peer_count >= BUILTIN_PEERS_MAX)
		return -ENOSPC;
	peer = secret_new(sizeof(*peer));
	result = wg_peer_add(builtin->wg, &peer->wg, public_key);
	if (result) {
		secret_free(peer, sizeof(*peer));
		return result;
	}
	peer->builtin = builtin;
	stage_init(&peer->stage);
	list_init(&peer->pending);
	for (size_t i = 0; i < array_size(peer->notes); i++) {
		peer->notes[i].peer = peer;
		list_init(&peer->notes[i].entry);
	}
	*ret_peer = peer;
	return 0;
}

struct builtin_peer *builtin_peer_find(const struct builtin *builtin, const struct key *public_key)
{
	struct wg_peer *peer = wg_peer_find(builtin->wg, public_key);

	return peer ? peer_of(peer) : NULL;
}

void builtin_peer_remove(struct builtin_peer *peer)
{
	struct builtin *builtin = peer->builtin;

	stage_clear(&builtin->stage_pool, &peer->stage);
	list_remove(&peer->pending);
	workers_hold(builtin);
	for (size_t i = 0; i < array_size(peer->notes); i++)
		list_remove(&peer->notes[i].entry);
	wg_peer_remove(&peer->wg);
	workers_release(builtin);
	secret_free(peer, sizeof(*peer));
	builtin_rearm(builtin);
}

struct builtin_peer *builtin_peer_next(const struct builtin *builtin,
				       const struct builtin_peer *peer)
{
	const struct list *peers = &builtin->wg->peers;
	const struct list *entry = peer ? peer->wg.entry.next : peers->next;

	return entry == peers ? NULL : peer_of(list_entry(entry, struct wg_peer, entry));
}

size_t builtin_peer_count(const struct builtin *builtin)
{
	return builtin->wg->peer_count;
}

const struct key *builtin_peer_key(const struct builtin_peer *peer)
{
	return &peer->wg.handshake.remote_static;
}

void builtin_peer_set_owner(struct builtin_peer *peer, void *owner)
{
	peer->owner = owner;
}

void *builtin_peer_owner(const struct builtin_peer *peer)
{
	return peer->owner;
}

void builtin_peer_set_preshared_key(struct builtin_peer *peer, const struct key *preshared_key)
{
	wg_peer_set_preshared(&peer->wg, preshared_key);
}

void builtin_peer_get_preshared_key(const struct builtin_peer *peer, struct key *ret_preshared_key)
{
	*ret_preshared_key = peer->wg.handshake.preshared;
}

void builtin_peer_set_endpoint(struct builtin_peer *peer, const struct address *endpoint)
{
	/* Nobody else sends before what waits has gone. */
	workers_hold(peer->builtin);
	wg_peer_set_endpoint(&peer->wg, endpoint);
	if (peer->stage.count && wg_peer_has_session(&peer->wg, now_of(peer)))
		transmit_staged(peer);
	workers_release(peer->builtin);
	builtin_rearm(peer->builtin);
}

void builtin_peer_set_keepalive(struct builtin_peer *peer, uint16_t seconds)
{
	wg_peer_set_keepalive(&peer->wg, aead_of(peer), now_of(peer), seconds);
	builtin_rearm(peer->builtin);
}

uint16_t builtin_peer_keepalive(const struct builtin_peer *peer)
{
	return peer->wg.keepalive;
}

void builtin_peer_set_may_roam(struct builtin_peer *peer, bool may_roam)
{
	workers_hold(peer->builtin);
	peer->wg.may_roam = may_roam;
	workers_release(peer->builtin);
}

void builtin_peer_set_may_initiate(struct builtin_peer *peer, bool may_initiate)
{
	peer->wg.may_initiate = may_initiate;
}

/* Allowed IPs */

static void give_memory(struct builtin *builtin)
{
	struct allowedips *table = &builtin->wg->allowed;
	uint32_t count = 2 * table->capacity;

	free(allowedips_give_memory(table, new_array(struct allowedips_node, count), count));
}

static int allow(struct builtin_peer *peer, const struct prefix *prefix)
{
	struct allowedips *table = &peer->builtin->wg->allowed;
	int result = allowedips_add(table, prefix, &peer->wg.allowed);

	if (result != -ENOSPC)
		return result;
	give_memory(peer->builtin);
	return allowedips_add(table, prefix, &peer->wg.allowed);
}

int builtin_peer_allow(struct builtin_peer *peer, const struct prefix *prefix)
{
	int result;

	workers_hold(peer->builtin);
	result = allow(peer, prefix);
	workers_release(peer->builtin);
	return result;
}

bool builtin_peer_disallow(struct builtin_peer *peer, const struct prefix *prefix)
{
	bool was_allowed;

	workers_hold(peer->builtin);
	was_allowed = allowedips_remove(&peer->builtin->wg->allowed, prefix, &peer->wg.allowed);
	workers_release(peer->builtin);
	return was_allowed;
}

void builtin_peer_disallow_all(struct builtin_peer *peer)
{
	workers_hold(peer->builtin);
	allowedips_remove_all(&peer->builtin->wg->allowed, &peer->wg.allowed);
	workers_release(peer->builtin);
}

bool builtin_peer_allowed(const struct builtin_peer *peer, size_t index, struct prefix *ret_prefix)
{
	return index < peer->wg.allowed.count &&
	       allowedips_get(&peer->builtin->wg->allowed, &peer->wg.allowed, (uint32_t)index,
			      ret_prefix);
}

struct builtin_peer *builtin_route(const struct builtin *builtin, const struct address *destination)
{
	struct allowedips_owner *owner =
		allowedips_find(&builtin->wg->allowed, destination->family, destination->ip);

	return owner ? peer_of(container_of(owner, struct wg_peer, allowed)) : NULL;
}

/* Sessions */

void builtin_peer_start_handshake(struct builtin_peer *peer)
{
	wg_handshake_start(&peer->wg, aead_of(peer), now_of(peer));
	builtin_rearm(peer->builtin);
}

void builtin_peer_send_keepalive(struct builtin_peer *peer)
{
	wg_send_keepalive(&peer->wg, aead_of(peer), now_of(peer));
	builtin_rearm(peer->builtin);
}

void builtin_peer_end_sessions(struct builtin_peer *peer)
{
	wg_peer_end_sessions(&peer->wg);
	builtin_rearm(peer->builtin);
}

void builtin_peer_get_statistics(const struct builtin_peer *peer,
				 struct builtin_peer_statistics *ret_statistics)
{
	const struct wg_peer *wg = &peer->wg;

	*ret_statistics = (struct builtin_peer_statistics){
		.rx_bytes = wg->rx_bytes,
		.tx_bytes = wg->tx_bytes,
		.last_handshake = wg->last_handshake,
		.last_received = wg->last_received,
		.last_sent = wg->last_sent,
		.last_data = wg->last_data,
		.endpoint = wg->endpoint,
		.has_session = wg_peer_has_session(wg, now_of(peer)),
	};
}
