/* Daemons here are child processes that do what the test wants, also the wrong thing. */
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "sys/ctl/test_folder.h"

#define PATH "wl0.sock"

/* Answers one client's request with these bytes and closes; NULL never answers. Returns its pid
 * once it listens. */
static pid_t answering(const char *answer)
{
	struct stat identity;
	char request[256];
	int fd, client;
	pid_t child;

	assert_int_equal(ctl_socket_listen(PATH, NULL, &fd, &identity), 0);
	child = fork();
	if (child) {
		close(fd);
		return child;
	}
	alarm(60);
	do
		client = accept(fd, NULL, NULL);
	while (client < 0 && (errno == EAGAIN || errno == EINTR) && !usleep(1000));
	if (read(client, request, sizeof(request)) < 0)
		_exit(1);
	if (!answer)
		pause();
	if (write(client, answer, strlen(answer)) < 0)
		_exit(1);
	_exit(0);
}

static void finish(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	unlink(PATH);
}

static void expect_call(const char *sent, int expected_error, const char *expected)
{
	pid_t child = answering(sent);
	struct buffer answer = {0};

	assert_int_equal(ctl_call(PATH, "status", PATIENCE, &answer), expected_error);
	assert_string_equal(answer.data ? answer.data : "", expected);
	buffer_done(&answer);
	finish(child);
}

static void a_call_returns_all_lines_of_the_answer(void **state)
{
	expect_call("one\ntwo\n\n", 0, "one\ntwo\n");
	expect_call("\n", 0, "");
	expect_call("one\n\nnever\n", 0, "one\n");
}

static void an_answer_cut_off_is_an_error(void **state)
{
	expect_call("one\ntwo\n", -EPIPE, "one\ntwo\n");
	expect_call("one\ntw", -EPIPE, "one\n");
	expect_call("", -EPIPE, "");
}

static void without_a_daemon_the_error_says_so(void **state)
{
	struct buffer answer = {0};
	struct stat identity;
	int fd;

	assert_int_equal(ctl_call(PATH, "status", PATIENCE, &answer), -ENOENT);
	assert_int_equal(ctl_socket_listen(PATH, NULL, &fd, &identity), 0);
	close(fd);
	assert_int_equal(ctl_call(PATH, "status", PATIENCE, &answer), -ECONNREFUSED);
	unlink(PATH);
	buffer_done(&answer);
}

static void a_silent_daemon_is_given_up_in_time(void **state)
{
	pid_t child = answering(NULL);
	struct buffer answer = {0};

	assert_int_equal(ctl_call(PATH, "status", 50 * USEC_PER_MSEC, &answer), -ETIMEDOUT);
	buffer_done(&answer);
	finish(child);
}

static void a_request_is_one_line_of_bounded_size(void **state)
{
	auto_free char *text = new_array(char, CTL_REQUEST_MAX + 2);
	struct buffer answer = {0};

	assert_int_equal(ctl_call(PATH, "a\nb", PATIENCE, &answer), -EINVAL);
	memset(text, 'a', CTL_REQUEST_MAX + 1);
	assert_int_equal(ctl_call(PATH, text, PATIENCE, &answer), -EMSGSIZE);
	buffer_done(&answer);
}

static void an_answer_without_end_is_given_up(void **state)
{
	auto_free char *text = new_array(char, CTL_QUEUE_MAX + 200000);
	struct buffer answer = {0};
	pid_t child;

	memset(text, 'a', CTL_QUEUE_MAX + 200000 - 1);
	child = answering(text);
	assert_int_equal(ctl_call(PATH, "status", PATIENCE, &answer), -EFBIG);
	finish(child);
	for (size_t i = 99; i < CTL_QUEUE_MAX + 200000 - 1; i += 100)
		text[i] = '\n';
	child = answering(text);
	assert_int_equal(ctl_call(PATH, "status", PATIENCE, &answer), -EFBIG);
	finish(child);
	buffer_done(&answer);
}

struct seen {
	int lines, stop_after;
	char last[16];
};

static bool on_line(void *owner, const char *line)
{
	struct seen *seen = owner;

	snprintf(seen->last, sizeof(seen->last), "%s", line);
	return ++seen->lines != seen->stop_after;
}

static void a_watch_sees_line_after_line_until_it_has_enough(void **state)
{
	struct seen seen = {0};
	pid_t child = answering("one\ntwo\nthree\n\n");

	assert_int_equal(ctl_watch(PATH, "watch", PATIENCE, on_line, &seen), 0);
	assert_int_equal(seen.lines, 3);
	assert_string_equal(seen.last, "three");
	finish(child);
	seen = (struct seen){.stop_after = 2};
	child = answering("one\ntwo\nthree\n");
	assert_int_equal(ctl_watch(PATH, "watch", USEC_NEVER, on_line, &seen), 0);
	assert_int_equal(seen.lines, 2);
	finish(child);
}

static void on_alarm(int signal)
{
}

static void a_signal_ends_a_watch_but_not_a_call(void **state)
{
	struct sigaction action = {.sa_handler = on_alarm}, before;
	struct itimerval soon = {.it_value = {.tv_usec = 50000}};
	struct buffer answer = {0};
	struct seen seen = {0};
	pid_t child = answering(NULL);

	sigaction(SIGALRM, &action, &before);
	setitimer(ITIMER_REAL, &soon, NULL);
	assert_int_equal(ctl_watch(PATH, "watch", PATIENCE, on_line, &seen), -EINTR);
	finish(child);
	child = answering(NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	assert_int_equal(ctl_call(PATH, "status", 200 * USEC_PER_MSEC, &answer), -ETIMEDOUT);
	finish(child);
	sigaction(SIGALRM, &before, NULL);
	buffer_done(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_returns_all_lines_of_the_answer),
		cmocka_unit_test(an_answer_cut_off_is_an_error),
		cmocka_unit_test(without_a_daemon_the_error_says_so),
		cmocka_unit_test(a_silent_daemon_is_given_up_in_time),
		cmocka_unit_test(a_request_is_one_line_of_bounded_size),
		cmocka_unit_test(an_answer_without_end_is_given_up),
		cmocka_unit_test(a_watch_sees_line_after_line_until_it_has_enough),
		cmocka_unit_test(a_signal_ends_a_watch_but_not_a_call),
	};

	return cmocka_run_group_tests_name("ctl_client", tests, enter_folder, leave_folder);
}
