/* The agent's decisions on the device, and the device's events to the agent. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "node/node_private.h"
#include "proto/mask/mask.h"
#include "sys/state/files.h"

static struct agent_peer *peer_new(void *owner)
{
	(void)owner;
	return secret_new(sizeof(struct agent_peer));
}

static void peer_free(void *owner, struct agent_peer *peer)
{
	(void)owner;
	secret_free(peer, sizeof(*peer));
}

static int allow_addresses(struct builtin_peer *device, const struct map_node *record)
{
	int error = 0;

	for (size_t i = 0; i < record->address_count && !error; i++)
		error = builtin_peer_allow(device, &record->addresses[i]);
	return error;
}

static int peer_add(void *owner, struct agent_peer *peer)
{
	struct node *node = owner;
	struct builtin_peer *device;
	int error = builtin_peer_add(node->builtin, &peer->record.key, &device);

	if (error)
		return error;
	error = allow_addresses(device, &peer->record);
	if (error) {
		builtin_peer_remove(device);
		return error;
	}
	builtin_peer_set_may_roam(device, false);
	builtin_peer_set_owner(device, peer);
	peer->owner = device;
	return 0;
}

static void peer_remove(void *owner, struct agent_peer *peer)
{
	(void)owner;
	builtin_peer_remove(peer->owner);
	peer->owner = NULL;
}

/* Only what differs is written. */
static void peer_change(void *owner, struct agent_peer *peer)
{
	struct node *node = owner;
	struct prefix present;
	bool is_same = true;
	size_t count = 0;

	while (builtin_peer_allowed(peer->owner, count, &present)) {
		bool is_kept = false;

		for (size_t i = 0; i < peer->record.address_count; i++)
			is_kept |= prefix_is_equal(&present, &peer->record.addresses[i]);
		is_same &= is_kept;
		count++;
	}
	if (is_same && count == peer->record.address_count)
		return;
	builtin_peer_disallow_all(peer->owner);
	if (allow_addresses(peer->owner, &peer->record))
		log_error("peer-addresses interface=%s peer=%s error=no-memory",
			  node->interface_name, peer->record.name);
}

static void set_endpoint(void *owner, struct agent_peer *peer, const struct address *endpoint)
{
	struct builtin_peer_statistics statistics;

	(void)owner;
	builtin_peer_get_statistics(peer->owner, &statistics);
	if (!address_is_equal(&statistics.endpoint, endpoint))
		builtin_peer_set_endpoint(peer->owner, endpoint);
}

static void start_handshake(void *owner, struct agent_peer *peer)
{
	(void)owner;
	builtin_peer_start_handshake(peer->owner);
}

static void get_traffic(void *owner, const struct agent_peer *peer,
			struct agent_traffic *ret_traffic)
{
	struct builtin_peer_statistics statistics;

	(void)owner;
	builtin_peer_get_statistics(peer->owner, &statistics);
	*ret_traffic = (struct agent_traffic){.last_data = statistics.last_data,
					      .last_received = statistics.last_received,
					      .last_handshake = statistics.last_handshake,
					      .has_session = statistics.has_session};
}

static void send_datagram(void *owner, const struct address *to, const void *data, size_t size)
{
	struct node *node = owner;

	port_send(builtin_port(node->builtin), to, data, size);
}

static void send_message(void *owner, const void *data, size_t size)
{
	node_link_send(owner, data, size);
}

static bool is_routed_through_us(void *owner, const struct address *address)
{
	struct node *node = owner;
	struct netlink_route route;

	return !netlink_find_route(node->netlink, address, node->config->fwmark, &route) &&
	       route.interface_index == node->interface.index;
}

void node_save_map(struct node *node)
{
	size_t size = agent_save_size(node->agent);
	uint8_t *bytes = memory_new(size);
	int error;

	size = agent_save(node->agent, loop_now(node->loop), bytes, size);
	error = size ? state_write_file(node->map_path, bytes, size, 0600) : 0;
	if (error) {
		auto_free char *text = state_describe("write", node->map_path, error);

		log_error("map-not-saved interface=%s error=\"%s\"", node->interface_name, text);
		agent_save_again(node->agent, loop_now(node->loop) + MAP_SAVE_RETRY);
	}
	secret_wipe(bytes, size);
	free(bytes);
}

static void save(void *owner)
{
	node_save_map(owner);
}

static void ping_answer(void *owner, struct agent_peer *peer, const struct address *from,
			usec_t rtt)
{
	node_ping_answered(owner, peer, from, rtt);
}

static void notice(void *owner, enum agent_notice what, struct agent_peer *peer, const char *text)
{
	struct node *node = owner;
	const char *name = peer ? peer->record.name : "";
	const char *interface = node->interface_name;

	switch (what) {
	case NOTICE_MAP:
		log_debug("map interface=%s revision=%llu members=%zu", interface,
			  (unsigned long long)node->agent->map.revision, node->agent->member_count);
		node_update_mask(node);
		node_ready(node);
		break;
	case NOTICE_MAP_REFUSED:
		log_warn("map-refused interface=%s reason=\"%s\"", interface, text);
		break;
	case NOTICE_RECORD_SKIPPED:
		log_warn("record-skipped interface=%s %s", interface, text);
		break;
	case NOTICE_KEY_CHANGED:
		log_error("key-changed interface=%s peer=%s remedy=\"wayleave trust %s\" "
			  "reason=\"%s\"",
			  interface, name, name, text);
		break;
	case NOTICE_NEW_INCARNATION:
		log_warn("hub-database-replaced interface=%s", interface);
		break;
	case NOTICE_PEER_JOINED:
		log_info("peer-joined interface=%s peer=%s", interface, name);
		break;
	case NOTICE_PEER_LEFT:
		log_info("peer-left interface=%s peer=%s", interface, name);
		break;
	case NOTICE_PATH:
		log_info("path interface=%s peer=%s endpoint=%s", interface, name, text);
		break;
	case NOTICE_PATH_LOST:
		log_warn("path-lost interface=%s peer=%s reason=\"%s\"", interface, name, text);
		break;
	case NOTICE_MAP_OLD:
		log_warn("map-old interface=%s reason=\"no hub confirmed it for 7 days: removed "
			 "nodes may still be in it\"",
			 interface);
		break;
	case NOTICE_MAP_EXPIRED:
		log_error("map-expired interface=%s remedy=\"bring the hub back, or raise "
			  "MaxMapAge\"",
			  interface);
		break;
	case NOTICE_REMOVED:
		log_error("removed interface=%s reason=\"the hub's operator removed this node\"",
			  interface);
		break;
	}
}

void node_agent_ops(struct node *node, struct agent_ops *ret_ops)
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
		.random = &random_system,
	};
}

static void on_handshake(void *owner, struct builtin_peer *device)
{
	struct node *node = owner;
	struct agent_peer *peer = builtin_peer_owner(device);

	if (device == node->hub.peer) {
		node_hub_handshake(node);
		return;
	}
	if (!peer)
		return;
	agent_handshake_completed(node->agent, loop_now(node->loop), peer);
	/* Only now: before, the keepalive would start a handshake of its own against the peer's. */
	if (builtin_peer_keepalive(device) != node->config->keepalive)
		builtin_peer_set_keepalive(device, node->config->keepalive);
	node_rearm(node);
}

static void on_endpoint(void *owner, struct builtin_peer *device, const struct address *from,
			bool has_moved)
{
	struct node *node = owner;
	struct agent_peer *peer = builtin_peer_owner(device);

	(void)has_moved;
	if (device == node->hub.peer || !peer)
		return;
	agent_endpoint_seen(node->agent, loop_now(node->loop), peer, from);
	node_rearm(node);
}

static void on_wanted(void *owner, struct builtin_peer *device)
{
	struct node *node = owner;
	struct agent_peer *peer = builtin_peer_owner(device);

	if (device == node->hub.peer || !peer)
		return;
	agent_want(node->agent, loop_now(node->loop), peer);
	node_rearm(node);
}

static void on_gone(void *owner)
{
	struct node *node = owner;

	log_error("interface-gone interface=%s reason=\"somebody deleted it\"",
		  node->interface_name);
	node->exit_code = 1;
	loop_stop(node->loop);
}

static const struct builtin_events device_events = {
	.on_handshake = on_handshake,
	.on_endpoint = on_endpoint,
	.on_wanted = on_wanted,
	.on_gone = on_gone,
};

const struct builtin_events *node_device_events(struct node *node)
{
	static struct builtin_events events;

	events = device_events;
	events.owner = node;
	return &events;
}

void node_read_interfaces(struct node *node)
{
	struct agent_interface_address addresses[AGENT_INTERFACE_ADDRESSES_MAX];
	struct netlink_address *found = NULL;
	size_t found_count = 0, count = 0;

	if (netlink_list_addresses(node->netlink, &found, &found_count)) {
		log_warn("addresses interface=%s error=\"%s\"", node->interface_name,
			 netlink_failure(node->netlink));
		return;
	}
	for (size_t i = 0; i < found_count && count < array_size(addresses); i++) {
		if (found[i].is_loopback || !found[i].is_up || found[i].is_temporary)
			continue;
		addresses[count++] = (struct agent_interface_address){
			.prefix = found[i].address,
			.is_ours = found[i].interface_index == node->interface.index};
	}
	free(found);
	agent_set_interfaces(node->agent, loop_now(node->loop), addresses, count);
	node_rearm(node);
}

void node_update_mask(struct node *node)
{
	struct mask_key key;

	agent_get_mask_key(node->agent, &key);
	port_set_mask(builtin_port(node->builtin), &key);
	secret_wipe(&key, sizeof(key));
}

void node_rearm(struct node *node)
{
	loop_timer_set(node->loop, &node->tick_timer, agent_deadline(node->agent));
}
