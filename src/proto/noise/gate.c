/* Who may make us work: what a handshake message must prove before any Diffie-Hellman (paper, 5.3).
 */
#include "proto/noise/peer.h"
#include "proto/wire/wireguard.h"

static bool is_under_load(struct wg *wg, usec_t now)
{
	if (usec_since(now, wg->load_second) >= USEC_PER_SEC) {
		wg->load_second = now;
		wg->load_count = 0;
	}
	if (++wg->load_count > WG_LOAD_THRESHOLD)
		wg->load_until = now + USEC_PER_SEC;
	return now < wg->load_until || wg->force_load;
}

enum wg_drop gate_check(struct wg *wg, struct aead *aead, usec_t now, const struct address *from,
			const uint8_t *data, size_t size)
{
	uint8_t reply[WG_COOKIE_SIZE];

	if (!cookie_mac1_is_valid(&wg->checker, data, size))
		return WG_DROP_MAC;
	if (!is_under_load(wg, now))
		return WG_OK;
	if (cookie_mac2_is_valid(&wg->checker, now, wg->ops.random, from, data, size))
		return ratelimit_allows(&wg->ratelimit, now, from) ? WG_OK : WG_DROP_LIMITED;
	cookie_reply_create(&wg->checker, aead, now, wg->ops.random, from, data, size, reply);
	wg->cookies_sent++;
	wg->ops.send(wg->ops.owner, NULL, from, reply, sizeof(reply));
	return WG_DROP_COOKIE_DEMANDED;
}
