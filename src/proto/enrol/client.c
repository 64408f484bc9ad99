#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "proto/enrol/noise_ik.h"
#include "proto/wire/wireguard.h"

int enrol_client_init(struct enrol_client *client, const struct join *join,
		      const struct key *private_key, const char *name, struct aead *aead,
		      const struct random_source *random, usec_t now)
{
	struct mask_key key;

	memset(client, 0, sizeof(*client));
	if (!key_is_canonical_point(&join->hub) || key_is_zero(&join->hub))
		return -EBADMSG;
	client->join = *join;
	client->private_key = *private_key;
	x25519_public(private_key, &client->public_key);
	text_copy(client->name, sizeof(client->name), name);
	client->aead = aead;
	client->random = random;
	client->deadline = now + ENROL_DEADLINE;
	client->next_send = now;
	client->retry = ENROL_RETRY;
	random_fill(random, client->id, sizeof(client->id));
	mask_key_derive(&join->hub, join->site_secret, MASK_TO_LISTENER, &key);
	mask_init(&client->to_hub, &key);
	mask_key_derive(&join->hub, join->site_secret, MASK_FROM_LISTENER, &key);
	mask_init(&client->from_hub, &key);
	secret_wipe(&key, sizeof(key));
	return 0;
}

void enrol_client_done(struct enrol_client *client)
{
	mask_done(&client->to_hub);
	mask_done(&client->from_hub);
	secret_wipe(client, sizeof(*client));
}

static void write_payload(struct enrol_client *client, uint8_t plain[REQUEST_PLAIN_SIZE])
{
	struct writer writer = writer_over(plain, REQUEST_PLAIN_SIZE);
	uint8_t verifier[BLAKE2S_SIZE], proof[BLAKE2S_SIZE];

	enrol_token_verifier(client->join.token, verifier);
	enrol_proof(proof, verifier, client->noise.hash);
	write_u8(&writer, ENROL_VERSION);
	write_bytes(&writer, client->join.token_id, TOKEN_ID_SIZE);
	write_bytes(&writer, proof, sizeof(proof));
	write_u8(&writer, (uint8_t)strlen(client->name));
	write_bytes(&writer, client->name, strlen(client->name));
	write_zeros(&writer, writer_left(&writer));
	secret_wipe(verifier, sizeof(verifier));
}

/* Message 1: e, es, s, ss. False only for a hub key that is no point. */
static bool write_handshake(struct enrol_client *client, uint8_t *out)
{
	uint8_t plain[REQUEST_PLAIN_SIZE];
	struct key public_key;

	random_fill(client->random, &client->ephemeral, KEY_SIZE);
	x25519_clamp(&client->ephemeral);
	x25519_public(&client->ephemeral, &public_key);
	noise_ik_start(&client->noise, client->join.network_id, &client->join.hub);
	memcpy(out + REQUEST_EPHEMERAL, &public_key, KEY_SIZE);
	noise_ik_mix_hash(&client->noise, &public_key, KEY_SIZE);
	if (!noise_ik_mix_key(&client->noise, &client->ephemeral, &client->join.hub))
		return false;
	noise_ik_seal(&client->noise, client->aead, &client->public_key, KEY_SIZE,
		      out + REQUEST_STATIC);
	if (!noise_ik_mix_key(&client->noise, &client->private_key, &client->join.hub))
		return false;
	write_payload(client, plain);
	noise_ik_seal(&client->noise, client->aead, plain, sizeof(plain), out + REQUEST_PAYLOAD);
	return true;
}

static size_t write_request(struct enrol_client *client, uint8_t out[ENROL_REQUEST_MAXIMUM])
{
	size_t size =
		ENROL_REQUEST_MINIMUM +
		random_below(client->random, ENROL_REQUEST_MAXIMUM - ENROL_REQUEST_MINIMUM + 1);

	enrol_header(out, WIRE_CLASS_ENROL_REQUEST, client->id, client->random);
	if (!write_handshake(client, out))
		return 0;
	enrol_mac1(client->mac1, &client->join.hub, out, REQUEST_MAC1);
	memcpy(out + REQUEST_MAC1, client->mac1, 16);
	if (client->has_cookie)
		enrol_mac2(out + REQUEST_MAC2, client->cookie, out, REQUEST_MAC2);
	else
		random_fill(client->random, out + REQUEST_MAC2, 16);
	do {
		random_fill(client->random, out + REQUEST_TAIL, size - REQUEST_TAIL);
	} while (!mask_apply(&client->to_hub, out, size));
	return size;
}

/* Half to one and a half times: nodes behind one address, which share what the hub takes from it
 * (ENROL_SOURCE_INTERVAL), would otherwise go on asking in step when they started together. */
static usec_t pause_length(const struct enrol_client *client)
{
	return client->retry / 2 + random_below(client->random, (uint32_t)client->retry);
}

size_t enrol_client_send(struct enrol_client *client, usec_t now,
			 uint8_t out[ENROL_REQUEST_MAXIMUM])
{
	if (client->state == ENROL_ASKING && now >= client->deadline)
		client->state = ENROL_TIMED_OUT;
	if (client->state != ENROL_ASKING || now < client->next_send)
		return 0;
	client->next_send = now + pause_length(client);
	client->retry = client->retry * 2 > ENROL_RETRY_MAX ? ENROL_RETRY_MAX : client->retry * 2;
	return write_request(client, out);
}

usec_t enrol_client_next(const struct enrol_client *client)
{
	return client->state == ENROL_ASKING ? usec_earlier(client->next_send, client->deadline)
					     : USEC_NEVER;
}

static void receive_cookie(struct enrol_client *client, usec_t now, const uint8_t *data,
			   size_t size)
{
	struct key key;

	if (size != ENROL_COOKIE_SIZE)
		return;
	enrol_cookie_key(&key, &client->join.hub);
	if (!xaead_open(client->aead, &key, data + COOKIE_NONCE, client->mac1, 16,
			data + COOKIE_SEALED, 32, client->cookie))
		return;
	/* At once, but a cookie that does not help must not make a loop. */
	if (!client->has_cookie)
		client->next_send = now;
	client->has_cookie = true;
}

static bool prefixes_read(struct reader *reader, struct enrol_answer *answer)
{
	answer->address_count = read_u8(reader);
	if (answer->address_count > NODE_ADDRESSES_MAX)
		return false;
	for (size_t i = 0; i < answer->address_count; i++) {
		struct prefix *prefix = &answer->addresses[i];

		prefix->family = read_u8(reader);
		prefix->bits = read_u8(reader);
		read_bytes(reader, prefix->ip, 16);
		if ((prefix->family != FAMILY_IPV4 && prefix->family != FAMILY_IPV6) ||
		    prefix->bits > family_bits(prefix->family))
			return false;
	}
	answer->hub_address_count = read_u8(reader);
	if (answer->hub_address_count > NODE_ADDRESSES_MAX)
		return false;
	for (size_t i = 0; i < answer->hub_address_count; i++) {
		answer->hub_addresses[i].family = read_u8(reader);
		read_bytes(reader, answer->hub_addresses[i].ip, 16);
		if (answer->hub_addresses[i].family != FAMILY_IPV4 &&
		    answer->hub_addresses[i].family != FAMILY_IPV6)
			return false;
	}
	return !reader->failed;
}

static bool name_read(struct reader *reader, char name[NODE_NAME_SIZE])
{
	size_t size = read_u8(reader);
	const uint8_t *text = size < NODE_NAME_SIZE ? read_view(reader, size) : NULL;

	if (!text)
		return false;
	memset(name, 0, NODE_NAME_SIZE);
	memcpy(name, text, size);
	return text_is_name(name);
}

/* Whoever sealed this holds the hub's key; still nothing is believed that does not parse. */
static bool read_answer(const uint8_t *plain, struct enrol_answer *ret_answer)
{
	struct reader reader = reader_over(plain, ANSWER_PLAIN_SIZE);
	struct enrol_answer answer = {0};

	if (read_u8(&reader) != ENROL_VERSION)
		return false;
	answer.status = read_u8(&reader);
	if (answer.status == ENROL_WELCOME &&
	    (!name_read(&reader, answer.name) || !name_read(&reader, answer.hub_name) ||
	     !prefixes_read(&reader, &answer) || !answer.address_count ||
	     !answer.hub_address_count))
		return false;
	*ret_answer = answer;
	return true;
}

static void receive_answer(struct enrol_client *client, const uint8_t *data, size_t size)
{
	/* A copy: a forged answer must not spoil the state for the true one. */
	struct enrol_noise noise = client->noise;
	uint8_t plain[ANSWER_PLAIN_SIZE];
	struct key ephemeral;

	if (size < ANSWER_SIZE)
		return;
	memcpy(&ephemeral, data + ANSWER_EPHEMERAL, KEY_SIZE);
	noise_ik_mix_hash(&noise, &ephemeral, KEY_SIZE);
	if (noise_ik_mix_key(&noise, &client->ephemeral, &ephemeral) &&
	    noise_ik_mix_key(&noise, &client->private_key, &ephemeral) &&
	    noise_ik_open(&noise, client->aead, data + ANSWER_PAYLOAD,
			  ANSWER_PLAIN_SIZE + ENROL_TAG, plain) &&
	    read_answer(plain, &client->answer))
		client->state = ENROL_DONE;
	secret_wipe(&noise, sizeof(noise));
}

void enrol_client_receive(struct enrol_client *client, usec_t now, uint8_t *data, size_t size)
{
	if (client->state != ENROL_ASKING || wire_shape_of(data, size) != WIRE_MASKED ||
	    !mask_remove(&client->from_hub, data, size) || memcmp(data + 4, client->id, 8))
		return;
	if (data[0] == WIRE_CLASS_ENROL_COOKIE)
		receive_cookie(client, now, data, size);
	else if (data[0] == WIRE_CLASS_ENROL_ANSWER)
		receive_answer(client, data, size);
}
