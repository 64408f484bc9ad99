/* What the registry keeps, as JSON for the operator; no secrets but where it says so. */
#pragma once

#include <jansson.h>

#include "conf/conf_hub.h"
#include "sys/store/store.h"

/* Each returns a new object or array. */
json_t *admin_json_node(const struct store_node *node);
json_t *admin_json_token(const struct store_token *token, int64_t now);
json_t *admin_json_event(const struct store_event *event);
/* What a new node must know: it holds the site secret. */
json_t *admin_json_network(const struct store_network *network, const struct hub_config *config,
			   const struct key *public_key);

#define ADMIN_TOKEN_ID_TEXT (2 * TOKEN_ID_SIZE + 1)

const char *admin_token_id_print(const uint8_t id[TOKEN_ID_SIZE], char text[ADMIN_TOKEN_ID_TEXT]);
/* False when text is not such an id. */
bool admin_token_id_parse(const char *text, uint8_t ret_id[TOKEN_ID_SIZE]);
