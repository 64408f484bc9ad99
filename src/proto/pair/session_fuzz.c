/* Control datagrams before and behind the seal: the first byte chooses whether the rest is the
 * datagram as it came, or a body that is sealed with the right keys first. */
#include "proto/pair/two_nodes.h"
#include "proto/wire/wireguard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct counter {
	uint64_t state;
};

static void fill(void *owner, void *out, size_t size)
{
	struct counter *counter = owner;
	uint8_t *bytes = out;

	for (size_t i = 0; i < size; i++)
		bytes[i] =
			(uint8_t)((counter->state = counter->state * 6364136223846793005ULL + 1) >>
				  33);
}

static size_t seal_body(struct test_node *node, const uint8_t *body, size_t size, uint8_t *out)
{
	struct control_header header = {.index = node->pair.hint_out};
	uint8_t plain[CONTROL_BODY_SIZE + CONTROL_PADDING_MAX] = {0};

	if (size > sizeof(plain))
		size = sizeof(plain);
	memcpy(plain, body, size);
	if (size < CONTROL_BODY_SIZE)
		size = CONTROL_BODY_SIZE;
	control_header_encode(&header, out);
	memset(out + CONTROL_HEADER_SIZE, 9, CONTROL_NONCE_SIZE);
	xaead_seal(node->aead, &node->pair.control_send, out + CONTROL_HEADER_SIZE, out,
		   CONTROL_HEADER_SIZE, plain, size,
		   out + CONTROL_HEADER_SIZE + CONTROL_NONCE_SIZE);
	return CONTROL_HEADER_SIZE + CONTROL_NONCE_SIZE + size + CONTROL_TAG_SIZE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct test_node *nodes;
	struct counter counter = {1};
	const struct random_source random = {fill, &counter};
	uint8_t datagram[2 * CONTROL_MAXIMUM];
	struct pair_opened opened;
	size_t datagram_size;

	if (!nodes) {
		nodes = new_array(struct test_node, 2);
		test_nodes_start(nodes, USEC_PER_SEC, &random);
	}
	if (size < 1 || size > sizeof(datagram))
		return 0;
	if (data[0] & 1) {
		datagram_size = seal_body(&nodes[0], data + 1, size - 1, datagram);
	} else {
		memcpy(datagram, data + 1, size - 1);
		datagram_size = size - 1;
		if (datagram_size)
			datagram[0] = WIRE_CLASS_CONTROL;
	}
	nodes[1].pair.next_new_boot = 0;
	pair_open(&nodes[1].table, &nodes[1].identity, nodes[1].aead, USEC_PER_SEC, datagram,
		  datagram_size, &opened);
	pair_forget(&nodes[1].pair);
	return 0;
}
