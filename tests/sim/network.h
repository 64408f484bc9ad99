/* A network in virtual time: hosts with interfaces, links with delay, jitter and loss, NATs of the
 * kinds of RFC 4787, stateful firewalls. It knows datagrams and nothing of what is in them.
 * Everything random comes from one seed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/random_source.h"
#include "base/time.h"

#define NETWORK_ZONES_MAX      64
#define NETWORK_INTERFACES_MAX 6

struct network;
struct host;
struct zone;

struct network_link {
	usec_t delay, jitter; /* one way; jitter is added, 0 up to so much, so datagrams overtake */
	unsigned loss_permille;
};

enum nat_mapping { NAT_NONE, NAT_ENDPOINT_INDEPENDENT, NAT_SYMMETRIC };
enum nat_filter { FILTER_OPEN, FILTER_ADDRESS, FILTER_ADDRESS_AND_PORT };

/* Between a zone and the one outside of it, at the inner end of the zone's uplink. NAT_NONE with a
 * filter is a stateful firewall. */
struct nat {
	enum nat_mapping mapping;
	enum nat_filter filter;
	bool keeps_port; /* when it is free */
	bool has_hairpin;
	/* Linux with an accepting input: a datagram from outside that belongs to no flow takes the
	 * port for its remote, and what goes there from inside gets another one. */
	bool is_moving;
	usec_t timeout_new, timeout_assured; /* of each flow, counted from its last packet */
	struct address outside;              /* port unused; FAMILY_NONE with NAT_NONE */
};

struct network *network_new(uint64_t seed);
void network_free(struct network *network);
usec_t network_now(const struct network *network);
/* What nodes draw. */
const struct random_source *network_random(struct network *network);
/* For scenarios: a source of its own, so that what nodes draw does not change the layout. 0 ..
 * limit - 1. */
uint32_t network_choose(struct network *network, uint32_t limit);

/* The internet is the zone without an outside, for both families. */
struct zone *network_internet(struct network *network);
/* outside NULL: an island, a cable between hosts. link: the uplink. */
struct zone *zone_new(struct network *network, struct zone *outside, const struct nat *nat,
		      const struct network_link *link);
/* Forgets all flows and moves to other outside ports, as a rebooted NAT does. */
void zone_rebind(struct zone *zone);
const struct nat *zone_nat(const struct zone *zone);
const struct network_link *zone_link(const struct zone *zone);
struct zone *zone_outside(const struct zone *zone);

struct network_datagram {
	struct address from;
	const struct host *origin; /* who really sent it */
	uint8_t *data;             /* may be changed */
	size_t size;
};

/* A host has one socket, on one port of all its interfaces. */
struct host *host_new(struct network *network, uint16_t port,
		      void (*on_datagram)(void *owner, usec_t now,
					  const struct network_datagram *datagram),
		      void *owner);
void host_attach(struct host *host, struct zone *zone, const struct prefix *address,
		 const struct network_link *link);
/* From all interfaces: the host is about to roam. */
void host_detach(struct host *host);
size_t host_interface_count(const struct host *host);
const struct prefix *host_interface(const struct host *host, size_t index);
struct zone *host_zone(const struct host *host, size_t index);
const struct network_link *host_interface_link(const struct host *host, size_t index);
/* The address of one interface with the host's port. */
struct address host_address(const struct host *host, size_t index);
void host_set_up(struct host *host, bool is_up);
bool host_is_up(const struct host *host);
/* On top of the links' own, both ways, until it is set again. */
void host_set_loss(struct host *host, unsigned loss_permille);
void host_send(struct host *host, const struct address *to, const void *data, size_t size);

/* Datagrams delivered to host that `from` sent; for claims such as "no data crossed the hub". */
uint64_t host_received_from(const struct host *host, const struct host *from);
uint64_t host_sent(const struct host *host);

/* What a host sent to an address that it never heard from. */
struct contact {
	struct address address;
	bool was_heard; /* something from there arrived */
	uint64_t sent;  /* before anything was heard */
	unsigned peak;  /* most of these in any CONTACT_WINDOW, counted up to CONTACT_PEAK_MAX */
};
#define CONTACT_WINDOW   (30 * USEC_PER_SEC)
#define CONTACT_PEAK_MAX 32
/* The host forgets what it sent: a new process begins. */
void host_forget_sent(struct host *host);
/* index 0..; NULL past the end. */
const struct contact *host_contact(const struct host *host, size_t index);

/* Calls on_time at `when`, in order of time, then of request. */
void network_at(struct network *network, usec_t when, void (*on_time)(void *owner, usec_t now),
		void *owner);
/* Runs what is due until `until`. */
void network_run(struct network *network, usec_t until);
/* Things that happened, for figures. */
uint64_t network_event_count(const struct network *network);
