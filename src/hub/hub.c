#include "hub/hub.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "hub/hub_private.h"
#include "proto/mask/mask.h"
#include "sys/privilege/privilege.h"
#include "sys/state/files.h"

#define STAMP_FILE_MAX 64

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int fail(const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_error("hub error=\"%s\"", text);
	return -1;
}

void hub_rearm(struct hub *hub)
{
	loop_timer_set(hub->loop, &hub->tick_timer, rendezvous_deadline(hub->rendezvous));
}

static void on_tick(void *owner, usec_t now)
{
	struct hub *hub = owner;

	rendezvous_tick(hub->rendezvous, now);
	hub_rearm(hub);
}

static void on_signal(void *owner, int signal)
{
	struct hub *hub = owner;

	log_info("signal signal=%s", strsignal(signal));
	loop_stop(hub->loop);
}

/* ---- the rendezvous' effects ---- */

static struct rendezvous_node *node_new(void *owner)
{
	struct hub_node *node = secret_new(sizeof(*node));

	(void)owner;
	return &node->node;
}

static void node_free(void *owner, struct rendezvous_node *node)
{
	struct hub_node *member = container_of(node, struct hub_node, node);

	links_forget(owner, member);
	if (member->device)
		builtin_peer_remove(member->device);
	secret_free(member, sizeof(*member));
}

static void send_message(void *owner, struct rendezvous_node *node, const void *data, size_t size)
{
	links_send(owner, node, data, size);
}

static void close_link(void *owner, struct rendezvous_node *node)
{
	struct hub *hub = owner;

	links_close(hub, node);
	rendezvous_link_down(hub->rendezvous, loop_now(hub->loop), node);
}

/* Maps hold the site secret. */
static void room_free(struct hub *hub)
{
	if (hub->room)
		secret_wipe(hub->room, hub->room_size);
	free(take(hub->room));
}

static uint8_t *room(void *owner, size_t size)
{
	struct hub *hub = owner;

	if (size > hub->room_size) {
		room_free(hub);
		hub->room = memory_new(size);
		hub->room_size = size;
	}
	return hub->room;
}

static void notice(void *owner, enum rendezvous_notice what, struct rendezvous_node *node,
		   const char *text)
{
	char address[ADDRESS_TEXT_SIZE];

	(void)owner;
	switch (what) {
	case RENDEZVOUS_ONLINE:
		log_info("online peer=%s", node->record.name);
		break;
	case RENDEZVOUS_OFFLINE:
		log_info("offline peer=%s", node->record.name);
		break;
	case RENDEZVOUS_OBSERVED:
		log_info("endpoint peer=%s endpoint=%s", node->record.name,
			 address_print(&node->observed, address));
		break;
	case RENDEZVOUS_APPOINTMENT:
		log_debug("appointment peer=%s with=%s", node->record.name, text);
		break;
	case RENDEZVOUS_MALFORMED:
		log_warn("link-closed peer=%s reason=\"malformed message\"", node->record.name);
		break;
	case RENDEZVOUS_SILENT:
		log_warn("link-closed peer=%s reason=\"no answer\"", node->record.name);
		break;
	}
}

/* ---- the device's events ---- */

static void on_handshake(void *owner, struct builtin_peer *device)
{
	members_observe(owner, device);
}

static void on_endpoint(void *owner, struct builtin_peer *device, const struct address *from,
			bool has_moved)
{
	(void)from;
	if (has_moved)
		members_observe(owner, device);
}

static void on_gone(void *owner)
{
	struct hub *hub = owner;

	fail("interface %s is gone; somebody deleted it", hub->options->interface);
	hub->exit_code = 1;
	loop_stop(hub->loop);
}

static void on_control(void *owner, usec_t now, struct port_packet *packet)
{
	admission_receive(owner, now, packet);
}

/* ---- requests of the operator ---- */

static void on_change(struct hub *hub, const struct admin_change *change)
{
	struct store_node stored;

	switch (change->kind) {
	case ADMIN_NO_CHANGE:
		return;
	case ADMIN_ADDED:
		if (store_get(hub->store, &change->key, &stored) != STORE_OK ||
		    members_add(hub, &stored))
			log_error("member-not-added error=\"%s\"", store_problem(hub->store));
		else
			log_info("member-added peer=%s", stored.name);
		return;
	case ADMIN_REMOVED:
		members_remove(hub, &change->key);
		return;
	case ADMIN_RENAMED:
		if (store_get(hub->store, &change->key, &stored) == STORE_OK)
			members_rename(hub, &change->key, stored.name);
		return;
	}
}

static void on_request(void *owner, const char *request, size_t size, struct ctl_reply *reply)
{
	struct hub *hub = owner;
	struct admin_change change = {0};
	char *answer;

	(void)size;
	answer = hub_is_status_request(request)
			 ? hub_status(hub)
			 : admin_handle(hub->admin, request, ctl_reply_is_root(reply), time(NULL),
					&change);
	/* The registry has it; now the network. */
	on_change(hub, &change);
	ctl_reply_send(reply, answer);
	ctl_reply_end(reply);
	secret_wipe(answer, strlen(answer));
	free(answer);
}

static void on_wg_refused(void *owner, const char *asked)
{
	const struct hub *hub = owner;
	const char *interface = hub->options->interface;

	log_warn(
		"wg-refused interface=%s asked=\"%s\" reason=\"`wayleave hub` owns the peers of "
		"%s\" remedy=\"nodes change with `wayleave hub node`, the hub itself in hub.conf\"",
		interface, asked, interface);
}

/* ---- start and stop ---- */

/* A hub without it is as good; only wg(8) does not see it. */
static void start_uapi(struct hub *hub)
{
	const struct serve_options options = {
		.builtin = hub->builtin, .on_refused = on_wg_refused, .owner = hub};
	int error = serve_new(hub->loop, &options, &hub->uapi);

	if (error)
		log_warn("wg-cannot-look interface=%s socket=" UAPI_FOLDER "/%s.sock error=\"%s\"",
			 hub->options->interface, hub->options->interface, strerror(-error));
}

static int open_store(struct hub *hub)
{
	char problem[STORE_PROBLEM_SIZE];
	enum store_result result;
	pid_t holder = 0;
	int error = state_lock_take(hub->options->lock, &hub->lock, &holder);

	if (error == -EBUSY)
		return fail("another hub or an administrator uses %s (pid %d)",
			    hub->options->database, (int)holder);
	if (error)
		return fail("cannot lock %s: %s", hub->options->lock, strerror(-error));
	result = store_open(hub->options->database, &hub->store, problem);
	if (result != STORE_OK)
		return fail("%s", problem);
	store_reserve_name(hub->store, hub->options->config->name);
	result = store_set_pools(hub->store, hub->options->config->addresses,
				 hub->options->config->address_count, time(NULL));
	return result == STORE_OK ? 0 : fail("%s", store_problem(hub->store));
}

/* Its greetings count at the nodes also after a start with a wrong clock (security 25). */
static int stamp_load(void *owner, uint64_t *ret_mark)
{
	auto_free char *path = state_path(state_state_dir(), "hub", ".stamp");
	auto_buffer struct buffer text = {0};
	int error = state_read_file(path, STAMP_FILE_MAX, &text);

	(void)owner;
	return error ? error : text_to_u64(text_trim(text.data), UINT64_MAX, ret_mark);
}

static int stamp_save(void *owner, uint64_t mark)
{
	auto_free char *path = state_path(state_state_dir(), "hub", ".stamp");
	auto_free char *text = memory_print("%llu\n", (unsigned long long)mark);
	int error = state_write_file(path, text, strlen(text), 0600);

	(void)owner;
	if (error)
		log_warn("stamp-not-saved error=\"%s\"", strerror(-error));
	return error;
}

static int open_device(struct hub *hub)
{
	static const struct builtin_stamp_store stamps = {.load = stamp_load, .save = stamp_save};
	const struct builtin_events events = {.owner = hub,
					      .on_handshake = on_handshake,
					      .on_endpoint = on_endpoint,
					      .on_gone = on_gone};
	struct builtin_options options = {
		.interface = hub->options->interface,
		.mtu = hub->options->config->mtu,
		.workers = hub->options->config->workers,
		.listen_port = hub->options->config->listen_port,
		/* The hub forwards nothing between nodes (security 15). */
		.local = hub->options->config->addresses,
		.local_count = hub->options->config->address_count,
		.stamps = &stamps};
	int error;

	if (builtin_options_without(&options))
		return fail(BUILTIN_WITHOUT " takes " BUILTIN_WITHOUT_WORDS);
	error = builtin_new(hub->loop, &options, &events, &hub->builtin);
	switch (-error) {
	case 0:
		break;
	case EBUSY:
	case EEXIST:
		return fail("interface %s exists and is not ours; choose another with -i",
			    options.interface);
	case ENOENT:
	case ENODEV:
		return fail("no /dev/net/tun here; load the tun module or give the container the "
			    "device");
	case EPERM:
	case EACCES:
		return fail("not allowed to create interface %s; run as root", options.interface);
	case EADDRINUSE:
		return fail("UDP port %u is in use; change ListenPort in hub.conf",
			    options.listen_port);
	default:
		return fail("cannot create interface %s: %s", options.interface, strerror(-error));
	}
	builtin_set_private_key(hub->builtin, &hub->options->config->private_key);
	return 0;
}

static int set_up_interface(struct hub *hub)
{
	const struct hub_config *config = hub->options->config;
	int error = netlink_interface_claim(hub->netlink, hub->options->interface, &hub->interface);

	for (size_t i = 0; i < config->address_count && !error; i++)
		error = netlink_interface_add_address(&hub->interface, &config->addresses[i]);
	if (!error)
		error = netlink_interface_set_up(&hub->interface, config->mtu);
	return error ? fail("%s", netlink_failure(hub->netlink)) : 0;
}

static void start_rendezvous(struct hub *hub)
{
	const struct store_network *network = store_network(hub->store);
	struct rendezvous_config config = {.has_appointments = hub->options->config->appointments};
	const struct rendezvous_ops ops = {.owner = hub,
					   .node_new = node_new,
					   .node_free = node_free,
					   .send = send_message,
					   .close = close_link,
					   .room = room,
					   .notice = notice,
					   .random = &random_system};
	struct map_header *header = &config.header;

	memcpy(header->network_id, network->id, sizeof(header->network_id));
	header->incarnation = network->incarnation;
	header->revision = store_revision(hub->store);
	header->issued = (uint64_t)time(NULL);
	memcpy(header->site_secret, network->site_secret, sizeof(header->site_secret));
	text_copy(header->hub_name, sizeof(header->hub_name), hub->options->config->name);
	memcpy(header->hub_addresses, network->pools, sizeof(network->pools));
	header->hub_address_count = network->pool_count;
	hub->rendezvous = secret_new(sizeof(*hub->rendezvous));
	rendezvous_init(hub->rendezvous, &config, &ops);
	secret_wipe(&config, sizeof(config));
}

static void start_crypto(struct hub *hub)
{
	const struct store_network *network = store_network(hub->store);
	usec_t now = loop_now(hub->loop);
	struct mask_key mask;

	hub->identity = secret_new(sizeof(*hub->identity));
	pair_identity_init(hub->identity, &hub->options->config->private_key, network->id,
			   network->site_secret, now, &random_system);
	hub->enrol = secret_new(sizeof(*hub->enrol));
	enrol_server_init(hub->enrol, &hub->identity->private_key, network->id,
			  network->site_secret, hub->aead, &random_system, now);
	mask_key_derive(&hub->identity->public_key, network->site_secret, MASK_TO_LISTENER, &mask);
	port_set_mask(builtin_port(hub->builtin), &mask);
	secret_wipe(&mask, sizeof(mask));
	builtin_set_control(hub->builtin, on_control, hub);
}

static int start_loop(struct hub *hub)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	int error;

	hub->loop = loop_new();
	if (!hub->loop)
		return fail("cannot start the event loop: %s", strerror(errno));
	error = loop_on_signals(hub->loop, signals, array_size(signals), on_signal, hub);
	if (!error)
		error = netlink_open(&hub->netlink);
	return error ? fail("cannot start: %s", strerror(-error)) : 0;
}

static int drop_privileges(const struct hub *hub)
{
	const struct privilege_options options = {.role = PRIVILEGE_HUB,
						  .state = state_state_dir(),
						  .run = state_run_dir(),
						  .sockets = UAPI_FOLDER};
	char text[PRIVILEGE_TEXT_SIZE];

	if (privilege_drop(&options, text))
		return fail("cannot give up privileges: %s", text);
	log_info("privileges interface=%s %s", hub->options->interface, text);
	return 0;
}

static int start(struct hub *hub)
{
	int error;

	if (open_store(hub) || start_loop(hub) || open_device(hub) || set_up_interface(hub))
		return -1;
	hub->tick_timer = (struct loop_timer){.on_timer = on_tick, .owner = hub};
	start_rendezvous(hub);
	start_crypto(hub);
	if (members_load(hub))
		return -1;
	error = links_listen(hub);
	if (error)
		return fail("cannot listen on %s port %d: %s", hub->options->interface,
			    HUB_CONTROL_PORT, strerror(-error));
	hub->admin = admin_new(hub->store, hub->options->config);
	error = ctl_listen(hub->loop, hub->options->socket, on_request, hub, &hub->ctl);
	if (error)
		return fail("cannot listen on %s: %s", hub->options->socket, strerror(-error));
	start_uapi(hub);
	hub_rearm(hub);
	if (drop_privileges(hub))
		return -1;
	error = builtin_start_workers(hub->builtin);
	return error ? fail("cannot start threads: %s", strerror(-error)) : 0;
}

static void stop(struct hub *hub)
{
	if (hub->ctl)
		ctl_server_free(hub->ctl);
	serve_free(hub->uapi);
	admin_free(hub->admin);
	links_stop(hub);
	if (hub->rendezvous) {
		loop_timer_stop(hub->loop, &hub->tick_timer);
		rendezvous_done(hub->rendezvous);
		secret_free(hub->rendezvous, sizeof(*hub->rendezvous));
	}
	builtin_free(hub->builtin);
	if (hub->enrol) {
		enrol_server_done(hub->enrol);
		secret_free(hub->enrol, sizeof(*hub->enrol));
	}
	if (hub->identity) {
		pair_identity_wipe(hub->identity);
		secret_free(hub->identity, sizeof(*hub->identity));
	}
	if (hub->netlink)
		netlink_close(hub->netlink);
	if (hub->loop)
		loop_free(hub->loop);
	store_close(hub->store);
	state_lock_free(hub->lock);
	aead_free(hub->aead);
	room_free(hub);
}

int hub_run(const struct hub_run_options *options)
{
	struct hub hub = {.options = options};
	char key[KEY_TEXT_SIZE];

	privilege_keep_private();
	list_init(&hub.links);
	hub.aead = aead_new();
	if (start(&hub)) {
		hub.exit_code = 1;
	} else {
		key_print(&hub.identity->public_key, key);
		log_info("hub-ready interface=%s port=%u key=%s", options->interface,
			 port_number(builtin_port(hub.builtin)), key);
		loop_run(hub.loop);
		log_info("end interface=%s", options->interface);
	}
	stop(&hub);
	return hub.exit_code;
}
