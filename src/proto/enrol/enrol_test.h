/* A hub and a node that wants to join, for tests and the fuzz target of this room. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "crypto/x25519.h"
#include "proto/enrol/enrol.h"
#include "proto/wire/wireguard.h"

#define TEST_NOW (1000 * USEC_PER_SEC)

struct enrolment {
	struct enrol_server server;
	struct enrol_client client;
	struct mask to_hub; /* the hub's port */
	struct join join;
	struct key node_key;
	struct address from;
	struct aead *aead;
};

static inline void enrolment_start(struct enrolment *enrolment, const struct random_source *random)
{
	struct mask_key mask;
	struct key hub;

	crypto_init();
	memset(enrolment, 0, sizeof(*enrolment));
	enrolment->aead = aead_new();
	random_fill(random, &hub, KEY_SIZE);
	x25519_clamp(&hub);
	random_fill(random, &enrolment->node_key, KEY_SIZE);
	x25519_clamp(&enrolment->node_key);
	x25519_public(&hub, &enrolment->join.hub);
	memset(enrolment->join.network_id, 1, NETWORK_ID_SIZE);
	memset(enrolment->join.site_secret, 2, SITE_SECRET_SIZE);
	memset(enrolment->join.token_id, 3, TOKEN_ID_SIZE);
	memset(enrolment->join.token, 4, TOKEN_SIZE);
	if (address_parse("198.51.100.7:40000", 0, &enrolment->from))
		abort();
	enrol_server_init(&enrolment->server, &hub, enrolment->join.network_id,
			  enrolment->join.site_secret, enrolment->aead, random, TEST_NOW);
	mask_key_derive(&enrolment->join.hub, enrolment->join.site_secret, MASK_TO_LISTENER, &mask);
	mask_init(&enrolment->to_hub, &mask);
	if (enrol_client_init(&enrolment->client, &enrolment->join, &enrolment->node_key, "alpha",
			      enrolment->aead, random, TEST_NOW))
		abort();
}

static inline void enrolment_stop(struct enrolment *enrolment)
{
	enrol_client_done(&enrolment->client);
	enrol_server_done(&enrolment->server);
	mask_done(&enrolment->to_hub);
	aead_free(enrolment->aead);
}
