#include "topology.h"

#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_NEW     (30 * USEC_PER_SEC)
#define TIMEOUT_ASSURED (120 * USEC_PER_SEC)

static struct prefix prefix_of(const char *format, unsigned a, unsigned b)
{
	char text[ADDRESS_TEXT_SIZE];
	struct prefix prefix;

	snprintf(text, sizeof(text), format, a, b);
	if (prefix_parse(text, &prefix))
		abort();
	return prefix;
}

static struct address address_of(const char *format, unsigned a, unsigned b)
{
	struct prefix prefix = prefix_of(format, a, b);

	return prefix_address(&prefix);
}

const char *topology_name(enum site_kind kind)
{
	static const char *const names[SITE_KINDS] = {
		[SITE_PUBLIC] = "public",
		[SITE_FULL_CONE] = "full-cone",
		[SITE_ADDRESS_RESTRICTED] = "address-restricted",
		[SITE_PORT_RESTRICTED] = "port-restricted",
		[SITE_SYMMETRIC] = "symmetric",
		[SITE_MOVING] = "moving",
		[SITE_CARRIER_HOME] = "carrier-home",
		[SITE_CARRIER_PHONE] = "carrier-phone",
		[SITE_IPV6] = "ipv6",
		[SITE_DUAL] = "dual",
	};

	return names[kind];
}

void topology_init(struct topology *topology, struct network *network)
{
	static const unsigned losses[] = {0, 0, 0, 5, 10, 25};
	static const usec_t delays[] = {2, 10, 30, 30, 75};
	static const usec_t jitters[] = {0, 0, 1, 5, 15};

	*topology = (struct topology){.network = network};
	topology->has_hairpin = network_choose(network, 2);
	topology->loss_permille = losses[network_choose(network, 6)];
	topology->delay = delays[network_choose(network, 5)] * USEC_PER_MSEC;
	topology->jitter = jitters[network_choose(network, 5)] * USEC_PER_MSEC;
}

static struct network_link draw_uplink(struct topology *topology)
{
	struct network *network = topology->network;
	struct network_link link = {.jitter = topology->jitter};

	link.delay = USEC_PER_MSEC + network_choose(network, (uint32_t)topology->delay);
	link.loss_permille = network_choose(network, topology->loss_permille + 1);
	return link;
}

/* Translation of one kind; the outside address is added by who builds the zone. */
static struct nat nat_of(struct topology *topology, enum nat_mapping mapping,
			 enum nat_filter filter)
{
	return (struct nat){.mapping = mapping,
			    .filter = filter,
			    .keeps_port = network_choose(topology->network, 3) != 0,
			    .has_hairpin = network_choose(topology->network, 3) == 0,
			    .timeout_new = TIMEOUT_NEW,
			    .timeout_assured = TIMEOUT_ASSURED};
}

static void add_nat(struct topology *topology, struct site *site, enum nat_mapping mapping,
		    enum nat_filter filter)
{
	struct nat nat = nat_of(topology, mapping, filter);
	struct network_link link = draw_uplink(topology);

	nat.is_moving = site->kind == SITE_MOVING;
	if (nat.is_moving)
		nat.keeps_port = true;
	nat.outside = address_of("203.0.113.%u", site->number + 10, 0);
	site->ipv4 = zone_new(topology->network, network_internet(topology->network), &nat, &link);
}

static struct zone *carrier_of(struct topology *topology)
{
	struct nat nat = nat_of(topology, NAT_ENDPOINT_INDEPENDENT, FILTER_ADDRESS_AND_PORT);
	struct network_link link = draw_uplink(topology);

	if (topology->carrier)
		return topology->carrier;
	nat.has_hairpin = topology->has_hairpin;
	nat.outside = address_of("198.51.100.200", 0, 0);
	topology->carrier =
		zone_new(topology->network, network_internet(topology->network), &nat, &link);
	return topology->carrier;
}

static void add_carrier_home(struct topology *topology, struct site *site)
{
	struct nat nat = nat_of(topology, NAT_ENDPOINT_INDEPENDENT, FILTER_ADDRESS_AND_PORT);
	struct network_link link = draw_uplink(topology);
	struct zone *carrier = carrier_of(topology);

	nat.outside = address_of("100.64.7.%u", site->number + 10, 0);
	site->ipv4 = zone_new(topology->network, carrier, &nat, &link);
}

static void add_ipv6(struct topology *topology, struct site *site)
{
	struct nat nat = {.mapping = NAT_NONE,
			  .filter = FILTER_ADDRESS_AND_PORT,
			  .timeout_new = TIMEOUT_NEW,
			  .timeout_assured = TIMEOUT_ASSURED};
	struct network_link link = draw_uplink(topology);

	site->ipv6 = zone_new(topology->network, network_internet(topology->network), &nat, &link);
}

static void build(struct topology *topology, struct site *site)
{
	switch (site->kind) {
	case SITE_PUBLIC:
		site->ipv4 = network_internet(topology->network);
		site->link = draw_uplink(topology);
		break;
	case SITE_FULL_CONE:
		add_nat(topology, site, NAT_ENDPOINT_INDEPENDENT, FILTER_OPEN);
		break;
	case SITE_ADDRESS_RESTRICTED:
		add_nat(topology, site, NAT_ENDPOINT_INDEPENDENT, FILTER_ADDRESS);
		break;
	case SITE_PORT_RESTRICTED:
	case SITE_MOVING:
		add_nat(topology, site, NAT_ENDPOINT_INDEPENDENT, FILTER_ADDRESS_AND_PORT);
		break;
	case SITE_SYMMETRIC:
		add_nat(topology, site, NAT_SYMMETRIC, FILTER_ADDRESS_AND_PORT);
		break;
	case SITE_CARRIER_HOME:
		add_carrier_home(topology, site);
		break;
	case SITE_CARRIER_PHONE:
		site->ipv4 = carrier_of(topology);
		break;
	case SITE_IPV6:
		add_ipv6(topology, site);
		break;
	case SITE_DUAL:
		add_nat(topology, site, NAT_ENDPOINT_INDEPENDENT, FILTER_ADDRESS_AND_PORT);
		add_ipv6(topology, site);
		break;
	case SITE_KINDS:
		abort();
	}
}

struct site *topology_add(struct topology *topology, enum site_kind kind)
{
	struct site *site = &topology->sites[topology->site_count];

	if (topology->site_count == SITES_MAX)
		abort();
	*site = (struct site){.kind = kind, .number = (unsigned)topology->site_count};
	site->link = (struct network_link){.delay = 200 + network_choose(topology->network, 2000)};
	/* Homes like the same prefix; each machine's number is its own. */
	site->lan = network_choose(topology->network, 2)
			    ? prefix_of("192.168.1.0/24", 0, 0)
			    : prefix_of("10.%u.%u.0/24", 20, site->number);
	build(topology, site);
	topology->site_count++;
	return site;
}

static struct prefix ipv4_address(const struct site *site, unsigned number)
{
	struct prefix prefix = site->lan;

	if (site->kind == SITE_PUBLIC)
		return prefix_of("203.0.113.%u/32", 100 + number, 0);
	if (site->kind == SITE_CARRIER_PHONE)
		return prefix_of("100.64.9.%u/10", 10 + number, 0);
	prefix.ip[3] = (uint8_t)(10 + number);
	return prefix;
}

void topology_attach(struct topology *topology, struct host *host, const struct site *site,
		     unsigned number)
{
	struct prefix prefix;

	(void)topology;
	if (site->ipv4) {
		prefix = ipv4_address(site, number);
		host_attach(host, site->ipv4, &prefix, &site->link);
	}
	if (site->ipv6) {
		prefix = prefix_of("2001:db8:%u::%u/64", site->number + 100, number + 10);
		host_attach(host, site->ipv6, &prefix, &site->link);
	}
}

void topology_cable(struct topology *topology, struct host *a, struct host *b, usec_t delay)
{
	static const struct nat none = {0};
	struct network_link at_once = {0}, link = {.delay = delay / 2};
	struct zone *cable = zone_new(topology->network, NULL, &none, &at_once);
	struct prefix prefix = prefix_of("10.77.%u.1/24", topology->cable_count++, 0);

	host_attach(a, cable, &prefix, &link);
	prefix.ip[3] = 2;
	host_attach(b, cable, &prefix, &link);
}
