/* Each test gives up privileges in a child process, which then tries what must work or fail. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/privilege/privilege_private.h"

#include <cmocka.h>

#define NOT_DROPPED 99

static char folder[] = "/tmp/privilege-test-XXXXXX";
static char elsewhere[] = "/tmp/privilege-other-XXXXXX";

/* 0: as it must be; else the line to look at. */
typedef int attempt(void);
#define must(condition)                  \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)
/* ret must be -1 with that errno. */
#define must_fail(call, expected) must((call) == -1 && errno == (expected))

static int drop(enum privilege_role role)
{
	const struct privilege_options options = {.role = role, .state = folder, .run = folder};
	char text[PRIVILEGE_TEXT_SIZE];

	return privilege_drop(&options, text);
}

/* The status of waitpid(). */
static int run(enum privilege_role role, attempt *body)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		int line = drop(role) ? NOT_DROPPED : body();

		_exit(line > 255 ? 255 : line);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void works(enum privilege_role role, attempt *body)
{
	int status = run(role, body);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void is_killed(enum privilege_role role, attempt *body)
{
	int status = run(role, body);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

#define need_filter()                                                              \
	do {                                                                       \
		if (PRIVILEGE_IS_SANITIZED) {                                      \
			print_message("system calls are left to the sanitizer\n"); \
			skip();                                                    \
		}                                                                  \
	} while (0)

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

/* ---- files ---- */

static void path_in(const char *where, const char *name, char path[64])
{
	snprintf(path, 64, "%s/%s", where, name);
}

static int replaces_a_file(void)
{
	char path[64], temporary[64];
	int fd;

	path_in(folder, "file", path);
	path_in(folder, "file.new", temporary);
	fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, "x", 1) == 1 && !fchmod(fd, 0600) && !fsync(fd) && !close(fd));
	must(!rename(temporary, path));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd >= 0 && !fsync(fd) && !close(fd));
	must(!unlink(path));
	return 0;
}

static void a_node_and_a_hub_replace_files_in_their_folder(void **state)
{
	works(PRIVILEGE_NODE, replaces_a_file);
	works(PRIVILEGE_HUB, replaces_a_file);
}

static int touches_other_files(void)
{
	char path[64];

	path_in(elsewhere, "file", path);
	must_fail(open(path, O_WRONLY), EACCES);
	must_fail(open(path, O_RDONLY), EACCES);
	must_fail(open(path, O_WRONLY | O_TRUNC), EACCES);
	must_fail(unlink(path), EACCES);
	path_in(elsewhere, "new", path);
	must_fail(open(path, O_WRONLY | O_CREAT, 0600), EACCES);
	must_fail(open("/etc/cron.d/wayleave", O_WRONLY | O_CREAT, 0600), EACCES);
	must_fail(open("/proc/self/mem", O_RDWR), EACCES);
	return 0;
}

static void files_elsewhere_are_out_of_reach_although_they_are_roots(void **state)
{
	if (!has_landlock()) {
		print_message("this kernel has no Landlock\n");
		skip();
	}
	works(PRIVILEGE_WG, touches_other_files);
	works(PRIVILEGE_NODE, touches_other_files);
	works(PRIVILEGE_HUB, touches_other_files);
}

static int reads_what_dns_needs(void)
{
	int fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC);

	must(fd >= 0 || errno == ENOENT);
	must_fail(open("/etc/hosts", O_WRONLY), EACCES);
	return 0;
}

static int reads_nothing_of_the_system(void)
{
	must_fail(open("/etc/passwd", O_RDONLY), EACCES);
	return 0;
}

static void only_a_node_reads_the_systems_files(void **state)
{
	if (!has_landlock())
		skip();
	works(PRIVILEGE_NODE, reads_what_dns_needs);
	works(PRIVILEGE_HUB, reads_nothing_of_the_system);
	works(PRIVILEGE_WG, reads_nothing_of_the_system);
}

/* ---- capabilities ---- */

/* One field of /proc/PID/status, in hexadecimal. */
static uint64_t field(pid_t process, const char *name)
{
	char path[64], line[256];
	uint64_t value = UINT64_MAX;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)process);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		size_t size = strlen(name);

		if (!strncmp(line, name, size) && line[size] == ':')
			value = strtoull(line + size + 1, NULL, 16);
	}
	fclose(file);
	return value;
}

/* Looked at from outside while the child waits. */
static void check_status(enum privilege_role role, uint64_t permitted, uint64_t seccomp)
{
	uint64_t before = field(getpid(), "CapPrm");
	int dropped[2], end[2], status;
	char byte = 0;
	pid_t child;

	assert_int_equal(pipe(dropped), 0);
	assert_int_equal(pipe(end), 0);
	child = fork();
	if (!child) {
		close(end[1]);
		byte = drop(role) ? 1 : 0;
		_exit(write(dropped[1], &byte, 1) != 1 || read(end[0], &byte, 1) != 0);
	}
	close(end[0]);
	assert_int_equal(read(dropped[0], &byte, 1), 1);
	assert_int_equal(byte, 0);
	assert_int_equal(field(child, "CapEff"), permitted & before);
	assert_int_equal(field(child, "CapPrm"), permitted & before);
	assert_int_equal(field(child, "CapInh"), 0);
	assert_int_equal(field(child, "CapAmb"), 0);
	if (before & 1 << 8) /* CAP_SETPCAP */
		assert_int_equal(field(child, "CapBnd"), 0);
	assert_int_equal(field(child, "NoNewPrivs"), 1);
	assert_int_equal(field(child, "Seccomp"), seccomp);
	close(end[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(dropped[0]);
	close(dropped[1]);
}

/* Bits of linux/capability.h. */
static void a_role_keeps_its_capabilities_and_no_other(void **state)
{
	const uint64_t bind_service = 1 << 10, net_admin = 1 << 12, ipc_lock = 1 << 14;
	uint64_t seccomp = PRIVILEGE_IS_SANITIZED ? 0 : 2;

	check_status(PRIVILEGE_WG, bind_service | net_admin | ipc_lock, seccomp);
	check_status(PRIVILEGE_NODE, net_admin | ipc_lock, seccomp);
	check_status(PRIVILEGE_HUB, ipc_lock, seccomp);
}

/* ---- system calls ---- */

static int makes_odd_calls(void)
{
	must_fail(syscall(SYS_getpriority, PRIO_PROCESS, 0), ENOSYS);
	must_fail(kill(getppid(), 0), ENOSYS);
	must_fail(socket(AF_PACKET, SOCK_RAW, 0), ENOSYS);
	must_fail(socket(AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
	must(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	     MAP_FAILED);
	must_fail(prctl(PR_SET_DUMPABLE, 1), ENOSYS);
	must_fail((int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0), ENOSYS);
	must_fail(fork(), ENOSYS);
	return 0;
}

static void what_is_not_on_the_list_fails_as_if_the_kernel_lacked_it(void **state)
{
	need_filter();
	works(PRIVILEGE_WG, makes_odd_calls);
	works(PRIVILEGE_NODE, makes_odd_calls);
	works(PRIVILEGE_HUB, makes_odd_calls);
}

static int renames(void)
{
	must_fail(rename("/tmp/a", "/tmp/b"), ENOSYS);
	return 0;
}

static void wg_has_no_files_to_replace(void **state)
{
	need_filter();
	works(PRIVILEGE_WG, renames);
}

static int runs_a_program(void)
{
	return execl("/bin/true", "true", NULL);
}

static int changes_the_user(void)
{
	return setuid(0);
}

static int traces(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int mounts(void)
{
	return mount("none", "/mnt", "tmpfs", 0, NULL);
}

static int leaves_the_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static void what_only_an_intruder_would_call_ends_the_process(void **state)
{
	attempt *attempts[] = {runs_a_program, changes_the_user, traces, mounts,
			       leaves_the_namespace};

	need_filter();
	for (size_t i = 0; i < array_size(attempts); i++) {
		is_killed(PRIVILEGE_WG, attempts[i]);
		is_killed(PRIVILEGE_NODE, attempts[i]);
		is_killed(PRIVILEGE_HUB, attempts[i]);
	}
}

static int makes_one_odd_call(void)
{
	must_fail(syscall(SYS_getpriority, PRIO_PROCESS, 0), ENOSYS);
	return 0;
}

static int makes_one_odd_call_well(void)
{
	errno = 0;
	must(syscall(SYS_getpriority, PRIO_PROCESS, 0) >= 0 && !errno);
	return 0;
}

static void tests_can_make_any_missing_call_fatal(void **state)
{
	need_filter();
	setenv("WAYLEAVE_SECCOMP", "kill", 1);
	is_killed(PRIVILEGE_NODE, makes_one_odd_call);
	works(PRIVILEGE_NODE, replaces_a_file);
	setenv("WAYLEAVE_SECCOMP", "off", 1);
	works(PRIVILEGE_NODE, makes_one_odd_call_well);
	unsetenv("WAYLEAVE_SECCOMP");
}

static void an_unknown_mode_is_refused(void **state)
{
	setenv("WAYLEAVE_SECCOMP", "perhaps", 1);
	assert_int_equal(drop(PRIVILEGE_NODE), -EINVAL);
	unsetenv("WAYLEAVE_SECCOMP");
	assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

/* ---- threads ---- */

static void *try_in_thread(void *line)
{
	*(int *)line = makes_one_odd_call();
	return NULL;
}

static int starts_a_thread(void)
{
	pthread_t thread;
	int line = NOT_DROPPED;

	must(!pthread_create(&thread, NULL, try_in_thread, &line));
	must(!pthread_join(thread, NULL));
	return line;
}

static void threads_can_be_made_and_have_no_more(void **state)
{
	need_filter();
	works(PRIVILEGE_WG, starts_a_thread);
	works(PRIVILEGE_NODE, starts_a_thread);
	works(PRIVILEGE_HUB, starts_a_thread);
}

static void *wait_for_end(void *end)
{
	char byte;

	return read(*(int *)end, &byte, 1) < 0 ? end : NULL;
}

static void it_is_too_late_when_there_are_threads(void **state)
{
	pthread_t thread;
	int ends[2];

	need_filter();
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_end, &ends[0]), 0);
	assert_int_equal(drop(PRIVILEGE_NODE), -EBUSY);
	close(ends[1]);
	pthread_join(thread, NULL);
	close(ends[0]);
}

/* ---- memory ---- */

static void memory_is_kept_private(void **state)
{
	struct rlimit core, locked;
	int status;
	pid_t child = fork();

	if (!child) {
		privilege_keep_private();
		getrlimit(RLIMIT_CORE, &core);
		getrlimit(RLIMIT_MEMLOCK, &locked);
		_exit(core.rlim_cur || core.rlim_max || locked.rlim_cur != locked.rlim_max ||
		      prctl(PR_GET_DUMPABLE, 0));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static int make_folders(void **state)
{
	char path[64];
	int fd;

	if (!mkdtemp(folder) || !mkdtemp(elsewhere))
		return -1;
	path_in(elsewhere, "file", path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 || close(fd);
}

static int remove_folders(void **state)
{
	char path[64];

	path_in(elsewhere, "file", path);
	return unlink(path) || rmdir(elsewhere) || rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_and_a_hub_replace_files_in_their_folder),
		cmocka_unit_test(files_elsewhere_are_out_of_reach_although_they_are_roots),
		cmocka_unit_test(only_a_node_reads_the_systems_files),
		cmocka_unit_test(a_role_keeps_its_capabilities_and_no_other),
		cmocka_unit_test(what_is_not_on_the_list_fails_as_if_the_kernel_lacked_it),
		cmocka_unit_test(wg_has_no_files_to_replace),
		cmocka_unit_test(what_only_an_intruder_would_call_ends_the_process),
		cmocka_unit_test(tests_can_make_any_missing_call_fatal),
		cmocka_unit_test(an_unknown_mode_is_refused),
		cmocka_unit_test(threads_can_be_made_and_have_no_more),
		cmocka_unit_test(it_is_too_late_when_there_are_threads),
		cmocka_unit_test(memory_is_kept_private),
	};

	unsetenv("WAYLEAVE_SECCOMP");
	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
