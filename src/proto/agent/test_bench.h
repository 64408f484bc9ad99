/* An agent on a bench: its effects are written down, and maps are made as a hub makes them. For the
 * tests and fuzz targets of this room. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "crypto/x25519.h"
#include "proto/agent/agent.h"
#include "seeded.h"

#define BENCH_START       (1000 * USEC_PER_SEC)
#define BENCH_LOG_MAX     512
#define BENCH_MESSAGE_MAX (1u << 17)

/* What the device would hold of one peer. */
struct bench_device {
	struct key key;
	struct address endpoint;
	struct agent_traffic traffic;
	unsigned changes, handshakes;
};

struct bench_datagram {
	struct address to;
	uint8_t data[CONTROL_MAXIMUM];
	size_t size;
};

struct bench {
	struct agent *agent;
	struct aead *aead;
	struct seeded seeded;
	usec_t now;
	struct key hub;
	size_t device_count;
	struct bench_datagram datagrams[BENCH_LOG_MAX];
	size_t datagram_count;
	uint8_t messages[BENCH_LOG_MAX][64]; /* beginnings */
	size_t message_sizes[BENCH_LOG_MAX], message_count;
	enum agent_notice notices[BENCH_LOG_MAX];
	char texts[BENCH_LOG_MAX][160];
	size_t notice_count;
	unsigned saves, ping_answers;
	bool has_no_memory, has_no_device, routes_through_us;
	uint64_t revision;
};

/* What a member looks like in the map. */
struct bench_member {
	struct key key;
	const char *name, *address;
	bool is_online;
	const char *candidates[NODE_CANDIDATES_MAX]; /* observed; those behind "l:" are local */
};

static inline struct agent_peer *bench_peer_new(void *owner)
{
	struct bench *bench = owner;

	return bench->has_no_memory ? NULL : new (struct agent_peer);
}

static inline void bench_peer_free(void *owner, struct agent_peer *peer)
{
	(void)owner;
	free(peer);
}

static inline int bench_peer_add(void *owner, struct agent_peer *peer)
{
	struct bench *bench = owner;
	struct bench_device *device;

	if (bench->has_no_device)
		return -1;
	device = new (struct bench_device);
	device->key = peer->record.key;
	peer->owner = device;
	bench->device_count++;
	return 0;
}

static inline void bench_peer_remove(void *owner, struct agent_peer *peer)
{
	struct bench *bench = owner;

	free(peer->owner);
	peer->owner = NULL;
	bench->device_count--;
}

static inline void bench_peer_change(void *owner, struct agent_peer *peer)
{
	struct bench_device *device = peer->owner;

	(void)owner;
	device->changes++;
}

static inline void bench_set_endpoint(void *owner, struct agent_peer *peer,
				      const struct address *endpoint)
{
	struct bench_device *device = peer->owner;

	(void)owner;
	device->endpoint = *endpoint;
}

static inline void bench_start_handshake(void *owner, struct agent_peer *peer)
{
	struct bench_device *device = peer->owner;

	(void)owner;
	device->handshakes++;
}

static inline void bench_get_traffic(void *owner, const struct agent_peer *peer,
				     struct agent_traffic *ret_traffic)
{
	const struct bench_device *device = peer->owner;

	(void)owner;
	*ret_traffic = device->traffic;
}

static inline void bench_send_datagram(void *owner, const struct address *to, const void *data,
				       size_t size)
{
	struct bench *bench = owner;
	struct bench_datagram *datagram =
		&bench->datagrams[bench->datagram_count++ % BENCH_LOG_MAX];

	datagram->to = *to;
	datagram->size = size;
	memcpy(datagram->data, data, size);
}

static inline void bench_send_message(void *owner, const void *data, size_t size)
{
	struct bench *bench = owner;
	size_t place = bench->message_count++ % BENCH_LOG_MAX;

	bench->message_sizes[place] = size;
	memcpy(bench->messages[place], data, size < 64 ? size : 64);
}

static inline bool bench_is_routed_through_us(void *owner, const struct address *address)
{
	struct bench *bench = owner;

	(void)address;
	return bench->routes_through_us;
}

static inline void bench_save(void *owner)
{
	struct bench *bench = owner;

	bench->saves++;
}

static inline void bench_ping_answer(void *owner, struct agent_peer *peer,
				     const struct address *from, usec_t rtt)
{
	struct bench *bench = owner;

	(void)peer;
	(void)from;
	(void)rtt;
	bench->ping_answers++;
}

static inline void bench_notice(void *owner, enum agent_notice notice, struct agent_peer *peer,
				const char *text)
{
	struct bench *bench = owner;
	size_t place = bench->notice_count++ % BENCH_LOG_MAX;

	(void)peer;
	bench->notices[place] = notice;
	text_copy(bench->texts[place], sizeof(bench->texts[place]), text);
}

static inline struct address bench_address(const char *text)
{
	struct address address;

	if (address_parse(text, 0, &address))
		abort();
	return address;
}

static inline struct prefix bench_prefix(const char *text)
{
	struct prefix prefix;

	if (prefix_parse(text, &prefix))
		abort();
	return prefix;
}

/* The nth key of the bench: the same in every test, in no particular order. */
static inline struct key bench_private_key(unsigned number)
{
	struct key key = {{1}};

	key.bytes[1] = (uint8_t)number;
	key.bytes[2] = (uint8_t)(number >> 8);
	x25519_clamp(&key);
	return key;
}

static inline struct key bench_key(unsigned number)
{
	struct key private_key = bench_private_key(number), key;

	x25519_public(&private_key, &key);
	return key;
}

/* The node is 100.100.96.2/24 with the private key `number`; the hub is .1. Free it with
 * bench_free(). */
static inline struct bench *bench_new(unsigned number)
{
	struct bench *bench = new (struct bench);
	struct agent_config config = {.private_key = bench_private_key(number),
				      .hub = bench_key(0),
				      .has_site_secret = true,
				      .addresses = {bench_prefix("100.100.96.2/24")},
				      .address_count = 1,
				      .hub_addresses = {bench_address("100.100.96.1:1")},
				      .hub_address_count = 1,
				      .accepted_routes = {bench_prefix("10.9.0.0/16")},
				      .accepted_route_count = 1,
				      .listen_port = 51820,
				      .max_map_age = 30 * USEC_PER_DAY,
				      .eager_peers = AGENT_EAGER_PEERS};
	const struct agent_ops ops = {
		.owner = bench,
		.peer_new = bench_peer_new,
		.peer_free = bench_peer_free,
		.peer_add = bench_peer_add,
		.peer_remove = bench_peer_remove,
		.peer_change = bench_peer_change,
		.set_endpoint = bench_set_endpoint,
		.start_handshake = bench_start_handshake,
		.get_traffic = bench_get_traffic,
		.send_datagram = bench_send_datagram,
		.send_message = bench_send_message,
		.is_routed_through_us = bench_is_routed_through_us,
		.save = bench_save,
		.ping_answer = bench_ping_answer,
		.notice = bench_notice,
		.random = &bench->seeded.source,
	};

	crypto_init();
	memset(config.network_id, 7, sizeof(config.network_id));
	memset(config.site_secret, 8, sizeof(config.site_secret));
	config.hub_addresses[0].port = 0;
	seeded_init(&bench->seeded, number);
	bench->aead = aead_new();
	bench->now = BENCH_START;
	bench->revision = 5;
	bench->hub = config.hub;
	bench->agent = new (struct agent);
	agent_init(bench->agent, &config, &ops, bench->aead, bench->now);
	return bench;
}

static inline void bench_free(struct bench *bench)
{
	agent_done(bench->agent);
	free(bench->agent);
	aead_free(bench->aead);
	free(bench);
}

static inline void bench_to_record(const struct bench_member *member, struct map_node *ret_node)
{
	*ret_node = (struct map_node){
		.key = member->key, .address_count = 1, .is_online = member->is_online};
	text_copy(ret_node->name, sizeof(ret_node->name), member->name);
	ret_node->addresses[0] = bench_prefix(member->address);
	for (size_t i = 0; i < NODE_CANDIDATES_MAX && member->candidates[i]; i++) {
		bool is_local = text_starts_with(member->candidates[i], "l:");

		ret_node->candidates[ret_node->candidate_count++] = (struct candidate){
			.kind = is_local ? CANDIDATE_LOCAL : CANDIDATE_OBSERVED,
			.address = bench_address(member->candidates[i] + (is_local ? 2 : 0))};
	}
}

static inline struct map_header bench_header(const struct bench *bench, size_t count)
{
	struct map_header header = {.incarnation = 1,
				    .revision = bench->revision,
				    .issued = 1,
				    .hub_name = "hub",
				    .hub_addresses = {bench_prefix("100.100.96.1/24")},
				    .hub_address_count = 1,
				    .node_count = (uint32_t)count};

	memset(header.network_id, 7, sizeof(header.network_id));
	memset(header.site_secret, 8, sizeof(header.site_secret));
	return header;
}

static inline size_t bench_write_map(const struct map_header *header,
				     const struct bench_member *members, size_t count,
				     uint8_t out[BENCH_MESSAGE_MAX])
{
	struct writer writer = writer_over(out, BENCH_MESSAGE_MAX);

	map_header_write(&writer, header);
	for (size_t i = 0; i < count; i++) {
		struct map_node node;

		bench_to_record(&members[i], &node);
		map_node_write(&writer, &node);
	}
	if (writer.failed)
		abort();
	return writer.position;
}

/* A whole map of these. */
static inline void bench_map(struct bench *bench, const struct bench_member *members, size_t count)
{
	static uint8_t bytes[BENCH_MESSAGE_MAX];
	struct map_header header = bench_header(bench, count);
	size_t size = bench_write_map(&header, members, count, bytes);

	agent_receive_message(bench->agent, bench->now, bytes, size);
}

/* Changes: these records, and these keys gone. */
static inline void bench_change(struct bench *bench, const struct bench_member *members,
				size_t count, const struct key *removed, size_t removed_count)
{
	static uint8_t bytes[BENCH_MESSAGE_MAX];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct changes_header header = {.incarnation = 1,
					.revision = bench->revision,
					.node_count = (uint32_t)count,
					.removed_count = (uint32_t)removed_count};

	changes_header_write(&writer, &header);
	for (size_t i = 0; i < count; i++) {
		struct map_node node;

		bench_to_record(&members[i], &node);
		map_node_write(&writer, &node);
	}
	for (size_t i = 0; i < removed_count; i++)
		key_write(&writer, &removed[i]);
	agent_receive_message(bench->agent, bench->now, bytes, writer.position);
}

/* Ticks as its deadlines want until `duration` is over. */
static inline void bench_run(struct bench *bench, usec_t duration)
{
	usec_t until = bench->now + duration;
	unsigned at_once = 0;

	while (agent_deadline(bench->agent) <= until) {
		if (agent_deadline(bench->agent) > bench->now)
			bench->now = agent_deadline(bench->agent);
		agent_tick(bench->agent, bench->now);
		at_once = agent_deadline(bench->agent) <= bench->now ? at_once + 1 : 0;
		/* What a tick brings about may be due at once; more, and the daemon would spin. */
		if (at_once > 2)
			abort();
	}
	bench->now = until;
}

static inline struct agent_peer *bench_peer(const struct bench *bench, const char *name)
{
	struct agent_peer *peer;

	list_for_each (peer, &bench->agent->peers, entry) {
		if (!strcmp(peer->record.name, name))
			return peer;
	}
	return NULL;
}

static inline struct bench_device *bench_device(const struct bench *bench, const char *name)
{
	const struct agent_peer *peer = bench_peer(bench, name);

	return peer ? peer->owner : NULL;
}

static inline size_t bench_count_notices(const struct bench *bench, enum agent_notice notice)
{
	size_t count = 0;

	for (size_t i = 0; i < bench->notice_count && i < BENCH_LOG_MAX; i++)
		count += bench->notices[i] == notice;
	return count;
}

static inline size_t bench_count_messages(const struct bench *bench, enum message_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < bench->message_count && i < BENCH_LOG_MAX; i++)
		count += bench->messages[i][0] == kind;
	return count;
}

static inline size_t bench_count_datagrams(const struct bench *bench, const char *to)
{
	struct address address = bench_address(to);
	size_t count = 0;

	for (size_t i = 0; i < bench->datagram_count && i < BENCH_LOG_MAX; i++)
		count += address_is_equal(&bench->datagrams[i].to, &address);
	return count;
}
