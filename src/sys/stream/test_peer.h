/* For the tests of this room: an owner that writes down what it hears, and a bare TCP peer. */
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "sys/loop/loop.h"
#include "sys/stream/stream.h"
#include "sys/stream/stream_private.h"

#include <cmocka.h>

/* Nothing takes that long unless it fails. */
#define PATIENCE (20 * USEC_PER_SEC)

/* Turns the loop until the expression holds. */
#define turn_until(loop, expression)                                             \
	do {                                                                     \
		bool is_so_;                                                     \
		usec_t end_;                                                     \
                                                                                 \
		loop_turn(loop, 0);                                              \
		end_ = loop_now(loop) + PATIENCE;                                \
		while (!(is_so_ = (expression)) && loop_now(loop) < end_)        \
			assert_int_equal(loop_turn(loop, 5 * USEC_PER_MSEC), 0); \
		assert_true(is_so_);                                             \
	} while (0)

/* The owner of one stream. */
struct end {
	struct stream *stream; /* NULL after it was freed */
	bool is_open, is_closed;
	enum stream_reason reason;
	int error;
	size_t frames;
	struct buffer last;
	/* What to do at the next frame. */
	bool frees, finishes, echoes;
};

struct room {
	struct loop *loop;
	struct stream_listener *listener;
	struct end accepted[64];
	size_t count;
	bool refuses; /* on_accept frees the stream */
};

static void end_on_open(void *owner)
{
	((struct end *)owner)->is_open = true;
}

static void end_on_frame(void *owner, uint8_t *data, size_t size)
{
	struct end *end = owner;

	end->frames++;
	end->last.size = 0;
	buffer_add(&end->last, data, size);
	memset(data, 0, size); /* it may */
	if (end->echoes)
		assert_int_equal(stream_send(end->stream, end->last.data, size), 0);
	if (end->finishes)
		stream_finish(end->stream);
	if (end->frees) {
		stream_free(end->stream);
		end->stream = NULL;
	}
}

static void end_on_closed(void *owner, enum stream_reason reason, int error)
{
	struct end *end = owner;

	assert_false(end->is_closed);
	end->is_closed = true;
	end->reason = reason;
	end->error = error;
	stream_free(end->stream);
	end->stream = NULL;
}

static const struct stream_handlers end_handlers = {end_on_open, end_on_frame, end_on_closed};

static inline void end_done(struct end *end)
{
	stream_free(end->stream);
	end->stream = NULL;
	buffer_done(&end->last);
}

static inline void room_on_accept(void *owner, struct stream *stream)
{
	struct room *room = owner;
	struct end *end = &room->accepted[room->count];

	if (room->refuses) {
		stream_free(stream);
		return;
	}
	assert_true(room->count < array_size(room->accepted));
	room->count++;
	*end = (struct end){.stream = stream};
	stream_set_handlers(stream, &end_handlers, end);
}

static inline struct address loopback(uint16_t port)
{
	const uint8_t ip[4] = {127, 0, 0, 1};

	return address_from_ip(FAMILY_IPV4, ip, port);
}

static inline struct stream_listen_options usual_options(struct room *room)
{
	return (struct stream_listen_options){.address = loopback(0),
					      .pending_max = 16,
					      .pending_max_per_source = 16,
					      .pending_frame_limit = 64,
					      .pending_time = PATIENCE,
					      .streams_max = 32,
					      .on_accept = room_on_accept,
					      .owner = room};
}

static inline struct room *room_with(const struct stream_listen_options *options)
{
	struct room *room = new (struct room);
	struct stream_listen_options used = options ? *options : usual_options(room);

	used.owner = room;
	room->loop = loop_new();
	assert_int_equal(stream_listen(room->loop, &used, &room->listener), 0);
	return room;
}

static inline void room_done(struct room *room)
{
	for (size_t i = 0; i < room->count; i++)
		end_done(&room->accepted[i]);
	stream_listener_free(room->listener);
	loop_free(room->loop);
	free(room);
}

/* A socket the test reads and writes itself; from is the last byte of 127.0.0.x, 0 = any. */
static inline int bare_peer(uint16_t port, uint8_t from)
{
	struct sockaddr_storage socket_address;
	struct address address = loopback(port), local = loopback(0);
	socklen_t size;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	local.ip[3] = from;
	size = address_to_socket(&local, &socket_address);
	if (from)
		assert_int_equal(bind(fd, (struct sockaddr *)&socket_address, size), 0);
	size = address_to_socket(&address, &socket_address);
	assert_int_equal(connect(fd, (struct sockaddr *)&socket_address, size), 0);
	return fd;
}

static inline void say(int fd, const char *data, size_t size)
{
	assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

/* Closed or reset, and not a byte before that. */
static inline bool is_closed_silently(int fd)
{
	char byte;
	ssize_t size = recv(fd, &byte, 1, MSG_DONTWAIT);

	assert_true(size <= 0);
	return !size || errno == ECONNRESET;
}

static inline struct stream_connect_options to_room(const struct room *room)
{
	return (struct stream_connect_options){
		.remote = loopback(stream_listener_port(room->listener)),
		.deadline = USEC_NEVER,
		.frame_limit = STREAM_FRAME_MAX};
}

/* Both ends of one connection, open. */
static inline void connect_ends(struct room *room, struct end *client)
{
	struct stream_connect_options options = to_room(room);
	size_t before = room->count;

	*client = (struct end){0};
	assert_int_equal(
		stream_connect(room->loop, &options, &end_handlers, client, &client->stream), 0);
	turn_until(room->loop, client->is_open && room->count == before + 1);
}
