#include "scale.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "hub.h"
#include "node.h"

#define STEP         (5 * USEC_PER_MSEC)
#define JOIN_WITHIN  (10 * USEC_PER_SEC)
#define JOIN_MOST    (30 * USEC_PER_SEC)
#define CHANGE_MOST  USEC_PER_SEC
#define RESTART_MOST (60 * USEC_PER_SEC)
#define CALM         (30 * USEC_PER_SEC)
/* Bytes that a change may cost each node: a record with all its candidates, and the header. */
#define CHANGE_BYTES 1024
#define WAKES_MOST   60 /* of an idle node in a minute */
#define NEW_NAME     "renamed"

struct scale {
	struct mesh *mesh;
	struct network *network;
	struct scale_result *result;
	struct node *renamed, *removed;
	usec_t idle;
	usec_t linked_since; /* links that are older do not count */
};

typedef bool node_knows(const struct scale *scale, const struct node *node);

const char *scale_phase_name(enum scale_phase phase)
{
	static const char *const names[] = {
		[SCALE_JOIN] = "all join",         [SCALE_RENAME] = "one is renamed",
		[SCALE_REMOVE] = "one is removed", [SCALE_RESTART] = "the hub restarts",
		[SCALE_IDLE] = "nothing happens",
	};

	return names[phase];
}

static double processor_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t memory_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* ---- the place ---- */

static void attach(const struct scale *scale, struct host *host, const struct address *address)
{
	const struct network_link link = {.delay = SCALE_LINK_RTT / 4};
	struct prefix prefix = prefix_of_host(address);

	host_attach(host, network_internet(scale->network), &prefix, &link);
}

static void add_node(const struct scale *scale)
{
	struct node *node = node_new(scale->mesh);
	char text[ADDRESS_TEXT_SIZE];
	struct address address;

	snprintf(text, sizeof(text), "198.18.%zu.%zu", node->index / 250, node->index % 250 + 1);
	if (address_parse(text, 1, &address))
		abort();
	attach(scale, node->host, &address);
	hub_add(scale->mesh->hub, node);
}

static void set_up(struct scale *scale, size_t nodes)
{
	struct mesh *mesh = scale->mesh;

	if (address_parse("203.0.113.1:51820", 0, &mesh->hub_endpoints[0]) ||
	    address_parse("[2001:db8::1]:51820", 0, &mesh->hub_endpoints[1]))
		abort();
	mesh->hub = hub_new(mesh);
	attach(scale, mesh->hub->host, &mesh->hub_endpoints[0]);
	for (size_t i = 0; i < nodes; i++)
		add_node(scale);
	scale->renamed = mesh->nodes[nodes / 2];
	scale->removed = mesh->nodes[nodes / 3];
	hub_start(mesh->hub);
}

/* ---- who knows what ---- */

static bool knows_all(const struct scale *scale, const struct node *node)
{
	const struct agent *agent = node->agent;
	const struct agent_peer *peer;

	if (!agent->is_linked || agent->link_since < scale->linked_since || !agent->has_map ||
	    agent->map.revision != scale->mesh->hub->revision)
		return false;
	list_for_each (peer, &agent->peers, entry) {
		if (!peer->record.is_online || !peer->record.candidate_count)
			return false;
	}
	return true;
}

static bool knows_name(const struct scale *scale, const struct node *node)
{
	const struct agent_peer *peer = node_peer(node, scale->renamed);

	return !strcmp(peer ? peer->record.name : node->agent->self.name, NEW_NAME);
}

static bool knows_removal(const struct scale *scale, const struct node *node)
{
	return node == scale->removed ? node->was_removed : !node_peer(node, scale->removed);
}

/* Runs until all running nodes know: those that did once are not asked again. */
static void await(const struct scale *scale, node_knows *knows, usec_t most)
{
	struct mesh *mesh = scale->mesh;
	usec_t until = network_now(scale->network) + most;
	size_t known = 0;

	while (!mesh->failure[0]) {
		while (known < mesh->node_count &&
		       (!node_is_running(mesh->nodes[known]) || knows(scale, mesh->nodes[known])))
			known++;
		if (known == mesh->node_count)
			return;
		if (network_now(scale->network) >= until)
			mesh_fail(mesh, "%s does not know after %llu ms", mesh->nodes[known]->name,
				  (unsigned long long)(most / USEC_PER_MSEC));
		network_run(scale->network, network_now(scale->network) + STEP);
	}
}

/* ---- the phases ---- */

static struct scale_phase_result totals(const struct scale *scale)
{
	const struct mesh *mesh = scale->mesh;
	struct scale_phase_result totals = {.took = network_now(scale->network),
					    .processor_seconds = processor_seconds(),
					    .messages = mesh->hub->sent.messages,
					    .bytes = mesh->hub->sent.bytes,
					    .hub_datagrams = host_sent(mesh->hub->host)};

	for (size_t i = 0; i < mesh->node_count; i++) {
		totals.node_datagrams += host_sent(mesh->nodes[i]->host);
		totals.wakes += mesh->nodes[i]->wakes;
	}
	return totals;
}

static void join(struct scale *scale)
{
	struct mesh *mesh = scale->mesh;
	usec_t pause = JOIN_WITHIN / mesh->node_count;

	for (size_t i = 0; i < mesh->node_count; i++) {
		network_run(scale->network, network_now(scale->network) + pause);
		node_start(mesh->nodes[i]);
	}
	await(scale, knows_all, JOIN_MOST);
}

static void rename_one(struct scale *scale)
{
	hub_rename(scale->mesh->hub, scale->renamed, NEW_NAME);
	await(scale, knows_name, CHANGE_MOST);
}

static void remove_one(struct scale *scale)
{
	hub_remove(scale->mesh->hub, scale->removed);
	await(scale, knows_removal, CHANGE_MOST);
}

static void restart_hub(struct scale *scale)
{
	node_stop(scale->removed, true);
	hub_stop(scale->mesh->hub);
	network_run(scale->network, network_now(scale->network) + USEC_PER_SEC);
	scale->linked_since = network_now(scale->network);
	hub_start(scale->mesh->hub);
	await(scale, knows_all, RESTART_MOST);
}

static void stay_idle(struct scale *scale)
{
	network_run(scale->network, network_now(scale->network) + scale->idle);
}

static void measure(struct scale *scale, enum scale_phase phase, void (*run)(struct scale *scale))
{
	struct scale_phase_result before = totals(scale), after;

	if (scale->mesh->failure[0])
		return;
	run(scale);
	after = totals(scale);
	scale->result->phases[phase] = (struct scale_phase_result){
		.took = after.took - before.took,
		.processor_seconds = after.processor_seconds - before.processor_seconds,
		.messages = after.messages - before.messages,
		.bytes = after.bytes - before.bytes,
		.hub_datagrams = after.hub_datagrams - before.hub_datagrams,
		.node_datagrams = after.node_datagrams - before.node_datagrams,
		.wakes = after.wakes - before.wakes,
	};
}

static void calm_down(const struct scale *scale)
{
	network_run(scale->network, network_now(scale->network) + CALM);
}

/* ---- what must hold ---- */

static void check_change(const struct scale *scale, enum scale_phase phase)
{
	const struct scale_phase_result *result = &scale->result->phases[phase];

	if (result->bytes > CHANGE_BYTES * scale->result->nodes)
		mesh_fail(scale->mesh, "%s: the hub sent %llu bytes", scale_phase_name(phase),
			  (unsigned long long)result->bytes);
}

static void check_idle(const struct scale *scale)
{
	const struct scale_phase_result *result = &scale->result->phases[SCALE_IDLE];

	if (result->wakes > WAKES_MOST * scale->result->nodes * (scale->idle / USEC_PER_MINUTE))
		mesh_fail(scale->mesh, "idle nodes woke %llu times",
			  (unsigned long long)result->wakes);
}

static void run_phases(struct scale *scale)
{
	struct scale_result *result = scale->result;
	size_t memory = memory_in_use();

	measure(scale, SCALE_JOIN, join);
	result->phases[SCALE_JOIN].took -= JOIN_WITHIN / result->nodes * result->nodes;
	calm_down(scale);
	/* Sanitizers do not tell. */
	result->memory = memory ? memory_in_use() - memory : 0;
	measure(scale, SCALE_RENAME, rename_one);
	check_change(scale, SCALE_RENAME);
	calm_down(scale);
	measure(scale, SCALE_REMOVE, remove_one);
	check_change(scale, SCALE_REMOVE);
	calm_down(scale);
	measure(scale, SCALE_RESTART, restart_hub);
	calm_down(scale);
	measure(scale, SCALE_IDLE, stay_idle);
	check_idle(scale);
}

void scale_run(uint64_t seed, size_t nodes, usec_t idle, bool is_verbose,
	       struct scale_result *ret_result)
{
	struct mesh *mesh = mesh_new(seed, nodes, true, is_verbose);
	struct scale scale = {
		.mesh = mesh, .network = mesh->network, .result = ret_result, .idle = idle};

	*ret_result = (struct scale_result){.nodes = nodes,
					    .agent_size = sizeof(struct agent),
					    .peer_size = sizeof(struct agent_peer) +
							 sizeof(struct device_peer)};
	set_up(&scale, nodes);
	run_phases(&scale);
	text_copy(ret_result->failure, sizeof(ret_result->failure), mesh->failure);
	mesh_free(mesh);
}

static void print_phase(const struct scale_result *result, enum scale_phase phase)
{
	const struct scale_phase_result *one = &result->phases[phase];

	printf("  %-16s %9.3f s virtual %8.2f s cpu %8llu messages %10.0f KB (%9.0f B per node) "
	       "%8llu + %8llu datagrams %8llu wakes\n",
	       scale_phase_name(phase), (double)one->took / USEC_PER_SEC, one->processor_seconds,
	       (unsigned long long)one->messages, (double)one->bytes / 1e3,
	       (double)one->bytes / (double)result->nodes, (unsigned long long)one->hub_datagrams,
	       (unsigned long long)one->node_datagrams, (unsigned long long)one->wakes);
}

void scale_print(const struct scale_result *result)
{
	const struct scale_phase_result *idle_phase = &result->phases[SCALE_IDLE];
	double node_minutes = (double)result->nodes * (double)idle_phase->took / USEC_PER_MINUTE;

	printf("%zu nodes on one hub, round trips of %u ms; messages and bytes are the hub's, "
	       "datagrams the hub's and the nodes'\n",
	       result->nodes, (unsigned)(SCALE_LINK_RTT / USEC_PER_MSEC));
	for (enum scale_phase phase = 0; phase < SCALE_PHASES; phase++)
		print_phase(result, phase);
	printf("  an idle node wakes %.1f times and sends %.1f datagrams a minute\n",
	       (double)idle_phase->wakes / node_minutes,
	       (double)idle_phase->node_datagrams / node_minutes);
	printf("  memory of a node: %zu bytes, and %zu for each other one (%.0f KB in all; the "
	       "whole "
	       "simulation took %.0f MB for the join)\n",
	       result->agent_size, result->peer_size,
	       (double)(result->agent_size + (result->nodes - 1) * result->peer_size) / 1e3,
	       (double)result->memory / 1e6);
}
