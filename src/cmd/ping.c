/* wayleave ping: asks the daemon to probe a peer, and says the path of each answer. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/text.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/ping_text.h"

#define DEFAULT_COUNT 5
#define DEFAULT_COUNT_DIRECT                                                 \
	30 /* a path that is not found in half a minute needs another remedy \
	    */
#define COUNT_MAX      999999
#define ANSWER_TIMEOUT (10 * USEC_PER_SEC) /* the daemon speaks at least once per try */

static const char help[] =
	"Usage: wayleave ping NODE [-i INTERFACE] [-c COUNT] [--until-direct]\n"
	"\n"
	"Probes a peer inside the encrypted control channel and says the path of each answer. "
	"Also\n"
	"makes the daemon look for a direct path, as any traffic to the peer does.\n"
	"\n"
	"  -i, --interface NAME  the instance to ask (default wl0)\n"
	"  -c, --count COUNT     how many probes (default 5; 30 with --until-direct)\n"
	"  -d, --until-direct    stop at the first answer over a direct path; fail when there is "
	"none\n"
	"\n"
	"Exit status: 0 when an answer came (with --until-direct: a direct one), 1 otherwise.\n"
	"\n"
	"Examples:\n"
	"  wayleave ping b\n"
	"  wayleave ping b --until-direct && echo connected\n";

struct ping {
	const char *interface, *node, *count_text;
	bool until_direct;
	uint64_t count;
	struct ping_summary summary;
};

/* The signal flag: SIGINT ends the wait, or the next answer does, so that the summary is still
 * printed. */
static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
	is_interrupted = 1;
}

static bool on_object(void *owner, const json_t *object)
{
	struct ping *ping = owner;
	auto_buffer struct buffer text = {0};

	ping_print(&ping->summary, ping->node, object, &text);
	if (text.size)
		fputs(text.data, stdout);
	fflush(stdout);
	return !ping->summary.is_over && !is_interrupted;
}

static int run(struct ping *ping)
{
	struct sigaction action = {.sa_handler = on_interrupt};
	auto_buffer struct buffer text = {0};
	json_t *request;
	int result;

	sigaction(SIGINT, &action, NULL);
	request = json_pack("{s:s, s:s, s:I, s:b}", "command", "ping", "node", ping->node, "count",
			    (json_int_t)ping->count, "until_direct", ping->until_direct);
	if (!request)
		return cmd_fail("that is not the name of a node");
	result = client_watch(ping->interface, request, ANSWER_TIMEOUT, on_object, ping);
	ping_print_summary(&ping->summary, ping->node, &text);
	if (text.size)
		fputs(text.data, stdout);
	if (result != CMD_OK && result != -EINTR)
		return result;
	if (cmd_finish_output() != CMD_OK)
		return CMD_FAILED;
	if (ping->summary.first_error[0])
		return cmd_fail("%s", ping->summary.first_error);
	if (ping->until_direct)
		return ping->summary.is_direct ? CMD_OK : CMD_FAILED;
	return ping->summary.received ? CMD_OK : CMD_FAILED;
}

int cmd_ping(int argc, char **argv)
{
	struct ping ping = {.interface = CMD_DEFAULT_INTERFACE};
	const struct cmd_option options[] = {
		{"interface", 'i', CMD_TEXT, &ping.interface},
		{"count", 'c', CMD_TEXT, &ping.count_text},
		{"until-direct", 'd', CMD_FLAG, &ping.until_direct},
	};
	const struct cmd_syntax syntax = {"wayleave ping",     help, options,
					  array_size(options), 1,    1};
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	if (!cmd_is_interface_name(ping.interface))
		return cmd_usage_error("wayleave ping", "'%s' cannot be the name of an interface",
				       ping.interface);
	ping.node = argv[1];
	ping.count = ping.until_direct ? DEFAULT_COUNT_DIRECT : DEFAULT_COUNT;
	if (ping.count_text &&
	    (text_to_u64(ping.count_text, COUNT_MAX, &ping.count) || !ping.count))
		return cmd_usage_error("wayleave ping", "--count is a number from 1 to %d",
				       COUNT_MAX);
	return run(&ping);
}
