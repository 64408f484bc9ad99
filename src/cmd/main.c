#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cmd/cmd.h"
#include "crypto/crypto.h"

static const char usage[] = "Usage: wayleave COMMAND [OPTIONS] [ARGUMENTS]\n"
			    "\n"
			    "Connects WireGuard peers that cannot reach each other.\n"
			    "`wayleave COMMAND --help` explains a command, with examples.\n";

static int run_version(int argc, char **argv)
{
	puts("wayleave " WAYLEAVE_VERSION);
	return cmd_finish_output();
}

static const struct command commands[] = {
	{"hub", cmd_hub, "run and administer a hub"},
	{"up", cmd_up, "join a network, or start this node again"},
	{"down", cmd_down, "end a node"},
	{"status", cmd_status, "show peers and their paths"},
	{"ping", cmd_ping, "probe a peer and say the path of each answer"},
	{"trust", cmd_trust, "accept a peer whose key changed"},
	{"wg", cmd_wg, "a userspace WireGuard device alone, for wg(8) and wg-quick(8)"},
	{"key", cmd_key, "make WireGuard keys"},
	{"version", run_version, "print the version"},
};

/* wg-quick(8) takes one word only for a userspace implementation, so this name is a command. */
static bool is_called(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, name);
}

int main(int argc, char **argv)
{
	crypto_init();
	if (argc > 0 && is_called(argv[0], "wayleave-wg"))
		return cmd_wg(argc, argv);
	if (argc > 1 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")))
		return run_version(argc, argv);
	return cmd_dispatch("wayleave", usage, commands, array_size(commands), argc, argv);
}
