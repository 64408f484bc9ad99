/* For tests: two devices in one process and one loop, in a network namespace of its own:
 *
 *    socket on wla 10.9.1.1, fd09::1:1 --[a]-- 127.0.0.1 --[b]-- wlb 10.9.2.1, fd09::2:1 socket
 *
 * Sockets are bound to their interface, so that the kernel does not take the short way. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "crypto/crypto.h"
#include "crypto/random.h"
#include "crypto/x25519.h"
#include "device/builtin/builtin.h"
#include "port/port.h"
#include "sys/loop/loop.h"

#include <cmocka.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define UDP_PORT 7000
#define PATIENCE (5 * USEC_PER_SEC)

struct end {
	const char *name, *address, *address6;
	struct builtin *builtin;
	struct builtin_peer *peer; /* the other end, as seen from here */
	struct key private_key, public_key;
	int udp;
	/* What events told. */
	unsigned handshakes, moves, proposals, wanted, gone;
	struct address moved_to;
	void (*in_handshake)(struct end *end);
	void (*in_wanted)(struct end *end);
};

static bool is_root_here;
static struct loop *loop;
static struct end a, b;
static usec_t deadline;

#define need_namespace()                                                                     \
	do {                                                                                 \
		if (!is_root_here) {                                                         \
			print_message("needs root, /dev/net/tun and a network namespace\n"); \
			skip();                                                              \
		}                                                                            \
	} while (0)

/* Turns the loop until the condition holds; fails when it never does. */
#define wait_for(condition)                                        \
	do {                                                       \
		deadline = loop_now(loop) + PATIENCE;              \
		while (!(condition)) {                             \
			loop_turn(loop, 20 * USEC_PER_MSEC);       \
			if (loop_now(loop) > deadline)             \
				fail_msg("never: %s", #condition); \
		}                                                  \
	} while (0)

/* The namespace */

static inline void write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		print_message("%s cannot be set\n", path);
	close(fd);
}

static inline void set_flags(const char *name, short flags)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq interface = {.ifr_flags = flags};

	strcpy(interface.ifr_name, name);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &interface), 0);
	close(fd);
}

/* struct in6_ifreq (linux/ipv6.h), whose header does not go with those of the C library. */
struct ipv6_request {
	struct in6_addr address;
	uint32_t bits;
	int index;
};

static inline void set_addresses(const struct end *end)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), fd6 = socket(AF_INET6, SOCK_DGRAM, 0);
	struct ipv6_request six = {.bits = 64, .index = (int)if_nametoindex(end->name)};
	struct ifreq interface = {0};
	struct sockaddr_in *inet = (struct sockaddr_in *)&interface.ifr_addr;

	strcpy(interface.ifr_name, end->name);
	inet->sin_family = AF_INET;
	inet_pton(AF_INET, end->address, &inet->sin_addr);
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &interface), 0);
	inet_pton(AF_INET, "255.255.0.0", &inet->sin_addr);
	assert_int_equal(ioctl(fd, SIOCSIFNETMASK, &interface), 0);
	set_flags(end->name, IFF_UP);
	inet_pton(AF_INET6, end->address6, &six.address);
	assert_int_equal(ioctl(fd6, SIOCSIFADDR, &six), 0);
	close(fd);
	close(fd6);
}

static inline int enter_namespace(void **state)
{
	crypto_init();
	is_root_here = !unshare(CLONE_NEWNET) && !access("/dev/net/tun", R_OK | W_OK);
	if (!is_root_here)
		return 0;
	set_flags("lo", IFF_UP);
	/* Both ends' addresses are local to the one machine. */
	for (int i = 0; i < 2; i++) {
		const char *group = i ? "default" : "all";
		char path[128];

		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/accept_local", group);
		write_setting(path, "1");
		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", group);
		write_setting(path, "0");
	}
	return 0;
}

/* The two ends */

static inline void on_handshake(void *owner, struct builtin_peer *peer)
{
	struct end *end = owner;

	end->handshakes++;
	assert_ptr_equal(builtin_peer_owner(peer), end);
	if (end->in_handshake)
		end->in_handshake(end);
}

static inline void on_endpoint(void *owner, struct builtin_peer *peer, const struct address *from,
			       bool has_moved)
{
	struct end *end = owner;

	if (has_moved)
		end->moves++;
	else
		end->proposals++;
	end->moved_to = *from;
}

static inline void on_wanted(void *owner, struct builtin_peer *peer)
{
	struct end *end = owner;

	end->wanted++;
	if (end->in_wanted)
		end->in_wanted(end);
}

static inline void on_gone(void *owner)
{
	((struct end *)owner)->gone++;
}

static inline int socket_on(const struct end *end, int family, int kind, uint16_t port)
{
	int fd = socket(family, kind | SOCK_NONBLOCK, 0), yes = 1;
	struct sockaddr_in inet = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 inet6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, end->name,
				    (socklen_t)strlen(end->name)),
			 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	inet_pton(AF_INET, end->address, &inet.sin_addr);
	inet_pton(AF_INET6, end->address6, &inet6.sin6_addr);
	if (family == AF_INET)
		assert_int_equal(bind(fd, (struct sockaddr *)&inet, sizeof(inet)), 0);
	else
		assert_int_equal(bind(fd, (struct sockaddr *)&inet6, sizeof(inet6)), 0);
	return fd;
}

static const struct builtin_options plain_options __attribute__((unused));

/* A second handshake within 20 ms is refused; it is tried again after this instead of 5 s. */
static inline struct wg_limits impatient(void)
{
	struct wg_limits limits = wg_limits_default;

	limits.rekey_timeout = 100 * USEC_PER_MSEC;
	limits.rekey_timeout_jitter = 10 * USEC_PER_MSEC;
	return limits;
}

static inline void end_open(struct end *end, const struct builtin_options *given, bool is_seeking)
{
	struct builtin_options options = *given;
	const struct builtin_events events = {.owner = end,
					      .on_handshake = on_handshake,
					      .on_endpoint = on_endpoint,
					      .on_wanted = is_seeking ? on_wanted : NULL,
					      .on_gone = on_gone};

	options.interface = end->name;
	assert_int_equal(builtin_new(loop, &options, &events, &end->builtin), 0);
	assert_int_equal(builtin_start_workers(end->builtin), 0);
	random_bytes(&end->private_key, sizeof(end->private_key));
	builtin_set_private_key(end->builtin, &end->private_key);
	builtin_get_public_key(end->builtin, &end->public_key);
	set_addresses(end);
	end->udp = socket_on(end, AF_INET, SOCK_DGRAM, UDP_PORT);
}

static inline struct address endpoint_of(const struct end *end)
{
	const uint8_t loopback[4] = {127, 0, 0, 1};

	return address_from_ip(FAMILY_IPV4, loopback, port_number(builtin_port(end->builtin)));
}

static inline void allow(struct builtin_peer *peer, const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	assert_int_equal(builtin_peer_allow(peer, &prefix), 0);
}

static inline void add_peer(struct end *end, const struct end *other)
{
	assert_int_equal(builtin_peer_add(end->builtin, &other->public_key, &end->peer), 0);
	builtin_peer_set_owner(end->peer, end);
	allow(end->peer, other->address);
	allow(end->peer, other->address6);
}

static inline void tell_endpoint(struct end *end, const struct end *other)
{
	struct address endpoint = endpoint_of(other);

	builtin_peer_set_endpoint(end->peer, &endpoint);
}

/* a knows where b is; b knows a's key only. */
static inline void connect_ends(const struct builtin_options *options)
{
	end_open(&a, options, true);
	end_open(&b, options, true);
	add_peer(&a, &b);
	add_peer(&b, &a);
	tell_endpoint(&a, &b);
}

static inline int set_up(void **state)
{
	a = (struct end){.name = "wla", .address = "10.9.1.1", .address6 = "fd09::1:1", .udp = -1};
	b = (struct end){.name = "wlb", .address = "10.9.2.1", .address6 = "fd09::2:1", .udp = -1};
	loop = loop_new();
	return 0;
}

static inline int tear_down(void **state)
{
	close(a.udp);
	close(b.udp);
	builtin_free(a.builtin);
	builtin_free(b.builtin);
	loop_free(loop);
	return 0;
}

/* Traffic */

static inline void send_sized(const struct end *from, const struct end *to, const void *data,
			      size_t size)
{
	struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(UDP_PORT)};

	inet_pton(AF_INET, to->address, &remote.sin_addr);
	assert_int_equal(
		sendto(from->udp, data, size, 0, (struct sockaddr *)&remote, sizeof(remote)), size);
}

static inline void send_text(const struct end *from, const struct end *to, const char *text)
{
	send_sized(from, to, text, strlen(text) + 1);
}

static inline bool has_text(const struct end *end, const char *text)
{
	char data[64];

	return recv(end->udp, data, sizeof(data), 0) == (ssize_t)strlen(text) + 1 &&
	       !strcmp(data, text);
}

static inline void exchange(void)
{
	send_text(&a, &b, "there");
	wait_for(has_text(&b, "there"));
	send_text(&b, &a, "back");
	wait_for(has_text(&a, "back"));
}

static inline struct builtin_counters counters_of(const struct end *end)
{
	struct builtin_counters counters;

	builtin_get_counters(end->builtin, &counters);
	return counters;
}

static uint64_t drops_of(const struct end *end, const char *name)
{
	struct builtin_counters counters = counters_of(end);

	for (unsigned i = 0; i < BUILTIN_DROP_COUNT; i++)
		if (!strcmp(builtin_drop_name(i), name))
			return counters.drops[i];
	fail_msg("no such reason: %s", name);
	return 0;
}

static inline struct builtin_peer_statistics statistics_of(const struct end *end)
{
	struct builtin_peer_statistics statistics;

	builtin_peer_get_statistics(end->peer, &statistics);
	return statistics;
}

#define device_unit_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
