/* One received batch. The input is a row of messages: size (2 bytes, little-endian), segment size
 * (2), then so many bytes; a size with the highest bit set asks for a control datagram masked under
 * our key instead, so that the way behind the mask is reached. */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/crypto.h"
#include "port/dispatch.h"
#include "proto/wire/wireguard.h"

#define MESSAGES_MAX 16
#define MASKED_FLAG  0x8000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Handshake messages come in order, and so does what is none. */
struct place {
	const uint8_t *end; /* of the last datagram handed over */
	const struct udp_message *message;
};

struct seen {
	struct place handshakes, others;
	const struct udp_message *last;
	size_t count;
};

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

/* Datagrams come in order and never overlap; the handler may write all over them. */
static void check_place(struct seen *seen, struct place *place, const struct port_packet *packet)
{
	while (packet->data < place->message->data ||
	       packet->data + packet->size > place->message->data + place->message->size) {
		require(place->message != seen->last);
		place->message++;
		place->end = NULL;
	}
	require(!place->end || packet->data >= place->end);
	require(packet->from.port == place->message->remote.port);
	place->end = packet->data + packet->size;
	seen->count++;
	memset(packet->data, 0x5a, packet->size);
}

static void on_data(void *owner, usec_t now, struct port_packet *packets, size_t count)
{
	struct seen *seen = owner;

	require(count && count <= PORT_PACKETS_MAX);
	for (size_t i = 0; i < count; i++) {
		require(wire_shape_of(packets[i].data, packets[i].size) == WIRE_DATA);
		check_place(seen, &seen->others, &packets[i]);
	}
}

static void on_handshake(void *owner, usec_t now, struct port_packet *packet)
{
	enum wire_shape shape = wire_shape_of(packet->data, packet->size);
	struct seen *seen = owner;

	require(shape == WIRE_INITIATION || shape == WIRE_RESPONSE || shape == WIRE_COOKIE);
	check_place(seen, &seen->handshakes, packet);
}

static void on_control(void *owner, usec_t now, struct port_packet *packet)
{
	struct seen *seen = owner;

	require(packet->size >= WIRE_MASKED_MINIMUM);
	require(packet->data[0] >= WIRE_CLASS_CONTROL);
	check_place(seen, &seen->others, packet);
}

static bool read_message(struct reader *reader, struct mask *mask, struct udp_message *message)
{
	uint16_t size = read_u16(reader), segment_size = read_u16(reader);
	bool is_masked = size & MASKED_FLAG;
	const uint8_t *view;

	size &= MASKED_FLAG - 1;
	view = read_view(reader, size);
	if (!view)
		return false;
	*message = (struct udp_message){
		.data = malloc(size ? size : 1), /* exact, so that ASan sees one byte too far */
		.size = size,
		.segment_size = size ? segment_size : 0,
		.remote = {.family = FAMILY_IPV4, .port = size},
	};
	require(message->data != NULL);
	memcpy(message->data, view, size);
	if (is_masked && size >= WIRE_MASKED_MINIMUM)
		mask_apply(mask, message->data, size);
	return true;
}

/* What the batch holds by the sizes alone. */
static size_t datagrams_of(const struct udp_message *messages, size_t count)
{
	size_t datagrams = 0;

	for (size_t i = 0; i < count; i++)
		datagrams += udp_message_datagrams(&messages[i]);
	return datagrams;
}

static void run(struct dispatch *dispatch, struct udp_message *messages, size_t count)
{
	struct seen seen = {.handshakes.message = messages,
			    .others.message = messages,
			    .last = messages + count - 1};
	size_t dropped = 0;

	dispatch->handlers = (struct port_handlers){.owner = &seen,
						    .on_data = on_data,
						    .on_handshake = on_handshake,
						    .on_control = on_control};
	dispatch_batch(dispatch, 1, messages, count);
	for (int i = 0; i < PORT_DROP_COUNT; i++)
		dropped += dispatch->drops[i];
	require(!dispatch->drops[PORT_DROP_NO_HANDLER]);
	require(seen.count + dropped == datagrams_of(messages, count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct udp_message messages[MESSAGES_MAX];
	struct mask_key key = {.header = {{1}}, .tail = {{2}}};
	struct dispatch dispatch = {0};
	struct reader reader = reader_over(data, size);
	struct mask mask;
	size_t count = 0;

	crypto_init();
	mask_init(&mask, &key);
	dispatch_set_mask(&dispatch, &key);
	while (count < MESSAGES_MAX && read_message(&reader, &mask, &messages[count]))
		count++;
	if (count)
		run(&dispatch, messages, count);
	for (size_t i = 0; i < count; i++)
		free(messages[i].data);
	dispatch_done(&dispatch);
	mask_done(&mask);
	return 0;
}
