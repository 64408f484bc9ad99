#include "proto/path/path.h"

#include <string.h>

const usec_t path_round_steps[PATH_ROUND_STEPS] = {
	0, 100 * USEC_PER_MSEC, 300 * USEC_PER_MSEC, 700 * USEC_PER_MSEC, 1500 * USEC_PER_MSEC,
};

/* After the last step answers of a link of 500 ms still count. */
#define ROUND_TAIL (500 * USEC_PER_MSEC)

void path_init(struct path *path, const struct path_ops *ops, void *owner,
	       const struct random_source *random)
{
	*path = (struct path){.ops = ops,
			      .owner = owner,
			      .random = random,
			      .round_start = USEC_NEVER,
			      .next_heartbeat = USEC_NEVER,
			      .next_better = USEC_NEVER};
}

const char *path_state_name(enum path_state state)
{
	static const char *const names[] = {"none", "probing", "direct"};

	return names[state];
}

const struct path_candidate *path_chosen(const struct path *path)
{
	return path->state == PATH_DIRECT ? &path->candidates[path->chosen] : NULL;
}

/* The only writer of path->state. */
static void path_enter(struct path *path, enum path_state state, usec_t now)
{
	if (path->state != state || state == PATH_DIRECT)
		path->since = now;
	path->state = state;
	path->must_prove = false;
	switch (state) {
	case PATH_NONE:
	case PATH_PROBING:
		path->next_heartbeat = path->next_better = USEC_NEVER;
		break;
	case PATH_DIRECT:
		path->failed_rounds = 0;
		path->next_heartbeat = now + PATH_HEARTBEAT;
		path->next_better = now + PATH_BETTER_RETRY;
		break;
	}
}

static struct path_candidate *find(struct path *path, const struct address *address)
{
	for (size_t i = 0; i < path->candidate_count; i++) {
		if (address_is_equal(&path->candidates[i].address, address))
			return &path->candidates[i];
	}
	return NULL;
}

static bool is_chosen(const struct path *path, size_t index)
{
	return path->state == PATH_DIRECT && path->chosen == index;
}

static void forget(struct path *path, size_t index)
{
	path->candidate_count--;
	memmove(&path->candidates[index], &path->candidates[index + 1],
		(path->candidate_count - index) * sizeof(path->candidates[0]));
	if (path->chosen > index)
		path->chosen--;
}

/* The candidate worth least: never chosen, not listed, heard from longest ago. SIZE_MAX if none may
 * go. */
static size_t least_worth(const struct path *path)
{
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < path->candidate_count; i++) {
		const struct path_candidate *candidate = &path->candidates[i];

		if (is_chosen(path, i) || candidate->is_listed)
			continue;
		if (least == SIZE_MAX ||
		    candidate->last_answer < path->candidates[least].last_answer)
			least = i;
	}
	return least;
}

static struct path_candidate *add(struct path *path, const struct address *address,
				  enum candidate_kind kind)
{
	struct path_candidate *candidate;

	if (path->candidate_count == PATH_CANDIDATES_MAX) {
		size_t least = least_worth(path);

		if (least == SIZE_MAX)
			return NULL;
		forget(path, least);
	}
	candidate = &path->candidates[path->candidate_count++];
	*candidate = (struct path_candidate){.address = *address, .kind = kind};
	return candidate;
}

/* Before anything is added, or what stays could be evicted for what comes. */
static void drop_unlisted(struct path *path, const struct candidate *candidates, size_t count)
{
	for (size_t i = path->candidate_count; i-- > 0;) {
		struct path_candidate *candidate = &path->candidates[i];

		candidate->is_listed = false;
		for (size_t j = 0; j < count && !candidate->is_listed; j++)
			candidate->is_listed =
				address_is_equal(&candidates[j].address, &candidate->address);
		if (!candidate->is_listed && candidate->kind != CANDIDATE_SEEN &&
		    !is_chosen(path, i))
			forget(path, i);
	}
}

bool path_set_candidates(struct path *path, const struct candidate *candidates, size_t count)
{
	bool is_new = false;

	drop_unlisted(path, candidates, count);
	for (size_t i = 0; i < count; i++) {
		struct path_candidate *candidate = find(path, &candidates[i].address);

		if (!candidate) {
			candidate = add(path, &candidates[i].address, candidates[i].kind);
			is_new = true;
		}
		if (!candidate)
			continue;
		candidate->kind = candidates[i].kind;
		candidate->is_listed = true;
	}
	return is_new;
}

static void send_probe(struct path *path, struct path_candidate *candidate, usec_t now,
		       bool is_heard)
{
	struct path_echo *oldest = &candidate->echoes[0];

	if (!candidate->is_usable &&
	    !path->ops->may_probe(path, path->owner, now, &candidate->address, is_heard))
		return;
	for (size_t i = 1; i < PATH_ECHOES; i++) {
		if (candidate->echoes[i].sent < oldest->sent)
			oldest = &candidate->echoes[i];
	}
	random_fill(path->random, oldest->bytes, PROBE_ECHO_SIZE);
	oldest->sent = now;
	candidate->last_sent = now;
	if (!candidate->unanswered)
		candidate->waiting_since = now;
	path->ops->send_probe(path, path->owner, now, &candidate->address, oldest->bytes,
			      candidate->unanswered++);
}

static void probe(struct path *path, struct path_candidate *candidate, usec_t now)
{
	send_probe(path, candidate, now, false);
}

/* Lower is better: RTT, discounted for addresses on the LAN and for IPv6. May be below zero. */
static int64_t score(const struct path_candidate *candidate)
{
	int64_t rtt = (int64_t)candidate->rtt_smooth;

	if (address_is_private(&candidate->address))
		return rtt * 80 / 100 - (int64_t)PATH_LAN_BONUS;
	return candidate->address.family == FAMILY_IPV6 ? rtt * 90 / 100 : rtt;
}

static bool is_better(const struct path_candidate *candidate, const struct path_candidate *than)
{
	usec_t noise = candidate->rtt_vary + than->rtt_vary;

	if (noise < PATH_HYSTERESIS)
		noise = PATH_HYSTERESIS;
	if (noise < than->rtt_smooth / 100)
		noise = than->rtt_smooth / 100;
	return score(candidate) + (int64_t)noise < score(than);
}

/* False: the owner knows better. The address is asked again, and its answer will be newer. */
static bool choose(struct path *path, size_t index, usec_t now, usec_t evidence)
{
	struct path_candidate *candidate = &path->candidates[index];

	if (is_chosen(path, index))
		return true;
	if (!path->ops->chosen(path, path->owner, now, &candidate->address, evidence)) {
		probe(path, candidate, now);
		return false;
	}
	path->chosen = index;
	path->loss_permille = 0;
	path_enter(path, PATH_DIRECT, now);
	return true;
}

static bool take_echo(struct path_candidate *candidate, const uint8_t *echo, usec_t *ret_sent)
{
	for (size_t i = 0; i < PATH_ECHOES; i++) {
		struct path_echo *own = &candidate->echoes[i];

		if (own->sent && !memcmp(own->bytes, echo, PROBE_ECHO_SIZE)) {
			*ret_sent = own->sent;
			own->sent = 0;
			return true;
		}
	}
	return false;
}

static bool is_failing(const struct path_candidate *candidate, usec_t now)
{
	usec_t patience = 3 * candidate->rtt_smooth;

	if (patience < 200 * USEC_PER_MSEC)
		patience = 200 * USEC_PER_MSEC;
	return candidate->unanswered && usec_since(now, candidate->waiting_since) >= patience;
}

/* The first samples weigh alike: most addresses are asked once a minute only. */
static void measure(struct path_candidate *candidate, usec_t rtt)
{
	usec_t weight, error;

	/* What was measured before it was lost says nothing of what it is now. */
	if (!candidate->is_usable)
		candidate->samples = 0;
	candidate->rtt = rtt;
	if (!candidate->samples++) {
		candidate->rtt_smooth = rtt;
		candidate->rtt_vary = rtt / 8;
		return;
	}
	if (candidate->samples > PATH_SAMPLES)
		candidate->samples = PATH_SAMPLES;
	weight = candidate->samples;
	error = rtt > candidate->rtt_smooth ? rtt - candidate->rtt_smooth
					    : candidate->rtt_smooth - rtt;
	candidate->rtt_vary = (3 * candidate->rtt_vary + error) / 4;
	candidate->rtt_smooth = ((weight - 1) * candidate->rtt_smooth + rtt) / weight;
}

bool path_answer(struct path *path, usec_t now, const struct address *from,
		 const uint8_t echo[PROBE_ECHO_SIZE])
{
	struct path_candidate *candidate = NULL;
	usec_t sent = 0;
	size_t index;

	for (index = 0; index < path->candidate_count; index++) {
		if (take_echo(&path->candidates[index], echo, &sent)) {
			candidate = &path->candidates[index];
			break;
		}
	}
	if (!candidate)
		return false;
	if (!address_is_equal(&candidate->address, from)) {
		/* It reached the peer but came back from elsewhere: that address has to answer
		 * itself. */
		path_seen(path, now, from);
		return true;
	}
	measure(candidate, usec_since(now, sent));
	candidate->is_usable = true;
	candidate->unanswered = 0;
	candidate->last_answer = now;
	path->last_heard = now;
	if (is_chosen(path, index))
		path->next_heartbeat = now + PATH_HEARTBEAT;
	if (path->state != PATH_DIRECT || is_better(candidate, &path->candidates[path->chosen]) ||
	    is_failing(&path->candidates[path->chosen], now))
		choose(path, index, now, sent);
	return true;
}

void path_start_round(struct path *path, usec_t now, usec_t delay)
{
	path->round_start = now + delay;
	path->round_step = 0;
	if (path->state == PATH_NONE)
		path_enter(path, PATH_PROBING, now);
}

/* Is there anything to learn from a probe now? Each probe shows itself to the peer, who may ask
 * back: two sides that send from other addresses than they answer at must not keep each other
 * awake. */
static bool is_worth_asking(const struct path *path, const struct path_candidate *candidate,
			    usec_t now)
{
	if (candidate == path_chosen(path))
		return false;
	if (candidate->is_usable && usec_since(now, candidate->last_answer) < PATH_SEEN_AGAIN)
		return false;
	/* One in flight is enough: floods of what looks new must not multiply. */
	return !candidate->last_sent || usec_since(now, candidate->last_sent) >= PATH_SEEN_PACE;
}

void path_seen(struct path *path, usec_t now, const struct address *from)
{
	struct path_candidate *candidate = find(path, from);

	if (!candidate)
		candidate = add(path, from, CANDIDATE_SEEN);
	if (!candidate || !is_worth_asking(path, candidate, now))
		return;
	send_probe(path, candidate, now, true);
	if (path->state == PATH_DIRECT)
		path->next_heartbeat = now;
}

void path_probe(struct path *path, usec_t now, const struct address *to)
{
	struct path_candidate *candidate = find(path, to);

	if (candidate)
		probe(path, candidate, now);
}

void path_traffic(struct path *path, usec_t last_traffic, usec_t last_heard)
{
	if (last_traffic > path->last_traffic)
		path->last_traffic = last_traffic;
	if (last_heard > path->last_heard)
		path->last_heard = last_heard;
}

void path_check(struct path *path, usec_t now)
{
	if (path->state != PATH_DIRECT)
		return;
	path->must_prove = true;
	path->next_heartbeat = path->next_better = now;
}

void path_peer_restarted(struct path *path, usec_t now)
{
	if (path->state != PATH_DIRECT)
		return;
	path->candidates[path->chosen].unanswered = 0;
	path->must_prove = true;
	path->next_heartbeat = now;
}

static void lose(struct path *path, usec_t now)
{
	for (size_t i = 0; i < path->candidate_count; i++)
		path->candidates[i].is_usable = false;
	path_enter(path, PATH_NONE, now);
	path->ops->lost(path, path->owner, now);
}

/* The usable candidate that answered last and after the chosen one failed. SIZE_MAX: there is none.
 */
static size_t fallback(const struct path *path, usec_t now)
{
	const struct path_candidate *chosen = &path->candidates[path->chosen];
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < path->candidate_count; i++) {
		const struct path_candidate *candidate = &path->candidates[i];

		if (i == path->chosen || !candidate->is_usable || is_failing(candidate, now) ||
		    candidate->last_answer <= chosen->last_answer)
			continue;
		if (best == SIZE_MAX || candidate->last_answer > path->candidates[best].last_answer)
			best = i;
	}
	return best;
}

static usec_t lost_pace(const struct path_candidate *candidate)
{
	usec_t slow = candidate->rtt_smooth * 3 / 2;

	return slow > PATH_LOST_PACE ? slow : PATH_LOST_PACE;
}

static bool is_idle(const struct path *path, usec_t now)
{
	return usec_since(now, path->last_traffic) >= PATH_IDLE_AFTER &&
	       usec_since(now, path->since) >= PATH_IDLE_AFTER &&
	       usec_since(now, path->last_heard) < PATH_IDLE_SILENCE;
}

/* All idle paths look at the same moments, so that any number of them wakes us once. */
static usec_t next_look(usec_t now)
{
	return now - now % PATH_IDLE_LOOK + PATH_IDLE_LOOK;
}

static void heartbeat(struct path *path, usec_t now)
{
	struct path_candidate *chosen = &path->candidates[path->chosen];
	size_t other = is_failing(chosen, now) ? fallback(path, now) : SIZE_MAX;

	if (other != SIZE_MAX && choose(path, other, now, path->candidates[other].last_answer))
		return;
	if (chosen->unanswered >= PATH_LOST_AFTER &&
	    usec_since(now, chosen->last_sent) >= lost_pace(chosen)) {
		lose(path, now);
		return;
	}
	if (!path->must_prove && !chosen->unanswered && is_idle(path, now)) {
		path->next_heartbeat = next_look(now);
		return;
	}
	path->must_prove = false;
	path->loss_permille += (chosen->unanswered ? 1000 / 16 : 0) - path->loss_permille / 16;
	probe(path, chosen, now);
	path->next_heartbeat = now + lost_pace(chosen);
}

static void round_next(struct path *path, usec_t now)
{
	if (path->round_step == PATH_ROUND_STEPS) {
		path->round_start = USEC_NEVER;
		if (path->state == PATH_DIRECT)
			return;
		path->failed_rounds++;
		path_enter(path, PATH_NONE, now);
		path->ops->lost(path, path->owner, now);
		return;
	}
	path->round_step++;
	for (size_t i = 0; i < path->candidate_count; i++) {
		struct path_candidate *candidate = &path->candidates[i];

		/* Who answered in this round has said all that the round asks. */
		if (!candidate->is_usable || candidate->last_answer < path->round_start)
			probe(path, candidate, now);
	}
}

static usec_t round_deadline(const struct path *path)
{
	if (path->round_start == USEC_NEVER)
		return USEC_NEVER;
	if (path->round_step == PATH_ROUND_STEPS)
		return path->round_start + path_round_steps[PATH_ROUND_STEPS - 1] + ROUND_TAIL;
	return path->round_start + path_round_steps[path->round_step];
}

static void look_for_better(struct path *path, usec_t now)
{
	bool has_traffic = usec_since(now, path->last_traffic) < PATH_IDLE_AFTER;

	path->next_better = has_traffic ? now + PATH_BETTER_RETRY
					: next_look(now + PATH_BETTER_RETRY - PATH_IDLE_LOOK);
	if (has_traffic && path->round_start == USEC_NEVER)
		path_start_round(path, now, 0);
}

void path_tick(struct path *path, usec_t now)
{
	if (path->state == PATH_DIRECT && now >= path->next_heartbeat)
		heartbeat(path, now);
	if (path->state == PATH_DIRECT && now >= path->next_better)
		look_for_better(path, now);
	while (now >= round_deadline(path))
		round_next(path, now);
}

usec_t path_deadline(const struct path *path, usec_t now)
{
	usec_t deadline = round_deadline(path);

	(void)now;
	if (path->state == PATH_DIRECT) {
		deadline = usec_earlier(deadline, path->next_heartbeat);
		deadline = usec_earlier(deadline, path->next_better);
	}
	return deadline;
}
