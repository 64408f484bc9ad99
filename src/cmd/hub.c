/* wayleave hub: the table of its subcommands, and `hub run`. */
#include "hub/hub.h"

#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cmd/cmd.h"
#include "cmd/hub_ask.h"
#include "cmd/hub_commands.h"
#include "crypto/secret.h"
#include "sys/privilege/privilege.h"
#include "sys/state/files.h"

static const char usage[] =
	"Usage: wayleave hub COMMAND [OPTIONS] [ARGUMENTS]\n"
	"\n"
	"The public rendezvous of one network: it knows the nodes, sees where they are, and\n"
	"introduces them to each other. Commands work against the running hub, and when it is\n"
	"stopped, against its registry.\n"
	"\n"
	"Examples:\n"
	"  sudo wayleave hub init --address 100.100.96.1/24 --endpoint hub.example.org\n"
	"  sudo wayleave hub run\n"
	"  sudo wayleave hub token create\n";

static const char run_help[] =
	"Usage: wayleave hub run [-i INTERFACE] [--config FILE] [--verbose]\n"
	"\n"
	"Runs the hub in the foreground, until SIGTERM or SIGINT. A service manager keeps it:\n"
	"systemctl enable --now wayleave-hub\n"
	"\n"
	"  -i, --interface NAME  the WireGuard interface to create (default wl0)\n"
	"  -c, --config FILE     the hub's config (default /etc/wayleave/hub.conf)\n"
	"  -v, --verbose         log more\n"
	"\n"
	"Example:\n"
	"  sudo wayleave hub run --verbose\n";

static int run_with(const struct hub_paths *paths, const char *interface)
{
	struct hub_config *config = secret_new(sizeof(*config));
	struct hub_run_options options = {.interface = interface,
					  .config = config,
					  .database = paths->database,
					  .lock = paths->lock,
					  .socket = paths->socket};
	int result = hub_read_config(paths, config), error;

	if (result != CMD_OK) {
		secret_free(config, sizeof(*config));
		return result;
	}
	error = state_make_folder(state_run_dir(), 0755);
	if (error)
		result = cmd_fail_file("make", state_run_dir(), error);
	else
		result = hub_run(&options) ? CMD_FAILED : CMD_OK;
	hub_config_done(config);
	secret_free(config, sizeof(*config));
	return result;
}

static int run_run(int argc, char **argv)
{
	const char *interface = CMD_DEFAULT_INTERFACE, *config = NULL;
	bool is_verbose = false;
	const struct cmd_option options[] = {{"interface", 'i', CMD_TEXT, &interface},
					     {"config", 'c', CMD_TEXT, &config},
					     {"verbose", 'v', CMD_FLAG, &is_verbose}};
	const struct cmd_syntax syntax = {"wayleave hub run",  run_help, options,
					  array_size(options), 0,        0};
	struct hub_paths paths;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	if (!cmd_is_interface_name(interface))
		return cmd_usage_error("wayleave hub run",
				       "'%s' cannot be the name of an interface", interface);
	if (is_verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	/* Before the first secret is read. */
	privilege_keep_private();
	paths = hub_paths_new(config);
	status = run_with(&paths, interface);
	hub_paths_done(&paths);
	return status;
}

int cmd_hub(int argc, char **argv)
{
	static const struct command commands[] = {
		{"init", hub_init, "make a hub of this machine: key, config, registry"},
		{"run", run_run, "run the hub"},
		{"node", hub_node, "add, list, show, rename, remove nodes"},
		{"token", hub_token, "create, list, revoke tokens that let nodes join"},
		{"restore", hub_restore, "after hub.db came back from a backup"},
		{"log", hub_log, "who joined and left"},
		{"status", hub_counters, "what the running hub has counted"},
	};

	return cmd_dispatch("wayleave hub", usage, commands, array_size(commands), argc, argv);
}
