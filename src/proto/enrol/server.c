#include <string.h>

#include "base/cursor.h"
#include "base/hash.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "proto/enrol/noise_ik.h"
#include "proto/wire/wireguard.h"

void enrol_server_init(struct enrol_server *server, const struct key *private_key,
		       const uint8_t network_id[NETWORK_ID_SIZE],
		       const uint8_t site_secret[SITE_SECRET_SIZE], struct aead *aead,
		       const struct random_source *random, usec_t now)
{
	struct mask_key key;

	memset(server, 0, sizeof(*server));
	server->private_key = *private_key;
	x25519_public(private_key, &server->public_key);
	memcpy(server->network_id, network_id, NETWORK_ID_SIZE);
	server->aead = aead;
	server->random = random;
	server->hash_seed = random_u64(random);
	random_fill(random, server->secrets, sizeof(server->secrets));
	server->secrets_at = now;
	mask_key_derive(&server->public_key, site_secret, MASK_FROM_LISTENER, &key);
	mask_init(&server->from_hub, &key);
	secret_wipe(&key, sizeof(key));
}

void enrol_server_done(struct enrol_server *server)
{
	mask_done(&server->from_hub);
	secret_wipe(server, sizeof(*server));
}

static void rotate_secrets(struct enrol_server *server, usec_t now)
{
	usec_t age = usec_since(now, server->secrets_at);

	if (age < ENROL_COOKIE_LIFETIME)
		return;
	memcpy(server->secrets[1], server->secrets[0], sizeof(server->secrets[0]));
	random_fill(server->random, server->secrets[0], sizeof(server->secrets[0]));
	if (age >= 2 * ENROL_COOKIE_LIFETIME)
		random_fill(server->random, server->secrets[1], sizeof(server->secrets[1]));
	server->secrets_at = now;
}

static void cookie_of(const struct enrol_server *server, size_t which, const struct address *from,
		      uint8_t out[16])
{
	const struct hash_part parts[] = {{&from->family, 1}, {from->ip, 16}, {&from->port, 2}};

	blake2s_mac(out, 16, server->secrets[which], sizeof(server->secrets[which]), parts, 3);
}

static bool has_cookie(const struct enrol_server *server, const struct address *from,
		       const uint8_t *data)
{
	for (size_t i = 0; i < 2; i++) {
		uint8_t cookie[16], mac2[16];

		cookie_of(server, i, from, cookie);
		enrol_mac2(mac2, cookie, data, REQUEST_MAC2);
		if (secret_is_equal(mac2, data + REQUEST_MAC2, 16))
			return true;
	}
	return false;
}

static size_t write_cookie(struct enrol_server *server, const struct address *from,
			   const uint8_t *data, uint8_t *out)
{
	uint8_t cookie[16];
	struct key key;

	cookie_of(server, 0, from, cookie);
	enrol_cookie_key(&key, &server->public_key);
	do {
		enrol_header(out, WIRE_CLASS_ENROL_COOKIE, data + 4, server->random);
		random_fill(server->random, out + COOKIE_NONCE, XAEAD_NONCE_SIZE);
		xaead_seal(server->aead, &key, out + COOKIE_NONCE, data + REQUEST_MAC1, 16, cookie,
			   sizeof(cookie), out + COOKIE_SEALED);
	} while (!mask_apply(&server->from_hub, out, ENROL_COOKIE_SIZE));
	server->counters.cookies++;
	return ENROL_COOKIE_SIZE;
}

/* One slot per hash of a /32 or /64; a collision only makes two sources share a pace. */
static bool is_limited(struct enrol_server *server, usec_t now, const struct address *from)
{
	size_t size = from->family == FAMILY_IPV4 ? 4 : 8;
	uint64_t hash = hash_bytes(server->hash_seed, from->ip, size);
	usec_t *last = &server->sources[hash % ENROL_SOURCES].last;

	if (usec_since(now, server->second) >= USEC_PER_SEC) {
		server->second = now;
		server->in_second = 0;
	}
	if ((*last && usec_since(now, *last) < ENROL_SOURCE_INTERVAL) ||
	    server->in_second >= ENROL_TOTAL_PER_SECOND)
		return true;
	*last = now;
	server->in_second++;
	return false;
}

static bool read_payload(const uint8_t *plain, struct enrol_request *request)
{
	struct reader reader = reader_over(plain, REQUEST_PLAIN_SIZE);
	const uint8_t *text;
	size_t size;

	if (read_u8(&reader) != ENROL_VERSION)
		return false;
	read_bytes(&reader, request->token_id, TOKEN_ID_SIZE);
	read_bytes(&reader, request->proof, BLAKE2S_SIZE);
	size = read_u8(&reader);
	text = size < NODE_NAME_SIZE ? read_view(&reader, size) : NULL;
	if (!text)
		return false;
	memcpy(request->name, text, size);
	return !size || (text_is_name(request->name) && strlen(request->name) == size);
}

static bool open_request(struct enrol_server *server, const uint8_t *data,
			 struct enrol_request *request)
{
	struct enrol_noise *noise = &request->noise;
	uint8_t plain[REQUEST_PLAIN_SIZE];

	memcpy(&request->ephemeral, data + REQUEST_EPHEMERAL, KEY_SIZE);
	noise_ik_start(noise, server->network_id, &server->public_key);
	noise_ik_mix_hash(noise, &request->ephemeral, KEY_SIZE);
	if (!noise_ik_mix_key(noise, &server->private_key, &request->ephemeral) ||
	    !noise_ik_open(noise, server->aead, data + REQUEST_STATIC, KEY_SIZE + ENROL_TAG,
			   &request->key) ||
	    !noise_ik_mix_key(noise, &server->private_key, &request->key))
		return false;
	memcpy(request->proof_hash, noise->hash, BLAKE2S_SIZE);
	return noise_ik_open(noise, server->aead, data + REQUEST_PAYLOAD,
			     REQUEST_PLAIN_SIZE + ENROL_TAG, plain) &&
	       read_payload(plain, request);
}

enum enrol_result enrol_server_receive(struct enrol_server *server, usec_t now,
				       const struct address *from, const uint8_t *data, size_t size,
				       uint8_t out[ENROL_ANSWER_MAXIMUM], size_t *ret_size,
				       struct enrol_request *ret_request)
{
	struct enrol_request request = {.size = size};
	uint8_t mac1[16];

	if (size < ENROL_REQUEST_MINIMUM || size > ENROL_REQUEST_MAXIMUM) {
		server->counters.malformed++;
		return ENROL_IGNORE;
	}
	enrol_mac1(mac1, &server->public_key, data, REQUEST_MAC1);
	if (!secret_is_equal(mac1, data + REQUEST_MAC1, 16)) {
		server->counters.wrong_mac++;
		return ENROL_IGNORE;
	}
	rotate_secrets(server, now);
	if (!has_cookie(server, from, data)) {
		*ret_size = write_cookie(server, from, data, out);
		return ENROL_SEND;
	}
	if (is_limited(server, now, from)) {
		server->counters.limited++;
		return ENROL_IGNORE;
	}
	memcpy(request.id, data + 4, sizeof(request.id));
	if (!open_request(server, data, &request)) {
		server->counters.forged++;
		return ENROL_IGNORE;
	}
	server->counters.requests++;
	*ret_request = request;
	secret_wipe(&request, sizeof(request));
	return ENROL_ASK;
}

bool enrol_proof_is_valid(const struct enrol_request *request, const uint8_t verifier[BLAKE2S_SIZE])
{
	uint8_t proof[BLAKE2S_SIZE];

	enrol_proof(proof, verifier, request->proof_hash);
	return secret_is_equal(proof, request->proof, sizeof(proof));
}

static void name_write(struct writer *writer, const char *name)
{
	write_u8(writer, (uint8_t)strlen(name));
	write_bytes(writer, name, strlen(name));
}

static void write_plain(const struct enrol_answer *answer, uint8_t plain[ANSWER_PLAIN_SIZE])
{
	struct writer writer = writer_over(plain, ANSWER_PLAIN_SIZE);

	write_u8(&writer, ENROL_VERSION);
	write_u8(&writer, (uint8_t)answer->status);
	if (answer->status == ENROL_WELCOME) {
		name_write(&writer, answer->name);
		name_write(&writer, answer->hub_name);
		write_u8(&writer, (uint8_t)answer->address_count);
		for (size_t i = 0; i < answer->address_count; i++) {
			write_u8(&writer, answer->addresses[i].family);
			write_u8(&writer, answer->addresses[i].bits);
			write_bytes(&writer, answer->addresses[i].ip, 16);
		}
		write_u8(&writer, (uint8_t)answer->hub_address_count);
		for (size_t i = 0; i < answer->hub_address_count; i++) {
			write_u8(&writer, answer->hub_addresses[i].family);
			write_bytes(&writer, answer->hub_addresses[i].ip, 16);
		}
	}
	write_zeros(&writer, writer_left(&writer));
}

size_t enrol_server_answer(struct enrol_server *server, const struct enrol_request *request,
			   const struct enrol_answer *answer, uint8_t out[ENROL_ANSWER_MAXIMUM])
{
	uint8_t plain[ANSWER_PLAIN_SIZE];
	bool is_plain_looking;

	write_plain(answer, plain);
	do {
		struct enrol_noise noise = request->noise;
		struct key ephemeral, public_key;

		random_fill(server->random, &ephemeral, KEY_SIZE);
		x25519_clamp(&ephemeral);
		x25519_public(&ephemeral, &public_key);
		enrol_header(out, WIRE_CLASS_ENROL_ANSWER, request->id, server->random);
		memcpy(out + ANSWER_EPHEMERAL, &public_key, KEY_SIZE);
		noise_ik_mix_hash(&noise, &public_key, KEY_SIZE);
		if (!noise_ik_mix_key(&noise, &ephemeral, &request->ephemeral) ||
		    !noise_ik_mix_key(&noise, &ephemeral, &request->key))
			return 0;
		noise_ik_seal(&noise, server->aead, plain, sizeof(plain), out + ANSWER_PAYLOAD);
		is_plain_looking = !mask_apply(&server->from_hub, out, ANSWER_SIZE);
		secret_wipe(&noise, sizeof(noise));
		secret_wipe(&ephemeral, sizeof(ephemeral));
	} while (is_plain_looking);
	secret_wipe(plain, sizeof(plain));
	return ANSWER_SIZE;
}
