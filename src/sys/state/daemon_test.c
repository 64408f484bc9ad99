/* Each case is a command in a child process of the test, whose output is a pipe: as a shell or a
 * service manager sees it. The daemon tells the test through a second pipe. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/state/daemon.h"

#include <cmocka.h>

struct command {
	pid_t id;
	int output; /* of the command and, until it is ready, of the daemon */
	int word;   /* what the daemon has to say to the test */
};

/* Runs `be_daemon` as a daemon; the command prints the report as "exit code:message". */
static struct command start(const char *log_path,
			    void (*be_daemon)(struct state_daemon *, int word))
{
	int output[2], word[2];
	struct command command;

	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	assert_int_equal(pipe2(word, O_CLOEXEC), 0);
	command = (struct command){.output = output[0], .word = word[0], .id = fork()};
	if (!command.id) {
		struct state_daemon *daemon = NULL;
		struct state_report report;
		int error;

		alarm(60);
		dup2(output[1], STDOUT_FILENO);
		dup2(output[1], STDERR_FILENO);
		close(output[1]);
		close(output[0]);
		close(word[0]);
		error = state_daemon_begin(log_path, &daemon, &report);
		if (error)
			_exit(100);
		if (!daemon) {
			printf("%d:%s\n", report.exit_code, report.message);
			fflush(stdout);
			_exit(report.exit_code);
		}
		alarm(60);
		be_daemon(daemon, word[1]);
		_exit(0);
	}
	close(output[1]);
	close(word[1]);
	return command;
}

/* Until the end of the pipe. */
static void read_text(int fd, char *text, size_t size)
{
	size_t done = 0;
	ssize_t part;

	while (done < size - 1 && (part = read(fd, text + done, size - 1 - done)) > 0)
		done += (size_t)part;
	text[done] = '\0';
	close(fd);
}

static void expect_end(struct command *command, int exit_code, const char *expected)
{
	char text[4096];
	int status;

	waitpid(command->id, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), exit_code);
	read_text(command->output, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		_exit(1);
}

/* Goes on until the test closes its end. */
static void stay(int word)
{
	struct pollfd place = {.fd = word};

	poll(&place, 1, 60000);
	_exit(0);
}

static void ready_daemon(struct state_daemon *daemon, int word)
{
	char text[256], folder[64];

	snprintf(text, sizeof(text), "%d %d %s", getsid(0) != getpid(),
		 isatty(0) || read(0, text, 1), getcwd(folder, sizeof(folder)));
	if (state_daemon_ready(daemon, "ready to go"))
		_exit(1);
	say(word, text);
	stay(word);
}

static void the_command_returns_when_the_daemon_is_ready(void **state)
{
	struct command command = start(NULL, ready_daemon);
	char text[256] = "";
	ssize_t size;

	/* The pipe ends although the daemon lives on: it let go of it. */
	expect_end(&command, 0, "0:ready to go\n");
	size = read(command.word, text, sizeof(text) - 1);
	assert_true(size > 0);
	/* Not the leader of its session, nothing on stdin, in "/". */
	assert_string_equal(text, "1 0 /");
	close(command.word);
}

static void failing_daemon(struct state_daemon *daemon, int word)
{
	state_daemon_fail(daemon, 3, "another wayleave runs on wl0 (pid 17)");
}

static void careless_daemon(struct state_daemon *daemon, int word)
{
	state_daemon_fail(daemon, 0, "a failure is never 0");
}

static void a_failure_is_the_commands_failure(void **state)
{
	struct command command = start(NULL, failing_daemon);

	expect_end(&command, 3, "3:another wayleave runs on wl0 (pid 17)\n");
	close(command.word);
	command = start(NULL, careless_daemon);
	expect_end(&command, 1, "1:a failure is never 0\n");
	close(command.word);
}

static void dying_daemon(struct state_daemon *daemon, int word)
{
	kill(getpid(), SIGKILL);
}

static void a_daemon_that_dies_without_a_word_is_a_failure(void **state)
{
	struct command command = start(NULL, dying_daemon);

	expect_end(&command, 1, "1:the daemon ended before it was ready\n");
	close(command.word);
}

static void chatty_daemon(struct state_daemon *daemon, int word)
{
	fprintf(stderr, "getting ready\n");
	state_daemon_ready(daemon, "");
	fprintf(stderr, "nobody reads this\n");
	printf("nor this\n");
	fflush(stdout);
	say(word, "done");
	stay(word);
}

static void words_before_it_is_ready_go_to_the_terminal(void **state)
{
	struct command command = start(NULL, chatty_daemon);
	char text[8] = "";

	expect_end(&command, 0, "getting ready\n0:\n");
	assert_int_equal(read(command.word, text, sizeof(text)), 4);
	close(command.word);
}

static void with_a_log_all_words_go_there(void **state)
{
	char path[] = "/tmp/wayleave-daemon-XXXXXX", text[256] = "";
	struct command command;
	struct stat status;
	int fd = mkstemp(path);

	say(fd, "before\n");
	command = start(path, chatty_daemon);
	expect_end(&command, 0, "0:\n");
	assert_int_equal(read(command.word, text, sizeof(text)), 4);
	close(command.word);
	lseek(fd, 0, SEEK_SET);
	read_text(fd, text, sizeof(text));
	assert_string_equal(text, "before\ngetting ready\nnobody reads this\nnor this\n");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	unlink(path);
}

static void a_log_that_cannot_be_opened_is_a_failure(void **state)
{
	struct command command = start("/none/log", ready_daemon);

	expect_end(&command, 1,
		   "1:cannot go to the background with the log /none/log: No such file or "
		   "directory\n");
	close(command.word);
}

/* The exit code of the daemon is seen by nobody, so it lets the test's file be. */
static void lonely_daemon(struct state_daemon *daemon, int word)
{
	char path[64];
	struct pollfd place = {.fd = word};

	snprintf(path, sizeof(path), "/tmp/wayleave-lonely-%d", (int)getpid());
	say(word, path);
	poll(&place, 1, 60000);
	if (state_daemon_ready(daemon, "too late") == -EPIPE)
		rmdir(path);
}

static void the_daemon_hears_that_the_command_was_interrupted(void **state)
{
	struct command command = start(NULL, lonely_daemon);
	char path[64] = "";
	struct stat status;
	int tries = 0;

	assert_true(read(command.word, path, sizeof(path) - 1) > 0);
	assert_int_equal(mkdir(path, 0700), 0);
	kill(command.id, SIGKILL);
	waitpid(command.id, NULL, 0);
	close(command.word);
	/* The daemon removes the folder when it got the right answer. */
	while (!stat(path, &status) && tries++ < 2000)
		usleep(5000);
	assert_int_equal(stat(path, &status), -1);
	close(command.output);
}

static void wordy_daemon(struct state_daemon *daemon, int word)
{
	char text[2 * STATE_REPORT_SIZE];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	state_daemon_fail(daemon, 1, text);
}

static void a_long_message_is_cut(void **state)
{
	struct command command = start(NULL, wordy_daemon);
	char expected[STATE_REPORT_SIZE + 2] = "1:";

	memset(expected + 2, 'a', STATE_REPORT_SIZE - 1);
	expected[STATE_REPORT_SIZE + 1] = '\n';
	char text[STATE_REPORT_SIZE + 3] = "";

	memcpy(text, expected, sizeof(expected));
	expect_end(&command, 1, text);
	close(command.word);
}

static void in_the_foreground_reports_go_nowhere(void **state)
{
	assert_int_equal(state_daemon_ready(NULL, "ready"), 0);
	assert_int_equal(state_daemon_fail(NULL, 1, "failed"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_returns_when_the_daemon_is_ready),
		cmocka_unit_test(a_failure_is_the_commands_failure),
		cmocka_unit_test(a_daemon_that_dies_without_a_word_is_a_failure),
		cmocka_unit_test(words_before_it_is_ready_go_to_the_terminal),
		cmocka_unit_test(with_a_log_all_words_go_there),
		cmocka_unit_test(a_log_that_cannot_be_opened_is_a_failure),
		cmocka_unit_test(the_daemon_hears_that_the_command_was_interrupted),
		cmocka_unit_test(a_long_message_is_cut),
		cmocka_unit_test(in_the_foreground_reports_go_nowhere),
	};

	return cmocka_run_group_tests_name("state_daemon", tests, NULL, NULL);
}
