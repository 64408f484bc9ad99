/* Keys that the hub removed, each with the admission that ended (security 10). A registry that
 * comes back from a backup knows nothing of a removal, but tells of the same admission again. */
#include "proto/agent/agent_private.h"

/* Its place, or agent->tombstone_count. */
static size_t find(const struct agent *agent, const struct key *key)
{
	size_t i = 0;

	while (i < agent->tombstone_count && !key_is_equal(&agent->tombstones[i].key, key))
		i++;
	return i;
}

static struct agent_tombstone *make(struct agent *agent, const struct key *key)
{
	struct agent_tombstone *tombstone = &agent->tombstones[agent->tombstone_next];

	agent->tombstone_next = (agent->tombstone_next + 1) % AGENT_TOMBSTONES_MAX;
	if (agent->tombstone_count < AGENT_TOMBSTONES_MAX)
		agent->tombstone_count++;
	*tombstone = (struct agent_tombstone){.key = *key};
	return tombstone;
}

void tombstones_add(struct agent *agent, const struct key *key, uint64_t admitted)
{
	size_t place = find(agent, key);
	struct agent_tombstone *tombstone;

	/* A hub that does not say when it admits could never admit again. */
	if (!admitted)
		return;
	tombstone = place < agent->tombstone_count ? &agent->tombstones[place] : make(agent, key);
	if (admitted > tombstone->admitted)
		tombstone->admitted = admitted;
}

bool tombstones_refuse(const struct agent *agent, const struct map_node *node)
{
	size_t place = find(agent, &node->key);

	return place < agent->tombstone_count && node->admitted &&
	       node->admitted <= agent->tombstones[place].admitted;
}

void tombstones_write(const struct agent *agent, struct writer *writer)
{
	write_u32(writer, (uint32_t)agent->tombstone_count);
	/* The oldest first. */
	for (size_t i = 0; i < agent->tombstone_count; i++) {
		const struct agent_tombstone *tombstone =
			&agent->tombstones[(agent->tombstone_next + i) % agent->tombstone_count];

		key_write(writer, &tombstone->key);
		write_u64(writer, tombstone->admitted);
	}
}

void tombstones_read(struct agent *agent, struct reader *reader)
{
	uint32_t count = read_u32(reader);

	for (uint32_t i = 0; i < count && i < AGENT_TOMBSTONES_MAX; i++) {
		struct key key;
		bool is_key = key_read(reader, &key);
		uint64_t admitted = read_u64(reader);

		if (!is_key || reader->failed)
			return;
		tombstones_add(agent, &key, admitted);
	}
}
