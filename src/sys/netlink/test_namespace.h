/* For the tests of this room: a network namespace of one's own, with TUN and veth devices in it. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/address.h"
#include "sys/netlink/netlink.h"
#include "sys/netlink/request_private.h"

#include <cmocka.h>

/* *state: true when the tests can run. */
static inline int enter_namespace(void **state)
{
	static bool is_here;

	is_here = !unshare(CLONE_NEWNET) && !access("/dev/net/tun", R_OK | W_OK);
	*state = &is_here;
	return 0;
}

#define need_namespace(state)                                                               \
	do {                                                                                \
		if (!*(bool *)*(state)) {                                                   \
			print_message("needs root, /dev/net/tun and network namespaces\n"); \
			skip();                                                             \
		}                                                                           \
	} while (0)

/* The interface lives as long as the descriptor. */
static inline int make_tun(const char *name)
{
	struct ifreq interface = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(interface.ifr_name, sizeof(interface.ifr_name), "%s", name);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &interface), 0);
	return fd;
}

/* A pair of interfaces that are no TUN devices. */
static inline void make_veth(struct netlink *netlink, const char *name, const char *peer)
{
	struct request request;
	struct nlattr *information, *data, *other;

	request_init(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
		     sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.header, IFLA_IFNAME, name);
	information = mnl_attr_nest_start(request.header, IFLA_LINKINFO);
	mnl_attr_put_strz(request.header, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(request.header, IFLA_INFO_DATA);
	other = mnl_attr_nest_start(request.header, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(request.header, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.header, IFLA_IFNAME, peer);
	mnl_attr_nest_end(request.header, other);
	mnl_attr_nest_end(request.header, data);
	mnl_attr_nest_end(request.header, information);
	assert_int_equal(request_run(netlink, &request, NULL, NULL), 0);
}

static inline void delete_link(struct netlink *netlink, const char *name)
{
	struct request request;

	request_init(&request, RTM_DELLINK, NLM_F_ACK, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.header, IFLA_IFNAME, name);
	assert_int_equal(request_run(netlink, &request, NULL, NULL), 0);
}

/* A handle on any interface, which netlink_interface_claim() would refuse. */
static inline struct netlink_interface seized(struct netlink *netlink, const char *name)
{
	struct netlink_interface interface = {.netlink = netlink, .index = if_nametoindex(name)};

	snprintf(interface.name, sizeof(interface.name), "%s", name);
	assert_int_not_equal(interface.index, 0);
	return interface;
}

static inline struct prefix prefix_from(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix;
}

static inline struct address address_from(const char *text)
{
	struct prefix prefix = prefix_from(text);

	return prefix_address(&prefix);
}

static inline struct netlink *opened(void)
{
	struct netlink *netlink = NULL;

	assert_int_equal(netlink_open(&netlink), 0);
	return netlink;
}

static inline struct netlink_interface claimed(struct netlink *netlink, const char *name)
{
	struct netlink_interface interface;

	assert_int_equal(netlink_interface_claim(netlink, name, &interface), 0);
	return interface;
}
