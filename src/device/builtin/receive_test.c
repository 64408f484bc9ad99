#include "device/builtin/test_ends.h"

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
	assert_true(connect(out, remote, remote_size) == 0 || errno == EINPROGRESS);
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

/* What a hub is told, so that it forwards nothing (security 15). */
static void nothing_is_taken_that_is_for_others_when_told_so(void **state)
{
	need_namespace();
	const struct end behind = {.address = "10.9.3.3"}, all = {.address = "10.9.255.255"};
	struct builtin_options options = {.local_count = 2};
	struct prefix local[2];
	uint64_t written;

	assert_int_equal(prefix_parse("10.9.2.1/16", &local[0]), 0);
	assert_int_equal(prefix_parse("fd09::2:1/64", &local[1]), 0);
	options.local = local;
	end_open(&a, &plain_options, true);
	end_open(&b, &options, true);
	add_peer(&a, &b);
	add_peer(&b, &a);
	tell_endpoint(&a, &b);
	exchange();
	written = counters_of(&b).tun_write_packets;
	allow(a.peer, behind.address);
	allow(a.peer, all.address);
	assert_int_equal(setsockopt(a.udp, SOL_SOCKET, SO_BROADCAST, &(int){1}, sizeof(int)), 0);
	send_text(&a, &behind, "forward this");
	send_text(&a, &all, "and this");
	wait_for(drops_of(&b, "rx-foreign") == 2);
	assert_int_equal(counters_of(&b).tun_write_packets, written);
	exchange();
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		device_unit_test(tcp_arrives_whole_with_any_offloads),
		device_unit_test(bulk_moves_in_batches),
		device_unit_test(a_source_that_is_not_allowed_is_dropped),
		device_unit_test(nothing_is_taken_that_is_for_others_when_told_so),
		device_unit_test(an_interface_that_is_down_only_loses_packets),
	};

	return cmocka_run_group_tests_name("receive", tests, enter_namespace, NULL);
}
