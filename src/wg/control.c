#include "wg/control.h"

#include <jansson.h>
#include <string.h>

#include "base/key.h"
#include "base/memory.h"
#include "device/builtin/builtin.h"
#include "device/report/report.h"
#include "port/port.h"
#include "sys/ctl/ctl.h"
#include "sys/loop/loop.h"
#include "sys/state/files.h"

/* Of each peer; wg(8) shows the others. */
#define ALLOWED_SHOWN_MAX 64

struct control {
	struct loop *loop;
	struct builtin *builtin;
	struct ctl_server *server;
};

static json_t *key_json(const struct key *key)
{
	char text[KEY_TEXT_SIZE];

	key_print(key, text);
	return json_string(text);
}

static json_t *endpoint_json(const struct address *endpoint)
{
	char text[ADDRESS_TEXT_SIZE];

	return endpoint->family ? json_string(address_print(endpoint, text)) : json_null();
}

static json_t *age_json(usec_t now, usec_t then)
{
	usec_t tenths = usec_since(now, then) / (USEC_PER_SEC / 10);

	return then ? json_real((double)tenths / 10.0) : json_null();
}

static json_t *allowed_json(const struct builtin_peer *peer)
{
	json_t *list = json_array();
	char text[ADDRESS_TEXT_SIZE];
	struct prefix prefix;

	for (size_t i = 0; i < ALLOWED_SHOWN_MAX && builtin_peer_allowed(peer, i, &prefix); i++)
		json_array_append_new(list, json_string(prefix_print(&prefix, text)));
	return list;
}

static json_t *peer_json(const struct builtin_peer *peer, usec_t now)
{
	struct builtin_peer_statistics statistics;
	json_t *object = json_object();

	builtin_peer_get_statistics(peer, &statistics);
	json_object_set_new(object, "public_key", key_json(builtin_peer_key(peer)));
	json_object_set_new(object, "endpoint", endpoint_json(&statistics.endpoint));
	json_object_set_new(object, "allowed_ips", allowed_json(peer));
	json_object_set_new(object, "last_handshake_s", age_json(now, statistics.last_handshake));
	json_object_set_new(object, "rx_bytes", json_integer((json_int_t)statistics.rx_bytes));
	json_object_set_new(object, "tx_bytes", json_integer((json_int_t)statistics.tx_bytes));
	return object;
}

static json_t *status_json(const struct control *control)
{
	struct builtin *builtin = control->builtin;
	json_t *status = json_object(), *peers = json_array();
	struct builtin_peer *peer = NULL;
	struct key public_key;

	builtin_get_public_key(builtin, &public_key);
	while ((peer = builtin_peer_next(builtin, peer)))
		json_array_append_new(peers, peer_json(peer, loop_now(control->loop)));
	json_object_set_new(status, "interface", json_string(builtin_interface(builtin)));
	json_object_set_new(status, "role", json_string("wg"));
	json_object_set_new(status, "public_key",
			    builtin_has_private_key(builtin) ? key_json(&public_key) : json_null());
	json_object_set_new(status, "device", json_string("builtin"));
	json_object_set_new(status, "listen_port",
			    json_integer(port_number(builtin_port(builtin))));
	json_object_set_new(status, "peers", peers);
	json_object_set_new(status, "counters", report_counters(builtin));
	return status;
}

static void on_request(void *owner, const char *text, size_t size, struct ctl_reply *reply)
{
	json_t *request = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const char *command = json_string_value(json_object_get(request, "command"));
	auto_free char *line = NULL;
	json_t *answer;

	if (!command)
		answer = json_pack("{s:s}", "error",
				   "a request is one line of JSON with a \"command\"");
	else if (!strcmp(command, "status"))
		answer = status_json(owner);
	else
		answer = json_pack("{s:s}", "error",
				   "this is a WireGuard device alone, which knows no such command; "
				   "wg(8) sets it");
	line = json_dumps(answer, JSON_COMPACT);
	ctl_reply_send(reply, line ? line : "{\"error\":\"out of memory\"}");
	ctl_reply_end(reply);
	json_decref(answer);
	json_decref(request);
}

int control_new(struct loop *loop, struct builtin *builtin, struct control **ret_control)
{
	auto_free char *path = state_path(state_run_dir(), builtin_interface(builtin), ".sock");
	struct control *control = new (struct control);
	int error;

	control->loop = loop;
	control->builtin = builtin;
	error = ctl_listen(loop, path, on_request, control, &control->server);
	if (error)
		free(control);
	else
		*ret_control = control;
	return error;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	ctl_server_free(control->server);
	free(control);
}
