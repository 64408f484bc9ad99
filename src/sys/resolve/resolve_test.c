#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/loop/loop.h"
#include "sys/resolve/resolve.h"
#include "sys/resolve/test_server.h"

#include <cmocka.h>

#define PATIENCE (30 * USEC_PER_SEC) /* a test that needs it has failed */

/* One question and what came of it. */
struct inquiry {
	struct resolve_request *request;
	struct resolve *freed; /* by on_done */
	int calls, error;
	size_t count, ipv4, ipv6;
	struct address addresses[2 * RESOLVE_FAMILY_MAX];
	struct inquiry *victim; /* cancelled by on_done */
};

static void on_done(void *owner, const struct address *addresses, size_t count, int error)
{
	struct inquiry *inquiry = owner;

	inquiry->calls++;
	inquiry->error = error;
	inquiry->count = count;
	assert_true(!count == !!error);
	assert_true(count <= array_size(inquiry->addresses));
	for (size_t i = 0; i < count; i++) {
		inquiry->addresses[i] = addresses[i];
		inquiry->ipv4 += addresses[i].family == FAMILY_IPV4;
		inquiry->ipv6 += addresses[i].family == FAMILY_IPV6;
		assert_int_equal(addresses[i].port, 0);
	}
	if (inquiry->victim)
		resolve_cancel(inquiry->victim->request);
	resolve_free(inquiry->freed);
}

struct bench {
	struct loop *loop;
	struct server server;
	struct resolve *resolve;
};

static void resolve_open(struct bench *bench)
{
	auto_free char *servers = memory_print("127.0.0.1:%u", bench->server.port);

	assert_int_equal(resolve_new(bench->loop, servers, &bench->resolve), 0);
}

static int set_up(void **state)
{
	struct bench *bench = new (struct bench);

	bench->loop = loop_new();
	assert_non_null(bench->loop);
	server_open(&bench->server, bench->loop, "127.0.0.1", 0, 1);
	resolve_open(bench);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	resolve_free(bench->resolve);
	server_close(&bench->server);
	loop_free(bench->loop);
	free(bench);
	return 0;
}

static void start(struct bench *bench, const char *host, struct inquiry *inquiry)
{
	assert_int_equal(resolve_start(bench->resolve, host, on_done, inquiry, &inquiry->request),
			 0);
	assert_int_equal(inquiry->calls, 0);
}

static void wait_until_done(struct bench *bench, const struct inquiry *inquiry)
{
	usec_t end;

	assert_int_equal(loop_turn(bench->loop, 0), 0);
	end = loop_now(bench->loop) + PATIENCE;
	while (!inquiry->calls && loop_now(bench->loop) < end)
		assert_int_equal(loop_turn(bench->loop, USEC_PER_SEC), 0);
	assert_int_equal(inquiry->calls, 1);
}

static struct inquiry ask(struct bench *bench, const char *host)
{
	struct inquiry inquiry = {0};

	start(bench, host, &inquiry);
	wait_until_done(bench, &inquiry);
	return inquiry;
}

static bool has(const struct inquiry *inquiry, const char *ip)
{
	struct address wanted;

	assert_int_equal(address_parse(ip, 1, &wanted), 0);
	for (size_t i = 0; i < inquiry->count; i++) {
		if (address_is_same_ip(&inquiry->addresses[i], &wanted))
			return true;
	}
	return false;
}

static void a_name_gives_addresses_of_both_families(void **state)
{
	struct inquiry inquiry = ask(*state, "both.test");

	assert_int_equal(inquiry.error, 0);
	assert_int_equal(inquiry.count, 2);
	assert_true(has(&inquiry, "192.0.2.1"));
	assert_true(has(&inquiry, "2001:db8::1"));
}

static void a_name_with_one_family_gives_that(void **state)
{
	struct inquiry inquiry = ask(*state, "four.test");

	assert_int_equal(inquiry.count, 1);
	assert_true(has(&inquiry, "192.0.2.1"));
}

static void a_long_answer_keeps_a_share_of_each_family(void **state)
{
	struct inquiry inquiry = ask(*state, "many.test");

	assert_int_equal(inquiry.ipv4, RESOLVE_FAMILY_MAX);
	assert_int_equal(inquiry.ipv6, RESOLVE_FAMILY_MAX);
}

static void an_answer_too_long_for_a_datagram_comes_over_tcp(void **state)
{
	struct bench *bench = *state;
	struct inquiry inquiry = ask(bench, "stream.test");

	assert_int_equal(inquiry.count, 2);
	assert_true(bench->server.streams > 0);
}

static void a_name_that_does_not_exist_is_not_found(void **state)
{
	struct inquiry inquiry = ask(*state, "nobody.test");

	assert_int_equal(inquiry.error, -ENOENT);
}

static void a_name_without_addresses_is_not_found(void **state)
{
	struct inquiry inquiry = ask(*state, "empty.test");

	assert_int_equal(inquiry.error, -ENOENT);
}

static void a_server_that_refuses_or_fails_is_an_error(void **state)
{
	assert_int_equal(ask(*state, "refused.test").error, -ECONNREFUSED);
	assert_int_equal(ask(*state, "servfail.test").error, -ECONNREFUSED);
}

static void garbage_is_an_error(void **state)
{
	assert_int_equal(ask(*state, "garbage.test").error, -EBADMSG);
}

static void a_lost_question_is_asked_again(void **state)
{
	struct bench *bench = *state;
	struct inquiry inquiry = ask(bench, "late.test");

	assert_int_equal(inquiry.count, 2);
	assert_true(bench->server.queries > 2);
}

static void an_absent_server_is_an_error_at_once(void **state)
{
	struct bench *bench = *state;
	usec_t start;

	server_close(&bench->server);
	start = loop_now(bench->loop);
	assert_int_equal(ask(bench, "both.test").error, -ECONNREFUSED);
	assert_true(loop_now(bench->loop) - start < USEC_PER_SEC);
	server_open(&bench->server, bench->loop, "127.0.0.1", 0, 1);
}

/* One server: c-ares gives up. Four: the deadline comes first. A server that hears only the
 * question for IPv4 costs time, but not the answer. All at once, to wait only once. */
static void silence_ends_in_time(void **state)
{
	struct bench *bench = *state;
	struct inquiry one = {0}, four = {0}, half = {0};
	struct resolve *patient, *single = bench->resolve;
	uint16_t port = bench->server.port;
	struct server others[3];
	auto_free char *servers = NULL;
	usec_t began;

	for (size_t i = 0; i < array_size(others); i++)
		server_open(&others[i], bench->loop, "127.0.0.1", 0, 1);
	servers = memory_print("127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u", port,
			       others[0].port, others[1].port, others[2].port);
	assert_int_equal(resolve_new(bench->loop, servers, &patient), 0);
	assert_int_equal(loop_turn(bench->loop, 0), 0);
	began = loop_now(bench->loop);
	start(bench, "silent.test", &one);
	start(bench, "half.test", &half);
	bench->resolve = patient;
	start(bench, "silent.test", &four);
	bench->resolve = single;
	wait_until_done(bench, &one);
	assert_int_equal(one.error, -ETIMEDOUT);
	assert_in_range(loop_now(bench->loop) - began, USEC_PER_SEC, RESOLVE_DEADLINE);
	wait_until_done(bench, &half);
	assert_int_equal(half.error, 0);
	assert_true(has(&half, "192.0.2.1"));
	assert_in_range(loop_now(bench->loop) - began, 0, RESOLVE_DEADLINE);
	wait_until_done(bench, &four);
	assert_int_equal(four.error, -ETIMEDOUT);
	assert_in_range(loop_now(bench->loop) - began, RESOLVE_DEADLINE,
			RESOLVE_DEADLINE + 2 * USEC_PER_SEC);
	assert_true(others[2].queries > 0);
	resolve_free(patient);
	for (size_t i = 0; i < array_size(others); i++)
		server_close(&others[i]);
}

static void an_address_asks_nobody_and_answers_in_a_later_turn(void **state)
{
	struct bench *bench = *state;
	struct inquiry v4 = ask(bench, "198.51.100.7"), v6 = ask(bench, "2001:db8::7");

	assert_int_equal(v4.count, 1);
	assert_true(has(&v4, "198.51.100.7"));
	assert_int_equal(v6.count, 1);
	assert_true(has(&v6, "2001:db8::7"));
	assert_int_equal(bench->server.queries, 0);
}

static void what_is_no_host_name_is_refused(void **state)
{
	static const char *const names[] = {
		"",      ".",         ".test",  "a b", "a\nb",     "a/b",
		"[::1]", "1.2.3.4:5", "::1%lo", "a:b", "name\x7f", "caf\xc3\xa9",
	};
	struct bench *bench = *state;
	struct resolve_request *request;
	struct inquiry inquiry = {0};
	char name[256];

	for (size_t i = 0; i < array_size(names); i++)
		assert_int_equal(
			resolve_start(bench->resolve, names[i], on_done, &inquiry, &request),
			-EINVAL);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(resolve_start(bench->resolve, name, on_done, &inquiry, &request), -EINVAL);
	/* Labels of more than 63 characters are c-ares' to refuse. */
	name[100] = '\0';
	assert_int_equal(ask(bench, name).error, -ENOENT);
	assert_int_equal(bench->server.queries, 0);
	assert_int_equal(inquiry.calls, 0);
}

static void bad_servers_are_refused(void **state)
{
	struct bench *bench = *state;
	struct resolve *resolve = NULL;

	assert_int_equal(resolve_new(bench->loop, "", &resolve), -EINVAL);
	assert_int_equal(resolve_new(bench->loop, "not-an-address", &resolve), -EINVAL);
	assert_null(resolve);
}

static void a_cancelled_request_stays_silent(void **state)
{
	struct bench *bench = *state;
	struct inquiry silent = {0}, answered = {0}, literal = {0};

	start(bench, "silent.test", &silent);
	start(bench, "192.0.2.9", &literal);
	resolve_cancel(literal.request);
	start(bench, "both.test", &answered);
	wait_until_done(bench, &answered);
	resolve_cancel(silent.request);
	resolve_cancel(NULL);
	assert_int_equal(ask(bench, "both.test").count, 2);
	assert_int_equal(silent.calls + literal.calls, 0);
}

static void a_request_may_cancel_another_of_the_same_turn(void **state)
{
	struct bench *bench = *state;
	struct inquiry first = {0}, second = {0};

	start(bench, "192.0.2.1", &first);
	start(bench, "192.0.2.2", &second);
	first.victim = &second;
	wait_until_done(bench, &first);
	assert_int_equal(loop_turn(bench->loop, 0), 0);
	assert_int_equal(second.calls, 0);
}

static void on_done_may_free_everything(void **state)
{
	struct bench *bench = *state;
	struct inquiry last = {0}, silent = {0};

	start(bench, "silent.test", &silent);
	start(bench, "both.test", &last);
	last.freed = take(bench->resolve);
	wait_until_done(bench, &last);
	assert_int_equal(last.count, 2);
	assert_int_equal(silent.calls, 0);
}

static void every_error_has_words(void **state)
{
	static const int errors[] = {0, -ENOENT, -EINVAL, -ETIMEDOUT, -ECONNREFUSED, -EBADMSG};

	for (size_t i = 0; i < array_size(errors); i++) {
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(resolve_error_text(errors[i]),
						resolve_error_text(errors[j]));
	}
}

/* Files of a machine of our own: a process in namespaces, with other files mounted over those in
 * /etc. */

static void write_file(const char *path, const char *content)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

/* From here on, path is a file of ours. */
static void put_over(const char *path, const char *content)
{
	char name[] = "/tmp/resolve-test-XXXXXX";
	int fd = mkstemp(name), error;

	assert_true(fd >= 0);
	close(fd);
	error = mount(name, path, NULL, MS_BIND, NULL);
	unlink(name);
	assert_int_equal(error, 0);
	write_file(path, content);
}

static void write_id_map(const char *path, unsigned id)
{
	auto_free char *text = memory_print("0 %u 1", id);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		print_message("%s: %s\n", path, strerror(errno));
	close(fd);
}

static bool enter_own_machine(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	unsigned user = getuid();
	int fd;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS)) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS))
			return false;
		write_id_map("/proc/self/uid_map", user);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		return false;
	close(fd);
	return true;
}

/* The first server is asked, then resolv.conf names another, and hosts knows one name. */
static void run_on_own_machine(void)
{
	struct bench bench = {.loop = loop_new()};
	struct server other;
	struct inquiry inquiry;

	server_open(&bench.server, bench.loop, "127.0.0.1", 53, 1);
	server_open(&other, bench.loop, "127.0.0.2", 53, 2);
	put_over("/etc/hosts", "203.0.113.9 planted.test planted\n2001:db8::9 planted.test\n");
	put_over("/etc/resolv.conf", "nameserver 127.0.0.1\n");
	assert_int_equal(resolve_new(bench.loop, NULL, &bench.resolve), 0);

	inquiry = ask(&bench, "planted.test");
	assert_int_equal(inquiry.count, 2);
	assert_true(has(&inquiry, "203.0.113.9") && has(&inquiry, "2001:db8::9"));
	assert_int_equal(bench.server.queries, 0);
	inquiry = ask(&bench, "both.test");
	assert_true(has(&inquiry, "192.0.2.1"));

	write_file("/etc/resolv.conf", "nameserver 127.0.0.2\n");
	inquiry = ask(&bench, "both.test");
	assert_true(has(&inquiry, "192.0.2.2"));

	resolve_free(bench.resolve);
	server_close(&bench.server);
	server_close(&other);
	loop_free(bench.loop);
}

static void hosts_and_resolv_conf_are_followed(void **state)
{
	enum { NO_NAMESPACE = 77 };
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (!enter_own_machine())
			_exit(NO_NAMESPACE);
		run_on_own_machine();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_NAMESPACE) {
		print_message("no right to make namespaces\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define resolve_test(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		resolve_test(a_name_gives_addresses_of_both_families),
		resolve_test(a_name_with_one_family_gives_that),
		resolve_test(a_long_answer_keeps_a_share_of_each_family),
		resolve_test(an_answer_too_long_for_a_datagram_comes_over_tcp),
		resolve_test(a_name_that_does_not_exist_is_not_found),
		resolve_test(a_name_without_addresses_is_not_found),
		resolve_test(a_server_that_refuses_or_fails_is_an_error),
		resolve_test(garbage_is_an_error),
		resolve_test(a_lost_question_is_asked_again),
		resolve_test(an_absent_server_is_an_error_at_once),
		resolve_test(silence_ends_in_time),
		resolve_test(an_address_asks_nobody_and_answers_in_a_later_turn),
		resolve_test(what_is_no_host_name_is_refused),
		resolve_test(bad_servers_are_refused),
		resolve_test(a_cancelled_request_stays_silent),
		resolve_test(a_request_may_cancel_another_of_the_same_turn),
		resolve_test(on_done_may_free_everything),
		resolve_test(every_error_has_words),
		cmocka_unit_test(hosts_and_resolv_conf_are_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
