/* All of it runs in a network namespace of its own. */
#include "base/memory.h"
#include "sys/netlink/test_namespace.h"

static void only_a_tun_device_can_be_claimed(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct netlink_interface interface;

	make_veth(netlink, "real0", "real1");
	assert_int_equal(netlink_interface_claim(netlink, "real0", &interface), -EPERM);
	assert_string_equal(netlink_failure(netlink), "cannot use interface real0: Operation not "
						      "permitted (it is not a TUN device)");
	assert_int_equal(netlink_interface_claim(netlink, "lo", &interface), -EPERM);
	assert_int_equal(netlink_interface_claim(netlink, "none0", &interface), -ENODEV);
	assert_int_equal(netlink_interface_claim(netlink, "", &interface), -ENODEV);
	assert_int_equal(netlink_interface_claim(netlink, "a-name-that-is-too-long", &interface),
			 -ENODEV);
	delete_link(netlink, "real0");
	netlink_close(netlink);
}

static int mtu_of(const char *name)
{
	struct ifreq interface = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(interface.ifr_name, sizeof(interface.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCGIFMTU, &interface), 0);
	close(fd);
	return interface.ifr_mtu;
}

static bool is_up(const char *name)
{
	struct ifreq interface = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(interface.ifr_name, sizeof(interface.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &interface), 0);
	close(fd);
	return interface.ifr_flags & IFF_UP;
}

static void an_interface_goes_up_with_its_mtu_and_down(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0");

	assert_int_equal(netlink_interface_set_up(&interface, 1380), 0);
	assert_true(is_up("wl0"));
	assert_int_equal(mtu_of("wl0"), 1380);
	assert_int_equal(netlink_interface_set_up(&interface, 0), 0);
	assert_int_equal(mtu_of("wl0"), 1380);
	assert_int_equal(netlink_interface_set_mtu(&interface, 1420), 0);
	assert_int_equal(mtu_of("wl0"), 1420);
	assert_true(is_up("wl0"));
	assert_int_equal(netlink_interface_set_mtu(&interface, 10), -EINVAL);
	assert_int_equal(netlink_interface_set_down(&interface), 0);
	assert_false(is_up("wl0"));
	close(fd);
	netlink_close(netlink);
}

static void another_interface_of_the_same_name_is_not_touched(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct prefix address = prefix_from("10.1.0.1/24"), route = prefix_from("10.2.0.0/16");
	int first = make_tun("wl0"), second;
	struct netlink_interface interface = claimed(netlink, "wl0");

	close(first);
	second = make_tun("wl0");
	assert_int_equal(netlink_interface_set_up(&interface, 1380), -ENODEV);
	assert_int_equal(netlink_interface_add_address(&interface, &address), -ENODEV);
	assert_int_equal(netlink_interface_add_route(&interface, &route, 0), -ENODEV);
	assert_false(is_up("wl0"));
	assert_non_null(strstr(netlink_failure(netlink), "cannot add route 10.2.0.0/16 via wl0: "));
	close(second);
	netlink_close(netlink);
}

static void expect_addresses(const struct netlink_interface *interface, const char *expected)
{
	char text[ADDRESS_TEXT_SIZE], all[1024] = "";
	struct prefix *addresses;
	size_t count;

	assert_int_equal(netlink_interface_list_addresses(interface, &addresses, &count), 0);
	for (size_t i = 0; i < count; i++) {
		/* The kernel gives every interface that is up a link-local one. */
		if (addresses[i].ip[0] == 0xfe && addresses[i].ip[1] == 0x80)
			continue;
		strcat(all, *all ? " " : "");
		strcat(all, prefix_print(&addresses[i], text));
	}
	free(addresses);
	assert_string_equal(all, expected);
}

static void addresses_come_and_go_and_twice_is_no_error(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct prefix four = prefix_from("100.100.96.2/24"), six = prefix_from("fd00::2/64");
	struct prefix host = prefix_from("100.100.97.1/32"), bad = {.family = 9};
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0");

	assert_int_equal(netlink_interface_set_up(&interface, 0), 0);
	expect_addresses(&interface, "");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(netlink_interface_add_address(&interface, &four), 0);
		assert_int_equal(netlink_interface_add_address(&interface, &host), 0);
		assert_int_equal(netlink_interface_add_address(&interface, &six), 0);
	}
	expect_addresses(&interface, "100.100.96.2/24 100.100.97.1/32 fd00::2/64");
	for (int i = 0; i < 2; i++)
		assert_int_equal(netlink_interface_remove_address(&interface, &four), 0);
	expect_addresses(&interface, "100.100.97.1/32 fd00::2/64");
	assert_int_equal(netlink_interface_add_address(&interface, &bad), -EINVAL);
	close(fd);
	netlink_close(netlink);
}

/* Through which interface a packet to the address would leave; "" when through none. */
static const char *way_to(struct netlink *netlink, const char *destination,
			  struct netlink_route *route)
{
	struct address address = address_from(destination);

	return netlink_find_route(netlink, &address, 0, route) ? "" : route->interface_name;
}

static void routes_lead_through_the_interface_until_they_are_removed(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct prefix four = prefix_from("10.9.0.0/16"), six = prefix_from("fd09::/48");
	struct prefix address4 = prefix_from("10.8.0.1/32"), address6 = prefix_from("fd08::1/128");
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0");
	struct netlink_route route;

	assert_int_equal(netlink_interface_set_up(&interface, 0), 0);
	assert_int_equal(netlink_interface_add_address(&interface, &address4), 0);
	assert_int_equal(netlink_interface_add_address(&interface, &address6), 0);
	assert_string_equal(way_to(netlink, "10.9.1.1", &route), "");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(netlink_interface_add_route(&interface, &four, 0), 0);
		assert_int_equal(netlink_interface_add_route(&interface, &six, 0), 0);
		assert_int_equal(netlink_interface_add_route(&interface, &six, 50), 0);
	}
	assert_string_equal(way_to(netlink, "10.9.1.1", &route), "wl0");
	assert_string_equal(way_to(netlink, "fd09::1", &route), "wl0");
	for (int i = 0; i < 2; i++)
		assert_int_equal(netlink_interface_remove_route(&interface, &four, 0), 0);
	assert_string_equal(way_to(netlink, "10.9.1.1", &route), "");
	assert_int_equal(netlink_interface_remove_route(&interface, &six, 50), 0);
	assert_string_equal(way_to(netlink, "fd09::1", &route), "wl0");
	assert_int_equal(netlink_interface_remove_route(&interface, &six, 0), 0);
	assert_string_equal(way_to(netlink, "fd09::1", &route), "");
	close(fd);
	netlink_close(netlink);
}

static void host_bits_of_a_route_do_not_matter(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct prefix written = prefix_from("10.9.3.4/16");
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0");
	struct netlink_route route;

	assert_int_equal(netlink_interface_set_up(&interface, 0), 0);
	assert_int_equal(netlink_interface_add_route(&interface, &written, 0), 0);
	assert_string_equal(way_to(netlink, "10.9.200.1", &route), "wl0");
	assert_int_equal(netlink_interface_remove_route(&interface, &written, 0), 0);
	assert_string_equal(way_to(netlink, "10.9.200.1", &route), "");
	close(fd);
	netlink_close(netlink);
}

static void a_route_through_another_interface_is_refused_and_stays(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct prefix four = prefix_from("10.9.0.0/16"), six = prefix_from("fd09::/48");
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0"), other;
	struct netlink_route route;

	make_veth(netlink, "real0", "real1");
	other = seized(netlink, "real0");
	assert_int_equal(netlink_interface_set_up(&interface, 0), 0);
	assert_int_equal(netlink_interface_set_up(&other, 0), 0);
	assert_int_equal(netlink_interface_add_route(&other, &four, 0), 0);
	assert_int_equal(netlink_interface_add_route(&other, &six, 0), 0);
	assert_int_equal(netlink_interface_add_route(&interface, &four, 0), -EEXIST);
	assert_string_equal(
		netlink_failure(netlink),
		"cannot add route 10.9.0.0/16 via wl0: File exists (it leads through real0)");
	assert_int_equal(netlink_interface_add_route(&interface, &six, 0), -EEXIST);
	assert_int_equal(netlink_interface_remove_route(&interface, &four, 0), 0);
	assert_int_equal(netlink_interface_remove_route(&interface, &six, 0), 0);
	assert_string_equal(way_to(netlink, "10.9.1.1", &route), "real0");
	/* Another metric is another route. */
	assert_int_equal(netlink_interface_add_route(&interface, &four, 7), 0);
	delete_link(netlink, "real0");
	assert_string_equal(way_to(netlink, "10.9.1.1", &route), "wl0");
	close(fd);
	netlink_close(netlink);
}

static void the_kernels_own_route_to_a_connected_prefix_stays(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct prefix address = prefix_from("10.8.0.1/24"), connected = prefix_from("10.8.0.0/24");
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0");
	struct netlink_route route;

	assert_int_equal(netlink_interface_set_up(&interface, 0), 0);
	assert_int_equal(netlink_interface_add_address(&interface, &address), 0);
	assert_int_equal(netlink_interface_add_route(&interface, &connected, 0), 0);
	assert_int_equal(netlink_interface_remove_route(&interface, &connected, 0), 0);
	assert_string_equal(way_to(netlink, "10.8.0.77", &route), "wl0");
	close(fd);
	netlink_close(netlink);
}

static void a_preferred_route_goes_before_a_lan_of_the_same_prefix(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct prefix own[] = {prefix_from("10.8.0.1/24"), prefix_from("fd08::1/64")};
	struct prefix lan[] = {prefix_from("10.8.0.2/24"), prefix_from("fd08::2/64")};
	struct prefix later = prefix_from("10.8.0.3/24");
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0"), other;
	struct netlink_route route;

	make_veth(netlink, "real0", "real1");
	other = seized(netlink, "real0");
	assert_int_equal(netlink_interface_set_up(&other, 0), 0);
	for (size_t i = 0; i < array_size(own); i++) {
		assert_int_equal(netlink_interface_add_address(&other, &lan[i]), 0);
		assert_int_equal(netlink_interface_add_address(&interface, &own[i]), 0);
	}
	assert_int_equal(netlink_interface_set_up(&interface, 0), 0);
	assert_string_equal(way_to(netlink, "10.8.0.77", &route), "real0");
	for (size_t i = 0; i < 2 * array_size(own); i++)
		assert_int_equal(netlink_interface_prefer_route(&interface, &own[i / 2]), 0);
	assert_string_equal(way_to(netlink, "10.8.0.77", &route), "wl0");
	assert_string_equal(way_to(netlink, "fd08::77", &route), "wl0");
	assert_int_equal(netlink_interface_remove_address(&other, &lan[0]), 0);
	assert_int_equal(netlink_interface_add_address(&other, &later), 0);
	assert_string_equal(way_to(netlink, "10.8.0.77", &route), "wl0");
	assert_int_equal(netlink_interface_set_down(&interface), 0);
	assert_string_equal(way_to(netlink, "10.8.0.77", &route), "real0");
	close(fd);
	netlink_close(netlink);
}

static void a_refusal_carries_the_kernels_own_words(void **state)
{
	need_namespace(state);
	struct netlink *netlink = opened();
	struct prefix route = prefix_from("10.9.0.0/16");
	int fd = make_tun("wl0");
	struct netlink_interface interface = claimed(netlink, "wl0");

	/* Not up. */
	assert_int_equal(netlink_interface_add_route(&interface, &route, 0), -ENETDOWN);
	assert_non_null(strstr(netlink_failure(netlink),
			       "cannot add route 10.9.0.0/16 via wl0: Network is down ("));
	close(fd);
	netlink_close(netlink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_tun_device_can_be_claimed),
		cmocka_unit_test(an_interface_goes_up_with_its_mtu_and_down),
		cmocka_unit_test(another_interface_of_the_same_name_is_not_touched),
		cmocka_unit_test(addresses_come_and_go_and_twice_is_no_error),
		cmocka_unit_test(routes_lead_through_the_interface_until_they_are_removed),
		cmocka_unit_test(host_bits_of_a_route_do_not_matter),
		cmocka_unit_test(a_route_through_another_interface_is_refused_and_stays),
		cmocka_unit_test(the_kernels_own_route_to_a_connected_prefix_stays),
		cmocka_unit_test(a_preferred_route_goes_before_a_lan_of_the_same_prefix),
		cmocka_unit_test(a_refusal_carries_the_kernels_own_words),
	};

	return cmocka_run_group_tests_name("netlink_interface", tests, enter_namespace, NULL);
}
