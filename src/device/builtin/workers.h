/* More threads for data, while there is more of it than one can move. Worker 0 is the loop's thread
 * and the only one for everything else: handshakes, timers, peers, events. Each further one has its
 * own queue of the interface and lane of the port, runs to completion, and hands what is not its
 * own to worker 0 by mail. Where order or an answer depends on that, it asks, and waits.
 *
 * One lock: a worker holds it for reading during each batch. Worker 0 holds it for writing while it
 * changes what batches read (workers_hold()); its own reading needs none, since nobody else
 * changes anything. What a batch writes belongs to its worker (counters, notes about peers, mail),
 * and worker 0 looks at it while it holds the lock for writing. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "device/builtin/builtin.h"
#include "device/builtin/coalesce.h"
#include "device/builtin/mail.h"
#include "device/builtin/run.h"
#include "sys/loop/loop.h"
#include "sys/tun/tun.h"

struct aead;
struct port_lane;

/* How soon worker 0 should hear of a worker. */
enum bell { BELL_SILENT, BELL_SOON, BELL_NOW };

/* What a worker has to tell of a peer. */
struct note {
	struct list entry; /* worker.notes, while there is something */
	struct builtin_peer *peer;
	struct wg_tally tally;
	uint64_t mailed; /* number of the box with its latest packet for worker 0; 0 = none */
};

struct worker {
	struct builtin *builtin;
	unsigned number; /* 0: the loop's thread, which uses what follows up to the counters */
	struct loop *loop;
	struct tun *tun;
	struct loop_source source;
	struct port_lane *lane;
	struct aead *aead;
	uint8_t *read_room; /* TUN_PACKET_MAX */
	struct run run;
	struct coalesce coalesce;
	struct builtin_counters counters;

	pthread_t thread;
	atomic_bool is_stopping;
	struct list notes; /* of peers */
	enum bell rung;    /* since worker 0 last looked */
	uint64_t asked;    /* questions to worker 0 */
	uint64_t heard;    /* of them, by worker 0 */
	uint64_t answered; /* of them; guarded by builtin.answers */
	bool is_driven;    /* by worker 0, when the thread has ended */
	struct mail mail;  /* from the first time on that this worker was attached */
};

/* Processors this process may use. */
unsigned workers_processors(void);
/* The lock, before any worker. */
void workers_init(struct builtin *builtin);
/* Without telling anybody anything any more. */
void workers_done(struct builtin *builtin);
/* wg_ops.hold and release; the owner is the builtin. Worker 0 only; they nest. */
void workers_hold(void *owner);
void workers_release(void *owner);
/* One more. 0 or -errno; then nothing changed. */
int workers_attach(struct builtin *builtin);
/* One less, there is one: what waits for it is done first. */
void workers_detach(struct builtin *builtin);

/* Of a further worker, in its batch. */

struct note *workers_note(struct worker *worker, struct wg_peer *peer);
/* Ends the batch until worker 0 has dealt with all notes and mail of this worker, and begins
 * another: what was looked up before may be gone. */
void workers_ask(struct worker *worker);
/* Packets of this peer that worker 0 has to deal with first are under way. */
bool workers_has_mailed(const struct worker *worker, const struct wg_peer *peer);
/* False: no room, and counted. */
bool workers_mail_packet(struct worker *worker, struct wg_peer *peer, const uint8_t *packet,
			 size_t size);

/* load.c */

struct load {
	unsigned workers_max; /* 1: nothing is ever attached or detached */
	usec_t looked_at, quiet_since, retry_at;
	usec_t cpu[BUILTIN_WORKERS_MAX]; /* time on a processor, when it was looked at */
	struct loop_timer timer;         /* while there is more than one worker */
};

enum load_wish { LOAD_FINE, LOAD_ONE_MORE, LOAD_ONE_LESS };

/* cpu: time on a processor of each worker that runs. Pure. */
enum load_wish load_judge(struct load *load, usec_t now, const usec_t *cpu, unsigned running);
void load_attach(struct builtin *builtin, usec_t now);
/* Attaches a worker when the present ones have no time left; cheap enough for every batch of worker
 * 0. */
void load_look(struct builtin *builtin, usec_t now);
void load_on_timer(void *owner, usec_t now);
