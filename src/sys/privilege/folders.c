/* Landlock: which files can be opened, made and removed from now on, whatever their owner. What is
 * open stays open. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/privilege/privilege_private.h"

/* Linux 6.2; missing from Debian 12's headers. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define READ   (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE  (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define REMOVE LANDLOCK_ACCESS_FS_REMOVE_FILE
#define KEEP   (READ | WRITE | REMOVE | LANDLOCK_ACCESS_FS_MAKE_REG)
/* Rights that mean something for what is no folder. */
#define OF_FILES                                                     \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
	 LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)

struct rule {
	const char *path; /* NULL: none */
	uint64_t access;
};

/* Everything that this kernel can forbid by path, up to Linux 6.2; version 1 is 5.13. */
static uint64_t all_rights(long version)
{
	uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (version >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
	return rights;
}

static int allow(int rules, const struct rule *rule, uint64_t known)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = rule->access & known};
	struct stat status;
	int error = 0;

	beneath.parent_fd = open(rule->path, O_PATH | O_CLOEXEC);
	if (beneath.parent_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(beneath.parent_fd, &status))
		error = -errno;
	if (!S_ISDIR(status.st_mode))
		beneath.allowed_access &= OF_FILES;
	if (!error &&
	    syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0))
		error = -errno;
	close(beneath.parent_fd);
	return error;
}

static int limit_to(const struct rule *rules, size_t count)
{
	struct landlock_ruleset_attr handled = {0};
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int fd, error = 0;

	if (version < 0)
		return -errno;
	handled.handled_access_fs = all_rights(version);
	fd = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < count && !error; i++)
		error = rules[i].path ? allow(fd, &rules[i], handled.handled_access_fs) : 0;
	if (!error && syscall(SYS_landlock_restrict_self, fd, 0))
		error = -errno;
	close(fd);
	return error;
}

int folders_limit(const struct privilege_options *options)
{
	bool asks_dns = options->role == PRIVILEGE_NODE;
	const struct rule rules[] = {
		{options->state, KEEP},
		{options->run, REMOVE},
		{options->sockets, REMOVE},
		/* Where output goes when nobody waits for it any more. */
		{"/dev/null", READ | WRITE},
		/* Further queues of the interface. */
		{"/dev/net/tun", READ | WRITE},
		/* SQLite's seed. */
		{options->role == PRIVILEGE_HUB ? "/dev/urandom" : NULL, READ},
		/* resolv.conf, hosts and nsswitch.conf are replaced now and then, and the first is
		 * often a link to somewhere below /run. */
		{asks_dns ? "/etc" : NULL, READ},
		{asks_dns ? "/run" : NULL, READ},
	};

	return limit_to(rules, array_size(rules));
}
