#include "network.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "contacts.h"
#include "nat.h"

struct zone {
	struct network *network;
	struct zone *outside;
	struct network_link link;
	struct nat_table table;
};

#define ADDRESS_BUCKETS 1024

struct interface {
	struct hash_node by_address;
	struct host *host;
	struct zone *zone;
	struct prefix address;
	struct network_link link;
};

struct host {
	struct network *network;
	size_t index;
	uint16_t port;
	bool is_up;
	unsigned loss_permille;
	struct interface interfaces[NETWORK_INTERFACES_MAX];
	size_t interface_count;
	uint64_t *received; /* by index of the sender */
	size_t received_room;
	uint64_t sent;
	struct contacts contacts;
	void (*on_datagram)(void *owner, usec_t now, const struct network_datagram *datagram);
	void *owner;
};

/* A datagram under way. */
struct packet {
	const struct host *from;
	struct address source, destination;
	size_t size;
	uint8_t data[];
};

enum event_kind {
	EVENT_TIMER,
	EVENT_ENTER,   /* packet stands inside zone, having come up from below */
	EVENT_INBOUND, /* packet stands before the NAT of zone */
	EVENT_DELIVER, /* packet reaches host */
};

struct event {
	usec_t when;
	uint64_t order;
	enum event_kind kind;
	void (*on_time)(void *owner, usec_t now);
	void *owner;
	struct packet *packet;
	struct zone *zone, *below;
	struct host *host;
};

struct network {
	usec_t now;
	uint64_t order, random_state, choice_state, chance_state, event_total;
	struct random_source random;
	struct zone *zones[NETWORK_ZONES_MAX];
	struct host **hosts;
	size_t zone_count, host_count, host_room;
	struct hash_table interfaces;
	struct hash_node *interface_buckets[ADDRESS_BUCKETS];
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
	static const struct nat none = {0};
	static const struct network_link at_once = {0};
	struct network *network = new (struct network);
	uint64_t state = seed;

	network->random_state = next_random(&state);
	network->choice_state = next_random(&state);
	network->chance_state = next_random(&state);
	network->random = (struct random_source){fill, network};
	/* Not 0: code under test takes 0 for never. */
	network->now = 1000 * USEC_PER_SEC;
	hash_init(&network->interfaces, network->interface_buckets, ADDRESS_BUCKETS);
	zone_new(network, NULL, &none, &at_once);
	return network;
}

static void host_free(struct host *host)
{
	contacts_done(&host->contacts);
	free(host->received);
	free(host);
}

void network_free(struct network *network)
{
	for (size_t i = 0; i < network->event_count; i++)
		free(network->events[i].packet);
	for (size_t i = 0; i < network->zone_count; i++)
		free(network->zones[i]);
	for (size_t i = 0; i < network->host_count; i++)
		host_free(network->hosts[i]);
	free(network->hosts);
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

static uint32_t below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)(((next_random(state) >> 32) * limit) >> 32);
}

uint32_t network_choose(struct network *network, uint32_t limit)
{
	return below(&network->choice_state, limit);
}

uint64_t network_event_count(const struct network *network)
{
	return network->event_total;
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
					  .kind = EVENT_TIMER,
					  .on_time = on_time,
					  .owner = owner});
}

/* ---- zones ---- */

struct zone *network_internet(struct network *network)
{
	return network->zones[0];
}

struct zone *zone_new(struct network *network, struct zone *outside, const struct nat *nat,
		      const struct network_link *link)
{
	struct zone *zone = new (struct zone);

	zone->network = network;
	zone->outside = outside;
	zone->link = *link;
	nat_init(&zone->table, nat);
	if (network->zone_count == NETWORK_ZONES_MAX)
		abort();
	network->zones[network->zone_count++] = zone;
	return zone;
}

void zone_rebind(struct zone *zone)
{
	nat_rebind(&zone->table);
}

const struct nat *zone_nat(const struct zone *zone)
{
	return &zone->table.nat;
}

const struct network_link *zone_link(const struct zone *zone)
{
	return &zone->link;
}

struct zone *zone_outside(const struct zone *zone)
{
	return zone->outside;
}

/* ---- hosts ---- */

static uint64_t hash_of_ip(const struct address *address)
{
	return hash_bytes(address->family, address->ip, sizeof(address->ip));
}

struct host *host_new(struct network *network, uint16_t port,
		      void (*on_datagram)(void *owner, usec_t now,
					  const struct network_datagram *datagram),
		      void *owner)
{
	struct host *host = new (struct host);

	if (network->host_count == network->host_room) {
		network->host_room = network->host_room * 2 + 16;
		network->hosts =
			memory_resize(network->hosts, network->host_room, sizeof(*network->hosts));
	}
	*host = (struct host){.network = network,
			      .port = port,
			      .is_up = true,
			      .index = network->host_count,
			      .on_datagram = on_datagram,
			      .owner = owner};
	contacts_init(&host->contacts);
	network->hosts[network->host_count++] = host;
	return host;
}

void host_attach(struct host *host, struct zone *zone, const struct prefix *address,
		 const struct network_link *link)
{
	struct address ip = prefix_address(address);
	struct interface *interface;

	if (host->interface_count == NETWORK_INTERFACES_MAX)
		abort();
	interface = &host->interfaces[host->interface_count++];
	*interface =
		(struct interface){.host = host, .zone = zone, .address = *address, .link = *link};
	hash_insert(&host->network->interfaces, &interface->by_address, hash_of_ip(&ip));
}

void host_detach(struct host *host)
{
	for (size_t i = 0; i < host->interface_count; i++)
		hash_remove(&host->network->interfaces, &host->interfaces[i].by_address);
	host->interface_count = 0;
}

size_t host_interface_count(const struct host *host)
{
	return host->interface_count;
}

const struct prefix *host_interface(const struct host *host, size_t index)
{
	return &host->interfaces[index].address;
}

struct zone *host_zone(const struct host *host, size_t index)
{
	return host->interfaces[index].zone;
}

const struct network_link *host_interface_link(const struct host *host, size_t index)
{
	return &host->interfaces[index].link;
}

static struct address interface_address(const struct host *host, const struct interface *interface)
{
	struct address address = prefix_address(&interface->address);

	address.port = host->port;
	return address;
}

struct address host_address(const struct host *host, size_t index)
{
	return interface_address(host, &host->interfaces[index]);
}

void host_set_up(struct host *host, bool is_up)
{
	host->is_up = is_up;
}

bool host_is_up(const struct host *host)
{
	return host->is_up;
}

void host_set_loss(struct host *host, unsigned loss_permille)
{
	host->loss_permille = loss_permille;
}

uint64_t host_received_from(const struct host *host, const struct host *from)
{
	return from->index < host->received_room ? host->received[from->index] : 0;
}

uint64_t host_sent(const struct host *host)
{
	return host->sent;
}

void host_forget_sent(struct host *host)
{
	contacts_forget_sent(&host->contacts);
}

const struct contact *host_contact(const struct host *host, size_t index)
{
	return contacts_get(&host->contacts, index);
}

static void note_received(struct host *host, const struct host *from)
{
	size_t room = host->network->host_count;

	if (from->index >= host->received_room) {
		host->received = memory_resize(host->received, room, sizeof(*host->received));
		memset(host->received + host->received_room, 0,
		       (room - host->received_room) * sizeof(*host->received));
		host->received_room = room;
	}
	host->received[from->index]++;
}

/* ---- the way of a datagram ---- */

static bool is_lost(struct network *network, unsigned loss_permille)
{
	return loss_permille && below(&network->chance_state, 1000) < loss_permille;
}

/* Over one link to the next stand. */
static void travel(struct network *network, const struct network_link *link, struct event event)
{
	usec_t delay = link->delay;

	if (is_lost(network, link->loss_permille)) {
		free(event.packet);
		return;
	}
	if (link->jitter)
		delay += below(&network->chance_state, (uint32_t)link->jitter);
	event.when = network->now + delay;
	add_event(network, event);
}

static const struct interface *find_interface(const struct host *host, const struct zone *zone,
					      const struct address *address)
{
	for (size_t i = 0; i < host->interface_count; i++) {
		const struct interface *interface = &host->interfaces[i];

		if (interface->zone == zone && interface->address.family == address->family &&
		    !memcmp(interface->address.ip, address->ip, sizeof(address->ip)))
			return interface;
	}
	return NULL;
}

static struct host *find_host(struct network *network, const struct zone *zone,
			      const struct address *address)
{
	struct hash_node *node;

	hash_for_each (node, &network->interfaces, hash_of_ip(address)) {
		struct host *host = container_of(node, struct interface, by_address)->host;

		if (find_interface(host, zone, address))
			return host;
	}
	return NULL;
}

/* The zone inside `outside` that answers to this address. */
static struct zone *find_inner(struct network *network, const struct zone *outside,
			       const struct address *address)
{
	for (size_t i = 1; i < network->zone_count; i++) {
		struct zone *zone = network->zones[i];
		const struct nat *nat = &zone->table.nat;

		if (zone->outside != outside)
			continue;
		if (nat->mapping != NAT_NONE) {
			if (address_is_same_ip(&nat->outside, address))
				return zone;
		} else if (find_host(network, zone, address)) {
			/* A firewall translates nothing: what is behind it is addressed itself. */
			return zone;
		}
	}
	return NULL;
}

static void enter(struct network *network, struct packet *packet, struct zone *zone,
		  struct zone *below_zone)
{
	struct host *host = find_host(network, zone, &packet->destination);
	struct zone *inner;

	if (host) {
		const struct interface *interface =
			find_interface(host, zone, &packet->destination);

		travel(network, &interface->link,
		       (struct event){.kind = EVENT_DELIVER,
				      .packet = packet,
				      .zone = zone,
				      .host = host});
		return;
	}
	inner = find_inner(network, zone, &packet->destination);
	if (inner && (inner != below_zone || inner->table.nat.has_hairpin)) {
		travel(network, &inner->link,
		       (struct event){.kind = EVENT_INBOUND, .packet = packet, .zone = inner});
		return;
	}
	if (inner || !zone->outside) {
		free(packet);
		return;
	}
	packet->source = nat_out(&zone->table, network->now, &packet->source, &packet->destination);
	travel(network, &zone->link,
	       (struct event){.kind = EVENT_ENTER,
			      .packet = packet,
			      .zone = zone->outside,
			      .below = zone});
}

static void inbound(struct network *network, struct packet *packet, struct zone *zone)
{
	if (nat_in(&zone->table, network->now, &packet->source, &packet->destination))
		enter(network, packet, zone, NULL);
	else
		free(packet);
}

static void deliver(struct network *network, struct packet *packet, struct host *host,
		    const struct zone *zone)
{
	struct network_datagram datagram = {.from = packet->source,
					    .origin = packet->from,
					    .data = packet->data,
					    .size = packet->size};

	/* Moved or gone down while it was under way, or another port. */
	if (host->is_up && packet->destination.port == host->port &&
	    find_interface(host, zone, &packet->destination) &&
	    !is_lost(network, host->loss_permille)) {
		note_received(host, packet->from);
		contacts_note_heard(&host->contacts, &packet->source);
		host->on_datagram(host->owner, network->now, &datagram);
	}
	free(packet);
}

/* The kernel's choice: the link with the longest prefix that has the destination, else the first
 * way out. */
static const struct interface *choose_interface(const struct host *host,
						const struct address *destination)
{
	const struct interface *best = NULL;

	for (size_t i = 0; i < host->interface_count; i++) {
		const struct interface *interface = &host->interfaces[i];

		if (prefix_contains_ip(&interface->address, destination->family, destination->ip) &&
		    (!best || interface->address.bits > best->address.bits))
			best = interface;
	}
	for (size_t i = 0; !best && i < host->interface_count; i++) {
		const struct interface *interface = &host->interfaces[i];

		if (interface->address.family == destination->family &&
		    (interface->zone->outside || interface->zone == host->network->zones[0]))
			best = interface;
	}
	return best;
}

void host_send(struct host *host, const struct address *to, const void *data, size_t size)
{
	const struct interface *interface = choose_interface(host, to);
	struct packet *packet;

	if (!host->is_up || !interface)
		return;
	host->sent++;
	contacts_note_sent(&host->contacts, host->network->now, to);
	if (is_lost(host->network, host->loss_permille))
		return;
	packet = memory_new(sizeof(*packet) + size);
	*packet = (struct packet){.from = host,
				  .source = interface_address(host, interface),
				  .destination = *to,
				  .size = size};
	memcpy(packet->data, data, size);
	travel(host->network, &interface->link,
	       (struct event){.kind = EVENT_ENTER, .packet = packet, .zone = interface->zone});
}

static void happen(struct network *network, struct event *event)
{
	switch (event->kind) {
	case EVENT_TIMER:
		event->on_time(event->owner, network->now);
		break;
	case EVENT_ENTER:
		enter(network, event->packet, event->zone, event->below);
		break;
	case EVENT_INBOUND:
		inbound(network, event->packet, event->zone);
		break;
	case EVENT_DELIVER:
		deliver(network, event->packet, event->host, event->zone);
		break;
	}
}

void network_run(struct network *network, usec_t until)
{
	while (network->event_count && network->events[0].when <= until) {
		struct event event = take_event(network);

		network->now = event.when;
		network->event_total++;
		happen(network, &event);
	}
	if (network->now < until)
		network->now = until;
}
