/* All of it runs in a network namespace of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/tun/tun.h"

#include <cmocka.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define NOBODY 65534

static bool is_root_here;

#define need_namespace()                                                                    \
	do {                                                                                \
		if (!is_root_here) {                                                        \
			print_message("needs root, /dev/net/tun and network namespaces\n"); \
			skip();                                                             \
		}                                                                           \
	} while (0)

static int enter_namespace(void **state)
{
	is_root_here = !unshare(CLONE_NEWNET) && !access("/dev/net/tun", R_OK | W_OK);
	return 0;
}

static struct tun *opened(const struct tun_options *options)
{
	struct tun *tun = NULL;

	assert_int_equal(tun_open(options, &tun), 0);
	return tun;
}

static void set_address(const char *name, const char *address, bool is_up)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq interface = {0};
	struct sockaddr_in *inet = (struct sockaddr_in *)&interface.ifr_addr;

	strcpy(interface.ifr_name, name);
	inet->sin_family = AF_INET;
	inet_pton(AF_INET, address, &inet->sin_addr);
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &interface), 0);
	inet_pton(AF_INET, "255.255.255.0", &inet->sin_addr);
	assert_int_equal(ioctl(fd, SIOCSIFNETMASK, &interface), 0);
	interface.ifr_flags = is_up ? IFF_UP : 0;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &interface), 0);
	close(fd);
}

static void delete_interface(const char *name)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg interface;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = RTM_DELLINK,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.interface = {.ifi_index = (int)if_nametoindex(name)},
	};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	char answer[512];

	assert_int_equal(send(fd, &request, sizeof(request), 0), sizeof(request));
	assert_true(recv(fd, answer, sizeof(answer), 0) > 0);
	close(fd);
}

static int udp_socket(const char *address, uint16_t port)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval patience = {.tv_sec = 2};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	inet_pton(AF_INET, address, &local.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof(local)), 0);
	return fd;
}

static void send_to(int fd, const char *address, uint16_t port, size_t size)
{
	struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(port)};
	char data[20000] = {0};

	inet_pton(AF_INET, address, &remote.sin_addr);
	assert_int_equal(sendto(fd, data, size, 0, (struct sockaddr *)&remote, sizeof(remote)),
			 size);
}

/* The next IPv4 UDP packet; the kernel also sends IPv6 router solicitations. */
static ssize_t read_udp(struct tun *tun, struct tun_header *ret_header, uint8_t *data)
{
	struct pollfd wait = {.fd = tun_fd(tun), .events = POLLIN};

	while (poll(&wait, 1, 2000) > 0) {
		ssize_t size = tun_read(tun, ret_header, data, TUN_PACKET_MAX);

		assert_true(size >= 0);
		if (size > 28 && data[0] == 0x45 && data[9] == IPPROTO_UDP)
			return size;
	}
	fail_msg("no packet came");
	return -1;
}

static void a_new_interface_has_the_asked_name_and_mtu(void **state)
{
	need_namespace();
	struct tun *tun = opened(&(struct tun_options){.name = "wltest0", .mtu = 1420});

	assert_string_equal(tun_name(tun), "wltest0");
	assert_int_not_equal(if_nametoindex("wltest0"), 0);
	assert_int_equal(tun_mtu(tun), 1420);
	assert_true(tun_has_vnet_header(tun));
	tun_close(tun);
}

static void a_name_with_percent_d_is_numbered(void **state)
{
	need_namespace();
	struct tun *tun = opened(&(struct tun_options){.name = "wlx%d"});

	assert_string_equal(tun_name(tun), "wlx0");
	tun_close(tun);
}

static void an_interface_vanishes_with_its_descriptor(void **state)
{
	need_namespace();
	tun_close(opened(&(struct tun_options){.name = "wltest0"}));
	assert_int_equal(if_nametoindex("wltest0"), 0);
}

static void any_existing_interface_is_refused(void **state)
{
	need_namespace();
	struct tun *tun = opened(&(struct tun_options){.name = "wltest0"}), *other = NULL;

	assert_int_equal(tun_open(&(struct tun_options){.name = "wltest0"}, &other), -EBUSY);
	assert_int_equal(tun_open(&(struct tun_options){.name = "lo"}, &other), -EBUSY);
	assert_null(other);
	tun_close(tun);
}

static void a_persistent_tun_of_somebody_else_is_refused_and_stays(void **state)
{
	need_namespace();
	struct ifreq interface = {.ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "foreign0"};
	struct tun *tun = NULL;
	int fd = open("/dev/net/tun", O_RDWR);

	assert_int_equal(ioctl(fd, TUNSETIFF, &interface), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
	assert_int_equal(tun_open(&(struct tun_options){.name = "foreign0"}, &tun), -EBUSY);
	assert_int_not_equal(if_nametoindex("foreign0"), 0);
	delete_interface("foreign0");
}

static void a_long_name_is_refused(void **state)
{
	struct tun *tun = NULL;

	assert_int_equal(tun_open(&(struct tun_options){.name = "sixteen-letters-"}, &tun),
			 -ENAMETOOLONG);
}

static void reading_with_nothing_there_gives_zero(void **state)
{
	need_namespace();
	struct tun *tun = opened(&(struct tun_options){.name = "wltest0"});
	struct tun_header header;
	uint8_t data[2048];

	assert_int_equal(tun_read(tun, &header, data, sizeof(data)), 0);
	tun_close(tun);
}

static void a_packet_of_the_kernel_is_read(bool without_vnet_header)
{
	struct tun *tun = opened(&(struct tun_options){.name = "wltest0",
						       .without_vnet_header = without_vnet_header});
	static uint8_t data[TUN_PACKET_MAX];
	struct tun_header header;
	int fd;

	set_address("wltest0", "10.9.0.1", true);
	fd = udp_socket("10.9.0.1", 0);
	send_to(fd, "10.9.0.2", 7777, 100);
	assert_int_equal(read_udp(tun, &header, data), 128);
	assert_int_equal(data[22] << 8 | data[23], 7777);
	assert_int_equal(header.gso_type, TUN_GSO_NONE);
	assert_int_equal(header.flags, without_vnet_header ? 0 : TUN_NEEDS_CHECKSUM);
	close(fd);
	tun_close(tun);
}

static void a_packet_is_read_with_and_without_vnet_header(void **state)
{
	need_namespace();
	a_packet_of_the_kernel_is_read(false);
	a_packet_of_the_kernel_is_read(true);
}

static void a_udp_super_packet_is_read_at_once(void **state)
{
	need_namespace();
	struct tun *tun = opened(&(struct tun_options){.name = "wltest0"});
	static uint8_t data[TUN_PACKET_MAX];
	struct tun_header header;
	int segment = 1000, fd;

	if (!tun_has_udp_gso(tun)) {
		tun_close(tun);
		print_message("this kernel has no UDP offload for TUN (Linux 6.2)\n");
		skip();
	}
	set_address("wltest0", "10.9.0.1", true);
	fd = udp_socket("10.9.0.1", 0);
	assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	send_to(fd, "10.9.0.2", 7777, 9500);
	assert_int_equal(read_udp(tun, &header, data), 9528);
	assert_int_equal(header.gso_type, TUN_GSO_UDP);
	assert_int_equal(header.gso_size, 1000);
	assert_int_equal(header.checksum_start, 20);
	close(fd);
	tun_close(tun);
}

static void what_is_written_in_parts_reaches_a_socket(void **state)
{
	need_namespace();
	struct tun *tun = opened(&(struct tun_options){.name = "wltest0"});
	/* 10.9.0.2:7777 -> 10.9.0.1:7777, no UDP checksum, 4 bytes. */
	uint8_t header[28] = {0x45, 0, 0,  32, 0, 0, 0x40, 0,    64,   17,   0x26, 0xb9, 10, 9,
			      0,    2, 10, 9,  0, 1, 0x1e, 0x61, 0x1e, 0x61, 0,    12,   0,  0};
	char text[] = "ping";
	struct iovec parts[2] = {{header, sizeof(header)}, {text, 4}};
	char data[8];
	int fd;

	set_address("wltest0", "10.9.0.1", true);
	fd = udp_socket("10.9.0.1", 7777);
	assert_int_equal(tun_write(tun, NULL, parts, 2), 0);
	assert_int_equal(recv(fd, data, sizeof(data), 0), 4);
	assert_memory_equal(data, "ping", 4);
	close(fd);
	tun_close(tun);
}

static void writing_to_an_interface_that_is_down_gives_eio(void **state)
{
	need_namespace();
	struct tun *tun = opened(&(struct tun_options){.name = "wltest0"});
	uint8_t packet[28] = {0x45};
	struct iovec part = {packet, sizeof(packet)};

	assert_int_equal(tun_write(tun, NULL, &part, 1), -EIO);
	tun_close(tun);
}

static void reading_a_deleted_interface_gives_ebadfd(void **state)
{
	need_namespace();
	struct tun *tun = opened(&(struct tun_options){.name = "wltest0"});
	struct tun_header header;
	uint8_t data[64];

	delete_interface("wltest0");
	assert_int_equal(tun_read(tun, &header, data, sizeof(data)), -EBADFD);
	tun_close(tun);
}

static void an_inherited_descriptor_keeps_its_interface(void **state)
{
	need_namespace();
	struct ifreq interface = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR,
				  .ifr_name = "given0"};
	struct tun *tun = NULL;
	int fd = open("/dev/net/tun", O_RDWR);

	assert_int_equal(tun_adopt(fd, &tun), -EBADFD);
	assert_int_equal(ioctl(fd, TUNSETIFF, &interface), 0);
	assert_int_equal(tun_adopt(fd, &tun), 0);
	assert_string_equal(tun_name(tun), "given0");
	assert_true(tun_has_vnet_header(tun));
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	tun_close(tun);
	assert_int_equal(if_nametoindex("given0"), 0);
	fd = open("/dev/null", O_RDWR);
	assert_int_equal(tun_adopt(fd, &tun), -ENOTTY);
	close(fd);
}

static void a_second_queue_belongs_to_the_same_interface(void **state)
{
	need_namespace();
	struct tun *tun = opened(&(struct tun_options){.name = "wltest0", .is_multi_queue = true});
	struct tun *queue = NULL;

	assert_int_equal(tun_add_queue(tun, &queue), 0);
	assert_string_equal(tun_name(queue), "wltest0");
	assert_int_equal(tun_has_udp_gso(queue), tun_has_udp_gso(tun));
	tun_close(tun);
	assert_int_not_equal(if_nametoindex("wltest0"), 0);
	tun_close(queue);
	assert_int_equal(if_nametoindex("wltest0"), 0);
}

/* Root gives up its capabilities, others have none. */
static int give_up_rights(uid_t user)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	const struct __user_cap_data_struct none[2] = {{0}};

	if (user)
		return setresuid(user, user, user);
	return (int)syscall(SYS_capset, &header, none);
}

/* The errno of a process of that user which asks for a queue, on a descriptor that it may use. */
static int ask_for_queue(uid_t user, struct ifreq interface)
{
	int fd = open("/dev/net/tun", O_RDWR), status;
	pid_t child = fork();

	if (!child)
		_exit(give_up_rights(user) ? 255 : ioctl(fd, TUNSETIFF, &interface) ? errno : 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	close(fd);
	return WEXITSTATUS(status);
}

static void a_queue_is_for_its_owner_only(void **state)
{
	need_namespace();
	struct tun *tun = opened(&(struct tun_options){.name = "wltest0", .is_multi_queue = true});
	const struct ifreq interface = {.ifr_name = "wltest0",
					.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR |
						     IFF_MULTI_QUEUE};

	assert_int_equal(ask_for_queue(NOBODY, interface), EPERM);
	assert_int_equal(ask_for_queue(0, interface), 0);
	tun_close(tun);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_interface_has_the_asked_name_and_mtu),
		cmocka_unit_test(a_name_with_percent_d_is_numbered),
		cmocka_unit_test(an_interface_vanishes_with_its_descriptor),
		cmocka_unit_test(any_existing_interface_is_refused),
		cmocka_unit_test(a_persistent_tun_of_somebody_else_is_refused_and_stays),
		cmocka_unit_test(a_long_name_is_refused),
		cmocka_unit_test(reading_with_nothing_there_gives_zero),
		cmocka_unit_test(a_packet_is_read_with_and_without_vnet_header),
		cmocka_unit_test(a_udp_super_packet_is_read_at_once),
		cmocka_unit_test(what_is_written_in_parts_reaches_a_socket),
		cmocka_unit_test(writing_to_an_interface_that_is_down_gives_eio),
		cmocka_unit_test(reading_a_deleted_interface_gives_ebadfd),
		cmocka_unit_test(an_inherited_descriptor_keeps_its_interface),
		cmocka_unit_test(a_second_queue_belongs_to_the_same_interface),
		cmocka_unit_test(a_queue_is_for_its_owner_only),
	};

	return cmocka_run_group_tests_name("tun", tests, enter_namespace, NULL);
}
