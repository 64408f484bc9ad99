#include "checks.h"

#include <stdio.h>

#include "hub.h"
#include "proto/path/budget.h"

/* Heartbeats of one every 3 s, a round a minute over up to 8 addresses, and rounds of pairs that
 * never connect. */
#define PROBES_PER_PEER_AND_SECOND 1.0
#define PROBES_AT_ONCE             60 /* a round may fall into a short calm */

static bool is_up(const struct node *node)
{
	return node_is_running(node) && host_is_up(node->host) &&
	       node->mesh->hub->members[node->index].is_member;
}

static struct oracle_side side_of(const struct mesh *mesh, const struct node *node)
{
	return (struct oracle_side){.host = node->host,
				    .seen_family = mesh->hub->members[node->index].endpoint.family};
}

static enum oracle_verdict verdict(struct mesh *mesh, const struct node *a, const struct node *b)
{
	return oracle_can_connect(mesh->network, side_of(mesh, a), side_of(mesh, b));
}

bool checks_are_active(const struct node *a, const struct node *b)
{
	return a != b && is_up(a) && is_up(b) && !a->malice.lie_count && !b->malice.lie_count;
}

static const char *missing_between(const struct node *node, const struct node *other, usec_t since)
{
	const struct node_traffic *traffic = &node->traffic[other->index];

	if (!node_path(node, other))
		return "no path to";
	return traffic->last_sent_received < since ? "no traffic from" : NULL;
}

void checks_get_met(struct mesh *mesh, struct pairs *ret_pairs)
{
	for (size_t i = 0; i < mesh->node_count; i++) {
		for (size_t j = 0; j < mesh->node_count; j++)
			ret_pairs->has[i][j] = node_path(mesh->nodes[i], mesh->nodes[j]) &&
					       node_path(mesh->nodes[j], mesh->nodes[i]);
	}
}

const char *checks_missing(struct mesh *mesh, const struct pairs *only, enum oracle_verdict least,
			   usec_t since, char *text, size_t size)
{
	for (size_t i = 0; i < mesh->node_count; i++) {
		for (size_t j = 0; j < mesh->node_count; j++) {
			const struct node *a = mesh->nodes[i], *b = mesh->nodes[j];
			const char *what;

			if ((only && !only->has[i][j]) || !checks_are_active(a, b) ||
			    verdict(mesh, a, b) < least)
				continue;
			what = missing_between(a, b, since);
			if (!what)
				continue;
			snprintf(text, size, "%s: %s %s", a->name, what, b->name);
			return text;
		}
	}
	return NULL;
}

static usec_t start_time(const struct node *a, const struct node *b)
{
	usec_t linked = a->link_since > b->link_since ? a->link_since : b->link_since;
	usec_t one_way = a->traffic[b->index].first_received;
	usec_t other_way = b->traffic[a->index].first_received;

	return usec_since(one_way > other_way ? one_way : other_way, linked);
}

usec_t checks_slowest_start(struct mesh *mesh, char *slowest, size_t size)
{
	usec_t most = 0;

	for (size_t i = 0; i < mesh->node_count; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct node *a = mesh->nodes[i], *b = mesh->nodes[j];

			if (verdict(mesh, a, b) < ORACLE_ALWAYS || start_time(a, b) <= most)
				continue;
			most = start_time(a, b);
			snprintf(slowest, size, "%s and %s", b->name, a->name);
		}
	}
	return most;
}

void checks_count(struct mesh *mesh, unsigned *ret_pairs, unsigned *ret_appointed)
{
	*ret_pairs = *ret_appointed = 0;
	for (size_t i = 0; i < mesh->node_count; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct node *a = mesh->nodes[i], *b = mesh->nodes[j];

			if (verdict(mesh, a, b) < ORACLE_ALWAYS)
				continue;
			++*ret_pairs;
			*ret_appointed += oracle_needs_appointment(mesh->network, a->host, b->host);
		}
	}
}

/* ---- calm ---- */

void calm_begin(struct mesh *mesh, struct calm *ret_calm)
{
	*ret_calm = (struct calm){.since = network_now(mesh->network)};
	checks_get_met(mesh, &ret_calm->met);
	for (size_t i = 0; i < mesh->node_count; i++) {
		const struct node *node = mesh->nodes[i];

		ret_calm->probes[i] = node->agent ? node->agent->counters.probes_sent : 0;
		for (size_t j = 0; j < mesh->node_count; j++) {
			ret_calm->path_changes[i][j] = node->traffic[j].path_changes;
			ret_calm->sent[i][j] = node->traffic[j].sent;
			ret_calm->received[i][j] = node->traffic[j].received;
		}
	}
}

static void check_pair_calm(struct mesh *mesh, const struct calm *calm, const struct node *node,
			    const struct node *other, bool has_loss)
{
	usec_t length = network_now(mesh->network) - calm->since;
	unsigned most = 2 + (has_loss ? (unsigned)(length / (8 * USEC_PER_SEC)) : 0);
	unsigned changes = node->traffic[other->index].path_changes -
			   calm->path_changes[node->index][other->index];
	uint32_t sent = other->traffic[node->index].sent - calm->sent[other->index][node->index];
	uint32_t received =
		node->traffic[other->index].received - calm->received[node->index][other->index];

	if (changes > most)
		mesh_fail(mesh, "%s: the path to %s changed %u times in %llu calm seconds",
			  node->name, other->name, changes,
			  (unsigned long long)(length / USEC_PER_SEC));
	/* Under way at both ends of the calm: the links are shorter than two packets' distance. */
	if (!has_loss && received + 2 < sent && calm->met.has[node->index][other->index])
		mesh_fail(mesh, "%s: of %u packets of %s only %u came, and no link loses any",
			  node->name, sent, other->name, received);
}

void calm_end(struct mesh *mesh, const struct calm *calm, bool has_loss)
{
	usec_t length = network_now(mesh->network) - calm->since;
	double seconds = (double)length / USEC_PER_SEC;

	for (size_t i = 0; i < mesh->node_count; i++) {
		const struct node *node = mesh->nodes[i];
		double most = PROBES_AT_ONCE +
			      PROBES_PER_PEER_AND_SECOND * seconds * (double)(mesh->node_count - 1);
		uint64_t probes;

		if (!node->agent)
			continue;
		probes = node->agent->counters.probes_sent - calm->probes[i];
		if ((double)probes > most)
			mesh_fail(mesh, "%s: %llu probes in %.0f calm seconds", node->name,
				  (unsigned long long)probes, seconds);
		for (size_t j = 0; j < mesh->node_count; j++) {
			if (checks_are_active(node, mesh->nodes[j]))
				check_pair_calm(mesh, calm, node, mesh->nodes[j], has_loss);
		}
	}
}

/* A LAN address may be slower by a fifth and 10 ms, 5 ms are noise, and so is what varies; each way
 * crosses at most six links with jitter. */
static usec_t tolerable_rtt(usec_t best, usec_t jitter)
{
	return 2 * best * 5 / 4 + 15 * USEC_PER_MSEC + 12 * jitter;
}

void checks_best_paths(struct mesh *mesh, usec_t jitter)
{
	for (size_t i = 0; i < mesh->node_count; i++) {
		for (size_t j = 0; j < mesh->node_count; j++) {
			const struct node *a = mesh->nodes[i], *b = mesh->nodes[j];
			const struct agent_peer *peer = node_peer(a, b);
			usec_t best, rtt;

			if (!checks_are_active(a, b) || !node_path(a, b))
				continue;
			best = oracle_best_delay(mesh->network, side_of(mesh, a), side_of(mesh, b));
			rtt = path_chosen(&peer->path)->rtt_smooth;
			if (best != USEC_NEVER && rtt > tolerable_rtt(best, jitter))
				mesh_fail(mesh, "%s: %s is %llu us away, its path takes %llu us",
					  a->name, b->name, (unsigned long long)(2 * best),
					  (unsigned long long)rtt);
		}
	}
}

/* ---- at all times ---- */

static bool is_hub_endpoint(const struct mesh *mesh, const struct address *address)
{
	return address_is_equal(&mesh->hub_endpoints[0], address) ||
	       address_is_equal(&mesh->hub_endpoints[1], address);
}

void checks_budget(struct mesh *mesh)
{
	for (size_t i = 0; i < mesh->node_count; i++) {
		const struct node *node = mesh->nodes[i];
		const struct contact *contact;

		for (size_t j = 0; (contact = host_contact(node->host, j)); j++) {
			char text[ADDRESS_TEXT_SIZE];

			if (is_hub_endpoint(mesh, &contact->address) ||
			    contact->peak <= PATH_BUDGET)
				continue;
			mesh_fail(mesh, "%s: %u packets within 30 s to %s, which never answered",
				  node->name, contact->peak,
				  address_print(&contact->address, text));
		}
	}
}

static void check_peer(struct node *node, const struct agent_peer *peer)
{
	bool is_connected = peer->reason == REASON_CONNECTED;

	if (peer->has_device != !!peer->owner)
		mesh_fail(node->mesh, "%s: %s is half in the device", node->name,
			  peer->record.name);
	if (peer->has_device && is_connected != (peer->path.state == PATH_DIRECT))
		mesh_fail(node->mesh, "%s: the path to %s is %s, the reason %s", node->name,
			  peer->record.name, path_state_name(peer->path.state),
			  agent_reason_name(peer->reason));
}

static void check_node(struct node *node)
{
	const struct agent *agent = node->agent;
	const struct agent_peer *peer;
	size_t count = 0, devices = 0;

	list_for_each (peer, &agent->peers, entry) {
		check_peer(node, peer);
		count++;
		devices += peer->has_device;
	}
	if (count != agent->member_count || count >= node->mesh->node_count)
		mesh_fail(node->mesh, "%s: %zu peers, %zu members", node->name, count,
			  agent->member_count);
	if (devices + 1 != node->device->wg->peer_count)
		mesh_fail(node->mesh, "%s: %zu peers with a device, %zu in the device", node->name,
			  devices + 1, node->device->wg->peer_count);
	if (agent->counters.appointments_unknown)
		mesh_fail(node->mesh, "%s: an appointment with somebody unknown", node->name);
	if (agent->counters.messages_malformed || agent->counters.datagrams[PAIR_MALFORMED])
		mesh_fail(node->mesh, "%s: something malformed came", node->name);
}

void checks_always(struct mesh *mesh)
{
	for (size_t i = 0; i < mesh->node_count; i++) {
		if (mesh->nodes[i]->agent)
			check_node(mesh->nodes[i]);
	}
	if (mesh->hub->foreign_packets)
		mesh_fail(mesh, "hub: %llu inner packets that are not the hub's",
			  (unsigned long long)mesh->hub->foreign_packets);
	if (mesh->hub->rendezvous && mesh->hub->device->unmasked_failures)
		mesh_fail(mesh, "hub: %llu probes came to it",
			  (unsigned long long)mesh->hub->device->unmasked_failures);
}

void checks_removed(struct mesh *mesh, const struct node *gone)
{
	for (size_t i = 0; i < mesh->node_count; i++) {
		const struct node *node = mesh->nodes[i];

		if (node == gone || !node->agent || node->link_state != LINK_UP)
			continue;
		if (wg_peer_find(node->device->wg, &gone->public_key))
			mesh_fail(mesh, "%s: %s was removed and is still in the device", node->name,
				  gone->name);
	}
}
