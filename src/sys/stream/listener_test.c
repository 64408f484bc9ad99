#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "sys/netlink/netlink.h"
#include "sys/stream/test_peer.h"
#include "sys/tun/tun.h"

static void more_strangers_than_allowed_are_refused_silently(void **state)
{
	struct stream_listen_options options = usual_options(NULL);
	const struct stream_listener_counters *counters;
	struct room *room;
	int fds[6];

	options.pending_max = 3;
	room = room_with(&options);
	counters = stream_listener_counters(room->listener);
	for (size_t i = 0; i < array_size(fds); i++)
		fds[i] = bare_peer(stream_listener_port(room->listener), 0);
	turn_until(room->loop, counters->refused_total == 3);
	assert_int_equal(counters->accepted, 3);
	assert_int_equal(counters->pending, 3);
	assert_int_equal(room->count, 3);
	for (size_t i = 3; i < array_size(fds); i++)
		turn_until(room->loop, is_closed_silently(fds[i]));
	/* Who proved who it is makes room for the next. */
	stream_set_authenticated(room->accepted[0].stream, 100);
	assert_int_equal(counters->pending, 2);
	assert_int_equal(counters->streams, 3);
	close(fds[3]);
	fds[3] = bare_peer(stream_listener_port(room->listener), 0);
	turn_until(room->loop, counters->accepted == 4);
	/* And so does who leaves. */
	close(fds[1]);
	turn_until(room->loop, counters->pending == 2);
	assert_int_equal(counters->streams, 3);
	for (size_t i = 0; i < array_size(fds); i++) {
		if (i != 1)
			close(fds[i]);
	}
	room_done(room);
}

static void one_source_cannot_take_all_places(void **state)
{
	struct stream_listen_options options = usual_options(NULL);
	const struct stream_listener_counters *counters;
	struct room *room;
	int fds[4];

	options.pending_max_per_source = 2;
	room = room_with(&options);
	counters = stream_listener_counters(room->listener);
	for (size_t i = 0; i < 3; i++)
		fds[i] = bare_peer(stream_listener_port(room->listener), 7);
	turn_until(room->loop, counters->refused_source == 1);
	fds[3] = bare_peer(stream_listener_port(room->listener), 8);
	turn_until(room->loop, counters->accepted == 3);
	assert_int_equal(counters->refused_total, 0);
	/* Authenticated ones no longer count against their source. */
	stream_set_authenticated(room->accepted[0].stream, 100);
	close(fds[2]);
	fds[2] = bare_peer(stream_listener_port(room->listener), 7);
	turn_until(room->loop, counters->accepted == 4);
	for (size_t i = 0; i < array_size(fds); i++)
		close(fds[i]);
	room_done(room);
}

static void all_streams_together_are_bounded(void **state)
{
	struct stream_listen_options options = usual_options(NULL);
	const struct stream_listener_counters *counters;
	struct room *room;
	int fds[3];

	options.streams_max = 2;
	room = room_with(&options);
	counters = stream_listener_counters(room->listener);
	for (size_t i = 0; i < array_size(fds); i++) {
		fds[i] = bare_peer(stream_listener_port(room->listener), 0);
		turn_until(room->loop, counters->accepted + counters->refused_total == i + 1);
		if (i < 2)
			stream_set_authenticated(room->accepted[i].stream, 100);
	}
	assert_int_equal(counters->refused_total, 1);
	for (size_t i = 0; i < array_size(fds); i++)
		close(fds[i]);
	room_done(room);
}

static void strangers_have_little_time_and_friends_have_all(void **state)
{
	struct stream_listen_options options = usual_options(NULL);
	const struct stream_listener_counters *counters;
	struct room *room;
	int silent, chatty, known;

	options.pending_time = 100 * USEC_PER_MSEC;
	room = room_with(&options);
	counters = stream_listener_counters(room->listener);
	known = bare_peer(stream_listener_port(room->listener), 0);
	turn_until(room->loop, room->count == 1);
	stream_set_authenticated(room->accepted[0].stream, 100);
	silent = bare_peer(stream_listener_port(room->listener), 0);
	chatty = bare_peer(stream_listener_port(room->listener), 0);
	turn_until(room->loop, room->count == 3);
	/* Talking does not extend it. */
	turn_until(room->loop, ({
			   send(chatty, "\1\0\0\0x", 5, MSG_NOSIGNAL);
			   room->accepted[1].is_closed && room->accepted[2].is_closed;
		   }));
	assert_int_equal(room->accepted[1].reason, STREAM_DEADLINE);
	assert_int_equal(room->accepted[2].reason, STREAM_DEADLINE);
	assert_int_equal(counters->expired, 2);
	assert_int_equal(counters->pending, 0);
	assert_false(room->accepted[0].is_closed);
	close(silent);
	close(chatty);
	close(known);
	room_done(room);
}

static void the_owner_may_refuse(void **state)
{
	struct room *room = room_with(NULL);
	int fd = bare_peer(stream_listener_port(room->listener), 0);

	room->refuses = true;
	turn_until(room->loop, is_closed_silently(fd));
	assert_int_equal(stream_listener_counters(room->listener)->streams, 0);
	assert_int_equal(stream_listener_counters(room->listener)->pending, 0);
	close(fd);
	room_done(room);
}

static void streams_outlive_their_listener(void **state)
{
	struct room *room = room_with(NULL);
	struct end client;

	connect_ends(room, &client);
	stream_listener_free(take(room->listener));
	stream_set_authenticated(room->accepted[0].stream, 100);
	assert_int_equal(stream_send(client.stream, "still", 5), 0);
	turn_until(room->loop, room->accepted[0].frames == 1);
	end_done(&client);
	room_done(room);
}

static void without_descriptors_newcomers_wait(void **state)
{
	struct room *room = room_with(NULL);
	struct rlimit before, limit;
	int fd = bare_peer(stream_listener_port(room->listener), 0), next = dup(fd), turns = 0;

	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	loop_turn(room->loop, 0);
	for (usec_t end = loop_now(room->loop) + 250 * USEC_PER_MSEC; loop_now(room->loop) < end;
	     turns++)
		loop_turn(room->loop, 50 * USEC_PER_MSEC);
	/* It does not spin meanwhile. */
	assert_true(turns < 30);
	assert_int_equal(room->count, 0);
	assert_true(stream_listener_counters(room->listener)->refused_descriptors > 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	turn_until(room->loop, room->count == 1);
	close(fd);
	room_done(room);
}

static void a_flood_leaves_the_friends_alone(void **state)
{
	enum { FLOOD = 600 };
	struct room *room = room_with(NULL);
	struct end client;
	int fds[FLOOD];
	size_t sent = 0;

	connect_ends(room, &client);
	stream_set_authenticated(room->accepted[0].stream, 100);
	for (size_t i = 0; i < FLOOD; i++) {
		fds[i] = bare_peer(stream_listener_port(room->listener), 0);
		if (i % 20)
			continue;
		assert_int_equal(stream_send(client.stream, "x", 1), 0);
		sent++;
		turn_until(room->loop, room->accepted[0].frames == sent);
	}
	turn_until(room->loop,
		   stream_listener_counters(room->listener)->refused_total == FLOOD - 16);
	assert_false(client.is_closed);
	for (size_t i = 0; i < FLOOD; i++)
		close(fds[i]);
	end_done(&client);
	room_done(room);
}

static void errors_have_their_own_numbers(void **state)
{
	struct room *room = room_with(NULL);
	struct stream_listen_options options = usual_options(room);
	struct stream_listener *other = NULL;
	const uint8_t foreign[4] = {192, 0, 2, 1};

	options.address = loopback(stream_listener_port(room->listener));
	assert_int_equal(stream_listen(room->loop, &options, &other), -EADDRINUSE);
	options.address = address_from_ip(FAMILY_IPV4, foreign, 0);
	assert_int_equal(stream_listen(room->loop, &options, &other), -EADDRNOTAVAIL);
	options.address = (struct address){0};
	assert_int_equal(stream_listen(room->loop, &options, &other), -EINVAL);
	options = usual_options(room);
	options.device = "no-such-dev";
	assert_int_equal(stream_listen(room->loop, &options, &other), -ENODEV);
	room_done(room);
}

static uint32_t sum(const uint8_t *data, size_t size)
{
	uint32_t total = 0;

	for (size_t i = 0; i < size; i += 2)
		total += (uint32_t)(data[i] << 8 | data[i + 1]);
	return total;
}

static void put_checksum(uint8_t *place, uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	place[0] = (uint8_t)(~total >> 8);
	place[1] = (uint8_t)~total;
}

/* A neighbour 192.0.2.9 behind `lan` says SYN to 10.1.1.1; the flags of what comes back. */
static uint8_t flags_of_answer_to_syn(struct tun *lan, uint16_t port)
{
	uint8_t packet[40] = {0x45, 0,   0, 40, 0, 0,  0, 0, 64, IPPROTO_TCP, 0,
			      0,    192, 0, 2,  9, 10, 1, 1, 1,  9,           9};
	uint8_t answer[2048] = {0}, *tcp = packet + 20;
	struct iovec part = {packet, sizeof(packet)};
	struct pollfd place = {.fd = tun_fd(lan), .events = POLLIN};
	struct tun_header header;

	put_checksum(packet + 10, sum(packet, 20));
	tcp[2] = (uint8_t)(port >> 8);
	tcp[3] = (uint8_t)port;
	tcp[12] = 5 << 4;
	tcp[13] = 0x02;
	tcp[14] = tcp[15] = 0xff;
	put_checksum(tcp + 16, sum(packet + 12, 8) + IPPROTO_TCP + 20 + sum(tcp, 20));
	assert_int_equal(tun_write(lan, NULL, &part, 1), 0);
	/* Other things may come, too: router solicitations, for one. */
	while (answer[0] >> 4 != 4 || answer[9] != IPPROTO_TCP) {
		assert_int_equal(poll(&place, 1, 5000), 1);
		assert_true(tun_read(lan, &header, answer, sizeof(answer)) > 0);
	}
	return answer[20 + 13];
}

static struct tun *up(struct netlink *netlink, const char *name, const char *address)
{
	struct tun_options options = {.name = name, .without_vnet_header = true};
	struct netlink_interface interface;
	struct prefix prefix;
	struct tun *tun;

	if (tun_open(&options, &tun))
		_exit(77);
	assert_int_equal(prefix_parse(address, &prefix), 0);
	assert_int_equal(netlink_interface_claim(netlink, name, &interface), 0);
	assert_int_equal(netlink_interface_set_up(&interface, 0), 0);
	assert_int_equal(netlink_interface_add_address(&interface, &prefix), 0);
	return tun;
}

/* In a child with a network namespace: the tunnel wl0 with 10.1.1.1, and a LAN. */
static void in_namespace(void)
{
	struct stream_listen_options options = usual_options(NULL);
	struct netlink *netlink = NULL;
	struct tun *tunnel, *lan;
	struct prefix own;
	struct room *room;

	if (unshare(CLONE_NEWNET))
		_exit(77);
	assert_int_equal(netlink_open(&netlink), 0);
	tunnel = up(netlink, "wl0", "10.1.1.1/24");
	lan = up(netlink, "lan0", "192.0.2.1/24");
	assert_int_equal(prefix_parse("10.1.1.1/32", &own), 0);
	options.address = prefix_address(&own);

	/* Linux answers on any interface for any of its addresses .. */
	room = room_with(&options);
	assert_int_equal(flags_of_answer_to_syn(lan, stream_listener_port(room->listener)), 0x12);
	room_done(room);
	/* .. unless the socket belongs to a device. */
	options.device = "wl0";
	room = room_with(&options);
	assert_int_equal(flags_of_answer_to_syn(lan, stream_listener_port(room->listener)), 0x14);
	room_done(room);
	netlink_close(netlink);
	tun_close(tunnel);
	tun_close(lan);
	_exit(0);
}

static void a_listener_on_a_device_hears_nothing_from_another(void **state)
{
	pid_t child = fork();
	int status;

	if (!child)
		in_namespace();
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("needs root, /dev/net/tun and network namespaces\n");
		skip();
	}
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_strangers_than_allowed_are_refused_silently),
		cmocka_unit_test(one_source_cannot_take_all_places),
		cmocka_unit_test(all_streams_together_are_bounded),
		cmocka_unit_test(strangers_have_little_time_and_friends_have_all),
		cmocka_unit_test(the_owner_may_refuse),
		cmocka_unit_test(streams_outlive_their_listener),
		cmocka_unit_test(without_descriptors_newcomers_wait),
		cmocka_unit_test(a_flood_leaves_the_friends_alone),
		cmocka_unit_test(errors_have_their_own_numbers),
		cmocka_unit_test(a_listener_on_a_device_hears_nothing_from_another),
	};

	return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
