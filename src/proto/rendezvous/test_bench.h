/* A hub on a bench: what it sends is written down. For the tests of this room. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "proto/rendezvous/rendezvous.h"
#include "seeded.h"

#include <cmocka.h>

#define START    (1000 * USEC_PER_SEC)
#define SENT_MAX 1024

struct sent {
	const struct rendezvous_node *to;
	size_t size;
	uint8_t data[512]; /* its beginning */
};

struct bench {
	struct rendezvous rendezvous;
	struct seeded seeded;
	usec_t now;
	uint64_t revision;
	struct sent sent[SENT_MAX];
	size_t sent_count, room_size;
	uint8_t *room;
	unsigned notices[RENDEZVOUS_SILENT + 1];
	bool has_no_memory;
};

static inline struct rendezvous_node *bench_node_new(void *owner)
{
	struct bench *bench = owner;

	return bench->has_no_memory ? NULL : new (struct rendezvous_node);
}

static inline void bench_node_free(void *owner, struct rendezvous_node *node)
{
	(void)owner;
	free(node);
}

static inline void bench_send(void *owner, struct rendezvous_node *to, const void *data,
			      size_t size)
{
	struct bench *bench = owner;
	struct sent *sent = &bench->sent[bench->sent_count++];

	assert_true(bench->sent_count < SENT_MAX && size);
	*sent = (struct sent){.to = to, .size = size};
	memcpy(sent->data, data, size < sizeof(sent->data) ? size : sizeof(sent->data));
}

static inline void bench_close(void *owner, struct rendezvous_node *node)
{
	struct bench *bench = owner;

	rendezvous_link_down(&bench->rendezvous, bench->now, node);
}

static inline uint8_t *bench_room(void *owner, size_t size)
{
	struct bench *bench = owner;

	if (size > bench->room_size) {
		bench->room = memory_resize(bench->room, size, 1);
		bench->room_size = size;
	}
	return bench->room;
}

static inline void bench_notice(void *owner, enum rendezvous_notice notice,
				struct rendezvous_node *node, const char *text)
{
	struct bench *bench = owner;

	(void)node, (void)text;
	bench->notices[notice]++;
}

/* limits NULL: the usual ones. */
static inline struct bench *bench_new(bool has_appointments, const struct rendezvous_limits *limits)
{
	struct bench *bench = new (struct bench);
	const struct rendezvous_config config = {
		.has_appointments = has_appointments, .limits = limits, .header.hub_name = "hub"};
	const struct rendezvous_ops ops = {.owner = bench,
					   .node_new = bench_node_new,
					   .node_free = bench_node_free,
					   .send = bench_send,
					   .close = bench_close,
					   .room = bench_room,
					   .notice = bench_notice,
					   .random = &bench->seeded.source};

	seeded_init(&bench->seeded, 1);
	bench->now = START;
	rendezvous_init(&bench->rendezvous, &config, &ops);
	return bench;
}

static inline void bench_free(struct bench *bench)
{
	rendezvous_done(&bench->rendezvous);
	free(bench->room);
	free(bench);
}

static inline struct address address_of(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, 0, &address), 0);
	return address;
}

/* Its key is in order of the number. */
static inline struct map_node record_of(uint8_t number)
{
	struct map_node record = {
		.key = {{number}},
		.addresses = {{.family = FAMILY_IPV4, .bits = 32, .ip = {10, 0, 0, number}}},
		.address_count = 1};

	snprintf(record.name, sizeof(record.name), "n%u", number);
	return record;
}

static inline struct rendezvous_node *add(struct bench *bench, uint8_t number)
{
	struct map_node record = record_of(number);
	struct rendezvous_node *node;

	assert_int_equal(
		rendezvous_add(&bench->rendezvous, bench->now, ++bench->revision, &record, &node),
		0);
	return node;
}

/* Linked, seen at 203.0.113.number:1000, and the others know it. */
static inline struct rendezvous_node *add_linked(struct bench *bench, uint8_t number)
{
	struct rendezvous_node *node = add(bench, number);
	struct address seen = address_of("203.0.113.0:1000");

	seen.ip[3] = number;
	rendezvous_link_up(&bench->rendezvous, bench->now, node);
	rendezvous_observe(&bench->rendezvous, bench->now, node, &seen);
	bench->now += RENDEZVOUS_PUSH_DELAY;
	rendezvous_tick(&bench->rendezvous, bench->now);
	return node;
}

/* Ticks as its deadlines want until `duration` is over. */
static inline void run_for(struct bench *bench, usec_t duration)
{
	usec_t until = bench->now + duration;

	while (rendezvous_deadline(&bench->rendezvous) <= until) {
		usec_t deadline = rendezvous_deadline(&bench->rendezvous);

		bench->now = deadline > bench->now ? deadline : bench->now;
		rendezvous_tick(&bench->rendezvous, bench->now);
		assert_true(rendezvous_deadline(&bench->rendezvous) > bench->now);
	}
	bench->now = until;
}

/* The newest message of this kind to the node, NULL = none. */
static inline const struct sent *last_sent(const struct bench *bench,
					   const struct rendezvous_node *to, enum message_kind kind)
{
	for (size_t i = bench->sent_count; i-- > 0;) {
		if (bench->sent[i].to == to && bench->sent[i].data[0] == kind)
			return &bench->sent[i];
	}
	return NULL;
}

static inline size_t count_sent(const struct bench *bench, const struct rendezvous_node *to,
				enum message_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < bench->sent_count; i++)
		count += bench->sent[i].to == to && bench->sent[i].data[0] == kind;
	return count;
}

static inline struct reader reader_behind_kind(const struct sent *sent)
{
	size_t kept = sent->size < sizeof(sent->data) ? sent->size : sizeof(sent->data);
	struct reader reader = reader_over(sent->data, kept);

	message_kind_read(&reader);
	return reader;
}

static inline void receive(struct bench *bench, struct rendezvous_node *from,
			   const struct writer *writer)
{
	assert_false(writer->failed);
	rendezvous_receive(&bench->rendezvous, bench->now, from, writer->data, writer->position);
}

static inline void send_report(struct bench *bench, struct rendezvous_node *from,
			       const char *address)
{
	struct report report = {
		.candidate_count = 1,
		.candidates = {{.kind = CANDIDATE_LOCAL, .address = address_of(address)}}};
	uint8_t bytes[REPORT_SIZE_MAX];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	report_write(&writer, &report);
	receive(bench, from, &writer);
}

static inline void send_pong(struct bench *bench, struct rendezvous_node *from, usec_t stamp)
{
	uint8_t bytes[16];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	stamp_write(&writer, MESSAGE_PONG, stamp);
	receive(bench, from, &writer);
}
