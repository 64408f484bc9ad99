/* TUN devices with vnet_hdr offloads: one read or write moves a super-packet of up to 64 KB. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* struct virtio_net_hdr (linux/virtio_net.h), as it stands before each packet; native endian. */
struct tun_header {
	uint8_t flags;	  /* TUN_NEEDS_CHECKSUM, TUN_CHECKSUM_VALID */
	uint8_t gso_type; /* TUN_GSO_* */
	uint16_t header_size, gso_size, checksum_start, checksum_offset;
};

#define TUN_NEEDS_CHECKSUM 1
#define TUN_CHECKSUM_VALID 2
#define TUN_GSO_NONE 0
#define TUN_GSO_TCP4 1
#define TUN_GSO_TCP6 4
#define TUN_GSO_UDP 5 /* VIRTIO_NET_HDR_GSO_UDP_L4, Linux 6.2 */

struct tun;

struct tun_options {
	const char *name; /* "wl0", or with %d */
	bool without_vnet_header, without_udp_gso;
	bool is_multi_queue;
};

/* 0 or -errno: -EBUSY when the interface exists and is not ours to take, -EPERM, -ENOENT (no /dev/net/tun),
 * -ENAMETOOLONG. The interface vanishes when the last descriptor closes. */
int tun_open(const struct tun_options *options, struct tun **ret_tun);
/* Adopts an inherited descriptor (WG_TUN_FD). */
int tun_adopt(int fd, struct tun **ret_tun);
void tun_close(struct tun *tun);
int tun_fd(const struct tun *tun);
const char *tun_name(const struct tun *tun);
bool tun_has_vnet_header(const struct tun *tun);
bool tun_has_udp_gso(const struct tun *tun);

/* Never blocks. Size of the packet in data (header apart), 0 when none waits, or -errno. */
ssize_t tun_read(struct tun *tun, struct tun_header *ret_header, void *data, size_t capacity);
/* One packet, gathered from parts. 0 or -errno (-EAGAIN: queue full; -EIO: interface down). */
int tun_write(struct tun *tun, const struct tun_header *header, const struct iovec *parts,
	      size_t count);
