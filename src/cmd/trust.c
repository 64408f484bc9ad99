/* wayleave trust: accepts the new key of a peer that the daemon keeps apart since its key changed.
 */
#include <stdio.h>

#include "base/memory.h"
#include "cmd/client.h"
#include "cmd/cmd.h"

static const char help[] = "Usage: wayleave trust NODE [-i INTERFACE]\n"
			   "\n"
			   "A node that comes back under the name or address of another key is not "
			   "used (`wayleave status`\n"
			   "says key-changed): the hub, or who controls it, may be putting itself "
			   "in the middle. Ask the\n"
			   "node's owner whether the key is right, then trust it.\n"
			   "\n"
			   "  -i, --interface NAME  the instance to tell (default wl0)\n"
			   "\n"
			   "Example:\n"
			   "  sudo wayleave trust laptop\n";

int cmd_trust(int argc, char **argv)
{
	const char *interface = CMD_DEFAULT_INTERFACE;
	const struct cmd_option options[] = {{"interface", 'i', CMD_TEXT, &interface}};
	const struct cmd_syntax syntax = {"wayleave trust",    help, options,
					  array_size(options), 1,    1};
	json_t *answer, *request;
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	if (!cmd_is_interface_name(interface))
		return cmd_usage_error("wayleave trust", "'%s' cannot be the name of an interface",
				       interface);
	request = json_pack("{s:s, s:s}", "command", "trust", "node", argv[1]);
	if (!request)
		return cmd_fail("that is not the name of a node");
	status = client_ask(interface, request, &answer);
	if (status == CMD_OK)
		json_decref(answer);
	return status;
}
