#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "crypto/crypto.h"
#include "port/port.h"
#include "proto/wire/wireguard.h"
#include "sys/loop/loop.h"
#include "sys/udp/udp.h"

#include <cmocka.h>

#define PATIENCE    (20 * USEC_PER_SEC) /* a test that needs it has failed */
#define PACKETS_MAX 1024

/* What the kernel answers; the linker puts ours in front (--wrap). */
struct kernel {
	bool has_no_ipv4, has_no_ipv6;
	int ipv6_refusals; /* binds of an IPv6 socket that meet EADDRINUSE */
	int mark_refused;  /* which setting of SO_MARK fails, from 1; 0: none */
	int marks[8];      /* values of SO_MARK asked for */
	int mark_count;
};

static struct kernel kernel;

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *name, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *name, socklen_t size);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

static int refuse(int error)
{
	errno = error;
	return -1;
}

int __wrap_socket(int family, int type, int protocol)
{
	if (family == AF_INET6 ? kernel.has_no_ipv6 : kernel.has_no_ipv4)
		return refuse(EAFNOSUPPORT);
	return __real_socket(family, type, protocol);
}

int __wrap_bind(int fd, const struct sockaddr *name, socklen_t size)
{
	if (name->sa_family == AF_INET6 && kernel.ipv6_refusals) {
		kernel.ipv6_refusals--;
		return refuse(EADDRINUSE);
	}
	return __real_bind(fd, name, size);
}

/* SO_MARK needs a right that a test may not have, so it never reaches the kernel. */
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	if (level != SOL_SOCKET || name != SO_MARK)
		return __real_setsockopt(fd, level, name, value, size);
	memcpy(&kernel.marks[kernel.mark_count++], value, sizeof(int));
	return kernel.mark_count == kernel.mark_refused ? refuse(EPERM) : 0;
}

/* A port and what reached it. */
struct end {
	struct loop *loop;
	struct port *port;
	struct {
		uint8_t type;
		size_t size;
		uint8_t first, last; /* bytes 16 and size - 1 */
		struct address from;
	} packets[PACKETS_MAX];
	size_t count, calls;
	uint16_t move_to; /* in the next on_data */
};

static void note(struct end *end, const struct port_packet *packet)
{
	assert_true(end->count < PACKETS_MAX);
	end->packets[end->count].type = packet->data[0];
	end->packets[end->count].size = packet->size;
	end->packets[end->count].first = packet->data[16];
	end->packets[end->count].last = packet->data[packet->size - 1];
	end->packets[end->count++].from = packet->from;
}

static void on_data(void *owner, usec_t now, struct port_packet *packets, size_t count)
{
	struct end *end = owner;

	assert_true(now == loop_now(end->loop));
	end->calls++;
	for (size_t i = 0; i < count; i++)
		note(end, &packets[i]);
	if (end->move_to) {
		assert_int_equal(port_set_number(end->port, end->move_to), 0);
		end->move_to = 0;
	}
}

static void on_single(void *owner, usec_t now, struct port_packet *packet)
{
	note(owner, packet);
}

struct bench {
	struct loop *loop;
	struct end a, b;
};

static void end_listen(struct end *end)
{
	const struct port_handlers handlers = {.owner = end,
					       .on_data = on_data,
					       .on_handshake = on_single,
					       .on_control = on_single};

	port_set_handlers(end->port, &handlers);
}

static void end_open(struct end *end, struct loop *loop, const struct port_options *options)
{
	end->loop = loop;
	assert_int_equal(port_new(loop, options, &end->port), 0);
	end_listen(end);
}

static int set_up(void **state)
{
	struct bench *bench = new (struct bench);

	kernel = (struct kernel){0};
	bench->loop = loop_new();
	assert_non_null(bench->loop);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	port_free(bench->a.port);
	port_free(bench->b.port);
	loop_free(bench->loop);
	free(bench);
	return 0;
}

static void open_both(struct bench *bench, const struct port_options *options)
{
	end_open(&bench->a, bench->loop, options);
	end_open(&bench->b, bench->loop, options);
}

static struct address loopback(const char *ip, uint16_t port)
{
	struct address address;

	assert_int_equal(address_parse(ip, port, &address), 0);
	return address;
}

static void wait_for(struct bench *bench, const size_t *count, size_t wanted)
{
	usec_t end;

	assert_int_equal(loop_turn(bench->loop, 0), 0);
	end = loop_now(bench->loop) + PATIENCE;
	while (*count < wanted && loop_now(bench->loop) < end)
		assert_int_equal(loop_turn(bench->loop, PATIENCE), 0);
	assert_int_equal(*count, wanted);
}

static struct port_counters counters_of(const struct end *end)
{
	struct port_counters counters;

	port_get_counters(end->port, &counters);
	return counters;
}

static void fill(uint8_t *data, uint8_t type, size_t size, uint8_t number)
{
	memset(data, 0, size);
	data[0] = type;
	data[16] = data[size - 1] = number;
}

/* count datagrams in one run, the last one shorter, received by b in order. */
static void run_arrives(struct bench *bench, const char *ip, size_t count, size_t segment_size)
{
	struct address to = loopback(ip, port_number(bench->b.port));
	size_t size = count * segment_size - segment_size / 2, before = bench->b.count;
	auto_free uint8_t *data = memory_new(count * segment_size);

	for (size_t i = 0; i + 1 < count; i++)
		fill(data + i * segment_size, WG_DATA, segment_size, (uint8_t)i);
	fill(data + (count - 1) * segment_size, WG_DATA, segment_size - segment_size / 2,
	     (uint8_t)(count - 1));
	assert_int_equal(port_send_run(bench->a.port, &to, data, size, segment_size), 0);
	wait_for(bench, &bench->b.count, before + count);
	for (size_t i = 0; i < count; i++) {
		bool is_last = i == count - 1;

		assert_int_equal(bench->b.packets[before + i].first, (uint8_t)i);
		assert_int_equal(bench->b.packets[before + i].last, (uint8_t)i);
		assert_int_equal(bench->b.packets[before + i].size,
				 is_last ? segment_size - segment_size / 2 : segment_size);
		assert_int_equal(bench->b.packets[before + i].from.port,
				 port_number(bench->a.port));
		assert_true(address_is_same_ip(&bench->b.packets[before + i].from, &to));
	}
}

static void both_families_listen_on_one_number(void **state)
{
	struct bench *bench = *state;

	open_both(bench, &(struct port_options){0});
	assert_int_not_equal(port_number(bench->b.port), 0);
	run_arrives(bench, "127.0.0.1", 1, 100);
	run_arrives(bench, "::1", 1, 100);
}

static void a_run_arrives_in_one_call_in_order(void **state)
{
	struct bench *bench = *state;

	open_both(bench, &(struct port_options){0});
	run_arrives(bench, "127.0.0.1", 45, 1400);
	assert_int_equal(bench->b.calls, 1);
	run_arrives(bench, "::1", 60, 1080);
	assert_int_equal(bench->b.calls, 2);
	assert_int_equal(counters_of(&bench->a).tx_calls, 2);
	assert_int_equal(counters_of(&bench->a).tx_datagrams, 105);
	assert_int_equal(counters_of(&bench->b).rx_datagrams, 105);
	assert_int_equal(counters_of(&bench->a).gso_fallbacks, 0);
}

static void a_run_arrives_without_offloads_too(void **state)
{
	struct bench *bench = *state;

	open_both(bench, &(struct port_options){.without_gso = true, .without_gro = true});
	run_arrives(bench, "127.0.0.1", 45, 1400);
	run_arrives(bench, "::1", 60, 1080);
	/* One message each, so 16 to a call. */
	assert_in_range(counters_of(&bench->b).rx_calls, 3 + 4, 105);
}

static void data_keep_their_order_and_come_before_handshakes(void **state)
{
	struct bench *bench = *state;
	uint8_t data[6 * WG_INITIATION_SIZE];
	static const uint8_t types[6] = {WG_DATA, WG_DATA, WG_INITIATION,
					 WG_DATA, WG_DATA, WG_INITIATION};
	static const int order[6] = {0, 1, 3, 4, 2, 5};
	struct address to;

	open_both(bench, &(struct port_options){0});
	for (int i = 0; i < 6; i++)
		fill(data + i * WG_INITIATION_SIZE, types[i], WG_INITIATION_SIZE, (uint8_t)i);
	to = loopback("127.0.0.1", port_number(bench->b.port));
	assert_int_equal(port_send_run(bench->a.port, &to, data, sizeof(data), WG_INITIATION_SIZE),
			 0);
	wait_for(bench, &bench->b.count, 6);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(bench->b.packets[i].type, types[order[i]]);
		assert_int_equal(bench->b.packets[i].first, order[i]);
	}
	assert_int_equal(bench->b.calls, 1);
}

static void malformed_shapes_are_counted_by_reason(void **state)
{
	static const uint8_t stun[20] = {0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	struct bench *bench = *state;
	struct port_counters counters;
	struct address to;
	uint8_t data[200] = {0};

	open_both(bench, &(struct port_options){0});
	to = loopback("::1", port_number(bench->b.port));
	data[0] = WG_INITIATION;
	assert_int_equal(port_send(bench->a.port, &to, data, 147), 0);
	data[0] = WG_RESPONSE;
	assert_int_equal(port_send(bench->a.port, &to, data, 148), 0);
	assert_int_equal(port_send(bench->a.port, &to, stun, sizeof(stun)), 0);
	assert_int_equal(port_send(bench->a.port, &to, "short", 5), 0);
	assert_int_equal(port_send(bench->a.port, &to, "", 0), 0);
	memset(data, 0x42, sizeof(data));
	assert_int_equal(port_send(bench->a.port, &to, data, sizeof(data)), 0);
	fill(data, WG_DATA, 32, 1);
	assert_int_equal(port_send(bench->a.port, &to, data, 32), 0);
	wait_for(bench, &bench->b.count, 1);
	counters = counters_of(&bench->b);
	assert_int_equal(counters.drops[PORT_DROP_MALFORMED], 2);
	assert_int_equal(counters.drops[PORT_DROP_STUN], 1);
	assert_int_equal(counters.drops[PORT_DROP_SHORT], 2);
	assert_int_equal(counters.drops[PORT_DROP_UNMASKED], 1);
	assert_int_equal(counters.drops[PORT_DROP_NO_HANDLER], 0);
	assert_int_equal(counters.rx_datagrams, 7);
	/* And nobody got an answer. */
	assert_int_equal(counters.tx_calls, 0);
}

static void control_comes_unmasked(void **state)
{
	struct bench *bench = *state;
	struct mask_key key = {.header = {{1}}, .tail = {{2}}};
	struct address to;
	struct mask mask;
	uint8_t data[64];

	open_both(bench, &(struct port_options){0});
	port_set_mask(bench->b.port, &key);
	fill(data, WIRE_CLASS_CONTROL, sizeof(data), 7);
	mask_init(&mask, &key);
	assert_true(mask_apply(&mask, data, sizeof(data)));
	mask_done(&mask);
	to = loopback("127.0.0.1", port_number(bench->b.port));
	assert_int_equal(port_send(bench->a.port, &to, data, sizeof(data)), 0);
	wait_for(bench, &bench->b.count, 1);
	assert_int_equal(bench->b.packets[0].type, WIRE_CLASS_CONTROL);
	assert_int_equal(bench->b.packets[0].first, 7);
}

static void a_taken_number_is_refused(void **state)
{
	struct bench *bench = *state;
	struct port_options options = {0};
	struct port *port = NULL;

	end_open(&bench->a, bench->loop, &options);
	options.listen_port = port_number(bench->a.port);
	assert_int_equal(port_new(bench->loop, &options, &port), -EADDRINUSE);
	assert_null(port);
}

static void a_number_taken_in_ipv6_only_is_refused_when_it_was_asked_for(void **state)
{
	struct bench *bench = *state;
	struct port_options options = {0};
	struct port *port = NULL;

	end_open(&bench->a, bench->loop, &options);
	options.listen_port = port_number(bench->a.port);
	port_free(bench->a.port);
	bench->a.port = NULL;
	kernel.ipv6_refusals = 1;
	assert_int_equal(port_new(bench->loop, &options, &port), -EADDRINUSE);
	/* The IPv4 socket did not stay behind. */
	end_open(&bench->a, bench->loop, &options);
}

static void any_number_is_drawn_until_it_is_free_in_both_families(void **state)
{
	struct bench *bench = *state;

	kernel.ipv6_refusals = 5;
	open_both(bench, &(struct port_options){0});
	assert_int_equal(kernel.ipv6_refusals, 0);
	run_arrives(bench, "::1", 2, 100);
	run_arrives(bench, "127.0.0.1", 2, 100);
}

static void a_machine_without_ipv6_works(void **state)
{
	struct bench *bench = *state;
	struct address to = loopback("::1", 9);
	uint8_t data[300] = {0};

	kernel.has_no_ipv6 = true;
	open_both(bench, &(struct port_options){0});
	run_arrives(bench, "127.0.0.1", 10, 1000);
	assert_int_equal(port_send(bench->a.port, &to, data, 100), -EAFNOSUPPORT);
	assert_int_equal(port_send_run(bench->a.port, &to, data, 300, 100), -EAFNOSUPPORT);
	assert_int_equal(counters_of(&bench->a).tx_failures, 4);
	assert_int_equal(port_set_number(bench->a.port, 0), 0);
	run_arrives(bench, "127.0.0.1", 10, 1000);
}

static void a_machine_without_ipv4_works(void **state)
{
	struct bench *bench = *state;

	kernel.has_no_ipv4 = true;
	open_both(bench, &(struct port_options){0});
	assert_int_not_equal(port_number(bench->b.port), 0);
	run_arrives(bench, "::1", 10, 1000);
}

static void a_machine_without_either_is_told_so(void **state)
{
	struct bench *bench = *state;
	struct port *port;

	kernel.has_no_ipv4 = kernel.has_no_ipv6 = true;
	assert_int_equal(port_new(bench->loop, &(struct port_options){0}, &port), -EAFNOSUPPORT);
}

static void a_moved_port_keeps_handlers_and_counters(void **state)
{
	struct bench *bench = *state;
	uint16_t old;

	open_both(bench, &(struct port_options){0});
	old = port_number(bench->b.port);
	run_arrives(bench, "127.0.0.1", 10, 500);
	assert_int_equal(port_set_number(bench->b.port, old), 0);
	assert_int_equal(port_number(bench->b.port), old);
	assert_int_equal(port_set_number(bench->b.port, 0), 0);
	assert_int_not_equal(port_number(bench->b.port), old);
	run_arrives(bench, "127.0.0.1", 10, 500);
	run_arrives(bench, "::1", 10, 500);
	assert_int_equal(counters_of(&bench->b).rx_datagrams, 30);
	/* The old number is free again, in both families. */
	assert_int_equal(port_set_number(bench->a.port, old), 0);
	assert_int_equal(port_number(bench->a.port), old);
	assert_int_equal(counters_of(&bench->a).tx_datagrams, 30);
}

static void a_refused_move_changes_nothing(void **state)
{
	struct bench *bench = *state;
	uint16_t old;

	open_both(bench, &(struct port_options){0});
	old = port_number(bench->b.port);
	assert_int_equal(port_set_number(bench->b.port, port_number(bench->a.port)), -EADDRINUSE);
	assert_int_equal(port_number(bench->b.port), old);
	run_arrives(bench, "127.0.0.1", 10, 500);
	run_arrives(bench, "::1", 10, 500);
}

/* Many single messages wait, and the handler of the first batch moves the port. */
static void a_handler_may_move_the_port_in_mid_traffic(void **state)
{
	struct bench *bench = *state;
	struct address to;
	struct port *spare;
	uint8_t data[100 * 40];

	open_both(bench, &(struct port_options){.without_gro = true});
	assert_int_equal(port_new(bench->loop, &(struct port_options){0}, &spare), 0);
	bench->b.move_to = port_number(spare);
	port_free(spare);
	to = loopback("127.0.0.1", port_number(bench->b.port));
	for (int i = 0; i < 100; i++)
		fill(data + 40 * i, WG_DATA, 40, (uint8_t)i);
	assert_int_equal(port_send_run(bench->a.port, &to, data, sizeof(data), 40), 0);
	while (!bench->b.calls)
		assert_int_equal(loop_turn(bench->loop, PATIENCE), 0);
	assert_int_equal(bench->b.move_to, 0);
	assert_in_range(bench->b.count, 1, 16);
	run_arrives(bench, "127.0.0.1", 10, 500);
	run_arrives(bench, "::1", 10, 500);
}

static void on_timer(void *owner, usec_t now)
{
	struct end *end = owner;

	assert_in_range(end->count, 1, 64);
	end->move_to = 1;
}

static void a_flood_leaves_the_timers_their_turn(void **state)
{
	struct bench *bench = *state;
	struct loop_timer timer = {.on_timer = on_timer, .owner = &bench->b};
	struct address to;
	uint8_t data[400 * 40];

	open_both(bench, &(struct port_options){.without_gro = true});
	port_set_handlers(bench->b.port,
			  &(struct port_handlers){.owner = &bench->b, .on_data = on_data});
	to = loopback("127.0.0.1", port_number(bench->b.port));
	for (int i = 0; i < 400; i++)
		fill(data + 40 * i, WG_DATA, 40, (uint8_t)i);
	assert_int_equal(port_send_run(bench->a.port, &to, data, sizeof(data), 40), 0);
	loop_timer_set(bench->loop, &timer, 1);
	assert_int_equal(loop_turn(bench->loop, PATIENCE), 0);
	assert_int_equal(bench->b.move_to, 1);
	bench->b.move_to = 0;
	wait_for(bench, &bench->b.count, 400);
	for (int i = 0; i < 400; i++)
		assert_int_equal(bench->b.packets[i].first, (uint8_t)i);
}

static void what_the_kernel_refuses_is_counted(void **state)
{
	struct bench *bench = *state;
	struct address to;
	auto_free uint8_t *data = memory_new(66000);

	open_both(bench, &(struct port_options){0});
	to = loopback("127.0.0.1", port_number(bench->b.port));
	assert_int_equal(port_send(bench->a.port, &to, data, 66000), -EMSGSIZE);
	assert_int_equal(port_send(bench->a.port, &(struct address){0}, data, 10), -EDESTADDRREQ);
	assert_int_equal(counters_of(&bench->a).tx_failures, 2);
	assert_int_equal(counters_of(&bench->a).tx_datagrams, 0);
}

static void the_mark_is_set_on_both_sockets_and_on_new_ones(void **state)
{
	struct bench *bench = *state;

	end_open(&bench->a, bench->loop, &(struct port_options){0});
	assert_int_equal(kernel.mark_count, 0);
	assert_int_equal(port_set_fwmark(bench->a.port, 51), 0);
	assert_int_equal(port_set_number(bench->a.port, 0), 0);
	assert_int_equal(kernel.mark_count, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(kernel.marks[i], 51);
}

static void a_refused_mark_leaves_the_old_one(void **state)
{
	static const int expected[] = {51, 51, 52, 52, 51};
	struct bench *bench = *state;

	end_open(&bench->a, bench->loop, &(struct port_options){.fwmark = 51});
	kernel.mark_refused = 4;
	assert_int_equal(port_set_fwmark(bench->a.port, 52), -EPERM);
	assert_int_equal(kernel.mark_count, 5);
	assert_memory_equal(kernel.marks, expected, sizeof(expected));
}

static void every_drop_has_its_own_name(void **state)
{
	for (int i = 0; i < PORT_DROP_COUNT; i++) {
		for (int j = 0; j < i; j++)
			assert_string_not_equal(port_drop_name(i), port_drop_name(j));
		assert_string_not_equal(port_drop_name(i), port_drop_name(PORT_DROP_COUNT));
	}
}

#define port_test(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		port_test(both_families_listen_on_one_number),
		port_test(a_run_arrives_in_one_call_in_order),
		port_test(a_run_arrives_without_offloads_too),
		port_test(data_keep_their_order_and_come_before_handshakes),
		port_test(malformed_shapes_are_counted_by_reason),
		port_test(control_comes_unmasked),
		port_test(a_taken_number_is_refused),
		port_test(a_number_taken_in_ipv6_only_is_refused_when_it_was_asked_for),
		port_test(any_number_is_drawn_until_it_is_free_in_both_families),
		port_test(a_machine_without_ipv6_works),
		port_test(a_machine_without_ipv4_works),
		port_test(a_machine_without_either_is_told_so),
		port_test(a_moved_port_keeps_handlers_and_counters),
		port_test(a_refused_move_changes_nothing),
		port_test(a_handler_may_move_the_port_in_mid_traffic),
		port_test(a_flood_leaves_the_timers_their_turn),
		port_test(what_the_kernel_refuses_is_counted),
		port_test(the_mark_is_set_on_both_sockets_and_on_new_ones),
		port_test(a_refused_mark_leaves_the_old_one),
		port_test(every_drop_has_its_own_name),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
