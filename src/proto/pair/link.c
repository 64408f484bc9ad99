#include "proto/pair/link.h"

#include <string.h>

#include "base/memory.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

static const char magic[4] = {'W', 'L', 'C', '1'};

static void link_mac(uint8_t out[LINK_MAC_SIZE], const struct key *api, const uint8_t *client_nonce,
		     const uint8_t *hub_nonce)
{
	static const char label[] = "wayleave link v1";
	const struct hash_part parts[] = {
		{label, sizeof(label) - 1},
		{client_nonce, LINK_NONCE_SIZE},
		{hub_nonce, hub_nonce ? LINK_NONCE_SIZE : 0},
	};

	blake2s_mac(out, LINK_MAC_SIZE, api, KEY_SIZE, parts, array_size(parts));
}

static void derive(struct link *link, const uint8_t *hub_nonce, bool is_client)
{
	uint8_t salt[2 * LINK_NONCE_SIZE];
	struct key client, server;

	memcpy(salt, link->client_nonce, LINK_NONCE_SIZE);
	memcpy(salt + LINK_NONCE_SIZE, hub_nonce, LINK_NONCE_SIZE);
	hkdf_blake2s(&client, KEY_SIZE, salt, sizeof(salt), &link->api, KEY_SIZE, "client", 6);
	hkdf_blake2s(&server, KEY_SIZE, salt, sizeof(salt), &link->api, KEY_SIZE, "server", 6);
	link->send = is_client ? client : server;
	link->receive = is_client ? server : client;
	secret_wipe(&client, sizeof(client));
	secret_wipe(&server, sizeof(server));
	link->is_open = true;
}

void link_client_start(struct link *link, const struct key *api, const struct random_source *random,
		       uint8_t out[LINK_HELLO_SIZE])
{
	*link = (struct link){.api = *api};
	random_fill(random, link->client_nonce, LINK_NONCE_SIZE);
	memcpy(out, magic, sizeof(magic));
	memcpy(out + sizeof(magic), link->client_nonce, LINK_NONCE_SIZE);
	link_mac(out + sizeof(magic) + LINK_NONCE_SIZE, api, link->client_nonce, NULL);
}

bool link_client_finish(struct link *link, const uint8_t *data, size_t size)
{
	uint8_t mac[LINK_MAC_SIZE];

	if (size != LINK_ANSWER_SIZE)
		return false;
	link_mac(mac, &link->api, link->client_nonce, data);
	if (!secret_is_equal(mac, data + LINK_NONCE_SIZE, LINK_MAC_SIZE))
		return false;
	derive(link, data, true);
	return true;
}

bool link_server_accept(struct link *link, const struct key *api, const uint8_t *data, size_t size,
			const struct random_source *random, uint8_t out[LINK_ANSWER_SIZE])
{
	const uint8_t *nonce = data + sizeof(magic);
	uint8_t mac[LINK_MAC_SIZE];

	if (size != LINK_HELLO_SIZE || memcmp(data, magic, sizeof(magic)))
		return false;
	link_mac(mac, api, nonce, NULL);
	if (!secret_is_equal(mac, nonce + LINK_NONCE_SIZE, LINK_MAC_SIZE))
		return false;
	*link = (struct link){.api = *api};
	memcpy(link->client_nonce, nonce, LINK_NONCE_SIZE);
	random_fill(random, out, LINK_NONCE_SIZE);
	link_mac(out + LINK_NONCE_SIZE, api, link->client_nonce, out);
	derive(link, out, false);
	return true;
}

void link_seal(struct link *link, struct aead *aead, const void *plain, size_t size, void *out)
{
	aead_seal(aead, &link->send, link->sent++, NULL, 0, plain, size, out);
}

bool link_open(struct link *link, struct aead *aead, void *data, size_t size)
{
	if (!link->is_open || size < LINK_FRAME_OVERHEAD)
		return false;
	return aead_open(aead, &link->receive, link->received++, NULL, 0, data, size, data);
}

void link_wipe(struct link *link)
{
	secret_wipe(link, sizeof(*link));
}
