/* All of it runs in a network namespace of its own. */
#include "sys/netlink/test_namespace.h"

static const struct netlink_address *find(const struct netlink_address *addresses, size_t count,
					  const char *text)
{
	struct prefix wanted = prefix_from(text);

	for (size_t i = 0; i < count; i++) {
		if (prefix_is_equal(&addresses[i].address, &wanted))
			return &addresses[i];
	}
	return NULL;
}

static void the_list_has_every_address_with_its_interface(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct prefix tunnel = prefix_from("100.100.96.2/32"), lan = prefix_from("192.168.7.5/24");
	int fd = make_tun("wl0");
	struct netlink_interface loopback = seized(netlink, "lo");
	struct netlink_interface interface = claimed(netlink, "wl0"), real, other;
	struct netlink_address *addresses;
	const struct netlink_address *found;
	size_t count;

	make_veth(netlink, "real0", "real1");
	real = seized(netlink, "real0");
	other = seized(netlink, "real1");
	netlink_interface_set_up(&loopback, 0);
	netlink_interface_set_up(&interface, 0);
	netlink_interface_set_up(&real, 0);
	assert_int_equal(netlink_interface_add_address(&interface, &tunnel), 0);
	assert_int_equal(netlink_interface_add_address(&real, &lan), 0);
	assert_int_equal(netlink_list_addresses(netlink, &addresses, &count), 0);
	found = find(addresses, count, "127.0.0.1/8");
	assert_true(found && found->is_loopback && found->is_up && !found->is_point_to_point);
	found = find(addresses, count, "::1/128");
	assert_true(found && found->is_loopback);
	found = find(addresses, count, "100.100.96.2/32");
	assert_true(found && found->is_point_to_point && found->is_up && !found->is_loopback);
	assert_string_equal(found->interface_name, "wl0");
	assert_int_equal(found->interface_index, interface.index);
	/* Up, but its other end is not: no carrier. */
	found = find(addresses, count, "192.168.7.5/24");
	assert_true(found && !found->is_up && !found->is_point_to_point);
	assert_string_equal(found->interface_name, "real0");
	free(addresses);
	netlink_interface_set_up(&other, 0);
	assert_int_equal(netlink_list_addresses(netlink, &addresses, &count), 0);
	found = find(addresses, count, "192.168.7.5/24");
	assert_true(found && found->is_up);
	free(addresses);
	delete_link(netlink, "real0");
	close(fd);
	netlink_close(netlink);
}

static void add_ipv6(const struct netlink_interface *interface, const char *text,
		     bool is_deprecated)
{
	struct ifa_cacheinfo life = {.ifa_prefered = is_deprecated ? 0 : 1000, .ifa_valid = 2000};
	struct prefix address = prefix_from(text);
	struct request request;
	struct ifaddrmsg *message;

	request_init(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_ACK, sizeof(*message));
	message = request.extra;
	message->ifa_family = AF_INET6;
	message->ifa_prefixlen = address.bits;
	message->ifa_index = interface->index;
	message->ifa_flags = is_deprecated ? IFA_F_NODAD : 0;
	request_put_ip(&request, IFA_LOCAL, FAMILY_IPV6, address.ip);
	mnl_attr_put(request.header, IFA_CACHEINFO, sizeof(life), &life);
	assert_int_equal(request_run(interface->netlink, &request, NULL, NULL), 0);
}

static void tentative_and_deprecated_ipv6_addresses_are_left_out(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct prefix good = prefix_from("2001:db8::1/64");
	struct netlink_interface real, other;
	struct netlink_address *addresses;
	size_t count;

	make_veth(netlink, "real0", "real1");
	real = seized(netlink, "real0");
	other = seized(netlink, "real1");
	netlink_interface_set_up(&real, 0);
	netlink_interface_set_up(&other, 0);
	assert_int_equal(netlink_interface_add_address(&real, &good), 0);
	add_ipv6(&real, "2001:db8::2/64", true);
	/* Duplicate detection has just begun and takes a second. */
	add_ipv6(&real, "2001:db8::3/64", false);
	assert_int_equal(netlink_list_addresses(netlink, &addresses, &count), 0);
	assert_non_null(find(addresses, count, "2001:db8::1/64"));
	assert_null(find(addresses, count, "2001:db8::2/64"));
	assert_null(find(addresses, count, "2001:db8::3/64"));
	free(addresses);
	delete_link(netlink, "real0");
	netlink_close(netlink);
}

static void a_dump_of_many_datagrams_arrives_whole(void **state)
{
	need_namespace(state);
	enum { COUNT = 3000 };
	struct netlink *netlink = opened();
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0");
	struct prefix address = prefix_from("10.0.0.0/32"), *own;
	struct netlink_address *addresses;
	size_t count;

	for (int i = 0; i < COUNT; i++) {
		address.ip[2] = (uint8_t)(i >> 8);
		address.ip[3] = (uint8_t)i;
		assert_int_equal(netlink_interface_add_address(&interface, &address), 0);
	}
	assert_int_equal(netlink_list_addresses(netlink, &addresses, &count), 0);
	assert_true(count >= COUNT);
	assert_non_null(find(addresses, count, "10.0.11.183/32"));
	assert_int_equal(netlink_interface_list_addresses(&interface, &own, &count), 0);
	assert_int_equal(count, COUNT);
	free(own);
	free(addresses);
	close(fd);
	netlink_close(netlink);
}

static void a_route_has_interface_source_and_gateway(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct prefix lan = prefix_from("192.168.7.5/24"), everything = prefix_from("0.0.0.0/0");
	struct address far = address_from("203.0.113.9"), near = address_from("192.168.7.9");
	struct address own = address_from("192.168.7.5"), six = address_from("2001:db8::9");
	struct address gateway = address_from("192.168.7.1"), none = {0};
	struct netlink_interface real, other;
	struct netlink_route route;
	struct request request;
	struct rtmsg *message;

	make_veth(netlink, "real0", "real1");
	real = seized(netlink, "real0");
	other = seized(netlink, "real1");
	netlink_interface_set_up(&real, 0);
	netlink_interface_set_up(&other, 0);
	assert_int_equal(netlink_interface_add_address(&real, &lan), 0);
	assert_int_equal(netlink_find_route(netlink, &far, 0, &route), -ENETUNREACH);
	assert_string_equal(netlink_failure(netlink),
			    "cannot find a route to 203.0.113.9: Network is unreachable");

	request_init(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_ACK, sizeof(*message));
	message = request.extra;
	message->rtm_family = AF_INET;
	message->rtm_table = RT_TABLE_MAIN;
	message->rtm_protocol = RTPROT_BOOT;
	message->rtm_type = RTN_UNICAST;
	request_put_ip(&request, RTA_GATEWAY, FAMILY_IPV4, gateway.ip);
	assert_int_equal(request_run(netlink, &request, NULL, NULL), 0);
	assert_int_equal(netlink_find_route(netlink, &far, 0, &route), 0);
	assert_string_equal(route.interface_name, "real0");
	assert_int_equal(route.interface_index, real.index);
	assert_true(address_is_same_ip(&route.source, &own));
	assert_true(address_is_same_ip(&route.gateway, &gateway));
	assert_false(route.is_local);

	assert_int_equal(netlink_find_route(netlink, &near, 0, &route), 0);
	assert_true(address_is_same_ip(&route.source, &own));
	assert_int_equal(route.gateway.family, FAMILY_NONE);
	assert_int_equal(netlink_find_route(netlink, &own, 0, &route), 0);
	assert_true(route.is_local);
	assert_int_equal(netlink_find_route(netlink, &six, 0, &route), -ENETUNREACH);
	assert_int_equal(netlink_find_route(netlink, &none, 0, &route), -EINVAL);
	/* A default route that is somebody's is not replaced by ours. */
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0");

	netlink_interface_set_up(&interface, 0);
	assert_int_equal(netlink_interface_add_route(&interface, &everything, 0), -EEXIST);
	close(fd);
	delete_link(netlink, "real0");
	netlink_close(netlink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_has_every_address_with_its_interface),
		cmocka_unit_test(tentative_and_deprecated_ipv6_addresses_are_left_out),
		cmocka_unit_test(a_dump_of_many_datagrams_arrives_whole),
		cmocka_unit_test(a_route_has_interface_source_and_gateway),
	};

	return cmocka_run_group_tests_name("netlink_query", tests, enter_namespace, NULL);
}
