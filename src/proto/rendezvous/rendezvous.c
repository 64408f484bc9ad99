#include "proto/rendezvous/rendezvous.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "proto/rendezvous/rendezvous_private.h"

static const struct rendezvous_limits limits_default = {
	.request_burst = RENDEZVOUS_REQUEST_BURST,
	.request_rate = RENDEZVOUS_REQUEST_RATE,
	.target_limit = RENDEZVOUS_TARGET_LIMIT,
};

void rendezvous_init(struct rendezvous *rendezvous, const struct rendezvous_config *config,
		     const struct rendezvous_ops *ops)
{
	memset(rendezvous, 0, sizeof(*rendezvous));
	rendezvous->config = *config;
	rendezvous->limits = config->limits ? *config->limits : limits_default;
	rendezvous->config.limits = NULL;
	rendezvous->ops = *ops;
	list_init(&rendezvous->nodes);
	hash_init(&rendezvous->by_key, rendezvous->key_buckets,
		  array_size(rendezvous->key_buckets));
	rendezvous->hash_seed = random_u64(ops->random);
	rendezvous->push_due = rendezvous->deadline = USEC_NEVER;
}

static void forget(struct rendezvous *rendezvous, struct rendezvous_node *node)
{
	list_remove(&node->entry);
	hash_remove(&rendezvous->by_key, &node->by_key);
	rendezvous->node_count--;
	rendezvous->ops.node_free(rendezvous->ops.owner, node);
}

void rendezvous_done(struct rendezvous *rendezvous)
{
	struct rendezvous_node *node, *after;

	list_for_each_safe (node, after, &rendezvous->nodes, entry)
		forget(rendezvous, node);
}

void rendezvous_expect(struct rendezvous *rendezvous, usec_t deadline)
{
	rendezvous->deadline = usec_earlier(rendezvous->deadline, deadline);
}

static void push_soon(struct rendezvous *rendezvous, usec_t now)
{
	if (rendezvous->push_due == USEC_NEVER)
		rendezvous->push_due = now + RENDEZVOUS_PUSH_DELAY;
	rendezvous_expect(rendezvous, rendezvous->push_due);
}

static void touch(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node)
{
	node->is_dirty = true;
	push_soon(rendezvous, now);
}

struct rendezvous_node *rendezvous_find(const struct rendezvous *rendezvous, const struct key *key)
{
	uint64_t hash = hash_bytes(rendezvous->hash_seed, key, KEY_SIZE);
	struct hash_node *entry;

	hash_for_each (entry, &rendezvous->by_key, hash) {
		struct rendezvous_node *node = container_of(entry, struct rendezvous_node, by_key);

		if (key_is_equal(&node->record.key, key))
			return node;
	}
	return NULL;
}

struct rendezvous_node *rendezvous_find_address(const struct rendezvous *rendezvous,
						const struct address *address)
{
	struct rendezvous_node *node;

	list_for_each (node, &rendezvous->nodes, entry) {
		for (size_t i = 0; i < node->record.address_count; i++) {
			const struct prefix *own = &node->record.addresses[i];

			/* A node's own address, never a routed prefix (security 5). */
			if (own->bits == family_bits(own->family) &&
			    prefix_contains_ip(own, address->family, address->ip))
				return node;
		}
	}
	return NULL;
}

int rendezvous_add(struct rendezvous *rendezvous, usec_t now, uint64_t revision,
		   const struct map_node *record, struct rendezvous_node **ret_node)
{
	struct rendezvous_node *node;

	if (rendezvous_find(rendezvous, &record->key))
		return -EEXIST;
	if (rendezvous->node_count >= MAP_NODES_MAX)
		return -ENOSPC;
	node = rendezvous->ops.node_new(rendezvous->ops.owner);
	if (!node)
		return -ENOMEM;
	node->record = *record;
	node->record.is_online = false;
	node->record.candidate_count = 0;
	node->next_ping = USEC_NEVER;
	list_append(&rendezvous->nodes, &node->entry);
	hash_insert(&rendezvous->by_key, &node->by_key,
		    hash_bytes(rendezvous->hash_seed, &record->key, KEY_SIZE));
	rendezvous->node_count++;
	rendezvous->config.header.revision = revision;
	touch(rendezvous, now, node);
	*ret_node = node;
	return 0;
}

void rendezvous_rename(struct rendezvous *rendezvous, usec_t now, uint64_t revision,
		       struct rendezvous_node *node, const char *name)
{
	text_copy(node->record.name, sizeof(node->record.name), name);
	rendezvous->config.header.revision = revision;
	touch(rendezvous, now, node);
}

static void all_need_map(struct rendezvous *rendezvous)
{
	struct rendezvous_node *node;

	list_for_each (node, &rendezvous->nodes, entry)
		node->needs_map = node->is_linked;
}

void rendezvous_remove(struct rendezvous *rendezvous, usec_t now, uint64_t revision,
		       struct rendezvous_node *node)
{
	static const uint8_t removed[] = {MESSAGE_REMOVED};

	rendezvous->config.header.revision = revision;
	if (rendezvous->removal_count < RENDEZVOUS_REMOVALS_MAX)
		rendezvous->removals[rendezvous->removal_count++] = node->record.key;
	else
		all_need_map(rendezvous);
	if (node->is_linked) {
		rendezvous->ops.send(rendezvous->ops.owner, node, removed, sizeof(removed));
		rendezvous->ops.close(rendezvous->ops.owner, node);
	}
	forget(rendezvous, node);
	/* Removal is felt at once, not with the next push. */
	rendezvous->push_due = now;
	rendezvous_expect(rendezvous, now);
}

static bool has_same_candidates(const struct map_node *a, const struct map_node *b)
{
	if (a->candidate_count != b->candidate_count)
		return false;
	for (size_t i = 0; i < a->candidate_count; i++) {
		if (a->candidates[i].kind != b->candidates[i].kind ||
		    !address_is_equal(&a->candidates[i].address, &b->candidates[i].address))
			return false;
	}
	return true;
}

/* The record's candidates: what the hub saw first, then what the node says. */
static bool refresh_candidates(struct rendezvous_node *node)
{
	struct map_node record = node->record;

	record.candidate_count = 0;
	memset(record.candidates, 0, sizeof(record.candidates));
	if (node->observed.family != FAMILY_NONE)
		record.candidates[record.candidate_count++] =
			(struct candidate){.kind = CANDIDATE_OBSERVED, .address = node->observed};
	for (size_t i = 0; node->is_linked && i < node->report.candidate_count; i++) {
		const struct candidate *candidate = &node->report.candidates[i];

		if (address_is_unusable(&candidate->address) ||
		    record.candidate_count == NODE_CANDIDATES_MAX)
			continue;
		record.candidates[record.candidate_count++] = *candidate;
	}
	if (has_same_candidates(&record, &node->record))
		return false;
	node->record = record;
	return true;
}

static void send_map(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *to)
{
	size_t size = MAP_HEADER_SIZE_MAX + rendezvous->node_count * (size_t)MAP_NODE_SIZE_MAX;
	struct writer writer = writer_over(rendezvous->ops.room(rendezvous->ops.owner, size), size);
	struct map_header header = rendezvous->config.header;
	struct rendezvous_node *node;

	(void)now;
	header.node_count = (uint32_t)rendezvous->node_count;
	map_header_write(&writer, &header);
	list_for_each (node, &rendezvous->nodes, entry)
		map_node_write(&writer, &node->record);
	to->needs_map = false;
	rendezvous->counters.maps_sent++;
	rendezvous->ops.send(rendezvous->ops.owner, to, writer.data, writer.position);
}

void rendezvous_link_up(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node)
{
	if (node->is_linked)
		return;
	node->is_linked = true;
	node->record.is_online = true;
	node->rtt = 0;
	node->last_pong = node->next_ping = node->changed = now;
	/* A new link is no new bucket. */
	if (!node->requests_at) {
		node->requests = rendezvous->limits.request_burst;
		node->requests_at = now;
	}
	node->report_allowed = 0;
	node->has_report_waiting = false;
	rendezvous->linked_count++;
	rendezvous_ping(rendezvous, now, node);
	send_map(rendezvous, now, node);
	touch(rendezvous, now, node);
	rendezvous->ops.notice(rendezvous->ops.owner, RENDEZVOUS_ONLINE, node, "");
}

void rendezvous_link_down(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node)
{
	if (!node->is_linked)
		return;
	node->is_linked = node->needs_map = false;
	node->record.is_online = false;
	node->next_ping = USEC_NEVER;
	rendezvous->linked_count--;
	touch(rendezvous, now, node);
	rendezvous->ops.notice(rendezvous->ops.owner, RENDEZVOUS_OFFLINE, node, "");
}

void rendezvous_observe(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node,
			const struct address *endpoint)
{
	node->observation.family = FAMILY_NONE;
	if (address_is_equal(&node->observed, endpoint))
		return;
	if (now < node->observe_allowed) {
		rendezvous->counters.observations_delayed++;
		node->observation = *endpoint;
		rendezvous_expect(rendezvous, node->observe_allowed);
		return;
	}
	node->observe_allowed = now + RENDEZVOUS_OBSERVE_INTERVAL;
	node->observed = *endpoint;
	node->changed = now;
	if (refresh_candidates(node))
		touch(rendezvous, now, node);
	rendezvous->ops.notice(rendezvous->ops.owner, RENDEZVOUS_OBSERVED, node, "");
}

static void observe_later(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node)
{
	struct address observation = node->observation;

	if (observation.family == FAMILY_NONE)
		return;
	if (now >= node->observe_allowed)
		rendezvous_observe(rendezvous, now, node, &observation);
	else
		rendezvous_expect(rendezvous, node->observe_allowed);
}

static void take_report(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node,
			const struct report *report)
{
	if (now < node->report_allowed) {
		rendezvous->counters.reports_delayed++;
		node->waiting = *report;
		node->has_report_waiting = true;
		rendezvous_expect(rendezvous, node->report_allowed);
		return;
	}
	rendezvous->counters.reports++;
	node->report_allowed = now + RENDEZVOUS_REPORT_INTERVAL;
	node->has_report_waiting = false;
	node->report = *report;
	if (refresh_candidates(node))
		touch(rendezvous, now, node);
}

static void receive_pong(struct rendezvous_node *node, usec_t now, uint64_t stamp)
{
	if (stamp > now)
		return;
	node->last_pong = now;
	/* The smallest of late: a map under way must not make the link look slow. */
	node->rtt = !node->rtt || now - stamp < node->rtt ? now - stamp
							  : (node->rtt * 7 + now - stamp) / 8;
}

static bool receive(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node,
		    struct reader *reader)
{
	uint8_t kind = message_kind_read(reader);
	struct report report;
	uint64_t stamp;
	struct key key;

	if (kind == MESSAGE_REPORT) {
		if (!report_read(reader, &report))
			return false;
		take_report(rendezvous, now, node, &report);
	} else if (kind == MESSAGE_CONNECT) {
		if (!connect_read(reader, &key))
			return false;
		rendezvous_connect(rendezvous, now, node, &key);
	} else if (kind == MESSAGE_PONG) {
		if (!stamp_read(reader, &stamp))
			return false;
		receive_pong(node, now, stamp);
	} else {
		/* Newer nodes may say more; what only hubs say is no node's to send. */
		return kind > MESSAGE_PONG;
	}
	return true;
}

void rendezvous_receive(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node,
			const uint8_t *data, size_t size)
{
	struct reader reader = reader_over(data, size);

	if (size <= REPORT_SIZE_MAX && receive(rendezvous, now, node, &reader))
		return;
	rendezvous->counters.malformed++;
	rendezvous->ops.notice(rendezvous->ops.owner, RENDEZVOUS_MALFORMED, node, "");
	rendezvous->ops.close(rendezvous->ops.owner, node);
}

static size_t write_changes(struct rendezvous *rendezvous, uint8_t *room, size_t size)
{
	struct writer writer = writer_over(room, size);
	struct changes_header header = {.incarnation = rendezvous->config.header.incarnation,
					.revision = rendezvous->config.header.revision,
					.removed_count = (uint32_t)rendezvous->removal_count};
	struct rendezvous_node *node;

	list_for_each (node, &rendezvous->nodes, entry)
		header.node_count += node->is_dirty;
	changes_header_write(&writer, &header);
	list_for_each (node, &rendezvous->nodes, entry) {
		if (node->is_dirty)
			map_node_write(&writer, &node->record);
	}
	for (size_t i = 0; i < rendezvous->removal_count; i++)
		key_write(&writer, &rendezvous->removals[i]);
	return writer.failed ? 0 : writer.position;
}

void rendezvous_push(struct rendezvous *rendezvous, usec_t now)
{
	size_t size = MAP_HEADER_SIZE_MAX + rendezvous->node_count * (size_t)MAP_NODE_SIZE_MAX +
		      sizeof(rendezvous->removals);
	uint8_t *room = rendezvous->ops.room(rendezvous->ops.owner, size);
	size_t changes_size = write_changes(rendezvous, room, size);
	struct rendezvous_node *node;

	rendezvous->push_due = USEC_NEVER;
	rendezvous->removal_count = 0;
	list_for_each (node, &rendezvous->nodes, entry) {
		node->is_dirty = false;
		if (!node->is_linked || node->needs_map)
			continue;
		rendezvous->counters.changes_sent++;
		rendezvous->ops.send(rendezvous->ops.owner, node, room, changes_size);
	}
	list_for_each (node, &rendezvous->nodes, entry) {
		if (node->is_linked && node->needs_map)
			send_map(rendezvous, now, node);
	}
}

void rendezvous_ping(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node)
{
	uint8_t bytes[16];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	stamp_write(&writer, MESSAGE_PING, now);
	node->next_ping = now + RENDEZVOUS_PING_INTERVAL;
	rendezvous_expect(rendezvous, node->next_ping);
	rendezvous->ops.send(rendezvous->ops.owner, node, bytes, writer.position);
}

static void tick_node(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *node)
{
	observe_later(rendezvous, now, node);
	if (!node->is_linked)
		return;
	if (node->has_report_waiting && now >= node->report_allowed)
		take_report(rendezvous, now, node, &node->waiting);
	if (now >= node->next_ping) {
		if (usec_since(now, node->last_pong) >= RENDEZVOUS_LINK_TIMEOUT) {
			rendezvous->ops.notice(rendezvous->ops.owner, RENDEZVOUS_SILENT, node, "");
			node->next_ping = now + RENDEZVOUS_PING_INTERVAL;
			rendezvous->ops.close(rendezvous->ops.owner, node);
			return;
		}
		rendezvous_ping(rendezvous, now, node);
	}
	rendezvous_expect(rendezvous, node->next_ping);
	if (node->has_report_waiting)
		rendezvous_expect(rendezvous, node->report_allowed);
}

void rendezvous_tick(struct rendezvous *rendezvous, usec_t now)
{
	struct rendezvous_node *node, *after;

	if (now < rendezvous->deadline)
		return;
	rendezvous->deadline = USEC_NEVER;
	list_for_each_safe (node, after, &rendezvous->nodes, entry)
		tick_node(rendezvous, now, node);
	if (now >= rendezvous->push_due)
		rendezvous_push(rendezvous, now);
	rendezvous_expect(rendezvous, rendezvous->push_due);
}

usec_t rendezvous_deadline(const struct rendezvous *rendezvous)
{
	return rendezvous->deadline;
}
