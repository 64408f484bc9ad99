/* What a running hub has counted, for the operator: who is linked, and which limits were met
 * (docs/security.md). No secrets, and nothing that grows with strangers. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "device/report/report.h"
#include "hub/hub_private.h"

struct count {
	const char *name;
	uint64_t value;
};

static json_t *counts_json(const struct count *counts, size_t size)
{
	json_t *object = json_object();

	for (size_t i = 0; i < size; i++)
		json_object_set_new(object, counts[i].name,
				    json_integer((json_int_t)counts[i].value));
	return object;
}

static json_t *enrolment_json(const struct hub *hub)
{
	const struct count counts[] = {
		{"malformed", hub->enrol->counters.malformed},
		{"wrong_mac", hub->enrol->counters.wrong_mac},
		{"cookies", hub->enrol->counters.cookies},
		{"limited", hub->enrol->counters.limited},
		{"forged", hub->enrol->counters.forged},
		{"requests", hub->enrol->counters.requests},
	};

	return counts_json(counts, array_size(counts));
}

static json_t *rendezvous_json(const struct hub *hub)
{
	const struct rendezvous_counters *counters = &hub->rendezvous->counters;
	const struct count counts[] = {
		{"maps_sent", counters->maps_sent},
		{"changes_sent", counters->changes_sent},
		{"appointments", counters->appointments},
		{"refused_offline", counters->refused_offline},
		{"refused_too_soon", counters->refused_too_soon},
		{"refused_not_allowed", counters->refused_not_allowed},
		{"refused_off", counters->refused_off},
		{"malformed", counters->malformed},
		{"reports", counters->reports},
		{"reports_delayed", counters->reports_delayed},
		{"observations_delayed", counters->observations_delayed},
	};

	return counts_json(counts, array_size(counts));
}

/* One listener for each address of the hub. */
static json_t *links_json(const struct hub *hub)
{
	struct stream_listener_counters sum = {0};

	for (size_t i = 0; i < array_size(hub->listeners); i++) {
		const struct stream_listener_counters *one;

		if (!hub->listeners[i])
			continue;
		one = stream_listener_counters(hub->listeners[i]);
		sum.accepted += one->accepted;
		sum.refused_total += one->refused_total;
		sum.refused_source += one->refused_source;
		sum.refused_descriptors += one->refused_descriptors;
		sum.expired += one->expired;
		sum.pending += one->pending;
	}
	const struct count counts[] = {
		{"accepted", sum.accepted},
		{"refused_total", sum.refused_total},
		{"refused_source", sum.refused_source},
		{"refused_descriptors", sum.refused_descriptors},
		{"expired", sum.expired},
		{"without_proof", hub->links_refused},
		{"pending", sum.pending},
	};

	return counts_json(counts, array_size(counts));
}

static json_t *socket_json(const struct hub *hub)
{
	const struct ctl_counters *counters = ctl_server_counters(hub->ctl);
	const struct count counts[] = {
		{"requests", counters->requests},
		{"refused_clients", counters->refused_clients},
		{"expired", counters->expired},
		{"oversized", counters->oversized},
		{"slow_readers", counters->slow_readers},
	};

	return counts_json(counts, array_size(counts));
}

char *hub_status(const struct hub *hub)
{
	json_t *status = json_object(), *counters = report_counters(hub->builtin);
	char *text;

	json_object_set_new(status, "ok", json_true());
	json_object_set_new(status, "interface", json_string(hub->options->interface));
	json_object_set_new(status, "listen_port",
			    json_integer(port_number(builtin_port(hub->builtin))));
	json_object_set_new(status, "nodes", json_integer((json_int_t)hub->rendezvous->node_count));
	json_object_set_new(status, "linked",
			    json_integer((json_int_t)hub->rendezvous->linked_count));
	json_object_set_new(counters, "enrolment", enrolment_json(hub));
	json_object_set_new(counters, "rendezvous", rendezvous_json(hub));
	json_object_set_new(counters, "links", links_json(hub));
	json_object_set_new(counters, "control_socket", socket_json(hub));
	json_object_set_new(status, "counters", counters);
	text = json_dumps(status, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(status);
	return text ? text : memory_copy_text("{\"ok\":false,\"error\":\"out of memory\"}");
}

bool hub_is_status_request(const char *request)
{
	json_t *fields = json_loads(request, JSON_REJECT_DUPLICATES, NULL);
	const char *command = json_string_value(json_object_get(fields, "command"));
	bool is_status = command && !strcmp(command, "status");

	json_decref(fields);
	return is_status;
}
