#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "sys/netlink/request_private.h"

/* ---- the link ---- */

struct claim {
	unsigned int index;
	bool is_tun;
};

static void on_link_kind(struct claim *claim, const struct nlattr *information)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested (attribute, information) {
		if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
			claim->is_tun = !mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) &&
					!strcmp(mnl_attr_get_str(attribute), "tun");
	}
}

static void on_claimed_link(void *owner, const struct nlmsghdr *header)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);
	struct claim *claim = owner;
	const struct nlattr *attribute;

	claim->index = (unsigned int)link->ifi_index;
	mnl_attr_for_each (attribute, header, sizeof(*link)) {
		if (mnl_attr_get_type(attribute) == IFLA_LINKINFO)
			on_link_kind(claim, attribute);
	}
}

int netlink_interface_claim(struct netlink *netlink, const char *name,
			    struct netlink_interface *ret_interface)
{
	struct claim claim = {0};
	struct request request;
	int error;

	netlink->detail[0] = '\0';
	if (!*name || strlen(name) >= IFNAMSIZ)
		return netlink_fail(netlink, -ENODEV, "use interface %.32s", name);
	request_init(&request, RTM_GETLINK, NLM_F_ACK, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.header, IFLA_IFNAME, name);
	error = request_run(netlink, &request, on_claimed_link, &claim);
	if (!error && !claim.is_tun) {
		text_copy(netlink->detail, sizeof(netlink->detail), "it is not a TUN device");
		error = -EPERM;
	}
	if (error)
		return netlink_fail(netlink, error, "use interface %s", name);
	*ret_interface = (struct netlink_interface){.netlink = netlink, .index = claim.index};
	text_copy(ret_interface->name, sizeof(ret_interface->name), name);
	return 0;
}

/* The flags in `change` become as in `flags`; mtu 0 leaves it. */
static int change_link(const struct netlink_interface *interface, unsigned int change,
		       unsigned int flags, unsigned int mtu)
{
	struct request request;
	struct ifinfomsg *link;

	request_init(&request, RTM_NEWLINK, NLM_F_ACK, sizeof(*link));
	link = request.extra;
	link->ifi_index = (int)interface->index;
	link->ifi_change = change;
	link->ifi_flags = flags;
	if (mtu)
		mnl_attr_put_u32(request.header, IFLA_MTU, mtu);
	return request_run(interface->netlink, &request, NULL, NULL);
}

int netlink_interface_set_up(const struct netlink_interface *interface, unsigned int mtu)
{
	int error = change_link(interface, IFF_UP, IFF_UP, mtu);

	return error ? netlink_fail(interface->netlink, error, "set %s up with MTU %u",
				    interface->name, mtu)
		     : 0;
}

int netlink_interface_set_mtu(const struct netlink_interface *interface, unsigned int mtu)
{
	int error = change_link(interface, 0, 0, mtu);

	return error ? netlink_fail(interface->netlink, error, "set the MTU of %s to %u",
				    interface->name, mtu)
		     : 0;
}

int netlink_interface_set_down(const struct netlink_interface *interface)
{
	int error = change_link(interface, IFF_UP, 0, 0);

	return error ? netlink_fail(interface->netlink, error, "set %s down", interface->name) : 0;
}

/* ---- addresses ---- */

static int change_address(const struct netlink_interface *interface, uint16_t type, uint16_t flags,
			  const struct prefix *address)
{
	struct request request;
	struct ifaddrmsg *message;

	if (address->bits > family_bits(address->family) ||
	    family_to_kernel(address->family) == AF_UNSPEC) {
		interface->netlink->detail[0] = '\0';
		return -EINVAL;
	}
	request_init(&request, type, NLM_F_ACK | flags, sizeof(*message));
	message = request.extra;
	message->ifa_family = family_to_kernel(address->family);
	message->ifa_prefixlen = address->bits;
	message->ifa_index = interface->index;
	if (address->family == FAMILY_IPV6)
		message->ifa_flags = IFA_F_NODAD;
	request_put_ip(&request, IFA_LOCAL, address->family, address->ip);
	request_put_ip(&request, IFA_ADDRESS, address->family, address->ip);
	return request_run(interface->netlink, &request, NULL, NULL);
}

int netlink_interface_add_address(const struct netlink_interface *interface,
				  const struct prefix *address)
{
	int error = change_address(interface, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, address);
	char text[ADDRESS_TEXT_SIZE];

	return error ? netlink_fail(interface->netlink, error, "add address %s to %s",
				    prefix_print(address, text), interface->name)
		     : 0;
}

int netlink_interface_remove_address(const struct netlink_interface *interface,
				     const struct prefix *address)
{
	int error = change_address(interface, RTM_DELADDR, 0, address);
	char text[ADDRESS_TEXT_SIZE];

	if (!error || error == -EADDRNOTAVAIL)
		return 0;
	return netlink_fail(interface->netlink, error, "remove address %s from %s",
			    prefix_print(address, text), interface->name);
}

/* ---- routes ---- */

/* A route of table main as the kernel lists it. */
struct listed_route {
	struct prefix destination;
	uint32_t metric, interface_index; /* index 0: several interfaces, or none */
};

struct route_search {
	struct listed_route wanted; /* interface_index 0 matches any */
	uint32_t found_index;
	bool is_found;
};

/* The kernel's default for IPv6 (IP6_RT_PRIO_USER). */
static uint32_t real_metric(uint8_t family, uint32_t metric)
{
	return !metric && family == FAMILY_IPV6 ? 1024 : metric;
}

static void on_route_attribute(struct listed_route *route, uint32_t *table,
			       const struct nlattr *attribute)
{
	uint16_t type = mnl_attr_get_type(attribute);

	if (type == RTA_DST) {
		attribute_to_ip(attribute, route->destination.family, route->destination.ip);
		return;
	}
	if (mnl_attr_validate(attribute, MNL_TYPE_U32))
		return;
	if (type == RTA_TABLE)
		*table = mnl_attr_get_u32(attribute);
	else if (type == RTA_PRIORITY)
		route->metric = mnl_attr_get_u32(attribute);
	else if (type == RTA_OIF)
		route->interface_index = mnl_attr_get_u32(attribute);
}

static void on_listed_route(void *owner, const struct nlmsghdr *header)
{
	const struct rtmsg *message = mnl_nlmsg_get_payload(header);
	struct listed_route route = {
		.destination = {.family = family_from_kernel(message->rtm_family),
				.bits = message->rtm_dst_len}};
	struct route_search *search = owner;
	uint32_t table = message->rtm_table;
	const struct nlattr *attribute;

	mnl_attr_for_each (attribute, header, sizeof(*message))
		on_route_attribute(&route, &table, attribute);
	if (search->is_found || table != RT_TABLE_MAIN || message->rtm_tos ||
	    message->rtm_flags & RTM_F_CLONED || route.metric != search->wanted.metric ||
	    !prefix_is_equal(&route.destination, &search->wanted.destination))
		return;
	search->is_found = true;
	search->found_index = route.interface_index;
}

static void on_search_restart(void *owner)
{
	struct route_search *search = owner;

	search->is_found = false;
}

static int change_route(const struct netlink_interface *interface, uint16_t type, uint16_t flags,
			const struct prefix *destination, uint32_t metric)
{
	bool is_new = type == RTM_NEWROUTE;
	struct request request;
	struct rtmsg *message;

	interface->netlink->detail[0] = '\0';
	if (destination->bits > family_bits(destination->family) ||
	    family_to_kernel(destination->family) == AF_UNSPEC)
		return -EINVAL;
	request_init(&request, type, NLM_F_ACK | flags, sizeof(*message));
	message = request.extra;
	message->rtm_family = family_to_kernel(destination->family);
	message->rtm_dst_len = destination->bits;
	message->rtm_table = RT_TABLE_MAIN;
	/* Only routes of this protocol are removed: never the kernel's to a connected prefix. */
	message->rtm_protocol = RTPROT_STATIC;
	message->rtm_type = is_new ? RTN_UNICAST : RTN_UNSPEC;
	message->rtm_scope = is_new ? RT_SCOPE_UNIVERSE : RT_SCOPE_NOWHERE;
	if (is_new && destination->family == FAMILY_IPV4)
		message->rtm_scope = RT_SCOPE_LINK;
	request_put_ip(&request, RTA_DST, destination->family, destination->ip);
	mnl_attr_put_u32(request.header, RTA_OIF, interface->index);
	if (metric)
		mnl_attr_put_u32(request.header, RTA_PRIORITY, metric);
	return request_run(interface->netlink, &request, NULL, NULL);
}

/* After -EEXIST: 0 when the route that is there leads through our interface. */
static int check_existing(const struct netlink_interface *interface,
			  const struct prefix *destination, uint32_t metric)
{
	struct route_search search = {
		.wanted = {.destination = *destination,
			   .metric = real_metric(destination->family, metric)}};
	struct netlink *netlink = interface->netlink;
	char name[IF_NAMESIZE];
	int error = request_dump(netlink, RTM_GETROUTE, destination->family, on_listed_route,
				 on_search_restart, &search);

	if (error || (search.is_found && search.found_index == interface->index))
		return error;
	if (search.is_found && if_indextoname(search.found_index, name))
		snprintf(netlink->detail, sizeof(netlink->detail), "it leads through %s", name);
	return -EEXIST;
}

int netlink_interface_add_route(const struct netlink_interface *interface,
				const struct prefix *destination, uint32_t metric)
{
	struct prefix masked = prefix_masked(destination);
	int error =
		change_route(interface, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &masked, metric);
	char text[ADDRESS_TEXT_SIZE];

	if (error == -EEXIST)
		error = check_existing(interface, &masked, metric);
	return error ? netlink_fail(interface->netlink, error, "add route %s via %s",
				    prefix_print(&masked, text), interface->name)
		     : 0;
}

int netlink_interface_remove_route(const struct netlink_interface *interface,
				   const struct prefix *destination, uint32_t metric)
{
	struct prefix masked = prefix_masked(destination);
	int error = change_route(interface, RTM_DELROUTE, 0, &masked, metric);
	char text[ADDRESS_TEXT_SIZE];

	if (!error || error == -ESRCH)
		return 0;
	return netlink_fail(interface->netlink, error, "remove route %s via %s",
			    prefix_print(&masked, text), interface->name);
}

/* IPv4 routes of equal prefix and metric stand in a list of which the first is used, and without
 * NLM_F_APPEND a new one comes first; the kernel itself appends those of addresses that come later.
 * IPv6 has metrics instead: the kernel's connected routes have 256. */
int netlink_interface_prefer_route(const struct netlink_interface *interface,
				   const struct prefix *destination)
{
	struct prefix masked = prefix_masked(destination);
	uint32_t metric = masked.family == FAMILY_IPV6 ? 1 : 0;
	int error = change_route(interface, RTM_NEWROUTE, NLM_F_CREATE, &masked, metric);
	char text[ADDRESS_TEXT_SIZE];

	if (!error || error == -EEXIST)
		return 0;
	return netlink_fail(interface->netlink, error, "add route %s via %s",
			    prefix_print(&masked, text), interface->name);
}
