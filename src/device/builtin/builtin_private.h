/* Inside of the device, shared by the files of this room: builtin.c (life, events, timers,
 * counters), peers.c, transmit.c (interface to network), receive.c (network to interface),
 * workers.c (further threads), load.c (when). */
#pragma once

#include "base/list.h"
#include "device/builtin/builtin.h"
#include "device/builtin/stage.h"
#include "device/builtin/workers.h"
#include "proto/noise/stamp.h"
#include "proto/noise/wg.h"
#include "sys/loop/loop.h"
#include "sys/tun/tun.h"

/* Slots of the pool for waiting packets, each as large as the MTU at the start. */
#define STAGE_SLOTS         512
/* What waited longer than this (WireGuard's REKEY_ATTEMPT_TIME) is of no use to anybody. */
#define STAGED_TIME_MAX     (90 * USEC_PER_SEC)
#define WANTED_INTERVAL     (1 * USEC_PER_SEC)
/* Reads of the interface in one turn before others have theirs: a full run of small packets, or
 * 1 MiB of super-packets, less than 1 ms of work either way. */
#define TUN_READS_PER_TURN  128
#define TUN_BYTES_PER_TURN  (1 << 20)
/* In one batch of a further worker, for whose end worker 0 may have to wait. */
#define TUN_READS_PER_BATCH 64
#define TUN_BYTES_PER_BATCH (1 << 18)
#define ALLOWED_NODES_FIRST 64

/* What events a peer has for its owner, told when the device is done with a batch. */
enum pending_event { PENDING_HANDSHAKE = 1, PENDING_ENDPOINT = 2, PENDING_WANTED = 4 };

struct builtin_peer {
	struct wg_peer wg; /* first: wiped by wg_peer_remove() */
	struct builtin *builtin;
	void *owner;
	struct stage stage;
	usec_t staged_at; /* when the latest packet was staged */
	usec_t wanted_at; /* when that was told; 0 = never */
	struct list pending;
	unsigned events; /* enum pending_event */
	struct address from;
	bool has_moved;
	struct note notes[BUILTIN_WORKERS_MAX - 1]; /* of workers 1 and up */
};

struct builtin {
	struct loop *loop;
	struct port *port;
	struct wg *wg; /* in locked memory: it holds the private key */
	struct worker workers[BUILTIN_WORKERS_MAX];
	unsigned running;         /* of them, 1 or more */
	unsigned workers_wanted;  /* by the options */
	pthread_rwlock_t batches; /* workers.h */
	unsigned holds;
	pthread_mutex_t answers;
	pthread_cond_t answered;
	struct loop_source bell;      /* rung by workers 1 and up; fd -1: there were none yet */
	struct loop_timer fold_timer; /* their notes are read then */
	bool is_reading;              /* their mail */
	struct load load;
	struct stage_pool stage_pool;
	struct loop_timer timer;
	struct stamp stamp;
	struct builtin_stamp_store stamps;
	struct builtin_events events;
	void (*on_control)(void *owner, usec_t now, struct port_packet *packet);
	void *control_owner;
	struct list pending; /* peers with events */
	bool is_gone, has_told_gone;
	size_t mtu; /* changes while workers are held */
	struct prefix local[BUILTIN_LOCAL_MAX];
	size_t local_count;
};

static inline struct builtin_peer *peer_of(struct wg_peer *peer)
{
	return container_of(peer, struct builtin_peer, wg);
}

static inline void count_drops(struct worker *worker, enum builtin_drop drop, uint64_t count)
{
	worker->counters.drops[drop] += count;
}

static inline void count_wg_drop(struct worker *worker, enum wg_drop drop)
{
	if (drop != WG_OK)
		count_drops(worker, BUILTIN_DROP_WG + drop - 1, 1);
}

/* builtin.c */
void builtin_add_event(struct builtin_peer *peer, enum pending_event event);
/* Tells the owner what happened and arms the timer: the end of every entry from loop or port. */
void builtin_settle(struct builtin *builtin);
void builtin_rearm(struct builtin *builtin);
void builtin_interface_gone(struct builtin *builtin);
/* Its own things, but loop and lane; the interface is open. */
void worker_begin(struct worker *worker);
void worker_end(struct worker *worker);

/* transmit.c */
/* Worker 0's. */
void transmit_readable(void *owner, uint32_t events);
/* Reads and sends for a while. The size of what was read last, 0 when nothing waits, or -errno. */
ssize_t transmit_turn(struct worker *worker);
/* By worker 0, a packet that another worker read; transmit_flush() when there are no more. */
void transmit_mailed(struct builtin *builtin, const uint8_t *packet, size_t size);
void transmit_flush(struct builtin *builtin);
/* What waits for the peer goes out. */
void transmit_staged(struct builtin_peer *peer);
/* Drops what waits and counts it. */
void transmit_forget(struct builtin_peer *peer, enum builtin_drop drop);

/* receive.c */
void receive_data(void *owner, usec_t now, struct port_packet *packets, size_t count);
void receive_batch(struct worker *worker, usec_t now, struct port_packet *packets, size_t count);
void receive_handshake(void *owner, usec_t now, struct port_packet *packet);
/* The sink of worker.coalesce. */
void receive_write(void *owner, const struct tun_header *header, const struct iovec *parts,
		   size_t packets);
