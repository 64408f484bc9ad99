/* A port with a second lane, whose thread is this one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "port/port.h"
#include "proto/wire/wireguard.h"
#include "sys/loop/loop.h"
#include "sys/udp/udp.h"

#include <cmocka.h>

#define SENDERS  60
#define PATIENCE (5 * USEC_PER_SEC)

struct bench {
	struct loop *loop, *other;
	struct port *port;
	struct port_lane *lane;
	struct udp *senders[SENDERS];
	unsigned data, handshakes;                     /* at the port */
	unsigned lane_data, lane_others, begun, ended; /* at the lane */
	int depth;
};

static void on_data(void *owner, usec_t now, struct port_packet *packets, size_t count)
{
	((struct bench *)owner)->data += (unsigned)count;
}

static void on_handshake(void *owner, usec_t now, struct port_packet *packet)
{
	assert_int_equal(packet->data[0], WG_COOKIE);
	((struct bench *)owner)->handshakes++;
}

static void begin(void *owner)
{
	struct bench *bench = owner;

	assert_int_equal(bench->depth++, 0);
	bench->begun++;
}

static void end(void *owner)
{
	struct bench *bench = owner;

	assert_int_equal(--bench->depth, 0);
	bench->ended++;
}

static void on_lane_data(void *owner, usec_t now, struct port_packet *packets, size_t count)
{
	struct bench *bench = owner;

	assert_int_equal(bench->depth, 1);
	bench->lane_data += (unsigned)count;
}

static void on_other(void *owner, usec_t now, struct port_packet *packet)
{
	struct bench *bench = owner;

	assert_int_equal(bench->depth, 1);
	bench->lane_others++;
	port_take(bench->port, now, packet);
}

static int add_lane(struct bench *bench)
{
	const struct port_lane_handlers handlers = {.owner = bench,
						    .begin = begin,
						    .end = end,
						    .on_data = on_lane_data,
						    .on_other = on_other};

	return port_add_lane(bench->port, bench->other, &handlers, &bench->lane);
}

static struct address loopback(uint16_t port)
{
	const uint8_t ip[4] = {127, 0, 0, 1};

	return address_from_ip(FAMILY_IPV4, ip, port);
}

static int set_up(void **state)
{
	struct bench *bench = new (struct bench);
	const struct port_handlers handlers = {
		.owner = bench, .on_data = on_data, .on_handshake = on_handshake};
	const struct udp_options options = {.bind = loopback(0)};

	bench->loop = loop_new();
	bench->other = loop_new();
	assert_int_equal(port_new(bench->loop, &(struct port_options){0}, &bench->port), 0);
	port_set_handlers(bench->port, &handlers);
	for (int i = 0; i < SENDERS; i++)
		assert_int_equal(udp_open(&options, &bench->senders[i]), 0);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < SENDERS; i++)
		udp_close(bench->senders[i]);
	if (bench->lane)
		port_remove_lane(bench->port, bench->lane);
	port_free(bench->port);
	loop_free(bench->loop);
	loop_free(bench->other);
	free(bench);
	return 0;
}

/* One of each from everywhere. */
static void send_all(struct bench *bench)
{
	uint8_t data[WG_COOKIE_SIZE] = {WG_DATA}, cookie[WG_COOKIE_SIZE] = {WG_COOKIE};
	struct udp_message messages[2] = {{.data = data}, {.data = cookie}};

	for (int i = 0; i < SENDERS; i++) {
		for (int j = 0; j < 2; j++) {
			messages[j].remote = loopback(port_number(bench->port));
			messages[j].size = messages[j].segment_size = WG_COOKIE_SIZE;
		}
		assert_int_equal(udp_send(bench->senders[i], messages, 2), 0);
	}
}

static void wait_until(struct bench *bench, const unsigned *count, unsigned wanted)
{
	usec_t deadline = loop_now(bench->loop) + PATIENCE;

	while (*count < wanted) {
		loop_turn(bench->loop, USEC_PER_MSEC);
		loop_turn(bench->other, USEC_PER_MSEC);
		assert_true(loop_now(bench->loop) < deadline);
	}
}

static void lanes_share_what_comes_and_each_datagram_is_handed_over_once(void **state)
{
	struct bench *bench = *state;
	struct port_counters counters;

	assert_int_equal(add_lane(bench), 0);
	send_all(bench);
	wait_until(bench, &bench->handshakes, SENDERS);
	for (int i = 0; i < 3; i++) {
		loop_turn(bench->loop, 0);
		loop_turn(bench->other, 0);
	}
	assert_int_equal(bench->data + bench->lane_data, SENDERS);
	assert_int_equal(bench->handshakes, SENDERS);
	/* Of 60 fair coins none or all: once in 10^18. What is no data came back to the port. */
	assert_true(bench->lane_data > 0 && bench->lane_data < SENDERS);
	assert_int_equal(bench->lane_others, bench->lane_data);
	assert_true(bench->begun > 0 && bench->begun == bench->ended);
	port_get_counters(bench->port, &counters);
	assert_int_equal(counters.rx_datagrams, 2 * SENDERS);
}

static void a_lane_that_goes_hands_over_what_waits_and_its_counts(void **state)
{
	struct bench *bench = *state;
	struct port_counters counters;

	assert_int_equal(add_lane(bench), 0);
	send_all(bench);
	port_remove_lane(bench->port, bench->lane);
	bench->lane = NULL;
	assert_true(bench->lane_data > 0);
	send_all(bench);
	wait_until(bench, &bench->handshakes, 2 * SENDERS);
	loop_turn(bench->loop, 0);
	assert_int_equal(bench->data + bench->lane_data, 2 * SENDERS);
	port_get_counters(bench->port, &counters);
	assert_int_equal(counters.rx_datagrams, 4 * SENDERS);
}

static void a_port_with_lanes_stays_where_it_is(void **state)
{
	struct bench *bench = *state;
	uint16_t number = port_number(bench->port);

	assert_int_equal(add_lane(bench), 0);
	assert_int_equal(port_set_number(bench->port, number), 0);
	assert_int_equal(port_set_number(bench->port, 0), -EBUSY);
	port_remove_lane(bench->port, bench->lane);
	bench->lane = NULL;
	assert_int_equal(port_set_number(bench->port, 0), 0);
	assert_int_not_equal(port_number(bench->port), number);
}

static void a_lane_sends_from_the_number_of_the_port(void **state)
{
	struct bench *bench = *state;
	uint8_t data[200] = {1}, received[2000];
	struct udp_message message = {.data = received, .capacity = sizeof(received)};
	struct address to = loopback(udp_port(bench->senders[0]));
	int count = 0;

	assert_int_equal(add_lane(bench), 0);
	assert_int_equal(port_lane_send_run(bench->lane, &to, data, sizeof(data), 100), 0);
	while (count == 0)
		count = udp_receive(bench->senders[0], &message, 1);
	assert_int_equal(message.remote.port, port_number(bench->port));
	assert_int_equal(message.segment_size, 100);
}

#define lane_test(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		lane_test(lanes_share_what_comes_and_each_datagram_is_handed_over_once),
		lane_test(a_lane_that_goes_hands_over_what_waits_and_its_counts),
		lane_test(a_port_with_lanes_stays_where_it_is),
		lane_test(a_lane_sends_from_the_number_of_the_port),
	};

	return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
