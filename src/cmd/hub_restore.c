/* wayleave hub restore: the registry came back from a backup. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/hub_ask.h"
#include "cmd/hub_commands.h"
#include "crypto/random.h"
#include "sys/state/lock.h"
#include "sys/store/store.h"

#define PROGRAM   "wayleave hub restore"
#define LOCK_WAIT (500 * USEC_PER_MSEC)

static const char help[] =
	"Usage: wayleave hub restore\n"
	"\n"
	"Run this when the registry (hub.db) was put back from a backup, before the hub starts.\n"
	"Nodes refuse a registry that has gone back in time; this tells them that it is meant.\n"
	"All tokens end, because a backup does not know which were used or revoked since.\n"
	"Nodes that were removed after the backup are members again here: remove them again.\n"
	"Nodes that remember the removal do not talk to them in the meantime.\n"
	"\n"
	"Example:\n"
	"  systemctl stop wayleave-hub\n"
	"  cp backup/hub.db /var/lib/wayleave/hub.db\n"
	"  sudo wayleave hub restore && systemctl start wayleave-hub\n";

static int begin_anew(const struct hub_paths *paths)
{
	char problem[STORE_PROBLEM_SIZE];
	struct store *store;
	uint64_t incarnation;
	int result = CMD_OK;

	random_bytes(&incarnation, sizeof(incarnation));
	if (store_open(paths->database, &store, problem) != STORE_OK)
		return cmd_fail("%s", problem);
	if (store_begin_anew(store, incarnation, time(NULL)) != STORE_OK)
		result = cmd_fail("%s", store_problem(store));
	store_close(store);
	return result;
}

static int begin_locked(const struct hub_paths *paths)
{
	struct state_lock *lock;
	pid_t holder = 0;
	int error = state_lock_wait(paths->lock, LOCK_WAIT, &lock, &holder), result;

	if (error == -EBUSY)
		return cmd_fail("a hub or administrator (pid %d) keeps %s; stop the hub first",
				(int)holder, paths->database);
	if (error == -ENOENT)
		return cmd_fail("there is no %s; make a hub with `wayleave hub init`",
				paths->database);
	if (error)
		return cmd_fail_file("lock", paths->lock, error);
	result = begin_anew(paths);
	state_lock_free(lock);
	return result;
}

int hub_restore(int argc, char **argv)
{
	const struct cmd_syntax syntax = {PROGRAM, help, NULL, 0, 0, 0};
	struct hub_paths paths;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	paths = hub_paths_new(NULL);
	status = begin_locked(&paths);
	hub_paths_done(&paths);
	if (status != CMD_OK)
		return status;
	puts("All tokens have ended. Look through `wayleave hub node list`, remove who should not\n"
	     "be there, and start the hub.");
	return cmd_finish_output();
}
