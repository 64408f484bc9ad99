/* A network in virtual time: hosts, links with delay and loss, NATs of the kinds of RFC 4787, firewalls. It knows
 * datagrams and nothing of what is in them. Everything random comes from one seed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/random_source.h"
#include "base/time.h"

#define NETWORK_HOSTS_MAX 32
#define NETWORK_ZONES_MAX 32
#define NETWORK_MAPPINGS_MAX 256

struct network;
struct host;
struct zone;

enum nat_mapping { NAT_NONE, NAT_ENDPOINT_INDEPENDENT, NAT_SYMMETRIC };
enum nat_filter { FILTER_OPEN, FILTER_ADDRESS, FILTER_ADDRESS_AND_PORT };

/* Between a zone and the one outside of it. NAT_NONE with a filter is a stateful firewall. */
struct nat {
	enum nat_mapping mapping;
	enum nat_filter filter;
	bool keeps_port; /* when it is free */
	bool has_hairpin;
	usec_t timeout_new, timeout_assured;
	struct address outside; /* port unused; FAMILY_NONE with NAT_NONE */
};

struct network *network_new(uint64_t seed);
void network_free(struct network *network);
usec_t network_now(const struct network *network);
const struct random_source *network_random(struct network *network);
/* A second source for scenarios, so that what nodes draw does not change the layout. */
uint32_t network_choose(struct network *network, uint32_t limit);

/* The internet is the zone without an outside. */
struct zone *network_internet(struct network *network);
struct zone *zone_new(struct network *network, struct zone *outside, const struct nat *nat);
/* Forgets all mappings and moves to another outside port range, as a rebooted NAT does. */
void zone_rebind(struct zone *zone);
struct address zone_outside(const struct zone *zone);

struct host_link {
	usec_t delay, jitter; /* one way */
	unsigned loss_permille;
};

/* on_datagram: data may be changed. A host has one socket, on `address`. */
struct host *host_new(struct network *network, struct zone *zone, const struct address *address,
		      const struct host_link *link,
		      void (*on_datagram)(void *owner, usec_t now, const struct address *from,
					  uint8_t *data, size_t size),
		      void *owner);
/* To another zone and address: the host roams. */
void host_move(struct host *host, struct zone *zone, const struct address *address);
struct address host_address(const struct host *host);
const struct host_link *host_link(const struct host *host);
struct zone *host_zone(const struct host *host);
void host_set_up(struct host *host, bool is_up);
void host_send(struct host *host, const struct address *to, const void *data, size_t size);

/* Datagrams that were delivered from a to b or back; for claims such as "no data crossed the hub". */
uint64_t host_received_from(const struct host *host, const struct host *from);

/* Calls on_time at `when`, in order of time, then of request. */
void network_at(struct network *network, usec_t when, void (*on_time)(void *owner, usec_t now),
		void *owner);
/* Runs what is due until `until`. */
void network_run(struct network *network, usec_t until);
/* Time of the next thing to happen; USEC_NEVER = nothing. */
usec_t network_next(const struct network *network);
