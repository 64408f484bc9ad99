/* The control link between a node's daemon and its hub: a TCP connection inside the tunnel, on
 * which both first prove the pair's api key, and then seal and number every frame
 * (docs/protocol.md, "Control link"). The tunnel's source address names the node; this proves that
 * its daemon itself speaks, not a local user, a browser or a routed neighbour (security 5). Whoever
 * cannot prove it gets no byte.
 *
 *   node -> hub   "WLC1" | client nonce, 32 | MAC, 16 = BLAKE2s(api key; "wayleave link v1" |
 * client nonce) hub -> node   hub nonce, 32 | MAC, 16 = BLAKE2s(api key; "wayleave link v1" |
 * client nonce | hub nonce) then both     frames sealed with ChaCha20-Poly1305 under HKDF(client
 * nonce | hub nonce, api key, "client" or "server"), nonce = number of the frame in its direction
 *
 * Pure: bytes in, bytes out. Framing by length is sys/stream's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random_source.h"
#include "crypto/aead.h"

#define LINK_NONCE_SIZE     32
#define LINK_MAC_SIZE       16
#define LINK_HELLO_SIZE     (4 + LINK_NONCE_SIZE + LINK_MAC_SIZE)
#define LINK_ANSWER_SIZE    (LINK_NONCE_SIZE + LINK_MAC_SIZE)
#define LINK_FRAME_OVERHEAD AEAD_TAG_SIZE

struct link {
	struct key api;
	uint8_t client_nonce[LINK_NONCE_SIZE];
	struct key send, receive;
	uint64_t sent, received;
	bool is_open;
};

/* Node: writes the hello. */
void link_client_start(struct link *link, const struct key *api, const struct random_source *random,
		       uint8_t out[LINK_HELLO_SIZE]);
/* Node: the hub's answer. False: this is not our hub. */
bool link_client_finish(struct link *link, const uint8_t *data, size_t size);
/* Hub: the node's hello; writes the answer. False: answer nothing and close. */
bool link_server_accept(struct link *link, const struct key *api, const uint8_t *data, size_t size,
			const struct random_source *random, uint8_t out[LINK_ANSWER_SIZE]);
/* out needs size + LINK_FRAME_OVERHEAD bytes, may be == plain. */
void link_seal(struct link *link, struct aead *aead, const void *plain, size_t size, void *out);
/* In place; false: close the link. */
bool link_open(struct link *link, struct aead *aead, void *data, size_t size);
void link_wipe(struct link *link);
