/* Asking a node's daemon over its control socket: one JSON object out, JSON objects back. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/time.h"

/* Sends {"command": command} to the daemon of the interface; *ret_answer is its last object, owned
 * by the caller. Errors are told, also an "error" in the answer: then CMD_FAILED and no answer. */
int client_ask(const char *interface, json_t *request, json_t **ret_answer);

/* Sends the request (taken over) and calls on_object for each object that comes, until it returns
 * false or the answer ends. timeout is for each object. CMD_OK, or CMD_FAILED with the error told;
 * -EINTR when a signal came. */
int client_watch(const char *interface, json_t *request, usec_t timeout,
		 bool (*on_object)(void *owner, const json_t *object), void *owner);
