#include "network.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct mapping {
	bool is_set;
	struct host *host; /* or, behind a nested NAT, the zone that owns the source */
	struct address inside, outside;
	struct address remote; /* symmetric: the only one it serves; else the first */
	struct address seen[8]; /* remotes that were sent to: what the filter lets in */
	size_t seen_count;
	usec_t last_out, last_in;
	bool is_assured; /* a reply came */
};

struct zone {
	struct network *network;
	struct zone *outside;
	struct nat nat;
	struct mapping mappings[NETWORK_MAPPINGS_MAX];
	uint16_t next_port;
};

struct host {
	struct network *network;
	struct zone *zone;
	struct address address;
	struct host_link link;
	bool is_up;
	size_t index;
	uint64_t received[NETWORK_HOSTS_MAX];
	void (*on_datagram)(void *owner, usec_t now, const struct address *from, uint8_t *data,
			    size_t size);
	void *owner;
};

struct event {
	usec_t when;
	uint64_t order;
	/* a timer */
	void (*on_time)(void *owner, usec_t now);
	void *owner;
	/* or a datagram on its last link */
	struct host *from, *to;
	struct address source, destination;
	uint8_t *data;
	size_t size;
};

struct network {
	usec_t now;
	uint64_t order, random_state, choice_state;
	struct random_source random;
	struct zone *zones[NETWORK_ZONES_MAX];
	struct host *hosts[NETWORK_HOSTS_MAX];
	size_t zone_count, host_count;
	struct event *events; /* binary heap */
	size_t event_count, event_room;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static void fill(void *owner, void *out, size_t size)
{
	struct network *network = owner;
	uint8_t *bytes = out;

	while (size) {
		uint64_t word = next_random(&network->random_state);
		size_t part = size < sizeof(word) ? size : sizeof(word);

		memcpy(bytes, &word, part);
		bytes += part;
		size -= part;
	}
}

struct network *network_new(uint64_t seed)
{
	struct network *network = new (struct network);

	network->random_state = seed * 2 + 1;
	network->choice_state = seed * 2 + 2;
	network->random = (struct random_source){fill, network};
	/* Not 0: code under test takes 0 for never. */
	network->now = 1000 * USEC_PER_SEC;
	zone_new(network, NULL, NULL);
	return network;
}

void network_free(struct network *network)
{
	for (size_t i = 0; i < network->event_count; i++)
		free(network->events[i].data);
	for (size_t i = 0; i < network->zone_count; i++)
		free(network->zones[i]);
	for (size_t i = 0; i < network->host_count; i++)
		free(network->hosts[i]);
	free(network->events);
	free(network);
}

usec_t network_now(const struct network *network)
{
	return network->now;
}

const struct random_source *network_random(struct network *network)
{
	return &network->random;
}

uint32_t network_choose(struct network *network, uint32_t limit)
{
	return (uint32_t)(next_random(&network->choice_state) % limit);
}

/* ---- events ---- */

static bool is_before(const struct event *a, const struct event *b)
{
	return a->when < b->when || (a->when == b->when && a->order < b->order);
}

static void add_event(struct network *network, struct event event)
{
	size_t place;

	event.order = network->order++;
	if (network->event_count == network->event_room) {
		network->event_room = network->event_room * 2 + 64;
		network->events = memory_resize(network->events, network->event_room,
						sizeof(*network->events));
	}
	place = network->event_count++;
	while (place && is_before(&event, &network->events[(place - 1) / 2])) {
		network->events[place] = network->events[(place - 1) / 2];
		place = (place - 1) / 2;
	}
	network->events[place] = event;
}

static struct event take_event(struct network *network)
{
	struct event first = network->events[0], last = network->events[--network->event_count];
	size_t place = 0;

	for (;;) {
		size_t child = 2 * place + 1;

		if (child >= network->event_count)
			break;
		if (child + 1 < network->event_count &&
		    is_before(&network->events[child + 1], &network->events[child]))
			child++;
		if (!is_before(&network->events[child], &last))
			break;
		network->events[place] = network->events[child];
		place = child;
	}
	network->events[place] = last;
	return first;
}

void network_at(struct network *network, usec_t when, void (*on_time)(void *owner, usec_t now),
		void *owner)
{
	add_event(network, (struct event){.when = when < network->now ? network->now : when,
					  .on_time = on_time,
					  .owner = owner});
}

usec_t network_next(const struct network *network)
{
	return network->event_count ? network->events[0].when : USEC_NEVER;
}

/* ---- zones ---- */

struct zone *network_internet(struct network *network)
{
	return network->zones[0];
}

struct zone *zone_new(struct network *network, struct zone *outside, const struct nat *nat)
{
	struct zone *zone = new (struct zone);

	zone->network = network;
	zone->outside = outside;
	if (nat)
		zone->nat = *nat;
	zone->next_port = 20000;
	network->zones[network->zone_count++] = zone;
	return zone;
}

void zone_rebind(struct zone *zone)
{
	memset(zone->mappings, 0, sizeof(zone->mappings));
	zone->nat.keeps_port = false;
	zone->next_port = (uint16_t)(zone->next_port + 5000 > 60000 ? 20000 : zone->next_port + 5000);
}

struct address zone_outside(const struct zone *zone)
{
	return zone->nat.outside;
}

static bool is_alive(const struct zone *zone, const struct mapping *mapping)
{
	usec_t last = mapping->last_out > mapping->last_in ? mapping->last_out : mapping->last_in;
	usec_t timeout = mapping->is_assured ? zone->nat.timeout_assured : zone->nat.timeout_new;

	return mapping->is_set && zone->network->now < last + timeout;
}

static bool is_port_taken(const struct zone *zone, uint16_t port)
{
	for (size_t i = 0; i < NETWORK_MAPPINGS_MAX; i++) {
		if (is_alive(zone, &zone->mappings[i]) && zone->mappings[i].outside.port == port)
			return true;
	}
	return false;
}

static uint16_t pick_port(struct zone *zone, uint16_t wanted)
{
	if (zone->nat.keeps_port && !is_port_taken(zone, wanted))
		return wanted;
	do {
		zone->next_port++;
	} while (is_port_taken(zone, zone->next_port));
	return zone->next_port;
}

static struct mapping *find_out(struct zone *zone, const struct address *inside,
				const struct address *remote)
{
	for (size_t i = 0; i < NETWORK_MAPPINGS_MAX; i++) {
		struct mapping *mapping = &zone->mappings[i];

		if (is_alive(zone, mapping) && address_is_equal(&mapping->inside, inside) &&
		    (zone->nat.mapping != NAT_SYMMETRIC || address_is_equal(&mapping->remote, remote)))
			return mapping;
	}
	return NULL;
}

static struct mapping *new_mapping(struct zone *zone, const struct address *inside,
				   const struct address *remote)
{
	struct mapping *oldest = &zone->mappings[0];

	for (size_t i = 0; i < NETWORK_MAPPINGS_MAX; i++) {
		struct mapping *mapping = &zone->mappings[i];

		if (!is_alive(zone, mapping)) {
			oldest = mapping;
			break;
		}
		if (mapping->last_out < oldest->last_out)
			oldest = mapping;
	}
	*oldest = (struct mapping){.inside = *inside, .remote = *remote, .outside = *inside};
	if (zone->nat.mapping != NAT_NONE) {
		oldest->outside = zone->nat.outside;
		oldest->outside.port = pick_port(zone, inside->port);
	}
	oldest->is_set = true;
	return oldest;
}

/* Outbound: the source as the outer zone sees it. */
static struct address translate_out(struct zone *zone, const struct address *source,
				    const struct address *destination)
{
	struct mapping *mapping = find_out(zone, source, destination);
	size_t i;

	if (!mapping)
		mapping = new_mapping(zone, source, destination);
	mapping->last_out = zone->network->now;
	for (i = 0; i < mapping->seen_count; i++) {
		if (address_is_equal(&mapping->seen[i], destination))
			break;
	}
	if (i == mapping->seen_count) {
		if (mapping->seen_count == array_size(mapping->seen)) {
			memmove(&mapping->seen[0], &mapping->seen[1],
				sizeof(mapping->seen) - sizeof(mapping->seen[0]));
			mapping->seen_count--;
		}
		mapping->seen[mapping->seen_count++] = *destination;
	}
	return mapping->outside;
}

static bool filter_passes(const struct zone *zone, const struct mapping *mapping,
			  const struct address *source)
{
	if (zone->nat.filter == FILTER_OPEN)
		return true;
	for (size_t i = 0; i < mapping->seen_count; i++) {
		if (address_is_equal(&mapping->seen[i], source) ||
		    (zone->nat.filter == FILTER_ADDRESS &&
		     address_is_same_ip(&mapping->seen[i], source)))
			return true;
	}
	return false;
}

/* Inbound: where it goes inside; false = dropped. */
static bool translate_in(struct zone *zone, const struct address *source, struct address *destination)
{
	for (size_t i = 0; i < NETWORK_MAPPINGS_MAX; i++) {
		struct mapping *mapping = &zone->mappings[i];

		if (!is_alive(zone, mapping) || !address_is_equal(&mapping->outside, destination) ||
		    !filter_passes(zone, mapping, source))
			continue;
		mapping->last_in = zone->network->now;
		mapping->is_assured = true;
		*destination = mapping->inside;
		return true;
	}
	return false;
}

/* ---- hosts ---- */

struct host *host_new(struct network *network, struct zone *zone, const struct address *address,
		      const struct host_link *link,
		      void (*on_datagram)(void *owner, usec_t now, const struct address *from,
					  uint8_t *data, size_t size),
		      void *owner)
{
	struct host *host = new (struct host);

	*host = (struct host){.network = network,
			      .zone = zone,
			      .address = *address,
			      .link = *link,
			      .is_up = true,
			      .index = network->host_count,
			      .on_datagram = on_datagram,
			      .owner = owner};
	network->hosts[network->host_count++] = host;
	return host;
}

void host_move(struct host *host, struct zone *zone, const struct address *address)
{
	host->zone = zone;
	host->address = *address;
}

struct address host_address(const struct host *host)
{
	return host->address;
}

const struct host_link *host_link(const struct host *host)
{
	return &host->link;
}

struct zone *host_zone(const struct host *host)
{
	return host->zone;
}

void host_set_up(struct host *host, bool is_up)
{
	host->is_up = is_up;
}

uint64_t host_received_from(const struct host *host, const struct host *from)
{
	return host->received[from->index];
}

static struct host *find_host(struct network *network, const struct zone *zone,
			      const struct address *address)
{
	for (size_t i = 0; i < network->host_count; i++) {
		if (network->hosts[i]->zone == zone &&
		    address_is_equal(&network->hosts[i]->address, address))
			return network->hosts[i];
	}
	return NULL;
}

static struct zone *find_inner(struct network *network, const struct zone *outside,
			       const struct address *address)
{
	for (size_t i = 0; i < network->zone_count; i++) {
		struct zone *zone = network->zones[i];

		if (zone->outside != outside)
			continue;
		if (zone->nat.mapping != NAT_NONE && address_is_same_ip(&zone->nat.outside, address))
			return zone;
		/* A firewall translates nothing: what is behind it is addressed itself. */
		if (zone->nat.mapping == NAT_NONE && find_host(network, zone, address))
			return zone;
	}
	return NULL;
}

/* Down from a zone towards a host; NULL = nobody there, or filtered. */
static struct host *descend(struct network *network, struct zone *zone, const struct address *source,
			    struct address *destination)
{
	for (;;) {
		struct host *host = find_host(network, zone, destination);
		struct zone *inner;

		if (host)
			return host;
		inner = find_inner(network, zone, destination);
		if (!inner || !translate_in(inner, source, destination))
			return NULL;
		zone = inner;
	}
}

/* The route at the moment of sending: up through NATs until somebody there is the destination. */
static struct host *route(struct host *from, struct address *source, struct address *destination)
{
	struct network *network = from->network;
	struct zone *zone = from->zone, *below = NULL;

	for (;;) {
		struct zone *inner;

		if (find_host(network, zone, destination))
			return descend(network, zone, source, destination);
		inner = find_inner(network, zone, destination);
		if (inner && (inner != below || inner->nat.has_hairpin))
			return descend(network, zone, source, destination);
		if (inner || !zone->outside)
			return NULL;
		*source = translate_out(zone, source, destination);
		below = zone;
		zone = zone->outside;
	}
}

void host_send(struct host *host, const struct address *to, const void *data, size_t size)
{
	struct network *network = host->network;
	struct address source = host->address, destination = *to;
	struct host *target;
	usec_t delay;

	if (!host->is_up || network_choose(network, 1000) < host->link.loss_permille)
		return;
	target = route(host, &source, &destination);
	if (!target || network_choose(network, 1000) < target->link.loss_permille)
		return;
	delay = host->link.delay + target->link.delay;
	if (host->link.jitter + target->link.jitter)
		delay += network_choose(network, (uint32_t)(host->link.jitter + target->link.jitter));
	add_event(network, (struct event){.when = network->now + delay,
					  .from = host,
					  .to = target,
					  .source = source,
					  .destination = destination,
					  .data = memory_copy(data, size),
					  .size = size});
}

static void deliver(struct network *network, struct event *event)
{
	/* Moved or gone down while it was under way. */
	if (event->to->is_up && address_is_equal(&event->to->address, &event->destination)) {
		event->to->received[event->from->index]++;
		event->to->on_datagram(event->to->owner, network->now, &event->source, event->data,
				       event->size);
	}
	free(event->data);
}

void network_run(struct network *network, usec_t until)
{
	while (network->event_count && network->events[0].when <= until) {
		struct event event = take_event(network);

		network->now = event.when;
		if (event.on_time)
			event.on_time(event.owner, network->now);
		else
			deliver(network, &event);
	}
	if (network->now < until)
		network->now = until;
}
