#include "proto/agent/filter.h"

static bool is_in_tunnel(const struct agent *agent, const struct address *address)
{
	for (size_t i = 0; i < agent->config.address_count; i++) {
		if (prefix_contains_ip(&agent->config.addresses[i], address->family, address->ip))
			return true;
	}
	for (size_t i = 0; i < agent->map.hub_address_count; i++) {
		if (prefix_contains_ip(&agent->map.hub_addresses[i], address->family, address->ip))
			return true;
	}
	return false;
}

static bool is_own(const struct agent *agent, const struct address *address)
{
	for (size_t i = 0; i < agent->interface_count; i++) {
		struct address own = prefix_address(&agent->interfaces[i].prefix);

		if (address_is_same_ip(&own, address))
			return true;
	}
	return false;
}

static bool is_hub(const struct agent *agent, const struct address *address)
{
	for (size_t i = 0; i < agent->hub_endpoint_count; i++) {
		if (address_is_equal(&agent->hub_endpoints[i], address))
			return true;
	}
	return false;
}

static bool is_on_link(const struct agent *agent, const struct address *address)
{
	for (size_t i = 0; i < agent->interface_count; i++) {
		const struct agent_interface_address *own = &agent->interfaces[i];

		if (!own->is_ours && own->prefix.bits < family_bits(own->prefix.family) &&
		    prefix_contains_ip(&own->prefix, address->family, address->ip))
			return true;
	}
	return false;
}

static const struct address *observed_of(const struct map_node *node, uint8_t family)
{
	for (size_t i = 0; i < node->candidate_count; i++) {
		if (node->candidates[i].kind == CANDIDATE_OBSERVED &&
		    (!family || node->candidates[i].address.family == family))
			return &node->candidates[i].address;
	}
	return NULL;
}

/* Both stand behind the same public address: what is private to one may be reachable for the other.
 */
static bool shares_public_address(const struct agent *agent, const struct agent_peer *peer)
{
	static const uint8_t families[] = {FAMILY_IPV4, FAMILY_IPV6};

	for (size_t i = 0; i < array_size(families); i++) {
		const struct address *ours = observed_of(&agent->self, families[i]);
		const struct address *theirs = observed_of(&peer->record, families[i]);

		if (ours && theirs && address_is_same_ip(ours, theirs))
			return true;
	}
	return false;
}

/* A private address is somebody's; it is probed when it is on a link of ours, when both are behind
 * one public address, or when the hub sees both of us under private addresses: then all three are
 * in one realm. */
static bool may_probe_private(const struct agent *agent, const struct agent_peer *peer,
			      const struct candidate *candidate)
{
	const struct address *own = observed_of(&agent->self, 0);

	if (is_on_link(agent, &candidate->address) || shares_public_address(agent, peer))
		return true;
	return candidate->kind == CANDIDATE_OBSERVED && own && address_is_private(own);
}

static bool may_probe(struct agent *agent, const struct address *address)
{
	if (address_is_unusable(address) || is_in_tunnel(agent, address) ||
	    is_hub(agent, address) || is_own(agent, address))
		return false;
	return !agent->ops.is_routed_through_us(agent->ops.owner, address);
}

bool filter_seen(struct agent *agent, const struct address *address)
{
	return may_probe(agent, address);
}

size_t filter_peer(struct agent *agent, const struct agent_peer *peer,
		   struct candidate *ret_candidates)
{
	size_t count = 0;

	for (size_t i = 0; i < peer->record.candidate_count; i++) {
		const struct candidate *candidate = &peer->record.candidates[i];

		if (may_probe(agent, &candidate->address) &&
		    (!address_is_private(&candidate->address) ||
		     may_probe_private(agent, peer, candidate)))
			ret_candidates[count++] = *candidate;
		else
			agent->counters.candidates_refused++;
	}
	return count;
}

size_t filter_own(const struct agent *agent, struct candidate *ret_candidates)
{
	size_t count = 0;

	for (size_t i = 0; i < agent->interface_count && count < NODE_CANDIDATES_MAX - 1; i++) {
		struct address address = prefix_address(&agent->interfaces[i].prefix);

		address.port = agent->config.listen_port;
		if (agent->interfaces[i].is_ours || address_is_unusable(&address) ||
		    is_in_tunnel(agent, &address))
			continue;
		ret_candidates[count++] =
			(struct candidate){.kind = CANDIDATE_LOCAL, .address = address};
	}
	return count;
}
