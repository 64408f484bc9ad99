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
	{"key", cmd_key, "make WireGuard keys"},
	{"version", run_version, "print the version"},
};

int main(int argc, char **argv)
{
	crypto_init();
	if (argc > 1 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")))
		return run_version(argc, argv);
	return cmd_dispatch("wayleave", usage, commands, array_size(commands), argc, argv);
}
