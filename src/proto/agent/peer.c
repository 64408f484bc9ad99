#include <string.h>

#include "base/text.h"
#include "proto/agent/agent_private.h"
#include "proto/agent/filter.h"

static struct agent_peer *peer_of(struct path *path)
{
	return container_of(path, struct agent_peer, path);
}

static bool may_probe(struct path *path, void *owner, usec_t now, const struct address *to,
		      bool is_heard)
{
	size_t kept = peer_of(path)->is_appointed || is_heard ? 0 : PATH_BUDGET_KEPT;
	struct agent *agent = owner;

	if (budget_take(&agent->budget, now, to, kept))
		return true;
	agent->counters.probes_withheld++;
	return false;
}

static void send_probe(struct path *path, void *owner, usec_t now, const struct address *to,
		       const uint8_t echo[PROBE_ECHO_SIZE], unsigned attempt)
{
	struct agent_peer *peer = peer_of(path);
	struct agent *agent = owner;
	struct control_body body = {.kind = CONTROL_PROBE};
	uint8_t datagram[CONTROL_MAXIMUM];
	size_t size;

	(void)now;
	memcpy(body.echo, echo, PROBE_ECHO_SIZE);
	size = pair_seal(&peer->pair, &agent->identity, agent->aead, agent->ops.random,
			 pair_send_mode(&peer->pair, &agent->identity, attempt), &body,
			 CONTROL_MAXIMUM, datagram);
	agent->counters.probes_sent++;
	agent->ops.send_datagram(agent->ops.owner, to, datagram, size);
}

/* One side starts the handshake, so that two initiations do not cross (each would answer the
 * other's and forget its own, and the retry comes 5 s later). Only for who has no session: if the
 * other has one, it waits for nothing and will not start. */
static bool is_ours_to_start(const struct agent_peer *peer)
{
	return peer->has_its_session || pair_is_lower(&peer->agent->identity, &peer->pair.peer);
}

static void plan_handshake(struct agent_peer *peer, usec_t now)
{
	peer->handshake_due = is_ours_to_start(peer) ? now : now + AGENT_HANDSHAKE_PATIENCE;
	agent_expect(peer->agent, peer->handshake_due);
}

void peer_session_told(struct agent_peer *peer, usec_t now, bool has_session)
{
	peer->has_its_session = has_session;
	if (has_session && peer->handshake_due != USEC_NEVER)
		peer->handshake_due = usec_earlier(peer->handshake_due, now);
}

static bool chosen(struct path *path, void *owner, usec_t now, const struct address *address,
		   usec_t evidence)
{
	struct agent_peer *peer = peer_of(path);
	struct agent *agent = owner;
	struct agent_traffic traffic;
	char text[ADDRESS_TEXT_SIZE];

	agent->ops.get_traffic(agent->ops.owner, peer, &traffic);
	/* A handshake that finished after the probe left proves the present endpoint better. */
	if (path->state == PATH_DIRECT && traffic.last_handshake > evidence)
		return false;
	if (!traffic.has_session)
		plan_handshake(peer, now);
	/* Who waits for the other's handshake gets no endpoint yet, or traffic would start one here
	 * too. */
	if (traffic.has_session || is_ours_to_start(peer))
		agent->ops.set_endpoint(agent->ops.owner, peer, address);
	peer->connect_attempts = peer->own_rounds = 0;
	peer->next_connect = peer->next_own_round = USEC_NEVER;
	peer->is_appointed = false;
	peer->reason = REASON_CONNECTED;
	agent_notice(agent, NOTICE_PATH, peer, address_print(address, text));
	agent_save_soon(agent, now);
	return true;
}

static usec_t back_off(usec_t first, usec_t most, unsigned attempts)
{
	return attempts > 10 || first << attempts > most ? most : first << attempts;
}

/* The hub sees us at once where we are now, in case it was our NAT that moved. */
static void show_ourselves(struct agent *agent)
{
	static const uint8_t alive[] = {MESSAGE_ALIVE};

	if (agent->is_linked)
		agent->ops.send_message(agent->ops.owner, alive, sizeof(alive));
}

static void lost(struct path *path, void *owner, usec_t now)
{
	struct agent_peer *peer = peer_of(path);

	peer->is_appointed = false;
	peer->reason = REASON_NO_ANSWER;
	peer_plan(peer, now);
	/* failed_rounds counts the rounds that found nothing; 0: an established path died. Before
	 * the hub can arrange anything, every known address is asked again: the loss may have been
	 * chance. */
	if (path->failed_rounds)
		return;
	agent_notice(owner, NOTICE_PATH_LOST, peer, "no answer");
	show_ourselves(owner);
	peer->next_own_round = now;
	agent_expect(owner, now);
}

static const struct path_ops path_ops = {may_probe, send_probe, chosen, lost};

struct agent_peer *peer_create(struct agent *agent, const struct key *key)
{
	struct agent_peer *peer = agent->ops.peer_new(agent->ops.owner);

	if (!peer)
		return NULL;
	peer->agent = agent;
	peer->record.key = *key;
	peer->next_connect = peer->next_own_round = peer->handshake_due = USEC_NEVER;
	list_append(&agent->peers, &peer->entry);
	hash_insert(&agent->by_key, &peer->by_key, hash_bytes(agent->hash_seed, key, KEY_SIZE));
	return peer;
}

void peer_stop(struct agent_peer *peer)
{
	if (!peer->has_device)
		return;
	peer->has_device = false;
	peer->agent->ops.peer_remove(peer->agent->ops.owner, peer);
	pair_done(&peer->pair);
	peer->next_connect = peer->next_own_round = peer->handshake_due = USEC_NEVER;
}

void peer_destroy(struct agent_peer *peer)
{
	peer_stop(peer);
	list_remove(&peer->entry);
	hash_remove(&peer->agent->by_key, &peer->by_key);
	peer->agent->ops.peer_free(peer->agent->ops.owner, peer);
}

/* True: there is something new to try. */
static bool set_candidates(struct agent_peer *peer)
{
	struct candidate candidates[NODE_CANDIDATES_MAX];
	size_t count = filter_peer(peer->agent, peer, candidates);

	return path_set_candidates(&peer->path, candidates, count);
}

static void start_afresh(struct agent_peer *peer)
{
	peer->connect_attempts = peer->own_rounds = 0;
}

void peer_start(struct agent_peer *peer, usec_t now)
{
	struct agent *agent = peer->agent;

	if (peer->has_device)
		return;
	peer->reason = REASON_UNUSABLE;
	if (pair_init(&peer->pair, &agent->identity, &agent->pairs, &peer->record.key,
		      agent->ops.random))
		return;
	path_init(&peer->path, &path_ops, agent, agent->ops.random);
	if (agent->ops.peer_add(agent->ops.owner, peer)) {
		pair_done(&peer->pair);
		return;
	}
	peer->has_device = true;
	peer->reason = REASON_PROBING;
	peer->is_appointed = peer->has_its_session = false;
	memset(peer->boot_id, 0, sizeof(peer->boot_id));
	peer->hub_wants = 0;
	start_afresh(peer);
	set_candidates(peer);
	peer_plan(peer, now);
}

static usec_t plan_connect(const struct agent_peer *peer, usec_t now)
{
	usec_t when = now;

	if (peer->connect_attempts)
		when += back_off(AGENT_CONNECT_RETRY, AGENT_CONNECT_RETRY_MAX,
				 peer->connect_attempts - 1);
	else if (!pair_is_lower(&peer->agent->identity, &peer->pair.peer))
		when += AGENT_CONNECT_PATIENCE;
	return when > peer->hub_wants ? when : peer->hub_wants;
}

/* Addresses known from before may still work. Who was reached when we ended last is asked before
 * any hub: what both NATs remember ages. A time that has passed is now. */
static usec_t plan_own_round(const struct agent_peer *peer, usec_t now)
{
	const struct agent *agent = peer->agent;
	usec_t gone = agent->is_linked ? now : agent->link_since;
	usec_t most = agent->is_linked ? AGENT_OFFLINE_ROUND_MAX : AGENT_OWN_ROUND_MAX;

	if (peer->own_rounds)
		return now + back_off(AGENT_OWN_ROUND, most, peer->own_rounds - 1);
	if (peer->record.was_reached && !agent->was_linked)
		return now;
	return gone + AGENT_HUB_GONE_AFTER;
}

/* When to ask the hub, and when to try without it. Only for a peer without a path, and not while
 * both are on their way to an appointment; a round of our own does not keep us from asking. */
void peer_plan(struct agent_peer *peer, usec_t now)
{
	struct agent *agent = peer->agent;
	bool has_hub = agent->is_linked && peer->record.is_online;

	peer->next_connect = peer->next_own_round = USEC_NEVER;
	if (!peer->has_device || peer->path.state == PATH_DIRECT || peer->is_appointed)
		return;
	if (!peer->is_wanted && agent->member_count > agent->config.eager_peers) {
		peer->reason = REASON_NOT_WANTED;
		return;
	}
	if (has_hub) {
		peer->next_connect = plan_connect(peer, now);
		if (!peer->connect_attempts)
			peer->reason = REASON_WAITING;
	} else if (agent->is_linked) {
		peer->reason = REASON_OFFLINE;
	}
	if (!has_hub && peer->path.state == PATH_NONE)
		peer->next_own_round = plan_own_round(peer, now);
	agent_expect(agent, usec_earlier(peer->next_connect, peer->next_own_round));
}

void peer_retry(struct agent_peer *peer, usec_t now)
{
	start_afresh(peer);
	peer_plan(peer, now);
}

void peer_refresh(struct agent_peer *peer, usec_t now, bool has_presence_changed)
{
	if (!peer->has_device)
		return;
	if (set_candidates(peer) || has_presence_changed)
		peer_retry(peer, now);
	if (peer->path.state == PATH_DIRECT) {
		const struct path_candidate *present = path_chosen(&peer->path);

		/* The peer has moved, it seems: ask now instead of at the next heartbeat. */
		if (present->kind != CANDIDATE_SEEN && !present->is_listed)
			path_check(&peer->path, now);
	}
	agent_expect(peer->agent, path_deadline(&peer->path, now));
}

void peer_appointment(struct agent_peer *peer, usec_t now, const struct appointment *appointment)
{
	memcpy(peer->record.candidates, appointment->candidates, sizeof(appointment->candidates));
	peer->record.candidate_count = appointment->candidate_count;
	peer->record.is_online = true;
	peer->agent->counters.appointments++;
	peer->connect_attempts++;
	peer->next_connect = peer->next_own_round = USEC_NEVER;
	set_candidates(peer);
	if (!peer->path.candidate_count) {
		peer_plan(peer, now);
		peer->reason = REASON_NO_CANDIDATE;
		return;
	}
	if (peer->path.state != PATH_DIRECT) {
		peer->is_appointed = true;
		peer->reason = REASON_PROBING;
	}
	path_start_round(&peer->path, now, appointment->delay_ms * USEC_PER_MSEC);
	agent_expect(peer->agent, path_deadline(&peer->path, now));
}

void peer_refused(struct agent_peer *peer, usec_t now, const struct refused *refused)
{
	usec_t wait = refused->retry_ms * USEC_PER_MSEC;

	if (peer->path.state == PATH_DIRECT || peer->is_appointed)
		return;
	peer->next_connect = USEC_NEVER;
	switch (refused->reason) {
	case REFUSAL_OFFLINE:
		peer->reason = REASON_OFFLINE;
		return;
	case REFUSAL_NOT_ALLOWED:
		peer->reason = REASON_NOT_ALLOWED;
		return;
	case REFUSAL_SWITCHED_OFF:
		peer->reason = REASON_SWITCHED_OFF;
		break;
	case REFUSAL_TOO_SOON:
		break;
	}
	peer->hub_wants = now + (wait > USEC_PER_SEC ? wait : USEC_PER_SEC);
	peer->next_connect = peer->hub_wants;
	agent_expect(peer->agent, peer->next_connect);
}

static void ask_hub(struct agent_peer *peer, usec_t now)
{
	struct agent *agent = peer->agent;
	uint8_t bytes[1 + KEY_SIZE];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	connect_write(&writer, &peer->record.key);
	agent->ops.send_message(agent->ops.owner, bytes, writer.position);
	/* Should the answer be lost with the link, the next link asks again; should it never come,
	 * so do we. */
	peer->next_connect = now + AGENT_CONNECT_RETRY;
}

static void own_round(struct agent_peer *peer, usec_t now)
{
	peer->next_own_round = USEC_NEVER;
	peer->own_rounds++;
	set_candidates(peer);
	if (peer->path.candidate_count) {
		path_start_round(&peer->path, now, 0);
		return;
	}
	peer->reason = REASON_NO_CANDIDATE;
	if (!peer->agent->is_linked || !peer->record.is_online)
		peer->next_own_round = plan_own_round(peer, now);
}

static void handshake(struct agent_peer *peer)
{
	struct agent *agent = peer->agent;
	struct agent_traffic traffic;

	peer->handshake_due = USEC_NEVER;
	agent->ops.get_traffic(agent->ops.owner, peer, &traffic);
	if (traffic.has_session || peer->path.state != PATH_DIRECT)
		return;
	agent->ops.set_endpoint(agent->ops.owner, peer, &path_chosen(&peer->path)->address);
	agent->ops.start_handshake(agent->ops.owner, peer);
}

void peer_tick(struct agent_peer *peer, usec_t now, bool may_connect, bool *ret_connected)
{
	struct agent *agent = peer->agent;
	struct agent_traffic traffic;

	*ret_connected = false;
	if (!peer->has_device)
		return;
	if (now >= peer->next_own_round)
		own_round(peer, now);
	if (now >= path_deadline(&peer->path, now)) {
		agent->ops.get_traffic(agent->ops.owner, peer, &traffic);
		path_traffic(&peer->path, traffic.last_data, traffic.last_received);
		path_tick(&peer->path, now);
	}
	if (now >= peer->handshake_due)
		handshake(peer);
	if (now >= peer->next_connect && may_connect) {
		*ret_connected = true;
		ask_hub(peer, now);
	}
}

usec_t peer_deadline(const struct agent_peer *peer, usec_t now)
{
	usec_t deadline;

	if (!peer->has_device)
		return USEC_NEVER;
	deadline = usec_earlier(path_deadline(&peer->path, now), peer->handshake_due);
	return usec_earlier(deadline, usec_earlier(peer->next_connect, peer->next_own_round));
}

enum agent_rung agent_rung(const struct agent_peer *peer)
{
	const struct path_candidate *present = peer->has_device ? path_chosen(&peer->path) : NULL;
	const struct agent *agent = peer->agent;
	bool peer_is_public = false, we_are_public = false;

	if (!present)
		return RUNG_NONE;
	if (address_is_private(&present->address) && present->kind != CANDIDATE_OBSERVED)
		return RUNG_DIRECT_LAN;
	for (size_t i = 0; i < agent->interface_count; i++) {
		if (!agent->interfaces[i].is_ours &&
		    prefix_contains_ip(&agent->interfaces[i].prefix, present->address.family,
				       present->address.ip))
			return RUNG_DIRECT_LAN;
	}
	/* Nobody translated: the address stands on the machine itself. */
	for (size_t i = 0; i < peer->record.candidate_count; i++)
		peer_is_public |=
			peer->record.candidates[i].kind == CANDIDATE_LOCAL &&
			address_is_equal(&peer->record.candidates[i].address, &present->address);
	for (size_t i = 0; i < agent->self.candidate_count; i++)
		for (size_t j = 0; j < agent->interface_count; j++)
			we_are_public |= agent->self.candidates[i].kind == CANDIDATE_OBSERVED &&
					 agent->self.candidates[i].address.family ==
						 present->address.family &&
					 !memcmp(agent->self.candidates[i].address.ip,
						 agent->interfaces[j].prefix.ip, 16);
	return peer_is_public && we_are_public ? RUNG_DIRECT : RUNG_DIRECT_PUNCHED;
}

const char *agent_rung_name(enum agent_rung rung)
{
	static const char *const names[] = {"none", "direct-lan", "direct", "direct-punched"};

	return names[rung];
}

const char *agent_reason_name(enum agent_reason reason)
{
	static const char *const names[] = {
		[REASON_CONNECTED] = "connected",
		[REASON_NOT_WANTED] = "not-wanted",
		[REASON_WAITING] = "waiting-for-appointment",
		[REASON_PROBING] = "probing",
		[REASON_OFFLINE] = "offline",
		[REASON_NO_CANDIDATE] = "no-candidate",
		[REASON_NO_ANSWER] = "no-answer",
		[REASON_SWITCHED_OFF] = "appointments-off",
		[REASON_NOT_ALLOWED] = "not-allowed",
		[REASON_KEY_CHANGED] = "key-changed",
		[REASON_MAP_EXPIRED] = "map-expired",
		[REASON_UNUSABLE] = "unusable-key",
	};

	return names[reason];
}
