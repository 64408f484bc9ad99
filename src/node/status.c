/* What `wayleave status` shows, as JSON (the form is stable; more keys may follow). */
#include <stdio.h>

#include "base/memory.h"
#include "device/report/report.h"
#include "node/node_private.h"
#include "port/port.h"
#include "proto/path/path.h"

static json_t *address_list(const struct prefix *addresses, size_t count)
{
	json_t *list = json_array();
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(prefix_print(&addresses[i], text)));
	return list;
}

static json_t *own_addresses(const struct node *node)
{
	struct prefix hosts[CONF_ADDRESSES_MAX];

	for (size_t i = 0; i < node->config->address_count; i++) {
		struct address address = prefix_address(&node->config->addresses[i]);

		hosts[i] = prefix_of_host(&address);
	}
	return address_list(hosts, node->config->address_count);
}

static json_t *key_json(const struct key *key)
{
	char text[KEY_TEXT_SIZE];

	key_print(key, text);
	return json_string(text);
}

static double seconds(usec_t duration)
{
	usec_t tenths = duration / (USEC_PER_SEC / 10);

	return (double)tenths / 10.0;
}

static double milliseconds(usec_t duration)
{
	usec_t hundredths = duration / 10;

	return (double)hundredths / 100.0;
}

static json_t *age_json(usec_t now, usec_t then)
{
	return then ? json_real(seconds(usec_since(now, then))) : json_null();
}

json_t *node_path_json(const struct agent_peer *peer, usec_t now, unsigned mtu)
{
	const struct path_candidate *present = peer->has_device ? path_chosen(&peer->path) : NULL;
	json_t *path = json_object();
	char text[ADDRESS_TEXT_SIZE];

	json_object_set_new(path, "rung", json_string(agent_rung_name(agent_rung(peer))));
	json_object_set_new(path, "carrier", present ? json_string("udp") : json_null());
	json_object_set_new(path, "via", json_array());
	json_object_set_new(path, "endpoint",
			    present ? json_string(address_print(&present->address, text))
				    : json_null());
	json_object_set_new(path, "mtu", present ? json_integer(mtu) : json_null());
	json_object_set_new(path, "rtt_ms",
			    present ? json_real(milliseconds(present->rtt)) : json_null());
	json_object_set_new(path, "loss_percent",
			    present ? json_real(peer->path.loss_permille / 10.0) : json_null());
	json_object_set_new(path, "since_s",
			    present ? json_real(seconds(usec_since(now, peer->path.since)))
				    : json_null());
	json_object_set_new(path, "reason", json_string(agent_reason_name(peer->reason)));
	return path;
}

static json_t *peer_json(const struct node *node, const struct agent_peer *peer)
{
	struct builtin_peer_statistics statistics = {0};
	usec_t now = loop_now(node->loop);
	json_t *object = json_object();

	if (peer->has_device)
		builtin_peer_get_statistics(peer->owner, &statistics);
	json_object_set_new(object, "name", json_string(peer->record.name));
	json_object_set_new(object, "public_key", key_json(&peer->record.key));
	json_object_set_new(object, "addresses",
			    address_list(peer->record.addresses, peer->record.address_count));
	json_object_set_new(object, "online", json_boolean(peer->record.is_online));
	json_object_set_new(object, "path", node_path_json(peer, now, node->config->mtu));
	json_object_set_new(object, "last_handshake_s", age_json(now, statistics.last_handshake));
	json_object_set_new(object, "rx_bytes", json_integer((json_int_t)statistics.rx_bytes));
	json_object_set_new(object, "tx_bytes", json_integer((json_int_t)statistics.tx_bytes));
	return object;
}

static json_t *hub_json(const struct node *node)
{
	struct builtin_peer_statistics statistics;
	const struct agent *agent = node->agent;
	usec_t now = loop_now(node->loop);
	struct prefix hosts[CONF_ADDRESSES_MAX];
	json_t *hub = json_object();
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < node->config->hub_address_count; i++)
		hosts[i] = prefix_of_host(&node->config->hub_addresses[i]);
	builtin_peer_get_statistics(node->hub.peer, &statistics);
	json_object_set_new(hub, "name",
			    agent->has_map ? json_string(agent->map.hub_name) : json_null());
	json_object_set_new(hub, "public_key", key_json(&node->config->hub_key));
	json_object_set_new(hub, "addresses", address_list(hosts, node->config->hub_address_count));
	json_object_set_new(hub, "connected", json_boolean(node->link.state == LINK_UP));
	json_object_set_new(hub, "carrier", json_string("udp"));
	json_object_set_new(hub, "endpoint",
			    statistics.endpoint.family
				    ? json_string(address_print(&statistics.endpoint, text))
				    : json_null());
	json_object_set_new(hub, "rtt_ms",
			    node->link.rtt ? json_real(milliseconds(node->link.rtt)) : json_null());
	json_object_set_new(hub, "since_s", json_real(seconds(usec_since(now, node->link.since))));
	json_object_set_new(hub, "last_handshake_s", age_json(now, statistics.last_handshake));
	json_object_set_new(hub, "waits_for",
			    node->link.state == LINK_UP ? json_null()
							: json_string(node_waits_for(node)));
	return hub;
}

struct count {
	const char *name;
	uint64_t value;
};

static void add_counts(json_t *object, const struct count *counts, size_t size)
{
	for (size_t i = 0; i < size; i++)
		json_object_set_new(object, counts[i].name,
				    json_integer((json_int_t)counts[i].value));
}

static void add_drops(json_t *drops, const struct agent_counters *agent)
{
	const struct count counts[] = {
		{"control-stale", agent->stale},
		{"candidates-refused", agent->candidates_refused},
		{"control-unasked", agent->answers_unasked},
		{"probes-withheld", agent->probes_withheld},
		{"messages-malformed", agent->messages_malformed},
		{"appointments-unknown", agent->appointments_unknown},
		{"maps-refused", agent->maps_refused},
		{"records-skipped", agent->records_skipped},
	};
	char name[80];

	for (int i = PAIR_OK + 1; i < PAIR_RESULT_COUNT; i++) {
		snprintf(name, sizeof(name), "control-%s", pair_result_name(i));
		json_object_set_new(drops, name, json_integer((json_int_t)agent->datagrams[i]));
	}
	add_counts(drops, counts, array_size(counts));
}

static json_t *counters_json(const struct node *node)
{
	const struct agent_counters *agent = &node->agent->counters;
	const struct count control[] = {
		{"probes_sent", agent->probes_sent},
		{"answers_sent", agent->answers_sent},
		{"appointments", agent->appointments},
	};
	json_t *counters = report_counters(node->builtin);

	add_drops(json_object_get(counters, "drops"), agent);
	json_object_set_new(counters, "control", json_object());
	add_counts(json_object_get(counters, "control"), control, array_size(control));
	return counters;
}

/* Until no peer is used any more, should no hub confirm the map; null = never. */
static json_t *map_expires_json(const struct agent *agent, usec_t now)
{
	usec_t maximum = agent->config.max_map_age;

	if (!agent->has_map || !maximum)
		return json_null();
	return json_real(seconds(usec_since(maximum, agent_map_age(agent, now))));
}

json_t *node_status(const struct node *node)
{
	const struct agent *agent = node->agent;
	const struct agent_peer *peer;
	json_t *status = json_object(), *peers = json_array();
	usec_t now = loop_now(node->loop);

	json_object_set_new(status, "interface", json_string(node->interface_name));
	json_object_set_new(status, "name",
			    agent->self.name[0] ? json_string(agent->self.name) : json_null());
	json_object_set_new(status, "public_key", key_json(&agent->identity.public_key));
	json_object_set_new(status, "addresses", own_addresses(node));
	json_object_set_new(status, "device", json_string("builtin"));
	json_object_set_new(status, "listen_port",
			    json_integer(port_number(builtin_port(node->builtin))));
	json_object_set_new(status, "map_age_s",
			    agent->has_map ? json_real(seconds(agent_map_age(agent, now)))
					   : json_null());
	json_object_set_new(status, "map_state",
			    json_string(agent_map_state_name(agent_map_state(agent, now))));
	json_object_set_new(status, "map_expires_s", map_expires_json(agent, now));
	json_object_set_new(status, "map_revision", json_integer((json_int_t)agent->map.revision));
	json_object_set_new(status, "hub", hub_json(node));
	list_for_each (peer, &agent->peers, entry) {
		if (peer->is_member)
			json_array_append_new(peers, peer_json(node, peer));
	}
	json_object_set_new(status, "peers", peers);
	json_object_set_new(status, "counters", counters_json(node));
	return status;
}
