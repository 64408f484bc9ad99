/* wayleave up: joins the network if a join string is given, then starts the node. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "conf/conf_node.h"
#include "crypto/secret.h"
#include "node/node.h"
#include "proto/wire/join.h"
#include "proto/wire/message.h"
#include "sys/privilege/privilege.h"
#include "sys/state/daemon.h"
#include "sys/state/files.h"

static const char help[] =
	"Usage: wayleave up [- | JOIN-STRING] [--config FILE] [-i INTERFACE] [--name NAME] "
	"[--foreground]\n"
	"\n"
	"Joins a network if a join string is given, then connects. `-` reads the join string from\n"
	"stdin, which keeps it out of ps and shell history. Without one, the config of an earlier\n"
	"join (or of `wayleave hub node add`) is used. Goes to the background when the interface "
	"is\n"
	"up and the hub has answered, or says what it is still waiting for.\n"
	"\n"
	"  -i, --interface NAME  the interface to create (default wl0)\n"
	"  -c, --config FILE     the node's config (default /etc/wayleave/node.conf)\n"
	"  -n, --name NAME       what to be called, with a join string (default: the host's name)\n"
	"  -f, --foreground      stay in the foreground and log to stderr\n"
	"  -l, --log FILE        append the log to FILE (default /var/lib/wayleave/INTERFACE.log)\n"
	"  -v, --verbose         log more\n"
	"\n"
	"Examples:\n"
	"  sudo wayleave up -            # paste the join string, then Enter\n"
	"  sudo wayleave up              # after a restart of the machine\n"
	"  sudo wayleave up --foreground # for a service manager\n";

struct up {
	const char *interface, *config_path, *name, *log_path;
	bool is_foreground, is_verbose;
	struct node_config *config; /* in secret memory */
};

/* What people call the machine, as far as it is a name here. */
static void default_name(char name[NODE_NAME_SIZE])
{
	char host[256] = "";
	size_t size = 0;

	gethostname(host, sizeof(host) - 1);
	for (const char *c = host; *c && *c != '.' && size < NODE_NAME_SIZE - 1; c++) {
		char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;

		name[size++] = lower;
	}
	name[size] = '\0';
	if (!text_is_name(name))
		name[0] = '\0';
}

static int read_config(struct up *up)
{
	struct buffer text = {0};
	struct conf_error error;
	int result = state_read_secret_file(up->config_path, CONF_TEXT_MAX, &text);

	if (result == -ENOENT)
		return cmd_fail(
			"%s does not exist; join first: `wayleave up -` and paste a join string "
			"(`wayleave hub token create` on the hub prints one)",
			up->config_path);
	if (result)
		return cmd_fail_file("read", up->config_path, result);
	result = node_config_parse(text.data, text.size, up->config_path, up->config, &error);
	cmd_forget_buffer(&text);
	return result ? cmd_fail("%s", error.text) : CMD_OK;
}

static int write_config(const struct up *up)
{
	struct buffer text = {0};
	int error;

	node_config_print(up->config, &text);
	error = state_make_folder(state_config_dir(), 0755);
	if (!error)
		error = state_create_file(up->config_path, text.data, text.size, 0600);
	cmd_forget_buffer(&text);
	return error ? cmd_fail_file("write", up->config_path, error) : CMD_OK;
}

/* True when the config at hand is of the network that the join string names: then joining is done
 * already. */
static bool has_joined(struct up *up, const struct join *join)
{
	return access(up->config_path, F_OK) == 0 && read_config(up) == CMD_OK &&
	       !memcmp(up->config->network, join->network_id, NETWORK_ID_SIZE) &&
	       key_is_equal(&up->config->hub_key, &join->hub);
}

static int enrol(struct up *up, const struct join *join)
{
	char id[2 * 4 + 1], name[NODE_NAME_SIZE];
	auto_free char *key_path = NULL;
	auto_buffer struct buffer error = {0};
	struct node_join_options options = {.join = join, .name = up->name};
	int result;

	for (int i = 0; i < 4; i++)
		snprintf(id + 2 * i, 3, "%02x", join->network_id[i]);
	result = state_make_folder(state_state_dir(), 0700);
	if (result)
		return cmd_fail_file("create", state_state_dir(), result);
	key_path = state_path(state_state_dir(), "join-", id);
	if (!up->name) {
		default_name(name);
		options.name = name;
	}
	options.key_path = key_path;
	if (node_join(&options, up->config, &error))
		return cmd_fail("%s", error.data);
	result = write_config(up);
	if (result == CMD_OK)
		state_remove_file(key_path);
	return result;
}

static int join_network(struct up *up, const char *text)
{
	struct join join;
	enum join_result result = join_parse(text, &join);
	int status;

	if (result != JOIN_OK)
		return cmd_fail("%s", join_result_text(result));
	if (has_joined(up, &join)) {
		secret_wipe(&join, sizeof(join));
		return CMD_OK;
	}
	node_config_done(up->config);
	if (access(up->config_path, F_OK) == 0)
		status = cmd_fail(
			"%s is of another network or cannot be read; move it away first, or "
			"choose another with --config",
			up->config_path);
	else
		status = enrol(up, &join);
	secret_wipe(&join, sizeof(join));
	return status;
}

/* One line from the terminal, unseen, or all of stdin. */
static int read_join(struct buffer *out)
{
	bool is_terminal = isatty(STDIN_FILENO);
	struct termios before, quiet;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;

	if (!is_terminal)
		return cmd_read_stdin(out, JOIN_TEXT_SIZE);
	fputs("Join string: ", stderr);
	is_terminal = !tcgetattr(STDIN_FILENO, &before);
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
	size = getline(&line, &capacity, stdin);
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	fputc('\n', stderr);
	if (size > 0)
		buffer_add(out, line, (size_t)size);
	else
		buffer_reserve(out, 0);
	if (line)
		secret_wipe(line, capacity);
	free(line);
	return 0;
}

static int join_from(struct up *up, char *argument)
{
	struct buffer text = {0};
	char *secret;
	int status;

	if (strcmp(argument, "-")) {
		fputs("wayleave: warning: a join string on the command line can be seen by others; "
		      "`wayleave up -` reads it from stdin\n",
		      stderr);
		secret = cmd_take_secret(argument);
		status = join_network(up, secret);
		cmd_forget_secret(secret);
		return status;
	}
	status = read_join(&text) ? cmd_fail("stdin holds more than a join string")
				  : join_network(up, text.data);
	cmd_forget_buffer(&text);
	return status;
}

static int start(struct up *up)
{
	struct node_run_options options = {.interface = up->interface, .config = up->config};
	auto_free char *log_path = up->log_path
					   ? memory_copy_text(up->log_path)
					   : state_path(state_state_dir(), up->interface, ".log");
	struct state_report report;
	int error;

	if (up->is_foreground)
		return node_run(&options) ? CMD_FAILED : CMD_OK;
	error = state_make_folder(state_state_dir(), 0700);
	if (error)
		return cmd_fail_file("create", state_state_dir(), error);
	error = state_daemon_begin(log_path, &options.daemon, &report);
	if (error)
		return cmd_fail("cannot go to the background: %s", strerror(-error));
	if (options.daemon) {
		secret_lock(up->config, sizeof(*up->config));
		exit(node_run(&options));
	}
	if (report.exit_code)
		return cmd_fail("%s", report.message);
	puts(report.message);
	return cmd_finish_output();
}

int cmd_up(int argc, char **argv)
{
	struct up up = {.interface = CMD_DEFAULT_INTERFACE};
	const struct cmd_option options[] = {
		{"interface", 'i', CMD_TEXT, &up.interface},
		{"config", 'c', CMD_TEXT, &up.config_path},
		{"name", 'n', CMD_TEXT, &up.name},
		{"log", 'l', CMD_TEXT, &up.log_path},
		{"foreground", 'f', CMD_FLAG, &up.is_foreground},
		{"verbose", 'v', CMD_FLAG, &up.is_verbose},
	};
	const struct cmd_syntax syntax = {"wayleave up", help, options, array_size(options), 0, 1};
	auto_free char *default_path = state_path(state_config_dir(), "node", ".conf");
	int status;

	/* Before the first secret is read. */
	privilege_keep_private();
	argc = cmd_parse(&syntax, argc, argv, &status);
	if (!argc)
		return status;
	if (!cmd_is_interface_name(up.interface))
		return cmd_usage_error("wayleave up", "'%s' cannot be the name of an interface",
				       up.interface);
	if (up.name && !text_is_name(up.name))
		return cmd_usage_error("wayleave up", "a name has 1 to 63 of a-z, 0-9 and '-'");
	if (up.is_verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	if (!up.config_path)
		up.config_path = default_path;
	up.config = secret_new(sizeof(*up.config));
	if (argc > 1)
		status = join_from(&up, argv[1]);
	else if (access(up.config_path, F_OK) && isatty(STDIN_FILENO))
		status = join_from(&up, (char[]){"-"});
	else
		status = read_config(&up);
	if (status == CMD_OK)
		status = start(&up);
	node_config_done(up.config);
	secret_free(up.config, sizeof(*up.config));
	return status;
}
