/* Which key had a name or address before (security 6): of members that left, and of those that were
 * given others. A pin is memory of a peer that is in no table; only its record counts. */
#include <string.h>

#include "proto/agent/agent_private.h"

static bool shares_address(const struct map_node *a, const struct map_node *b)
{
	for (size_t i = 0; i < a->address_count; i++) {
		if (map_has_address(b, &a->addresses[i]))
			return true;
	}
	return false;
}

static bool is_same_claim(const struct map_node *a, const struct map_node *b)
{
	if (!key_is_equal(&a->key, &b->key) || strcmp(a->name, b->name) ||
	    a->address_count != b->address_count)
		return false;
	for (size_t i = 0; i < a->address_count; i++) {
		if (!map_has_address(b, &a->addresses[i]))
			return false;
	}
	return true;
}

void pins_drop(struct agent *agent, struct agent_peer *pin)
{
	list_remove(&pin->entry);
	agent->pin_count--;
	agent->ops.peer_free(agent->ops.owner, pin);
}

void pins_add(struct agent *agent, const struct map_node *record)
{
	struct agent_peer *pin;

	list_for_each (pin, &agent->pins, entry) {
		if (!is_same_claim(&pin->record, record))
			continue;
		/* Who comes and goes drives out nobody else's. */
		list_remove(&pin->entry);
		list_append(&agent->pins, &pin->entry);
		return;
	}
	pin = agent->ops.peer_new(agent->ops.owner);
	if (!pin)
		return;
	pin->agent = agent;
	pin->record = *record;
	pin->record.candidate_count = 0;
	list_append(&agent->pins, &pin->entry);
	agent->pin_count++;
}

struct agent_peer *pins_find(const struct agent *agent, const struct map_node *record)
{
	struct agent_peer *pin;

	list_for_each (pin, &agent->pins, entry) {
		if (!key_is_equal(&pin->record.key, &record->key) &&
		    (!strcmp(pin->record.name, record->name) ||
		     shares_address(&pin->record, record)))
			return pin;
	}
	return NULL;
}

void pins_trim(struct agent *agent)
{
	struct agent_peer *pin, *after;

	list_for_each_safe (pin, after, &agent->pins, entry) {
		if (agent->pin_count <= AGENT_PINS_MAX)
			return;
		pins_drop(agent, pin);
	}
}

void pins_clear(struct agent *agent)
{
	struct agent_peer *pin, *after;

	list_for_each_safe (pin, after, &agent->pins, entry)
		pins_drop(agent, pin);
}
