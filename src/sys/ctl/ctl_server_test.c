#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "sys/ctl/test_folder.h"

#define PATH     "wl0.sock"
#define DEADLINE (300 * USEC_PER_MSEC)

struct daemon {
	struct loop *loop;
	struct ctl_server *server;
	struct ctl_reply *kept; /* NULL when there is none, or it was closed */
	int requests, closed;
	size_t last_size;
	char last[64];
	uid_t user;
};

static void on_closed(void *owner)
{
	struct daemon *daemon = owner;

	daemon->closed++;
	daemon->kept = NULL;
}

/* "echo TEXT" answers at once, "keep" later, anything else with nothing. */
static void on_request(void *owner, const char *request, size_t size, struct ctl_reply *reply)
{
	struct daemon *daemon = owner;

	daemon->requests++;
	daemon->last_size = size;
	daemon->user = ctl_reply_user(reply);
	snprintf(daemon->last, sizeof(daemon->last), "%s", request);
	if (!strcmp(request, "keep")) {
		ctl_reply_set_closed(reply, on_closed, daemon);
		daemon->kept = reply;
		return;
	}
	if (!strncmp(request, "echo ", 5))
		assert_int_equal(ctl_reply_send(reply, request + 5), 0);
	ctl_reply_end(reply);
}

static struct daemon *started(void)
{
	struct daemon *daemon = new (struct daemon);

	daemon->loop = loop_new();
	assert_int_equal(ctl_listen(daemon->loop, PATH, on_request, daemon, &daemon->server), 0);
	return daemon;
}

static void stop(struct daemon *daemon)
{
	ctl_server_free(daemon->server);
	loop_free(daemon->loop);
	free(daemon);
	assert_int_equal(access(PATH, F_OK), -1);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What came until the end of the connection. */
static void expect_answer(struct daemon *daemon, int fd, const char *expected)
{
	char text[256];
	size_t size = 0;
	ssize_t part = -1;

	turn_until(daemon->loop, ({
			   while ((part = recv(fd, text + size, sizeof(text) - size, 0)) > 0)
				   size += (size_t)part;
			   part == 0 || errno == ECONNRESET;
		   }));
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(text, expected, size);
	close(fd);
}

static bool is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK) == 0;
}

static void one_line_is_answered_by_lines_and_an_empty_one(void **state)
{
	struct daemon *daemon = started();
	int fd = connected(PATH);

	say(fd, "echo hello\n");
	expect_answer(daemon, fd, "hello\n\n");
	assert_int_equal(daemon->requests, 1);
	assert_int_equal(daemon->user, geteuid());
	fd = connected(PATH);
	say(fd, "nothing\n");
	expect_answer(daemon, fd, "\n");
	stop(daemon);
}

static void a_request_may_come_in_pieces(void **state)
{
	struct daemon *daemon = started();
	int fd = connected(PATH);
	const char *text = "echo in pieces";

	for (; *text; text++) {
		assert_int_equal(send(fd, text, 1, MSG_NOSIGNAL), 1);
		loop_turn(daemon->loop, 0);
	}
	assert_int_equal(daemon->requests, 0);
	say(fd, "\n");
	expect_answer(daemon, fd, "in pieces\n\n");
	stop(daemon);
}

static void who_closes_its_sending_half_still_gets_the_answer(void **state)
{
	struct daemon *daemon = started();
	int fd = connected(PATH);

	say(fd, "keep\n");
	shutdown(fd, SHUT_WR);
	turn_until(daemon->loop, daemon->kept);
	loop_turn(daemon->loop, 0);
	assert_int_equal(daemon->closed, 0);
	ctl_reply_send(daemon->kept, "late");
	ctl_reply_end(daemon->kept);
	expect_answer(daemon, fd, "late\n\n");
	stop(daemon);
}

static void who_asks_and_leaves_at_once_is_heard(void **state)
{
	struct daemon *daemon = started();
	int fd = connected(PATH);

	say(fd, "keep\n");
	close(fd);
	turn_until(daemon->loop, daemon->closed);
	assert_int_equal(daemon->requests, 1);
	stop(daemon);
}

static void an_empty_line_within_an_answer_is_left_out(void **state)
{
	struct daemon *daemon = started();
	int fd = connected(PATH);

	say(fd, "keep\n");
	turn_until(daemon->loop, daemon->kept);
	ctl_reply_send(daemon->kept, "\n\na\n\n\nb\n");
	ctl_reply_send(daemon->kept, "");
	ctl_reply_send(daemon->kept, "c");
	ctl_reply_end(daemon->kept);
	expect_answer(daemon, fd, "a\nb\nc\n\n");
	stop(daemon);
}

static void a_watcher_that_goes_away_is_told_of_once(void **state)
{
	struct daemon *daemon = started();
	struct ctl_reply *reply;
	int fd = connected(PATH);

	say(fd, "keep\n");
	turn_until(daemon->loop, daemon->kept);
	reply = daemon->kept;
	assert_int_equal(ctl_reply_send(reply, "first"), 0);
	close(fd);
	/* Noticed while sending: the reply stays valid until on_closed. */
	assert_int_equal(ctl_reply_send(reply, "second"), -EPIPE);
	assert_int_equal(ctl_reply_send(reply, "third"), -EPIPE);
	assert_int_equal(daemon->closed, 0);
	turn_until(daemon->loop, daemon->closed);
	loop_turn(daemon->loop, 0);
	assert_int_equal(daemon->closed, 1);
	stop(daemon);
}

static void after_the_end_nothing_is_told(void **state)
{
	struct daemon *daemon = started();
	int fd = connected(PATH);

	say(fd, "keep\n");
	turn_until(daemon->loop, daemon->kept);
	close(fd);
	ctl_reply_end(daemon->kept);
	for (int i = 0; i < 5; i++)
		loop_turn(daemon->loop, USEC_PER_MSEC);
	assert_int_equal(daemon->closed, 0);
	stop(daemon);
}

static void open_replies_hear_of_the_servers_end(void **state)
{
	struct daemon *daemon = started();
	int fd = connected(PATH);

	say(fd, "keep\n");
	turn_until(daemon->loop, daemon->kept);
	ctl_server_free(daemon->server);
	assert_int_equal(daemon->closed, 1);
	daemon->server = NULL;
	assert_true(is_closed(fd));
	close(fd);
	stop(daemon);
}

static void too_long_a_line_is_not_answered(void **state)
{
	struct daemon *daemon = started();
	auto_free char *text = new_array(char, CTL_REQUEST_MAX + 2);
	int fd = connected(PATH);

	memset(text, 'a', CTL_REQUEST_MAX);
	text[CTL_REQUEST_MAX] = '\n';
	say(fd, text);
	turn_until(daemon->loop, daemon->requests);
	assert_int_equal(daemon->last_size, CTL_REQUEST_MAX);
	expect_answer(daemon, fd, "\n");
	text[CTL_REQUEST_MAX] = 'a';
	fd = connected(PATH);
	say(fd, text);
	turn_until(daemon->loop, is_closed(fd));
	assert_int_equal(daemon->requests, 1);
	assert_int_equal(ctl_server_counters(daemon->server)->oversized, 1);
	close(fd);
	stop(daemon);
}

static void an_unfinished_request_is_given_up(void **state)
{
	struct daemon *daemon = started();
	int silent = connected(PATH), slow = connected(PATH);
	usec_t start = loop_now(daemon->loop);

	ctl_server_set_deadline(daemon->server, DEADLINE);
	say(slow, "ech");
	turn_until(daemon->loop, is_closed(silent) && is_closed(slow));
	assert_true(loop_now(daemon->loop) - start >= DEADLINE);
	assert_int_equal(ctl_server_counters(daemon->server)->expired, 2);
	close(silent);
	close(slow);
	stop(daemon);
}

static void a_slow_reader_is_dropped_at_the_bound(void **state)
{
	struct daemon *daemon = started();
	auto_free char *text = new_array(char, 1 << 20);
	int fd = connected(PATH), sent = 0, error;

	memset(text, 'a', (1 << 20) - 1);
	say(fd, "keep\n");
	turn_until(daemon->loop, daemon->kept);
	while (!(error = ctl_reply_send(daemon->kept, text)))
		sent++;
	assert_int_equal(error, -EPIPE);
	assert_true(sent >= 7 && sent <= 9);
	turn_until(daemon->loop, daemon->closed);
	assert_int_equal(ctl_server_counters(daemon->server)->slow_readers, 1);
	close(fd);
	stop(daemon);
}

static void an_answer_that_is_not_read_is_given_up(void **state)
{
	struct daemon *daemon = started();
	auto_free char *text = new_array(char, 1 << 20);
	int fd = connected(PATH);

	ctl_server_set_deadline(daemon->server, DEADLINE);
	memset(text, 'a', (1 << 20) - 1);
	say(fd, "keep\n");
	turn_until(daemon->loop, daemon->kept);
	assert_int_equal(ctl_reply_send(daemon->kept, text), 0);
	turn_until(daemon->loop, daemon->closed);
	assert_int_equal(ctl_server_counters(daemon->server)->slow_readers, 1);
	close(fd);
	stop(daemon);
}

static void a_large_answer_arrives_whole(void **state)
{
	struct daemon *daemon = started();
	auto_free char *text = new_array(char, 4 << 20);
	auto_free char *got = new_array(char, 5 << 20);
	size_t size = 0;
	ssize_t part;
	int fd = connected(PATH);

	for (size_t i = 0; i < (4 << 20) - 1; i++)
		text[i] = (char)('a' + i % 23);
	say(fd, "keep\n");
	turn_until(daemon->loop, daemon->kept);
	assert_int_equal(ctl_reply_send(daemon->kept, text), 0);
	ctl_reply_end(daemon->kept);
	turn_until(daemon->loop, ({
			   part = recv(fd, got + size, (5 << 20) - size, 0);
			   size += part > 0 ? (size_t)part : 0;
			   part == 0;
		   }));
	assert_int_equal(size, (4 << 20) + 1);
	assert_memory_equal(got, text, (4 << 20) - 1);
	assert_memory_equal(got + size - 2, "\n\n", 2);
	close(fd);
	stop(daemon);
}

static void too_many_clients_are_refused_and_places_come_back(void **state)
{
	struct daemon *daemon = started();
	int fds[CTL_CLIENTS_MAX + 1];
	const struct ctl_counters *counters = ctl_server_counters(daemon->server);
	int places = CTL_CLIENTS_MAX - (geteuid() ? CTL_CLIENTS_FOR_ROOT : 0);

	for (int i = 0; i < places; i++) {
		fds[i] = connected(PATH);
		loop_turn(daemon->loop, 0);
	}
	assert_int_equal(counters->refused_clients, 0);
	fds[places] = connected(PATH);
	turn_until(daemon->loop, is_closed(fds[places]));
	assert_int_equal(counters->refused_clients, 1);
	close(fds[places]);
	close(fds[0]);
	for (int i = 0; i < 5; i++)
		loop_turn(daemon->loop, 0);
	fds[0] = connected(PATH);
	say(fds[0], "echo again\n");
	expect_answer(daemon, fds[0], "again\n\n");
	for (int i = 1; i < places; i++)
		close(fds[i]);
	stop(daemon);
}

/* A child that is nobody takes all places it can get, and tells how many. */
static void places_are_kept_for_root(void **state)
{
	struct daemon *daemon;
	int report[2], fds[CTL_CLIENTS_MAX], status;
	pid_t child;
	char byte;

	if (geteuid())
		skip();
	daemon = started();
	assert_int_equal(chmod(PATH, 0666), 0);
	assert_int_equal(chmod(".", 0755), 0);
	assert_int_equal(pipe(report), 0);
	child = fork();
	if (!child) {
		alarm(60);
		if (setuid(65534))
			_exit(1);
		for (int i = 0; i < CTL_CLIENTS_MAX; i++)
			fds[i] = connected(PATH);
		if (write(report[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	close(report[1]);
	assert_int_equal(fcntl(report[0], F_SETFL, O_NONBLOCK), 0);
	turn_until(daemon->loop, read(report[0], &byte, 1) == 1);
	turn_until(daemon->loop,
		   ctl_server_counters(daemon->server)->refused_clients == CTL_CLIENTS_FOR_ROOT);
	fds[0] = connected(PATH);
	say(fds[0], "echo root\n");
	expect_answer(daemon, fds[0], "root\n\n");
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	close(report[0]);
	stop(daemon);
}

static void without_descriptors_the_server_rests_and_goes_on(void **state)
{
	struct daemon *daemon = started();
	struct rlimit before, limit;
	int fd = connected(PATH), other = dup(fd), turns = 0;

	close(other);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)other; /* the next descriptor would be this one */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	say(fd, "echo patience\n");
	/* It must not spin: each turn waits its time. */
	loop_turn(daemon->loop, 0);
	for (usec_t end = loop_now(daemon->loop) + 250 * USEC_PER_MSEC;
	     loop_now(daemon->loop) < end; turns++)
		loop_turn(daemon->loop, 50 * USEC_PER_MSEC);
	assert_true(turns < 30);
	assert_int_equal(daemon->requests, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	expect_answer(daemon, fd, "patience\n\n");
	stop(daemon);
}

/* ---- raw ---- */

static void on_raw(void *owner, const char *request, size_t size, struct buffer *answer)
{
	struct daemon *daemon = owner;

	daemon->requests++;
	daemon->last_size = size;
	snprintf(daemon->last, sizeof(daemon->last), "%s", request);
	if (!strcmp(request, "large\n")) {
		memset(buffer_reserve(answer, 4 << 20), 'b', 4 << 20);
		answer->size += 4 << 20;
	}
	buffer_print(answer, "size=%zu\nerrno=0\n\n", size);
}

static struct daemon *started_raw(void)
{
	struct daemon *daemon = new (struct daemon);

	daemon->loop = loop_new();
	assert_int_equal(ctl_listen_raw(daemon->loop, PATH, on_raw, daemon, &daemon->server), 0);
	return daemon;
}

static void a_raw_connection_carries_many_requests(void **state)
{
	struct daemon *daemon = started_raw();
	int fd = connected(PATH);
	struct stat status;

	assert_int_equal(lstat(PATH, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	say(fd, "get=1\n\nset=1\nlisten_port=5\n\n\nget");
	turn_until(daemon->loop, daemon->requests == 3);
	say(fd, "=1\n");
	loop_turn(daemon->loop, 0);
	assert_int_equal(daemon->requests, 3);
	say(fd, "\n");
	turn_until(daemon->loop, daemon->requests == 4);
	assert_string_equal(daemon->last, "get=1\n");
	shutdown(fd, SHUT_WR);
	expect_answer(daemon, fd,
		      "size=6\nerrno=0\n\nsize=20\nerrno=0\n\nsize=0\nerrno=0\n\n"
		      "size=6\nerrno=0\n\n");
	stop(daemon);
}

static void an_inherited_socket_serves_like_our_own(void **state)
{
	struct daemon *daemon = new (struct daemon);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, listener = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/" PATH, test_folder);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	daemon->loop = loop_new();
	assert_int_equal(ctl_adopt_raw(daemon->loop, listener, on_raw, daemon, &daemon->server), 0);
	assert_string_equal(ctl_server_path(daemon->server), address.sun_path);
	fd = connected(PATH);
	say(fd, "get=1\n\n");
	turn_until(daemon->loop, daemon->requests == 1);
	shutdown(fd, SHUT_WR);
	expect_answer(daemon, fd, "size=6\nerrno=0\n\n");
	stop(daemon);
}

static void a_raw_client_may_wait_between_requests_but_not_within(void **state)
{
	struct daemon *daemon = started_raw();
	int idle = connected(PATH), stuck = connected(PATH);
	char text[64];

	ctl_server_set_deadline(daemon->server, DEADLINE);
	say(idle, "get=1\n\n");
	turn_until(daemon->loop, daemon->requests == 1);
	say(stuck, "get=1\n\nget=1\n");
	turn_until(daemon->loop, ctl_server_counters(daemon->server)->expired);
	assert_int_equal(daemon->requests, 2);
	assert_true(recv(idle, text, sizeof(text), 0) > 0);
	say(idle, "get=1\n\n");
	turn_until(daemon->loop, daemon->requests == 3);
	assert_int_equal(ctl_server_counters(daemon->server)->expired, 1);
	close(idle);
	close(stuck);
	stop(daemon);
}

static void the_next_raw_request_waits_until_the_answer_is_taken(void **state)
{
	struct daemon *daemon = started_raw();
	auto_free char *text = new_array(char, 5 << 20);
	size_t size = 0;
	ssize_t part;
	int fd = connected(PATH);

	say(fd, "large\n\nget=1\n\n");
	turn_until(daemon->loop, daemon->requests);
	for (int i = 0; i < 5; i++)
		loop_turn(daemon->loop, USEC_PER_MSEC);
	assert_int_equal(daemon->requests, 1);
	turn_until(daemon->loop, ({
			   part = recv(fd, text + size, (5 << 20) - size, 0);
			   size += part > 0 ? (size_t)part : 0;
			   daemon->requests == 2 && size == (4 << 20) + 32;
		   }));
	close(fd);
	stop(daemon);
}

static void a_raw_request_is_bounded(void **state)
{
	struct daemon *daemon = started_raw();
	char text[4096];
	int fd = connected(PATH);

	ctl_server_set_deadline(daemon->server, PATIENCE);
	memset(text, '\n', sizeof(text));
	for (size_t i = 0; i < sizeof(text); i += 2)
		text[i] = 'a';
	turn_until(daemon->loop, ({
			   send(fd, text, sizeof(text), MSG_NOSIGNAL);
			   ctl_server_counters(daemon->server)->oversized == 1;
		   }));
	assert_int_equal(daemon->requests, 0);
	close(fd);
	stop(daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_is_answered_by_lines_and_an_empty_one),
		cmocka_unit_test(a_request_may_come_in_pieces),
		cmocka_unit_test(who_closes_its_sending_half_still_gets_the_answer),
		cmocka_unit_test(who_asks_and_leaves_at_once_is_heard),
		cmocka_unit_test(an_empty_line_within_an_answer_is_left_out),
		cmocka_unit_test(a_watcher_that_goes_away_is_told_of_once),
		cmocka_unit_test(after_the_end_nothing_is_told),
		cmocka_unit_test(open_replies_hear_of_the_servers_end),
		cmocka_unit_test(too_long_a_line_is_not_answered),
		cmocka_unit_test(an_unfinished_request_is_given_up),
		cmocka_unit_test(a_slow_reader_is_dropped_at_the_bound),
		cmocka_unit_test(an_answer_that_is_not_read_is_given_up),
		cmocka_unit_test(a_large_answer_arrives_whole),
		cmocka_unit_test(too_many_clients_are_refused_and_places_come_back),
		cmocka_unit_test(places_are_kept_for_root),
		cmocka_unit_test(without_descriptors_the_server_rests_and_goes_on),
		cmocka_unit_test(a_raw_connection_carries_many_requests),
		cmocka_unit_test(an_inherited_socket_serves_like_our_own),
		cmocka_unit_test(a_raw_client_may_wait_between_requests_but_not_within),
		cmocka_unit_test(the_next_raw_request_waits_until_the_answer_is_taken),
		cmocka_unit_test(a_raw_request_is_bounded),
	};

	return cmocka_run_group_tests_name("ctl_server", tests, enter_folder, leave_folder);
}
