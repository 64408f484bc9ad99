/* TCP in miniature inside the tunnel: messages arrive whole, in order and once, or the stream
 * breaks. It is what sys/stream is to the daemon, with the same patience; the packets are real ones
 * of the simulated device, so the stream lives exactly as long as WireGuard carries it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "device.h"

#define STREAM_PROTOCOL        6
#define STREAM_CONNECT_TIMEOUT (5 * USEC_PER_SEC)
#define STREAM_KEEPALIVE       (10 * USEC_PER_SEC)
#define STREAM_USER_TIMEOUT    (12 * USEC_PER_SEC)

struct stream;

struct stream_events {
	void *owner;
	void (*on_open)(void *owner);
	void (*on_message)(void *owner, const uint8_t *data, size_t size);
	/* The last call; the owner frees the stream. */
	void (*on_closed)(void *owner);
	/* Where the owner keeps the stream: NULL or another one there when it freed this one. */
	struct stream **place;
};

/* What a packet of a stream says. */
enum stream_kind {
	STREAM_OPEN = 1,
	STREAM_OPENED,
	STREAM_DATA, /* a message, or the end of one */
	STREAM_ACK,
	STREAM_RESET,
	STREAM_PART, /* of a message that goes on */
};

struct stream_packet {
	enum stream_kind kind;
	uint64_t id; /* of the connection, drawn by who opens it */
	uint32_t sequence, acknowledged;
	const uint8_t *data;
	size_t size;
};

bool stream_parse(const uint8_t *packet, size_t size, struct stream_packet *ret_packet);

/* Opens, or (id not 0) answers one that was opened. */
struct stream *stream_new(struct device *device, const struct address *local,
			  const struct address *remote, uint64_t id,
			  const struct stream_events *events);
void stream_free(struct stream *stream);
uint64_t stream_id(const struct stream *stream);
void stream_send(struct stream *stream, const void *data, size_t size);
/* Says no to a packet of an unknown stream. */
void stream_refuse(struct device *device, const struct address *local, const struct address *remote,
		   uint64_t id);
/* May call every event; the stream may be gone when it returns. */
void stream_receive(struct stream *stream, const struct stream_packet *packet);
void stream_tick(struct stream *stream);
usec_t stream_deadline(const struct stream *stream);
