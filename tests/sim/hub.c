#include "hub.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "hostile.h"
#include "node.h"

static void arm(struct hub *hub);

static usec_t now_of(const struct hub *hub)
{
	return network_now(hub->mesh->network);
}

static struct hub_node *member_of(struct rendezvous_node *node)
{
	return container_of(node, struct hub_node, node);
}

/* ---- the rendezvous' effects ---- */

static struct rendezvous_node *node_new_record(void *owner)
{
	struct hub_node *member = new (struct hub_node);

	member->hub = owner;
	return &member->node;
}

static void node_free_record(void *owner, struct rendezvous_node *node)
{
	struct hub_node *member = member_of(node);

	(void)owner;
	stream_free(member->stream);
	if (member->device)
		device_peer_free(member->device);
	free(member);
}

static void send_message(void *owner, struct rendezvous_node *node, const void *data, size_t size)
{
	struct hub *hub = owner;

	if (!member_of(node)->stream)
		return;
	hub->sent.messages++;
	hub->sent.bytes += size;
	stream_send(member_of(node)->stream, data, size);
}

static void drop_link(struct hub_node *member)
{
	struct hub *hub = member->hub;

	stream_free(take(member->stream));
	rendezvous_link_down(hub->rendezvous, now_of(hub), &member->node);
}

static void close_link(void *owner, struct rendezvous_node *node)
{
	(void)owner;
	drop_link(member_of(node));
}

static uint8_t *room(void *owner, size_t size)
{
	struct hub *hub = owner;

	hub->room = memory_resize(hub->room, size, 1);
	return hub->room;
}

static void note_appointment(struct hub *hub, const struct key *from, const char *to)
{
	size_t index = 0;

	while (index < hub->mesh->node_count && strcmp(hub->mesh->nodes[index]->name, to))
		index++;
	if (!hub_has_link(hub, hub->mesh->nodes[index]))
		mesh_fail(hub->mesh, "hub: an appointment with %s, which has no link", to);
	if (hub->appointment_count == hub->appointment_room) {
		hub->appointment_room = hub->appointment_room * 2 + 64;
		hub->appointments = memory_resize(hub->appointments, hub->appointment_room,
						  sizeof(*hub->appointments));
	}
	hub->appointments[hub->appointment_count++] =
		(struct hub_appointment){.when = now_of(hub),
					 .run = hub->run,
					 .from = mesh_find(hub->mesh, from)->index,
					 .to = index};
}

static void notice(void *owner, enum rendezvous_notice what, struct rendezvous_node *node,
		   const char *text)
{
	static const char *const names[] = {
		[RENDEZVOUS_ONLINE] = "online",       [RENDEZVOUS_OFFLINE] = "offline",
		[RENDEZVOUS_OBSERVED] = "observed",   [RENDEZVOUS_APPOINTMENT] = "appointment",
		[RENDEZVOUS_MALFORMED] = "malformed", [RENDEZVOUS_SILENT] = "silent",
	};
	struct hub *hub = owner;
	char address[ADDRESS_TEXT_SIZE];

	mesh_trace(hub->mesh, "hub", "%s peer=%s %s %s", names[what], node->record.name,
		   what == RENDEZVOUS_OBSERVED ? address_print(&node->observed, address) : "",
		   text);
	if (what == RENDEZVOUS_APPOINTMENT)
		note_appointment(hub, &node->record.key, text);
	if (what == RENDEZVOUS_MALFORMED)
		mesh_fail(hub->mesh, "hub: malformed message from %s", node->record.name);
}

/* ---- control links ---- */

static void on_open(void *owner)
{
	(void)owner;
}

static void on_message(void *owner, const uint8_t *data, size_t size)
{
	struct hub_node *member = owner;

	rendezvous_receive(member->hub->rendezvous, now_of(member->hub), &member->node, data, size);
}

static void on_closed(void *owner)
{
	drop_link(owner);
}

static void accept_stream(struct hub_node *member, const struct address *local,
			  const struct address *remote, uint64_t id)
{
	const struct stream_events events = {member, on_open, on_message, on_closed,
					     &member->stream};
	struct hub *hub = member->hub;

	/* A daemon that starts again replaces its old link. */
	if (member->stream)
		drop_link(member);
	member->stream = stream_new(hub->device, local, remote, id, &events);
	rendezvous_link_up(hub->rendezvous, now_of(hub), &member->node);
}

/* sender: whose tunnel it came through. */
static void receive_stream(struct hub *hub, struct hub_node *sender, const struct address *from,
			   const struct stream_packet *packet)
{
	struct address local = prefix_address(&hub->mesh->hub_address);
	struct rendezvous_node *node;

	if (sender->stream && stream_id(sender->stream) == packet->id) {
		stream_receive(sender->stream, packet);
		return;
	}
	node = rendezvous_find_address(hub->rendezvous, from);
	if (!node)
		return;
	if (packet->kind == STREAM_OPEN)
		accept_stream(member_of(node), &local, from, packet->id);
	else if (packet->kind != STREAM_RESET)
		stream_refuse(hub->device, &local, from, packet->id);
}

/* ---- the device's events ---- */

static void note_place(struct hub_member *member)
{
	for (size_t i = 0; i < member->place_count; i++) {
		if (address_is_same_ip(&member->places[i], &member->endpoint))
			return;
	}
	if (member->place_count < array_size(member->places))
		member->places[member->place_count++] = member->endpoint;
}

static void observe(struct hub_node *member)
{
	struct hub *hub = member->hub;
	const struct node *node = mesh_find(hub->mesh, &member->node.record.key);

	if (member->device->wg.endpoint.family == FAMILY_NONE)
		return;
	rendezvous_observe(hub->rendezvous, now_of(hub), &member->node,
			   &member->device->wg.endpoint);
	hub->members[node->index].endpoint = member->device->wg.endpoint;
	note_place(&hub->members[node->index]);
}

static void on_handshake(void *owner, struct device_peer *device)
{
	(void)owner;
	observe(device->owner);
}

static void on_endpoint(void *owner, struct device_peer *device, const struct address *from,
			bool has_moved)
{
	(void)owner;
	(void)from;
	if (has_moved)
		observe(device->owner);
}

static void on_packet(void *owner, struct device_peer *device, const struct host *origin,
		      const uint8_t *packet, size_t size)
{
	struct hub *hub = owner;
	struct address from = inner_source(packet);
	struct stream_packet inner;

	(void)origin;
	if (inner_protocol(packet) == STREAM_PROTOCOL && stream_parse(packet, size, &inner))
		receive_stream(hub, device->owner, &from, &inner);
	else
		hub->foreign_packets++;
}

static void on_datagram(void *owner, usec_t now, const struct network_datagram *datagram)
{
	struct hub *hub = owner;

	(void)now;
	if (!hub->rendezvous)
		return;
	device_receive(hub->device, datagram);
	arm(hub);
}

/* ---- time ---- */

static void tick_streams(struct hub *hub)
{
	struct rendezvous_node *node;

	list_for_each (node, &hub->rendezvous->nodes, entry) {
		if (member_of(node)->stream)
			stream_tick(member_of(node)->stream);
	}
}

static void on_time(void *owner, usec_t now)
{
	struct hub *hub = owner;

	if (!hub->rendezvous)
		return;
	device_tick(hub->device);
	device_settle(hub->device);
	tick_streams(hub);
	rendezvous_tick(hub->rendezvous, now);
	arm(hub);
}

static void arm(struct hub *hub)
{
	struct rendezvous_node *node;
	usec_t deadline;

	device_settle(hub->device);
	deadline = usec_earlier(rendezvous_deadline(hub->rendezvous), device_deadline(hub->device));
	list_for_each (node, &hub->rendezvous->nodes, entry) {
		if (member_of(node)->stream)
			deadline = usec_earlier(deadline, stream_deadline(member_of(node)->stream));
	}
	timer_set(&hub->timer, deadline);
}

/* ---- life ---- */

struct hub *hub_new(struct mesh *mesh)
{
	struct hub *hub = new (struct hub);

	hub->mesh = mesh;
	hub->members = new_array(struct hub_member, mesh->node_limit);
	hub->revision = 1;
	hub->host = host_new(mesh->network, MESH_HUB_PORT, on_datagram, hub);
	timer_init(&hub->timer, mesh->network, on_time, hub);
	return hub;
}

void hub_free(struct hub *hub)
{
	if (!hub)
		return;
	if (hub->rendezvous)
		hub_stop(hub);
	free(hub->room);
	free(hub->members);
	free(hub->appointments);
	free(hub);
}

static void enter_member(struct hub *hub, const struct node *node)
{
	struct address address = prefix_address(&node->address);
	struct map_node record = {.key = node->public_key,
				  .addresses = {prefix_of_host(&address)},
				  .address_count = 1};
	const struct address *endpoint = &hub->members[node->index].endpoint;
	struct rendezvous_node *entered;
	struct hub_node *member;

	text_copy(record.name, sizeof(record.name), node->name);
	if (rendezvous_add(hub->rendezvous, now_of(hub), hub->revision, &record, &entered))
		abort();
	member = member_of(entered);
	member->device = device_peer_new(hub->device, &node->public_key, member);
	device_peer_allow(member->device, &record.addresses[0]);
	if (endpoint->family == FAMILY_NONE)
		return;
	/* Where it was last: the hub greets it. */
	wg_peer_set_endpoint(&member->device->wg, endpoint);
	device_peer_start_handshake(member->device);
	rendezvous_observe(hub->rendezvous, now_of(hub), entered, endpoint);
}

static void start_rendezvous(struct hub *hub)
{
	struct rendezvous_config config = {.has_appointments = hub->mesh->has_appointments,
					   .limits =
						   hub->mesh->is_hostile ? &hostile_limits : NULL};
	const struct rendezvous_ops ops = {.owner = hub,
					   .node_new = node_new_record,
					   .node_free = node_free_record,
					   .send = send_message,
					   .close = close_link,
					   .room = room,
					   .notice = notice,
					   .random = network_random(hub->mesh->network)};
	struct map_header *header = &config.header;

	memcpy(header->network_id, hub->mesh->network_id, sizeof(header->network_id));
	memcpy(header->site_secret, hub->mesh->site_secret, sizeof(header->site_secret));
	header->incarnation = 1;
	header->revision = hub->revision;
	header->issued = 1;
	text_copy(header->hub_name, sizeof(header->hub_name), "hub");
	header->hub_addresses[0] = hub->mesh->hub_address;
	header->hub_address_count = 1;
	hub->rendezvous = new (struct rendezvous);
	rendezvous_init(hub->rendezvous, &config, &ops);
}

void hub_start(struct hub *hub)
{
	const struct device_options options = {.network = hub->mesh->network,
					       .host = hub->host,
					       .aead = hub->mesh->aead,
					       .private_key = &hub->mesh->hub_private,
					       .wall = hub->mesh->epoch + now_of(hub),
					       .mark = &hub->mark,
					       .prefix_limit = hub->mesh->node_limit,
					       .events = {.owner = hub,
							  .on_handshake = on_handshake,
							  .on_endpoint = on_endpoint,
							  .on_packet = on_packet}};

	mesh_trace(hub->mesh, "hub", "start");
	hub->run++;
	hub->device = device_new(&options);
	start_rendezvous(hub);
	for (size_t i = 0; i < hub->mesh->node_count; i++) {
		if (hub->members[i].is_member)
			enter_member(hub, hub->mesh->nodes[i]);
	}
	arm(hub);
}

void hub_stop(struct hub *hub)
{
	mesh_trace(hub->mesh, "hub", "stop");
	rendezvous_done(hub->rendezvous);
	free(take(hub->rendezvous));
	device_free(take(hub->device));
}

void hub_add(struct hub *hub, struct node *node)
{
	hub->revision++;
	hub->members[node->index] = (struct hub_member){.is_member = true};
	if (!hub->rendezvous)
		return;
	enter_member(hub, node);
	arm(hub);
}

void hub_rename(struct hub *hub, struct node *node, const char *name)
{
	struct rendezvous_node *entered = rendezvous_find(hub->rendezvous, &node->public_key);

	hub->revision++;
	rendezvous_rename(hub->rendezvous, now_of(hub), hub->revision, entered, name);
	arm(hub);
}

void hub_remove(struct hub *hub, struct node *node)
{
	struct rendezvous_node *entered;

	hub->revision++;
	hub->members[node->index].is_member = false;
	if (!hub->rendezvous)
		return;
	entered = rendezvous_find(hub->rendezvous, &node->public_key);
	rendezvous_remove(hub->rendezvous, now_of(hub), hub->revision, entered);
	arm(hub);
}

bool hub_has_link(const struct hub *hub, const struct node *node)
{
	struct rendezvous_node *entered =
		hub->rendezvous ? rendezvous_find(hub->rendezvous, &node->public_key) : NULL;

	return entered && entered->is_linked;
}
