#include "sys/privilege/privilege.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/privilege/privilege_private.h"

void privilege_keep_private(void)
{
	static const struct rlimit no_core = {0, 0};
	struct rlimit locked;

	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_DUMPABLE, 0);
	if (getrlimit(RLIMIT_MEMLOCK, &locked))
		return;
	locked.rlim_cur = locked.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &locked);
}

/* Capabilities and Landlock are the calling thread's only. */
static bool has_other_threads(void)
{
	struct stat status;

	if (PRIVILEGE_IS_SANITIZED)
		return false;
	/* ".", ".." and one of each thread. */
	return !stat("/proc/self/task", &status) && status.st_nlink > 3;
}

static int fail(const char *what, int error, char text[PRIVILEGE_TEXT_SIZE])
{
	snprintf(text, PRIVILEGE_TEXT_SIZE, "%s: %s", what, strerror(-error));
	return error;
}

static bool is_missing(int error)
{
	return error == -ENOSYS || error == -EOPNOTSUPP;
}

static const char *mode_name(enum filter_mode mode)
{
	switch (mode) {
	case FILTER_ENFORCE:
		return "on";
	case FILTER_KILL:
		return "kill";
	case FILTER_OFF:
		break;
	}
	return "off";
}

int privilege_drop(const struct privilege_options *options, char ret_text[PRIVILEGE_TEXT_SIZE])
{
	char capabilities[80];
	enum filter_mode mode;
	int error = filter_mode_parse(getenv("WAYLEAVE_SECCOMP"), &mode), folders;

	if (error)
		return fail("WAYLEAVE_SECCOMP is neither kill nor off", error, ret_text);
	if (PRIVILEGE_IS_SANITIZED)
		mode = FILTER_OFF;
	if (has_other_threads())
		return fail("other threads keep theirs", -EBUSY, ret_text);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fail("no-new-privileges", -errno, ret_text);
	folders = folders_limit(options);
	if (folders && !is_missing(folders))
		return fail("folders", folders, ret_text);
	error = capability_keep(options->role, capabilities, sizeof(capabilities));
	if (error)
		return fail("capabilities", error, ret_text);
	/* Losing capabilities may set it to fs.suid_dumpable. */
	prctl(PR_SET_DUMPABLE, 0);
	error = mode == FILTER_OFF ? 0 : filter_load(options->role, mode);
	if (error)
		return fail("system calls", error, ret_text);
	snprintf(ret_text, PRIVILEGE_TEXT_SIZE, "uid=%d capabilities=%s landlock=%s seccomp=%s",
		 (int)geteuid(), capabilities, folders ? "missing" : "on", mode_name(mode));
	return 0;
}
