/* Asking the hub of this machine: the running one over its control socket; when it is stopped, its
 * registry, under the lock that a running hub holds. */
#pragma once

#include <jansson.h>

#include "conf/conf_hub.h"

struct hub_paths {
	char *config, *database, *lock, *socket;
};

/* config: NULL = hub.conf in the config folder. */
struct hub_paths hub_paths_new(const char *config);
void hub_paths_done(struct hub_paths *paths);

/* CMD_OK, or CMD_FAILED with the fault told. Release with hub_config_done(). */
int hub_read_config(const struct hub_paths *paths, struct hub_config *ret_config);
/* Takes the request (hub/admin.h) over. *ret_answer is the caller's; it may hold secrets. Refusals
 * are told: then CMD_FAILED and no answer. */
int hub_ask(json_t *request, json_t **ret_answer);
/* Only the running hub: who asks for what it counts gets nothing from a registry. */
int hub_ask_running(json_t *request, json_t **ret_answer);
/* Prints the object, without "ok", indented. CMD_OK or CMD_FAILED. */
int hub_print_json(json_t *answer);
