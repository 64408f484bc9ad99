#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "sys/netlink/request_private.h"

struct listed_link {
	unsigned int index, flags;
	bool has_carrier;
	char name[IFNAMSIZ];
};

struct address_list {
	struct listed_link *links;
	size_t link_count;
	struct netlink_address *addresses;
	size_t count, capacity;
	unsigned int only_index; /* 0: all interfaces */
};

static void on_link(void *owner, const struct nlmsghdr *header)
{
	const struct ifinfomsg *message = mnl_nlmsg_get_payload(header);
	struct address_list *list = owner;
	struct listed_link *link;
	const struct nlattr *attribute;

	list->links = memory_resize(list->links, list->link_count + 1, sizeof(*list->links));
	link = &list->links[list->link_count++];
	*link = (struct listed_link){.index = (unsigned int)message->ifi_index,
				     .flags = message->ifi_flags};
	mnl_attr_for_each (attribute, header, sizeof(*message)) {
		uint16_t type = mnl_attr_get_type(attribute);

		if (type == IFLA_IFNAME && !mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING))
			text_copy(link->name, sizeof(link->name), mnl_attr_get_str(attribute));
		else if (type == IFLA_CARRIER && !mnl_attr_validate(attribute, MNL_TYPE_U8))
			link->has_carrier = mnl_attr_get_u8(attribute);
	}
}

static void on_links_restart(void *owner)
{
	struct address_list *list = owner;

	list->link_count = 0;
}

static void on_addresses_restart(void *owner)
{
	struct address_list *list = owner;

	list->count = 0;
}

static const struct listed_link *find_link(const struct address_list *list, unsigned int index)
{
	for (size_t i = 0; i < list->link_count; i++) {
		if (list->links[i].index == index)
			return &list->links[i];
	}
	return NULL;
}

/* IFA_LOCAL is ours where IFA_ADDRESS is the other end of a point-to-point link; IPv6 has mostly
 * IFA_ADDRESS alone. */
static bool read_address(const struct nlmsghdr *header, struct prefix *address, uint32_t *flags)
{
	const struct ifaddrmsg *message = mnl_nlmsg_get_payload(header);
	const struct nlattr *attribute;
	bool has_local = false, has_address = false;

	*flags = message->ifa_flags;
	address->family = family_from_kernel(message->ifa_family);
	address->bits = message->ifa_prefixlen;
	mnl_attr_for_each (attribute, header, sizeof(*message)) {
		uint16_t type = mnl_attr_get_type(attribute);

		if (type == IFA_LOCAL)
			has_local = attribute_to_ip(attribute, address->family, address->ip);
		else if (type == IFA_ADDRESS && !has_local)
			has_address = attribute_to_ip(attribute, address->family, address->ip);
		else if (type == IFA_FLAGS && !mnl_attr_validate(attribute, MNL_TYPE_U32))
			*flags = mnl_attr_get_u32(attribute);
	}
	return address->family && (has_local || has_address);
}

static void on_address(void *owner, const struct nlmsghdr *header)
{
	const struct ifaddrmsg *message = mnl_nlmsg_get_payload(header);
	struct address_list *list = owner;
	const struct listed_link *link = find_link(list, message->ifa_index);
	struct netlink_address *address;
	struct prefix prefix = {0};
	uint32_t flags;

	if ((list->only_index && message->ifa_index != list->only_index) ||
	    !read_address(header, &prefix, &flags))
		return;
	if (!list->only_index &&
	    (!link || (prefix.family == FAMILY_IPV6 &&
		       flags & (IFA_F_TENTATIVE | IFA_F_DEPRECATED | IFA_F_DADFAILED))))
		return;
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? 2 * list->capacity : 16;
		list->addresses =
			memory_resize(list->addresses, list->capacity, sizeof(*list->addresses));
	}
	address = &list->addresses[list->count++];
	*address =
		(struct netlink_address){.address = prefix, .interface_index = message->ifa_index};
	if (!link)
		return;
	text_copy(address->interface_name, sizeof(address->interface_name), link->name);
	/* Not IFF_RUNNING, which follows the carrier up to a second later. */
	address->is_up = link->flags & IFF_UP && link->has_carrier;
	address->is_loopback = link->flags & IFF_LOOPBACK;
	address->is_point_to_point = link->flags & IFF_POINTOPOINT;
	address->is_temporary = prefix.family == FAMILY_IPV6 && flags & IFA_F_TEMPORARY;
}

int netlink_list_addresses(struct netlink *netlink, struct netlink_address **ret_addresses,
			   size_t *ret_count)
{
	struct address_list list = {0};
	int error =
		request_dump(netlink, RTM_GETLINK, FAMILY_NONE, on_link, on_links_restart, &list);

	if (!error)
		error = request_dump(netlink, RTM_GETADDR, FAMILY_NONE, on_address,
				     on_addresses_restart, &list);
	free(list.links);
	if (error) {
		free(list.addresses);
		return netlink_fail(netlink, error, "list this machine's addresses");
	}
	*ret_addresses = list.addresses;
	*ret_count = list.count;
	return 0;
}

int netlink_interface_list_addresses(const struct netlink_interface *interface,
				     struct prefix **ret_addresses, size_t *ret_count)
{
	struct address_list list = {.only_index = interface->index};
	int error = request_dump(interface->netlink, RTM_GETADDR, FAMILY_NONE, on_address,
				 on_addresses_restart, &list);

	if (error) {
		free(list.addresses);
		return netlink_fail(interface->netlink, error, "list the addresses of %s",
				    interface->name);
	}
	*ret_addresses = new_array(struct prefix, list.count + 1);
	for (size_t i = 0; i < list.count; i++)
		(*ret_addresses)[i] = list.addresses[i].address;
	*ret_count = list.count;
	free(list.addresses);
	return 0;
}

/* ---- the way to an address ---- */

struct route_answer {
	struct netlink_route route;
	uint8_t type; /* RTN_... */
	bool is_read;
};

/* RTA_VIA: an IPv6 next hop of an IPv4 route (RFC 5549). */
static void read_via(const struct nlattr *attribute, struct address *gateway)
{
	const struct rtvia *via = mnl_attr_get_payload(attribute);
	uint16_t size = mnl_attr_get_payload_len(attribute);
	uint8_t family;

	if (size < sizeof(*via))
		return;
	family = family_from_kernel((uint8_t)via->rtvia_family);
	if (family && size == sizeof(*via) + family_size(family))
		*gateway = address_from_ip(family, via->rtvia_addr, 0);
}

static void on_route(void *owner, const struct nlmsghdr *header)
{
	const struct rtmsg *message = mnl_nlmsg_get_payload(header);
	struct route_answer *answer = owner;
	struct netlink_route *route = &answer->route;
	uint8_t family = family_from_kernel(message->rtm_family), ip[16];
	const struct nlattr *attribute;

	answer->is_read = true;
	answer->type = message->rtm_type;
	route->is_local = message->rtm_type == RTN_LOCAL;
	mnl_attr_for_each (attribute, header, sizeof(*message)) {
		uint16_t type = mnl_attr_get_type(attribute);

		if (type == RTA_PREFSRC && attribute_to_ip(attribute, family, ip))
			route->source = address_from_ip(family, ip, 0);
		else if (type == RTA_GATEWAY && attribute_to_ip(attribute, family, ip))
			route->gateway = address_from_ip(family, ip, 0);
		else if (type == RTA_VIA)
			read_via(attribute, &route->gateway);
		else if (type == RTA_OIF && !mnl_attr_validate(attribute, MNL_TYPE_U32))
			route->interface_index = mnl_attr_get_u32(attribute);
	}
}

int netlink_find_route(struct netlink *netlink, const struct address *destination, uint32_t mark,
		       struct netlink_route *ret_route)
{
	struct route_answer answer = {0};
	char text[ADDRESS_TEXT_SIZE];
	struct request request;
	struct rtmsg *message;
	int error = -EINVAL;

	netlink->detail[0] = '\0';
	if (family_to_kernel(destination->family) != AF_UNSPEC) {
		request_init(&request, RTM_GETROUTE, NLM_F_ACK, sizeof(*message));
		message = request.extra;
		message->rtm_family = family_to_kernel(destination->family);
		message->rtm_dst_len = family_bits(destination->family);
		request_put_ip(&request, RTA_DST, destination->family, destination->ip);
		if (mark)
			mnl_attr_put_u32(request.header, RTA_MARK, mark);
		error = request_run(netlink, &request, on_route, &answer);
	}
	if (!error && (!answer.is_read || (answer.type != RTN_UNICAST && answer.type != RTN_LOCAL)))
		error = -ENETUNREACH;
	if (error)
		return netlink_fail(netlink, error, "find a route to %s",
				    address_print_ip(destination, text));
	*ret_route = answer.route;
	/* "" when it vanished in this very moment. */
	if (!if_indextoname(ret_route->interface_index, ret_route->interface_name))
		ret_route->interface_name[0] = '\0';
	return 0;
}
