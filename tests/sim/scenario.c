#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "checks.h"
#include "hostile.h"
#include "hub.h"
#include "oracle.h"
#include "topology.h"

#define NODES_LEAST   6
#define NODES_MOST    12
#define STEP          (500 * USEC_PER_MSEC)
#define STEP_FINE     (20 * USEC_PER_MSEC)
#define TALK_FAST     (250 * USEC_PER_MSEC)
#define TALK_RESTART  (50 * USEC_PER_MSEC)
#define TALK_SLOW     (2 * USEC_PER_SEC)
#define YEAR          (365 * USEC_PER_DAY)
/* The longest that pairs may take to come back, and those that could not meet before: the hub's
 * back-off is 2 min. */
#define START_MOST    (3500 * USEC_PER_MSEC)
/* From the start of the last one that restarts to traffic both ways; an initiation that crosses
 * another costs 5 s. */
#define RESTART_MOST  (8 * USEC_PER_SEC)
#define SETTLE_NEW    (150 * USEC_PER_SEC)
#define SETTLE_MOST   (60 * USEC_PER_SEC)
/* A moved mapping is free again after 30 s of silence, which the hub's back-off grants at the third
 * appointment. */
#define SETTLE_MOVING (4 * USEC_PER_MINUTE)

struct scenario {
	struct mesh *mesh;
	struct network *network;
	struct topology topology;
	const struct site *sites[MESH_NODES_MAX]; /* where each node is */
	struct scenario_result *result;
	usec_t started;
	struct pairs met; /* that had a path when all was well last */
};

enum scenario_kind scenario_kind_of(uint64_t seed)
{
	static const enum scenario_kind kinds[20] = {
		[4] = SCENARIO_NO_APPOINTMENTS, [6] = SCENARIO_RESTARTS, [12] = SCENARIO_RESTARTS,
		[9] = SCENARIO_HOSTILE,         [14] = SCENARIO_HOSTILE, [19] = SCENARIO_LONG,
	};

	return kinds[seed % 20];
}

const char *scenario_kind_name(enum scenario_kind kind)
{
	static const char *const names[] = {
		[SCENARIO_PLAIN] = "plain",
		[SCENARIO_LONG] = "long",
		[SCENARIO_HOSTILE] = "hostile",
		[SCENARIO_RESTARTS] = "restarts",
		[SCENARIO_NO_APPOINTMENTS] = "no-appointments",
	};

	return names[kind];
}

static uint32_t choose(struct scenario *scenario, uint32_t limit)
{
	return network_choose(scenario->network, limit);
}

static bool has_failed(const struct scenario *scenario)
{
	return scenario->mesh->failure[0];
}

static void run(struct scenario *scenario, usec_t duration)
{
	if (has_failed(scenario))
		return;
	network_run(scenario->network, network_now(scenario->network) + duration);
	checks_always(scenario->mesh);
}

static struct node *choose_node(struct scenario *scenario)
{
	return scenario->mesh->nodes[choose(scenario, (uint32_t)scenario->mesh->node_count)];
}

/* ---- the beginning ---- */

static enum site_kind choose_kind(struct scenario *scenario)
{
	static const enum site_kind kinds[] = {
		SITE_PUBLIC,
		SITE_PUBLIC,
		SITE_FULL_CONE,
		SITE_FULL_CONE,
		SITE_ADDRESS_RESTRICTED,
		SITE_ADDRESS_RESTRICTED,
		SITE_PORT_RESTRICTED,
		SITE_PORT_RESTRICTED,
		SITE_PORT_RESTRICTED,
		SITE_PORT_RESTRICTED,
		SITE_SYMMETRIC,
		SITE_SYMMETRIC,
		SITE_MOVING,
		SITE_CARRIER_HOME,
		SITE_CARRIER_HOME,
		SITE_CARRIER_HOME,
		SITE_CARRIER_PHONE,
		SITE_IPV6,
		SITE_DUAL,
		SITE_DUAL,
	};

	return kinds[choose(scenario, array_size(kinds))];
}

/* One in four joins a site that is there. */
static const struct site *choose_site(struct scenario *scenario)
{
	struct topology *topology = &scenario->topology;
	bool is_full = topology->site_count == SITES_MAX;

	if (topology->site_count && (is_full || choose(scenario, 4) == 0))
		return &topology->sites[choose(scenario, (uint32_t)topology->site_count)];
	return topology_add(topology, choose_kind(scenario));
}

static void place(struct scenario *scenario, struct node *node)
{
	const struct site *site = choose_site(scenario);

	scenario->sites[node->index] = site;
	topology_attach(&scenario->topology, node->host, site, (unsigned)node->index);
	mesh_trace(scenario->mesh, node->name, "place site=%u kind=%s", site->number,
		   topology_name(site->kind));
}

static void place_hub(struct scenario *scenario)
{
	struct mesh *mesh = scenario->mesh;
	usec_t far = choose(scenario, 20000);
	/* Mostly near, so that a newcomer may ask before the push that tells of it. */
	struct network_link link = {.delay = USEC_PER_MSEC + far * far / 20000};
	struct prefix prefix;

	if (address_parse("198.51.100.1:51820", 0, &mesh->hub_endpoints[0]) ||
	    address_parse("[2001:db8::1]:51820", 0, &mesh->hub_endpoints[1]))
		abort();
	mesh->hub = hub_new(mesh);
	for (size_t i = 0; i < array_size(mesh->hub_endpoints); i++) {
		prefix = prefix_of_host(&mesh->hub_endpoints[i]);
		host_attach(mesh->hub->host, network_internet(mesh->network), &prefix, &link);
	}
}

/* Two machines with a cable between them: a second path, faster or much slower than the first. */
static void lay_cables(struct scenario *scenario)
{
	static const usec_t delays[] = {5, 60, 300};
	struct mesh *mesh = scenario->mesh;

	for (size_t i = 0; i + 1 < mesh->node_count; i += 2) {
		if (choose(scenario, 3))
			continue;
		topology_cable(&scenario->topology, mesh->nodes[i]->host, mesh->nodes[i + 1]->host,
			       delays[choose(scenario, 3)] * USEC_PER_MSEC / 2);
	}
}

static void set_up(struct scenario *scenario)
{
	struct mesh *mesh = scenario->mesh;
	uint32_t count = NODES_LEAST + choose(scenario, NODES_MOST - NODES_LEAST + 1);

	topology_init(&scenario->topology, scenario->network);
	/* A lost initiation is sent again after 5 s, whoever restarted. */
	if (scenario->result->kind == SCENARIO_RESTARTS)
		scenario->topology.loss_permille = 0;
	place_hub(scenario);
	for (uint32_t i = 0; i < count; i++) {
		struct node *node = node_new(mesh);

		place(scenario, node);
		hub_add(mesh->hub, node);
	}
	lay_cables(scenario);
	if (scenario->result->kind == SCENARIO_HOSTILE)
		hostile_prepare(mesh, &scenario->topology);
	hub_start(mesh->hub);
}

static void start_all(struct scenario *scenario)
{
	for (size_t i = 0; i < scenario->mesh->node_count; i++) {
		run(scenario, choose(scenario, 800000));
		node_start(scenario->mesh->nodes[i]);
		node_talk(scenario->mesh->nodes[i], TALK_FAST);
	}
}

/* ---- waiting until all is well, and staying so ---- */

static void talk_all(struct scenario *scenario, usec_t interval)
{
	for (size_t i = 0; i < scenario->mesh->node_count; i++)
		node_talk(scenario->mesh->nodes[i], interval);
}

static bool is_any_moving(const struct scenario *scenario)
{
	for (size_t i = 0; i < scenario->topology.site_count; i++) {
		if (scenario->topology.sites[i].kind == SITE_MOVING)
			return true;
	}
	return false;
}

static void note_settled(struct scenario *scenario, const char *what, usec_t took)
{
	struct scenario_result *result = scenario->result;

	mesh_trace(scenario->mesh, "scenario", "settled after %s in %llu ms", what,
		   (unsigned long long)(took / USEC_PER_MSEC));
	if (took <= result->worst_settle)
		return;
	result->worst_settle = took;
	snprintf(result->worst_what, sizeof(result->worst_what), "%s", what);
}

/* only: of these pairs; NULL = all. */
static void settle_within(struct scenario *scenario, const char *what, const struct pairs *only,
			  enum oracle_verdict least, usec_t most)
{
	usec_t since = network_now(scenario->network), took;
	const char *missing;
	char text[128];

	talk_all(scenario, TALK_FAST);
	do {
		run(scenario, STEP);
		missing = checks_missing(scenario->mesh, only, least, since, text, sizeof(text));
		took = network_now(scenario->network) - since;
	} while (missing && took < most && !has_failed(scenario));
	if (missing)
		mesh_fail(scenario->mesh, "%llu s after %s: %s",
			  (unsigned long long)(took / USEC_PER_SEC), what, missing);
	note_settled(scenario, what, took);
	checks_get_met(scenario->mesh, &scenario->met);
	talk_all(scenario, TALK_SLOW);
}

/* Who had a path has one again soon; who can have one now gets one, if there is a hub. */
static void settle(struct scenario *scenario, const char *what)
{
	settle_within(scenario, what, &scenario->met, ORACLE_ALWAYS, SETTLE_MOST);
	if (scenario->mesh->hub->rendezvous && !has_failed(scenario))
		settle_within(scenario, "newly possible", NULL, ORACLE_ALWAYS, SETTLE_NEW);
}

/* Nobody has sent anything yet. */
static void settle_at_first(struct scenario *scenario)
{
	char slowest[64] = "";

	settle_within(scenario, "the start", NULL, ORACLE_ALWAYS, SETTLE_MOST);
	if (!scenario->topology.loss_permille && !scenario->mesh->is_hostile)
		scenario->result->worst_connect =
			checks_slowest_start(scenario->mesh, slowest, sizeof(slowest));
	if (scenario->result->worst_connect > START_MOST)
		mesh_fail(scenario->mesh, "%s took %llu ms from their links to each other", slowest,
			  (unsigned long long)(scenario->result->worst_connect / USEC_PER_MSEC));
	if (is_any_moving(scenario) && !has_failed(scenario))
		settle_within(scenario, "the start with a NAT that moves mappings", NULL,
			      ORACLE_AT_FIRST, SETTLE_MOVING);
}

static void stay_calm(struct scenario *scenario, usec_t duration)
{
	struct calm calm;

	/* What settled last may still move to a better path. */
	run(scenario, 5 * USEC_PER_SEC);
	calm_begin(scenario->mesh, &calm);
	run(scenario, duration);
	if (has_failed(scenario))
		return;
	calm_end(scenario->mesh, &calm, scenario->topology.loss_permille);
	/* Only then a pair has certainly looked for something better since. */
	if (duration >= 2 * USEC_PER_MINUTE && !scenario->topology.loss_permille)
		checks_best_paths(scenario->mesh, scenario->topology.jitter);
}

/* ---- what happens ---- */

static void restart_node(struct scenario *scenario, struct node *node)
{
	node_stop(node, choose(scenario, 2));
	run(scenario, choose(scenario, 3000000));
	node_start(node);
	node_talk(node, TALK_FAST);
}

static void event_node_restart(struct scenario *scenario)
{
	restart_node(scenario, choose_node(scenario));
	settle(scenario, "a node's restart");
}

static void event_clock(struct scenario *scenario)
{
	struct node *node = choose_node(scenario);
	bool is_ahead = choose(scenario, 2);

	node->wall_error = is_ahead ? (int64_t)(100 * YEAR) : -(int64_t)(50 * YEAR);
	mesh_trace(scenario->mesh, node->name, "clock %s", is_ahead ? "+100 y" : "-50 y");
	restart_node(scenario, node);
	settle(scenario, "a clock's jump");
	/* And back. */
	node->wall_error = 0;
	restart_node(scenario, node);
	settle(scenario, "a clock's return");
}

static void event_hub_restart(struct scenario *scenario)
{
	hub_stop(scenario->mesh->hub);
	run(scenario, choose(scenario, 4000000));
	hub_start(scenario->mesh->hub);
	settle(scenario, "the hub's restart");
}

/* Links live on, and a node that starts meanwhile finds its peers by the saved map. */
static void event_hub_outage(struct scenario *scenario)
{
	hub_stop(scenario->mesh->hub);
	settle(scenario, "the hub's end");
	stay_calm(scenario, 10 * USEC_PER_SEC);
	if (has_failed(scenario))
		return;
	restart_node(scenario, choose_node(scenario));
	settle(scenario, "a node's restart without a hub");
	if (has_failed(scenario))
		return;
	hub_start(scenario->mesh->hub);
	settle(scenario, "the hub's return");
}

static void event_roam(struct scenario *scenario)
{
	struct node *node = choose_node(scenario);

	host_detach(node->host);
	/* No network at all for a moment. */
	run(scenario, choose(scenario, 2000000));
	place(scenario, node);
	node_network_changed(node);
	settle(scenario, "a node's roaming");
}

static void event_rebind(struct scenario *scenario)
{
	const struct site *site = scenario->sites[choose_node(scenario)->index];

	if (!site->ipv4 || zone_nat(site->ipv4)->mapping == NAT_NONE)
		return;
	mesh_trace(scenario->mesh, "scenario", "site %u rebinds", site->number);
	zone_rebind(site->ipv4);
	settle(scenario, "a NAT's rebinding");
}

static void event_loss_burst(struct scenario *scenario)
{
	struct node *node = choose_node(scenario);
	unsigned loss = choose(scenario, 2) ? 1000 : 300;

	mesh_trace(scenario->mesh, node->name, "loses %u permille", loss);
	host_set_loss(node->host, loss);
	run(scenario, 2 * USEC_PER_SEC + choose(scenario, 20000000));
	host_set_loss(node->host, 0);
	settle(scenario, "a burst of loss");
}

static void event_offline(struct scenario *scenario)
{
	struct node *node = choose_node(scenario);

	mesh_trace(scenario->mesh, node->name, "goes dark");
	host_set_up(node->host, false);
	settle(scenario, "a machine's going dark");
	run(scenario, choose(scenario, 60000000));
	host_set_up(node->host, true);
	mesh_trace(scenario->mesh, node->name, "is back");
	settle(scenario, "a machine's return");
}

static void event_stop(struct scenario *scenario)
{
	struct node *node = choose_node(scenario);

	node_stop(node, choose(scenario, 2));
	settle(scenario, "a node's end");
	run(scenario, choose(scenario, 60000000));
	node_start(node);
	settle(scenario, "a node's return");
}

/* Its key is known, but it is no member until it starts: it asks for everybody as the others hear
 * of it. */
static void join_again(struct scenario *scenario, struct node *node)
{
	if (has_failed(scenario))
		return;
	mesh_trace(scenario->mesh, node->name, "joins");
	node_stop(node, false);
	hub_add(scenario->mesh->hub, node);
	node_start(node);
	settle(scenario, "a node's joining");
}

/* Only once in a run. */
static void event_remove(struct scenario *scenario)
{
	struct node *node = choose_node(scenario);
	/* A lost message comes again after 200 ms, then 400. */
	usec_t patience = scenario->topology.loss_permille ? 4 * USEC_PER_SEC : USEC_PER_SEC;

	mesh_trace(scenario->mesh, node->name, "is removed");
	hub_remove(scenario->mesh->hub, node);
	run(scenario, patience);
	checks_removed(scenario->mesh, node);
	settle(scenario, "a node's removal");
	join_again(scenario, node);
}

static void happen(struct scenario *scenario, unsigned count)
{
	static void (*const events[])(struct scenario * scenario) = {
		event_node_restart, event_clock,      event_hub_restart, event_hub_outage,
		event_roam,         event_roam,       event_rebind,      event_rebind,
		event_loss_burst,   event_loss_burst, event_offline,     event_stop,
	};

	for (unsigned i = 0; i < count && !has_failed(scenario); i++)
		events[choose(scenario, array_size(events))](scenario);
}

/* ---- the kinds ---- */

static void run_plain(struct scenario *scenario)
{
	start_all(scenario);
	settle_at_first(scenario);
	stay_calm(scenario, 20 * USEC_PER_SEC);
	if (!scenario->topology.loss_permille && !has_failed(scenario))
		checks_best_paths(scenario->mesh, scenario->topology.jitter);
	happen(scenario, 3);
	stay_calm(scenario, 20 * USEC_PER_SEC);
	if (!has_failed(scenario) && choose(scenario, 3) == 0)
		event_remove(scenario);
}

static void run_long(struct scenario *scenario)
{
	start_all(scenario);
	settle_at_first(scenario);
	for (int i = 0; i < 4 && !has_failed(scenario); i++) {
		stay_calm(scenario, 4 * USEC_PER_MINUTE);
		happen(scenario, 2);
	}
	/* A new boot id each hour. */
	talk_all(scenario, 0);
	run(scenario, 65 * USEC_PER_MINUTE);
	settle(scenario, "an idle hour");
	stay_calm(scenario, 4 * USEC_PER_MINUTE);
}

static void run_no_appointments(struct scenario *scenario)
{
	struct mesh *mesh = scenario->mesh;

	start_all(scenario);
	run(scenario, 40 * USEC_PER_SEC);
	for (size_t i = 0; i < mesh->node_count; i++) {
		for (size_t j = 0; j < mesh->node_count; j++) {
			const struct node *a = mesh->nodes[i], *b = mesh->nodes[j];

			if (a != b && node_path(a, b) &&
			    oracle_needs_appointment(mesh->network, a->host, b->host))
				mesh_fail(mesh, "%s: connected to %s without an appointment",
					  a->name, b->name);
		}
	}
}

/* Killed or stopped, and away for a moment, for seconds, or long enough to be missed. */
static usec_t choose_absence(struct scenario *scenario)
{
	static const uint32_t most[] = {200000, 3000000, 20000000};

	return choose(scenario, most[choose(scenario, array_size(most))]);
}

static void end_node(struct scenario *scenario, struct node *node)
{
	if (node_is_running(node))
		node_stop(node, choose(scenario, 4) != 0);
}

static void await_again(struct scenario *scenario, const char *what, usec_t most)
{
	struct pairs met = scenario->met;
	usec_t since = network_now(scenario->network), took = 0;
	const char *missing = "";
	char text[128];

	talk_all(scenario, TALK_RESTART);
	while (missing && took < most && !has_failed(scenario)) {
		run(scenario, STEP_FINE);
		missing = checks_missing(scenario->mesh, &met, ORACLE_ALWAYS, since, text,
					 sizeof(text));
		took = network_now(scenario->network) - since;
	}
	if (missing)
		mesh_fail(scenario->mesh, "%llu ms after %s: %s",
			  (unsigned long long)(took / USEC_PER_MSEC), what, missing);
	note_settled(scenario, what, took);
	talk_all(scenario, TALK_SLOW);
}

static void restart_many(struct scenario *scenario, uint32_t count)
{
	struct mesh *mesh = scenario->mesh;
	uint32_t first = choose(scenario, (uint32_t)mesh->node_count);

	for (uint32_t i = 0; i < count; i++) {
		end_node(scenario, mesh->nodes[(first + i) % mesh->node_count]);
		run(scenario, choose(scenario, 2) ? 0 : choose_absence(scenario) / 4);
	}
	for (uint32_t i = 0; i < count; i++) {
		run(scenario, choose_absence(scenario));
		node_start(mesh->nodes[(first + i) % mesh->node_count]);
	}
}

static void restart_twice(struct scenario *scenario)
{
	struct node *node = choose_node(scenario);

	end_node(scenario, node);
	run(scenario, choose(scenario, 1000000));
	node_start(node);
	run(scenario, choose(scenario, 9000000));
	end_node(scenario, node);
	run(scenario, choose(scenario, 1000000));
	node_start(node);
}

static void run_restarts(struct scenario *scenario)
{
	start_all(scenario);
	settle_at_first(scenario);
	run(scenario, choose(scenario, 20000000));
	if (!has_failed(scenario))
		hub_stop(scenario->mesh->hub);
	for (int i = 0; i < 6 && !has_failed(scenario); i++) {
		restart_many(scenario, 2);
		await_again(scenario, "two restarts without a hub", RESTART_MOST);
		run(scenario, choose_absence(scenario));
	}
	if (has_failed(scenario))
		return;
	restart_many(scenario, (uint32_t)scenario->mesh->node_count);
	await_again(scenario, "all restarts without a hub", RESTART_MOST);
	if (has_failed(scenario))
		return;
	hub_start(scenario->mesh->hub);
	settle(scenario, "the hub's return");
	for (int i = 0; i < 6 && !has_failed(scenario); i++) {
		restart_twice(scenario);
		await_again(scenario, "a second restart", RESTART_MOST);
		/* The hub grants a pair so many appointments in a minute. */
		run(scenario, 20 * USEC_PER_SEC);
	}
}

static void note_figures(struct scenario *scenario)
{
	struct mesh *mesh = scenario->mesh;
	struct scenario_result *result = scenario->result;
	unsigned appointed;

	memcpy(result->failure, mesh->failure, sizeof(result->failure));
	result->virtual_time = network_now(scenario->network) - scenario->started;
	result->network_events = network_event_count(scenario->network);
	result->nodes = (unsigned)mesh->node_count;
	checks_count(mesh, &result->pairs, &appointed);
	result->connected = appointed;
	for (size_t i = 0; i < mesh->node_count; i++) {
		if (mesh->nodes[i]->agent)
			result->probes += mesh->nodes[i]->agent->counters.probes_sent;
	}
}

void scenario_run(const struct scenario_options *options, struct scenario_result *ret_result)
{
	enum scenario_kind kind = scenario_kind_of(options->seed);
	struct mesh *mesh = mesh_new(options->seed, MESH_NODES_MAX,
				     kind != SCENARIO_NO_APPOINTMENTS, options->is_verbose);
	struct scenario scenario = {.mesh = mesh, .network = mesh->network, .result = ret_result};

	*ret_result = (struct scenario_result){.kind = kind};
	scenario.started = network_now(mesh->network);
	set_up(&scenario);
	switch (kind) {
	case SCENARIO_PLAIN:
	case SCENARIO_HOSTILE:
		run_plain(&scenario);
		break;
	case SCENARIO_RESTARTS:
		run_restarts(&scenario);
		break;
	case SCENARIO_LONG:
		run_long(&scenario);
		break;
	case SCENARIO_NO_APPOINTMENTS:
		run_no_appointments(&scenario);
		break;
	}
	checks_budget(mesh);
	hostile_check(mesh);
	note_figures(&scenario);
	mesh_free(mesh);
}
