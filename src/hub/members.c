/* Members: what the registry says, on the device and in the rendezvous. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "hub/hub_private.h"

static void to_record(const struct store_node *stored, struct map_node *record)
{
	*record = (struct map_node){.key = stored->key, .admitted = (uint64_t)stored->created};
	text_copy(record->name, sizeof(record->name), stored->name);
	for (size_t i = 0; i < stored->address_count && i < NODE_ADDRESSES_MAX; i++) {
		struct address address = prefix_address(&stored->addresses[i]);

		record->addresses[record->address_count++] = prefix_of_host(&address);
	}
}

static int add_device(struct hub *hub, struct hub_node *node)
{
	int error = builtin_peer_add(hub->builtin, &node->node.record.key, &node->device);

	if (error)
		return error;
	builtin_peer_set_owner(node->device, node);
	for (size_t i = 0; i < node->node.record.address_count && !error; i++)
		error = builtin_peer_allow(node->device, &node->node.record.addresses[i]);
	return error;
}

int members_add(struct hub *hub, const struct store_node *stored)
{
	struct rendezvous_node *node;
	struct map_node record;
	struct hub_node *member;
	int error;

	to_record(stored, &record);
	error = rendezvous_add(hub->rendezvous, loop_now(hub->loop), store_revision(hub->store),
			       &record, &node);
	if (error)
		return error;
	member = container_of(node, struct hub_node, node);
	error = add_device(hub, member);
	if (error) {
		rendezvous_remove(hub->rendezvous, loop_now(hub->loop), store_revision(hub->store),
				  node);
		return error;
	}
	/* Where it was last: the hub can greet it at once, and others may know after our restart.
	 */
	if (stored->endpoint.family != FAMILY_NONE) {
		builtin_peer_set_endpoint(member->device, &stored->endpoint);
		builtin_peer_start_handshake(member->device);
		rendezvous_observe(hub->rendezvous, loop_now(hub->loop), node, &stored->endpoint);
	}
	hub_rearm(hub);
	return 0;
}

struct loading {
	struct hub *hub;
	size_t skipped;
};

static void on_node(void *owner, const struct store_node *stored)
{
	struct loading *loading = owner;
	int error = members_add(loading->hub, stored);

	if (!error)
		return;
	loading->skipped++;
	log_error("member-skipped name=%s error=\"%s\"", stored->name, strerror(-error));
}

static void on_malformed(void *owner, const char *text)
{
	struct loading *loading = owner;

	loading->skipped++;
	log_error("record-skipped %s", text);
}

int members_load(struct hub *hub)
{
	struct loading loading = {.hub = hub};
	struct store_visitor visitor = {on_node, on_malformed, &loading};
	enum store_result result = store_load(hub->store, &visitor);

	if (result != STORE_OK) {
		log_error("registry error=\"%s\"", store_problem(hub->store));
		return -EIO;
	}
	log_info("members count=%zu skipped=%zu", hub->rendezvous->node_count, loading.skipped);
	return 0;
}

void members_remove(struct hub *hub, const struct key *key)
{
	struct rendezvous_node *node = rendezvous_find(hub->rendezvous, key);

	if (!node)
		return;
	log_info("member-removed peer=%s", node->record.name);
	rendezvous_remove(hub->rendezvous, loop_now(hub->loop), store_revision(hub->store), node);
	hub_rearm(hub);
}

void members_rename(struct hub *hub, const struct key *key, const char *name)
{
	struct rendezvous_node *node = rendezvous_find(hub->rendezvous, key);

	if (!node)
		return;
	log_info("member-renamed peer=%s name=%s", node->record.name, name);
	rendezvous_rename(hub->rendezvous, loop_now(hub->loop), store_revision(hub->store), node,
			  name);
	hub_rearm(hub);
}

void members_observe(struct hub *hub, struct builtin_peer *device)
{
	struct hub_node *member = builtin_peer_owner(device);
	struct builtin_peer_statistics statistics;

	if (!member)
		return;
	builtin_peer_get_statistics(device, &statistics);
	if (statistics.endpoint.family == FAMILY_NONE)
		return;
	rendezvous_observe(hub->rendezvous, loop_now(hub->loop), &member->node,
			   &statistics.endpoint);
	/* One that the rendezvous lets wait is kept with the next handshake. */
	if (address_is_equal(&member->node.observed, &statistics.endpoint) &&
	    store_observe(hub->store, &member->node.record.key, &statistics.endpoint, time(NULL)) !=
		    STORE_OK)
		log_warn("endpoint-not-kept peer=%s error=\"%s\"", member->node.record.name,
			 store_problem(hub->store));
	hub_rearm(hub);
}
