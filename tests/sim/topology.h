/* Places on a network, drawn from a seed: homes behind every kind of NAT, carriers with homes and
 * phones behind them, IPv6 behind firewalls, machines on the internet. */
#pragma once

#include "network.h"

#define SITES_MAX 24

enum site_kind {
	SITE_PUBLIC,
	SITE_FULL_CONE,
	SITE_ADDRESS_RESTRICTED,
	SITE_PORT_RESTRICTED,
	SITE_SYMMETRIC,
	SITE_MOVING,        /* port-restricted, and a stranger's packet may move a mapping */
	SITE_CARRIER_HOME,  /* port-restricted behind a carrier's port-restricted NAT */
	SITE_CARRIER_PHONE, /* in the carrier's own network, 100.64.0.0/10 */
	SITE_IPV6,          /* IPv6 alone, behind a stateful firewall */
	SITE_DUAL,          /* IPv4 behind a port-restricted NAT, IPv6 behind a stateful firewall */
	SITE_KINDS
};

struct site {
	enum site_kind kind;
	struct zone *ipv4, *ipv6; /* NULL = none */
	struct prefix lan;        /* of IPv4, with the network's length */
	struct network_link link; /* of each machine to its router */
	unsigned number;
};

struct topology {
	struct network *network;
	struct site sites[SITES_MAX];
	size_t site_count;
	struct zone *carrier;
	bool has_hairpin;       /* of the carrier */
	unsigned loss_permille; /* at most, on uplinks */
	usec_t jitter;          /* at most, on uplinks */
	usec_t delay;           /* at most, on uplinks, one way */
	unsigned cable_count;
};

/* Draws what holds for the whole network. */
void topology_init(struct topology *topology, struct network *network);
struct site *topology_add(struct topology *topology, enum site_kind kind);
/* number: unique among the machines of the network, 0..99. */
void topology_attach(struct topology *topology, struct host *host, const struct site *site,
		     unsigned number);
/* A cable of its own between two machines. */
void topology_cable(struct topology *topology, struct host *a, struct host *b, usec_t delay);
const char *topology_name(enum site_kind kind);
