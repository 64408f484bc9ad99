/* What an administrator asks of a hub: one line of JSON in, one line of JSON out. The running hub
 * answers so on its control socket; when it is stopped, the commands open the registry under the
 * same lock and ask here themselves. Changes and secrets are for root only.
 *
 * Request: {"command": WORD, ...}. Answer: {"ok": true, ...}, or {"ok": false, "code": WORD,
 * "error": one sentence}; it is always one line. Binary things are base64 (keys, network) or
 * hexadecimal (token ids), times unix seconds, addresses always with length and always lists.
 *
 *   node-add     key, name?, addresses?, force?    -> node, network
 *   node-list                                      -> nodes, malformed
 *   node-show    node                              -> node
 *   node-rename  node, name                        -> node, old_name
 *   node-remove  node                              -> node
 *   token-create reusable?, expires_s?, label?     -> token, join
 *   token-list                                     -> tokens
 *   token-revoke id                                -> id
 *   log          limit?                            -> events
 *   status                                         -> interface, listen_port, nodes, linked,
 * counters (the running hub only; hub/status.c)
 *
 * `node` in a request is a name, key, address or the beginning of a key. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/key.h"
#include "conf/conf_hub.h"
#include "sys/store/store.h"

#define ADMIN_TOKEN_LIFETIME     3600 /* seconds (security 8) */
#define ADMIN_TOKEN_LIFETIME_MAX (10 * 365 * 86400)

struct admin;

enum admin_change_kind { ADMIN_NO_CHANGE, ADMIN_ADDED, ADMIN_REMOVED, ADMIN_RENAMED };

/* What the running hub has to do now; the registry has it already. */
struct admin_change {
	enum admin_change_kind kind;
	struct key key;
};

/* Both are borrowed and outlive the admin; it keeps no private key. */
struct admin *admin_new(struct store *store, const struct hub_config *config);
/* NULL is fine. */
void admin_free(struct admin *admin);
/* request: any text. now: unix seconds. The answer is the caller's to wipe and free; never NULL. */
char *admin_handle(struct admin *admin, const char *request, bool is_root, int64_t now,
		   struct admin_change *ret_change);
