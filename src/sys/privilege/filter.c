/* The system calls of a daemon after its start. Lists follow what the code and its libraries do: a
 * call that is missing shows in the network tests, which run with WAYLEAVE_SECCOMP=kill. */
#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/privilege/privilege_private.h"

#define WG   (1u << PRIVILEGE_WG)
#define NODE (1u << PRIVILEGE_NODE)
#define HUB  (1u << PRIVILEGE_HUB)
#define ALL  (WG | NODE | HUB)

struct call {
	int number;
	unsigned roles;
};

static const struct call allowed[] = {
	/* Packets. */
	{SCMP_SYS(readv), ALL},
	{SCMP_SYS(writev), ALL},
	{SCMP_SYS(recvmmsg), ALL},
	{SCMP_SYS(sendmmsg), ALL},
	{SCMP_SYS(read), ALL},
	{SCMP_SYS(write), ALL},
	{SCMP_SYS(epoll_wait), ALL},
	{SCMP_SYS(epoll_pwait), ALL},
	{SCMP_SYS(epoll_ctl), ALL},
	{SCMP_SYS(epoll_create1), ALL},
	{SCMP_SYS(timerfd_create), ALL},
	{SCMP_SYS(timerfd_settime), ALL},
	{SCMP_SYS(eventfd2), ALL},
	{SCMP_SYS(poll), ALL},
	{SCMP_SYS(ppoll), ALL},
	/* Sockets; socket(2) itself is below. */
	{SCMP_SYS(bind), ALL},
	{SCMP_SYS(connect), ALL},
	{SCMP_SYS(listen), ALL},
	{SCMP_SYS(accept4), ALL},
	{SCMP_SYS(shutdown), ALL},
	{SCMP_SYS(sendto), ALL},
	{SCMP_SYS(recvfrom), ALL},
	{SCMP_SYS(sendmsg), ALL},
	{SCMP_SYS(recvmsg), ALL},
	{SCMP_SYS(getsockname), ALL},
	{SCMP_SYS(getpeername), ALL},
	{SCMP_SYS(getsockopt), ALL},
	{SCMP_SYS(setsockopt), ALL},
	/* Memory; mmap and mprotect are below. */
	{SCMP_SYS(brk), ALL},
	{SCMP_SYS(munmap), ALL},
	{SCMP_SYS(mremap), ALL},
	{SCMP_SYS(madvise), ALL},
	{SCMP_SYS(mlock), ALL},
	{SCMP_SYS(munlock), ALL},
	{SCMP_SYS(getrandom), ALL},
	/* Threads and signals; clone is below. */
	{SCMP_SYS(futex), ALL},
	{SCMP_SYS(rseq), ALL},
	{SCMP_SYS(set_robust_list), ALL},
	{SCMP_SYS(sched_yield), ALL},
	{SCMP_SYS(sched_getaffinity), ALL},
	{SCMP_SYS(sched_setaffinity), ALL},
	{SCMP_SYS(membarrier), ALL},
	{SCMP_SYS(rt_sigaction), ALL},
	{SCMP_SYS(rt_sigprocmask), ALL},
	{SCMP_SYS(rt_sigpending), ALL},
	{SCMP_SYS(rt_sigtimedwait), ALL},
	{SCMP_SYS(rt_sigreturn), ALL},
	{SCMP_SYS(sigaltstack), ALL},
	{SCMP_SYS(restart_syscall), ALL},
	{SCMP_SYS(exit), ALL},
	{SCMP_SYS(exit_group), ALL},
	/* Who and when. */
	{SCMP_SYS(getpid), ALL},
	{SCMP_SYS(gettid), ALL},
	{SCMP_SYS(getuid), ALL},
	{SCMP_SYS(geteuid), ALL},
	{SCMP_SYS(getgid), ALL},
	{SCMP_SYS(getegid), ALL},
	{SCMP_SYS(clock_gettime), ALL},
	{SCMP_SYS(clock_getres), ALL},
	{SCMP_SYS(clock_nanosleep), ALL},
	{SCMP_SYS(nanosleep), ALL},
	{SCMP_SYS(gettimeofday), ALL},
	{SCMP_SYS(time), ALL},
	{SCMP_SYS(sysinfo), ALL},
	{SCMP_SYS(uname), ALL},
	/* Descriptors and files: Landlock says which. */
	{SCMP_SYS(close), ALL},
	{SCMP_SYS(dup2), ALL},
	{SCMP_SYS(dup3), ALL},
	{SCMP_SYS(fcntl), ALL},
	{SCMP_SYS(fstat), ALL},
	{SCMP_SYS(newfstatat), ALL},
	{SCMP_SYS(stat), ALL},
	{SCMP_SYS(lstat), ALL},
	{SCMP_SYS(statx), ALL},
	{SCMP_SYS(lseek), ALL},
	{SCMP_SYS(openat), ALL},
	{SCMP_SYS(open), ALL},
	{SCMP_SYS(unlink), ALL},
	{SCMP_SYS(unlinkat), ALL},
	{SCMP_SYS(fchmod), NODE | HUB},
	{SCMP_SYS(fsync), NODE | HUB},
	{SCMP_SYS(rename), NODE | HUB},
	{SCMP_SYS(renameat), NODE | HUB},
	{SCMP_SYS(renameat2), NODE | HUB},
	/* SQLite; it gives a file that it makes to the owner of the database. */
	{SCMP_SYS(access), NODE | HUB},
	{SCMP_SYS(faccessat), NODE | HUB},
	{SCMP_SYS(faccessat2), NODE | HUB},
	{SCMP_SYS(fchown), HUB},
	{SCMP_SYS(fdatasync), HUB},
	{SCMP_SYS(ftruncate), HUB},
	{SCMP_SYS(fallocate), HUB},
	{SCMP_SYS(getcwd), HUB},
	{SCMP_SYS(pread64), HUB},
	{SCMP_SYS(pwrite64), HUB},
	{SCMP_SYS(readlink), HUB},
	{SCMP_SYS(readlinkat), HUB},
};

/* Nothing of ours, and no library, has a use for these here. */
static const int fatal[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(bpf),
	SCMP_SYS(mount),
	SCMP_SYS(move_mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(add_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(setuid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(capset),
	SCMP_SYS(reboot),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(personality),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
};

static const unsigned long requests[] = {
	TUNGETIFF,  TUNSETIFF,    TUNSETQUEUE, TUNSETVNETHDRSZ, TUNSETOFFLOAD,
	SIOCGIFMTU, SIOCGIFINDEX, SIOCGIFNAME, FIONREAD,
};

/* ioctl(2)'s request and other int arguments: the kernel ignores the upper half. */
#define INT_ARGUMENT(argument, value) \
	SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(value))
#define HAS_NOT(argument, bits) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, (bits), 0)
#define HAS(argument, bits)     SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, (bits), (bits))

/* Being filled: rules follow until one is refused. */
struct filter {
	scmp_filter_ctx rules;
	unsigned role;
	uint32_t otherwise; /* what happens without a rule */
	int error;
};

static void add_when(struct filter *filter, uint32_t action, int call, struct scmp_arg_cmp when)
{
	/* The library refuses rules that change nothing. */
	if (!filter->error && action != filter->otherwise)
		filter->error = seccomp_rule_add_array(filter->rules, action, call, 1, &when);
}

static void add(struct filter *filter, uint32_t action, int call)
{
	if (!filter->error && action != filter->otherwise)
		filter->error = seccomp_rule_add_array(filter->rules, action, call, 0, NULL);
}

static void add_calls(struct filter *filter)
{
	for (size_t i = 0; i < array_size(allowed); i++) {
		if (allowed[i].roles & filter->role)
			add(filter, SCMP_ACT_ALLOW, allowed[i].number);
	}
	for (size_t i = 0; i < array_size(fatal); i++)
		add(filter, SCMP_ACT_KILL_PROCESS, fatal[i]);
}

static void add_requests(struct filter *filter)
{
	for (size_t i = 0; i < array_size(requests); i++)
		add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), INT_ARGUMENT(1, requests[i]));
	/* stdio asks whether a log is a terminal; it is fine not to know. */
	add_when(filter, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), INT_ARGUMENT(1, TCGETS));
}

static void add_families(struct filter *filter)
{
	add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), INT_ARGUMENT(0, AF_INET));
	add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), INT_ARGUMENT(0, AF_INET6));
	if (filter->role & NODE)
		add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), INT_ARGUMENT(0, AF_NETLINK));
	/* Root's requests to D-Bus and systemd travel there. The C library tries it first when it
	 * looks for the name of an interface, and then the others. */
	add_when(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), INT_ARGUMENT(0, AF_UNIX));
}

/* No memory becomes code. */
static void add_memory(struct filter *filter)
{
	add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), HAS_NOT(2, PROT_EXEC));
	add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), HAS_NOT(2, PROT_EXEC));
}

/* Threads, no processes. */
static void add_threads(struct filter *filter)
{
	add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone),
		 HAS(0, CLONE_THREAD | CLONE_VM | CLONE_SIGHAND));
	/* Its flags lie where no filter sees them; without it the C library takes clone. */
	add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));
	add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), INT_ARGUMENT(0, PR_SET_NAME));
	/* abort() */
	add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), INT_ARGUMENT(0, getpid()));
	/* getrlimit() */
	add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), SCMP_CMP(2, SCMP_CMP_EQ, 0));
}

static void set(struct filter *filter, enum scmp_filter_attr attribute, uint32_t value)
{
	if (!filter->error)
		filter->error = seccomp_attr_set(filter->rules, attribute, value);
}

static void set_attributes(struct filter *filter)
{
	set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	/* What is refused shows in the kernel's log. */
	set(filter, SCMP_FLTATR_CTL_LOG, 1);
	/* A tree in place of a chain. */
	set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* Before Linux 5.16 a filter slowed down all memory access, to protect what shares a
	 * process with code that it does not trust; there is none here. */
	set(filter, SCMP_FLTATR_CTL_SSB, 1);
}

int filter_mode_parse(const char *text, enum filter_mode *ret_mode)
{
	if (!text || !*text)
		*ret_mode = FILTER_ENFORCE;
	else if (!strcmp(text, "kill"))
		*ret_mode = FILTER_KILL;
	else if (!strcmp(text, "off"))
		*ret_mode = FILTER_OFF;
	else
		return -EINVAL;
	return 0;
}

/* ENOSYS: what a newer C library tries first has an older way, and it takes that. A tunnel does not
 * die of an update. */
int filter_load(enum privilege_role role, enum filter_mode mode)
{
	struct filter filter = {.role = 1u << role,
				.otherwise = mode == FILTER_KILL ? SCMP_ACT_KILL_PROCESS
								 : SCMP_ACT_ERRNO(ENOSYS)};

	filter.rules = seccomp_init(filter.otherwise);
	if (!filter.rules)
		return -ENOMEM;
	set_attributes(&filter);
	add_calls(&filter);
	add_requests(&filter);
	add_families(&filter);
	add_memory(&filter);
	add_threads(&filter);
	if (!filter.error)
		filter.error = seccomp_load(filter.rules);
	seccomp_release(filter.rules);
	return filter.error;
}
