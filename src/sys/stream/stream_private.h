/* Shared by the files of this room only. */
#pragma once

#include "base/buffer.h"
#include "base/list.h"
#include "sys/loop/loop.h"
#include "sys/stream/stream.h"

struct stream {
	struct loop *loop;
	struct loop_source source;
	struct loop_timer timer; /* the deadline */
	const struct stream_handlers *handlers;
	void *owner;
	struct stream_listener *listener; /* NULL: connected by us, or the listener is gone */
	struct list entry;                /* of the listener's pending or other streams */
	struct address remote, local;
	struct buffer in, out;
	size_t sent; /* of out */
	int failure; /* of sending; told by the timer */
	size_t frame_limit;
	bool is_connecting, is_closed, is_pending;
	bool is_finishing; /* no frames any more, the queue goes out */
	bool is_draining;  /* .. and is out: until the peer closes, what comes is thrown away */
	/* Inside of a handler: who frees the stream then only marks it. */
	bool is_busy, is_freed;
};

/* A stream over a connected or connecting non-blocking socket. */
struct stream *stream_new(struct loop *loop, int fd, const struct address *remote,
			  size_t frame_limit);
int stream_start(struct stream *stream, bool is_connecting);
int stream_tune(int fd);
/* The memory of a stream that is shut. */
void stream_release(struct stream *stream);
/* The stream closed; it may have no listener. */
void listener_forget(struct stream *stream);
/* Its deadline passed; counts when it was pending. */
void listener_expired(struct stream *stream);
