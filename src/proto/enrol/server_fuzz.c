/* Requests before and behind the seals: the first byte chooses raw bytes with right macs, or a
 * payload that is sealed into a whole handshake by somebody who knows the join string. */
#include "proto/enrol/enrol_test.h"
#include "proto/enrol/noise_ik.h"

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

static void seal_request(struct enrolment *enrolment, const uint8_t *payload, size_t size,
			 uint8_t *out)
{
	uint8_t plain[REQUEST_PLAIN_SIZE] = {0};
	struct enrol_noise noise;
	struct key public_key;

	memcpy(plain, payload, size < sizeof(plain) ? size : sizeof(plain));
	noise_ik_start(&noise, enrolment->join.network_id, &enrolment->join.hub);
	x25519_public(&enrolment->node_key, &public_key);
	memcpy(out + REQUEST_EPHEMERAL, &public_key, KEY_SIZE);
	noise_ik_mix_hash(&noise, &public_key, KEY_SIZE);
	noise_ik_mix_key(&noise, &enrolment->node_key, &enrolment->join.hub);
	noise_ik_seal(&noise, enrolment->aead, &public_key, KEY_SIZE, out + REQUEST_STATIC);
	noise_ik_mix_key(&noise, &enrolment->node_key, &enrolment->join.hub);
	noise_ik_seal(&noise, enrolment->aead, plain, sizeof(plain), out + REQUEST_PAYLOAD);
}

static void add_macs(struct enrolment *enrolment, uint8_t *out)
{
	const struct address *from = &enrolment->from;
	const struct hash_part parts[] = {{&from->family, 1}, {from->ip, 16}, {&from->port, 2}};
	uint8_t cookie[16];

	enrol_mac1(out + REQUEST_MAC1, &enrolment->join.hub, out, REQUEST_MAC1);
	blake2s_mac(cookie, sizeof(cookie), enrolment->server.secrets[0], 32, parts, 3);
	enrol_mac2(out + REQUEST_MAC2, cookie, out, REQUEST_MAC2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct enrolment *enrolment;
	static usec_t now = TEST_NOW;
	struct counter counter = {1};
	const struct random_source random = {fill, &counter};
	uint8_t request[ENROL_REQUEST_MAXIMUM] = {WIRE_CLASS_ENROL_REQUEST},
		out[ENROL_ANSWER_MAXIMUM];
	struct enrol_answer answer = {.status = ENROL_TOKEN_USED};
	struct enrol_request opened;
	size_t out_size = 0;

	if (!enrolment) {
		enrolment = new (struct enrolment);
		enrolment_start(enrolment, &random);
		enrolment->server.random = enrolment->client.random = NULL;
	}
	if (!size)
		return 0;
	enrolment->server.random = enrolment->client.random = &random;
	if (data[0] & 1)
		seal_request(enrolment, data + 1, size - 1, request);
	else
		memcpy(request + 4, data + 1, size - 1 < 460 ? size - 1 : 460);
	add_macs(enrolment, request);
	now += ENROL_SOURCE_INTERVAL;
	enrolment->server.secrets_at = now;
	if (enrol_server_receive(&enrolment->server, now, &enrolment->from, request,
				 ENROL_REQUEST_MINIMUM, out, &out_size, &opened) == ENROL_ASK &&
	    enrol_server_answer(&enrolment->server, &opened, &answer, out) > ENROL_REQUEST_MINIMUM)
		abort();
	return 0;
}
