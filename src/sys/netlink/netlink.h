/* Interfaces, addresses and routes through rtnetlink (RFC 3549, rtnetlink(7)). Requests are made
 * and answered at once: the kernel does not let them wait. Only interfaces that the caller claimed
 * are ever changed, and of routes only those that lead through them. Nothing here logs: calls
 * return 0 or -errno, and netlink_failure() says the last failure in one clause. Everything happens
 * in the network namespace of the thread that called netlink_open(). Not thread-safe. */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct loop;
struct netlink;

#define NETLINK_FAILURE_SIZE 256

/* 0 or -errno. */
int netlink_open(struct netlink **ret_netlink);
void netlink_close(struct netlink *netlink);
/* What failed last, as "cannot add route 10.0.0.0/24 via wl0: File exists"; "" before any failure.
 * Valid until the next call. */
const char *netlink_failure(const struct netlink *netlink);

/* An interface that the caller created. It is remembered by its index: when it is gone, calls give
 * -ENODEV, also when another interface has taken its name. */
struct netlink_interface {
	struct netlink *netlink;
	unsigned int index;
	char name[IFNAMSIZ]; /* as claimed, for messages */
};

/* To be called right after tun_open(). Refuses what is not a TUN device (-EPERM), so that a real
 * interface can never be claimed by a wrong name; -ENODEV when there is none. */
int netlink_interface_claim(struct netlink *netlink, const char *name,
			    struct netlink_interface *ret_interface);
/* Up, with this MTU (0 leaves it). */
int netlink_interface_set_up(const struct netlink_interface *interface, unsigned int mtu);
int netlink_interface_set_mtu(const struct netlink_interface *interface, unsigned int mtu);
int netlink_interface_set_down(const struct netlink_interface *interface);

/* The prefix keeps its host bits: 10.0.0.1/24 is the address 10.0.0.1, and the kernel adds the
 * route to 10.0.0.0/24. IPv6 addresses are usable at once (no duplicate detection: nobody else is
 * on the link). Adding what is there and removing what is not there are no errors. */
int netlink_interface_add_address(const struct netlink_interface *interface,
				  const struct prefix *address);
int netlink_interface_remove_address(const struct netlink_interface *interface,
				     const struct prefix *address);
/* The interface's own addresses, host bits kept; *ret_addresses is to be freed. */
int netlink_interface_list_addresses(const struct netlink_interface *interface,
				     struct prefix **ret_addresses, size_t *ret_count);

/* Routes of table main through the interface. metric 0 is the kernel's default (0 for IPv4, 1024
 * for IPv6). Adding is an error (-EEXIST) when the same prefix with the same metric leads through
 * another interface, which stays as it is; when it leads through ours already, 0. Removing what is
 * not there is no error, and never touches a route through another interface. */
int netlink_interface_add_route(const struct netlink_interface *interface,
				const struct prefix *destination, uint32_t metric);
int netlink_interface_remove_route(const struct netlink_interface *interface,
				   const struct prefix *destination, uint32_t metric);
/* The same ahead of routes through other interfaces to the very same prefix, which stay: a LAN that
 * happens to use it. Longer prefixes of others still win. Twice is no error. */
int netlink_interface_prefer_route(const struct netlink_interface *interface,
				   const struct prefix *destination);

/* An address of this machine. */
struct netlink_address {
	struct prefix address; /* host bits kept; bits is the length of the link's prefix */
	unsigned int interface_index;
	char interface_name[IFNAMSIZ];
	bool is_up; /* the interface is up and has its carrier */
	bool is_loopback;
	bool is_point_to_point; /* TUN, PPP, WireGuard: nobody shares a LAN with us there */
	bool is_temporary;      /* IPv6 privacy address (RFC 8981) */
};

/* All addresses of all interfaces but IPv6 ones that are tentative, deprecated or duplicates.
 * *ret_addresses is to be freed. */
int netlink_list_addresses(struct netlink *netlink, struct netlink_address **ret_addresses,
			   size_t *ret_count);

struct netlink_route {
	unsigned int interface_index;
	char interface_name[IFNAMSIZ];
	struct address source; /* the address a packet would have; FAMILY_NONE when the kernel names
				  none */
	struct address gateway; /* FAMILY_NONE when the destination is on the link */
	bool is_local;          /* the destination is an address of this machine */
};

/* The way a packet to the destination would leave (RTM_GETROUTE), with the firewall mark of the
 * asking socket (0 = none). -ENETUNREACH and its like when there is no way. */
int netlink_find_route(struct netlink *netlink, const struct address *destination, uint32_t mark,
		       struct netlink_route *ret_route);

/* Tells that links, addresses or routes of the machine changed; what changed is for the caller to
 * find out, and our own changes count. */
struct netlink_monitor;

/* Events are gathered: one call comes this long after the last of them, and in an endless stream of
 * events at least every NETLINK_MONITOR_LONGEST. When the kernel lost events, that is a change. */
#define NETLINK_MONITOR_QUIET   (75 * USEC_PER_MSEC)
#define NETLINK_MONITOR_LONGEST (1 * USEC_PER_SEC)

/* 0 or -errno. on_change may free the monitor. */
int netlink_monitor_new(struct loop *loop, void (*on_change)(void *owner), void *owner,
			struct netlink_monitor **ret_monitor);
void netlink_monitor_free(struct netlink_monitor *monitor);
