/* The config of a node that an administrator added, from the hub's answer: all but its private key,
 * which only the node has. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/buffer.h"

/* answer: "node" and "network" as hub/admin.h says. False when it is not that, or holds text that
 * does not belong into a config file; out is then unchanged. It holds the site secret: wipe it. */
bool node_text_ini(const json_t *answer, struct buffer *out);
/* In the shape of kurohabaki's client configs. */
bool node_text_yaml(const json_t *answer, struct buffer *out);
