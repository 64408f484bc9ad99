/* Indices by which peers address our handshakes and sessions. */
#include "proto/noise/peer.h"

struct wg_index *index_find(const struct wg *wg, uint32_t value)
{
	struct hash_node *node = value ? hash_first(&wg->indices, value) : NULL;

	return node ? container_of(node, struct wg_index, node) : NULL;
}

uint32_t index_draw(const struct wg *wg)
{
	uint32_t value;

	do
		value = random_u32(wg->ops.random);
	while (!value || index_find(wg, value));
	return value;
}

void index_insert(struct wg *wg, struct wg_index *index, uint32_t value, struct wg_peer *peer,
		  struct wg_keypair *keypair)
{
	wg_hold(wg);
	index->value = value;
	index->peer = peer;
	index->keypair = keypair;
	hash_insert(&wg->indices, &index->node, value);
	wg_release(wg);
}

void index_remove(struct wg *wg, struct wg_index *index)
{
	if (!index->value)
		return;
	wg_hold(wg);
	hash_remove(&wg->indices, &index->node);
	index->value = 0;
	wg_release(wg);
}
