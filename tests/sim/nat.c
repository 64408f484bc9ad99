#include "nat.h"

#include <string.h>

#include "base/memory.h"

#define FIRST_PORT 20000
#define LAST_PORT  60000

void nat_init(struct nat_table *table, const struct nat *nat)
{
	memset(table, 0, sizeof(*table));
	table->nat = *nat;
	table->next_port = FIRST_PORT;
}

void nat_rebind(struct nat_table *table)
{
	memset(table->mappings, 0, sizeof(table->mappings));
	memset(table->claims, 0, sizeof(table->claims));
	table->mapping_count = 0;
	table->nat.keeps_port = false;
	table->next_port += 5000;
	if (table->next_port > LAST_PORT)
		table->next_port = FIRST_PORT;
}

static bool is_flow_alive(const struct nat_table *table, usec_t now, const struct nat_flow *flow)
{
	usec_t timeout = flow->is_assured ? table->nat.timeout_assured : table->nat.timeout_new;

	return flow->last && now < flow->last + timeout;
}

static bool is_alive(const struct nat_table *table, usec_t now,
		     const struct nat_mapping_entry *mapping)
{
	for (size_t i = 0; mapping->is_set && i < mapping->flow_count; i++) {
		if (is_flow_alive(table, now, &mapping->flows[i]))
			return true;
	}
	return false;
}

static bool is_port_taken(const struct nat_table *table, usec_t now, uint16_t port)
{
	for (size_t i = 0; i < table->mapping_count; i++) {
		if (table->mappings[i].outside.port == port &&
		    is_alive(table, now, &table->mappings[i]))
			return true;
	}
	return false;
}

static uint16_t pick_port(struct nat_table *table, usec_t now, uint16_t wanted, bool may_keep)
{
	if (may_keep && table->nat.keeps_port && !is_port_taken(table, now, wanted))
		return wanted;
	do {
		if (++table->next_port > LAST_PORT)
			table->next_port = FIRST_PORT;
	} while (is_port_taken(table, now, table->next_port));
	return table->next_port;
}

static struct nat_claim *find_claim(struct nat_table *table, usec_t now, uint16_t port,
				    const struct address *remote)
{
	for (size_t i = 0; i < array_size(table->claims); i++) {
		struct nat_claim *claim = &table->claims[i];

		if (claim->last && now < claim->last + table->nat.timeout_new &&
		    claim->port == port && address_is_equal(&claim->remote, remote))
			return claim;
	}
	return NULL;
}

static void take_claim(struct nat_table *table, usec_t now, uint16_t port,
		       const struct address *remote)
{
	struct nat_claim *claim = find_claim(table, now, port, remote), *oldest = &table->claims[0];

	if (claim) {
		claim->last = now;
		return;
	}
	for (size_t i = 1; i < array_size(table->claims); i++) {
		if (table->claims[i].last < oldest->last)
			oldest = &table->claims[i];
	}
	*oldest = (struct nat_claim){.remote = *remote, .port = port, .last = now};
}

/* The one for this remote alone before the one for all. */
static struct nat_mapping_entry *find_mapping(struct nat_table *table, usec_t now,
					      const struct address *inside,
					      const struct address *remote)
{
	struct nat_mapping_entry *general = NULL;

	for (size_t i = 0; i < table->mapping_count; i++) {
		struct nat_mapping_entry *mapping = &table->mappings[i];

		if (!mapping->is_set || !address_is_equal(&mapping->inside, inside) ||
		    (mapping->is_for_one && !address_is_equal(&mapping->remote, remote)) ||
		    !is_alive(table, now, mapping))
			continue;
		if (mapping->is_for_one)
			return mapping;
		general = mapping;
	}
	return general;
}

static struct nat_mapping_entry *free_mapping(struct nat_table *table, usec_t now)
{
	size_t place = 0;

	while (place < table->mapping_count && is_alive(table, now, &table->mappings[place]))
		place++;
	/* A full table forgets its first entry: no test comes near it. */
	if (place == NAT_MAPPINGS_MAX)
		place = 0;
	if (place == table->mapping_count)
		table->mapping_count++;
	memset(&table->mappings[place], 0, sizeof(table->mappings[place]));
	return &table->mappings[place];
}

static struct nat_mapping_entry *new_mapping(struct nat_table *table, usec_t now,
					     const struct address *inside,
					     const struct address *remote, bool may_keep)
{
	struct nat_mapping_entry *mapping = free_mapping(table, now);

	mapping->inside = mapping->outside = *inside;
	mapping->remote = *remote;
	mapping->is_for_one = table->nat.mapping == NAT_SYMMETRIC || !may_keep;
	if (table->nat.mapping != NAT_NONE) {
		mapping->outside = table->nat.outside;
		mapping->outside.port = pick_port(table, now, inside->port, may_keep);
	}
	mapping->is_set = true;
	return mapping;
}

static struct nat_flow *find_flow(struct nat_mapping_entry *mapping, const struct address *remote)
{
	for (size_t i = 0; i < mapping->flow_count; i++) {
		if (address_is_equal(&mapping->flows[i].remote, remote))
			return &mapping->flows[i];
	}
	return NULL;
}

static struct nat_flow *new_flow(struct nat_mapping_entry *mapping, const struct address *remote)
{
	struct nat_flow *oldest = &mapping->flows[0];

	if (mapping->flow_count < NAT_FLOWS_MAX) {
		oldest = &mapping->flows[mapping->flow_count++];
	} else {
		for (size_t i = 1; i < NAT_FLOWS_MAX; i++) {
			if (mapping->flows[i].last < oldest->last)
				oldest = &mapping->flows[i];
		}
	}
	*oldest = (struct nat_flow){.remote = *remote};
	return oldest;
}

static void open_flow(struct nat_table *table, usec_t now, struct nat_mapping_entry *mapping,
		      const struct address *remote)
{
	struct nat_flow *flow = find_flow(mapping, remote);

	if (!flow)
		flow = new_flow(mapping, remote);
	else if (!is_flow_alive(table, now, flow))
		flow->is_assured = false;
	flow->last = now;
}

static bool has_flow(const struct nat_table *table, usec_t now, struct nat_mapping_entry *mapping,
		     const struct address *remote)
{
	const struct nat_flow *flow = find_flow(mapping, remote);

	return flow && is_flow_alive(table, now, flow);
}

struct address nat_out(struct nat_table *table, usec_t now, const struct address *source,
		       const struct address *destination)
{
	struct nat_mapping_entry *mapping = find_mapping(table, now, source, destination);
	bool is_general = mapping && !mapping->is_for_one;

	if (!mapping) {
		mapping = new_mapping(table, now, source, destination, true);
		is_general = !mapping->is_for_one;
	}
	if (is_general && table->nat.is_moving && !has_flow(table, now, mapping, destination) &&
	    find_claim(table, now, mapping->outside.port, destination))
		mapping = new_mapping(table, now, source, destination, false);
	open_flow(table, now, mapping, destination);
	return mapping->outside;
}

static bool filter_passes(const struct nat_table *table, usec_t now,
			  const struct nat_mapping_entry *mapping, const struct address *source)
{
	if (table->nat.filter == FILTER_OPEN)
		return true;
	for (size_t i = 0; i < mapping->flow_count; i++) {
		const struct nat_flow *flow = &mapping->flows[i];

		if (is_flow_alive(table, now, flow) &&
		    (address_is_equal(&flow->remote, source) ||
		     (table->nat.filter == FILTER_ADDRESS &&
		      address_is_same_ip(&flow->remote, source))))
			return true;
	}
	return false;
}

static void touch_flow(struct nat_table *table, usec_t now, struct nat_mapping_entry *mapping,
		       const struct address *source)
{
	struct nat_flow *flow = find_flow(mapping, source);

	if (!flow)
		flow = new_flow(mapping, source);
	flow->last = now;
	flow->is_assured = true;
}

bool nat_in(struct nat_table *table, usec_t now, const struct address *source,
	    struct address *destination)
{
	for (size_t i = 0; i < table->mapping_count; i++) {
		struct nat_mapping_entry *mapping = &table->mappings[i];

		if (!mapping->is_set || !address_is_equal(&mapping->outside, destination) ||
		    !is_alive(table, now, mapping) || !filter_passes(table, now, mapping, source))
			continue;
		touch_flow(table, now, mapping, source);
		*destination = mapping->inside;
		return true;
	}
	if (table->nat.is_moving)
		take_claim(table, now, destination->port, source);
	return false;
}
