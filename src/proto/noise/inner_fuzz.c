/* Inner packets of any contents: where they go, and whether a peer may send them. */
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "proto/noise/wg.h"
#include "seeded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_true)
{
	if (!is_true)
		abort();
}

/* 10/8 and fd00::/8 are the peer's. */
static void begin(struct wg *wg, struct wg_peer *peer, struct allowedips_node nodes[16],
		  const struct random_source *random)
{
	const struct prefix prefixes[] = {
		{.ip = {10}, .family = FAMILY_IPV4, .bits = 8},
		{.ip = {0xfd}, .family = FAMILY_IPV6, .bits = 8},
	};
	const struct wg_ops ops = {.random = random};

	wg_init(wg, &ops, NULL);
	allowedips_give_memory(&wg->allowed, nodes, 16);
	must(wg_peer_add(wg, peer, &(struct key){{9}}) == 0);
	for (size_t i = 0; i < array_size(prefixes); i++)
		must(allowedips_add(&wg->allowed, &prefixes[i], &peer->allowed) == 0);
}

static void check(struct wg *wg, struct wg_peer *peer, const uint8_t *packet, size_t size)
{
	size_t inner = 0;
	enum wg_drop drop = wg_accepts(wg, peer, packet, size, &inner);
	struct wg_peer *to = wg_route(wg, packet, size);
	bool is_four = size && packet[0] >> 4 == 4;

	must(!to || to == peer);
	if (to)
		must(packet[is_four ? 16 : 24] == (is_four ? 10 : 0xfd));
	if (drop == WG_OK) {
		must(inner >= (is_four ? 20 : 40) && inner <= size);
		must(packet[is_four ? 12 : 8] == (is_four ? 10 : 0xfd));
		/* Padding changes nothing. */
		must(wg_accepts(wg, peer, packet, inner, &inner) == WG_OK);
	} else {
		must(drop == WG_DROP_MALFORMED || drop == WG_DROP_SOURCE);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct allowedips_node nodes[16];
	static struct wg_peer peer;
	static struct wg wg;
	struct seeded seeded;

	crypto_init();
	seeded_init(&seeded, 1);
	memset(nodes, 0, sizeof(nodes));
	memset(&peer, 0, sizeof(peer));
	begin(&wg, &peer, nodes, &seeded.source);
	check(&wg, &peer, data, size);
	wg_peer_remove(&peer);
	wg_done(&wg);
	return 0;
}
