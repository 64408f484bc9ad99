/* wayleave wg: the userspace WireGuard device alone. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cmd/cmd.h"
#include "sys/state/daemon.h"
#include "wg/standalone.h"

static const char help[] =
	"Usage: wayleave wg [--foreground] INTERFACE\n"
	"       wayleave-wg [--foreground] INTERFACE\n"
	"\n"
	"Creates a WireGuard interface in user space, for wg(8) and wg-quick(8). It goes to the\n"
	"background when it is ready, and ends when the interface or its socket\n"
	"(/var/run/wireguard/INTERFACE.sock) is removed.\n"
	"\n"
	"  -f, --foreground  stay in the foreground and log to stderr\n"
	"\n"
	"Examples:\n"
	"  sudo wayleave wg wg0\n"
	"  sudo wg setconf wg0 wg0.conf && sudo ip link set wg0 up\n"
	"  sudo WG_QUICK_USERSPACE_IMPLEMENTATION=wayleave-wg wg-quick up wg0\n"
	"  sudo ip link delete wg0\n";

static int run_in_background(struct standalone_options *options)
{
	struct state_report report;
	int error = state_daemon_begin(NULL, &options->daemon, &report);

	if (error)
		return cmd_fail("cannot go to the background: %s", strerror(-error));
	if (options->daemon)
		exit(standalone_run(options));
	return report.exit_code ? cmd_fail("%s", report.message) : CMD_OK;
}

int cmd_wg(int argc, char **argv)
{
	struct standalone_options options = {0};
	bool is_foreground = false;
	const struct cmd_option syntax_options[] = {{"foreground", 'f', CMD_FLAG, &is_foreground}};
	const struct cmd_syntax syntax = {
		"wayleave wg", help, syntax_options, array_size(syntax_options), 1, 1};
	int status;

	argc = cmd_parse(&syntax, argc, argv, &status);
	if (!argc)
		return status;
	if (!cmd_is_interface_name(argv[1]))
		return cmd_usage_error("wayleave wg", "'%s' cannot be the name of an interface",
				       argv[1]);
	options.interface = argv[1];
	if (is_foreground)
		return standalone_run(&options) ? CMD_FAILED : CMD_OK;
	return run_in_background(&options);
}
