/* Two nodes that know each other, for tests and fuzz targets of this room. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "crypto/x25519.h"
#include "proto/pair/pair.h"

struct test_node {
	struct pair_identity identity;
	struct pair_table table;
	struct pair pair;
	struct mask own; /* unmasks what comes to us */
	struct aead *aead;
};

static inline void test_node_start(struct test_node *node, const struct key *private_key,
				   usec_t now, const struct random_source *random)
{
	static const uint8_t network_id[NETWORK_ID_SIZE] = {1, 2, 3};
	static const uint8_t site_secret[SITE_SECRET_SIZE] = {4, 5, 6};
	struct mask_key key;

	pair_identity_init(&node->identity, private_key, network_id, site_secret, now, random);
	pair_table_init(&node->table);
	mask_key_derive(&node->identity.public_key, site_secret, MASK_TO_LISTENER, &key);
	mask_init(&node->own, &key);
	node->aead = aead_new();
}

/* nodes: two, zeroed; [0] has the lower key. */
static inline void test_nodes_start(struct test_node *nodes, usec_t now,
				    const struct random_source *random)
{
	struct key keys[2], publics[2];

	crypto_init();
	for (int i = 0; i < 2; i++) {
		random_fill(random, &keys[i], KEY_SIZE);
		x25519_clamp(&keys[i]);
		x25519_public(&keys[i], &publics[i]);
	}
	if (key_compare(&publics[0], &publics[1]) > 0) {
		struct key swap = keys[0];

		keys[0] = keys[1];
		keys[1] = swap;
	}
	for (int i = 0; i < 2; i++)
		test_node_start(&nodes[i], &keys[i], now, random);
	for (int i = 0; i < 2; i++) {
		if (pair_init(&nodes[i].pair, &nodes[i].identity, &nodes[i].table,
			      &nodes[!i].identity.public_key, random))
			abort();
	}
}

static inline void test_node_stop(struct test_node *node)
{
	pair_done(&node->pair);
	mask_done(&node->own);
	aead_free(node->aead);
}

/* The process ends and starts again: same key, new boot id, no sessions. */
static inline void test_node_restart(struct test_node *node, usec_t now,
				     const struct random_source *random)
{
	struct key private_key = node->identity.private_key, peer = node->pair.peer;

	test_node_stop(node);
	test_node_start(node, &private_key, now, random);
	if (pair_init(&node->pair, &node->identity, &node->table, &peer, random))
		abort();
}
