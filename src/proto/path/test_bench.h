/* A path on a bench: what it sends and chooses is written down. For the tests of this room. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "proto/path/path.h"
#include "seeded.h"

#include <cmocka.h>

#define START      (1000 * USEC_PER_SEC)
#define PROBES_MAX 4096

struct sent {
	usec_t when;
	struct address to;
	uint8_t echo[PROBE_ECHO_SIZE];
	unsigned attempt;
	bool is_heard;
};

/* A path and what it did. */
struct bench {
	struct path path;
	struct seeded seeded;
	usec_t now;
	struct sent probes[PROBES_MAX];
	size_t probe_count;
	struct address chosen;
	unsigned chosen_count, lost_count, asked_count;
	usec_t evidence;
	bool refuses_probes, refuses_choice, is_heard;
};

static inline bool may_probe(struct path *path, void *owner, usec_t now, const struct address *to,
			     bool is_heard)
{
	struct bench *bench = owner;

	bench->asked_count++;
	bench->is_heard = is_heard;
	return !bench->refuses_probes;
}

static inline void send_probe(struct path *path, void *owner, usec_t now, const struct address *to,
			      const uint8_t echo[PROBE_ECHO_SIZE], unsigned attempt)
{
	struct bench *bench = owner;
	struct sent *probe = &bench->probes[bench->probe_count++];

	assert_true(bench->probe_count <= PROBES_MAX);
	*probe = (struct sent){
		.when = now, .to = *to, .attempt = attempt, .is_heard = bench->is_heard};
	memcpy(probe->echo, echo, PROBE_ECHO_SIZE);
}

static inline bool choose(struct path *path, void *owner, usec_t now, const struct address *address,
			  usec_t evidence)
{
	struct bench *bench = owner;

	bench->evidence = evidence;
	if (bench->refuses_choice)
		return false;
	bench->chosen = *address;
	bench->chosen_count++;
	return true;
}

static inline void lose(struct path *path, void *owner, usec_t now)
{
	struct bench *bench = owner;

	bench->lost_count++;
}

static const struct path_ops ops = {may_probe, send_probe, choose, lose};

static inline struct address address_of(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, 0, &address), 0);
	return address;
}

static inline struct bench *bench_new(void)
{
	struct bench *bench = new (struct bench);

	seeded_init(&bench->seeded, 1);
	bench->now = START;
	path_init(&bench->path, &ops, bench, &bench->seeded.source);
	return bench;
}

static inline void set_candidates(struct bench *bench, const char *const *texts, size_t count)
{
	struct candidate candidates[NODE_CANDIDATES_MAX];

	for (size_t i = 0; i < count; i++)
		candidates[i] = (struct candidate){CANDIDATE_LOCAL, address_of(texts[i])};
	path_set_candidates(&bench->path, candidates, count);
}

/* Ticks as its deadlines want until `until`. */
static inline void run_until(struct bench *bench, usec_t until)
{
	for (;;) {
		usec_t deadline = path_deadline(&bench->path, bench->now);

		if (deadline > until)
			break;
		/* A deadline that stays in the past would make the daemon spin. */
		assert_true(deadline >= bench->now || bench->now == START);
		bench->now = deadline > bench->now ? deadline : bench->now;
		path_tick(&bench->path, bench->now);
		assert_true(path_deadline(&bench->path, bench->now) > bench->now);
	}
	bench->now = until;
}

static inline void run_for(struct bench *bench, usec_t duration)
{
	run_until(bench, bench->now + duration);
}

static inline struct sent *last_probe_to(struct bench *bench, const char *text)
{
	struct address address = address_of(text);

	for (size_t i = bench->probe_count; i-- > 0;) {
		if (address_is_equal(&bench->probes[i].to, &address))
			return &bench->probes[i];
	}
	return NULL;
}

static inline size_t probes_to(const struct bench *bench, const char *text)
{
	struct address address = address_of(text);
	size_t count = 0;

	for (size_t i = 0; i < bench->probe_count; i++)
		count += address_is_equal(&bench->probes[i].to, &address);
	return count;
}

/* The newest probe to there is answered now. */
static inline void answer(struct bench *bench, const char *text)
{
	struct sent *probe = last_probe_to(bench, text);

	assert_non_null(probe);
	assert_true(path_answer(&bench->path, bench->now, &probe->to, probe->echo));
}

/* A round in which one address answers after rtt. */
static inline void connect_to(struct bench *bench, const char *text, usec_t rtt)
{
	path_start_round(&bench->path, bench->now, 0);
	run_for(bench, 0);
	run_for(bench, rtt);
	answer(bench, text);
}

/* Answers every probe to the address after rtt, while time passes. */
static inline void live(struct bench *bench, const char *text, usec_t rtt, usec_t duration)
{
	struct address address = address_of(text);
	usec_t until = bench->now + duration;
	size_t seen = bench->probe_count;

	while (bench->now < until) {
		run_for(bench, 10 * USEC_PER_MSEC);
		for (; seen < bench->probe_count && bench->probes[seen].when + rtt <= bench->now;
		     seen++) {
			if (address_is_equal(&bench->probes[seen].to, &address))
				path_answer(&bench->path, bench->now, &address,
					    bench->probes[seen].echo);
		}
		path_traffic(&bench->path, bench->now, bench->now);
	}
}

#define PUBLIC "203.0.113.7:51820"
#define OTHER  "198.51.100.9:4000"
#define LAN    "192.168.1.20:51820"
#define V6     "[2001:db8::7]:51820"

static const char *const both[] = {PUBLIC, LAN};
