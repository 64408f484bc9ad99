/* Several sockets on one port, and back to one. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/udp/test_pair.h"

#define SENDERS 100

static struct udp *socket_on_port(const char *ip, uint16_t port, bool is_shared)
{
	struct udp_options options = loopback(ip);
	struct udp *udp = NULL;

	options.bind.port = port;
	options.is_shared = is_shared;
	assert_int_equal(udp_open(&options, &udp), 0);
	return udp;
}

/* One datagram from each of many sources. */
static void send_from_everywhere(const char *ip, uint16_t port)
{
	for (int i = 0; i < SENDERS; i++) {
		struct udp_options options = loopback(ip);
		struct udp_message message = {.remote = options.bind, .data = (uint8_t[]){1}};
		struct udp *sender;

		message.remote.port = port;
		message.size = message.segment_size = 1;
		assert_int_equal(udp_open(&options, &sender), 0);
		assert_int_equal(udp_send(sender, &message, 1), 0);
		udp_close(sender);
	}
}

static size_t receive_all(struct udp *udp)
{
	uint8_t data[64];
	struct udp_message message = {.data = data, .capacity = sizeof(data)};
	size_t count = 0;

	while (udp_receive(udp, &message, 1) == 1)
		count++;
	return count;
}

static void share(const char *ip)
{
	struct udp *first = socket_on_port(ip, 0, false), *second, *refused;
	struct udp_options options = loopback(ip);
	uint16_t port = udp_port(first);
	size_t at_first, at_second;

	/* Twice: it can be given up and had again. */
	for (int i = 0; i < 2; i++) {
		options.bind.port = port;
		options.is_shared = true;
		assert_int_equal(udp_open(&options, &refused), -EADDRINUSE);
		assert_int_equal(udp_set_shared(first, true), 0);
		second = socket_on_port(ip, port, true);
		send_from_everywhere(ip, port);
		at_first = receive_all(first);
		at_second = receive_all(second);
		/* Of 100 fair coins 10 or fewer heads: less than once in 10^16. */
		assert_true(at_first > 10 && at_second > 10);
		assert_int_equal(at_first + at_second, SENDERS);

		send_from_everywhere(ip, port);
		udp_retire(second);
		send_from_everywhere(ip, port);
		at_first = receive_all(first);
		at_second = receive_all(second);
		assert_true(at_first > SENDERS && at_second > 10);
		assert_int_equal(at_first + at_second, 2 * SENDERS);
		udp_close(second);
		assert_int_equal(udp_set_shared(first, false), 0);
	}
	send_from_everywhere(ip, port);
	assert_int_equal(receive_all(first), SENDERS);
	udp_close(first);
}

static void a_port_is_shared_only_while_its_owner_says_so_and_nothing_is_lost(void **state)
{
	share("127.0.0.1");
	share("::1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_is_shared_only_while_its_owner_says_so_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
