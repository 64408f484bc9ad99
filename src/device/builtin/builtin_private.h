/* Inside of the device, shared by the files of this room: builtin.c (life, events, timers,
 * counters), peers.c, transmit.c (interface to network), receive.c (network to interface), run.c.
 */
#pragma once

#include "base/list.h"
#include "device/builtin/builtin.h"
#include "device/builtin/coalesce.h"
#include "device/builtin/run.h"
#include "device/builtin/stage.h"
#include "proto/noise/stamp.h"
#include "proto/noise/wg.h"
#include "sys/loop/loop.h"
#include "sys/tun/tun.h"

/* Slots of the pool for waiting packets, each as large as the MTU at the start. */
#define STAGE_SLOTS         512
/* What waited longer than this (WireGuard's REKEY_ATTEMPT_TIME) is of no use to anybody. */
#define STAGED_TIME_MAX     (90 * USEC_PER_SEC)
#define WANTED_INTERVAL     (1 * USEC_PER_SEC)
/* Reads of the interface in one turn before others have theirs: two full runs of small packets, or
 * 1 MiB of super-packets, less than 1 ms of work either way. */
#define TUN_READS_PER_TURN  128
#define TUN_BYTES_PER_TURN  (1 << 20)
#define ALLOWED_NODES_FIRST 64

/* One data thread's own things. There is one now; more need a TUN queue each and workers in port.
 */
struct worker {
	struct builtin *builtin;
	struct tun *tun;
	struct loop_source source;
	struct aead *aead;
	uint8_t *read_room; /* TUN_PACKET_MAX */
	struct run run;
	struct coalesce coalesce;
};

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
};

struct builtin {
	struct loop *loop;
	struct port *port;
	struct wg *wg; /* in locked memory: it holds the private key */
	struct worker worker;
	struct stage_pool stage_pool;
	struct loop_timer timer;
	struct stamp stamp;
	struct builtin_stamp_store stamps;
	struct builtin_events events;
	void (*on_control)(void *owner, usec_t now, struct port_packet *packet);
	void *control_owner;
	struct list pending; /* peers with events */
	bool is_gone, has_told_gone;
	size_t mtu;
	struct prefix local[BUILTIN_LOCAL_MAX];
	size_t local_count;
	struct builtin_counters counters; /* without those of wg */
};

static inline struct builtin_peer *peer_of(struct wg_peer *peer)
{
	return container_of(peer, struct builtin_peer, wg);
}

static inline void count_drops(struct builtin *builtin, enum builtin_drop drop, uint64_t count)
{
	builtin->counters.drops[drop] += count;
}

/* builtin.c */
void builtin_add_event(struct builtin_peer *peer, enum pending_event event);
/* Tells the owner what happened and arms the timer: the end of every entry from loop or port. */
void builtin_settle(struct builtin *builtin);
void builtin_rearm(struct builtin *builtin);
void builtin_interface_gone(struct builtin *builtin);

/* transmit.c */
void transmit_readable(void *owner, uint32_t events);
/* What waits for the peer goes out. */
void transmit_staged(struct builtin_peer *peer);
/* Drops what waits and counts it. */
void transmit_forget(struct builtin_peer *peer, enum builtin_drop drop);

/* receive.c */
void receive_data(void *owner, usec_t now, struct port_packet *packets, size_t count);
void receive_handshake(void *owner, usec_t now, struct port_packet *packet);
/* The sink of worker.coalesce. */
void receive_write(void *owner, const struct tun_header *header, const struct iovec *parts,
		   size_t packets);
