#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/stream/stream_private.h"

/* Newcomers in one turn, so that a flood leaves time for the others. */
#define ACCEPTS_PER_TURN 32
/* Without a spare descriptor the listener sleeps for so long. */
#define PAUSE            (100 * USEC_PER_MSEC)
#define BACKLOG          128

struct stream_listener {
	struct loop *loop;
	struct loop_source source;
	struct loop_timer pause;
	struct stream_listen_options options;
	struct stream_listener_counters counters;
	struct list pending, others; /* its streams */
	uint16_t port;
};

void listener_forget(struct stream *stream)
{
	if (!stream->listener)
		return;
	stream->listener->counters.streams--;
	if (stream->is_pending)
		stream->listener->counters.pending--;
	stream->is_pending = false;
	list_remove(&stream->entry);
	stream->listener = NULL;
}

void listener_expired(struct stream *stream)
{
	if (stream->listener && stream->is_pending)
		stream->listener->counters.expired++;
}

static size_t pending_of(const struct stream_listener *listener, const struct address *remote)
{
	const struct stream *stream;
	size_t count = 0;

	list_for_each (stream, &listener->pending, entry)
		count += address_is_same_ip(&stream->remote, remote);
	return count;
}

static bool has_room(struct stream_listener *listener, const struct address *remote)
{
	if (listener->counters.streams >= listener->options.streams_max ||
	    listener->counters.pending >= listener->options.pending_max) {
		listener->counters.refused_total++;
		return false;
	}
	if (pending_of(listener, remote) >= listener->options.pending_max_per_source) {
		listener->counters.refused_source++;
		return false;
	}
	return true;
}

/* Reset, so that a flood leaves no half-closed connections behind in the kernel. */
static void refuse(int fd)
{
	struct linger at_once = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

static void take_in(struct stream_listener *listener, int fd, const struct address *remote)
{
	struct sockaddr_storage local;
	socklen_t size = sizeof(local);
	struct stream *stream;

	if (!has_room(listener, remote) || stream_tune(fd)) {
		refuse(fd);
		return;
	}
	stream = stream_new(listener->loop, fd, remote, listener->options.pending_frame_limit);
	if (!getsockname(fd, (struct sockaddr *)&local, &size))
		stream->local = address_from_socket((struct sockaddr *)&local);
	if (stream_start(stream, false)) {
		close(fd);
		free(stream);
		return;
	}
	stream->listener = listener;
	stream->is_pending = true;
	list_append(&listener->pending, &stream->entry);
	listener->counters.accepted++;
	listener->counters.streams++;
	listener->counters.pending++;
	stream_set_deadline(stream, loop_now(listener->loop) + listener->options.pending_time);
	stream->is_busy = true;
	listener->options.on_accept(listener->options.owner, stream);
	stream->is_busy = false;
	if (stream->is_freed)
		stream_release(stream);
	else if (!stream->handlers)
		stream_free(stream);
}

static void on_pause_over(void *owner, usec_t now)
{
	struct stream_listener *listener = owner;

	loop_change(&listener->source, EPOLLIN);
}

static void on_readable(void *owner, uint32_t events)
{
	struct stream_listener *listener = owner;

	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage remote;
		socklen_t size = sizeof(remote);
		struct address address;
		int fd = accept4(listener->source.fd, (struct sockaddr *)&remote, &size,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			address = address_from_socket((struct sockaddr *)&remote);
			take_in(listener, fd, &address);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			listener->counters.refused_descriptors++;
			loop_change(&listener->source, 0);
			loop_timer_set(listener->loop, &listener->pause,
				       loop_now(listener->loop) + PAUSE);
			return;
		}
		if (errno == EAGAIN)
			return;
	}
}

static int open_socket(const struct stream_listen_options *options, uint16_t *ret_port)
{
	struct sockaddr_storage address;
	socklen_t size = address_to_socket(&options->address, &address);
	int one = 1, fd, error = 0;
	struct address bound;

	if (!size)
		return -EINVAL;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    (address.ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) ||
	    (options->device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->device,
					   (socklen_t)strlen(options->device) + 1)) ||
	    bind(fd, (struct sockaddr *)&address, size) || listen(fd, BACKLOG))
		error = -errno;
	size = sizeof(address);
	if (!error && getsockname(fd, (struct sockaddr *)&address, &size))
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	bound = address_from_socket((struct sockaddr *)&address);
	*ret_port = bound.port;
	return fd;
}

int stream_listen(struct loop *loop, const struct stream_listen_options *options,
		  struct stream_listener **ret_listener)
{
	struct stream_listener *listener;
	uint16_t port = 0;
	int fd = open_socket(options, &port), error;

	if (fd < 0)
		return fd;
	listener = new (struct stream_listener);
	listener->loop = loop;
	listener->options = *options;
	listener->port = port;
	list_init(&listener->pending);
	list_init(&listener->others);
	listener->source = (struct loop_source){
		.fd = fd, .events = EPOLLIN, .on_event = on_readable, .owner = listener};
	listener->pause = (struct loop_timer){.on_timer = on_pause_over, .owner = listener};
	error = loop_add(loop, &listener->source);
	if (error) {
		close(fd);
		free(listener);
		return error;
	}
	*ret_listener = listener;
	return 0;
}

static void let_go(struct list *streams)
{
	struct stream *stream, *after;

	list_for_each_safe (stream, after, streams, entry) {
		list_remove(&stream->entry);
		stream->listener = NULL;
		stream->is_pending = false;
	}
}

void stream_listener_free(struct stream_listener *listener)
{
	if (!listener)
		return;
	let_go(&listener->pending);
	let_go(&listener->others);
	loop_remove(&listener->source);
	loop_timer_stop(listener->loop, &listener->pause);
	close(listener->source.fd);
	free(listener);
}

uint16_t stream_listener_port(const struct stream_listener *listener)
{
	return listener->port;
}

const struct stream_listener_counters *
stream_listener_counters(const struct stream_listener *listener)
{
	return &listener->counters;
}

void stream_set_authenticated(struct stream *stream, size_t frame_limit)
{
	stream_set_frame_limit(stream, frame_limit);
	stream_set_deadline(stream, USEC_NEVER);
	if (stream->is_pending) {
		stream->listener->counters.pending--;
		list_remove(&stream->entry);
		list_append(&stream->listener->others, &stream->entry);
	}
	stream->is_pending = false;
}
