/* Who is a member: joins, leaves, comes back, is suspect because another key had its name (security
 * 6), and is dropped when no hub confirms the map for too long (security 10). */
#include <errno.h>
#include <string.h>

#include "proto/agent/agent_private.h"

static void quarantine(struct agent_peer *peer)
{
	peer_stop(peer);
	peer->is_quarantined = true;
	peer->reason = REASON_KEY_CHANGED;
	agent_notice(peer->agent, NOTICE_KEY_CHANGED, peer,
		     "its name or address belonged to another key");
}

void members_leave(struct agent_peer *peer)
{
	struct agent *agent = peer->agent;

	agent->member_count--;
	if (!peer->is_quarantined) {
		peer_stop(peer);
		agent_notice(agent, NOTICE_PEER_LEFT, peer, NULL);
		pins_add(agent, &peer->record);
	}
	peer_destroy(peer);
}

/* The length of routes matters too. */
static bool is_same_addresses(const struct map_node *a, const struct map_node *b)
{
	if (a->address_count != b->address_count)
		return false;
	for (size_t i = 0; i < a->address_count; i++) {
		bool is_there = false;

		for (size_t j = 0; j < b->address_count; j++)
			is_there |= prefix_is_equal(&a->addresses[i], &b->addresses[j]);
		if (!is_there)
			return false;
	}
	return true;
}

static void start_or_change(struct agent_peer *peer, usec_t now, bool has_changed,
			    bool has_presence_changed)
{
	struct agent *agent = peer->agent;

	if (!peer->has_device) {
		/* New, or no longer suspect, or the map had expired. */
		peer_start(peer, now);
		if (peer->has_device)
			agent_notice(agent, NOTICE_PEER_JOINED, peer, NULL);
		return;
	}
	if (has_changed)
		agent->ops.peer_change(agent->ops.owner, peer);
	peer_refresh(peer, now, has_presence_changed);
}

static void commit_peer(struct agent_peer *peer, usec_t now)
{
	bool has_changed = strcmp(peer->record.name, peer->staged.name) ||
			   !is_same_addresses(&peer->record, &peer->staged);
	bool has_presence_changed = peer->staged.is_online != peer->record.is_online;
	bool is_suspect = !peer->has_device || has_changed;

	peer->record = peer->staged;
	if (is_suspect && pins_find(peer->agent, &peer->record)) {
		if (!peer->is_quarantined)
			quarantine(peer);
		return;
	}
	peer->is_quarantined = false;
	start_or_change(peer, now, has_changed, has_presence_changed);
}

static void commit_left(struct agent *agent, bool is_whole)
{
	struct agent_peer *peer, *after;

	list_for_each_safe (peer, after, &agent->peers, entry) {
		if (peer->staged_in == agent->generation)
			continue;
		if (is_whole && peer->is_member)
			members_leave(peer);
		else if (!peer->is_member)
			peer_destroy(peer); /* made for a record that lost its claims */
	}
}

static bool gives_up_claims(const struct agent_peer *peer)
{
	if (strcmp(peer->record.name, peer->staged.name))
		return true;
	for (size_t i = 0; i < peer->record.address_count; i++) {
		if (!map_has_address(&peer->staged, &peer->record.addresses[i]))
			return true;
	}
	return false;
}

/* What a member had stays its own, whoever is said to have it next, in this map or a later one. */
static void pin_former_claims(struct agent *agent)
{
	struct agent_peer *peer;

	list_for_each (peer, &agent->peers, entry) {
		if (peer->is_member && !peer->is_quarantined &&
		    peer->staged_in == agent->generation && gives_up_claims(peer))
			pins_add(agent, &peer->record);
	}
}

/* First of all that is new, so that the size of the network is known before anybody starts. */
static void enter_staged(struct agent *agent)
{
	struct agent_peer *peer;

	list_for_each (peer, &agent->peers, entry) {
		if (peer->is_member)
			continue;
		peer->is_member = true;
		agent->member_count++;
	}
}

void members_commit(struct agent *agent, usec_t now, bool is_whole)
{
	struct agent_peer *peer;

	commit_left(agent, is_whole);
	pin_former_claims(agent);
	enter_staged(agent);
	if (agent->staged_self.name[0])
		agent->self = agent->staged_self;
	list_for_each (peer, &agent->peers, entry) {
		if (peer->staged_in != agent->generation)
			continue;
		commit_peer(peer, now);
		if (is_whole)
			peer_retry(peer, now);
	}
	pins_trim(agent);
	agent_save_soon(agent, now);
}

usec_t agent_map_age(const struct agent *agent, usec_t now)
{
	if (!agent->has_map || agent->is_linked)
		return 0;
	return agent->map_age_base + usec_since(now, agent->map_confirmed);
}

enum agent_map_state agent_map_state(const struct agent *agent, usec_t now)
{
	if (!agent->has_map)
		return MAP_STATE_NONE;
	if (agent->is_expired)
		return MAP_STATE_EXPIRED;
	return agent_map_age(agent, now) < AGENT_MAP_AGE_WARNING ? MAP_STATE_FRESH : MAP_STATE_OLD;
}

const char *agent_map_state_name(enum agent_map_state state)
{
	static const char *const names[] = {"none", "fresh", "old", "expired"};

	return names[state];
}

static void confirm(struct agent *agent, usec_t now)
{
	agent->map_confirmed = now;
	agent->map_age_base = 0;
	agent->is_old = false;
	if (!agent->has_map)
		return;
	/* The file says how old the map is; it must not look unconfirmed after a power cut. */
	if (usec_since(now, agent->saved_at) < AGENT_SAVE_RENEWAL)
		agent_expect(agent, agent->saved_at + AGENT_SAVE_RENEWAL);
	else if (!agent_is_unsaved(agent))
		agent_save_again(agent, now + AGENT_SAVE_GAP);
}

static void expire(struct agent *agent)
{
	struct agent_peer *peer;

	agent->is_expired = true;
	list_for_each (peer, &agent->peers, entry) {
		peer_stop(peer);
		if (!peer->is_quarantined)
			peer->reason = REASON_MAP_EXPIRED;
	}
	agent_notice(agent, NOTICE_MAP_EXPIRED, NULL, NULL);
}

static void grow_older(struct agent *agent, usec_t now)
{
	usec_t age = agent_map_age(agent, now), maximum = agent->config.max_map_age;

	if (maximum && age >= maximum) {
		expire(agent);
		return;
	}
	if (age >= AGENT_MAP_AGE_WARNING && !agent->is_old) {
		agent->is_old = true;
		agent_notice(agent, NOTICE_MAP_OLD, NULL, NULL);
	}
	if (maximum)
		agent_expect(agent, now + maximum - age);
	if (!agent->is_old)
		agent_expect(agent, now + AGENT_MAP_AGE_WARNING - age);
}

void members_tick(struct agent *agent, usec_t now)
{
	if (agent->is_linked)
		confirm(agent, now);
	else if (agent->has_map && !agent->is_expired)
		grow_older(agent, now);
}

int agent_trust(struct agent *agent, usec_t now, struct agent_peer *peer)
{
	struct agent_peer *pin;

	if (!peer->is_quarantined)
		return -ENOENT;
	while ((pin = pins_find(agent, &peer->record)))
		pins_drop(agent, pin);
	peer->is_quarantined = false;
	agent_save_soon(agent, now);
	if (agent->is_expired) {
		peer->reason = REASON_MAP_EXPIRED;
		return 0;
	}
	peer_start(peer, now);
	agent_notice(agent, NOTICE_PEER_JOINED, peer, NULL);
	return 0;
}
