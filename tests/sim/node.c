#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "proto/rendezvous/rendezvous.h"

/* As in src/node. */
#define LINK_RETRY            (250 * USEC_PER_MSEC)
#define LINK_RETRY_MAX        (10 * USEC_PER_SEC)
#define HUB_ENDPOINT_PATIENCE (6 * USEC_PER_SEC)
#define KEEPALIVE             25
#define NODE_PORT             51821
#define DELAY_MOST            1010 /* ms */
#define TRAFFIC_SIZE          (INNER_HEADER_SIZE + 4 + 8)

static void arm(struct node *node);
static void connect_link(struct node *node);

static usec_t now_of(const struct node *node)
{
	return network_now(node->mesh->network);
}

/* ---- the agent's effects ---- */

static struct agent_peer *peer_new(void *owner)
{
	(void)owner;
	return new (struct agent_peer);
}

static void peer_free(void *owner, struct agent_peer *peer)
{
	(void)owner;
	free(peer);
}

static int peer_add(void *owner, struct agent_peer *peer)
{
	struct node *node = owner;
	struct device_peer *device = device_peer_new(node->device, &peer->record.key, peer);

	if (!device)
		return -1;
	for (size_t i = 0; i < peer->record.address_count; i++)
		device_peer_allow(device, &peer->record.addresses[i]);
	device->wg.may_roam = false;
	peer->owner = device;
	return 0;
}

static void peer_remove(void *owner, struct agent_peer *peer)
{
	(void)owner;
	device_peer_free(peer->owner);
	peer->owner = NULL;
}

static void peer_change(void *owner, struct agent_peer *peer)
{
	struct device_peer *device = peer->owner;

	(void)owner;
	allowedips_remove_all(&device->device->wg->allowed, &device->wg.allowed);
	for (size_t i = 0; i < peer->record.address_count; i++)
		device_peer_allow(device, &peer->record.addresses[i]);
}

static void set_endpoint(void *owner, struct agent_peer *peer, const struct address *endpoint)
{
	struct device_peer *device = peer->owner;

	(void)owner;
	if (!address_is_equal(&device->wg.endpoint, endpoint))
		wg_peer_set_endpoint(&device->wg, endpoint);
}

static void start_handshake(void *owner, struct agent_peer *peer)
{
	(void)owner;
	device_peer_start_handshake(peer->owner);
}

static void get_traffic(void *owner, const struct agent_peer *peer,
			struct agent_traffic *ret_traffic)
{
	const struct device_peer *device = peer->owner;

	(void)owner;
	*ret_traffic = (struct agent_traffic){.last_data = device->wg.last_data,
					      .last_received = device->wg.last_received,
					      .last_handshake = device->wg.last_handshake,
					      .has_session = device_peer_has_session(device)};
}

static void send_datagram(void *owner, const struct address *to, const void *data, size_t size)
{
	struct node *node = owner;

	host_send(node->host, to, data, size);
}

static void send_lies(struct node *node)
{
	struct report report = {.listen_port = NODE_PORT,
				.candidate_count = node->malice.lie_count};
	uint8_t bytes[REPORT_SIZE_MAX];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	memcpy(report.candidates, node->malice.lies, sizeof(report.candidates));
	report_write(&writer, &report);
	stream_send(node->stream, bytes, writer.position);
}

static void send_message(void *owner, const void *data, size_t size)
{
	struct node *node = owner;
	struct reader reader = reader_over(data, size);
	uint8_t kind = message_kind_read(&reader);

	if (node->link_state != LINK_UP)
		return;
	if (kind == MESSAGE_REPORT && node->malice.lie_count) {
		send_lies(node);
	} else if (kind == MESSAGE_PONG && node->malice.pong_delay) {
		node->late_pong = read_u64(&reader);
		node->late_pong_at = now_of(node) + node->malice.pong_delay;
	} else {
		stream_send(node->stream, data, size);
	}
}

static bool is_routed_through_us(void *owner, const struct address *address)
{
	struct node *node = owner;

	return prefix_contains_ip(&node->address, address->family, address->ip);
}

static void save(void *owner)
{
	struct node *node = owner;

	free(node->saved_map);
	node->saved_size = agent_save_size(node->agent);
	node->saved_map = memory_new(node->saved_size);
	node->saved_size = agent_save(node->agent, now_of(node), node->saved_map, node->saved_size);
	node->saved_wall = node_wall(node);
	if (!node->saved_size && node->agent->has_map)
		mesh_fail(node->mesh, "%s: the map does not fit into agent_save_size()",
			  node->name);
}

static void ping_answer(void *owner, struct agent_peer *peer, const struct address *from,
			usec_t rtt)
{
	struct node *node = owner;
	char text[ADDRESS_TEXT_SIZE];

	mesh_trace(node->mesh, node->name, "ping peer=%s from=%s rtt=%llu", peer->record.name,
		   address_print(from, text), (unsigned long long)rtt);
}

static void note_path_change(struct node *node, const struct agent_peer *peer)
{
	const struct node *other = mesh_find(node->mesh, &peer->record.key);

	if (!other)
		return;
	node->traffic[other->index].path_changes++;
	node->traffic[other->index].last_path_change = now_of(node);
}

static void update_mask(struct node *node)
{
	struct mask_key key;

	agent_get_mask_key(node->agent, &key);
	device_set_mask(node->device, &key);
}

static void notice(void *owner, enum agent_notice what, struct agent_peer *peer, const char *text)
{
	static const char *const names[] = {
		[NOTICE_MAP] = "map",
		[NOTICE_MAP_REFUSED] = "map-refused",
		[NOTICE_RECORD_SKIPPED] = "record-skipped",
		[NOTICE_KEY_CHANGED] = "key-changed",
		[NOTICE_NEW_INCARNATION] = "new-incarnation",
		[NOTICE_PEER_JOINED] = "peer-joined",
		[NOTICE_PEER_LEFT] = "peer-left",
		[NOTICE_PATH] = "path",
		[NOTICE_PATH_LOST] = "path-lost",
		[NOTICE_MAP_OLD] = "map-old",
		[NOTICE_MAP_EXPIRED] = "map-expired",
		[NOTICE_REMOVED] = "removed",
	};
	struct node *node = owner;

	mesh_trace(node->mesh, node->name, "%s peer=%s %s", names[what],
		   peer ? peer->record.name : "", text);
	if (what == NOTICE_MAP)
		update_mask(node);
	if (what == NOTICE_PATH || what == NOTICE_PATH_LOST)
		note_path_change(node, peer);
	if (what == NOTICE_REMOVED)
		node->was_removed = true;
	if (what == NOTICE_MAP_REFUSED || what == NOTICE_RECORD_SKIPPED)
		mesh_fail(node->mesh, "%s: %s: %s", node->name, names[what], text);
}

static void fill_ops(struct node *node, struct agent_ops *ret_ops)
{
	*ret_ops = (struct agent_ops){
		.owner = node,
		.peer_new = peer_new,
		.peer_free = peer_free,
		.peer_add = peer_add,
		.peer_remove = peer_remove,
		.peer_change = peer_change,
		.set_endpoint = set_endpoint,
		.start_handshake = start_handshake,
		.get_traffic = get_traffic,
		.send_datagram = send_datagram,
		.send_message = send_message,
		.is_routed_through_us = is_routed_through_us,
		.save = save,
		.ping_answer = ping_answer,
		.notice = notice,
		.random = network_random(node->mesh->network),
	};
}

/* ---- the control link ---- */

static void drop_link(struct node *node)
{
	bool was_up = node->link_state == LINK_UP;

	stream_free(take(node->stream));
	node->link_state = LINK_DOWN;
	node->link_retry_at = now_of(node) + node->link_retry;
	node->link_retry *= 2;
	if (node->link_retry > LINK_RETRY_MAX)
		node->link_retry = LINK_RETRY_MAX;
	if (!was_up)
		return;
	mesh_trace(node->mesh, node->name, "link down");
	agent_link_down(node->agent, now_of(node));
}

static void on_open(void *owner)
{
	struct node *node = owner;

	node->link_state = LINK_UP;
	node->link_since = now_of(node);
	node->link_retry = LINK_RETRY;
	mesh_trace(node->mesh, node->name, "link up");
	agent_link_up(node->agent, now_of(node));
}

/* Whatever the other side's link is like, nobody has to wait long for an appointment, or to
 * ask for one. */
static void check_message(struct node *node, const uint8_t *data, size_t size)
{
	struct reader reader = reader_over(data, size);
	uint8_t kind = message_kind_read(&reader);
	struct appointment appointment;
	struct refused refused;

	if (kind == MESSAGE_APPOINTMENT && appointment_read(&reader, &appointment) &&
	    appointment.delay_ms > DELAY_MOST)
		mesh_fail(node->mesh, "%s: an appointment in %u ms", node->name,
			  appointment.delay_ms);
	if (kind == MESSAGE_REFUSED && refused_read(&reader, &refused) &&
	    refused.retry_ms > RENDEZVOUS_PAIR_INTERVAL_MAX / USEC_PER_MSEC)
		mesh_fail(node->mesh, "%s: no appointment for %u ms", node->name, refused.retry_ms);
}

static void on_message(void *owner, const uint8_t *data, size_t size)
{
	struct node *node = owner;

	check_message(node, data, size);
	if (agent_receive_message(node->agent, now_of(node), data, size))
		return;
	mesh_fail(node->mesh, "%s: malformed message from the hub", node->name);
	drop_link(node);
}

static void on_closed(void *owner)
{
	drop_link(owner);
}

static void connect_link(struct node *node)
{
	const struct stream_events events = {node, on_open, on_message, on_closed, &node->stream};
	struct address local = prefix_address(&node->address);
	struct address remote = prefix_address(&node->mesh->hub_address);

	node->link_state = LINK_CONNECTING;
	node->link_retry_at = USEC_NEVER;
	node->stream = stream_new(node->device, &local, &remote, 0, &events);
}

/* ---- the hub as a WireGuard peer ---- */

static void use_endpoint(struct node *node, size_t index)
{
	node->hub_endpoint = index % array_size(node->mesh->hub_endpoints);
	wg_peer_set_endpoint(&node->hub_peer->wg, &node->mesh->hub_endpoints[node->hub_endpoint]);
	device_peer_start_handshake(node->hub_peer);
	device_peer_set_keepalive(node->hub_peer, KEEPALIVE);
}

/* No link for a while: another address. */
static void look_for_hub(struct node *node)
{
	node->hub_look = now_of(node) + HUB_ENDPOINT_PATIENCE;
	if (node->link_state == LINK_DOWN || node->link_state == LINK_CONNECTING)
		use_endpoint(node, node->hub_endpoint + 1);
}

static void start_hub(struct node *node)
{
	struct address address = prefix_address(&node->mesh->hub_address);
	struct prefix host = prefix_of_host(&address);
	bool has_ipv4 = false;

	for (size_t i = 0; i < host_interface_count(node->host); i++)
		has_ipv4 |= host_interface(node->host, i)->family == FAMILY_IPV4;
	node->hub_peer = device_peer_new(node->device, &node->mesh->hub_key, NULL);
	device_peer_allow(node->hub_peer, &host);
	agent_set_hub_endpoints(node->agent, node->mesh->hub_endpoints,
				array_size(node->mesh->hub_endpoints));
	node->hub_look = now_of(node) + HUB_ENDPOINT_PATIENCE;
	use_endpoint(node, has_ipv4 ? 0 : 1);
}

/* ---- the device's events ---- */

/* If the hub restarted, its answer is a reset, and we connect again. */
static void greet_hub(struct node *node)
{
	static const uint8_t alive[] = {MESSAGE_ALIVE};

	if (node->link_state == LINK_DOWN)
		node->link_retry_at = now_of(node);
	else if (node->link_state == LINK_UP)
		stream_send(node->stream, alive, sizeof(alive));
}

static void on_handshake(void *owner, struct device_peer *device)
{
	struct node *node = owner;

	if (device == node->hub_peer) {
		greet_hub(node);
		return;
	}
	agent_handshake_completed(node->agent, now_of(node), device->owner);
	if (device->wg.keepalive != KEEPALIVE)
		device_peer_set_keepalive(device, KEEPALIVE);
}

static void on_endpoint(void *owner, struct device_peer *device, const struct address *from,
			bool has_moved)
{
	struct node *node = owner;

	(void)has_moved;
	if (device != node->hub_peer)
		agent_endpoint_seen(node->agent, now_of(node), device->owner, from);
}

static void on_wanted(void *owner, struct device_peer *device)
{
	struct node *node = owner;

	if (device != node->hub_peer)
		agent_want(node->agent, now_of(node), device->owner);
}

static void receive_traffic(struct node *node, const struct agent_peer *peer,
			    const struct host *origin, const uint8_t *packet, size_t size)
{
	struct node *other = mesh_find(node->mesh, &peer->record.key);
	struct reader reader = reader_over(packet + INNER_HEADER_SIZE, size - INNER_HEADER_SIZE);
	struct node_traffic *traffic;
	usec_t sent;

	if (!other || origin != other->host) {
		mesh_fail(node->mesh, "%s: a packet of %s came by way of another host", node->name,
			  peer->record.name);
		return;
	}
	traffic = &node->traffic[other->index];
	if (!traffic->received++)
		traffic->first_received = now_of(node);
	traffic->last_received = now_of(node);
	read_u32(&reader);
	sent = read_u64(&reader);
	if (sent > traffic->last_sent_received)
		traffic->last_sent_received = sent;
}

static void on_packet(void *owner, struct device_peer *device, const struct host *origin,
		      const uint8_t *packet, size_t size)
{
	struct node *node = owner;
	struct stream_packet inner;

	if (device != node->hub_peer) {
		if (inner_protocol(packet) == NODE_TRAFFIC_PROTOCOL)
			receive_traffic(node, device->owner, origin, packet, size);
		return;
	}
	if (inner_protocol(packet) != STREAM_PROTOCOL || !stream_parse(packet, size, &inner))
		mesh_fail(node->mesh, "%s: the hub sent what is no control link", node->name);
	else if (node->stream && inner.id == stream_id(node->stream))
		stream_receive(node->stream, &inner);
}

static void on_control(void *owner, const struct address *from, uint8_t *data, size_t size)
{
	struct node *node = owner;

	agent_receive_datagram(node->agent, now_of(node), from, data, size);
}

static void on_datagram(void *owner, usec_t now, const struct network_datagram *datagram)
{
	struct node *node = owner;

	(void)now;
	if (!node->agent)
		return;
	node->wakes++;
	device_receive(node->device, datagram);
	arm(node);
}

/* ---- traffic ---- */

static void talk(struct node *node, usec_t now)
{
	struct address from = prefix_address(&node->address);

	node->next_talk = now + node->talk_interval;
	for (size_t i = 0; i < node->mesh->node_count; i++) {
		const struct node *other = node->mesh->nodes[i];
		struct address to = prefix_address(&other->address);
		uint8_t packet[TRAFFIC_SIZE];
		struct writer writer = writer_over(packet + INNER_HEADER_SIZE, 4 + 8);

		if (other == node)
			continue;
		inner_header_write(packet, sizeof(packet), NODE_TRAFFIC_PROTOCOL, &from, &to);
		write_u32(&writer, ++node->traffic[i].sent);
		write_u64(&writer, now);
		device_send(node->device, packet, sizeof(packet));
	}
}

void node_talk(struct node *node, usec_t interval)
{
	node->talk_interval = interval;
	/* Not all in step. */
	node->next_talk = interval ? now_of(node) + node->index * USEC_PER_MSEC : USEC_NEVER;
	if (node->agent)
		arm(node);
}

/* ---- malice ---- */

/* Itself too. */
static void request_everybody(struct node *node, usec_t now)
{
	node->next_request = now + USEC_PER_SEC / node->malice.requests_per_second;
	if (node->link_state != LINK_UP)
		return;
	for (size_t i = 0; i < node->mesh->node_count; i++) {
		uint8_t bytes[1 + KEY_SIZE];
		struct writer writer = writer_over(bytes, sizeof(bytes));

		connect_write(&writer, &node->mesh->nodes[i]->public_key);
		stream_send(node->stream, bytes, writer.position);
	}
}

static void send_late_pong(struct node *node)
{
	uint8_t bytes[16];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	node->late_pong_at = USEC_NEVER;
	stamp_write(&writer, MESSAGE_PONG, node->late_pong);
	if (node->link_state == LINK_UP)
		stream_send(node->stream, bytes, writer.position);
}

static void misbehave(struct node *node, usec_t now)
{
	if (node->malice.requests_per_second && now >= node->next_request)
		request_everybody(node, now);
	if (now >= node->late_pong_at)
		send_late_pong(node);
}

static usec_t malice_deadline(const struct node *node)
{
	return usec_earlier(node->malice.requests_per_second ? node->next_request : USEC_NEVER,
			    node->late_pong_at);
}

/* ---- time ---- */

static void on_time(void *owner, usec_t now)
{
	struct node *node = owner;

	if (!node->agent)
		return;
	node->wakes++;
	device_tick(node->device);
	device_settle(node->device);
	agent_tick(node->agent, now);
	if (node->stream)
		stream_tick(node->stream);
	if (node->link_state == LINK_DOWN && now >= node->link_retry_at)
		connect_link(node);
	if (now >= node->hub_look)
		look_for_hub(node);
	if (now >= node->next_talk)
		talk(node, now);
	misbehave(node, now);
	arm(node);
}

static void arm(struct node *node)
{
	usec_t deadline;

	device_settle(node->device);
	deadline = usec_earlier(agent_deadline(node->agent), device_deadline(node->device));
	if (node->stream)
		deadline = usec_earlier(deadline, stream_deadline(node->stream));
	if (node->link_state == LINK_DOWN)
		deadline = usec_earlier(deadline, node->link_retry_at);
	deadline = usec_earlier(deadline, usec_earlier(node->hub_look, node->next_talk));
	timer_set(&node->timer, usec_earlier(deadline, malice_deadline(node)));
}

/* ---- life ---- */

struct node *node_new(struct mesh *mesh)
{
	struct node *node = new (struct node);

	if (mesh->node_count == mesh->node_limit)
		abort();
	node->mesh = mesh;
	node->index = mesh->node_count;
	snprintf(node->name, sizeof(node->name), "n%zu", node->index);
	mesh_draw_key(mesh, &node->private_key, &node->public_key);
	node->address = mesh_address((unsigned)node->index + 2);
	node->address.bits = MESH_BITS;
	node->traffic = new_array(struct node_traffic, mesh->node_limit);
	node->host = host_new(mesh->network, NODE_PORT, on_datagram, node);
	timer_init(&node->timer, mesh->network, on_time, node);
	node->next_talk = USEC_NEVER;
	mesh->nodes[mesh->node_count++] = node;
	return node;
}

void node_free(struct node *node)
{
	if (node->agent)
		node_stop(node, true);
	free(node->saved_map);
	free(node->traffic);
	free(node);
}

usec_t node_wall(const struct node *node)
{
	return node->mesh->epoch + now_of(node) + (usec_t)node->wall_error;
}

static void read_interfaces(struct node *node)
{
	struct agent_interface_address addresses[NETWORK_INTERFACES_MAX + 1];
	size_t count = host_interface_count(node->host);

	for (size_t i = 0; i < count; i++)
		addresses[i] =
			(struct agent_interface_address){.prefix = *host_interface(node->host, i)};
	addresses[count] =
		(struct agent_interface_address){.prefix = node->address, .is_ours = true};
	agent_set_interfaces(node->agent, now_of(node), addresses, count + 1);
}

static void start_agent(struct node *node)
{
	struct agent_config config = {.private_key = node->private_key,
				      .hub = node->mesh->hub_key,
				      .has_site_secret = true,
				      .max_map_age = AGENT_MAP_AGE_DEFAULT,
				      .eager_peers = AGENT_EAGER_PEERS,
				      .listen_port = NODE_PORT,
				      .addresses = {node->address},
				      .address_count = 1,
				      .hub_addresses = {prefix_address(&node->mesh->hub_address)},
				      .hub_address_count = 1};
	struct agent_ops ops;

	memcpy(config.network_id, node->mesh->network_id, sizeof(config.network_id));
	memcpy(config.site_secret, node->mesh->site_secret, sizeof(config.site_secret));
	fill_ops(node, &ops);
	node->agent = new (struct agent);
	agent_init(node->agent, &config, &ops, node->mesh->aead, now_of(node));
	update_mask(node);
}

static void start_device(struct node *node)
{
	const struct device_options options = {.network = node->mesh->network,
					       .host = node->host,
					       .aead = node->mesh->aead,
					       .private_key = &node->private_key,
					       .wall = node_wall(node),
					       .mark = &node->mark,
					       .prefix_limit = node->mesh->node_limit + 1,
					       .events = {.owner = node,
							  .on_handshake = on_handshake,
							  .on_endpoint = on_endpoint,
							  .on_wanted = on_wanted,
							  .on_packet = on_packet,
							  .on_control = on_control}};

	node->device = device_new(&options);
}

static void load_map(struct node *node)
{
	usec_t wall = node_wall(node);

	if (!node->saved_size)
		return;
	/* The daemon reads it from a file of its own; here a copy serves. */
	if (!agent_load(node->agent, now_of(node), node->saved_map, node->saved_size,
			usec_since(wall, node->saved_wall)))
		mesh_fail(node->mesh, "%s: its own saved map was refused", node->name);
}

void node_start(struct node *node)
{
	mesh_trace(node->mesh, node->name, "start");
	host_forget_sent(node->host);
	node->started = now_of(node);
	node->was_removed = false;
	node->late_pong_at = USEC_NEVER;
	node->link_retry = LINK_RETRY;
	start_device(node);
	start_agent(node);
	read_interfaces(node);
	start_hub(node);
	connect_link(node);
	load_map(node);
	if (node->talk_interval)
		node->next_talk = now_of(node);
	arm(node);
}

void node_stop(struct node *node, bool is_killed)
{
	mesh_trace(node->mesh, node->name, is_killed ? "is killed" : "stop");
	if (!is_killed && agent_is_unsaved(node->agent))
		save(node);
	stream_free(take(node->stream));
	agent_done(node->agent);
	free(take(node->agent));
	device_free(take(node->device));
	node->hub_peer = NULL;
	node->link_state = LINK_DOWN;
}

bool node_is_running(const struct node *node)
{
	return node->agent;
}

void node_network_changed(struct node *node)
{
	if (!node->agent)
		return;
	read_interfaces(node);
	agent_check_paths(node->agent, now_of(node));
	device_peer_send_keepalive(node->hub_peer);
	if (node->link_state == LINK_DOWN) {
		node->link_retry = LINK_RETRY;
		node->link_retry_at = now_of(node);
	}
	arm(node);
}

struct agent_peer *node_peer(const struct node *node, const struct node *other)
{
	return node->agent ? agent_find(node->agent, &other->public_key) : NULL;
}

const struct address *node_path(const struct node *node, const struct node *other)
{
	const struct agent_peer *peer = node_peer(node, other);
	const struct path_candidate *present =
		peer && peer->has_device ? path_chosen(&peer->path) : NULL;

	return present ? &present->address : NULL;
}
