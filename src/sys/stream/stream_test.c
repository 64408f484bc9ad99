#include <netinet/tcp.h>
#include <sched.h>

#include "seeded.h"
#include "sys/stream/test_peer.h"

static void frames_go_both_ways(void **state)
{
	struct room *room = room_with(NULL);
	struct end client;
	struct end *server = &room->accepted[0];

	connect_ends(room, &client);
	assert_int_equal(stream_send(client.stream, "hello", 5), 0);
	turn_until(room->loop, server->frames == 1);
	assert_int_equal(server->last.size, 5);
	assert_memory_equal(server->last.data, "hello", 5);
	assert_int_equal(stream_send(server->stream, "there", 5), 0);
	assert_int_equal(stream_send(server->stream, "!", 1), 0);
	turn_until(room->loop, client.frames == 2);
	assert_memory_equal(client.last.data, "!", 1);
	end_done(&client);
	turn_until(room->loop, server->is_closed);
	assert_int_equal(server->reason, STREAM_CLOSED_BY_PEER);
	room_done(room);
}

static void both_ends_know_their_addresses(void **state)
{
	struct room *room = room_with(NULL);
	struct end client;
	struct address one, other;

	connect_ends(room, &client);
	one = stream_local(client.stream);
	other = stream_remote(room->accepted[0].stream);
	assert_true(address_is_equal(&one, &other));
	one = stream_remote(client.stream);
	other = stream_local(room->accepted[0].stream);
	assert_true(address_is_equal(&one, &other));
	end_done(&client);
	room_done(room);
}

static void sockets_are_set_for_quick_news(void **state)
{
	struct room *room = room_with(NULL);
	struct end client;
	int value;
	socklen_t size = sizeof(value);

	connect_ends(room, &client);
	struct stream *both[] = {client.stream, room->accepted[0].stream};

	for (size_t i = 0; i < array_size(both); i++) {
		int fd = both[i]->source.fd;

		getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size);
		assert_int_equal(value, 1);
		getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &size);
		assert_int_equal(value, 12000);
		getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &size);
		assert_int_equal(value, 1);
		getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &size);
		assert_int_equal(value, 10);
	}
	end_done(&client);
	room_done(room);
}

static void frames_sent_before_the_connection_stands_wait_for_it(void **state)
{
	struct room *room = room_with(NULL);
	struct stream_connect_options options = to_room(room);
	struct end client = {0};

	assert_int_equal(
		stream_connect(room->loop, &options, &end_handlers, &client, &client.stream), 0);
	assert_int_equal(stream_send(client.stream, "early", 5), 0);
	assert_int_equal(stream_queued(client.stream), 9);
	turn_until(room->loop, room->count && room->accepted[0].frames);
	assert_int_equal(stream_queued(client.stream), 0);
	assert_memory_equal(room->accepted[0].last.data, "early", 5);
	end_done(&client);
	room_done(room);
}

static void a_frame_may_arrive_byte_by_byte(void **state)
{
	struct room *room = room_with(NULL);
	const char data[] = "\5\0\0\0hello\1\0\0\0x";
	int fd = bare_peer(stream_listener_port(room->listener), 0);

	for (size_t i = 0; i < sizeof(data) - 1; i++) {
		say(fd, data + i, 1);
		/* Not more than the bytes allow. */
		loop_turn(room->loop, USEC_PER_MSEC);
		assert_true(!room->count ||
			    room->accepted[0].frames <= (size_t)((i >= 8) + (i >= 13)));
	}
	turn_until(room->loop, room->accepted[0].frames == 2);
	close(fd);
	room_done(room);
}

static void strangers_are_closed_without_a_byte(void **state)
{
	static const struct {
		const char *data;
		size_t size;
		enum stream_reason reason;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n", 18, STREAM_FRAME_TOO_LARGE},
		{"\x16\x03\x01\x02\x00\x01\x00\x01", 8, STREAM_FRAME_TOO_LARGE},
		{"\0\0\0\0", 4, STREAM_FRAME_EMPTY},
		{"\x41\0\0\0", 4, STREAM_FRAME_TOO_LARGE},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct room *room = room_with(NULL);
		int fd = bare_peer(stream_listener_port(room->listener), 0);

		say(fd, cases[i].data, cases[i].size);
		turn_until(room->loop, room->count && room->accepted[0].is_closed);
		assert_int_equal(room->accepted[0].reason, cases[i].reason);
		assert_int_equal(room->accepted[0].frames, 0);
		turn_until(room->loop, is_closed_silently(fd));
		close(fd);
		room_done(room);
	}
}

static void a_connection_cut_within_a_frame_is_told_apart(void **state)
{
	struct room *room = room_with(NULL);
	int fd = bare_peer(stream_listener_port(room->listener), 0);

	say(fd, "\5\0\0\0hel", 7);
	close(fd);
	turn_until(room->loop, room->count && room->accepted[0].is_closed);
	assert_int_equal(room->accepted[0].reason, STREAM_CUT_BY_PEER);
	room_done(room);
}

static void a_reset_is_a_failure_with_its_error(void **state)
{
	struct room *room = room_with(NULL);
	struct linger at_once = {.l_onoff = 1};
	int fd = bare_peer(stream_listener_port(room->listener), 0);

	turn_until(room->loop, room->count);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	turn_until(room->loop, room->accepted[0].is_closed);
	assert_int_equal(room->accepted[0].reason, STREAM_FAILED);
	assert_int_equal(room->accepted[0].error, -ECONNRESET);
	room_done(room);
}

static void a_reset_noticed_while_sending_is_told_later(void **state)
{
	struct room *room = room_with(NULL);
	struct linger at_once = {.l_onoff = 1};
	int fd = bare_peer(stream_listener_port(room->listener), 0);
	struct end *server = &room->accepted[0];

	turn_until(room->loop, room->count);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	assert_int_equal(stream_send(server->stream, "a", 1), -EPIPE);
	assert_int_equal(stream_send(server->stream, "a", 1), -EPIPE);
	stream_set_deadline(server->stream, USEC_NEVER);
	assert_false(server->is_closed);
	turn_until(room->loop, server->is_closed);
	assert_int_equal(server->reason, STREAM_FAILED);
	assert_int_equal(server->error, -ECONNRESET);
	room_done(room);
}

static void a_large_frame_goes_through_in_parts(void **state)
{
	struct room *room = room_with(NULL);
	auto_free char *data = new_array(char, STREAM_FRAME_MAX);
	struct end client, *server = &room->accepted[0];

	for (size_t i = 0; i < STREAM_FRAME_MAX; i++)
		data[i] = (char)(i * 31 >> 3);
	connect_ends(room, &client);
	stream_set_authenticated(server->stream, STREAM_FRAME_MAX);
	assert_int_equal(stream_send(client.stream, data, STREAM_FRAME_MAX), 0);
	assert_int_equal(stream_send(client.stream, data, STREAM_FRAME_MAX), 0);
	assert_true(stream_queued(client.stream) > 0);
	turn_until(room->loop, server->frames == 2);
	assert_int_equal(server->last.size, STREAM_FRAME_MAX);
	assert_memory_equal(server->last.data, data, STREAM_FRAME_MAX);
	assert_int_equal(stream_queued(client.stream), 0);
	assert_int_equal(stream_send(client.stream, data, 0), -EMSGSIZE);
	assert_int_equal(stream_send(client.stream, data, STREAM_FRAME_MAX + 1), -EMSGSIZE);
	end_done(&client);
	room_done(room);
}

static void a_slow_reader_meets_the_bound_and_loses_nothing_before(void **state)
{
	struct room *room = room_with(NULL);
	auto_free char *data = new_array(char, 1 << 20);
	int fd = bare_peer(stream_listener_port(room->listener), 0), error;
	struct end *server = &room->accepted[0];
	size_t sent = 0, received = 0;
	ssize_t part;

	turn_until(room->loop, room->count);
	while (!(error = stream_send(server->stream, data, 1 << 20)))
		sent += 4 + (1 << 20);
	assert_int_equal(error, -ENOBUFS);
	assert_true(stream_queued(server->stream) <= STREAM_QUEUE_MAX);
	assert_true(stream_queued(server->stream) > STREAM_QUEUE_MAX - (2 << 20));
	assert_false(server->is_closed);
	turn_until(room->loop, ({
			   while ((part = recv(fd, data, 1 << 20, MSG_DONTWAIT)) > 0)
				   received += (size_t)part;
			   received >= sent;
		   }));
	assert_int_equal(received, sent);
	assert_int_equal(stream_queued(server->stream), 0);
	assert_int_equal(stream_send(server->stream, data, 1 << 20), 0);
	close(fd);
	room_done(room);
}

static void a_small_limit_bounds_the_memory_of_a_stranger(void **state)
{
	struct room *room = room_with(NULL);
	char data[60000];
	int fd = bare_peer(stream_listener_port(room->listener), 0);

	/* A frame of 64 that lacks its last byte, and behind it nothing: then much more. */
	memset(data, 0, sizeof(data));
	data[0] = 64;
	say(fd, data, 67);
	turn_until(room->loop, room->count && room->accepted[0].stream->in.size == 67);
	assert_true(room->accepted[0].stream->in.capacity < 1024);
	for (size_t i = 1; i < sizeof(data); i += 5)
		data[i] = 1; /* frames of one byte */
	say(fd, data, sizeof(data));
	for (int i = 0; i < 100 && room->accepted[0].stream; i++) {
		loop_turn(room->loop, USEC_PER_MSEC);
		assert_true(!room->accepted[0].stream ||
			    room->accepted[0].stream->in.capacity < 1024);
	}
	close(fd);
	room_done(room);
}

static void the_limit_counts_for_bytes_that_wait_too(void **state)
{
	struct room *room = room_with(NULL);
	struct end client;

	connect_ends(room, &client);
	stream_set_frame_limit(client.stream, 4);
	assert_int_equal(stream_send(room->accepted[0].stream, "1234", 4), 0);
	assert_int_equal(stream_send(room->accepted[0].stream, "12345", 5), 0);
	turn_until(room->loop, client.is_closed);
	assert_int_equal(client.frames, 1);
	assert_int_equal(client.reason, STREAM_FRAME_TOO_LARGE);
	end_done(&client);
	room_done(room);
}

static void a_handler_may_free_its_stream(void **state)
{
	struct room *room = room_with(NULL);
	struct end client, *server = &room->accepted[0];

	connect_ends(room, &client);
	server->frees = true;
	/* The second frame must reach nobody. */
	assert_int_equal(stream_send(client.stream, "a", 1), 0);
	assert_int_equal(stream_send(client.stream, "b", 1), 0);
	turn_until(room->loop, client.is_closed);
	assert_int_equal(server->frames, 1);
	assert_false(server->is_closed);
	end_done(&client);
	room_done(room);
}

static void a_handler_may_answer_and_finish(void **state)
{
	struct room *room = room_with(NULL);
	struct end client, *server = &room->accepted[0];

	connect_ends(room, &client);
	server->echoes = server->finishes = true;
	/* More than the answer needs: closing at once would reset the connection. */
	for (int i = 0; i < 50; i++)
		assert_int_equal(stream_send(client.stream, "please", 6), 0);
	turn_until(room->loop, client.is_closed && server->is_closed);
	assert_int_equal(client.frames, 1);
	assert_memory_equal(client.last.data, "please", 6);
	assert_int_equal(client.reason, STREAM_CLOSED_BY_PEER);
	assert_int_equal(server->frames, 1);
	assert_int_equal(server->reason, STREAM_FINISHED);
	end_done(&client);
	room_done(room);
}

static void finishing_sends_the_queue_first(void **state)
{
	struct room *room = room_with(NULL);
	auto_free char *data = new_array(char, 4 << 20);
	struct end client, *server = &room->accepted[0];

	connect_ends(room, &client);
	stream_set_authenticated(server->stream, STREAM_FRAME_MAX);
	assert_int_equal(stream_send(client.stream, data, 4 << 20), 0);
	stream_finish(client.stream);
	assert_int_equal(stream_send(client.stream, data, 1), -EPIPE);
	assert_false(client.is_closed);
	turn_until(room->loop, client.is_closed && server->is_closed);
	assert_int_equal(client.reason, STREAM_FINISHED);
	assert_int_equal(server->frames, 1);
	assert_int_equal(server->last.size, 4 << 20);
	end_done(&client);
	room_done(room);
}

static void a_peer_that_does_not_close_is_not_waited_for_long(void **state)
{
	struct room *room = room_with(NULL);
	int fd = bare_peer(stream_listener_port(room->listener), 0);
	struct end *server = &room->accepted[0];
	usec_t start;

	turn_until(room->loop, room->count);
	start = loop_now(room->loop);
	stream_finish(server->stream);
	turn_until(room->loop, server->is_closed);
	assert_int_equal(server->reason, STREAM_FINISHED);
	assert_true(loop_now(room->loop) - start >= STREAM_DRAIN);
	close(fd);
	room_done(room);
}

static void a_deadline_closes(void **state)
{
	struct room *room = room_with(NULL);
	struct end client;

	connect_ends(room, &client);
	stream_set_deadline(client.stream, loop_now(room->loop) + 20 * USEC_PER_MSEC);
	turn_until(room->loop, client.is_closed);
	assert_int_equal(client.reason, STREAM_DEADLINE);
	end_done(&client);
	connect_ends(room, &client);
	stream_set_deadline(client.stream, loop_now(room->loop));
	stream_set_deadline(client.stream, USEC_NEVER);
	for (int i = 0; i < 5; i++)
		loop_turn(room->loop, USEC_PER_MSEC);
	assert_false(client.is_closed);
	end_done(&client);
	room_done(room);
}

static void a_refused_connection_is_a_failure(void **state)
{
	struct room *room = room_with(NULL);
	struct stream_connect_options options = to_room(room);
	struct end client = {0};

	stream_listener_free(take(room->listener));
	assert_int_equal(
		stream_connect(room->loop, &options, &end_handlers, &client, &client.stream), 0);
	turn_until(room->loop, client.is_closed);
	assert_false(client.is_open);
	assert_int_equal(client.reason, STREAM_FAILED);
	assert_int_equal(client.error, -ECONNREFUSED);
	end_done(&client);
	room_done(room);
}

/* A listener that accepts nobody and whose queue is full swallows SYNs. */
static void connecting_ends_at_its_deadline(void **state)
{
	struct room *room = room_with(NULL);
	struct sockaddr_storage address;
	struct address local = loopback(0);
	socklen_t size = address_to_socket(&local, &address);
	int deaf = socket(AF_INET, SOCK_STREAM, 0), fillers[8];
	struct stream_connect_options options = to_room(room);
	struct end client = {0};

	assert_int_equal(bind(deaf, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(deaf, 0), 0);
	size = sizeof(address);
	assert_int_equal(getsockname(deaf, (struct sockaddr *)&address, &size), 0);
	for (size_t i = 0; i < array_size(fillers); i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fillers[i], (struct sockaddr *)&address, size);
	}
	options.remote = address_from_socket((struct sockaddr *)&address);
	options.deadline = loop_now(room->loop) + 50 * USEC_PER_MSEC;
	assert_int_equal(
		stream_connect(room->loop, &options, &end_handlers, &client, &client.stream), 0);
	turn_until(room->loop, client.is_closed);
	assert_false(client.is_open);
	assert_int_equal(client.reason, STREAM_DEADLINE);
	for (size_t i = 0; i < array_size(fillers); i++)
		close(fillers[i]);
	close(deaf);
	end_done(&client);
	room_done(room);
}

static void errors_that_are_known_at_once_are_returned(void **state)
{
	struct room *room = room_with(NULL);
	struct stream_connect_options options = to_room(room);
	struct stream *stream = NULL;
	const uint8_t foreign[4] = {192, 0, 2, 1};

	options.local = address_from_ip(FAMILY_IPV4, foreign, 0);
	assert_int_equal(stream_connect(room->loop, &options, &end_handlers, NULL, &stream),
			 -EADDRNOTAVAIL);
	options.local = (struct address){0};
	options.remote = (struct address){0};
	assert_int_equal(stream_connect(room->loop, &options, &end_handlers, NULL, &stream),
			 -EINVAL);
	options = to_room(room);
	options.device = "no-such-dev";
	assert_true(stream_connect(room->loop, &options, &end_handlers, NULL, &stream) < 0);
	room_done(room);
}

static void every_reason_has_its_words(void **state)
{
	for (int i = STREAM_FINISHED; i <= STREAM_FRAME_EMPTY; i++)
		assert_true(strlen(stream_reason_text((enum stream_reason)i)) > 3);
}

/* Many streams, random frames and pieces against what was sent. */
static void random_traffic_arrives_as_it_was_sent(void **state)
{
	enum { STREAMS = 8, FRAMES = 400, LARGEST = 20000 };
	struct room *room = room_with(NULL);
	struct end clients[STREAMS];
	auto_free char *data = new_array(char, LARGEST);
	struct seeded seeded;
	size_t sent[STREAMS] = {0}, last[STREAMS] = {0};

	seeded_start(&seeded, "stream");
	for (size_t i = 0; i < STREAMS; i++) {
		connect_ends(room, &clients[i]);
		stream_set_authenticated(room->accepted[i].stream, STREAM_FRAME_MAX);
	}
	for (int i = 0; i < FRAMES; i++) {
		size_t which = seeded_below(&seeded, STREAMS);
		size_t size = 1 + seeded_below(&seeded, LARGEST);

		memset(data, (int)(sent[which] & 0xff), size);
		if (!stream_send(clients[which].stream, data, size)) {
			sent[which]++;
			last[which] = size;
		}
		if (!seeded_below(&seeded, 4))
			loop_turn(room->loop, 0);
	}
	for (size_t i = 0; i < STREAMS; i++) {
		struct end *server = &room->accepted[i];

		turn_until(room->loop, server->frames == sent[i]);
		assert_int_equal(server->last.size, last[i]);
		if (sent[i])
			assert_int_equal((uint8_t)server->last.data[0], (uint8_t)(sent[i] - 1));
		end_done(&clients[i]);
	}
	room_done(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_go_both_ways),
		cmocka_unit_test(both_ends_know_their_addresses),
		cmocka_unit_test(sockets_are_set_for_quick_news),
		cmocka_unit_test(frames_sent_before_the_connection_stands_wait_for_it),
		cmocka_unit_test(a_frame_may_arrive_byte_by_byte),
		cmocka_unit_test(strangers_are_closed_without_a_byte),
		cmocka_unit_test(a_connection_cut_within_a_frame_is_told_apart),
		cmocka_unit_test(a_reset_is_a_failure_with_its_error),
		cmocka_unit_test(a_reset_noticed_while_sending_is_told_later),
		cmocka_unit_test(a_large_frame_goes_through_in_parts),
		cmocka_unit_test(a_slow_reader_meets_the_bound_and_loses_nothing_before),
		cmocka_unit_test(a_small_limit_bounds_the_memory_of_a_stranger),
		cmocka_unit_test(the_limit_counts_for_bytes_that_wait_too),
		cmocka_unit_test(a_handler_may_free_its_stream),
		cmocka_unit_test(a_handler_may_answer_and_finish),
		cmocka_unit_test(finishing_sends_the_queue_first),
		cmocka_unit_test(a_peer_that_does_not_close_is_not_waited_for_long),
		cmocka_unit_test(a_deadline_closes),
		cmocka_unit_test(a_refused_connection_is_a_failure),
		cmocka_unit_test(connecting_ends_at_its_deadline),
		cmocka_unit_test(errors_that_are_known_at_once_are_returned),
		cmocka_unit_test(every_reason_has_its_words),
		cmocka_unit_test(random_traffic_arrives_as_it_was_sent),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
