/* The whole role in a child process, in a network namespace of its own. tests/interop has the rest.
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "device/uapi/serve.h"
#include "sys/ctl/ctl.h"
#include "wg/standalone.h"

#include <cmocka.h>

#define TRIES 250 /* of 20 ms */

static bool is_root_here;
static char folder[] = "/tmp/standalone-test-XXXXXX";
static char interface[IFNAMSIZ], path[108];

#define need_namespace()                                                                     \
	do {                                                                                 \
		if (!is_root_here) {                                                         \
			print_message("needs root, /dev/net/tun and a network namespace\n"); \
			skip();                                                              \
		}                                                                            \
	} while (0)

static int enter_namespace(void **state)
{
	crypto_init();
	if (!mkdtemp(folder))
		return -1;
	setenv("WAYLEAVE_RUN_DIR", folder, 1);
	/* The folder of the sockets is shared by all namespaces. */
	snprintf(interface, sizeof(interface), "wlt%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/%s.sock", UAPI_FOLDER, interface);
	is_root_here = !unshare(CLONE_NEWNET) && !access("/dev/net/tun", R_OK | W_OK);
	return 0;
}

static int leave(void **state)
{
	char lock[160];

	snprintf(lock, sizeof(lock), "%s/%s.lock", folder, interface);
	unlink(lock);
	return rmdir(folder);
}

static pid_t start(void)
{
	const struct standalone_options options = {.interface = interface};
	pid_t child = fork();

	if (!child)
		_exit(standalone_run(&options));
	return child;
}

static int connected(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	for (int i = 0; i < TRIES; i++) {
		if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
			return fd;
		poll(NULL, 0, 20);
	}
	fail_msg("%s was never there", path);
	return -1;
}

/* An answer shows that it is up; a connection alone does not. */
static void assert_answers(void)
{
	char answer[256] = "";
	int fd = connected();

	assert_int_equal(write(fd, "get=1\n\n", 7), 7);
	assert_true(read(fd, answer, sizeof(answer) - 1) > 0);
	assert_non_null(strstr(answer, "listen_port="));
	assert_non_null(strstr(answer, "errno=0\n\n"));
	close(fd);
}

static int exit_code_of(pid_t child)
{
	int status = 0;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void it_answers_until_it_is_told_to_end(void **state)
{
	need_namespace();
	pid_t child = start();

	assert_answers();
	assert_int_not_equal(if_nametoindex(interface), 0);
	kill(child, SIGTERM);
	assert_int_equal(exit_code_of(child), 0);
	assert_int_equal(if_nametoindex(interface), 0);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void assert_says(const char *request, const char *expected)
{
	auto_buffer struct buffer answer = {0};
	char control[160];

	snprintf(control, sizeof(control), "%s/%s.sock", folder, interface);
	assert_int_equal(ctl_call(control, request, 5 * USEC_PER_SEC, &answer), 0);
	if (!strstr(answer.data, expected))
		fail_msg("%s", answer.data);
}

static void it_tells_its_status_and_takes_no_other_command(void **state)
{
	need_namespace();
	pid_t child = start();

	assert_answers();
	assert_says("{\"command\":\"status\"}", "\"public_key\":null");
	assert_says("{\"command\":\"status\"}", "\"peers\":[]");
	assert_says("{\"command\":\"status\"}", "\"handshake-cookie-demanded\":0");
	assert_says("{\"command\":\"down\"}", "\"error\"");
	assert_says("status", "\"error\"");
	kill(child, SIGTERM);
	assert_int_equal(exit_code_of(child), 0);
}

static void an_unknown_word_in_the_environment_is_refused(void **state)
{
	need_namespace();
	setenv("WAYLEAVE_WITHOUT", "gso,goo", 1);
	assert_int_equal(exit_code_of(start()), 1);
	unsetenv("WAYLEAVE_WITHOUT");
}

static void a_second_one_is_refused_and_the_first_goes_on(void **state)
{
	need_namespace();
	pid_t first = start();

	assert_answers();
	assert_int_equal(exit_code_of(start()), 1);
	assert_answers();
	kill(first, SIGTERM);
	assert_int_equal(exit_code_of(first), 0);
}

static void it_ends_when_its_socket_is_removed(void **state)
{
	need_namespace();
	pid_t child = start();

	assert_answers();
	unlink(path);
	assert_int_equal(exit_code_of(child), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_answers_until_it_is_told_to_end),
		cmocka_unit_test(it_tells_its_status_and_takes_no_other_command),
		cmocka_unit_test(an_unknown_word_in_the_environment_is_refused),
		cmocka_unit_test(a_second_one_is_refused_and_the_first_goes_on),
		cmocka_unit_test(it_ends_when_its_socket_is_removed),
	};

	return cmocka_run_group_tests_name("standalone", tests, enter_namespace, leave);
}
