/* Two devices in one process and one loop, in a network namespace of its own:
 *
 *    socket on wla 10.9.1.1, fd09::1:1 --[a]-- 127.0.0.1 --[b]-- wlb 10.9.2.1, fd09::2:1 socket
 *
 * Sockets are bound to their interface, so that the kernel does not take the short way. */
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

static void write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		print_message("%s cannot be set\n", path);
	close(fd);
}

static void set_flags(const char *name, short flags)
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

static void set_addresses(const struct end *end)
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

static int enter_namespace(void **state)
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

static void on_handshake(void *owner, struct builtin_peer *peer)
{
	struct end *end = owner;

	end->handshakes++;
	assert_ptr_equal(builtin_peer_owner(peer), end);
	if (end->in_handshake)
		end->in_handshake(end);
}

static void on_endpoint(void *owner, struct builtin_peer *peer, const struct address *from,
			bool has_moved)
{
	struct end *end = owner;

	if (has_moved)
		end->moves++;
	else
		end->proposals++;
	end->moved_to = *from;
}

static void on_wanted(void *owner, struct builtin_peer *peer)
{
	struct end *end = owner;

	end->wanted++;
	if (end->in_wanted)
		end->in_wanted(end);
}

static void on_gone(void *owner)
{
	((struct end *)owner)->gone++;
}

static int socket_on(const struct end *end, int family, int kind, uint16_t port)
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

static const struct builtin_options plain_options;

/* A second handshake within 20 ms is refused; it is tried again after this instead of 5 s. */
static struct wg_limits impatient(void)
{
	struct wg_limits limits = wg_limits_default;

	limits.rekey_timeout = 100 * USEC_PER_MSEC;
	limits.rekey_timeout_jitter = 10 * USEC_PER_MSEC;
	return limits;
}

static void end_open(struct end *end, const struct builtin_options *given, bool is_seeking)
{
	struct builtin_options options = *given;
	const struct builtin_events events = {.owner = end,
					      .on_handshake = on_handshake,
					      .on_endpoint = on_endpoint,
					      .on_wanted = is_seeking ? on_wanted : NULL,
					      .on_gone = on_gone};

	options.interface = end->name;
	assert_int_equal(builtin_new(loop, &options, &events, &end->builtin), 0);
	random_bytes(&end->private_key, sizeof(end->private_key));
	builtin_set_private_key(end->builtin, &end->private_key);
	builtin_get_public_key(end->builtin, &end->public_key);
	set_addresses(end);
	end->udp = socket_on(end, AF_INET, SOCK_DGRAM, UDP_PORT);
}

static struct address endpoint_of(const struct end *end)
{
	const uint8_t loopback[4] = {127, 0, 0, 1};

	return address_from_ip(FAMILY_IPV4, loopback, port_number(builtin_port(end->builtin)));
}

static void allow(struct builtin_peer *peer, const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	assert_int_equal(builtin_peer_allow(peer, &prefix), 0);
}

static void add_peer(struct end *end, const struct end *other)
{
	assert_int_equal(builtin_peer_add(end->builtin, &other->public_key, &end->peer), 0);
	builtin_peer_set_owner(end->peer, end);
	allow(end->peer, other->address);
	allow(end->peer, other->address6);
}

static void tell_endpoint(struct end *end, const struct end *other)
{
	struct address endpoint = endpoint_of(other);

	builtin_peer_set_endpoint(end->peer, &endpoint);
}

/* a knows where b is; b knows a's key only. */
static void connect_ends(const struct builtin_options *options)
{
	end_open(&a, options, true);
	end_open(&b, options, true);
	add_peer(&a, &b);
	add_peer(&b, &a);
	tell_endpoint(&a, &b);
}

static int set_up(void **state)
{
	a = (struct end){.name = "wla", .address = "10.9.1.1", .address6 = "fd09::1:1", .udp = -1};
	b = (struct end){.name = "wlb", .address = "10.9.2.1", .address6 = "fd09::2:1", .udp = -1};
	loop = loop_new();
	return 0;
}

static int tear_down(void **state)
{
	close(a.udp);
	close(b.udp);
	builtin_free(a.builtin);
	builtin_free(b.builtin);
	loop_free(loop);
	return 0;
}

/* Traffic */

static void send_sized(const struct end *from, const struct end *to, const void *data, size_t size)
{
	struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(UDP_PORT)};

	inet_pton(AF_INET, to->address, &remote.sin_addr);
	assert_int_equal(
		sendto(from->udp, data, size, 0, (struct sockaddr *)&remote, sizeof(remote)), size);
}

static void send_text(const struct end *from, const struct end *to, const char *text)
{
	send_sized(from, to, text, strlen(text) + 1);
}

static bool has_text(const struct end *end, const char *text)
{
	char data[64];

	return recv(end->udp, data, sizeof(data), 0) == (ssize_t)strlen(text) + 1 &&
	       !strcmp(data, text);
}

static void exchange(void)
{
	send_text(&a, &b, "there");
	wait_for(has_text(&b, "there"));
	send_text(&b, &a, "back");
	wait_for(has_text(&a, "back"));
}

static struct builtin_counters counters_of(const struct end *end)
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

static struct builtin_peer_statistics statistics_of(const struct end *end)
{
	struct builtin_peer_statistics statistics;

	builtin_peer_get_statistics(end->peer, &statistics);
	return statistics;
}

/* The claims */

static void a_packet_crosses_and_both_sides_know_it(void **state)
{
	need_namespace();
	struct builtin_peer_statistics statistics;

	connect_ends(&plain_options);
	assert_false(statistics_of(&a).has_session);
	exchange();
	assert_int_equal(a.handshakes, 1);
	assert_int_equal(b.handshakes, 1);
	statistics = statistics_of(&b);
	assert_true(statistics.has_session && statistics_of(&a).has_session);
	assert_true(statistics.last_handshake && statistics.last_received && statistics.last_sent);
	assert_true(statistics.rx_bytes == statistics_of(&a).tx_bytes);
	assert_int_equal(statistics.endpoint.port, port_number(builtin_port(a.builtin)));
	assert_int_equal(b.moves, 1);
	assert_int_equal(counters_of(&a).handshakes_completed, 1);
}

static void packets_that_waited_arrive_in_order(void **state)
{
	need_namespace();
	char text[32];

	connect_ends(&plain_options);
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		send_text(&a, &b, text);
	}
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		wait_for(has_text(&b, text));
	}
}

static void the_oldest_packet_goes_when_too_many_wait(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	builtin_peer_remove(b.peer); /* nobody answers */
	for (int i = 0; i < BUILTIN_STAGED_MAX + 50; i++)
		send_text(&a, &b, "waits");
	wait_for(drops_of(&a, "staged-oldest") == 50);
	assert_int_equal(drops_of(&b, "handshake-unknown-peer"), 1);
}

static void a_super_packet_leaves_in_one_call_and_arrives_in_one(void **state)
{
	need_namespace();
	static char data[10 * 1000], part[2000];
	struct builtin_counters before, after, arrived;
	int segment = 1000, received = 0;

	connect_ends(&plain_options);
	exchange();
	before = counters_of(&a);
	arrived = counters_of(&b);
	if (setsockopt(a.udp, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		skip();
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i / 1000);
	send_sized(&a, &b, data, sizeof(data));
	while (received < 10) {
		wait_for(recv(b.udp, part, sizeof(part), 0) == 1000);
		assert_int_equal(part[0], received);
		assert_int_equal(part[999], received);
		received++;
	}
	after = counters_of(&a);
	assert_int_equal(after.run_packets - before.run_packets, 10);
	if (after.tun_reads - before.tun_reads != 1)
		print_message("no UDP segmentation by this kernel's TUN\n");
	else
		assert_int_equal(counters_of(&b).tun_writes - arrived.tun_writes, 1);
	assert_int_equal(after.runs - before.runs, 1);
}

/* A TCP transfer of 4 MB from a to b, in either family and with every mix of offloads. */
static void transfer(int family)
{
	static char data[65536];
	struct sockaddr_in inet = {.sin_family = AF_INET, .sin_port = htons(UDP_PORT)};
	struct sockaddr_in6 inet6 = {.sin6_family = AF_INET6, .sin6_port = htons(UDP_PORT)};
	struct sockaddr *remote = family == AF_INET ? (void *)&inet : (void *)&inet6;
	socklen_t remote_size = family == AF_INET ? sizeof(inet) : sizeof(inet6);
	int listener = socket_on(&b, family, SOCK_STREAM, UDP_PORT), in = -1;
	int out = socket_on(&a, family, SOCK_STREAM, 0);
	size_t sent = 0, came = 0, size = 4 << 20;
	ssize_t part;

	inet_pton(AF_INET, b.address, &inet.sin_addr);
	inet_pton(AF_INET6, b.address6, &inet6.sin6_addr);
	assert_int_equal(listen(listener, 1), 0);
	connect(out, remote, remote_size);
	wait_for((in = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	deadline = loop_now(loop) + 20 * USEC_PER_SEC;
	while (came < size) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (char)((sent + i) % 251);
		part = sent < size ? send(out, data, sizeof(data), 0) : 0;
		sent += part > 0 ? (size_t)part : 0;
		loop_turn(loop, USEC_PER_MSEC);
		while ((part = recv(in, data, sizeof(data), 0)) > 0) {
			for (ssize_t i = 0; i < part; i++, came++)
				if (data[i] != (char)(came % 251))
					fail_msg("byte %zu is wrong", came);
		}
		assert_true(loop_now(loop) < deadline);
	}
	close(in);
	close(out);
	close(listener);
}

static void tcp_arrives_whole_with_any_offloads(void **state)
{
	need_namespace();
	const struct builtin_options mixes[] = {
		{0},
		{.without_udp_gso = true},
		{.without_vnet_header = true},
		{.without_gso = true},
		{.without_gro = true},
		{.without_vnet_header = true, .without_gso = true, .without_gro = true},
	};

	for (size_t i = 0; i < array_size(mixes); i++) {
		connect_ends(&mixes[i]);
		transfer(AF_INET);
		transfer(AF_INET6);
		assert_int_equal(a.handshakes, 1);
		tear_down(NULL);
		set_up(NULL);
	}
}

static void bulk_moves_in_batches(void **state)
{
	need_namespace();
	struct builtin_counters from, to;

	connect_ends(&plain_options);
	transfer(AF_INET);
	from = counters_of(&a);
	to = counters_of(&b);
	/* Otherwise the offloads are not in use, and nothing else would tell. */
	assert_true(from.run_packets > 5 * from.runs);
	assert_true(to.tun_write_packets > 3 * to.tun_writes);
}

static void sessions_are_renewed_while_traffic_goes_on(void **state)
{
	need_namespace();
	struct wg_limits limits = impatient();
	struct builtin_options options = {.limits = &limits};
	char text[32];

	limits.rekey_after_time = 300 * USEC_PER_MSEC;
	limits.reject_after_time = 900 * USEC_PER_MSEC;
	limits.keepalive_timeout = 200 * USEC_PER_MSEC;
	connect_ends(&options);
	for (int i = 0; a.handshakes < 5; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		send_text(&a, &b, text);
		wait_for(has_text(&b, text));
		assert_true(i < 100000);
	}
	assert_true(a.handshakes - b.handshakes + 1 <= 2);
	assert_int_equal(drops_of(&b, "forged") + drops_of(&b, "replayed"), 0);
}

static void a_source_that_is_not_allowed_is_dropped(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	exchange();
	builtin_peer_disallow_all(b.peer);
	allow(b.peer, "10.9.1.99");
	send_text(&a, &b, "forbidden");
	wait_for(drops_of(&b, "source") == 1);
	assert_false(has_text(&b, "forbidden"));
}

static void an_interface_that_is_down_only_loses_packets(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	exchange();
	set_flags("wlb", 0);
	send_text(&a, &b, "lost");
	wait_for(drops_of(&b, "tun-refused") == 1);
	set_flags("wlb", IFF_UP);
	exchange();
	assert_int_equal(b.gone, 0);
}

static void a_deleted_interface_is_told_once_and_stays_quiet(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	exchange();
	assert_int_equal(system("ip link delete wlb"), 0);
	wait_for(b.gone == 1);
	send_text(&a, &b, "nowhere");
	wait_for(drops_of(&b, "tun-refused") == 1);
	assert_int_equal(b.gone, 1);
}

static void look_for_b(struct end *end)
{
	tell_endpoint(end, &b);
	builtin_peer_start_handshake(end->peer);
}

static void a_wanted_peer_without_endpoint_gets_its_packets_when_it_is_found(void **state)
{
	need_namespace();
	const struct address none = {0};

	connect_ends(&plain_options);
	builtin_peer_set_endpoint(a.peer, &none);
	for (int i = 0; i < 5; i++)
		send_text(&a, &b, "wanted");
	wait_for(a.wanted == 1);
	assert_int_equal(a.handshakes, 0);
	look_for_b(&a);
	for (int i = 0; i < 5; i++)
		wait_for(has_text(&b, "wanted"));
	/* The same from within the event. */
	builtin_peer_end_sessions(a.peer);
	builtin_peer_set_endpoint(a.peer, &none);
	a.in_wanted = look_for_b;
	/* Told at most once a second. */
	wait_for((send_text(&a, &b, "again"), a.wanted == 2));
	wait_for(has_text(&b, "again"));
}

static void nobody_looks_for_a_peer_without_endpoint(void **state)
{
	need_namespace();
	end_open(&a, &plain_options, false);
	end_open(&b, &plain_options, false);
	add_peer(&a, &b);
	send_text(&a, &b, "nowhere");
	wait_for(drops_of(&a, "tun-no-endpoint") == 1);
}

static void nothing_is_sent_without_a_private_key(void **state)
{
	need_namespace();
	struct key own;

	connect_ends(&plain_options);
	exchange();
	builtin_set_private_key(a.builtin, NULL);
	assert_false(builtin_has_private_key(a.builtin));
	builtin_get_private_key(a.builtin, &own);
	assert_true(key_is_zero(&own));
	send_text(&a, &b, "nothing");
	wait_for(drops_of(&a, "tun-no-key") == 1);
	builtin_set_private_key(a.builtin, &a.private_key);
	builtin_get_public_key(a.builtin, &own);
	assert_true(key_is_equal(&own, &a.public_key));
}

static void the_same_private_key_keeps_the_session_and_another_ends_it(void **state)
{
	need_namespace();
	struct key other;

	connect_ends(&plain_options);
	exchange();
	builtin_set_private_key(a.builtin, &a.private_key);
	assert_true(statistics_of(&a).has_session);
	random_bytes(&other, sizeof(other));
	builtin_set_private_key(a.builtin, &other);
	assert_false(statistics_of(&a).has_session);
}

static void remove_peer(struct end *end)
{
	builtin_peer_remove(end->peer);
	end->peer = NULL;
}

static void a_peer_may_be_removed_by_its_own_event(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	b.in_handshake = remove_peer;
	send_text(&a, &b, "hello");
	wait_for(b.handshakes == 1);
	assert_int_equal(builtin_peer_count(b.builtin), 0);
	send_text(&a, &b, "still there?");
	wait_for(drops_of(&b, "no-session") >= 1);
}

static void a_peer_that_may_not_roam_only_proposes(void **state)
{
	need_namespace();
	struct address before, after;

	connect_ends(&plain_options);
	exchange();
	before = statistics_of(&b).endpoint;
	builtin_peer_set_may_roam(b.peer, false);
	assert_int_equal(port_set_number(builtin_port(a.builtin), 0), 0);
	for (int i = 0; i < 3; i++) {
		send_text(&a, &b, "from elsewhere");
		wait_for(has_text(&b, "from elsewhere"));
	}
	assert_int_equal(b.proposals, 1);
	assert_int_equal(b.moved_to.port, port_number(builtin_port(a.builtin)));
	after = statistics_of(&b).endpoint;
	assert_true(address_is_equal(&before, &after));
	builtin_peer_set_may_roam(b.peer, true);
	exchange();
	assert_int_equal(statistics_of(&b).endpoint.port, port_number(builtin_port(a.builtin)));
}

static void a_keepalive_starts_a_session_without_traffic(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	builtin_peer_set_keepalive(a.peer, 1);
	assert_int_equal(builtin_peer_keepalive(a.peer), 1);
	wait_for(counters_of(&b).keepalives_received >= 2);
	assert_int_equal(a.handshakes, 1);
}

static void a_peer_that_may_not_initiate_waits_for_the_other_side(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	tell_endpoint(&b, &a);
	builtin_peer_set_may_initiate(a.peer, false);
	send_text(&a, &b, "waits");
	wait_for(a.wanted == 1);
	assert_int_equal(counters_of(&a).handshakes_sent, 0);
	builtin_peer_start_handshake(b.peer);
	wait_for(has_text(&b, "waits"));
	assert_int_equal(counters_of(&a).handshakes_sent, 0);
}

static void a_preshared_key_must_be_the_same_on_both_sides(void **state)
{
	need_namespace();
	const struct wg_limits limits = impatient();
	const struct builtin_options options = {.limits = &limits};
	struct key secret, read;

	connect_ends(&options);
	random_bytes(&secret, sizeof(secret));
	builtin_peer_set_preshared_key(a.peer, &secret);
	builtin_peer_get_preshared_key(a.peer, &read);
	assert_true(key_is_equal(&secret, &read));
	send_text(&a, &b, "wrong");
	wait_for(drops_of(&a, "handshake-forged") >= 1);
	builtin_peer_set_preshared_key(b.peer, &secret);
	builtin_peer_end_sessions(a.peer);
	exchange();
}

static void allowed_prefixes_move_grow_and_are_listed(void **state)
{
	need_namespace();
	struct builtin_peer *first, *second;
	struct address address;
	struct prefix prefix;
	struct key key = {{9}};
	char text[32];

	end_open(&a, &plain_options, false);
	assert_int_equal(builtin_peer_add(a.builtin, &key, &first), 0);
	assert_int_equal(builtin_peer_add(a.builtin, &key, &second), -EEXIST);
	x25519_public(&a.private_key, &key);
	key.bytes[0] ^= 1;
	assert_int_equal(builtin_peer_add(a.builtin, &key, &second), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "10.%d.%d.0/24", i / 256, i % 256);
		allow(first, text);
	}
	allow(second, "10.1.0.0/16");
	assert_int_equal(address_parse("10.1.7.7", 1, &address), 0);
	assert_ptr_equal(builtin_route(a.builtin, &address), first);
	allow(second, "10.1.7.0/24");
	assert_ptr_equal(builtin_route(a.builtin, &address), second);
	assert_true(builtin_peer_allowed(first, 998, &prefix));
	assert_false(builtin_peer_allowed(first, 999, &prefix));
	assert_int_equal(prefix_parse("10.1.7.0/24", &prefix), 0);
	assert_false(builtin_peer_disallow(first, &prefix));
	assert_true(builtin_peer_disallow(second, &prefix));
	assert_ptr_equal(builtin_route(a.builtin, &address), second);
	builtin_peer_remove(second);
	assert_null(builtin_route(a.builtin, &address));
	assert_ptr_equal(builtin_peer_next(a.builtin, NULL), first);
	assert_null(builtin_peer_next(a.builtin, first));
}

static uint64_t kept_mark;
static unsigned saves;

static int load_mark(void *owner, uint64_t *ret_mark)
{
	*ret_mark = kept_mark;
	return kept_mark ? 0 : -ENOENT;
}

static int save_mark(void *owner, uint64_t mark)
{
	kept_mark = mark;
	saves++;
	return 0;
}

static void stamps_grow_over_a_restart(void **state)
{
	need_namespace();
	const struct builtin_stamp_store stamps = {NULL, load_mark, save_mark};
	const struct wg_limits limits = impatient();
	const struct builtin_options options = {.stamps = &stamps, .limits = &limits};
	struct key kept;
	uint64_t mark;

	kept_mark = saves = 0;
	connect_ends(&options);
	exchange();
	assert_true(saves >= 1 && kept_mark);
	mark = kept_mark;
	/* a comes back with its key and what was kept. */
	kept = a.private_key;
	close(a.udp);
	builtin_free(a.builtin);
	end_open(&a, &options, true);
	a.private_key = kept;
	builtin_set_private_key(a.builtin, &kept);
	add_peer(&a, &b);
	tell_endpoint(&a, &b);
	send_text(&a, &b, "again");
	wait_for(has_text(&b, "again"));
	assert_true(kept_mark > mark);
}

static void an_existing_interface_or_a_port_in_use_is_refused(void **state)
{
	need_namespace();
	const struct builtin_events events = {0};
	struct builtin_options options = {.interface = "wla"};
	struct builtin *other = NULL;

	end_open(&a, &plain_options, false);
	assert_int_equal(builtin_new(loop, &options, &events, &other), -EBUSY);
	options.interface = "wlc";
	options.listen_port = port_number(builtin_port(a.builtin));
	assert_int_equal(builtin_new(loop, &options, &events, &other), -EADDRINUSE);
	assert_int_equal(if_nametoindex("wlc"), 0);
	options.mtu = 65500;
	assert_int_equal(builtin_new(loop, &options, &events, &other), -EINVAL);
	assert_null(other);
}

static void every_reason_has_a_name_of_its_own(void **state)
{
	for (unsigned i = 0; i < BUILTIN_DROP_COUNT; i++) {
		assert_non_null(builtin_drop_name(i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(builtin_drop_name(i), builtin_drop_name(j));
	}
}

#define device_unit_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		device_unit_test(a_packet_crosses_and_both_sides_know_it),
		device_unit_test(packets_that_waited_arrive_in_order),
		device_unit_test(the_oldest_packet_goes_when_too_many_wait),
		device_unit_test(a_super_packet_leaves_in_one_call_and_arrives_in_one),
		device_unit_test(tcp_arrives_whole_with_any_offloads),
		device_unit_test(bulk_moves_in_batches),
		device_unit_test(sessions_are_renewed_while_traffic_goes_on),
		device_unit_test(a_source_that_is_not_allowed_is_dropped),
		device_unit_test(an_interface_that_is_down_only_loses_packets),
		device_unit_test(a_deleted_interface_is_told_once_and_stays_quiet),
		device_unit_test(a_wanted_peer_without_endpoint_gets_its_packets_when_it_is_found),
		device_unit_test(nobody_looks_for_a_peer_without_endpoint),
		device_unit_test(nothing_is_sent_without_a_private_key),
		device_unit_test(the_same_private_key_keeps_the_session_and_another_ends_it),
		device_unit_test(a_peer_may_be_removed_by_its_own_event),
		device_unit_test(a_peer_that_may_not_roam_only_proposes),
		device_unit_test(a_keepalive_starts_a_session_without_traffic),
		device_unit_test(a_peer_that_may_not_initiate_waits_for_the_other_side),
		device_unit_test(a_preshared_key_must_be_the_same_on_both_sides),
		device_unit_test(allowed_prefixes_move_grow_and_are_listed),
		device_unit_test(stamps_grow_over_a_restart),
		device_unit_test(an_existing_interface_or_a_port_in_use_is_refused),
		cmocka_unit_test(every_reason_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests_name("builtin", tests, enter_namespace, NULL);
}
