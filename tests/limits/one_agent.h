/* One node's agent and everything around it, recorded instead of done: what a hub may make it do.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "crypto/x25519.h"
#include "proto/agent/agent.h"
#include "proto/wire/wireguard.h"
#include "seeded.h"

#define START (1000 * USEC_PER_SEC)

struct one_agent {
	struct agent agent;
	struct seeded seeded;
	struct agent_config config;
	struct agent_ops ops;
	struct aead *aead;
	struct key hub_private, hub;
	usec_t now;
	uint64_t revision;
	/* What it did. */
	size_t devices, datagrams, saves, notices[NOTICE_REMOVED + 1];
	struct address sent_to;
	bool routes_through_us; /* the answer to every such question */
};

static inline struct agent_peer *one_peer_new(void *owner)
{
	(void)owner;
	return new (struct agent_peer);
}

static inline void one_peer_free(void *owner, struct agent_peer *peer)
{
	(void)owner;
	free(peer);
}

static inline int one_peer_add(void *owner, struct agent_peer *peer)
{
	((struct one_agent *)owner)->devices++;
	(void)peer;
	return 0;
}

static inline void one_peer_remove(void *owner, struct agent_peer *peer)
{
	((struct one_agent *)owner)->devices--;
	(void)peer;
}

static inline void one_ignore_peer(void *owner, struct agent_peer *peer)
{
	(void)owner, (void)peer;
}

static inline void one_set_endpoint(void *owner, struct agent_peer *peer,
				    const struct address *endpoint)
{
	(void)owner, (void)peer, (void)endpoint;
}

static inline void one_get_traffic(void *owner, const struct agent_peer *peer,
				   struct agent_traffic *ret_traffic)
{
	(void)owner, (void)peer;
	*ret_traffic = (struct agent_traffic){0};
}

static inline void one_send_datagram(void *owner, const struct address *to, const void *data,
				     size_t size)
{
	struct one_agent *one = owner;

	(void)data, (void)size;
	one->datagrams++;
	one->sent_to = *to;
}

static inline void one_send_message(void *owner, const void *data, size_t size)
{
	(void)owner, (void)data, (void)size;
}

static inline bool one_is_routed_through_us(void *owner, const struct address *address)
{
	(void)address;
	return ((struct one_agent *)owner)->routes_through_us;
}

static inline void one_save(void *owner)
{
	((struct one_agent *)owner)->saves++;
}

static inline void one_ping_answer(void *owner, struct agent_peer *peer, const struct address *from,
				   usec_t rtt)
{
	(void)owner, (void)peer, (void)from, (void)rtt;
}

static inline void one_notice(void *owner, enum agent_notice notice, struct agent_peer *peer,
			      const char *text)
{
	(void)peer, (void)text;
	((struct one_agent *)owner)->notices[notice]++;
}

static inline void one_key(struct one_agent *one, struct key *ret_private, struct key *ret_public)
{
	seeded_fill(&one->seeded, ret_private, KEY_SIZE);
	x25519_clamp(ret_private);
	x25519_public(ret_private, ret_public);
}

static inline void one_start(struct one_agent *one)
{
	struct agent_interface_address interface = {0};

	if (prefix_parse("192.168.1.5/24", &interface.prefix))
		abort();
	agent_init(&one->agent, &one->config, &one->ops, one->aead, one->now);
	agent_set_interfaces(&one->agent, one->now, &interface, 1);
}

/* The node is 10.0.0.1 of 10.0.0.0/16, its hub 10.0.255.254; it stands on 192.168.1.5/24 and
 * listens at port 51820. */
static inline struct one_agent *one_agent_new(const char *test)
{
	struct one_agent *one = new (struct one_agent);
	const struct agent_ops ops = {
		.owner = one,
		.peer_new = one_peer_new,
		.peer_free = one_peer_free,
		.peer_add = one_peer_add,
		.peer_remove = one_peer_remove,
		.peer_change = one_ignore_peer,
		.set_endpoint = one_set_endpoint,
		.start_handshake = one_ignore_peer,
		.get_traffic = one_get_traffic,
		.send_datagram = one_send_datagram,
		.send_message = one_send_message,
		.is_routed_through_us = one_is_routed_through_us,
		.save = one_save,
		.ping_answer = one_ping_answer,
		.notice = one_notice,
		.random = &one->seeded.source,
	};
	struct agent_config config = {.address_count = 1,
				      .hub_address_count = 1,
				      .listen_port = 51820,
				      .max_map_age = AGENT_MAP_AGE_DEFAULT,
				      .eager_peers = AGENT_EAGER_PEERS,
				      .network_id = {1}};
	struct key own;

	crypto_init();
	seeded_start(&one->seeded, test);
	one->now = START;
	one->aead = aead_new();
	one_key(one, &config.private_key, &own);
	one_key(one, &one->hub_private, &one->hub);
	config.hub = one->hub;
	if (prefix_parse("10.0.0.1/16", &config.addresses[0]) ||
	    address_parse("10.0.255.254", 1, &config.hub_addresses[0]))
		abort();
	config.hub_addresses[0].port = 0;
	one->config = config;
	one->ops = ops;
	one_start(one);
	agent_link_up(&one->agent, one->now);
	return one;
}

static inline void one_agent_free(struct one_agent *one)
{
	agent_done(&one->agent);
	aead_free(one->aead);
	free(one);
}

/* A member as the hub would tell of it. address: "10.0.0.2" or a prefix. */
static inline struct map_node one_member(struct one_agent *one, const char *name,
					 const char *address)
{
	struct map_node node = {.address_count = 1, .is_online = true, .admitted = 1700000000};
	struct key private_key;

	one_key(one, &private_key, &node.key);
	strcpy(node.name, name);
	if (prefix_parse(address, &node.addresses[0]))
		abort();
	return node;
}

static inline void one_candidate(struct map_node *node, enum candidate_kind kind, const char *text)
{
	struct candidate *candidate = &node->candidates[node->candidate_count++];

	candidate->kind = kind;
	if (address_parse(text, 0, &candidate->address))
		abort();
}

static inline bool one_receive(struct one_agent *one, const struct writer *writer)
{
	if (writer->failed)
		abort();
	return agent_receive_message(&one->agent, one->now, writer->data, writer->position);
}

static inline struct map_header one_header(struct one_agent *one, size_t count)
{
	struct map_header header = {.network_id = {1},
				    .incarnation = 7,
				    .revision = ++one->revision,
				    .site_secret = {2},
				    .hub_name = "hub",
				    .hub_address_count = 1,
				    .node_count = (uint32_t)count};

	if (prefix_parse("10.0.255.254/16", &header.hub_addresses[0]))
		abort();
	return header;
}

static inline bool one_map_with(struct one_agent *one, const struct map_header *header,
				const struct map_node *nodes, size_t count)
{
	size_t size = MAP_HEADER_SIZE_MAX + count * (size_t)MAP_NODE_SIZE_MAX;
	uint8_t *bytes = memory_new(size);
	struct writer writer = writer_over(bytes, size);
	bool is_fine;

	map_header_write(&writer, header);
	for (size_t i = 0; i < count; i++)
		map_node_write(&writer, &nodes[i]);
	is_fine = one_receive(one, &writer);
	free(bytes);
	return is_fine;
}

static inline bool one_map(struct one_agent *one, const struct map_node *nodes, size_t count)
{
	struct map_header header = one_header(one, count);

	return one_map_with(one, &header, nodes, count);
}

static inline bool one_change(struct one_agent *one, const struct map_node *nodes, size_t count,
			      const struct key *removed, size_t removed_count)
{
	struct changes_header header = {.incarnation = 7,
					.revision = ++one->revision,
					.node_count = (uint32_t)count,
					.removed_count = (uint32_t)removed_count};
	uint8_t bytes[8192];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	changes_header_write(&writer, &header);
	for (size_t i = 0; i < count; i++)
		map_node_write(&writer, &nodes[i]);
	for (size_t i = 0; i < removed_count; i++)
		key_write(&writer, &removed[i]);
	return one_receive(one, &writer);
}

static inline bool one_appointment(struct one_agent *one, const struct map_node *node)
{
	struct appointment appointment = {.peer = node->key,
					  .role = APPOINTMENT_OPEN,
					  .candidate_count = node->candidate_count};
	uint8_t bytes[512];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	memcpy(appointment.candidates, node->candidates, sizeof(appointment.candidates));
	appointment_write(&writer, &appointment);
	return one_receive(one, &writer);
}

/* Time passes; nobody answers anything. */
static inline void one_pass(struct one_agent *one, usec_t time)
{
	usec_t end = one->now + time;

	while (agent_deadline(&one->agent) <= end) {
		if (agent_deadline(&one->agent) > one->now)
			one->now = agent_deadline(&one->agent);
		agent_tick(&one->agent, one->now);
		if (agent_deadline(&one->agent) <= one->now)
			one->now += USEC_PER_MSEC;
	}
	one->now = end;
}

/* The daemon ends and starts again at once, without a hub. */
static inline void one_restart(struct one_agent *one)
{
	size_t size = agent_save_size(&one->agent);
	uint8_t *bytes = memory_new(size);

	size = agent_save(&one->agent, one->now, bytes, size);
	agent_done(&one->agent);
	one_start(one);
	if (!agent_load(&one->agent, one->now, bytes, size, 0))
		abort();
	free(bytes);
}
