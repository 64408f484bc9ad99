/* The map: checked as a whole, applied as a whole, kept on disk (security 6, 7, 10). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/secret.h"
#include "proto/agent/agent_private.h"
#include "proto/agent/filter.h"

static const char saved_magic[4] = {'W', 'L', 'M', '1'};

static bool is_self(const struct agent *agent, const struct key *key)
{
	return key_is_equal(key, &agent->identity.public_key);
}

static bool has_address(const struct map_node *node, const struct prefix *address)
{
	for (size_t i = 0; i < node->address_count; i++) {
		if (node->addresses[i].family == address->family &&
		    !memcmp(node->addresses[i].ip, address->ip, sizeof(address->ip)))
			return true;
	}
	return false;
}

static bool shares_address(const struct map_node *a, const struct map_node *b)
{
	for (size_t i = 0; i < a->address_count; i++) {
		if (has_address(b, &a->addresses[i]))
			return true;
	}
	return false;
}

/* Inside a prefix that enrolment pinned, and nobody's address but the node's. */
static bool is_member_address(const struct agent *agent, const struct prefix *address)
{
	bool is_inside = false;

	if (address->bits != family_bits(address->family))
		return false;
	for (size_t i = 0; i < agent->config.address_count; i++) {
		const struct prefix *own = &agent->config.addresses[i];

		if (own->family == address->family && !memcmp(own->ip, address->ip, sizeof(own->ip)))
			return false;
		is_inside |= prefix_contains_ip(own, address->family, address->ip);
	}
	for (size_t i = 0; i < agent->config.hub_address_count; i++) {
		const struct address *hub = &agent->config.hub_addresses[i];

		if (hub->family == address->family && !memcmp(hub->ip, address->ip, sizeof(hub->ip)))
			return false;
	}
	return is_inside;
}

/* Routes outside the network's prefixes only as the node's own configuration accepts them. */
static bool is_accepted_route(const struct agent *agent, const struct prefix *route)
{
	for (size_t i = 0; i < agent->interface_count; i++) {
		struct prefix link = prefix_masked(&agent->interfaces[i].prefix);

		if (!agent->interfaces[i].is_ours && prefix_overlaps(route, &link))
			return false;
	}
	for (size_t i = 0; i < agent->hub_endpoint_count; i++) {
		if (prefix_contains_ip(route, agent->hub_endpoints[i].family,
				       agent->hub_endpoints[i].ip))
			return false;
	}
	for (size_t i = 0; route->bits && i < agent->config.accepted_route_count; i++) {
		if (prefix_contains(&agent->config.accepted_routes[i], route))
			return true;
	}
	return false;
}

static const char *record_fault(const struct agent *agent, const struct map_node *node)
{
	if (key_is_equal(&node->key, &agent->config.hub))
		return "claims the hub's key";
	if (!node->address_count)
		return "has no address";
	for (size_t i = 0; i < node->address_count; i++) {
		if (!is_member_address(agent, &node->addresses[i]) &&
		    !is_accepted_route(agent, &node->addresses[i]))
			return "claims an address that it may not have";
	}
	return NULL;
}

static void skip(struct agent *agent, struct agent_peer *peer, const struct map_node *node,
		 const char *why)
{
	char text[160], key[KEY_TEXT_SIZE] = "unreadable";

	if (node)
		key_print(&node->key, key);
	agent->counters.records_skipped++;
	snprintf(text, sizeof(text), "key=%s %s", key, why);
	agent_notice(agent, NOTICE_RECORD_SKIPPED, peer, text);
}

/* An address belongs to one key. Who had it before this map keeps it. */
static bool settle_conflicts(struct agent *agent, struct agent_peer *peer, const struct map_node *node)
{
	struct agent_peer *other;

	list_for_each(other, &agent->peers, entry) {
		if (other == peer || other->staged_in != agent->generation ||
		    (!shares_address(&other->staged, node) && strcmp(other->staged.name, node->name)))
			continue;
		if (!peer->is_member || !shares_address(&peer->record, node))
			return false;
		skip(agent, other, &other->staged, "claims the address or name of another member");
		other->staged_in = 0;
	}
	return true;
}

static void stage(struct agent *agent, const struct map_node *node)
{
	struct agent_peer *peer;
	const char *fault;

	if (is_self(agent, &node->key)) {
		agent->self = *node;
		return;
	}
	fault = record_fault(agent, node);
	peer = fault ? NULL : agent_find(agent, &node->key);
	if (!fault && !peer)
		peer = peer_create(agent, &node->key);
	if (fault || !peer) {
		skip(agent, NULL, node, fault ? fault : "does not fit into memory");
		return;
	}
	if (peer->staged_in == agent->generation) {
		skip(agent, peer, node, "stands twice in the map");
		return;
	}
	if (!settle_conflicts(agent, peer, node)) {
		skip(agent, peer, node, "claims the address or name of another member");
		return;
	}
	peer->staged = *node;
	peer->staged_in = agent->generation;
}

/* A key that used to have this name or address and is not this one: the pin (security 6). */
static struct agent_peer *find_pin(const struct agent *agent, const struct agent_peer *peer)
{
	struct agent_peer *other;

	list_for_each(other, &agent->peers, entry) {
		if (other == peer || other->is_quarantined || !other->record.name[0])
			continue;
		if (!strcmp(other->record.name, peer->record.name) ||
		    shares_address(&other->record, &peer->record))
			return other;
	}
	return NULL;
}

static void join(struct agent_peer *peer, usec_t now)
{
	struct agent *agent = peer->agent;

	peer->is_member = true;
	agent->member_count++;
	if (find_pin(agent, peer)) {
		peer->is_quarantined = true;
		peer->reason = REASON_KEY_CHANGED;
		agent_notice(agent, NOTICE_KEY_CHANGED, peer,
			     "its name or address belonged to another key");
		return;
	}
	agent_notice(agent, NOTICE_PEER_JOINED, peer, NULL);
	peer_start(peer, now);
}

static void drop_oldest_pins(struct agent *agent)
{
	struct agent_peer *peer, *after;

	list_for_each_safe(peer, after, &agent->peers, entry) {
		if (agent->pin_count <= AGENT_PINS_MAX)
			return;
		if (peer->is_member)
			continue;
		agent->pin_count--;
		peer_destroy(peer);
	}
}

static void leave(struct agent_peer *peer)
{
	struct agent *agent = peer->agent;
	bool was_quarantined = peer->is_quarantined;

	peer->is_member = peer->is_quarantined = false;
	agent->member_count--;
	peer_stop(peer);
	if (!was_quarantined)
		agent_notice(agent, NOTICE_PEER_LEFT, peer, NULL);
	if (was_quarantined || !peer->record.name[0]) {
		peer_destroy(peer);
		return;
	}
	agent->pin_count++;
	drop_oldest_pins(agent);
}

static bool is_same_addresses(const struct map_node *a, const struct map_node *b)
{
	if (a->address_count != b->address_count || strcmp(a->name, b->name))
		return false;
	for (size_t i = 0; i < a->address_count; i++) {
		if (!has_address(b, &a->addresses[i]))
			return false;
	}
	return true;
}

static void commit_peer(struct agent_peer *peer, usec_t now)
{
	bool came_online = peer->staged.is_online && !peer->record.is_online;
	bool is_same = is_same_addresses(&peer->record, &peer->staged);
	bool is_repinned = !peer->is_member && peer->record.name[0];

	peer->record = peer->staged;
	if (!peer->is_member) {
		if (is_repinned)
			peer->agent->pin_count--;
		join(peer, now);
		return;
	}
	if (!is_same && peer->has_device)
		peer->agent->ops.peer_change(peer->agent->ops.owner, peer);
	peer_refresh(peer, now, came_online);
}

/* is_whole: members that were not staged have left. */
static void commit(struct agent *agent, usec_t now, bool is_whole)
{
	struct agent_peer *peer, *after;

	list_for_each_safe(peer, after, &agent->peers, entry) {
		if (peer->staged_in == agent->generation)
			continue;
		if (is_whole && peer->is_member)
			leave(peer);
		else if (!peer->is_member && !peer->record.name[0])
			peer_destroy(peer); /* made for a record that lost its conflict */
	}
	list_for_each_safe(peer, after, &agent->peers, entry) {
		if (peer->staged_in == agent->generation)
			commit_peer(peer, now);
	}
	agent_save_soon(agent, now);
}

/* Nothing staged becomes real. */
static void abandon(struct agent *agent)
{
	struct agent_peer *peer, *after;

	list_for_each_safe(peer, after, &agent->peers, entry) {
		if (!peer->is_member && !peer->record.name[0])
			peer_destroy(peer);
	}
	agent->generation++;
}

static bool stage_records(struct agent *agent, struct reader *reader, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct map_node node;

		if (map_node_read(reader, &node))
			stage(agent, &node);
		else if (reader->failed)
			return false;
		else
			skip(agent, NULL, NULL, "is malformed");
	}
	return true;
}

static void refuse(struct agent *agent, const char *why)
{
	agent->counters.maps_refused++;
	agent_notice(agent, NOTICE_MAP_REFUSED, NULL, why);
}

/* The site secret keys masks and hints: a new one starts every pair afresh. */
static void take_site_secret(struct agent *agent, const uint8_t *secret, usec_t now)
{
	struct agent_peer *peer;

	if (agent->config.has_site_secret &&
	    secret_is_equal(secret, agent->identity.site_secret, SITE_SECRET_SIZE))
		return;
	agent->config.has_site_secret = true;
	memcpy(agent->identity.site_secret, secret, SITE_SECRET_SIZE);
	list_for_each(peer, &agent->peers, entry) {
		if (!peer->has_device)
			continue;
		peer_stop(peer);
		peer_start(peer, now);
	}
}

static const char *header_fault(const struct agent *agent, const struct map_header *header)
{
	if (memcmp(header->network_id, agent->config.network_id, NETWORK_ID_SIZE))
		return "it is of another network";
	if (agent->has_map && header->incarnation == agent->map.incarnation &&
	    header->revision < agent->map.revision)
		return "it is older than the one in use";
	return NULL;
}

static void map_apply(struct agent *agent, usec_t now, struct reader *reader, usec_t age)
{
	struct map_header header;
	const char *fault = "it is malformed";

	if (map_header_read(reader, &header))
		fault = header_fault(agent, &header);
	if (fault) {
		refuse(agent, fault);
		return;
	}
	agent->generation++;
	if (!stage_records(agent, reader, header.node_count)) {
		refuse(agent, "its records are cut off");
		abandon(agent);
		return;
	}
	if (agent->has_map && header.incarnation != agent->map.incarnation)
		agent_notice(agent, NOTICE_NEW_INCARNATION, NULL, NULL);
	agent->map = header;
	agent->has_map = true;
	agent->map_confirmed = now;
	agent->map_age_base = age;
	agent->is_expired = false;
	take_site_secret(agent, header.site_secret, now);
	commit(agent, now, true);
	agent_notice(agent, NOTICE_MAP, NULL, NULL);
}

void map_receive(struct agent *agent, usec_t now, struct reader *reader)
{
	map_apply(agent, now, reader, 0);
}

static bool remove_keys(struct agent *agent, struct reader *reader, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct agent_peer *peer;
		struct key key;

		if (!key_read(reader, &key))
			return false;
		peer = agent_find(agent, &key);
		if (peer && peer->is_member)
			leave(peer);
	}
	return true;
}

void changes_receive(struct agent *agent, usec_t now, struct reader *reader)
{
	struct changes_header header;
	struct reader removed;

	if (!changes_header_read(reader, &header) || !agent->has_map ||
	    header.incarnation != agent->map.incarnation || header.revision < agent->map.revision) {
		refuse(agent, "the change does not follow the map in use");
		return;
	}
	agent->generation++;
	if (!stage_records(agent, reader, header.node_count)) {
		refuse(agent, "its records are cut off");
		abandon(agent);
		return;
	}
	/* Check the keys before the first takes effect. */
	removed = *reader;
	for (uint32_t i = 0; i < header.removed_count; i++) {
		struct key key;

		if (!key_read(&removed, &key)) {
			refuse(agent, "its removals are malformed");
			abandon(agent);
			return;
		}
	}
	remove_keys(agent, reader, header.removed_count);
	agent->map.revision = header.revision;
	agent->map_confirmed = now;
	agent->map_age_base = 0;
	commit(agent, now, false);
	agent_notice(agent, NOTICE_MAP, NULL, NULL);
}

usec_t agent_map_age(const struct agent *agent, usec_t now)
{
	if (!agent->has_map || agent->is_linked)
		return 0;
	return agent->map_age_base + usec_since(now, agent->map_confirmed);
}

/* A map that no hub confirms any more loses its members in the end (security 10). */
void map_tick(struct agent *agent, usec_t now)
{
	struct agent_peer *peer;
	usec_t maximum = agent->config.max_map_age;

	if (agent->is_linked) {
		agent->map_confirmed = now;
		agent->map_age_base = 0;
		return;
	}
	if (!agent->has_map || agent->is_expired || !maximum)
		return;
	if (agent_map_age(agent, now) < maximum) {
		agent_expect(agent, now + maximum - agent_map_age(agent, now));
		return;
	}
	agent->is_expired = true;
	list_for_each(peer, &agent->peers, entry) {
		if (!peer->is_member)
			continue;
		peer_stop(peer);
		peer->reason = REASON_MAP_EXPIRED;
	}
	agent_notice(agent, NOTICE_MAP_EXPIRED, NULL, NULL);
}

int agent_trust(struct agent *agent, usec_t now, struct agent_peer *peer)
{
	struct agent_peer *pin;

	if (!peer->is_quarantined)
		return -ENOENT;
	while ((pin = find_pin(agent, peer))) {
		if (pin->is_member)
			return -EEXIST;
		agent->pin_count--;
		peer_destroy(pin);
	}
	peer->is_quarantined = false;
	agent_notice(agent, NOTICE_PEER_JOINED, peer, NULL);
	peer_start(peer, now);
	agent_save_soon(agent, now);
	return 0;
}

size_t agent_save_size(const struct agent *agent)
{
	return sizeof(saved_magic) + MAP_HEADER_SIZE_MAX + 8 +
	       (agent->member_count + agent->pin_count + 1) * (size_t)MAP_NODE_SIZE_MAX;
}

/* The record as the next start wants it: the address that works comes first. */
static void save_member(struct writer *writer, const struct agent_peer *peer)
{
	const struct path_candidate *present = peer->has_device ? path_chosen(&peer->path) : NULL;
	struct map_node node = peer->record;

	if (present) {
		size_t keep = node.candidate_count < NODE_CANDIDATES_MAX ? node.candidate_count
									 : NODE_CANDIDATES_MAX - 1;

		memmove(&node.candidates[1], &node.candidates[0], keep * sizeof(node.candidates[0]));
		node.candidates[0] = (struct candidate){
			.kind = present->kind == CANDIDATE_LOCAL ? CANDIDATE_LOCAL
								 : CANDIDATE_OBSERVED,
			.address = present->address};
		node.candidate_count = keep + 1;
	}
	map_node_write(writer, &node);
}

size_t agent_save(const struct agent *agent, uint8_t *out, size_t size)
{
	struct writer writer = writer_over(out, size);
	struct map_header header = agent->map;
	const struct agent_peer *peer;
	uint32_t pins = 0;

	if (!agent->has_map)
		return 0;
	header.node_count = (uint32_t)agent->member_count + !!agent->self.name[0];
	write_bytes(&writer, saved_magic, sizeof(saved_magic));
	map_header_write(&writer, &header);
	if (agent->self.name[0])
		map_node_write(&writer, &agent->self);
	list_for_each(peer, &agent->peers, entry) {
		if (peer->is_member)
			save_member(&writer, peer);
		else
			pins++;
	}
	write_u32(&writer, pins);
	list_for_each(peer, &agent->peers, entry) {
		if (!peer->is_member)
			map_node_write(&writer, &peer->record);
	}
	return writer.failed ? 0 : writer.position;
}

static void load_pins(struct agent *agent, struct reader *reader)
{
	uint32_t count = read_u32(reader);

	for (uint32_t i = 0; i < count && i < AGENT_PINS_MAX; i++) {
		struct agent_peer *peer;
		struct map_node node;

		if (!map_node_read(reader, &node))
			return;
		if (is_self(agent, &node.key) || agent_find(agent, &node.key))
			continue;
		peer = peer_create(agent, &node.key);
		if (!peer)
			return;
		peer->record = node;
		agent->pin_count++;
	}
}

/* Steps over the records, so that pins are known before members join. */
static bool skip_records(struct reader *reader, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		read_view(reader, read_u16(reader));
	return !reader->failed;
}

bool agent_load(struct agent *agent, usec_t now, uint8_t *data, size_t size, usec_t age)
{
	struct reader reader = reader_over(data, size), pins;
	const uint8_t *magic = read_view(&reader, sizeof(saved_magic));
	struct map_header header;

	if (!magic || memcmp(magic, saved_magic, sizeof(saved_magic)) ||
	    message_kind_read(&reader) != MESSAGE_MAP)
		return false;
	pins = reader;
	if (!map_header_read(&pins, &header) || !skip_records(&pins, header.node_count) ||
	    header_fault(agent, &header))
		return false;
	load_pins(agent, &pins);
	map_apply(agent, now, &reader, age);
	return agent->has_map;
}
