/* How one peer is reached: its candidate addresses, which of them answered our own probes, which
 * one carries the traffic, and when that one is lost. Pure: the owner sends the probes and writes
 * the endpoint.
 *
 * An address is never used because something came from it: only because it answered a probe of ours
 * with that probe's random echo (security 3). Until then the owner's budget limits what is sent
 * there (security 4; budget.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/random_source.h"
#include "base/time.h"
#include "proto/wire/control.h"
#include "proto/wire/message.h"

#define PATH_CANDIDATES_MAX 12 /* those of the map, and up to 4 that were seen */
#define PATH_ECHOES         4  /* probes of one candidate under way at once */

/* A round sends one probe per candidate at each of these times after its start. The first retry
 * comes before a person notices, the last covers a slow link. */
#define PATH_ROUND_STEPS    5
extern const usec_t path_round_steps[PATH_ROUND_STEPS];

/* Without traffic for so long the pair is idle, and only WireGuard's keepalives cross. */
#define PATH_IDLE_AFTER   (45 * USEC_PER_SEC)
#define PATH_HEARTBEAT    (3 * USEC_PER_SEC)
/* Unanswered heartbeats before the path counts as lost, and their pace: lost within 1.5 s of the
 * first. Links slower than that pace get one and a half RTT instead. */
#define PATH_LOST_AFTER   3
#define PATH_LOST_PACE    (500 * USEC_PER_MSEC)
/* How often an idle path looks whether it is still idle: all at multiples of it. */
#define PATH_IDLE_LOOK    (15 * USEC_PER_SEC)
/* Idle: nothing authentic for so long (two keepalives of 25 s missing) asks for a probe. */
#define PATH_IDLE_SILENCE (60 * USEC_PER_SEC)
/* An active path looks again for a better one. */
#define PATH_BETTER_RETRY (60 * USEC_PER_SEC)
/* An address that the peer sends from is asked this often at most, and again after so long if it
 * answered. */
#define PATH_SEEN_PACE    (100 * USEC_PER_MSEC)
#define PATH_SEEN_AGAIN   (30 * USEC_PER_SEC)
/* Differences below 5 ms, 1 % or what both paths' RTTs vary by are noise. */
#define PATH_HYSTERESIS   (5 * USEC_PER_MSEC)
#define PATH_SAMPLES      8
/* An address on the LAN is worth so much more delay: a fifth less, and this. */
#define PATH_LAN_BONUS    (10 * USEC_PER_MSEC)

enum path_state {
	PATH_NONE,    /* nobody asked for a path yet, or all rounds failed: waits for a round */
	PATH_PROBING, /* a round is under way */
	PATH_DIRECT,  /* chosen answers */
};

struct path_echo {
	uint8_t bytes[PROBE_ECHO_SIZE];
	usec_t sent; /* 0 = unused */
};

struct path_candidate {
	struct address address;
	enum candidate_kind kind;
	bool is_listed; /* stands in the peer's present record; the rest ages out first */
	bool is_usable; /* has answered */
	struct path_echo echoes[PATH_ECHOES];
	unsigned unanswered;  /* probes since the last answer */
	usec_t waiting_since; /* when the first of them left */
	usec_t last_sent, last_answer;
	usec_t rtt;                  /* of the last answer */
	usec_t rtt_smooth, rtt_vary; /* mean of about PATH_SAMPLES, and mean deviation */
	unsigned samples;
};

struct path;

/* Called from path_* functions, may not call back into the same path. */
struct path_ops {
	/* May an address that has not answered be sent to now? Counts it as sent. is_heard: the
	 * peer just sent from there. */
	bool (*may_probe)(struct path *path, void *owner, usec_t now, const struct address *to,
			  bool is_heard);
	/* Send this probe. attempt: unanswered probes to that address before this one. */
	void (*send_probe)(struct path *path, void *owner, usec_t now, const struct address *to,
			   const uint8_t echo[PROBE_ECHO_SIZE], unsigned attempt);
	/* The peer's traffic belongs there now. evidence: when the answering probe was sent. False
	 * when the owner knows something newer about the present endpoint: the address is then
	 * asked again. */
	bool (*chosen)(struct path *path, void *owner, usec_t now, const struct address *address,
		       usec_t evidence);
	/* The path died, or a round ended with nothing: the owner arranges the next round. */
	void (*lost)(struct path *path, void *owner, usec_t now);
};

struct path {
	enum path_state state;
	struct path_candidate candidates[PATH_CANDIDATES_MAX];
	size_t candidate_count;
	size_t chosen; /* index; only in PATH_DIRECT */
	usec_t since;  /* of the present state or choice */

	usec_t round_start; /* USEC_NEVER = no round */
	size_t round_step;
	usec_t next_heartbeat, next_better;
	bool must_prove;        /* the next heartbeat goes out, idle or not */
	usec_t last_traffic;    /* data of either direction */
	usec_t last_heard;      /* anything authentic */
	unsigned failed_rounds; /* in a row; the owner backs off by it */
	unsigned loss_permille; /* of heartbeats, smoothed over about 16 */

	const struct path_ops *ops;
	void *owner;
	const struct random_source *random;
};

void path_init(struct path *path, const struct path_ops *ops, void *owner,
	       const struct random_source *random);
const char *path_state_name(enum path_state state);

/* The peer's present candidates, already filtered (proto/agent). Those that went are forgotten
 * unless chosen. True: an address is new. */
bool path_set_candidates(struct path *path, const struct candidate *candidates, size_t count);
/* Starts a round after delay; one under way starts over. */
void path_start_round(struct path *path, usec_t now, usec_t delay);
/* Something authentic came from an address: a candidate if it is new, probed at once within its
 * budget. */
void path_seen(struct path *path, usec_t now, const struct address *from);
/* An authentic, fresh answer. False when no probe of ours has this echo. */
bool path_answer(struct path *path, usec_t now, const struct address *from,
		 const uint8_t echo[PROBE_ECHO_SIZE]);
/* What the device knows: times of the last data and of the last authentic packet. */
void path_traffic(struct path *path, usec_t last_traffic, usec_t last_heard);
/* One more probe to an address that is a candidate; for pings, and to show a new session to the
 * peer. */
void path_probe(struct path *path, usec_t now, const struct address *to);
/* Our own addresses changed or we woke up: the chosen path must prove itself now, others get a
 * chance. */
void path_check(struct path *path, usec_t now);

/* What was not answered was asked of its process before: the chosen path is asked again. */
void path_peer_restarted(struct path *path, usec_t now);

void path_tick(struct path *path, usec_t now);
usec_t path_deadline(const struct path *path, usec_t now);

/* NULL unless PATH_DIRECT. */
const struct path_candidate *path_chosen(const struct path *path);
