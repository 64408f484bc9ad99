/* Our userspace WireGuard device: a TUN interface, one UDP port and the peers between them, in
 * batches from end to end. It moves packets and runs WireGuard's handshakes and timers
 * (proto/noise); it never sets addresses, routes or the up state of its interface, never resolves
 * names, never logs, and decides nothing about paths: who owns the device sets endpoints.
 * Everything here is for the thread of the loop; events are called from there and may call anything
 * but builtin_free(). Under load further threads move data (workers.h): what they did to a peer's
 * statistics shows within 20 ms. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/key.h"
#include "base/time.h"
#include "proto/noise/wg.h"

#define BUILTIN_MTU_DEFAULT    1420
#define BUILTIN_MTU_MAX        65456 /* fits a UDP datagram with WireGuard's overhead */
#define BUILTIN_PEERS_MAX      16384
/* Packets kept per peer while its handshake runs; the oldest is dropped for the newest. */
#define BUILTIN_STAGED_MAX     128
#define BUILTIN_INTERFACE_SIZE 16 /* IFNAMSIZ */
#define BUILTIN_LOCAL_MAX      16
#define BUILTIN_WORKERS_MAX    4

struct builtin;
struct builtin_peer;
struct loop;
struct port;

/* Where the mark of handshake time stamps lives between runs (proto/noise/stamp.h). Both return 0
 * or -errno; a load that fails means that nothing was kept. */
struct builtin_stamp_store {
	void *owner;
	int (*load)(void *owner, uint64_t *ret_mark);
	int (*save)(void *owner, uint64_t mark);
};

struct builtin_options {
	const char *interface; /* "wl0", or with %d */
	/* An inherited TUN descriptor in place of `interface`; it stays as it is, MTU included. 0 =
	 * none. */
	int tun_fd;
	uint16_t mtu;         /* 0 = BUILTIN_MTU_DEFAULT */
	uint16_t listen_port; /* 0 = any */
	uint32_t fwmark;
	bool without_vnet_header, without_udp_gso; /* towards TUN */
	bool without_gso, without_gro;             /* towards UDP */
	const struct wg_limits *limits;            /* copied; NULL = WireGuard's own */
	/* Only inner packets to one of these addresses are taken from peers, so that nothing is
	 * ever forwarded between them (security 15). Copied; none = whatever comes. */
	const struct prefix *local;
	size_t local_count;                       /* at most BUILTIN_LOCAL_MAX */
	const struct builtin_stamp_store *stamps; /* copied; NULL = the wall clock alone */
	/* Threads that move data. 0: as many as it takes, at most one per processor and
	 * BUILTIN_WORKERS_MAX. Otherwise just so many from builtin_start_workers() on, the loop's
	 * included. With tun_fd there is one. */
	unsigned workers;
};

/* What is not to be used although the kernel has it, named by this variable of the environment:
 * words with commas between them. For tests, and to find a faulty driver. */
#define BUILTIN_WITHOUT       "WAYLEAVE_WITHOUT"
#define BUILTIN_WITHOUT_WORDS "gso, gro, uso, vnet-header"
/* Sets those of the options; 0 or -EINVAL for another word. */
int builtin_options_without(struct builtin_options *options);

/* Each may be NULL. */
struct builtin_events {
	void *owner;
	/* A session became usable (both roles; also on each rekey). */
	void (*on_handshake)(void *owner, struct builtin_peer *peer);
	/* An authenticated packet came from another address than the peer's endpoint. has_moved:
	 * the peer may roam and its endpoint is `from` now; otherwise nothing changed, and this is
	 * told once per new address until another one is seen. */
	void (*on_endpoint)(void *owner, struct builtin_peer *peer, const struct address *from,
			    bool has_moved);
	/* A packet waits for the peer, which has no session or no endpoint: told for the first one
	 * and then at most once a second. Without this handler packets for a peer without endpoint
	 * are dropped. */
	void (*on_wanted)(void *owner, struct builtin_peer *peer);
	/* The interface is gone (deleted by somebody); the device only idles from here on. */
	void (*on_gone)(void *owner);
};

/* 0 or -errno: those of tun_open() or tun_adopt(), and port_new(), -EINVAL for a bad MTU or too
 * many addresses or workers. events is copied. */
int builtin_new(struct loop *loop, const struct builtin_options *options,
		const struct builtin_events *events, struct builtin **ret_builtin);
/* The first further threads: to be called when the process has given up what they shall not have
 * either. 0 or -errno; then there are fewer. */
int builtin_start_workers(struct builtin *builtin);
/* Wipes all keys, removes the interface and closes the port. NULL is fine. */
void builtin_free(struct builtin *builtin);

const char *builtin_interface(const struct builtin *builtin);
/* The device's port: fwmark, sending control datagrams, mask. What else there is to it is the
 * device's: handlers (builtin_set_control()), number, counters. */
struct port *builtin_port(struct builtin *builtin);
/* As port_set_number(). */
int builtin_set_listen_port(struct builtin *builtin, uint16_t listen_port);
struct port_counters;
void builtin_get_port_counters(struct builtin *builtin, struct port_counters *ret_counters);
struct port_packet;
void builtin_set_control(struct builtin *builtin,
			 void (*on_control)(void *owner, usec_t now, struct port_packet *packet),
			 void *owner);

/* Clamped and copied into locked memory; NULL or all zeros = no key, nothing is sent or accepted.
 * Another key ends all sessions. A peer with our own public key stays without sessions. */
void builtin_set_private_key(struct builtin *builtin, const struct key *private_key);
bool builtin_has_private_key(const struct builtin *builtin);
/* A copy of the secret, for the UAPI socket only. */
void builtin_get_private_key(const struct builtin *builtin, struct key *ret_private_key);
/* All zeros without a private key. */
void builtin_get_public_key(const struct builtin *builtin, struct key *ret_public_key);

/* A point that a handshake can use: canonical, and not of low order. */
bool builtin_may_be_peer(const struct key *public_key);
/* 0, -EEXIST, -EINVAL (builtin_may_be_peer() says no) or -ENOSPC (BUILTIN_PEERS_MAX). may_roam
 * starts true.
 */
int builtin_peer_add(struct builtin *builtin, const struct key *public_key,
		     struct builtin_peer **ret_peer);
struct builtin_peer *builtin_peer_find(const struct builtin *builtin, const struct key *public_key);
/* Wipes its keys and drops what was staged. The pointer is dead afterwards. */
void builtin_peer_remove(struct builtin_peer *peer);
/* In order of addition; NULL starts, NULL ends. */
struct builtin_peer *builtin_peer_next(const struct builtin *builtin,
				       const struct builtin_peer *peer);
size_t builtin_peer_count(const struct builtin *builtin);

const struct key *builtin_peer_key(const struct builtin_peer *peer);
/* The role's own record of this peer; NULL until set. */
void builtin_peer_set_owner(struct builtin_peer *peer, void *owner);
void *builtin_peer_owner(const struct builtin_peer *peer);

/* Takes effect with the next handshake; NULL or zeros = none. */
void builtin_peer_set_preshared_key(struct builtin_peer *peer, const struct key *preshared_key);
void builtin_peer_get_preshared_key(const struct builtin_peer *peer, struct key *ret_preshared_key);
/* FAMILY_NONE = unknown: nothing can be sent until the peer is heard or one is set. What waited for
 * it goes out when there is a session. */
void builtin_peer_set_endpoint(struct builtin_peer *peer, const struct address *endpoint);
/* Seconds, 0 = off. Sends one at once when it is switched on, as WireGuard does. */
void builtin_peer_set_keepalive(struct builtin_peer *peer, uint16_t seconds);
uint16_t builtin_peer_keepalive(const struct builtin_peer *peer);
/* True: the endpoint follows authenticated packets at once, as WireGuard does. False: only events
 * tell. */
void builtin_peer_set_may_roam(struct builtin_peer *peer, bool may_roam);
/* True at first: data to send and timers start handshakes. False: only
 * builtin_peer_start_handshake() does, and the retries that follow it. */
void builtin_peer_set_may_initiate(struct builtin_peer *peer, bool may_initiate);

/* Host bits are cut. A prefix of another peer moves to this one, as WireGuard does. */
int builtin_peer_allow(struct builtin_peer *peer, const struct prefix *prefix);
/* False when the prefix is not this peer's. */
bool builtin_peer_disallow(struct builtin_peer *peer, const struct prefix *prefix);
void builtin_peer_disallow_all(struct builtin_peer *peer);
/* index 0..; false past the end. The order is not stable across changes. */
bool builtin_peer_allowed(const struct builtin_peer *peer, size_t index, struct prefix *ret_prefix);
/* The peer whose prefix matches longest, NULL when none does. */
struct builtin_peer *builtin_route(const struct builtin *builtin,
				   const struct address *destination);

/* Sends an initiation now, also when a session is alive; nothing within 5 s (WireGuard's
 * REKEY_TIMEOUT) of the last one or without an endpoint. */
void builtin_peer_start_handshake(struct builtin_peer *peer);
/* An empty data packet; starts a handshake when there is no session. */
void builtin_peer_send_keepalive(struct builtin_peer *peer);
/* Ends all sessions and forgets the handshake; the configuration stays. */
void builtin_peer_end_sessions(struct builtin_peer *peer);

struct builtin_peer_statistics {
	uint64_t rx_bytes,
		tx_bytes;      /* WireGuard messages as they went over UDP, handshakes included */
	usec_t last_handshake; /* loop time; 0 = never */
	usec_t last_received;  /* last authenticated packet of any kind; 0 = never */
	usec_t last_sent;      /* last data or keepalive packet; 0 = never */
	usec_t last_data; /* last packet either way that was more than a keepalive; 0 = never */
	struct address endpoint;
	bool has_session; /* data can be sent now */
};

void builtin_peer_get_statistics(const struct builtin_peer *peer,
				 struct builtin_peer_statistics *ret_statistics);

/* The device's own reasons; after them those of proto/noise, in the order of enum wg_drop. */
enum builtin_drop {
	/* From the interface. */
	BUILTIN_DROP_TUN_MALFORMED, /* not IP, or an offload header that does not fit its packet */
	BUILTIN_DROP_TUN_TOO_BIG,
	BUILTIN_DROP_TUN_NO_PEER,     /* no allowed IP matches the destination */
	BUILTIN_DROP_TUN_NO_ENDPOINT, /* the peer's address is unknown, and nobody looks for it */
	BUILTIN_DROP_TUN_NO_KEY,      /* no private key is set */
	BUILTIN_DROP_STAGED_OLDEST,   /* the peer's queue was full */
	BUILTIN_DROP_STAGED_FULL,     /* the device's pool for waiting packets was empty */
	BUILTIN_DROP_STAGED_EXPIRED,  /* no handshake came */
	BUILTIN_DROP_MAIL_FULL,       /* too much at once that only the first worker can handle */
	/* Towards the interface. */
	BUILTIN_DROP_RX_FOREIGN, /* not to one of our own addresses, and options say that it must be
				  */
	BUILTIN_DROP_TUN_REFUSED, /* it is down, or its queue is full */
	BUILTIN_DROP_WG,          /* that of enum wg_drop number 1, and so on */
	BUILTIN_DROP_COUNT = BUILTIN_DROP_WG + WG_DROP_COUNT - 1
};

struct builtin_counters {
	uint64_t workers; /* at present */
	uint64_t tun_reads, tun_read_packets, tun_writes,
		tun_write_packets;  /* reads: system calls */
	uint64_t runs, run_packets; /* sealed and handed to the port */
	uint64_t keepalives_received, handshakes_sent, handshakes_completed, cookies_sent;
	uint64_t drops[BUILTIN_DROP_COUNT];
};

void builtin_get_counters(struct builtin *builtin, struct builtin_counters *ret_counters);
/* "tun-no-peer": stable, for status. */
const char *builtin_drop_name(unsigned drop);
