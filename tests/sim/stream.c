#include "stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/memory.h"

#define PACKET_HEADER_SIZE (1 + 8 + 4 + 4)
#define PART_SIZE          (DEVICE_PACKET_MAX - INNER_HEADER_SIZE - PACKET_HEADER_SIZE)
#define RETRY_FIRST        USEC_PER_SEC
#define RETRY_LEAST        (200 * USEC_PER_MSEC)

struct message {
	struct list entry;
	uint32_t sequence;
	bool goes_on;
	size_t size;
	uint8_t data[];
};

struct stream {
	struct device *device;
	struct address local, remote;
	uint64_t id;
	struct stream_events events;
	bool is_open;
	usec_t started;
	struct list unacknowledged, early;
	struct buffer parts;    /* of the message that is arriving */
	uint32_t next_sequence; /* to send; the first is 1 */
	uint32_t received;      /* the last in order */
	usec_t waiting_since;   /* the oldest unacknowledged; USEC_NEVER = none */
	usec_t retry_at, retry;
	usec_t last_received;
};

static usec_t now_of(const struct stream *stream)
{
	return network_now(stream->device->network);
}

static void emit(struct device *device, const struct address *local, const struct address *remote,
		 const struct stream_packet *packet)
{
	uint8_t bytes[DEVICE_PACKET_MAX];
	size_t size = INNER_HEADER_SIZE + PACKET_HEADER_SIZE + packet->size;
	struct writer writer =
		writer_over(bytes + INNER_HEADER_SIZE, sizeof(bytes) - INNER_HEADER_SIZE);

	write_u8(&writer, (uint8_t)packet->kind);
	write_u64(&writer, packet->id);
	write_u32(&writer, packet->sequence);
	write_u32(&writer, packet->acknowledged);
	write_bytes(&writer, packet->data, packet->size);
	if (writer.failed)
		abort();
	inner_header_write(bytes, size, STREAM_PROTOCOL, local, remote);
	device_send(device, bytes, size);
}

static void emit_own(struct stream *stream, enum stream_kind kind, const struct message *message)
{
	struct stream_packet packet = {
		.kind = kind, .id = stream->id, .acknowledged = stream->received};

	if (message) {
		packet.kind = message->goes_on ? STREAM_PART : STREAM_DATA;
		packet.sequence = message->sequence;
		packet.data = message->data;
		packet.size = message->size;
	}
	emit(stream->device, &stream->local, &stream->remote, &packet);
}

static void emit_acknowledgement(struct stream *stream, uint32_t received)
{
	struct stream_packet packet = {
		.kind = STREAM_ACK, .id = stream->id, .acknowledged = received};

	emit(stream->device, &stream->local, &stream->remote, &packet);
}

bool stream_parse(const uint8_t *packet, size_t size, struct stream_packet *ret_packet)
{
	struct reader reader = reader_over(packet, size);

	read_view(&reader, INNER_HEADER_SIZE);
	ret_packet->kind = read_u8(&reader);
	ret_packet->id = read_u64(&reader);
	ret_packet->sequence = read_u32(&reader);
	ret_packet->acknowledged = read_u32(&reader);
	ret_packet->size = reader_left(&reader);
	ret_packet->data = read_view(&reader, ret_packet->size);
	return !reader.failed;
}

struct stream *stream_new(struct device *device, const struct address *local,
			  const struct address *remote, uint64_t id,
			  const struct stream_events *events)
{
	struct stream *stream = new (struct stream);

	*stream = (struct stream){.device = device,
				  .local = *local,
				  .remote = *remote,
				  .id = id ? id : random_u64(network_random(device->network)) | 1,
				  .events = *events,
				  .is_open = id,
				  .next_sequence = 1,
				  .retry = id ? RETRY_LEAST : RETRY_FIRST,
				  .waiting_since = USEC_NEVER,
				  .retry_at = USEC_NEVER};
	stream->started = stream->last_received = now_of(stream);
	list_init(&stream->unacknowledged);
	list_init(&stream->early);
	if (!id)
		stream->retry_at = stream->started + stream->retry;
	emit_own(stream, id ? STREAM_OPENED : STREAM_OPEN, NULL);
	return stream;
}

void stream_free(struct stream *stream)
{
	struct message *message, *after;

	if (!stream)
		return;
	list_for_each_safe (message, after, &stream->unacknowledged, entry)
		free(message);
	list_for_each_safe (message, after, &stream->early, entry)
		free(message);
	buffer_done(&stream->parts);
	free(stream);
}

uint64_t stream_id(const struct stream *stream)
{
	return stream->id;
}

static void send_part(struct stream *stream, const void *data, size_t size, bool goes_on)
{
	struct message *message = memory_new(sizeof(*message) + size);

	message->sequence = stream->next_sequence++;
	message->goes_on = goes_on;
	message->size = size;
	memcpy(message->data, data, size);
	list_append(&stream->unacknowledged, &message->entry);
	if (!stream->is_open)
		return;
	if (stream->waiting_since == USEC_NEVER) {
		stream->waiting_since = now_of(stream);
		stream->retry_at = now_of(stream) + stream->retry;
	}
	emit_own(stream, STREAM_DATA, message);
}

void stream_send(struct stream *stream, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (; size > PART_SIZE; bytes += PART_SIZE, size -= PART_SIZE)
		send_part(stream, bytes, PART_SIZE, true);
	send_part(stream, bytes, size, false);
}

void stream_refuse(struct device *device, const struct address *local, const struct address *remote,
		   uint64_t id)
{
	struct stream_packet packet = {.kind = STREAM_RESET, .id = id};

	emit(device, local, remote, &packet);
}

static void take_acknowledgement(struct stream *stream, uint32_t acknowledged)
{
	struct message *message, *after;
	bool is_news = false;

	list_for_each_safe (message, after, &stream->unacknowledged, entry) {
		if (message->sequence > acknowledged)
			break;
		list_remove(&message->entry);
		free(message);
		is_news = true;
	}
	if (!is_news)
		return;
	stream->retry = RETRY_LEAST;
	stream->waiting_since = stream->retry_at = USEC_NEVER;
	if (list_is_empty(&stream->unacknowledged))
		return;
	stream->waiting_since = now_of(stream);
	stream->retry_at = now_of(stream) + stream->retry;
}

/* In order of sequence, each once. */
static void keep_early(struct stream *stream, const struct stream_packet *packet)
{
	struct list *place = &stream->early;
	struct message *message;

	list_for_each (message, &stream->early, entry) {
		if (message->sequence == packet->sequence)
			return;
		if (message->sequence > packet->sequence) {
			place = &message->entry;
			break;
		}
	}
	message = memory_new(sizeof(*message) + packet->size);
	message->sequence = packet->sequence;
	message->goes_on = packet->kind == STREAM_PART;
	message->size = packet->size;
	memcpy(message->data, packet->data, packet->size);
	list_add_before(place, &message->entry);
}

/* The owner may free the stream. */
static void deliver_message(struct stream *stream, const struct message *message)
{
	struct buffer parts;

	/* Empty: a keepalive. */
	if (!stream->parts.size && !message->goes_on) {
		if (message->size)
			stream->events.on_message(stream->events.owner, message->data,
						  message->size);
		return;
	}
	buffer_add(&stream->parts, message->data, message->size);
	if (message->goes_on)
		return;
	parts = stream->parts;
	stream->parts = (struct buffer){0};
	stream->events.on_message(stream->events.owner, (const uint8_t *)parts.data, parts.size);
	buffer_done(&parts);
}

/* The owner may free the stream with each message. */
static void deliver(struct stream *stream, uint64_t id)
{
	struct stream **place = stream->events.place;

	while (*place && (*place)->id == id) {
		struct message *message = list_first(&stream->early, struct message, entry);

		if (!message || message->sequence != stream->received + 1)
			return;
		stream->received++;
		list_remove(&message->entry);
		deliver_message(stream, message);
		free(message);
	}
}

static void take_data(struct stream *stream, const struct stream_packet *packet)
{
	const struct message *message;
	uint32_t received = stream->received;

	if (packet->sequence > stream->received)
		keep_early(stream, packet);
	list_for_each (message, &stream->early, entry) {
		if (message->sequence == received + 1)
			received++;
	}
	emit_acknowledgement(stream, received);
	deliver(stream, stream->id);
}

static void opened(struct stream *stream)
{
	struct message *message;

	if (stream->is_open)
		return;
	stream->is_open = true;
	stream->retry_at = USEC_NEVER;
	stream->retry = RETRY_LEAST;
	list_for_each (message, &stream->unacknowledged, entry) {
		stream->waiting_since = now_of(stream);
		stream->retry_at = now_of(stream) + stream->retry;
		emit_own(stream, STREAM_DATA, message);
	}
	stream->events.on_open(stream->events.owner);
}

void stream_receive(struct stream *stream, const struct stream_packet *packet)
{
	stream->last_received = now_of(stream);
	take_acknowledgement(stream, packet->acknowledged);
	switch (packet->kind) {
	case STREAM_OPEN:
		emit_own(stream, STREAM_OPENED, NULL);
		break;
	case STREAM_OPENED:
		opened(stream);
		break;
	case STREAM_DATA:
	case STREAM_PART:
		/* It may overtake the answer to our opening. */
		opened(stream);
		take_data(stream, packet);
		break;
	case STREAM_ACK:
		break;
	case STREAM_RESET:
		stream->events.on_closed(stream->events.owner);
		break;
	}
}

static void retransmit(struct stream *stream)
{
	struct message *message;

	stream->retry *= 2;
	stream->retry_at = now_of(stream) + stream->retry;
	if (!stream->is_open) {
		emit_own(stream, STREAM_OPEN, NULL);
		return;
	}
	list_for_each (message, &stream->unacknowledged, entry)
		emit_own(stream, STREAM_DATA, message);
}

static usec_t patience_ends(const struct stream *stream)
{
	if (!stream->is_open)
		return stream->started + STREAM_CONNECT_TIMEOUT;
	return stream->waiting_since == USEC_NEVER ? USEC_NEVER
						   : stream->waiting_since + STREAM_USER_TIMEOUT;
}

void stream_tick(struct stream *stream)
{
	usec_t now = now_of(stream);

	if (now >= patience_ends(stream)) {
		stream->events.on_closed(stream->events.owner);
		return;
	}
	if (now >= stream->retry_at)
		retransmit(stream);
	if (stream->is_open && now >= stream->last_received + STREAM_KEEPALIVE &&
	    list_is_empty(&stream->unacknowledged))
		stream_send(stream, NULL, 0);
}

usec_t stream_deadline(const struct stream *stream)
{
	usec_t deadline = usec_earlier(patience_ends(stream), stream->retry_at);

	if (stream->is_open && list_is_empty(&stream->unacknowledged))
		deadline = usec_earlier(deadline, stream->last_received + STREAM_KEEPALIVE);
	return deadline;
}
