/* The hub as this node reaches it: its address, its WireGuard peer, and the control link through
 * the tunnel. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "node/node_private.h"

static void connect_link(struct node *node);
static void resolve_next(struct node *node);

/* ---- where it is ---- */

static void use_endpoint(struct node *node, size_t index)
{
	char text[ADDRESS_TEXT_SIZE];

	node->hub.endpoint = index % node->hub.endpoint_count;
	builtin_peer_set_endpoint(node->hub.peer, &node->hub.endpoints[node->hub.endpoint]);
	log_info("hub-endpoint interface=%s endpoint=%s", node->interface_name,
		 address_print(&node->hub.endpoints[node->hub.endpoint], text));
	builtin_peer_start_handshake(node->hub.peer);
	builtin_peer_set_keepalive(node->hub.peer, node->config->keepalive);
}

static void add_endpoint(struct node *node, const struct address *address)
{
	for (size_t i = 0; i < node->hub.endpoint_count; i++) {
		if (address_is_equal(&node->hub.endpoints[i], address))
			return;
	}
	if (node->hub.endpoint_count == AGENT_HUB_ENDPOINTS_MAX)
		return;
	node->hub.endpoints[node->hub.endpoint_count++] = *address;
	agent_set_hub_endpoints(node->agent, node->hub.endpoints, node->hub.endpoint_count);
	if (node->hub.endpoint_count == 1)
		use_endpoint(node, 0);
}

static void on_resolved(void *owner, const struct address *addresses, size_t count, int error)
{
	struct node *node = owner;
	const struct conf_endpoint *endpoint = &node->config->endpoints[node->hub.resolving_index];

	node->hub.resolving = NULL;
	for (size_t i = 0; !error && i < count; i++) {
		struct address address = addresses[i];

		address.port = endpoint->port;
		add_endpoint(node, &address);
	}
	if (error)
		log_warn("hub-name interface=%s host=%s error=\"%s\"", node->interface_name,
			 endpoint->host, resolve_error_text(error));
	node->hub.resolving_index++;
	resolve_next(node);
}

static void resolve_next(struct node *node)
{
	while (!node->hub.resolving && node->hub.resolving_index < node->config->endpoint_count) {
		const char *host = node->config->endpoints[node->hub.resolving_index].host;

		if (!resolve_start(node->resolve, host, on_resolved, node, &node->hub.resolving))
			return;
		node->hub.resolving = NULL;
		log_warn("hub-name interface=%s host=%s error=\"not a name\"", node->interface_name,
			 host);
		node->hub.resolving_index++;
	}
}

/* No handshake for a while: another address, and ask the names again, they may have changed. */
static void on_hub_timer(void *owner, usec_t now)
{
	struct node *node = owner;
	struct builtin_peer_statistics statistics;

	builtin_peer_get_statistics(node->hub.peer, &statistics);
	if (statistics.last_received && usec_since(now, statistics.last_received) < HUB_SILENCE) {
		loop_timer_set(node->loop, &node->hub.timer,
			       statistics.last_received + HUB_SILENCE);
		return;
	}
	loop_timer_set(node->loop, &node->hub.timer, now + HUB_ENDPOINT_PATIENCE);
	if (node->hub.endpoint_count > 1)
		use_endpoint(node, node->hub.endpoint + 1);
	else if (node->hub.endpoint_count)
		builtin_peer_start_handshake(node->hub.peer);
	if (!node->hub.resolving) {
		node->hub.resolving_index = 0;
		resolve_next(node);
	}
}

/* Our addresses or routes changed: let the hub see us from there, and if its last endpoint was
 * learned by roaming, go back to the configured one. */
void node_hub_nudge(struct node *node)
{
	if (!node->hub.endpoint_count)
		return;
	builtin_peer_send_keepalive(node->hub.peer);
	if (node->link.state == LINK_DOWN && node->link.retry_timer.deadline != USEC_NEVER) {
		node->link.retry = LINK_RETRY;
		loop_timer_set(node->loop, &node->link.retry_timer, loop_now(node->loop));
	}
}

void node_hub_handshake(struct node *node)
{
	static const uint8_t alive[] = {MESSAGE_ALIVE};

	log_debug("hub-handshake interface=%s", node->interface_name);
	if (node->link.state == LINK_DOWN)
		loop_timer_set(node->loop, &node->link.retry_timer, loop_now(node->loop));
	/* If the hub restarted, its answer to this is a reset, and we connect again. */
	node_link_send(node, alive, sizeof(alive));
}

const char *node_waits_for(const struct node *node)
{
	struct builtin_peer_statistics statistics;

	if (!node->hub.endpoint_count)
		return "the hub's name to resolve";
	builtin_peer_get_statistics(node->hub.peer, &statistics);
	if (!statistics.last_handshake)
		return "the hub to answer (is its UDP port reachable, and is this node's key "
		       "registered?)";
	return "the hub's control port";
}

/* ---- the control link ---- */

/* The only writer of link.state. */
static void link_enter(struct node *node, enum node_link_state state)
{
	enum node_link_state before = node->link.state;
	usec_t entered = node->link.since;

	node->link.state = state;
	node->link.since = loop_now(node->loop);
	if (before == state)
		return;
	if (state == LINK_UP) {
		node->link.rtt = usec_since(node->link.since, entered); /* of the proof */
		node->link.retry = LINK_RETRY;
		log_info("hub-link interface=%s state=up", node->interface_name);
		agent_link_up(node->agent, loop_now(node->loop));
	} else if (before == LINK_UP) {
		log_warn("hub-link interface=%s state=down", node->interface_name);
		agent_link_down(node->agent, loop_now(node->loop));
	}
	node_rearm(node);
}

static void drop_link(struct node *node)
{
	struct node_link *link = &node->link;

	stream_free(take(link->stream));
	link_wipe(&link->crypto);
	aead_forget(node->aead);
	link_enter(node, LINK_DOWN);
	loop_timer_set(node->loop, &link->retry_timer, loop_now(node->loop) + link->retry);
	link->retry = link->retry * 2 > LINK_RETRY_MAX ? LINK_RETRY_MAX : link->retry * 2;
	link->hub_address = (link->hub_address + 1) % node->config->hub_address_count;
}

static void on_open(void *owner)
{
	struct node *node = owner;
	uint8_t hello[LINK_HELLO_SIZE];
	struct key api;

	if (pair_derive(&node->agent->identity, &node->config->hub_key, NULL, PAIR_API, PAIR_BOTH,
			&api)) {
		drop_link(node);
		return;
	}
	link_client_start(&node->link.crypto, &api, &random_system, hello);
	secret_wipe(&api, sizeof(api));
	link_enter(node, LINK_PROVING);
	stream_set_deadline(node->link.stream, loop_now(node->loop) + LINK_CONNECT_TIMEOUT);
	if (stream_send(node->link.stream, hello, sizeof(hello)))
		drop_link(node);
}

static void on_frame(void *owner, uint8_t *data, size_t size)
{
	struct node *node = owner;
	struct node_link *link = &node->link;
	bool is_fine;

	if (link->state == LINK_PROVING) {
		if (!link_client_finish(&link->crypto, data, size)) {
			log_warn("hub-link interface=%s error=\"the hub could not prove itself\"",
				 node->interface_name);
			drop_link(node);
			return;
		}
		stream_set_deadline(link->stream, USEC_NEVER);
		stream_set_frame_limit(link->stream, STREAM_FRAME_MAX);
		link_enter(node, LINK_UP);
		return;
	}
	is_fine = link_open(&link->crypto, node->aead, data, size) &&
		  agent_receive_message(node->agent, loop_now(node->loop), data,
					size - LINK_FRAME_OVERHEAD);
	/* A map holds the site secret. */
	secret_wipe(data, size);
	if (!is_fine) {
		log_warn("hub-link interface=%s error=\"malformed message\"", node->interface_name);
		drop_link(node);
		return;
	}
	node_rearm(node);
}

static void on_closed(void *owner, enum stream_reason reason, int error)
{
	struct node *node = owner;

	log_debug("hub-link interface=%s closed=\"%s\" error=\"%s\"", node->interface_name,
		  stream_reason_text(reason), error ? strerror(-error) : "");
	drop_link(node);
}

static const struct stream_handlers link_handlers = {on_open, on_frame, on_closed};

static void connect_link(struct node *node)
{
	const struct address *hub = &node->config->hub_addresses[node->link.hub_address];
	struct stream_connect_options options = {
		.remote = *hub,
		.device = node->interface_name,
		.deadline = loop_now(node->loop) + LINK_CONNECT_TIMEOUT,
		.frame_limit = LINK_ANSWER_SIZE,
	};
	int error;

	options.remote.port = HUB_CONTROL_PORT;
	link_enter(node, LINK_CONNECTING);
	error = stream_connect(node->loop, &options, &link_handlers, node, &node->link.stream);
	if (error) {
		log_debug("hub-link interface=%s error=\"%s\"", node->interface_name,
			  strerror(-error));
		drop_link(node);
	}
}

static void on_retry(void *owner, usec_t now)
{
	struct node *node = owner;

	(void)now;
	if (node->link.state == LINK_DOWN)
		connect_link(node);
}

void node_link_send(struct node *node, const void *data, size_t size)
{
	uint8_t frame[REPORT_SIZE_MAX + LINK_FRAME_OVERHEAD];

	if (node->link.state != LINK_UP || size > REPORT_SIZE_MAX)
		return;
	link_seal(&node->link.crypto, node->aead, data, size, frame);
	/* A number is spent on a frame that was not queued: the link cannot go on, and ends in the
	 * next turn (the agent may be in the middle of a decision). */
	if (stream_send(node->link.stream, frame, size + LINK_FRAME_OVERHEAD))
		stream_set_deadline(node->link.stream, loop_now(node->loop));
}

int node_hub_start(struct node *node)
{
	int error = builtin_peer_add(node->builtin, &node->config->hub_key, &node->hub.peer);

	for (size_t i = 0; i < node->config->hub_address_count && !error; i++) {
		struct prefix prefix = prefix_of_host(&node->config->hub_addresses[i]);

		error = builtin_peer_allow(node->hub.peer, &prefix);
	}
	if (error)
		return error;
	node->hub.timer = (struct loop_timer){.on_timer = on_hub_timer, .owner = node};
	node->link.retry_timer = (struct loop_timer){.on_timer = on_retry, .owner = node};
	node->link.retry = LINK_RETRY;
	loop_timer_set(node->loop, &node->hub.timer, loop_now(node->loop) + HUB_ENDPOINT_PATIENCE);
	for (size_t i = 0; i < node->config->endpoint_count; i++) {
		struct address address;

		if (conf_endpoint_address(&node->config->endpoints[i], &address))
			add_endpoint(node, &address);
	}
	resolve_next(node);
	connect_link(node);
	return 0;
}

void node_hub_stop(struct node *node)
{
	if (node->hub.resolving)
		resolve_cancel(node->hub.resolving);
	loop_timer_stop(node->loop, &node->hub.timer);
	loop_timer_stop(node->loop, &node->link.retry_timer);
	stream_free(take(node->link.stream));
	link_wipe(&node->link.crypto);
}
