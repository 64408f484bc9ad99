/* The map: checked as a whole, applied as a whole (security 6, 7, 10). */
#include <stdio.h>
#include <string.h>

#include "crypto/secret.h"
#include "proto/agent/agent_private.h"

static bool is_same_ip(const struct prefix *a, const struct prefix *b)
{
	return a->family == b->family && !memcmp(a->ip, b->ip, sizeof(a->ip));
}

bool map_has_address(const struct map_node *node, const struct prefix *address)
{
	for (size_t i = 0; i < node->address_count; i++) {
		if (is_same_ip(&node->addresses[i], address))
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

		if (own->family == address->family &&
		    !memcmp(own->ip, address->ip, sizeof(own->ip)))
			return false;
		is_inside |= prefix_contains_ip(own, address->family, address->ip);
	}
	for (size_t i = 0; i < agent->config.hub_address_count; i++) {
		const struct address *hub = &agent->config.hub_addresses[i];

		if (hub->family == address->family &&
		    !memcmp(hub->ip, address->ip, sizeof(hub->ip)))
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

/* ---- who claims what, in the map under way ---- */

static uint64_t hash_of_name(const struct agent *agent, const char *name)
{
	return hash_bytes(agent->hash_seed, name, strlen(name));
}

static uint64_t hash_of_address(const struct agent *agent, const struct prefix *address)
{
	return hash_bytes(agent->hash_seed + address->family, address->ip, sizeof(address->ip));
}

static void claim(struct agent_peer *peer)
{
	struct agent *agent = peer->agent;

	peer->staged_in = agent->generation;
	hash_insert(&agent->name_claims, &peer->name_claim, hash_of_name(agent, peer->staged.name));
	for (size_t i = 0; i < peer->staged.address_count; i++) {
		struct agent_claim *address = &peer->address_claims[i];

		address->peer = peer;
		hash_insert(&agent->address_claims, &address->node,
			    hash_of_address(agent, &peer->staged.addresses[i]));
	}
}

static void disclaim(struct agent_peer *peer)
{
	struct agent *agent = peer->agent;

	peer->staged_in = 0;
	hash_remove(&agent->name_claims, &peer->name_claim);
	for (size_t i = 0; i < peer->staged.address_count; i++)
		hash_remove(&agent->address_claims, &peer->address_claims[i].node);
}

static struct agent_peer *find_name_claim(const struct agent *agent, const char *name)
{
	struct hash_node *node;

	hash_for_each (node, &agent->name_claims, hash_of_name(agent, name)) {
		struct agent_peer *peer = container_of(node, struct agent_peer, name_claim);

		if (!strcmp(peer->staged.name, name))
			return peer;
	}
	return NULL;
}

static struct agent_peer *find_address_claim(const struct agent *agent,
					     const struct prefix *address)
{
	struct hash_node *node;

	hash_for_each (node, &agent->address_claims, hash_of_address(agent, address)) {
		struct agent_peer *peer = container_of(node, struct agent_claim, node)->peer;

		if (map_has_address(&peer->staged, address))
			return peer;
	}
	return NULL;
}

/* May peer have what other claims too? Who had it before this map keeps it; of two newcomers, the
 * first. */
static bool settle(struct agent_peer *other, bool is_peers)
{
	if (!other)
		return true;
	if (!is_peers)
		return false;
	skip(other->agent, other, &other->staged, "claims the address or name of another member");
	disclaim(other);
	return true;
}

static bool settle_claims(struct agent *agent, const struct agent_peer *peer,
			  const struct map_node *node)
{
	bool is_peers = peer->is_member && !strcmp(peer->record.name, node->name);

	if (!settle(find_name_claim(agent, node->name), is_peers))
		return false;
	for (size_t i = 0; i < node->address_count; i++) {
		is_peers = peer->is_member && map_has_address(&peer->record, &node->addresses[i]);
		if (!settle(find_address_claim(agent, &node->addresses[i]), is_peers))
			return false;
	}
	return true;
}

/* ---- a change against the members that it does not name ---- */

static bool shares_claim(const struct agent_peer *member, const struct map_node *node)
{
	if (!strcmp(member->record.name, node->name))
		return true;
	for (size_t i = 0; i < node->address_count; i++) {
		if (map_has_address(&member->record, &node->addresses[i]))
			return true;
	}
	return false;
}

/* It claims nothing but what it has. */
static bool keeps_claims(const struct agent_peer *peer)
{
	if (!peer->is_member || strcmp(peer->record.name, peer->staged.name))
		return false;
	for (size_t i = 0; i < peer->staged.address_count; i++) {
		if (!map_has_address(&peer->record, &peer->staged.addresses[i]))
			return false;
	}
	return true;
}

static bool has_other_holder(const struct agent *agent, const struct agent_peer *peer)
{
	const struct agent_peer *member;

	if (peer->staged_in != agent->generation || keeps_claims(peer))
		return false;
	list_for_each (member, &agent->peers, entry) {
		if (member->is_member && member->staged_in != agent->generation &&
		    shares_claim(member, &peer->staged))
			return true;
	}
	return false;
}

static bool drop_claims_of_others(struct agent *agent)
{
	struct agent_peer *peer;
	bool has_dropped = false;

	list_for_each (peer, &agent->peers, entry) {
		if (!has_other_holder(agent, peer))
			continue;
		skip(agent, peer, &peer->staged, "claims the address or name of another member");
		disclaim(peer);
		has_dropped = true;
	}
	return has_dropped;
}

/* Who is not named keeps name and addresses (security 7). Who loses a claim here stays what it was,
 * and may then stand in another's way: so until nothing changes. */
static void settle_change(struct agent *agent)
{
	while (drop_claims_of_others(agent))
		;
}

/* ---- records on their way in ---- */

static const char *stage_peer(struct agent *agent, const struct map_node *node)
{
	struct agent_peer *peer = agent_find(agent, &node->key);
	const char *fault = record_fault(agent, node);

	if (peer)
		peer->named_in = agent->generation;
	if (fault)
		return fault;
	if (peer && peer->staged_in == agent->generation)
		return "stands twice in the map";
	if (!peer && tombstones_refuse(agent, node))
		return "was removed and not admitted anew";
	if (!peer)
		peer = peer_create(agent, &node->key);
	if (!peer)
		return "does not fit into memory";
	if (!settle_claims(agent, peer, node))
		return "claims the address or name of another member";
	peer->staged = *node;
	claim(peer);
	return NULL;
}

static void stage(struct agent *agent, const struct map_node *node)
{
	const char *fault;

	if (agent_is_self(agent, &node->key)) {
		agent->staged_self = *node;
		return;
	}
	fault = stage_peer(agent, node);
	if (fault)
		skip(agent, agent_find(agent, &node->key), node, fault);
}

static void begin(struct agent *agent)
{
	agent->generation++;
	agent->staged_self.name[0] = '\0';
	hash_init(&agent->name_claims, agent->name_claim_buckets,
		  array_size(agent->name_claim_buckets));
	hash_init(&agent->address_claims, agent->address_claim_buckets,
		  array_size(agent->address_claim_buckets));
}

/* Nothing staged becomes real. */
static void abandon(struct agent *agent)
{
	struct agent_peer *peer, *after;

	list_for_each_safe (peer, after, &agent->peers, entry) {
		if (!peer->is_member)
			peer_destroy(peer);
	}
	agent->generation++;
}

/* It may be anybody's. */
static void skip_unreadable(struct agent *agent)
{
	agent->has_unreadable = true;
	skip(agent, NULL, NULL, "is malformed");
}

static bool stage_records(struct agent *agent, struct reader *reader, uint32_t count)
{
	agent->has_unreadable = false;
	for (uint32_t i = 0; i < count; i++) {
		struct map_node node;

		if (map_node_read(reader, &node))
			stage(agent, &node);
		else if (reader->failed)
			return false;
		else
			skip_unreadable(agent);
	}
	return true;
}

/* Who is in the map no more was removed; unless the map is another database's, which may never have
 * known it. */
static void bury_unnamed(struct agent *agent)
{
	struct agent_peer *peer;

	list_for_each (peer, &agent->peers, entry) {
		if (peer->is_member && peer->named_in != agent->generation)
			tombstones_add(agent, &peer->record.key, peer->record.admitted);
	}
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
	list_for_each (peer, &agent->peers, entry) {
		if (!peer->has_device)
			continue;
		peer_stop(peer);
		peer_start(peer, now);
	}
}

const char *map_header_fault(const struct agent *agent, const struct map_header *header)
{
	if (memcmp(header->network_id, agent->config.network_id, NETWORK_ID_SIZE))
		return "it is of another network";
	if (agent->has_map && header->incarnation == agent->map.incarnation &&
	    header->revision < agent->map.revision)
		return "it is older than the one in use";
	return NULL;
}

void map_apply(struct agent *agent, usec_t now, struct reader *reader, usec_t age)
{
	struct map_header header;
	const char *fault = "it is malformed";

	if (map_header_read(reader, &header))
		fault = map_header_fault(agent, &header);
	if (fault) {
		refuse(agent, fault);
		return;
	}
	begin(agent);
	if (!stage_records(agent, reader, header.node_count)) {
		refuse(agent, "its records are cut off");
		abandon(agent);
		return;
	}
	if (agent->has_map && header.incarnation != agent->map.incarnation)
		agent_notice(agent, NOTICE_NEW_INCARNATION, NULL, NULL);
	else if (agent->has_map && !agent->has_unreadable)
		bury_unnamed(agent);
	agent->map = header;
	agent->has_map = true;
	agent->map_confirmed = now;
	agent->map_age_base = age;
	agent->is_expired = false;
	take_site_secret(agent, header.site_secret, now);
	members_commit(agent, now, true);
	agent_notice(agent, NOTICE_MAP, NULL, NULL);
}

static bool remove_keys(struct agent *agent, struct reader *reader, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct agent_peer *peer;
		struct key key;

		if (!key_read(reader, &key))
			return false;
		peer = agent_find(agent, &key);
		/* Who stands among the records too has come back since. */
		if (!peer || !peer->is_member || peer->staged_in == agent->generation)
			continue;
		tombstones_add(agent, &key, peer->record.admitted);
		members_leave(peer);
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
	begin(agent);
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
	settle_change(agent);
	agent->map.revision = header.revision;
	agent->map_confirmed = now;
	agent->map_age_base = 0;
	members_commit(agent, now, false);
	agent_notice(agent, NOTICE_MAP, NULL, NULL);
}
