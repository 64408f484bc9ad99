/* What the data path asks of the kernel and of the heap, and what it does when the kernel says no.
 * The linker puts our calls in front of the real ones (--wrap); malloc and its like are replaced in
 * the whole process, so libcrypto's count too. */
#include <sys/uio.h>

#include "device/builtin/test_ends.h"

#define SEGMENT       1392 /* fills a packet of the MTU */
#define SEGMENTS      47   /* a super-packet of just below 64 KB */
#define SUPER_PACKETS 2128 /* 100,016 packets */

struct refusal {
	int error, times; /* the next so many calls get it */
};

static struct {
	unsigned calls, messages; /* of sendmmsg() that took something */
	struct refusal send, receive, read, write;
	unsigned writes;
	unsigned long allocations;
} kernel;

static bool refuses(struct refusal *refusal)
{
	if (!refusal->times)
		return false;
	refusal->times--;
	errno = refusal->error;
	return true;
}

int __real_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags);
int __real_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
		    struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
		    struct timespec *timeout);
ssize_t __real_readv(int fd, const struct iovec *parts, int count);
ssize_t __wrap_readv(int fd, const struct iovec *parts, int count);
ssize_t __real_writev(int fd, const struct iovec *parts, int count);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int count);

int __wrap_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags)
{
	int sent = refuses(&kernel.send) ? -1 : __real_sendmmsg(fd, headers, count, flags);

	kernel.calls += sent > 0;
	kernel.messages += sent > 0 ? (unsigned)sent : 0;
	return sent;
}

int __wrap_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
		    struct timespec *timeout)
{
	return refuses(&kernel.receive) ? -1 : __real_recvmmsg(fd, headers, count, flags, timeout);
}

ssize_t __wrap_readv(int fd, const struct iovec *parts, int count)
{
	return refuses(&kernel.read) ? -1 : __real_readv(fd, parts, count);
}

ssize_t __wrap_writev(int fd, const struct iovec *parts, int count)
{
	kernel.writes++;
	return refuses(&kernel.write) ? -1 : __real_writev(fd, parts, count);
}

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED
#endif

/* A sanitizer has its own. */
#ifdef IS_SANITIZED
static const bool counts_allocations = false;
#else
static const bool counts_allocations = true;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
	kernel.allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	kernel.allocations++;
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	kernel.allocations++;
	return __libc_realloc(memory, size);
}
#endif

/* False: the kernel has no UDP segmentation. */
static bool open_segmented(void)
{
	int segment = SEGMENT, buffer = 4 << 20;

	connect_ends(&plain_options);
	exchange();
	setsockopt(a.udp, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(b.udp, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	return !setsockopt(a.udp, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)) &&
	       !setsockopt(b.udp, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
}

static uint8_t super_packet[SEGMENTS * SEGMENT];

static bool receives(const struct end *end, size_t *received)
{
	uint8_t data[2 * SEGMENT];
	ssize_t size;

	while ((size = recv(end->udp, data, sizeof(data), 0)) >= 0) {
		assert_int_equal(size, SEGMENT);
		assert_memory_equal(data, super_packet + *received * SEGMENT, SEGMENT);
		(*received)++;
	}
	return *received == SEGMENTS;
}

static void crosses(const struct end *from, const struct end *to)
{
	size_t received = 0;

	for (size_t i = 0; i < sizeof(super_packet); i++)
		super_packet[i] = (uint8_t)(i / SEGMENT + i);
	send_sized(from, to, super_packet, sizeof(super_packet));
	wait_for(receives(to, &received));
}

static void a_read_of_64_kilobytes_leaves_in_one_call_and_is_written_in_one(void **state)
{
	need_namespace();
	if (!open_segmented())
		skip();
	crosses(&a, &b);
	kernel.calls = kernel.messages = kernel.writes = 0;
	struct builtin_counters before = counters_of(&a);
	uint64_t lost = drops_of(&a, "tun-no-peer");

	crosses(&a, &b);
	/* What IPv6 asks of the link of itself is read, too, and goes nowhere. */
	uint64_t strays = drops_of(&a, "tun-no-peer") - lost;
	assert_int_equal(counters_of(&a).tun_reads - before.tun_reads, 1 + strays);
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.messages, 2); /* 68,244 bytes, and the kernel takes 65,507 */
	assert_int_equal(kernel.writes, 1);
}

static void nothing_is_allocated_for_a_packet(void **state)
{
	need_namespace();
	if (!counts_allocations || !open_segmented())
		skip();
	crosses(&a, &b);
	crosses(&b, &a);
	assert_true(kernel.allocations > 0);
	kernel.allocations = 0;
	for (int i = 0; i < SUPER_PACKETS / 2; i++) {
		crosses(&a, &b);
		crosses(&b, &a);
	}
	assert_int_equal(kernel.allocations, 0);
}

static void a_refusal_of_segmentation_loses_nothing(void **state)
{
	static const int errors[] = {EINVAL, EMSGSIZE, EIO};
	struct port_counters counters;

	need_namespace();
	if (!open_segmented())
		skip();
	for (size_t i = 0; i < array_size(errors); i++) {
		kernel.send = (struct refusal){errors[i], 1};
		crosses(&a, &b);
		crosses(&b, &a);
	}
	builtin_get_port_counters(a.builtin, &counters);
	assert_int_equal(counters.gso_fallbacks, array_size(errors));
	assert_int_equal(counters.tx_failures, 0);
}

static void a_full_buffer_loses_one_packet_and_no_more(void **state)
{
	static const int errors[] = {EAGAIN, ENOBUFS, ENETUNREACH, EPERM};
	struct port_counters counters;

	need_namespace();
	connect_ends(&plain_options);
	exchange();
	for (size_t i = 0; i < array_size(errors); i++) {
		kernel.send = (struct refusal){errors[i], 1};
		send_text(&a, &b, "lost");
		wait_for(!kernel.send.times);
		exchange();
	}
	builtin_get_port_counters(a.builtin, &counters);
	assert_int_equal(counters.tx_failures, array_size(errors));
}

static void a_failing_receive_is_tried_again(void **state)
{
	static const int errors[] = {ENOMEM, ENOBUFS, EIO, ECONNREFUSED};

	need_namespace();
	connect_ends(&plain_options);
	exchange();
	for (size_t i = 0; i < array_size(errors); i++) {
		kernel.receive = (struct refusal){errors[i], 3};
		exchange();
		assert_int_equal(kernel.receive.times, 0);
	}
}

static void a_failing_read_of_the_interface_is_tried_again(void **state)
{
	static const int errors[] = {ENOMEM, EIO, EINTR, EFAULT};

	need_namespace();
	connect_ends(&plain_options);
	exchange();
	for (size_t i = 0; i < array_size(errors); i++) {
		kernel.read = (struct refusal){errors[i], 3};
		exchange();
		assert_int_equal(kernel.read.times, 0);
	}
	assert_int_equal(a.gone + b.gone, 0);
}

static void a_refused_write_to_the_interface_is_counted(void **state)
{
	static const int errors[] = {EIO, EAGAIN, ENOBUFS, EINVAL};

	need_namespace();
	connect_ends(&plain_options);
	exchange();
	for (size_t i = 0; i < array_size(errors); i++) {
		kernel.write = (struct refusal){errors[i], 1};
		send_text(&a, &b, "lost");
		wait_for(drops_of(&b, "tun-refused") == i + 1);
		exchange();
	}
}

static void an_interface_that_was_down_goes_on(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	exchange();
	for (int i = 1; i <= 3; i++) {
		set_flags(b.name, 0);
		send_text(&a, &b, "nobody there");
		wait_for(drops_of(&b, "tun-refused") == (uint64_t)i);
		set_flags(b.name, IFF_UP);
		exchange();
	}
	assert_int_equal(b.gone, 0);
}

static int tear_down_kernel(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	return tear_down(state);
}

#define syscalls_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down_kernel)

int main(void)
{
	const struct CMUnitTest tests[] = {
		syscalls_test(a_read_of_64_kilobytes_leaves_in_one_call_and_is_written_in_one),
		syscalls_test(nothing_is_allocated_for_a_packet),
		syscalls_test(a_refusal_of_segmentation_loses_nothing),
		syscalls_test(a_full_buffer_loses_one_packet_and_no_more),
		syscalls_test(a_failing_receive_is_tried_again),
		syscalls_test(a_failing_read_of_the_interface_is_tried_again),
		syscalls_test(a_refused_write_to_the_interface_is_counted),
		syscalls_test(an_interface_that_was_down_goes_on),
	};

	return cmocka_run_group_tests_name("syscalls", tests, enter_namespace, NULL);
}
