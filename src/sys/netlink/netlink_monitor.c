#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/time.h"
#include "sys/loop/loop.h"
#include "sys/netlink/request_private.h"

/* Datagrams read per turn: an event storm must not keep the loop from its other work. */
#define READS_PER_TURN 64

#define MONITOR_GROUPS                                                               \
	(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | \
	 RTMGRP_IPV6_ROUTE)

struct netlink_monitor {
	struct loop *loop;
	struct mnl_socket *socket;
	struct loop_source source;
	struct loop_timer timer;
	usec_t first; /* when the oldest untold event came; USEC_NEVER: nothing to tell */
	void (*on_change)(void *owner);
	void *owner;
	char events[REQUEST_ANSWER_SIZE] __attribute__((aligned(8)));
};

static void note_change(struct netlink_monitor *monitor)
{
	usec_t now = loop_now(monitor->loop);

	if (monitor->first == USEC_NEVER)
		monitor->first = now;
	/* What is overdue fires in this turn; set again it would wait for the next, for ever. */
	if (now < monitor->first + NETLINK_MONITOR_LONGEST)
		loop_timer_set(monitor->loop, &monitor->timer,
			       usec_earlier(now + NETLINK_MONITOR_QUIET,
					    monitor->first + NETLINK_MONITOR_LONGEST));
}

static void on_quiet(void *owner, usec_t now)
{
	struct netlink_monitor *monitor = owner;

	monitor->first = USEC_NEVER;
	monitor->on_change(monitor->owner);
}

/* Cloned routes are the kernel's cache of path MTUs and redirects, not a change of the table. */
static bool is_change(const struct nlmsghdr *header)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(header);

	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return true;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return mnl_nlmsg_get_payload_len(header) >= sizeof(*route) &&
		       !(route->rtm_flags & RTM_F_CLONED);
	default:
		return false;
	}
}

static void on_event(void *owner, uint32_t events)
{
	struct netlink_monitor *monitor = owner;
	int fd = mnl_socket_get_fd(monitor->socket);
	bool has_changed = false;

	for (int i = 0; i < READS_PER_TURN; i++) {
		const struct nlmsghdr *header = (struct nlmsghdr *)monitor->events;
		ssize_t got = recv(fd, monitor->events, sizeof(monitor->events), MSG_DONTWAIT);
		int size = (int)got;

		if (got < 0 && errno == EAGAIN)
			break;
		/* Above all ENOBUFS: events were lost, so anything may have changed. */
		if (got < 0 && errno != EINTR)
			has_changed = true;
		for (; got > 0 && mnl_nlmsg_ok(header, size);
		     header = mnl_nlmsg_next(header, &size))
			has_changed |= is_change(header);
	}
	if (has_changed)
		note_change(monitor);
}

int netlink_monitor_new(struct loop *loop, void (*on_change)(void *owner), void *owner,
			struct netlink_monitor **ret_monitor)
{
	struct netlink_monitor *monitor = new (struct netlink_monitor);
	int error = 0;

	monitor->loop = loop;
	monitor->first = USEC_NEVER;
	monitor->on_change = on_change;
	monitor->owner = owner;
	monitor->timer = (struct loop_timer){.on_timer = on_quiet, .owner = monitor};
	monitor->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!monitor->socket ||
	    mnl_socket_bind(monitor->socket, MONITOR_GROUPS, MNL_SOCKET_AUTOPID))
		error = -errno;
	if (!error) {
		monitor->source = (struct loop_source){.fd = mnl_socket_get_fd(monitor->socket),
						       .events = EPOLLIN,
						       .on_event = on_event,
						       .owner = monitor};
		error = loop_add(loop, &monitor->source);
	}
	if (error) {
		netlink_monitor_free(monitor);
		return error;
	}
	*ret_monitor = monitor;
	return 0;
}

void netlink_monitor_free(struct netlink_monitor *monitor)
{
	if (!monitor)
		return;
	loop_timer_stop(monitor->loop, &monitor->timer);
	loop_remove(&monitor->source);
	if (monitor->socket)
		mnl_socket_close(monitor->socket);
	free(monitor);
}
