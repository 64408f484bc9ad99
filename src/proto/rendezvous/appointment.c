/* Appointments: two nodes that asked for each other send at the same moment (docs/protocol.md). */
#include <string.h>

#include "proto/rendezvous/rendezvous_private.h"

static void refuse(struct rendezvous *rendezvous, struct rendezvous_node *to,
		   const struct key *peer, enum refusal reason, usec_t retry)
{
	struct refused refused = {.peer = *peer, .reason = reason};
	uint8_t bytes[64];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	refused.retry_ms = (uint32_t)(retry / USEC_PER_MSEC);
	refused_write(&writer, &refused);
	rendezvous->ops.send(rendezvous->ops.owner, to, bytes, writer.position);
}

static bool take_token(const struct rendezvous_limits *limits, struct rendezvous_node *node,
		       usec_t now)
{
	usec_t refill = usec_since(now, node->requests_at) * limits->request_rate / USEC_PER_SEC;

	if (refill) {
		node->requests = node->requests + refill > limits->request_burst
					 ? limits->request_burst
					 : (unsigned)(node->requests + refill);
		node->requests_at = now;
	}
	if (!node->requests)
		return false;
	node->requests--;
	return true;
}

/* The entry of this pair, or of four neighbours the one that was used least recently. */
static struct rendezvous_pair *pair_find(struct rendezvous *rendezvous, const struct key *a,
					 const struct key *b)
{
	bool is_lower = key_compare(a, b) < 0;
	uint64_t hash = hash_bytes(rendezvous->hash_seed, is_lower ? a : b, KEY_SIZE);
	struct rendezvous_pair *oldest;

	hash = hash_bytes(hash, is_lower ? b : a, KEY_SIZE) | 1;
	oldest = &rendezvous->pairs[hash % RENDEZVOUS_PAIRS];
	for (size_t i = 0; i < 4; i++) {
		struct rendezvous_pair *pair = &rendezvous->pairs[(hash + i) % RENDEZVOUS_PAIRS];

		if (pair->hash == hash)
			return pair;
		if (pair->last < oldest->last)
			oldest = pair;
	}
	*oldest = (struct rendezvous_pair){.hash = hash};
	return oldest;
}

/* 0 when the pair may meet now, else how long it has to wait. A new entry is all zeros. */
static usec_t pair_wait(const struct rendezvous_pair *pair, usec_t now)
{
	return usec_since(pair->last + pair->interval, now);
}

/* What was tried before one of them moved or came back proves nothing: then they need not wait,
 * though whoever moves all the time gains one appointment per interval by it, not more. */
static bool is_excused(const struct rendezvous_pair *pair, usec_t now,
		       const struct rendezvous_node *a, const struct rendezvous_node *b)
{
	return (a->changed > pair->last || b->changed > pair->last) &&
	       (!pair->excused || usec_since(now, pair->excused) >= RENDEZVOUS_PAIR_INTERVAL);
}

static void pair_met(struct rendezvous_pair *pair, usec_t now, bool has_been_excused)
{
	bool is_new = has_been_excused || usec_since(now, pair->last) >= 2 * pair->interval;

	if (has_been_excused)
		pair->excused = now;
	pair->is_swapped = !is_new && !pair->is_swapped;
	pair->interval = is_new ? RENDEZVOUS_PAIR_INTERVAL : pair->interval * 2;
	if (pair->interval > RENDEZVOUS_PAIR_INTERVAL_MAX)
		pair->interval = RENDEZVOUS_PAIR_INTERVAL_MAX;
	pair->last = now;
}

/* Addresses share slots by hash, which can only make it less. */
static bool take_target(struct rendezvous *rendezvous, usec_t now, const struct address *address)
{
	uint64_t hash = hash_bytes(rendezvous->hash_seed, address->ip, sizeof(address->ip));
	struct rendezvous_target *target = &rendezvous->targets[hash % RENDEZVOUS_TARGETS];

	if (usec_since(now, target->since) >= RENDEZVOUS_TARGET_WINDOW)
		*target = (struct rendezvous_target){.since = now};
	return target->count++ < rendezvous->limits.target_limit;
}

static bool take_targets(struct rendezvous *rendezvous, usec_t now,
			 const struct rendezvous_node *node)
{
	for (size_t i = 0; i < node->record.candidate_count; i++) {
		if (!take_target(rendezvous, now, &node->record.candidates[i].address))
			return false;
	}
	return true;
}

static void invite(struct rendezvous *rendezvous, struct rendezvous_node *to,
		   const struct rendezvous_node *peer, enum appointment_role role, usec_t delay)
{
	struct appointment appointment = {.peer = peer->record.key, .role = role};
	uint8_t bytes[512];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	appointment.delay_ms = (uint16_t)(delay / USEC_PER_MSEC);
	appointment.candidate_count = peer->record.candidate_count;
	memcpy(appointment.candidates, peer->record.candidates, sizeof(appointment.candidates));
	appointment_write(&writer, &appointment);
	rendezvous->ops.send(rendezvous->ops.owner, to, bytes, writer.position);
}

/* Both count from the receipt, so each waits for what the other's link is slower. */
static usec_t delay_of(const struct rendezvous_node *node, const struct rendezvous_node *other,
		       bool is_first)
{
	usec_t theirs = usec_earlier(other->rtt, RENDEZVOUS_DELAY_MAX);

	return usec_since(theirs, node->rtt) / 2 + (is_first ? 0 : RENDEZVOUS_OPEN_LEAD);
}

static void arrange(struct rendezvous *rendezvous, const struct rendezvous_pair *pair,
		    struct rendezvous_node *a, struct rendezvous_node *b)
{
	struct rendezvous_node *lower = key_compare(&a->record.key, &b->record.key) < 0 ? a : b;
	struct rendezvous_node *higher = lower == a ? b : a;

	invite(rendezvous, higher, lower, APPOINTMENT_OPEN,
	       delay_of(higher, lower, !pair->is_swapped));
	invite(rendezvous, lower, higher, APPOINTMENT_INITIATE,
	       delay_of(lower, higher, pair->is_swapped));
}

void rendezvous_connect(struct rendezvous *rendezvous, usec_t now, struct rendezvous_node *from,
			const struct key *key)
{
	struct rendezvous_node *to = rendezvous_find(rendezvous, key);
	struct rendezvous_pair *pair;
	bool excused;
	usec_t wait;

	if (!rendezvous->config.has_appointments) {
		rendezvous->counters.refused_off++;
		refuse(rendezvous, from, key, REFUSAL_SWITCHED_OFF, USEC_PER_MINUTE);
		return;
	}
	if (!to || to == from) {
		rendezvous->counters.refused_not_allowed++;
		refuse(rendezvous, from, key, REFUSAL_NOT_ALLOWED, 0);
		return;
	}
	if (!to->is_linked) {
		rendezvous->counters.refused_offline++;
		refuse(rendezvous, from, key, REFUSAL_OFFLINE, 0);
		return;
	}
	pair = pair_find(rendezvous, &from->record.key, key);
	wait = pair_wait(pair, now);
	excused = wait && is_excused(pair, now, from, to);
	wait = excused ? 0 : wait;
	if (!wait && (!take_token(&rendezvous->limits, from, now) ||
		      !take_targets(rendezvous, now, from) || !take_targets(rendezvous, now, to)))
		wait = RENDEZVOUS_TARGET_WINDOW;
	if (wait) {
		rendezvous->counters.refused_too_soon++;
		refuse(rendezvous, from, key, REFUSAL_TOO_SOON, wait);
		return;
	}
	/* Who is invited must know whom: a newcomer asks before the push that tells of it. */
	if (from->is_dirty || to->is_dirty)
		rendezvous_push(rendezvous, now);
	pair_met(pair, now, excused);
	rendezvous->counters.appointments++;
	arrange(rendezvous, pair, from, to);
	rendezvous->ops.notice(rendezvous->ops.owner, RENDEZVOUS_APPOINTMENT, from,
			       to->record.name);
}
