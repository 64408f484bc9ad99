#include "sys/tun/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

/* Linux 6.2; missing from Debian 12's headers. The kernel wants both or none. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define TUN_OFFLOADS     (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define TUN_OFFLOADS_UDP (TUN_F_USO4 | TUN_F_USO6)

_Static_assert(sizeof(struct tun_header) == 10, "struct virtio_net_hdr without num_buffers");

struct tun {
	int fd;
	bool has_vnet_header, has_udp_gso;
	char name[IFNAMSIZ];
};

static int tun_ioctl(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

/* Requests about an interface go through any socket. */
static int tun_interface_request(const char *name, unsigned long request, struct ifreq *interface)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result;

	if (fd < 0)
		return -errno;
	strcpy(interface->ifr_name, name);
	result = tun_ioctl(fd, request, interface);
	close(fd);
	return result;
}

static int tun_set_mtu(const struct tun *tun, unsigned int mtu)
{
	struct ifreq interface = {.ifr_mtu = (int)mtu};

	return tun_interface_request(tun->name, SIOCSIFMTU, &interface);
}

int tun_mtu(const struct tun *tun)
{
	struct ifreq interface = {0};
	int result = tun_interface_request(tun->name, SIOCGIFMTU, &interface);

	return result ? result : interface.ifr_mtu;
}

/* An interface without an owner gives a further queue, and with it packets of ours, to every local
 * user who may open /dev/net/tun, which is everybody on Debian. With one, to that user and to who
 * has CAP_NET_ADMIN. */
static int tun_set_owner(const struct tun *tun)
{
	return ioctl(tun->fd, TUNSETOWNER, geteuid()) < 0 ? -errno : 0;
}

/* UDP offloads need Linux 6.2, so they are tried and then done without. */
static int tun_set_offloads(struct tun *tun, bool without_udp_gso)
{
	int header_size = sizeof(struct tun_header);
	int result = tun_ioctl(tun->fd, TUNSETVNETHDRSZ, &header_size);

	if (result)
		return result;
	tun->has_vnet_header = true;
	if (!without_udp_gso && !ioctl(tun->fd, TUNSETOFFLOAD, TUN_OFFLOADS | TUN_OFFLOADS_UDP)) {
		tun->has_udp_gso = true;
		return 0;
	}
	return ioctl(tun->fd, TUNSETOFFLOAD, TUN_OFFLOADS) ? -errno : 0;
}

static int tun_attach(struct tun *tun, const char *name, unsigned int flags)
{
	struct ifreq interface = {.ifr_flags = (short)flags};
	int result;

	strcpy(interface.ifr_name, name);
	result = tun_ioctl(tun->fd, TUNSETIFF, &interface);
	if (result)
		return result;
	memcpy(tun->name, interface.ifr_name, sizeof(tun->name));
	tun->name[sizeof(tun->name) - 1] = '\0';
	return 0;
}

static unsigned int tun_flags(bool has_vnet_header, bool is_multi_queue)
{
	return IFF_TUN | IFF_NO_PI | (has_vnet_header ? IFF_VNET_HDR : 0) |
	       (is_multi_queue ? IFF_MULTI_QUEUE : 0);
}

/* NULL with *ret_error set. */
static struct tun *tun_new(int *ret_error)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct tun *tun;

	if (fd < 0) {
		*ret_error = -errno;
		return NULL;
	}
	tun = new (struct tun);
	tun->fd = fd;
	return tun;
}

int tun_open(const struct tun_options *options, struct tun **ret_tun)
{
	/* EXCL: the kernel refuses any name that is in use, a persistent TUN's included. */
	unsigned int flags = tun_flags(!options->without_vnet_header, options->is_multi_queue);
	struct tun *tun;
	int result;

	if (strlen(options->name) >= IFNAMSIZ)
		return -ENAMETOOLONG;
	tun = tun_new(&result);
	if (!tun)
		return result;
	result = tun_attach(tun, options->name, flags | IFF_TUN_EXCL);
	if (!result)
		result = tun_set_owner(tun);
	if (!result && !options->without_vnet_header)
		result = tun_set_offloads(tun, options->without_udp_gso);
	if (!result && options->mtu)
		result = tun_set_mtu(tun, options->mtu);
	if (result) {
		tun_close(tun);
		return result;
	}
	*ret_tun = tun;
	return 0;
}

/* Its present name, which may be another one by now; false when it is gone. */
static bool tun_is_named(const struct tun *tun, char name[IFNAMSIZ])
{
	struct ifreq interface = {0};

	if (tun_ioctl(tun->fd, TUNGETIFF, &interface))
		return false;
	memcpy(name, interface.ifr_name, IFNAMSIZ);
	return true;
}

/* A name that is free by now would make another interface: that one is given up at once. */
static int tun_attach_again(const struct tun *tun, struct tun *queue)
{
	char name[IFNAMSIZ], after[IFNAMSIZ];
	int result;

	if (!tun_is_named(tun, name) || !if_nametoindex(name))
		return -ENODEV;
	result = tun_attach(queue, name, tun_flags(tun->has_vnet_header, true));
	if (!result && (!tun_is_named(tun, after) || strncmp(name, after, sizeof(name))))
		result = -ENODEV;
	return result;
}

int tun_add_queue(const struct tun *tun, struct tun **ret_queue)
{
	int result;
	struct tun *queue = tun_new(&result);

	if (!queue)
		return result;
	result = tun_attach_again(tun, queue);
	if (!result && tun->has_vnet_header)
		result = tun_set_offloads(queue, !tun->has_udp_gso);
	if (result) {
		tun_close(queue);
		return result;
	}
	*ret_queue = queue;
	return 0;
}

int tun_adopt(int fd, struct tun **ret_tun)
{
	struct tun *tun = new (struct tun);
	struct ifreq interface = {0};
	int status = fcntl(fd, F_GETFL);
	int result = tun_ioctl(fd, TUNGETIFF, &interface);

	tun->fd = fd;
	if (!result && (interface.ifr_flags & IFF_TAP || !(interface.ifr_flags & IFF_NO_PI)))
		result = -EINVAL;
	if (!result && interface.ifr_flags & IFF_VNET_HDR)
		result = tun_set_offloads(tun, false);
	if (!result && (status < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) ||
			fcntl(fd, F_SETFD, FD_CLOEXEC)))
		result = -errno;
	if (result) {
		free(tun);
		return result;
	}
	memcpy(tun->name, interface.ifr_name, sizeof(tun->name));
	tun->name[sizeof(tun->name) - 1] = '\0';
	*ret_tun = tun;
	return 0;
}

void tun_close(struct tun *tun)
{
	if (!tun)
		return;
	close(tun->fd);
	free(tun);
}

int tun_fd(const struct tun *tun)
{
	return tun->fd;
}

const char *tun_name(const struct tun *tun)
{
	return tun->name;
}

bool tun_has_vnet_header(const struct tun *tun)
{
	return tun->has_vnet_header;
}

bool tun_has_udp_gso(const struct tun *tun)
{
	return tun->has_udp_gso;
}

ssize_t tun_read(struct tun *tun, struct tun_header *ret_header, void *data, size_t capacity)
{
	struct iovec parts[2] = {{ret_header, sizeof(*ret_header)}, {data, capacity}};
	int first = tun->has_vnet_header ? 0 : 1;
	ssize_t size;

	memset(ret_header, 0, sizeof(*ret_header));
	do
		size = readv(tun->fd, parts + first, 2 - first);
	while (size < 0 && errno == EINTR);
	if (size < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (!tun->has_vnet_header)
		return size;
	return size < (ssize_t)sizeof(*ret_header) ? -EIO : size - (ssize_t)sizeof(*ret_header);
}

int tun_write(struct tun *tun, const struct tun_header *header, const struct iovec *parts,
	      size_t count)
{
	struct tun_header plain = {0};
	struct iovec all[TUN_PARTS_MAX + 1];
	size_t first = tun->has_vnet_header ? 1 : 0;
	ssize_t size;

	if (count > TUN_PARTS_MAX)
		return -EINVAL;
	all[0].iov_base = header ? (void *)header : &plain;
	all[0].iov_len = sizeof(plain);
	memcpy(all + first, parts, count * sizeof(*parts));
	do
		size = writev(tun->fd, all, (int)(count + first));
	while (size < 0 && errno == EINTR);
	return size < 0 ? -errno : 0;
}
