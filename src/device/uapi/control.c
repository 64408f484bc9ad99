#include "device/uapi/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/secret.h"
#include "device/builtin/builtin.h"
#include "device/uapi/uapi.h"
#include "port/port.h"

/* Of a set request: peers that would be new, and whether all their keys can be peers at all. */
static int check_peers(const struct control *control, const struct uapi_set *set)
{
	size_t count = set->replaces_peers ? 0 : builtin_peer_count(control->builtin);

	for (size_t i = 0; i < set->peer_count; i++) {
		const struct uapi_peer *peer = &set->peers[i];
		bool is_known = !set->replaces_peers &&
				builtin_peer_find(control->builtin, &peer->public_key);

		if (is_known || peer->is_removed || peer->must_exist)
			continue;
		if (!builtin_may_be_peer(&peer->public_key))
			return -EINVAL;
		count++;
	}
	return count > BUILTIN_PEERS_MAX ? -ENOSPC : 0;
}

static int apply_port(struct control *control, const struct uapi_set *set)
{
	struct port *port = builtin_port(control->builtin);
	uint16_t former = port_number(port);
	int result = 0;

	if (set->has_listen_port)
		result = builtin_set_listen_port(control->builtin, set->listen_port);
	if (result || !set->has_fwmark)
		return result;
	result = port_set_fwmark(port, set->fwmark);
	if (!result)
		control->fwmark = set->fwmark;
	else if (set->has_listen_port)
		builtin_set_listen_port(control->builtin, former);
	return result;
}

static void remove_all_peers(struct builtin *builtin)
{
	struct builtin_peer *peer;

	while ((peer = builtin_peer_next(builtin, NULL)))
		builtin_peer_remove(peer);
}

/* A device is never its own peer: WireGuard leaves such a peer out without a word, so that one
 * file with all peers serves every machine. */
static bool is_own_key(const struct control *control, const struct key *public_key)
{
	struct key own;

	builtin_get_public_key(control->builtin, &own);
	return builtin_has_private_key(control->builtin) && key_is_equal(&own, public_key);
}

static void apply_private_key(struct control *control, const struct uapi_set *set)
{
	struct key own;
	struct builtin_peer *self;

	if (!set->has_private_key)
		return;
	builtin_set_private_key(control->builtin, &set->private_key);
	builtin_get_public_key(control->builtin, &own);
	self = builtin_peer_find(control->builtin, &own);
	if (self)
		builtin_peer_remove(self);
}

static void apply_allowed(struct builtin_peer *peer, const struct uapi_set *set,
			  const struct uapi_peer *wanted)
{
	if (wanted->replaces_allowed)
		builtin_peer_disallow_all(peer);
	for (size_t i = 0; i < wanted->allowed_count; i++) {
		const struct uapi_allowed *allowed = &set->allowed[wanted->first_allowed + i];

		if (allowed->is_removed)
			builtin_peer_disallow(peer, &allowed->prefix);
		else
			builtin_peer_allow(peer, &allowed->prefix);
	}
}

/* NULL when there is nothing to do for this peer. */
static struct builtin_peer *find_or_add(struct control *control, const struct uapi_peer *wanted)
{
	struct builtin_peer *peer = builtin_peer_find(control->builtin, &wanted->public_key);

	if (wanted->is_removed) {
		if (peer)
			builtin_peer_remove(peer);
		return NULL;
	}
	if (peer || wanted->must_exist || is_own_key(control, &wanted->public_key))
		return peer;
	return builtin_peer_add(control->builtin, &wanted->public_key, &peer) ? NULL : peer;
}

static void apply_peer(struct control *control, const struct uapi_set *set,
		       const struct uapi_peer *wanted)
{
	struct builtin_peer *peer = find_or_add(control, wanted);

	if (!peer)
		return;
	if (wanted->has_preshared_key)
		builtin_peer_set_preshared_key(peer, &wanted->preshared_key);
	if (wanted->has_endpoint)
		builtin_peer_set_endpoint(peer, &wanted->endpoint);
	apply_allowed(peer, set, wanted);
	/* Last, because switching it on sends a packet. */
	if (wanted->has_keepalive)
		builtin_peer_set_keepalive(peer, wanted->keepalive);
}

int control_apply(struct control *control, const struct uapi_set *set)
{
	int result = check_peers(control, set);

	if (!result)
		result = apply_port(control, set);
	if (result)
		return result;
	apply_private_key(control, set);
	if (set->replaces_peers)
		remove_all_peers(control->builtin);
	for (size_t i = 0; i < set->peer_count; i++)
		apply_peer(control, set, &set->peers[i]);
	return 0;
}

static void print_peer(struct builtin_peer *peer, usec_t now, uint64_t realtime_nsec,
		       struct buffer *answer)
{
	struct builtin_peer_statistics statistics;
	struct uapi_peer_status status = {.public_key = *builtin_peer_key(peer),
					  .keepalive = builtin_peer_keepalive(peer)};
	struct prefix prefix;

	builtin_peer_get_statistics(peer, &statistics);
	builtin_peer_get_preshared_key(peer, &status.preshared_key);
	status.endpoint = statistics.endpoint;
	status.rx_bytes = statistics.rx_bytes;
	status.tx_bytes = statistics.tx_bytes;
	if (statistics.last_handshake)
		status.handshake_nsec =
			realtime_nsec - usec_since(now, statistics.last_handshake) * 1000;
	uapi_print_peer(answer, &status);
	secret_wipe(&status, sizeof(status));
	for (size_t i = 0; builtin_peer_allowed(peer, i, &prefix); i++)
		uapi_print_allowed(answer, &prefix);
}

static void print_all(const struct control *control, usec_t now, uint64_t realtime_nsec,
		      struct buffer *answer)
{
	struct uapi_device_status device = {.listen_port =
						    port_number(builtin_port(control->builtin)),
					    .fwmark = control->fwmark};
	struct builtin_peer *peer = NULL;

	builtin_get_private_key(control->builtin, &device.private_key);
	uapi_print_device(answer, &device);
	secret_wipe(&device, sizeof(device));
	while ((peer = builtin_peer_next(control->builtin, peer)))
		print_peer(peer, now, realtime_nsec, answer);
}

/* Keys of peers are public; what else was asked is told by name only. */
static void refuse(const struct control *control, const struct uapi_set *set)
{
	char asked[160], key[KEY_TEXT_SIZE] = "";

	if (set->peer_count)
		key_print(&set->peers[0].public_key, key);
	snprintf(asked, sizeof(asked), "%s%s%s%speers=%zu%s%s",
		 set->has_private_key ? "private-key " : "",
		 set->has_listen_port ? "listen-port " : "", set->has_fwmark ? "fwmark " : "",
		 set->replaces_peers ? "replace-peers " : "", set->peer_count, *key ? " peer=" : "",
		 key);
	control->on_refused(control->owner, asked);
}

static bool is_change(const struct uapi_set *set)
{
	return set->has_private_key || set->has_listen_port || set->has_fwmark ||
	       set->replaces_peers || set->peer_count;
}

static int answer_set(struct control *control, const char *request, size_t size)
{
	struct uapi_set set;
	size_t line;
	int result = uapi_set_parse(request, size, &set, &line);

	if (result)
		return result;
	if (!control->on_refused) {
		result = control_apply(control, &set);
	} else if (is_change(&set)) {
		refuse(control, &set);
		result = -EPERM;
	}
	uapi_set_done(&set);
	return result;
}

void control_answer(struct control *control, usec_t now, uint64_t realtime_nsec,
		    const char *request, size_t size, struct buffer *answer)
{
	int result = -EPROTO;

	switch (uapi_kind_of(request, size)) {
	case UAPI_GET:
		result = size > strlen("get=1\n") ? -EINVAL : 0;
		if (result)
			break;
		print_all(control, now, realtime_nsec, answer);
		break;
	case UAPI_SET:
		result = answer_set(control, request, size);
		break;
	case UAPI_UNKNOWN:
		break;
	}
	uapi_print_end(answer, result);
}
