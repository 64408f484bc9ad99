/* wayleave hub init: a key, hub.conf and an empty registry; all of it or nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "cmd/hub_ask.h"
#include "cmd/hub_commands.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "sys/state/files.h"
#include "sys/state/lock.h"
#include "sys/store/store.h"

#define PROGRAM   "wayleave hub init"
#define LOCK_WAIT (5 * USEC_PER_SEC)

static const char help[] =
	"Usage: wayleave hub init --address ADDRESS/LENGTH [--address ..] --endpoint HOST[:PORT]\n"
	"                         [--endpoint ..] [--name NAME] [--listen-port PORT]\n"
	"\n"
	"Makes a hub of this machine, once: its key, its config (/etc/wayleave/hub.conf) and the\n"
	"registry of its network (/var/lib/wayleave/hub.db). Nothing is overwritten.\n"
	"\n"
	"  -a, --address ADDRESS/LENGTH  the hub's own address in the network; nodes get the "
	"others\n"
	"                                of the same network. At most 4, also IPv6\n"
	"  -e, --endpoint HOST[:PORT]    where nodes reach the hub: a name or a public address\n"
	"  -n, --name NAME               what the hub is called (default hub)\n"
	"  -p, --listen-port PORT        its UDP port (default 51820)\n"
	"\n"
	"Examples:\n"
	"  sudo wayleave hub init --address 100.100.96.1/24 --endpoint hub.example.org\n"
	"  sudo wayleave hub init -a 10.77.0.1/16 -a fd77::1/64 -e 203.0.113.10:443 -p 443\n";

struct init {
	struct cmd_list addresses, endpoints;
	const char *name, *port;
	struct hub_config config;
	struct hub_paths paths;
};

/* ---- what was asked for ---- */

static int read_addresses(struct init *init)
{
	struct hub_config *config = &init->config;

	if (!init->addresses.count)
		return cmd_usage_error(PROGRAM, "--address is missing: the hub's own address, "
						"such as 100.100.96.1/24");
	for (size_t i = 0; i < init->addresses.count; i++) {
		const char *text = init->addresses.items[i];

		if (!strchr(text, '/') ||
		    conf_prefixes_parse(text, config->addresses, &config->address_count,
					CONF_ADDRESSES_MAX))
			return cmd_usage_error(PROGRAM,
					       "--address takes an address with its length, such "
					       "as 100.100.96.1/24 or fd77::1/64, each once");
	}
	return CMD_OK;
}

static int read_endpoints(struct init *init)
{
	struct hub_config *config = &init->config;

	if (!init->endpoints.count)
		return cmd_usage_error(PROGRAM, "--endpoint is missing: where nodes reach the hub, "
						"such as hub.example.org or 203.0.113.10:51820");
	for (size_t i = 0; i < init->endpoints.count; i++) {
		if (config->endpoint_count == CONF_ENDPOINTS_MAX)
			return cmd_usage_error(PROGRAM, "--endpoint more than %d times",
					       CONF_ENDPOINTS_MAX);
		if (conf_endpoint_parse(init->endpoints.items[i], config->listen_port,
					&config->endpoints[config->endpoint_count++]))
			return cmd_usage_error(PROGRAM, "--endpoint takes HOST or HOST:PORT, "
							"[ADDRESS]:PORT for IPv6");
	}
	return CMD_OK;
}

static int read_request(struct init *init)
{
	struct hub_config *config = &init->config;
	int result;

	hub_config_init(config);
	if (init->port && conf_port_parse(init->port, &config->listen_port))
		return cmd_usage_error(PROGRAM, "--listen-port takes a port (1-65535)");
	if (init->name && (!text_is_name(init->name) ||
			   !text_copy(config->name, sizeof(config->name), init->name)))
		return cmd_usage_error(PROGRAM, "--name takes 1 to 63 of a-z, 0-9 and '-'");
	result = read_addresses(init);
	return result == CMD_OK ? read_endpoints(init) : result;
}

/* ---- doing it ---- */

static void remove_registry(const char *path)
{
	static const char *const suffixes[] = {"-wal", "-shm", ""};

	for (size_t i = 0; i < array_size(suffixes); i++) {
		auto_free char *one = memory_print("%s%s", path, suffixes[i]);

		state_remove_file(one);
	}
}

/* A registry without hub.conf: an init that was interrupted left it (then it is as good as none),
 * or somebody lost the hub's key (then it is valuable). */
static int clear_remains(const char *path)
{
	char problem[STORE_PROBLEM_SIZE];
	struct store *store;
	bool is_untouched;

	if (access(path, F_OK))
		return CMD_OK;
	if (store_open(path, &store, problem) != STORE_OK)
		return cmd_fail("%s; move it away to make a new hub", problem);
	is_untouched = store_revision(store) == 1;
	store_close(store);
	if (!is_untouched)
		return cmd_fail("%s is the registry of a hub whose hub.conf is gone; put hub.conf "
				"back, or move the registry away to make a new hub",
				path);
	remove_registry(path);
	return CMD_OK;
}

static int create_registry(const struct init *init)
{
	struct store_network network = {.created = time(NULL)};
	char problem[STORE_PROBLEM_SIZE];
	enum store_result result = STORE_INVALID;

	if (init->config.address_count > NODE_ADDRESSES_MAX)
		return cmd_fail("a network has at most %d addresses", NODE_ADDRESSES_MAX);
	random_bytes(network.id, sizeof(network.id));
	random_bytes(&network.incarnation, sizeof(network.incarnation));
	random_bytes(network.site_secret, sizeof(network.site_secret));
	network.pool_count = init->config.address_count;
	memcpy(network.pools, init->config.addresses, network.pool_count * sizeof(struct prefix));
	result = store_create(init->paths.database, &network, problem);
	secret_wipe(&network, sizeof(network));
	return result == STORE_OK ? CMD_OK : cmd_fail("%s", problem);
}

/* Last, for hub.conf is what makes the hub: before it is there, init can be run again. */
static int write_config(struct init *init)
{
	struct buffer text = {0};
	int error;

	random_bytes(&init->config.private_key, sizeof(init->config.private_key));
	x25519_clamp(&init->config.private_key);
	hub_config_print(&init->config, &text);
	error = state_create_file(init->paths.config, text.data, text.size, 0600);
	cmd_forget_buffer(&text);
	if (!error)
		return CMD_OK;
	remove_registry(init->paths.database);
	return cmd_fail_file("write", init->paths.config, error);
}

static int fail_exists(const struct init *init)
{
	return cmd_fail(
		"%s exists already: this machine is a hub; start it with `wayleave hub run`",
		init->paths.config);
}

static int make(struct init *init)
{
	int result;

	if (!access(init->paths.config, F_OK))
		return fail_exists(init);
	result = clear_remains(init->paths.database);
	if (result == CMD_OK)
		result = create_registry(init);
	return result == CMD_OK ? write_config(init) : result;
}

static int make_locked(struct init *init)
{
	struct state_lock *lock;
	pid_t holder = 0;
	int error = state_make_folder(state_config_dir(), 0755), result;

	if (error)
		return cmd_fail_file("make", state_config_dir(), error);
	error = state_make_folder(state_state_dir(), 0700);
	if (error)
		return cmd_fail_file("make", state_state_dir(), error);
	error = state_lock_wait(init->paths.lock, LOCK_WAIT, &lock, &holder);
	if (error == -EBUSY)
		return cmd_fail("another hub or administrator (pid %d) is at work in %s",
				(int)holder, state_state_dir());
	if (error)
		return cmd_fail_file("lock", init->paths.lock, error);
	result = make(init);
	state_lock_free(lock);
	return result;
}

static int tell(const struct init *init)
{
	char text[KEY_TEXT_SIZE];
	struct key public_key;

	x25519_public(&init->config.private_key, &public_key);
	key_print(&public_key, text);
	printf("Public key: %s\n"
	       "Config:     %s\n"
	       "Registry:   %s\n"
	       "Next: let UDP port %u in, run `sudo wayleave hub run`, and for each node\n"
	       "`sudo wayleave hub token create`, whose line `sudo wayleave up -` reads there.\n",
	       text, init->paths.config, init->paths.database, init->config.listen_port);
	return cmd_finish_output();
}

int hub_init(int argc, char **argv)
{
	struct init init = {0};
	const struct cmd_option options[] = {{"address", 'a', CMD_LIST, &init.addresses},
					     {"endpoint", 'e', CMD_LIST, &init.endpoints},
					     {"name", 'n', CMD_TEXT, &init.name},
					     {"listen-port", 'p', CMD_TEXT, &init.port}};
	const struct cmd_syntax syntax = {PROGRAM, help, options, array_size(options), 0, 0};
	int status;

	if (!cmd_parse(&syntax, argc, argv, &status))
		return status;
	init.paths = hub_paths_new(NULL);
	status = read_request(&init);
	if (status == CMD_OK)
		status = make_locked(&init);
	if (status == CMD_OK)
		status = tell(&init);
	hub_config_done(&init.config);
	hub_paths_done(&init.paths);
	return status;
}
