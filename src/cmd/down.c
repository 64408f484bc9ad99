/* wayleave down: ends the daemon of an interface and waits until it is gone. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "cmd/client.h"
#include "cmd/cmd.h"

#define END_TIMEOUT_MS 10000

static const char help[] =
	"Usage: wayleave down [-i INTERFACE]\n"
	"\n"
	"Ends the node of an interface: its peers, addresses and routes go with it.\n"
	"\n"
	"  -i, --interface NAME  the instance to end (default wl0)\n"
	"\n"
	"Example:\n"
	"  sudo wayleave down\n";

/* True when the process is gone. */
static bool wait_for_end(pid_t process)
{
	struct pollfd end = {.events = POLLIN};
	int ready;

	if (process <= 0)
		return true;
	end.fd = (int)syscall(SYS_pidfd_open, process, 0);
	if (end.fd < 0)
		return errno == ESRCH;
	do
		ready = poll(&end, 1, END_TIMEOUT_MS);
	while (ready < 0 && errno == EINTR);
	close(end.fd);
	return ready > 0;
}

int cmd_down(int argc, char **argv)
{
	const char *interface = CMD_DEFAULT_INTERFACE;
	const struct cmd_option options[] = {{"interface", 'i', CMD_TEXT, &interface}};
	const struct cmd_syntax syntax = {"wayleave down",     help, options,
					  array_size(options), 0,    0};
	json_t *answer;
	pid_t process;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	if (!cmd_is_interface_name(interface))
		return cmd_usage_error("wayleave down", "'%s' cannot be the name of an interface",
				       interface);
	status = client_ask(interface, json_pack("{s:s}", "command", "down"), &answer);
	if (status != CMD_OK)
		return status;
	process = (pid_t)json_integer_value(json_object_get(answer, "pid"));
	json_decref(answer);
	if (!wait_for_end(process))
		return cmd_fail("%s was told to end, but process %d still runs", interface,
				(int)process);
	return CMD_OK;
}
