#include "sys/stream/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/memory.h"
#include "sys/stream/frame.h"
#include "sys/stream/stream_private.h"

/* One read; a stream with more to say gets its turn again. */
#define READ_SIZE (64u << 10)

const char *stream_reason_text(enum stream_reason reason)
{
	static const char *const texts[] = {
		[STREAM_FINISHED] = "finished",
		[STREAM_CLOSED_BY_PEER] = "closed by the other side",
		[STREAM_CUT_BY_PEER] = "cut off by the other side",
		[STREAM_FAILED] = "failed",
		[STREAM_DEADLINE] = "took too long",
		[STREAM_FRAME_TOO_LARGE] = "frame too large",
		[STREAM_FRAME_EMPTY] = "empty frame",
	};

	return texts[reason];
}

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

int stream_tune(int fd)
{
	int error = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);

	if (!error)
		error = set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
				   STREAM_USER_TIMEOUT / USEC_PER_MSEC);
	if (!error)
		error = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (!error)
		error = set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, STREAM_KEEPALIVE / USEC_PER_SEC);
	if (!error)
		error = set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 3);
	return error;
}

void stream_release(struct stream *stream)
{
	buffer_done(&stream->in);
	buffer_done(&stream->out);
	free(stream);
}

static void shut(struct stream *stream)
{
	if (stream->is_closed)
		return;
	stream->is_closed = true;
	loop_remove(&stream->source);
	loop_timer_stop(stream->loop, &stream->timer);
	close(stream->source.fd);
	listener_forget(stream);
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	shut(stream);
	if (stream->is_busy)
		stream->is_freed = true;
	else
		stream_release(stream);
}

static size_t unsent(const struct stream *stream)
{
	return stream->out.size - stream->sent;
}

/* The last call to the owner. */
static void end(struct stream *stream, enum stream_reason reason, int error)
{
	if (stream->is_closed)
		return;
	shut(stream);
	if (stream->handlers && stream->handlers->on_closed)
		stream->handlers->on_closed(stream->owner, reason, error);
}

static void update_events(struct stream *stream)
{
	bool is_reading = !stream->is_finishing || stream->is_draining;
	uint32_t events = is_reading && !stream->is_connecting ? EPOLLIN : 0;

	if (unsent(stream) || stream->is_connecting)
		events |= EPOLLOUT;
	if (!stream->is_closed)
		loop_change(&stream->source, events);
}

/* Moving what is left costs more than the room is worth, until half of it is free. */
static void drop_sent(struct stream *stream)
{
	if (stream->sent == stream->out.size) {
		buffer_done(&stream->out);
		stream->sent = 0;
	} else if (stream->sent > stream->out.size / 2) {
		buffer_consume(&stream->out, stream->sent);
		stream->sent = 0;
	}
}

/* What the kernel takes. 0 or -errno. */
static int flush(struct stream *stream)
{
	if (stream->is_connecting)
		return 0;
	while (unsent(stream)) {
		ssize_t part = send(stream->source.fd, stream->out.data + stream->sent,
				    unsent(stream), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0 && errno == EAGAIN)
			break;
		if (part < 0)
			return -errno;
		stream->sent += (size_t)part;
	}
	drop_sent(stream);
	update_events(stream);
	return 0;
}

/* All is sent. Closing now, with bytes of the peer unread, would reset the connection and take our
 * last frame from him: he gets a moment to close first. */
static void start_draining(struct stream *stream)
{
	usec_t latest = loop_now(stream->loop) + STREAM_DRAIN;

	stream->is_draining = true;
	shutdown(stream->source.fd, SHUT_WR);
	buffer_done(&stream->in);
	if (!stream->timer.place || stream->timer.deadline > latest)
		loop_timer_set(stream->loop, &stream->timer, latest);
	update_events(stream);
}

static void flush_or_end(struct stream *stream)
{
	int error = flush(stream);

	if (error)
		end(stream, STREAM_FAILED, error);
	else if (stream->is_finishing && !stream->is_draining && !unsent(stream))
		start_draining(stream);
}

/* Every whole frame that has come; a handler may close or free the stream in between. */
static void deliver(struct stream *stream)
{
	size_t done = 0, size = 0;
	enum frame_result result;

	for (;;) {
		uint8_t *data = (uint8_t *)stream->in.data + done;

		result = frame_next(data, stream->in.size - done, stream->frame_limit, &size);
		if (result != FRAME_WHOLE)
			break;
		done += STREAM_LENGTH_SIZE + size;
		stream->handlers->on_frame(stream->owner, data + STREAM_LENGTH_SIZE, size);
		if (stream->is_closed || stream->is_finishing)
			return;
	}
	buffer_consume(&stream->in, done);
	if (!stream->in.size)
		buffer_done(&stream->in);
	if (result == FRAME_TOO_LARGE)
		end(stream, STREAM_FRAME_TOO_LARGE, 0);
	else if (result == FRAME_EMPTY)
		end(stream, STREAM_FRAME_EMPTY, 0);
}

/* No more than the largest frame needs, so that a stranger with a small limit holds little memory.
 */
static size_t read_size(const struct stream *stream)
{
	size_t wanted = STREAM_LENGTH_SIZE + stream->frame_limit;

	wanted = wanted > stream->in.size ? wanted - stream->in.size : 1;
	return wanted < READ_SIZE ? wanted : READ_SIZE;
}

static void receive(struct stream *stream)
{
	size_t wanted = read_size(stream);
	char *room = buffer_reserve(&stream->in, wanted);
	ssize_t size = recv(stream->source.fd, room, wanted, MSG_DONTWAIT);

	if (size < 0) {
		if (errno != EAGAIN && errno != EINTR)
			end(stream, STREAM_FAILED, -errno);
		return;
	}
	if (!size) {
		end(stream, stream->in.size ? STREAM_CUT_BY_PEER : STREAM_CLOSED_BY_PEER, 0);
		return;
	}
	stream->in.size += (size_t)size;
	deliver(stream);
}

static void drain(struct stream *stream)
{
	char nothing[4096];
	ssize_t size = recv(stream->source.fd, nothing, sizeof(nothing), MSG_DONTWAIT);

	if (!size || (size < 0 && errno != EAGAIN && errno != EINTR))
		end(stream, STREAM_FINISHED, 0);
}

static int socket_error(const struct stream *stream)
{
	socklen_t size = sizeof(int);
	int error = 0;

	getsockopt(stream->source.fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return -error;
}

static void connected(struct stream *stream)
{
	struct sockaddr_storage local;
	socklen_t size = sizeof(local);
	int error = socket_error(stream);

	if (error) {
		end(stream, STREAM_FAILED, error);
		return;
	}
	stream->is_connecting = false;
	loop_timer_stop(stream->loop, &stream->timer);
	if (!getsockname(stream->source.fd, (struct sockaddr *)&local, &size))
		stream->local = address_from_socket((struct sockaddr *)&local);
	update_events(stream);
	if (stream->handlers->on_open)
		stream->handlers->on_open(stream->owner);
	if (!stream->is_closed)
		flush_or_end(stream);
}

static void on_readable(struct stream *stream)
{
	if (stream->is_draining)
		drain(stream);
	else if (!stream->is_finishing)
		receive(stream);
	else /* hung up before all was sent */
		end(stream, STREAM_FAILED, socket_error(stream));
}

static void on_event(void *owner, uint32_t events)
{
	struct stream *stream = owner;

	stream->is_busy = true;
	if (stream->failure)
		end(stream, STREAM_FAILED, stream->failure);
	else if (stream->is_connecting)
		connected(stream);
	else if (events & EPOLLOUT)
		flush_or_end(stream);
	if (!stream->is_closed && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_readable(stream);
	stream->is_busy = false;
	if (stream->is_freed)
		stream_release(stream);
}

static void on_deadline(void *owner, usec_t now)
{
	struct stream *stream = owner;

	stream->is_busy = true;
	if (stream->failure) {
		end(stream, STREAM_FAILED, stream->failure);
	} else if (stream->is_draining) {
		end(stream, STREAM_FINISHED, 0);
	} else {
		listener_expired(stream);
		end(stream, STREAM_DEADLINE, 0);
	}
	stream->is_busy = false;
	if (stream->is_freed)
		stream_release(stream);
}

struct stream *stream_new(struct loop *loop, int fd, const struct address *remote,
			  size_t frame_limit)
{
	struct stream *stream = new (struct stream);

	stream->loop = loop;
	stream->remote = *remote;
	stream->frame_limit = frame_limit;
	stream->source = (struct loop_source){.fd = fd, .on_event = on_event, .owner = stream};
	stream->timer = (struct loop_timer){.on_timer = on_deadline, .owner = stream};
	list_init(&stream->entry);
	return stream;
}

int stream_start(struct stream *stream, bool is_connecting)
{
	stream->is_connecting = is_connecting;
	stream->source.events = is_connecting ? EPOLLOUT : EPOLLIN;
	return loop_add(stream->loop, &stream->source);
}

static int bind_socket(int fd, const struct stream_connect_options *options)
{
	struct sockaddr_storage local;
	socklen_t size = address_to_socket(&options->local, &local);

	if (options->device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->device,
					  (socklen_t)strlen(options->device) + 1))
		return -errno;
	return size && bind(fd, (struct sockaddr *)&local, size) ? -errno : 0;
}

int stream_connect(struct loop *loop, const struct stream_connect_options *options,
		   const struct stream_handlers *handlers, void *owner, struct stream **ret_stream)
{
	struct sockaddr_storage remote;
	socklen_t size = address_to_socket(&options->remote, &remote);
	struct stream *stream;
	int fd, error;

	if (!size)
		return -EINVAL;
	fd = socket(remote.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	error = stream_tune(fd);
	if (!error)
		error = bind_socket(fd, options);
	if (!error && connect(fd, (struct sockaddr *)&remote, size) && errno != EINPROGRESS)
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	stream = stream_new(loop, fd, &options->remote, options->frame_limit);
	stream->handlers = handlers;
	stream->owner = owner;
	error = stream_start(stream, true);
	if (error) {
		close(fd);
		stream_release(stream);
		return error;
	}
	loop_timer_set(loop, &stream->timer, options->deadline);
	*ret_stream = stream;
	return 0;
}

int stream_send(struct stream *stream, const void *data, size_t size)
{
	uint8_t length[STREAM_LENGTH_SIZE];
	struct writer writer = writer_over(length, sizeof(length));

	if (!size || size > STREAM_FRAME_MAX)
		return -EMSGSIZE;
	if (stream->is_closed || stream->is_finishing || stream->failure)
		return -EPIPE;
	if (unsent(stream) + sizeof(length) + size > STREAM_QUEUE_MAX)
		return -ENOBUFS;
	write_u32(&writer, (uint32_t)size);
	buffer_add(&stream->out, length, sizeof(length));
	buffer_add(&stream->out, data, size);
	stream->failure = flush(stream);
	if (!stream->failure)
		return 0;
	/* on_closed is never called from here. */
	loop_timer_set(stream->loop, &stream->timer, loop_now(stream->loop));
	return -EPIPE;
}

size_t stream_queued(const struct stream *stream)
{
	return unsent(stream);
}

void stream_finish(struct stream *stream)
{
	if (stream->is_closed || stream->is_finishing)
		return;
	stream->is_finishing = true;
	if (!unsent(stream) && !stream->is_connecting)
		start_draining(stream);
	else
		update_events(stream);
}

void stream_set_frame_limit(struct stream *stream, size_t limit)
{
	stream->frame_limit = limit < STREAM_FRAME_MAX ? limit : STREAM_FRAME_MAX;
}

void stream_set_deadline(struct stream *stream, usec_t deadline)
{
	if (!stream->is_closed && !stream->failure)
		loop_timer_set(stream->loop, &stream->timer, deadline);
}

struct address stream_remote(const struct stream *stream)
{
	return stream->remote;
}

struct address stream_local(const struct stream *stream)
{
	return stream->local;
}

void stream_set_handlers(struct stream *stream, const struct stream_handlers *handlers, void *owner)
{
	stream->handlers = handlers;
	stream->owner = owner;
}
