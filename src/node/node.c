#include "node/node.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "node/node_private.h"
#include "sys/privilege/privilege.h"
#include "sys/state/daemon.h"
#include "sys/state/files.h"

/* Tells whoever waits for the start: the `up` command, or the log. */
static int fail(struct node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct node *node, const char *format, ...)
{
	char text[STATE_REPORT_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (node->daemon)
		state_daemon_fail(take(node->daemon), 1, text);
	else
		log_error("up interface=%s error=\"%s\"", node->interface_name, text);
	return -1;
}

void node_ready(struct node *node)
{
	char text[STATE_REPORT_SIZE];

	if (node->is_ready)
		return;
	node->is_ready = true;
	loop_timer_stop(node->loop, &node->ready_timer);
	if (node->link.state == LINK_UP)
		snprintf(text, sizeof(text), "%s is up; the hub knows %zu other node%s",
			 node->interface_name, node->agent->member_count,
			 node->agent->member_count == 1 ? "" : "s");
	else
		snprintf(text, sizeof(text), "%s is up; still waiting for %s", node->interface_name,
			 node_waits_for(node));
	if (node->daemon)
		state_daemon_ready(take(node->daemon), text);
	else
		log_info("up interface=%s state=\"%s\"", node->interface_name, text);
}

static void on_ready_timer(void *owner, usec_t now)
{
	(void)now;
	node_ready(owner);
}

static void on_tick(void *owner, usec_t now)
{
	struct node *node = owner;

	agent_tick(node->agent, now);
	node_rearm(node);
}

static void on_signal(void *owner, int signal)
{
	struct node *node = owner;

	log_info("signal interface=%s signal=%s", node->interface_name, strsignal(signal));
	loop_stop(node->loop);
}

static void on_control(void *owner, usec_t now, struct port_packet *packet)
{
	struct node *node = owner;

	agent_receive_datagram(node->agent, now, &packet->from, packet->data, packet->size);
	node_rearm(node);
}

static void on_network_change(void *owner)
{
	struct node *node = owner;

	node_read_interfaces(node);
	agent_check_paths(node->agent, loop_now(node->loop));
	node_hub_nudge(node);
	node_rearm(node);
}

/* ---- small files in the state folder ---- */

static int stamp_load(void *owner, uint64_t *ret_mark)
{
	struct node *node = owner;
	auto_buffer struct buffer text = {0};
	int error = state_read_file(node->stamp_path, 64, &text);

	return error ? error : text_to_u64(text_trim(text.data), UINT64_MAX, ret_mark);
}

static int stamp_save(void *owner, uint64_t mark)
{
	struct node *node = owner;
	char text[32];
	int size = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)mark);
	int error = state_write_file(node->stamp_path, text, (size_t)size, 0600);

	if (error)
		log_warn("stamp-not-saved interface=%s error=\"%s\"", node->interface_name,
			 strerror(-error));
	return error;
}

/* The port of the last run: NAT mappings and peers' memories of us stay right over a restart. */
static uint16_t saved_port(const struct node *node)
{
	auto_buffer struct buffer text = {0};
	uint64_t port;

	if (node->config->listen_port)
		return node->config->listen_port;
	if (state_read_file(node->port_path, 64, &text) ||
	    text_to_u64(text_trim(text.data), 65535, &port))
		return 0;
	return (uint16_t)port;
}

static void save_port(const struct node *node)
{
	char text[16];
	int size = snprintf(text, sizeof(text), "%u\n", port_number(builtin_port(node->builtin)));
	int error = node->config->listen_port
			    ? 0
			    : state_write_file(node->port_path, text, (size_t)size, 0600);

	if (error)
		log_warn("port-not-saved interface=%s error=\"%s\"", node->interface_name,
			 strerror(-error));
}

static void load_map(struct node *node)
{
	auto_buffer struct buffer bytes = {0};
	int error = state_read_file(node->map_path, MAP_FILE_MAX, &bytes);
	struct stat status;
	usec_t age = 0;

	if (error == -ENOENT)
		return;
	if (!error && !stat(node->map_path, &status) && time(NULL) > status.st_mtime)
		age = (usec_t)(time(NULL) - status.st_mtime) * USEC_PER_SEC;
	if (error ||
	    !agent_load(node->agent, loop_now(node->loop), (uint8_t *)bytes.data, bytes.size, age))
		log_warn("map-not-loaded interface=%s file=%s error=\"%s\"", node->interface_name,
			 node->map_path,
			 error ? strerror(-error) : "damaged, or of another network");
	secret_wipe(bytes.data, bytes.size);
}

/* ---- start and stop ---- */

static void fill_config(const struct node *node, struct agent_config *config)
{
	const struct node_config *from = node->config;

	*config = (struct agent_config){.hub = from->hub_key,
					.has_site_secret = from->has_site_secret,
					.max_map_age = from->max_map_age,
					.eager_peers = AGENT_EAGER_PEERS,
					.listen_port = port_number(builtin_port(node->builtin))};
	/* Not above, or the compiler may leave a copy on the stack. */
	config->private_key = from->private_key;
	memcpy(config->network_id, from->network, sizeof(config->network_id));
	if (from->has_site_secret)
		memcpy(config->site_secret, from->site_secret.bytes, sizeof(config->site_secret));
	for (size_t i = 0; i < from->address_count && i < NODE_ADDRESSES_MAX; i++)
		config->addresses[config->address_count++] = from->addresses[i];
	for (size_t i = 0; i < from->hub_address_count && i < NODE_ADDRESSES_MAX; i++)
		config->hub_addresses[config->hub_address_count++] = from->hub_addresses[i];
	for (size_t i = 0; i < from->accept_route_count && i < AGENT_ROUTES_MAX; i++)
		config->accepted_routes[config->accepted_route_count++] = from->accept_routes[i];
}

static int device_error(struct node *node, int error)
{
	const char *name = node->interface_name;

	switch (-error) {
	case EBUSY:
	case EEXIST:
		return fail(node, "interface %s exists and is not ours; choose another with -i",
			    name);
	case ENOENT:
	case ENODEV:
		return fail(node, "no /dev/net/tun here; load the tun module or give the container "
				  "the device");
	case EPERM:
	case EACCES:
		return fail(node, "not allowed to create interface %s; run as root", name);
	case EADDRINUSE:
		return fail(node, "UDP port %u is in use; change ListenPort in the config",
			    saved_port(node));
	}
	return fail(node, "cannot create interface %s: %s", name, strerror(-error));
}

static int open_device(struct node *node)
{
	struct builtin_stamp_store stamps = {node, stamp_load, stamp_save};
	struct builtin_options options = {.interface = node->interface_name,
					  .mtu = node->config->mtu,
					  .workers = node->config->workers,
					  .listen_port = saved_port(node),
					  .fwmark = node->config->fwmark,
					  .stamps = &stamps};
	int error;

	if (builtin_options_without(&options))
		return fail(node, BUILTIN_WITHOUT " takes " BUILTIN_WITHOUT_WORDS);
	error = builtin_new(node->loop, &options, node_device_events(node), &node->builtin);
	if (error == -EADDRINUSE && !node->config->listen_port) {
		options.listen_port = 0;
		error = builtin_new(node->loop, &options, node_device_events(node), &node->builtin);
	}
	if (error)
		return device_error(node, error);
	builtin_set_private_key(node->builtin, &node->config->private_key);
	save_port(node);
	return 0;
}

static int set_up_interface(struct node *node)
{
	int error = netlink_interface_claim(node->netlink, node->interface_name, &node->interface);

	for (size_t i = 0; i < node->config->address_count && !error; i++)
		error = netlink_interface_add_address(&node->interface,
						      &node->config->addresses[i]);
	if (!error)
		error = netlink_interface_set_up(&node->interface, node->config->mtu);
	/* A LAN that uses the mesh's own prefix must not take its traffic. */
	for (size_t i = 0; i < node->config->address_count && !error; i++) {
		const struct prefix *address = &node->config->addresses[i];

		if (address->bits < family_bits(address->family))
			error = netlink_interface_prefer_route(&node->interface, address);
	}
	if (error)
		return fail(node, "%s", netlink_failure(node->netlink));
	return 0;
}

static int start_agent(struct node *node)
{
	struct agent_config config;
	struct agent_ops ops;

	fill_config(node, &config);
	node_agent_ops(node, &ops);
	node->agent = secret_new(sizeof(*node->agent));
	agent_init(node->agent, &config, &ops, node->aead, loop_now(node->loop));
	secret_wipe(&config, sizeof(config));
	node_update_mask(node);
	builtin_set_control(node->builtin, on_control, node);
	return 0;
}

static int take_lock(struct node *node)
{
	auto_free char *path = state_path(state_run_dir(), node->interface_name, ".lock");
	pid_t holder = 0;
	int error = state_make_folder(state_run_dir(), 0755);

	if (!error)
		error = state_make_folder(state_state_dir(), 0700);
	if (!error)
		error = state_lock_take(path, &node->lock, &holder);
	if (error == -EBUSY)
		return fail(node,
			    "another wayleave runs on %s (pid %d); `wayleave down -i %s` ends it",
			    node->interface_name, (int)holder, node->interface_name);
	if (error)
		return fail(node, "cannot lock %s: %s%s", path, strerror(-error),
			    error == -EACCES || error == -EPERM ? "; run as root" : "");
	return 0;
}

static int start_loop(struct node *node)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	int error;

	node->loop = loop_new();
	if (!node->loop)
		return fail(node, "cannot start the event loop: %s", strerror(errno));
	error = loop_on_signals(node->loop, signals, array_size(signals), on_signal, node);
	if (!error)
		error = netlink_open(&node->netlink);
	if (!error)
		error = resolve_new(node->loop, NULL, &node->resolve);
	if (error)
		return fail(node, "cannot start: %s", strerror(-error));
	return 0;
}

static int drop_privileges(struct node *node)
{
	const struct privilege_options options = {.role = PRIVILEGE_NODE,
						  .state = state_state_dir(),
						  .run = state_run_dir(),
						  .sockets = UAPI_FOLDER};
	char text[PRIVILEGE_TEXT_SIZE];

	if (privilege_drop(&options, text))
		return fail(node, "cannot give up privileges: %s", text);
	log_info("privileges interface=%s %s", node->interface_name, text);
	return 0;
}

static int start(struct node *node)
{
	int error;

	if (take_lock(node) || start_loop(node) || open_device(node) || set_up_interface(node) ||
	    start_agent(node))
		return -1;
	error = node_control_start(node);
	if (error)
		return fail(node, "cannot listen on the control socket in %s: %s", state_run_dir(),
			    strerror(-error));
	error = netlink_monitor_new(node->loop, on_network_change, node, &node->monitor);
	if (error)
		return fail(node, "cannot watch the network: %s", strerror(-error));
	if (drop_privileges(node))
		return -1;
	error = builtin_start_workers(node->builtin);
	if (error)
		return fail(node, "cannot start threads: %s", strerror(-error));
	node->tick_timer = (struct loop_timer){.on_timer = on_tick, .owner = node};
	node->ready_timer = (struct loop_timer){.on_timer = on_ready_timer, .owner = node};
	node_read_interfaces(node);
	if (node_hub_start(node))
		return fail(node, "the hub's key or addresses in the config cannot be used");
	load_map(node);
	loop_timer_set(node->loop, &node->ready_timer, loop_now(node->loop) + UP_PATIENCE);
	node_rearm(node);
	return 0;
}

static void stop(struct node *node)
{
	node_control_stop(node);
	if (node->monitor)
		netlink_monitor_free(node->monitor);
	if (node->hub.peer)
		node_hub_stop(node);
	if (node->agent) {
		/* Linked: the hub stands behind the map until now, and the file shall say so. */
		if (agent_is_unsaved(node->agent) || node->agent->is_linked)
			node_save_map(node);
		agent_done(node->agent);
		secret_free(node->agent, sizeof(*node->agent));
	}
	builtin_free(node->builtin);
	if (node->resolve)
		resolve_free(node->resolve);
	if (node->netlink)
		netlink_close(node->netlink);
	if (node->loop) {
		loop_timer_stop(node->loop, &node->tick_timer);
		loop_timer_stop(node->loop, &node->ready_timer);
		loop_free(node->loop);
	}
	aead_free(node->aead);
	state_lock_free(node->lock);
	free(node->map_path);
	free(node->port_path);
	free(node->stamp_path);
}

int node_run(const struct node_run_options *options)
{
	struct node node = {.config = options->config,
			    .interface_name = options->interface,
			    .daemon = options->daemon};

	privilege_keep_private();
	list_init(&node.pings);
	node.map_path = state_path(state_state_dir(), options->interface, ".map");
	node.port_path = state_path(state_state_dir(), options->interface, ".port");
	node.stamp_path = state_path(state_state_dir(), options->interface, ".stamp");
	node.aead = aead_new();
	if (start(&node)) {
		node.exit_code = 1;
	} else {
		loop_run(node.loop);
		log_info("end interface=%s", node.interface_name);
	}
	stop(&node);
	return node.exit_code;
}
