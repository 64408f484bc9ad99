#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "seeded.h"
#include "sys/udp/test_pair.h"

static int reset(void **state)
{
	refusal = (struct refusal){0};
	return 0;
}

static void round_trip(const char *ip)
{
	struct pair pair;

	pair_open(&pair, ip, false, false);
	assert_int_equal(send_run(&pair, 20 * 1200 + 300, 1200), 0);
	/* Loopback hands the run over as it is. */
	assert_int_equal(expect_run(&pair, 20 * 1200 + 300, 1200), 1);
	assert_int_equal(refusal.gso_seen, 1);
	assert_int_equal(udp_counters(pair.sender)->send_calls, 1);
	assert_int_equal(udp_counters(pair.sender)->send_datagrams, 21);
	assert_int_equal(udp_counters(pair.receiver)->receive_datagrams, 21);
	assert_int_equal(udp_counters(pair.sender)->send_failures, 0);
	pair_close(&pair);
}

static void a_run_travels_as_one_message_over_ipv4(void **state)
{
	round_trip("127.0.0.1");
}

static void a_run_travels_as_one_message_over_ipv6(void **state)
{
	round_trip("::1");
}

static void without_gso_each_datagram_goes_alone_and_in_order(void **state)
{
	struct pair pair;

	pair_open(&pair, "127.0.0.1", true, false);
	assert_int_equal(send_run(&pair, 40 * 900 + 1, 900), 0);
	assert_int_equal(expect_run(&pair, 40 * 900 + 1, 900), 41);
	assert_int_equal(refusal.gso_seen, 0);
	assert_int_equal(udp_counters(pair.sender)->send_calls, 1);
	assert_int_equal(udp_counters(pair.sender)->gso_fallbacks, 0);
	pair_close(&pair);
}

static void without_gro_each_datagram_comes_alone_and_in_order(void **state)
{
	struct pair pair;

	pair_open(&pair, "::1", false, true);
	assert_int_equal(send_run(&pair, 40 * 900 + 1, 900), 0);
	assert_int_equal(expect_run(&pair, 40 * 900 + 1, 900), 41);
	assert_int_equal(refusal.gso_seen, 1);
	pair_close(&pair);
}

static void a_run_of_more_than_64_datagrams_is_split(void **state)
{
	struct pair pair;

	pair_open(&pair, "127.0.0.1", false, false);
	assert_int_equal(send_run(&pair, 150, 1), 0);
	assert_int_equal(expect_run(&pair, 150, 1), 3);
	assert_int_equal(udp_counters(pair.sender)->gso_fallbacks, 0);
	pair_close(&pair);
}

static void a_run_of_more_than_65507_bytes_is_split(void **state)
{
	struct pair pair;

	pair_open(&pair, "127.0.0.1", false, false);
	assert_int_equal(send_run(&pair, 100 * 1400, 1400), 0);
	/* 46 * 1400 is the most below 65507. */
	assert_int_equal(expect_run(&pair, 100 * 1400, 1400), 3);
	assert_int_equal(udp_counters(pair.sender)->gso_fallbacks, 0);
	assert_int_equal(udp_counters(pair.sender)->send_datagrams, 100);
	pair_close(&pair);
}

static void random_runs_arrive_whole_whatever_the_offloads(void **state)
{
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int round = 0; round < 60; round++) {
		struct pair pair;
		size_t segment_size = 1 + seeded_below(&seeded, 1500);
		size_t size = 1 + seeded_below(&seeded, (uint32_t)segment_size * 150);

		refusal.at_most = seeded_below(&seeded, 4);
		pair_open(&pair, seeded_below(&seeded, 2) ? "127.0.0.1" : "::1",
			  seeded_below(&seeded, 2), seeded_below(&seeded, 2));
		assert_int_equal(send_run(&pair, size, segment_size), 0);
		expect_run(&pair, size, segment_size);
		pair_close(&pair);
	}
}

static void a_batch_goes_to_several_destinations_in_order(void **state)
{
	enum { COUNT = 100 };
	struct pair a, b;
	struct udp_message messages[COUNT] = {0};
	uint8_t numbers[COUNT];
	int got_a = 0, got_b = 0;

	pair_open(&a, "127.0.0.1", false, false);
	pair_open(&b, "127.0.0.1", false, false);
	for (int i = 0; i < COUNT; i++) {
		numbers[i] = (uint8_t)i;
		messages[i] = (struct udp_message){.remote = i % 2 ? b.to : a.to,
						   .data = &numbers[i],
						   .size = 1,
						   .segment_size = 1};
	}
	assert_int_equal(udp_send(a.sender, messages, COUNT), 0);
	assert_int_equal(udp_counters(a.sender)->send_calls, 2);
	while (got_a < COUNT / 2) {
		for (int i = 0, count = pair_receive(&a); i < count; i++)
			assert_int_equal(a.messages[i].data[0], 2 * got_a++);
	}
	while (got_b < COUNT / 2) {
		for (int i = 0, count = pair_receive(&b); i < count; i++)
			assert_int_equal(b.messages[i].data[0], 2 * got_b++ + 1);
	}
	pair_close(&a);
	pair_close(&b);
}

static void eio_resends_the_run_and_ends_gso(void **state)
{
	struct pair pair;

	pair_open(&pair, "127.0.0.1", false, false);
	refusal = (struct refusal){.error = EIO, .times = 1, .is_gso_only = true};
	assert_int_equal(send_run(&pair, 30 * 700, 700), 0);
	assert_int_equal(expect_run(&pair, 30 * 700, 700), 30);
	assert_int_equal(udp_counters(pair.sender)->gso_fallbacks, 1);
	assert_int_equal(send_run(&pair, 30 * 700, 700), 0);
	assert_int_equal(expect_run(&pair, 30 * 700, 700), 30);
	assert_int_equal(refusal.gso_seen, 0);
	assert_int_equal(udp_counters(pair.sender)->gso_fallbacks, 1);
	assert_int_equal(udp_counters(pair.sender)->send_failures, 0);
	pair_close(&pair);
}

static void einval_resends_the_run_and_keeps_gso(void **state)
{
	struct pair pair;

	pair_open(&pair, "127.0.0.1", false, false);
	refusal = (struct refusal){.error = EINVAL, .times = 1, .is_gso_only = true};
	assert_int_equal(send_run(&pair, 30 * 700, 700), 0);
	assert_int_equal(expect_run(&pair, 30 * 700, 700), 30);
	assert_int_equal(send_run(&pair, 30 * 700, 700), 0);
	assert_int_equal(expect_run(&pair, 30 * 700, 700), 1);
	assert_int_equal(udp_counters(pair.sender)->gso_fallbacks, 1);
	pair_close(&pair);
}

static void einval_concerns_its_message_only(void **state)
{
	auto_free uint8_t *data = pattern(60 * 500);
	struct udp_message messages[2];
	struct pair pair;

	pair_open(&pair, "127.0.0.1", false, false);
	for (int i = 0; i < 2; i++)
		messages[i] = (struct udp_message){.remote = pair.to,
						   .data = data + i * 30 * 500,
						   .size = 30 * 500,
						   .segment_size = 500};
	refusal = (struct refusal){.error = EINVAL, .times = 1, .is_gso_only = true};
	assert_int_equal(udp_send(pair.sender, messages, 2), 0);
	assert_int_equal(expect_run(&pair, 60 * 500, 500), 31);
	assert_int_equal(refusal.gso_seen, 1);
	pair_close(&pair);
}

/* The kernel itself refuses here: GSO needs checksums. */
static void a_kernel_that_refuses_gso_gets_single_datagrams(void **state)
{
	struct pair pair;
	int on = 1;

	pair_open(&pair, "127.0.0.1", false, false);
	assert_int_equal(setsockopt(udp_fd(pair.sender), SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)),
			 0);
	assert_int_equal(send_run(&pair, 100 * 700, 700), 0);
	expect_run(&pair, 100 * 700, 700);
	assert_int_equal(udp_counters(pair.sender)->gso_fallbacks, 2);
	assert_int_equal(udp_counters(pair.sender)->send_failures, 0);
	pair_close(&pair);
}

static void a_refusal_in_mid_batch_loses_nothing_but_gso(void **state)
{
	auto_free uint8_t *data = pattern(90 * 500);
	struct udp_message messages[3];
	struct pair pair;

	pair_open(&pair, "127.0.0.1", false, false);
	for (int i = 0; i < 3; i++)
		messages[i] = (struct udp_message){.remote = pair.to,
						   .data = data + i * 30 * 500,
						   .size = 30 * 500,
						   .segment_size = 500};
	refusal = (struct refusal){
		.error = EIO, .times = 1, .after = 1, .is_gso_only = true, .at_most = 1};
	assert_int_equal(udp_send(pair.sender, messages, 3), 0);
	assert_int_equal(expect_run(&pair, 90 * 500, 500), 61);
	assert_int_equal(refusal.gso_seen, 1);
	pair_close(&pair);
}

static void what_the_kernel_refuses_is_counted_and_the_rest_goes_on(void **state)
{
	struct pair pair;
	struct udp_message messages[3];

	pair_open(&pair, "127.0.0.1", false, false);
	for (int i = 0; i < 3; i++)
		messages[i] = (struct udp_message){
			.remote = pair.to, .data = pair.room, .size = 10, .segment_size = 10};
	messages[1].remote = (struct address){0};
	assert_int_equal(udp_send(pair.sender, messages, 3), -EDESTADDRREQ);
	assert_int_equal(udp_counters(pair.sender)->send_failures, 1);
	assert_int_equal(udp_counters(pair.sender)->send_datagrams, 2);
	messages[0].size = messages[0].segment_size = 65508;
	assert_int_equal(udp_send(pair.sender, messages, 1), -EMSGSIZE);
	assert_int_equal(udp_counters(pair.sender)->send_failures, 2);
	assert_int_equal(udp_counters(pair.sender)->gso_fallbacks, 0);
	pair_close(&pair);
}

static void a_full_buffer_drops_the_rest_of_the_batch(void **state)
{
	struct pair pair;

	pair_open(&pair, "127.0.0.1", true, false);
	refusal = (struct refusal){.error = EAGAIN, .times = 1, .after = 1, .at_most = 3};
	assert_int_equal(send_run(&pair, 10 * 100, 100), -EAGAIN);
	assert_int_equal(udp_counters(pair.sender)->send_datagrams, 3);
	assert_int_equal(udp_counters(pair.sender)->send_failures, 7);
	assert_int_equal(udp_counters(pair.sender)->send_calls, 2);
	pair_close(&pair);
}

/* Only a connected socket hears of ICMP errors without asking, so the test connects it. */
static void icmp_errors_of_earlier_sends_disturb_nobody(void **state)
{
	struct pair pair;
	struct udp_options options = loopback("127.0.0.1");
	struct sockaddr_storage name;
	struct udp *closed;
	struct address nobody;
	struct pollfd wait;

	pair_open(&pair, "127.0.0.1", false, false);
	assert_int_equal(udp_open(&options, &closed), 0);
	nobody = options.bind;
	nobody.port = udp_port(closed);
	udp_close(closed);
	assert_int_equal(connect(udp_fd(pair.sender), (struct sockaddr *)&name,
				 address_to_socket(&nobody, &name)),
			 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(send(udp_fd(pair.sender), "x", 1, 0), 1);
		wait = (struct pollfd){.fd = udp_fd(pair.sender)};
		assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
		assert_true(wait.revents & POLLERR);
		if (i)
			assert_int_equal(udp_receive(pair.sender, pair.messages, MESSAGES), 0);
		else
			assert_int_equal(send_run(&pair, 100, 100), 0);
	}
	assert_int_equal(expect_run(&pair, 100, 100), 1);
	assert_int_equal(udp_counters(pair.sender)->send_failures, 0);
	pair_close(&pair);
}

static void the_local_address_is_reported_and_can_be_chosen(void **state)
{
	struct pair pair;
	struct udp_message message;
	struct address source;

	pair_open(&pair, "127.0.0.1", false, false);
	udp_close(pair.sender);
	assert_int_equal(
		udp_open(&(struct udp_options){.bind = {.family = FAMILY_IPV4}}, &pair.sender), 0);
	assert_int_equal(address_parse("127.0.0.77", 1, &source), 0);
	message = (struct udp_message){.remote = pair.to,
				       .local = source,
				       .data = (uint8_t *)pair.room,
				       .size = 3000,
				       .segment_size = 1000};
	assert_int_equal(udp_send(pair.sender, &message, 1), 0);
	assert_int_equal(pair_receive(&pair), 1);
	assert_int_equal(pair.messages[0].segment_size, 1000);
	assert_true(address_is_same_ip(&pair.messages[0].remote, &source));
	assert_int_equal(pair.messages[0].remote.port, udp_port(pair.sender));
	assert_true(address_is_same_ip(&pair.messages[0].local, &pair.to));
	pair_close(&pair);
}

static void the_local_address_works_for_ipv6_too(void **state)
{
	struct pair pair;
	struct udp_message message;

	pair_open(&pair, "::1", false, false);
	message = (struct udp_message){.remote = pair.to,
				       .local = pair.to,
				       .data = pair.room,
				       .size = 3000,
				       .segment_size = 1000};
	assert_int_equal(udp_send(pair.sender, &message, 1), 0);
	assert_int_equal(pair_receive(&pair), 1);
	assert_int_equal(pair.messages[0].segment_size, 1000);
	assert_true(address_is_same_ip(&pair.messages[0].local, &pair.to));
	pair_close(&pair);
}

static void of_a_cut_message_only_whole_datagrams_are_left(void **state)
{
	struct pair pair;

	pair_open(&pair, "127.0.0.1", false, false);
	for (int i = 0; i < MESSAGES; i++)
		pair.messages[i].capacity = 2500;
	assert_int_equal(send_run(&pair, 5 * 1000, 1000), 0);
	assert_int_equal(send_run(&pair, 2501, 2501), 0);
	assert_int_equal(pair_receive(&pair), 2);
	assert_int_equal(pair.messages[0].size, 2000);
	assert_int_equal(pair.messages[0].segment_size, 1000);
	assert_int_equal(pair.messages[1].size, 0);
	assert_int_equal(udp_counters(pair.receiver)->truncated, 2);
	pair_close(&pair);
}

static void an_empty_datagram_is_a_message_of_size_0(void **state)
{
	struct pair pair;
	struct udp_message message;

	pair_open(&pair, "127.0.0.1", false, false);
	message = (struct udp_message){.remote = pair.to, .data = pair.room};
	assert_int_equal(udp_send(pair.sender, &message, 1), 0);
	assert_int_equal(pair_receive(&pair), 1);
	assert_int_equal(pair.messages[0].size, 0);
	assert_int_equal(udp_counters(pair.sender)->send_datagrams, 1);
	pair_close(&pair);
}

static void nothing_waiting_is_zero_messages(void **state)
{
	struct pair pair;

	pair_open(&pair, "127.0.0.1", false, false);
	assert_int_equal(udp_receive(pair.receiver, pair.messages, MESSAGES), 0);
	pair_close(&pair);
}

static void a_port_in_use_is_refused(void **state)
{
	struct pair pair;
	struct udp_options options = loopback("127.0.0.1");
	struct udp *udp = NULL;

	pair_open(&pair, "127.0.0.1", false, false);
	options.bind.port = udp_port(pair.receiver);
	assert_int_equal(udp_open(&options, &udp), -EADDRINUSE);
	assert_null(udp);
	pair_close(&pair);
}

static void both_families_share_a_number(void **state)
{
	struct udp_options options = {.bind = {.family = FAMILY_IPV4}};
	struct udp *v4, *v6;

	assert_int_equal(udp_open(&options, &v4), 0);
	options.bind = (struct address){.family = FAMILY_IPV6, .port = udp_port(v4)};
	assert_int_equal(udp_open(&options, &v6), 0);
	assert_int_equal(udp_port(v6), udp_port(v4));
	udp_close(v4);
	udp_close(v6);
}

static void an_unknown_device_is_refused(void **state)
{
	struct udp_options options = loopback("127.0.0.1");
	struct udp *udp;

	options.device = "no-such-device";
	assert_true(udp_open(&options, &udp) < 0);
}

static void ipv4_goes_without_df(void **state)
{
	struct pair pair;
	int value = -1;
	socklen_t size = sizeof(value);

	pair_open(&pair, "127.0.0.1", false, false);
	assert_int_equal(
		getsockopt(udp_fd(pair.sender), IPPROTO_IP, IP_MTU_DISCOVER, &value, &size), 0);
	assert_int_equal(value, IP_PMTUDISC_OMIT);
	pair_close(&pair);
}

/* Namespace with a loopback whose MTU is below the datagrams: GSO is refused, fragments pass. Runs
 * in a child, for a process does not come back from its namespace. */
static int run_below_mtu(const char *ip)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_mtu = 1280};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pair pair;

	if (ioctl(fd, SIOCSIFMTU, &request))
		return 1;
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		return 1;
	close(fd);
	pair_open(&pair, ip, false, false);
	assert_int_equal(send_run(&pair, 10 * 1400, 1400), 0);
	expect_run(&pair, 10 * 1400, 1400);
	assert_int_equal(udp_counters(pair.sender)->gso_fallbacks, 1);
	/* Another route may well do it. */
	refusal.gso_seen = 0;
	assert_int_equal(send_run(&pair, 10 * 1000, 1000), 0);
	expect_run(&pair, 10 * 1000, 1000);
	assert_int_equal(refusal.gso_seen, 1);
	pair_close(&pair);
	return 0;
}

static void in_child(int (*body)(const char *ip), const char *ip)
{
	enum { NO_NAMESPACE = 77 };
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
			_exit(NO_NAMESPACE);
		_exit(body(ip));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_NAMESPACE) {
		print_message("no right to make a network namespace\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void datagrams_above_the_mtu_go_as_fragments_over_ipv4(void **state)
{
	in_child(run_below_mtu, "127.0.0.1");
}

static void datagrams_above_the_mtu_go_as_fragments_over_ipv6(void **state)
{
	in_child(run_below_mtu, "::1");
}

#define udp_test(claim) cmocka_unit_test_setup(claim, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		udp_test(a_run_travels_as_one_message_over_ipv4),
		udp_test(a_run_travels_as_one_message_over_ipv6),
		udp_test(without_gso_each_datagram_goes_alone_and_in_order),
		udp_test(without_gro_each_datagram_comes_alone_and_in_order),
		udp_test(a_run_of_more_than_64_datagrams_is_split),
		udp_test(a_run_of_more_than_65507_bytes_is_split),
		udp_test(random_runs_arrive_whole_whatever_the_offloads),
		udp_test(a_batch_goes_to_several_destinations_in_order),
		udp_test(eio_resends_the_run_and_ends_gso),
		udp_test(einval_resends_the_run_and_keeps_gso),
		udp_test(einval_concerns_its_message_only),
		udp_test(a_kernel_that_refuses_gso_gets_single_datagrams),
		udp_test(a_refusal_in_mid_batch_loses_nothing_but_gso),
		udp_test(what_the_kernel_refuses_is_counted_and_the_rest_goes_on),
		udp_test(a_full_buffer_drops_the_rest_of_the_batch),
		udp_test(icmp_errors_of_earlier_sends_disturb_nobody),
		udp_test(the_local_address_is_reported_and_can_be_chosen),
		udp_test(the_local_address_works_for_ipv6_too),
		udp_test(of_a_cut_message_only_whole_datagrams_are_left),
		udp_test(an_empty_datagram_is_a_message_of_size_0),
		udp_test(nothing_waiting_is_zero_messages),
		udp_test(a_port_in_use_is_refused),
		udp_test(both_families_share_a_number),
		udp_test(an_unknown_device_is_refused),
		udp_test(ipv4_goes_without_df),
		udp_test(datagrams_above_the_mtu_go_as_fragments_over_ipv4),
		udp_test(datagrams_above_the_mtu_go_as_fragments_over_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
