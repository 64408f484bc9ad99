/* The map on disk: so that a node finds its peers again when it starts without a hub, and remembers
 * whose names and addresses were whose (security 6). */
#include <string.h>

#include "proto/agent/agent_private.h"

static const char saved_magic[4] = {'W', 'L', 'M', '1'};

size_t agent_save_size(const struct agent *agent)
{
	return sizeof(saved_magic) + MAP_HEADER_SIZE_MAX + 16 +
	       agent->tombstone_count * (KEY_SIZE + 8) +
	       (agent->member_count + agent->pin_count + 1) * (size_t)MAP_NODE_SIZE_MAX;
}

/* Where it stands already, or the last one gives way. */
static void put_first(struct map_node *node, const struct path_candidate *present)
{
	size_t place = 0;

	while (place < node->candidate_count &&
	       !address_is_equal(&node->candidates[place].address, &present->address))
		place++;
	if (place == node->candidate_count && place < NODE_CANDIDATES_MAX)
		node->candidate_count++;
	if (place == NODE_CANDIDATES_MAX)
		place--;
	memmove(&node->candidates[1], &node->candidates[0], place * sizeof(node->candidates[0]));
	node->candidates[0] = (struct candidate){
		.kind = present->kind == CANDIDATE_LOCAL ? CANDIDATE_LOCAL : CANDIDATE_OBSERVED,
		.address = present->address};
	node->was_reached = true;
}

/* The record as the next start wants it: the address that works comes first. */
static void save_member(struct writer *writer, const struct agent_peer *peer)
{
	const struct path_candidate *present = peer->has_device ? path_chosen(&peer->path) : NULL;
	struct map_node node = peer->record;

	if (present)
		put_first(&node, present);
	map_node_write(writer, &node);
}

static uint32_t age_in_seconds(const struct agent *agent, usec_t now)
{
	usec_t seconds = agent_map_age(agent, now) / USEC_PER_SEC;

	return seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;
}

size_t agent_save(const struct agent *agent, usec_t now, uint8_t *out, size_t size)
{
	struct writer writer = writer_over(out, size);
	struct map_header header = agent->map;
	const struct agent_peer *peer;

	if (!agent->has_map)
		return 0;
	header.node_count = (uint32_t)agent->member_count + !!agent->self.name[0];
	write_bytes(&writer, saved_magic, sizeof(saved_magic));
	map_header_write(&writer, &header);
	if (agent->self.name[0])
		map_node_write(&writer, &agent->self);
	list_for_each (peer, &agent->peers, entry)
		save_member(&writer, peer);
	write_u32(&writer, (uint32_t)agent->pin_count);
	list_for_each (peer, &agent->pins, entry)
		map_node_write(&writer, &peer->record);
	write_u32(&writer, age_in_seconds(agent, now));
	tombstones_write(agent, &writer);
	return writer.failed ? 0 : writer.position;
}

static void load_pins(struct agent *agent, struct reader *reader)
{
	uint32_t count = read_u32(reader);

	for (uint32_t i = 0; i < count && !reader->failed; i++) {
		struct map_node node;

		if (map_node_read(reader, &node) && i < AGENT_PINS_MAX)
			pins_add(agent, &node);
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
	struct reader reader = reader_over(data, size), rest;
	const uint8_t *magic = read_view(&reader, sizeof(saved_magic));
	struct map_header header;

	if (!magic || memcmp(magic, saved_magic, sizeof(saved_magic)) ||
	    message_kind_read(&reader) != MESSAGE_MAP)
		return false;
	rest = reader;
	if (!map_header_read(&rest, &header) || !skip_records(&rest, header.node_count) ||
	    map_header_fault(agent, &header))
		return false;
	load_pins(agent, &rest);
	/* Earlier versions wrote neither age nor tombstones: the reader then gives 0. */
	age += read_u32(&rest) * USEC_PER_SEC;
	tombstones_read(agent, &rest);
	map_apply(agent, now, &reader, age);
	/* What was just read need not be written. */
	agent->save_due = USEC_NEVER;
	return agent->has_map;
}
