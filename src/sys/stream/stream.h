/* TCP connections on the loop that carry frames: u32 little-endian length, then so many bytes. It
 * knows nothing of what is inside; who may speak is the owner's decision, made on the first frames
 * under a small limit. Never a byte goes out that the owner did not send: whoever announces a frame
 * of length 0 or above the limit ("GET " is 542,393,671) is closed without an answer.
 *
 * Sockets are non-blocking, TCP_NODELAY, keepalive after STREAM_KEEPALIVE and given up after
 * STREAM_USER_TIMEOUT without an acknowledgement, also when the peer stopped reading. Memory grows
 * with bytes that came, never with a length that was announced. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/time.h"

struct loop;
struct stream;
struct stream_listener;

#define STREAM_LENGTH_SIZE  4
/* A message of 4 MiB (security 7) with its seal. */
#define STREAM_FRAME_MAX    ((4u << 20) + 64)
/* Two of the largest frames; above it the peer is too slow. */
#define STREAM_QUEUE_MAX    (2 * (STREAM_LENGTH_SIZE + STREAM_FRAME_MAX))
#define STREAM_KEEPALIVE    (10 * USEC_PER_SEC)
#define STREAM_USER_TIMEOUT (12 * USEC_PER_SEC)
/* A finished stream waits so long for the peer to close. */
#define STREAM_DRAIN        (1 * USEC_PER_SEC)

enum stream_reason {
	STREAM_FINISHED,       /* stream_finish(): all was sent */
	STREAM_CLOSED_BY_PEER, /* the peer closed, between two frames */
	STREAM_CUT_BY_PEER,    /* the peer closed in the middle of a frame */
	STREAM_FAILED,         /* reset, timed out, refused, unreachable: see error */
	STREAM_DEADLINE, /* stream_set_deadline(), or the one of connecting or authentication */
	STREAM_FRAME_TOO_LARGE, /* above the limit */
	STREAM_FRAME_EMPTY,
};
const char *stream_reason_text(enum stream_reason reason);

/* Any of them may call any function here, stream_free() included. on_open may be NULL. */
struct stream_handlers {
	/* The connection stands (stream_connect() only). */
	void (*on_open)(void *owner);
	/* The owner may write into data (to open a seal in place); gone when the function returns.
	 */
	void (*on_frame)(void *owner, uint8_t *data, size_t size);
	/* The last call: the descriptor is closed, and the owner calls stream_free() now or later.
	 * error: -errno with STREAM_FAILED, else 0. Not called by stream_free(). */
	void (*on_closed)(void *owner, enum stream_reason reason, int error);
};

struct stream_connect_options {
	struct address remote;
	struct address local; /* FAMILY_NONE = kernel's choice; port 0 = any */
	const char *device;   /* SO_BINDTODEVICE, NULL = none */
	usec_t deadline;      /* absolute, until on_open; USEC_NEVER = the kernel's */
	size_t frame_limit;   /* of what the peer may send; see stream_set_frame_limit() */
};

/* 0, and on_open or on_closed follows from the loop; or -errno at once. handlers stay the owner's
 * (static). */
int stream_connect(struct loop *loop, const struct stream_connect_options *options,
		   const struct stream_handlers *handlers, void *owner, struct stream **ret_stream);
/* Closes at once; queued frames are lost. NULL is fine. */
void stream_free(struct stream *stream);

/* Queues the frame and sends what the kernel takes; before on_open it waits. 0 or -errno: -ENOBUFS
 * more than STREAM_QUEUE_MAX would wait (nothing was queued, the owner closes), -EMSGSIZE size is 0
 * or above STREAM_FRAME_MAX, -EPIPE closed or finished. on_closed is never called from here. */
int stream_send(struct stream *stream, const void *data, size_t size);
/* Bytes that wait to be sent. */
size_t stream_queued(const struct stream *stream);
/* No more frames in or out. on_closed(STREAM_FINISHED) comes when the queue is sent and the peer
 * has closed, or STREAM_DRAIN after the queue was sent; on_closed(STREAM_DEADLINE) when a deadline
 * passes before it was sent. */
void stream_finish(struct stream *stream);

/* Largest frame the peer may send from now on, 1..STREAM_FRAME_MAX; also for bytes that wait. */
void stream_set_frame_limit(struct stream *stream, size_t limit);
/* Absolute; USEC_NEVER = none. At this time the stream is closed with STREAM_DEADLINE. */
void stream_set_deadline(struct stream *stream, usec_t deadline);
struct address stream_remote(const struct stream *stream);
struct address stream_local(const struct stream *stream);

/* ---- accepting ---- */

struct stream_listen_options {
	struct address address; /* port 0 = any: stream_listener_port() */
	/* SO_BINDTODEVICE, NULL = none. It keeps out what arrives on other interfaces, but not the
	 * processes of this machine: for them the kernel counts the device that has the address.
	 * They show an address of this machine, so the owner must look at stream_remote(). */
	const char *device;
	/* Streams that nobody vouches for yet: in all, per remote IP (the whole address: behind the
	 * tunnel each is one node), their frames, and how long they may stay so. */
	size_t pending_max, pending_max_per_source, pending_frame_limit;
	usec_t pending_time;
	size_t streams_max; /* all streams, authenticated ones included */
	/* The owner takes the stream: it calls stream_set_handlers(), or stream_free() to refuse.
	 * The listener itself must not be freed here. */
	void (*on_accept)(void *owner, struct stream *stream);
	void *owner;
};

struct stream_listener_counters {
	uint64_t accepted, refused_total, refused_source, refused_descriptors, expired;
	size_t streams, pending; /* now */
};

/* 0 or -errno: -EADDRINUSE, -EADDRNOTAVAIL, -ENODEV, -EPERM. Out of descriptors it goes on:
 * newcomers wait until there are some again. */
int stream_listen(struct loop *loop, const struct stream_listen_options *options,
		  struct stream_listener **ret_listener);
/* Accepted streams live on. */
void stream_listener_free(struct stream_listener *listener);
uint16_t stream_listener_port(const struct stream_listener *listener);
const struct stream_listener_counters *
stream_listener_counters(const struct stream_listener *listener);

/* Within on_accept. handlers stay the owner's (static). */
void stream_set_handlers(struct stream *stream, const struct stream_handlers *handlers,
			 void *owner);
/* The peer proved who it is: the stream no longer counts as pending, the pending deadline is off,
 * and frames up to limit may come. */
void stream_set_authenticated(struct stream *stream, size_t frame_limit);
