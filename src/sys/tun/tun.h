/* TUN devices with vnet_hdr offloads: one read or write moves a super-packet of up to 64 KB.
 * Creates interfaces of its own only: what exists already, whatever it is, is refused and never
 * touched. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* struct virtio_net_hdr (linux/virtio_net.h), as it stands before each packet; native endian. */
struct tun_header {
	uint8_t flags;    /* TUN_NEEDS_CHECKSUM, TUN_CHECKSUM_VALID */
	uint8_t gso_type; /* TUN_GSO_*, perhaps with TUN_GSO_ECN */
	uint16_t header_size, gso_size, checksum_start, checksum_offset;
};

#define TUN_NEEDS_CHECKSUM 1
#define TUN_CHECKSUM_VALID 2
#define TUN_GSO_NONE       0
#define TUN_GSO_TCP4       1
#define TUN_GSO_TCP6       4
#define TUN_GSO_UDP        5    /* VIRTIO_NET_HDR_GSO_UDP_L4, Linux 6.2 */
#define TUN_GSO_ECN        0x80 /* with TCP: CWR is set, for the first segment only */

#define TUN_PACKET_MAX     65535
#define TUN_PARTS_MAX      130 /* 128 pieces of payload behind two of headers */

struct tun;

struct tun_options {
	const char *name; /* "wl0", or with %d */
	unsigned int mtu; /* 0 = as the kernel makes it (1500) */
	bool without_vnet_header, without_udp_gso;
	bool is_multi_queue; /* tun_add_queue() will be called */
};

/* 0 or -errno: -EBUSY when an interface of that name exists, -EPERM, -ENOENT (no /dev/net/tun),
 * -ENAMETOOLONG. The interface vanishes when the last descriptor closes. */
int tun_open(const struct tun_options *options, struct tun **ret_tun);
/* Adopts an inherited descriptor (WG_TUN_FD), with its flags as they are. Takes the descriptor over
 * only when it succeeds. 0 or -errno (-EBADFD, -EINVAL, -ENOTTY: not an attached TUN descriptor).
 */
int tun_adopt(int fd, struct tun **ret_tun);
/* One more queue of an interface that was opened with is_multi_queue, and is still there, in the
 * namespace of the caller (-ENODEV). 0 or -errno. */
int tun_add_queue(const struct tun *tun, struct tun **ret_queue);
void tun_close(struct tun *tun);
int tun_fd(const struct tun *tun);
const char *tun_name(const struct tun *tun);
bool tun_has_vnet_header(const struct tun *tun);
bool tun_has_udp_gso(const struct tun *tun);
/* The interface's present MTU, or -errno. */
int tun_mtu(const struct tun *tun);

/* Never blocks. Size of the packet in data (header apart), 0 when none waits, or -errno (-EBADFD:
 * the interface was deleted). capacity: TUN_PACKET_MAX, or packets may be cut. Without a vnet_hdr
 * the header is all zeros. */
ssize_t tun_read(struct tun *tun, struct tun_header *ret_header, void *data, size_t capacity);
/* One packet, gathered from at most TUN_PARTS_MAX parts; header is ignored without a vnet_hdr, and
 * NULL is a plain packet. 0 or -errno (-EAGAIN: queue full; -EIO: interface down; -EINVAL: not IP).
 */
int tun_write(struct tun *tun, const struct tun_header *header, const struct iovec *parts,
	      size_t count);
