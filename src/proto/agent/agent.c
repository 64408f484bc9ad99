#include "proto/agent/agent.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "proto/agent/agent_private.h"
#include "proto/agent/filter.h"

void agent_init(struct agent *agent, const struct agent_config *config, const struct agent_ops *ops,
		struct aead *aead, usec_t now)
{
	memset(agent, 0, sizeof(*agent));
	agent->config = *config;
	agent->ops = *ops;
	agent->aead = aead;
	list_init(&agent->peers);
	list_init(&agent->pins);
	hash_init(&agent->by_key, agent->key_buckets, array_size(agent->key_buckets));
	agent->hash_seed = random_u64(ops->random);
	pair_table_init(&agent->pairs);
	budget_init(&agent->budget, random_u64(ops->random));
	pair_identity_init(&agent->identity, &config->private_key, config->network_id,
			   config->site_secret, now, ops->random);
	agent->link_since = now;
	agent->save_due = agent->next_connect_burst = USEC_NEVER;
	agent->next_renewal = now + PAIR_BOOT_LIFETIME;
	agent->deadline = agent->next_renewal;
}

void agent_done(struct agent *agent)
{
	struct agent_peer *peer, *after;

	list_for_each_safe (peer, after, &agent->peers, entry)
		peer_destroy(peer);
	pins_clear(agent);
	pair_identity_wipe(&agent->identity);
	secret_wipe(&agent->config, sizeof(agent->config));
}

void agent_get_mask_key(const struct agent *agent, struct mask_key *ret_key)
{
	mask_key_derive(&agent->identity.public_key, agent->identity.site_secret, MASK_TO_LISTENER,
			ret_key);
}

void agent_expect(struct agent *agent, usec_t deadline)
{
	agent->deadline = usec_earlier(agent->deadline, deadline);
}

static usec_t save_pace(const struct agent *agent)
{
	return agent->member_count > agent->config.eager_peers ? AGENT_SAVE_PACE_LARGE
							       : AGENT_SAVE_PACE;
}

static void pace_saves(struct agent *agent, usec_t now)
{
	agent->save_credit_at = usec_later(agent->save_credit_at, now) + save_pace(agent);
	agent->saved_at = now;
}

static usec_t plan_save(const struct agent *agent, usec_t now)
{
	usec_t when = usec_since(agent->save_credit_at, (AGENT_SAVE_BURST - 1) * save_pace(agent));

	if (agent->saved_at)
		when = usec_later(when, agent->saved_at + AGENT_SAVE_GAP);
	return usec_later(when, now);
}

void agent_save_soon(struct agent *agent, usec_t now)
{
	if (agent->save_due == USEC_NEVER)
		agent->save_due = plan_save(agent, now);
	agent_expect(agent, agent->save_due);
}

void agent_notice(struct agent *agent, enum agent_notice notice, struct agent_peer *peer,
		  const char *text)
{
	agent->ops.notice(agent->ops.owner, notice, peer, text ? text : "");
}

bool agent_is_self(const struct agent *agent, const struct key *key)
{
	return key_is_equal(key, &agent->identity.public_key);
}

struct agent_peer *agent_find(const struct agent *agent, const struct key *key)
{
	uint64_t hash = hash_bytes(agent->hash_seed, key, KEY_SIZE);
	struct hash_node *node;

	hash_for_each (node, &agent->by_key, hash) {
		struct agent_peer *peer = container_of(node, struct agent_peer, by_key);

		if (key_is_equal(&peer->record.key, key))
			return peer;
	}
	return NULL;
}

static bool matches_text(const struct agent_peer *peer, const char *text)
{
	char key[KEY_TEXT_SIZE], address[ADDRESS_TEXT_SIZE];

	key_print(&peer->record.key, key);
	if (!strcmp(peer->record.name, text) || (strlen(text) >= 4 && text_starts_with(key, text)))
		return true;
	for (size_t i = 0; i < peer->record.address_count; i++) {
		struct address ip = prefix_address(&peer->record.addresses[i]);

		if (!strcmp(address_print_ip(&ip, address), text))
			return true;
	}
	return false;
}

struct agent_peer *agent_find_text(const struct agent *agent, const char *text)
{
	struct agent_peer *peer, *found = NULL;

	list_for_each (peer, &agent->peers, entry) {
		if (!matches_text(peer, text))
			continue;
		if (!strcmp(peer->record.name, text))
			return peer;
		if (found)
			return NULL;
		found = peer;
	}
	return found;
}

static void send_report(struct agent *agent)
{
	struct report report = {.listen_port = agent->config.listen_port};
	uint8_t bytes[REPORT_SIZE_MAX];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	report.candidate_count = filter_own(agent, report.candidates);
	report_write(&writer, &report);
	agent->ops.send_message(agent->ops.owner, bytes, writer.position);
}

void agent_link_up(struct agent *agent, usec_t now)
{
	agent->is_linked = agent->was_linked = true;
	agent->link_since = now;
	send_report(agent);
	/* The map follows at once, and with it the plans. */
}

void agent_link_down(struct agent *agent, usec_t now)
{
	struct agent_peer *peer;

	agent->is_linked = false;
	agent->link_since = agent->map_confirmed = now;
	agent->map_age_base = 0;
	agent_save_soon(agent, now);
	list_for_each (peer, &agent->peers, entry)
		peer_retry(peer, now);
}

static void receive_appointment(struct agent *agent, usec_t now,
				const struct appointment *appointment)
{
	struct agent_peer *peer = agent_find(agent, &appointment->peer);

	if (!peer || !peer->has_device) {
		agent->counters.appointments_unknown++;
		return;
	}
	peer_appointment(peer, now, appointment);
}

static bool receive_small(struct agent *agent, usec_t now, enum message_kind kind,
			  struct reader *reader)
{
	struct appointment appointment;
	struct refused refused;
	struct agent_peer *peer;
	uint8_t bytes[16];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	uint64_t stamp;

	switch (kind) {
	case MESSAGE_APPOINTMENT:
		if (!appointment_read(reader, &appointment))
			return false;
		receive_appointment(agent, now, &appointment);
		return true;
	case MESSAGE_REFUSED:
		if (!refused_read(reader, &refused))
			return false;
		peer = agent_find(agent, &refused.peer);
		if (peer && peer->has_device)
			peer_refused(peer, now, &refused);
		return true;
	case MESSAGE_PING:
		if (!stamp_read(reader, &stamp))
			return false;
		stamp_write(&writer, MESSAGE_PONG, stamp);
		agent->ops.send_message(agent->ops.owner, bytes, writer.position);
		return true;
	case MESSAGE_REMOVED:
		agent_notice(agent, NOTICE_REMOVED, NULL, NULL);
		return true;
	case MESSAGE_MAP:
	case MESSAGE_CHANGES:
	case MESSAGE_REPORT:
	case MESSAGE_CONNECT:
	case MESSAGE_PONG:
	case MESSAGE_ALIVE:
		return false;
	}
	/* A newer hub may say more than we know. */
	return true;
}

bool agent_receive_message(struct agent *agent, usec_t now, const uint8_t *data, size_t size)
{
	struct reader reader = reader_over(data, size);
	uint8_t kind = message_kind_read(&reader);
	bool is_fine = true;

	agent->counters.messages++;
	if (kind == MESSAGE_MAP)
		map_apply(agent, now, &reader, 0);
	else if (kind == MESSAGE_CHANGES)
		changes_receive(agent, now, &reader);
	else
		is_fine = receive_small(agent, now, kind, &reader);
	if (!is_fine)
		agent->counters.messages_malformed++;
	return is_fine;
}

static void send_answer(struct agent *agent, const struct agent_peer *peer,
			const struct pair_opened *opened, const struct address *to)
{
	struct control_body body = {.kind = CONTROL_ANSWER, .observed = *to};
	uint8_t datagram[CONTROL_MAXIMUM];
	struct agent_traffic traffic;
	size_t size;

	agent->ops.get_traffic(agent->ops.owner, peer, &traffic);
	body.has_session = traffic.has_session;
	memcpy(body.echo, opened->body.echo, PROBE_ECHO_SIZE);
	memcpy(body.peer_boot_id, opened->body.boot_id, BOOT_ID_SIZE);
	size = pair_seal(opened->pair, &agent->identity, agent->aead, agent->ops.random,
			 opened->mode, &body, opened->size, datagram);
	agent->counters.answers_sent++;
	agent->ops.send_datagram(agent->ops.owner, to, datagram, size);
}

static void receive_answer(struct agent *agent, usec_t now, struct agent_peer *peer,
			   const struct address *from, const struct pair_opened *opened)
{
	enum path_state before = peer->path.state;

	peer_session_told(peer, now, opened->body.has_session);
	if (!path_answer(&peer->path, now, from, opened->body.echo)) {
		agent->counters.answers_unasked++;
		return;
	}
	/* First contact: one more probe, under the new session, lets the peer see us as we see it.
	 */
	if (opened->mode == PAIR_BY_HINT && before != PATH_DIRECT)
		path_probe(&peer->path, now, from);
	if (peer->pings) {
		const struct path_candidate *chosen = path_chosen(&peer->path);

		peer->pings--;
		if (chosen)
			agent->ops.ping_answer(agent->ops.owner, peer, from, chosen->rtt);
	}
}

/* Its boot id has proved to be new: it has restarted, or has renewed its keys. */
static void note_boot(struct agent_peer *peer, usec_t now)
{
	static const uint8_t none[BOOT_ID_SIZE];
	const uint8_t *present = peer->pair.current.peer_boot_id;

	if (!memcmp(peer->boot_id, present, BOOT_ID_SIZE))
		return;
	if (memcmp(peer->boot_id, none, BOOT_ID_SIZE))
		path_peer_restarted(&peer->path, now);
	memcpy(peer->boot_id, present, BOOT_ID_SIZE);
}

void agent_receive_datagram(struct agent *agent, usec_t now, const struct address *from,
			    uint8_t *data, size_t size)
{
	struct pair_opened opened;
	struct agent_peer *peer;
	enum pair_result result =
		pair_open(&agent->pairs, &agent->identity, agent->aead, now, data, size, &opened);

	agent->counters.datagrams[result]++;
	if (result != PAIR_OK)
		return;
	peer = container_of(opened.pair, struct agent_peer, pair);
	note_boot(peer, now);
	switch (opened.body.kind) {
	case CONTROL_PROBE:
		send_answer(agent, peer, &opened, from);
		if (opened.is_fresh && filter_seen(agent, from))
			path_seen(&peer->path, now, from);
		break;
	case CONTROL_ANSWER:
		if (opened.is_fresh)
			receive_answer(agent, now, peer, from, &opened);
		else
			agent->counters.stale++;
		break;
	}
	agent_expect(agent, peer_deadline(peer, now));
}

void agent_endpoint_seen(struct agent *agent, usec_t now, struct agent_peer *peer,
			 const struct address *from)
{
	if (!peer->has_device || !filter_seen(agent, from))
		return;
	path_seen(&peer->path, now, from);
	agent_expect(agent, peer_deadline(peer, now));
}

void agent_handshake_completed(struct agent *agent, usec_t now, struct agent_peer *peer)
{
	const struct path_candidate *present = peer->has_device ? path_chosen(&peer->path) : NULL;

	(void)now;
	if (present && peer->handshake_due != USEC_NEVER)
		agent->ops.set_endpoint(agent->ops.owner, peer, &present->address);
	peer->handshake_due = USEC_NEVER;
}

void agent_want(struct agent *agent, usec_t now, struct agent_peer *peer)
{
	if (peer->is_wanted || !peer->has_device)
		return;
	(void)agent;
	peer->is_wanted = true;
	peer_plan(peer, now);
}

static bool is_same_interfaces(const struct agent *agent,
			       const struct agent_interface_address *addresses, size_t count)
{
	if (count != agent->interface_count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!prefix_is_equal(&agent->interfaces[i].prefix, &addresses[i].prefix) ||
		    agent->interfaces[i].is_ours != addresses[i].is_ours)
			return false;
	}
	return true;
}

void agent_set_interfaces(struct agent *agent, usec_t now,
			  const struct agent_interface_address *addresses, size_t count)
{
	struct agent_peer *peer;

	if (count > AGENT_INTERFACE_ADDRESSES_MAX)
		count = AGENT_INTERFACE_ADDRESSES_MAX;
	if (is_same_interfaces(agent, addresses, count))
		return;
	for (size_t i = 0; i < count; i++)
		agent->interfaces[i] = addresses[i];
	agent->interface_count = count;
	if (agent->is_linked)
		send_report(agent);
	list_for_each (peer, &agent->peers, entry) {
		if (!peer->has_device)
			continue;
		pair_renew_index(&peer->pair, agent->ops.random);
		peer_refresh(peer, now, false);
	}
	agent_check_paths(agent, now);
}

void agent_set_hub_endpoints(struct agent *agent, const struct address *addresses, size_t count)
{
	if (count > AGENT_HUB_ENDPOINTS_MAX)
		count = AGENT_HUB_ENDPOINTS_MAX;
	memcpy(agent->hub_endpoints, addresses, count * sizeof(*addresses));
	agent->hub_endpoint_count = count;
}

void agent_check_paths(struct agent *agent, usec_t now)
{
	struct agent_peer *peer;

	list_for_each (peer, &agent->peers, entry) {
		if (!peer->has_device)
			continue;
		path_check(&peer->path, now);
		peer_retry(peer, now);
		agent_expect(agent, peer_deadline(peer, now));
	}
}

void agent_ping(struct agent *agent, usec_t now, struct agent_peer *peer)
{
	const struct path_candidate *present;

	if (!peer->has_device)
		return;
	present = path_chosen(&peer->path);
	peer->pings = 1;
	if (present) {
		path_probe(&peer->path, now, &present->address);
		return;
	}
	agent_want(agent, now, peer);
	if (peer->path.state == PATH_NONE && peer->path.candidate_count)
		path_start_round(&peer->path, now, 0);
	agent_expect(agent, peer_deadline(peer, now));
}

static void renew_identity(struct agent *agent, usec_t now)
{
	if (now < agent->next_renewal)
		return;
	pair_identity_renew(&agent->identity, now, agent->ops.random);
	agent->next_renewal = now + PAIR_BOOT_LIFETIME;
}

static void tick_peers(struct agent *agent, usec_t now)
{
	struct agent_peer *peer, *after;
	size_t burst = agent->next_connect_burst != USEC_NEVER && now < agent->next_connect_burst
			       ? 0
			       : AGENT_CONNECT_BURST;
	bool connected;

	list_for_each_safe (peer, after, &agent->peers, entry) {
		usec_t deadline;

		peer_tick(peer, now, burst > 0, &connected);
		if (connected && !--burst)
			agent->next_connect_burst = now + AGENT_CONNECT_PACE;
		deadline = peer_deadline(peer, now);
		if (deadline <= now)
			deadline = now + AGENT_CONNECT_PACE;
		agent_expect(agent, deadline);
	}
	if (burst)
		agent->next_connect_burst = USEC_NEVER;
}

void agent_tick(struct agent *agent, usec_t now)
{
	if (now < agent->deadline)
		return;
	agent->deadline = USEC_NEVER;
	renew_identity(agent, now);
	members_tick(agent, now);
	tick_peers(agent, now);
	/* Last: the disk may be slow. */
	if (now >= agent->save_due) {
		agent->save_due = USEC_NEVER;
		pace_saves(agent, now);
		agent->ops.save(agent->ops.owner);
	}
	agent_expect(agent, agent->save_due);
	agent_expect(agent, agent->next_renewal);
}

void agent_save_again(struct agent *agent, usec_t when)
{
	agent->save_due = when;
	agent_expect(agent, when);
}

bool agent_is_unsaved(const struct agent *agent)
{
	return agent->save_due != USEC_NEVER;
}

usec_t agent_deadline(const struct agent *agent)
{
	return agent->deadline;
}
