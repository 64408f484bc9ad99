/* Control links of the nodes: accepted on the tunnel interface only, from a node's own address
 * only, and only from whoever proves the pair's api key (security 5). */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "hub/hub_private.h"

static void link_free(struct hub_link *link)
{
	list_remove(&link->entry);
	if (link->node && link->node->link == link)
		link->node->link = NULL;
	stream_free(link->stream);
	link_wipe(&link->crypto);
	aead_forget(link->hub->aead);
	free(link);
}

/* Ends the link and tells the rendezvous, if it was the node's present one. */
static void link_end(struct hub_link *link)
{
	struct hub *hub = link->hub;
	struct hub_node *node = link->node;
	bool was_present = node && node->link == link && link->is_proved;

	link_free(link);
	if (was_present)
		rendezvous_link_down(hub->rendezvous, loop_now(hub->loop), &node->node);
	hub_rearm(hub);
}

static bool api_key(struct hub *hub, struct hub_node *node)
{
	if (!node->has_api)
		node->has_api = !pair_derive(hub->identity, &node->node.record.key, NULL, PAIR_API,
					     PAIR_BOTH, &node->api);
	return node->has_api;
}

/* Anybody on a node can be refused as often as he likes: one line a minute says it. */
static void refuse(struct hub_link *link)
{
	struct hub *hub = link->hub;
	usec_t now = loop_now(hub->loop);

	hub->links_refused++;
	if (!hub->refusal_logged || usec_since(now, hub->refusal_logged) >= HUB_REFUSAL_LOG_PACE) {
		hub->refusal_logged = now;
		log_warn("link-refused peer=%s total=%llu reason=\"no proof of the node's daemon\"",
			 link->node ? link->node->node.record.name : "",
			 (unsigned long long)hub->links_refused);
	}
	link_end(link);
}

static void prove(struct hub_link *link, const uint8_t *data, size_t size)
{
	struct hub *hub = link->hub;
	struct hub_node *node = link->node;
	uint8_t answer[LINK_ANSWER_SIZE];

	if (!node || !api_key(hub, node) ||
	    !link_server_accept(&link->crypto, &node->api, data, size, &random_system, answer)) {
		refuse(link);
		return;
	}
	/* A daemon that starts again replaces its old link. */
	if (node->link)
		link_end(node->link);
	link->is_proved = true;
	node->link = link;
	stream_set_authenticated(link->stream, REPORT_SIZE_MAX + LINK_FRAME_OVERHEAD);
	if (stream_send(link->stream, answer, sizeof(answer))) {
		link_end(link);
		return;
	}
	rendezvous_link_up(hub->rendezvous, loop_now(hub->loop), &node->node);
}

static void on_frame(void *owner, uint8_t *data, size_t size)
{
	struct hub_link *link = owner;
	struct hub *hub = link->hub;

	if (!link->is_proved)
		prove(link, data, size);
	else if (!link->node || !link_open(&link->crypto, hub->aead, data, size))
		link_end(link);
	else
		rendezvous_receive(hub->rendezvous, loop_now(hub->loop), &link->node->node, data,
				   size - LINK_FRAME_OVERHEAD);
	hub_rearm(hub);
}

static void on_closed(void *owner, enum stream_reason reason, int error)
{
	struct hub_link *link = owner;

	log_debug("link-closed peer=%s reason=\"%s\" error=\"%s\"",
		  link->node ? link->node->node.record.name : "", stream_reason_text(reason),
		  error ? strerror(-error) : "");
	link_end(link);
}

static const struct stream_handlers handlers = {.on_frame = on_frame, .on_closed = on_closed};

static void on_accept(void *owner, struct stream *stream)
{
	struct hub *hub = owner;
	struct address remote = stream_remote(stream);
	struct rendezvous_node *node = rendezvous_find_address(hub->rendezvous, &remote);
	struct hub_link *link;

	if (!node) {
		stream_free(stream);
		return;
	}
	link = new (struct hub_link);
	link->hub = hub;
	link->stream = stream;
	link->node = container_of(node, struct hub_node, node);
	list_append(&hub->links, &link->entry);
	stream_set_handlers(stream, &handlers, link);
}

int links_listen(struct hub *hub)
{
	const struct store_network *network = store_network(hub->store);

	for (size_t i = 0; i < network->pool_count; i++) {
		struct stream_listen_options options = {
			.address = prefix_address(&network->pools[i]),
			.device = hub->interface.name,
			.pending_max = HUB_LINKS_PENDING,
			.pending_max_per_source = HUB_LINKS_PER_NODE,
			.pending_frame_limit = LINK_HELLO_SIZE,
			.pending_time = HUB_LINK_PROOF_TIME,
			.streams_max = HUB_LINKS_MAX,
			.on_accept = on_accept,
			.owner = hub,
		};
		int error;

		options.address.port = HUB_CONTROL_PORT;
		error = stream_listen(hub->loop, &options, &hub->listeners[i]);
		if (error)
			return error;
	}
	return 0;
}

void links_stop(struct hub *hub)
{
	struct hub_link *link, *after;

	for (size_t i = 0; i < array_size(hub->listeners); i++) {
		if (hub->listeners[i])
			stream_listener_free(take(hub->listeners[i]));
	}
	list_for_each_safe (link, after, &hub->links, entry)
		link_free(link);
}

void links_send(struct hub *hub, struct rendezvous_node *node, const void *data, size_t size)
{
	struct hub_link *link = container_of(node, struct hub_node, node)->link;
	uint8_t *frame;
	int error;

	if (!link || size > MESSAGE_SIZE_MAX)
		return;
	frame = memory_new(size + LINK_FRAME_OVERHEAD);
	link_seal(&link->crypto, hub->aead, data, size, frame);
	error = stream_send(link->stream, frame, size + LINK_FRAME_OVERHEAD);
	free(frame);
	/* A number is spent on a frame that was not queued: the link could not go on. */
	if (error)
		stream_set_deadline(link->stream, loop_now(hub->loop));
}

/* What is queued still goes out, but nothing more is read as the node's word. */
void links_close(struct hub *hub, struct rendezvous_node *node)
{
	struct hub_link *link = container_of(node, struct hub_node, node)->link;

	if (!link)
		return;
	link->node->link = NULL;
	link->node = NULL;
	stream_set_deadline(link->stream, loop_now(hub->loop) + HUB_LINK_FINISH);
	stream_finish(link->stream);
}

void links_forget(struct hub *hub, const struct hub_node *node)
{
	struct hub_link *link;

	list_for_each (link, &hub->links, entry) {
		if (link->node == node)
			link->node = NULL;
	}
}
