/* Requests of people over the control socket: one JSON object a line. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "node/node_private.h"
#include "sys/state/files.h"

static void reply_json(struct ctl_reply *reply, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);

	ctl_reply_send(reply, text ? text : "{\"error\":\"out of memory\"}");
	free(text);
	json_decref(answer);
}

static void reply_error(struct ctl_reply *reply, const char *text)
{
	reply_json(reply, json_pack("{s:s}", "error", text));
	ctl_reply_end(reply);
}

static void reply_done(struct ctl_reply *reply, json_t *answer)
{
	reply_json(reply, answer);
	ctl_reply_end(reply);
}

/* ---- ping ---- */

static void ping_free(struct node_ping *ping)
{
	loop_timer_stop(ping->node->loop, &ping->timer);
	list_remove(&ping->entry);
	ping->node->ping_count--;
	free(ping);
}

static void ping_end(struct node_ping *ping)
{
	struct ctl_reply *reply = ping->reply;

	reply_json(reply, json_pack("{s:b, s:i, s:i}", "end", 1, "sent", (int)ping->sent,
				    "received", (int)ping->received));
	ping_free(ping);
	ctl_reply_end(reply);
}

static void on_ping_closed(void *owner)
{
	ping_free(owner);
}

static void on_ping_timer(void *owner, usec_t now)
{
	struct node_ping *ping = owner;
	struct agent_peer *peer = agent_find(ping->node->agent, &ping->peer);

	if (ping->is_waiting)
		ctl_reply_send(ping->reply, peer && peer->has_device && path_chosen(&peer->path)
						    ? "{\"error\":\"no answer\"}"
						    : "{\"error\":\"no path yet\"}");
	if (!peer || ping->sent == ping->count) {
		ping_end(ping);
		return;
	}
	ping->sent++;
	ping->sent_at = now;
	ping->is_waiting = true;
	loop_timer_set(ping->node->loop, &ping->timer, now + PING_TIMEOUT);
	agent_ping(ping->node->agent, now, peer);
	node_rearm(ping->node);
}

static void ping_answer(struct node_ping *ping, struct agent_peer *peer, const struct address *from,
			usec_t rtt)
{
	json_t *path = node_path_json(peer, loop_now(ping->node->loop), ping->node->config->mtu);
	char text[ADDRESS_TEXT_SIZE];
	bool is_last;

	ping->is_waiting = false;
	ping->received++;
	reply_json(ping->reply, json_pack("{s:s, s:i, s:f, s:s, s:o}", "from", peer->record.name,
					  "seq", (int)ping->sent, "rtt_ms", (double)rtt / 1000.0,
					  "address", address_print(from, text), "path", path));
	is_last =
		ping->sent == ping->count || (ping->until_direct && agent_rung(peer) != RUNG_NONE);
	if (is_last)
		ping_end(ping);
}

void node_ping_answered(struct node *node, struct agent_peer *peer, const struct address *from,
			usec_t rtt)
{
	struct node_ping *ping, *after;

	list_for_each_safe (ping, after, &node->pings, entry) {
		if (ping->is_waiting && key_is_equal(&ping->peer, &peer->record.key))
			ping_answer(ping, peer, from, rtt);
	}
}

static void request_ping(struct node *node, json_t *request, struct ctl_reply *reply)
{
	const char *name = json_string_value(json_object_get(request, "node"));
	json_int_t count = json_integer_value(json_object_get(request, "count"));
	struct agent_peer *peer = name ? agent_find_text(node->agent, name) : NULL;
	struct node_ping *ping;

	if (!peer) {
		reply_error(reply, "no such node; `wayleave status` lists them");
		return;
	}
	if (!peer->has_device) {
		reply_error(reply,
			    "this node is not in use: its key changed, or the map has expired");
		return;
	}
	if (node->ping_count >= PINGS_MAX) {
		reply_error(reply, "too many pings at once");
		return;
	}
	ping = new (struct node_ping);
	ping->node = node;
	ping->reply = reply;
	ping->peer = peer->record.key;
	ping->count = count > 0 && count < 1000000 ? (unsigned)count : 1;
	ping->until_direct = json_is_true(json_object_get(request, "until_direct"));
	ping->timer = (struct loop_timer){.on_timer = on_ping_timer, .owner = ping};
	list_append(&node->pings, &ping->entry);
	node->ping_count++;
	ctl_reply_set_closed(reply, on_ping_closed, ping);
	loop_timer_set(node->loop, &ping->timer, loop_now(node->loop));
}

/* ---- the others ---- */

static void request_trust(struct node *node, json_t *request, struct ctl_reply *reply)
{
	const char *name = json_string_value(json_object_get(request, "node"));
	struct agent_peer *peer = name ? agent_find_text(node->agent, name) : NULL;
	int error = peer ? agent_trust(node->agent, loop_now(node->loop), peer) : -ESRCH;

	node_rearm(node);
	if (error == -ESRCH)
		reply_error(reply, "no such node; `wayleave status` lists them");
	else if (error == -ENOENT)
		reply_error(reply, "this node's key has not changed; there is nothing to trust");
	else if (error)
		reply_error(reply, "another member still has this name or address");
	else
		reply_done(reply, json_pack("{s:b}", "ok", 1));
}

static void on_request(void *owner, const char *text, size_t size, struct ctl_reply *reply)
{
	struct node *node = owner;
	json_t *request = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const char *command = json_string_value(json_object_get(request, "command"));
	bool is_change = command && (!strcmp(command, "down") || !strcmp(command, "trust"));

	if (!command) {
		reply_error(reply, "a request is one line of JSON with a \"command\"");
	} else if (is_change && !ctl_reply_is_root(reply)) {
		reply_error(reply, "only root may do that");
	} else if (!strcmp(command, "status")) {
		reply_done(reply, node_status(node));
	} else if (!strcmp(command, "ping")) {
		request_ping(node, request, reply);
	} else if (!strcmp(command, "trust")) {
		request_trust(node, request, reply);
	} else if (!strcmp(command, "down")) {
		log_info("down interface=%s", node->interface_name);
		reply_done(reply, json_pack("{s:b, s:i}", "ok", 1, "pid", (int)getpid()));
		loop_stop(node->loop);
	} else {
		reply_error(reply,
			    "this daemon does not know that command; is it an older version?");
	}
	json_decref(request);
}

/* ---- wg(8) may look ---- */

static void on_wg_refused(void *owner, const char *asked)
{
	const struct node *node = owner;

	log_warn("wg-refused interface=%s asked=\"%s\" reason=\"`wayleave` owns the peers of %s\" "
		 "remedy=\"change its config and start it again; members change on the hub, with "
		 "`wayleave hub node`\"",
		 node->interface_name, asked, node->interface_name);
}

/* A node without it is as good; only wg(8) does not see it. */
static void start_uapi(struct node *node)
{
	const struct serve_options options = {.builtin = node->builtin,
					      .fwmark = node->config->fwmark,
					      .on_refused = on_wg_refused,
					      .owner = node};
	int error = serve_new(node->loop, &options, &node->uapi);

	if (error)
		log_warn("wg-cannot-look interface=%s socket=" UAPI_FOLDER "/%s.sock error=\"%s\"",
			 node->interface_name, node->interface_name, strerror(-error));
}

int node_control_start(struct node *node)
{
	auto_free char *path = state_path(state_run_dir(), node->interface_name, ".sock");

	list_init(&node->pings);
	start_uapi(node);
	return ctl_listen(node->loop, path, on_request, node, &node->ctl);
}

void node_control_stop(struct node *node)
{
	if (node->ctl)
		ctl_server_free(node->ctl);
	node->ctl = NULL;
	serve_free(take(node->uapi));
}
