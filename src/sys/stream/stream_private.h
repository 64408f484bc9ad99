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
	struct list entry;		  /* of the listener's streams */
	struct address remote, local;
	struct buffer in, out;
	size_t frame_limit;
	bool is_connecting, is_closed, is_finishing, is_pending;
	/* Inside of a handler: who frees the stream then only marks it. */
	bool is_busy, is_freed;
};

/* A stream over a connected or connecting non-blocking socket. */
struct stream *stream_new(struct loop *loop, int fd, const struct address *remote, size_t frame_limit);
int stream_start(struct stream *stream, bool is_connecting);
int stream_tune(int fd);
void listener_forget(struct stream *stream);
void listener_expired(struct stream *stream);
