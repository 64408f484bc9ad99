/* wayleave wg: the userspace WireGuard device alone. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "conf/values.h"
#include "sys/state/daemon.h"
#include "wg/standalone.h"

static const char help[] =
	"Usage: wayleave wg [--foreground] [--workers N] INTERFACE\n"
	"       wayleave-wg [--foreground] [--workers N] INTERFACE\n"
	"\n"
	"Creates a WireGuard interface in user space, for wg(8) and wg-quick(8). It goes to the\n"
	"background when it is ready, and ends when the interface or its socket\n"
	"(/var/run/wireguard/INTERFACE.sock) is removed.\n"
	"\n"
	"  -f, --foreground  stay in the foreground and log to stderr\n"
	"  -w, --workers N   threads that move data, 1 to 4; default auto: one, and more of them\n"
	"                    under load\n"
	"\n"
	"LOG_LEVEL, WG_PROCESS_FOREGROUND, WG_TUN_FD and WG_UAPI_FD are those of wireguard-go.\n"
	"\n"
	"Examples:\n"
	"  sudo wayleave wg wg0\n"
	"  sudo wg setconf wg0 wg0.conf && sudo ip link set wg0 up\n"
	"  sudo WG_QUICK_USERSPACE_IMPLEMENTATION=wayleave-wg wg-quick up wg0\n"
	"  sudo ip link delete wg0\n";

/* wireguard-go's words. True when the output is wanted also in the background. */
static bool choose_log_level(void)
{
	const char *name = getenv("LOG_LEVEL");

	if (!name || !*name)
		return false;
	if (!strcmp(name, "verbose") || !strcmp(name, "debug"))
		log_set_level(LOG_LEVEL_DEBUG);
	else if (!strcmp(name, "error"))
		log_set_level(LOG_LEVEL_ERROR);
	else if (!strcmp(name, "silent"))
		log_set_level(LOG_LEVEL_SILENT);
	return log_get_level() != LOG_LEVEL_SILENT;
}

/* 0 without the variable. False: it is no number of a descriptor. */
static bool inherited(const char *variable, int *ret_fd)
{
	const char *text = getenv(variable);
	uint64_t number = 0;

	*ret_fd = 0;
	if (!text || !*text)
		return true;
	if (text_to_u64(text, INT_MAX, &number) || number <= STDERR_FILENO)
		return false;
	*ret_fd = (int)number;
	return true;
}

static int run_in_background(struct standalone_options *options, bool keeps_output)
{
	struct state_report report;
	int error = state_daemon_begin(NULL, &options->daemon, &report);

	if (error)
		return cmd_fail("cannot go to the background: %s", strerror(-error));
	if (keeps_output)
		state_daemon_keep_output(options->daemon);
	if (options->daemon)
		exit(standalone_run(options));
	return report.exit_code ? cmd_fail("%s", report.message) : CMD_OK;
}

int cmd_wg(int argc, char **argv)
{
	struct standalone_options options = {0};
	const char *workers = "auto";
	const char *process = getenv("WG_PROCESS_FOREGROUND");
	bool is_foreground = process && !strcmp(process, "1"), keeps_output;
	const struct cmd_option syntax_options[] = {{"foreground", 'f', CMD_FLAG, &is_foreground},
						    {"workers", 'w', CMD_TEXT, &workers}};
	const struct cmd_syntax syntax = {
		"wayleave wg", help, syntax_options, array_size(syntax_options), 1, 1};
	int status;

	argc = cmd_parse(&syntax, argc, argv, &status);
	if (!argc)
		return status;
	if (!cmd_is_interface_name(argv[1]))
		return cmd_usage_error("wayleave wg", "'%s' cannot be the name of an interface",
				       argv[1]);
	if (conf_workers_parse(workers, &options.workers))
		return cmd_usage_error("wayleave wg", "'%s' is no number of workers (1-4 or auto)",
				       workers);
	options.interface = argv[1];
	if (!inherited("WG_TUN_FD", &options.tun_fd) || !inherited("WG_UAPI_FD", &options.uapi_fd))
		return cmd_fail(
			"WG_TUN_FD and WG_UAPI_FD are numbers of open descriptors from 3 on");
	if (options.tun_fd && options.workers > 1)
		return cmd_fail("an inherited interface (WG_TUN_FD) has one worker");
	keeps_output = choose_log_level();
	if (is_foreground)
		return standalone_run(&options) ? CMD_FAILED : CMD_OK;
	return run_in_background(&options, keeps_output);
}
