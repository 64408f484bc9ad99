/* UDP sockets in batches: UDP_SEGMENT out, UDP_GRO in, sticky source addresses by PKTINFO.
 * Offloads are probed at open and can be forced off. A message that the kernel refuses with GSO is
 * sent again as single datagrams, so the batch is never lost: EIO (the device cannot checksum)
 * turns GSO off for that socket, EINVAL and EMSGSIZE (datagrams above the route's MTU, which then
 * go as fragments) only for that message. Nothing is allocated after udp_open(). One thread at a
 * time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

#define UDP_SEGMENTS_MAX 64    /* UDP_MAX_SEGMENTS of Linux 4.18; newer kernels take 128 */
#define UDP_PAYLOAD_MAX  65507 /* 65535 - IPv4 header - UDP header */
/* One system call moves at most this many messages. */
#define UDP_BATCH_MAX    64

struct udp;

struct udp_options {
	struct address bind; /* family decides the socket; ip may be unspecified, port 0 = any */
	uint32_t fwmark;     /* 0 = none */
	bool without_gso, without_gro;
	size_t buffer_size; /* SO_RCVBUFFORCE/SO_SNDBUFFORCE, then the unforced ones; 0 = 7 MiB */
	const char *device; /* SO_BINDTODEVICE, NULL = none */
	/* SO_REUSEPORT: joins the sockets of our user on that port which have it set. */
	bool is_shared;
};

/* One message of the kernel: `size` bytes cut into datagrams of segment_size (the last may be
 * shorter; segment_size == size for a single one). A run to send may be longer than the kernel
 * takes at once (UDP_SEGMENTS_MAX, UDP_PAYLOAD_MAX): it is split. */
struct udp_message {
	struct address remote;
	struct address local; /* source (send) or destination (receive) IP; FAMILY_NONE = kernel's
				 choice */
	uint8_t *data;
	size_t size;
	size_t capacity; /* receive: room at data; give 65535 or more, or GRO super-packets are cut
			  */
	size_t segment_size;
};

/* How many datagrams the message is; an empty one counts. */
static inline size_t udp_message_datagrams(const struct udp_message *message)
{
	size_t segment_size = message->segment_size ? message->segment_size : message->size;

	return message->size ? (message->size + segment_size - 1) / segment_size : 1;
}

struct udp_counters {
	uint64_t send_calls, send_datagrams, send_failures, gso_fallbacks;
	uint64_t receive_calls, receive_datagrams, truncated;
};

/* 0 or -errno. IPv6 sockets are V6ONLY. */
int udp_open(const struct udp_options *options, struct udp **ret_udp);
void udp_close(struct udp *udp);
int udp_fd(const struct udp *udp);
uint16_t udp_port(const struct udp *udp);
int udp_set_fwmark(struct udp *udp, uint32_t fwmark);
/* Whether further sockets of our user with is_shared may be bound to the same port. The kernel then
 * gives each source to one of them, by a hash that changes with their number. May be set and
 * cleared at any time; off, the port is ours alone. 0 or -errno. */
int udp_set_shared(struct udp *udp, bool is_shared);
/* Nothing new comes to this socket of a shared port, the others get it; what waits can be read.
 * Best effort. It sends nothing any more. */
void udp_retire(struct udp *udp);
/* Borrowed, and counting on. send_failures counts datagrams, gso_fallbacks messages. */
const struct udp_counters *udp_counters(const struct udp *udp);

/* Never blocks. Returns how many messages were filled (0 when none waits, at most UDP_BATCH_MAX),
 * or -errno. A pending ICMP error of an earlier send is swallowed, not returned. Of a message that
 * did not fit only whole datagrams are left, possibly none: then size is 0. */
int udp_receive(struct udp *udp, struct udp_message *messages, size_t count);
/* Never blocks; what the kernel refuses is dropped and counted. Returns 0, or -errno of the last
 * refusal. */
int udp_send(struct udp *udp, const struct udp_message *messages, size_t count);
