#include "device/builtin/builtin.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "device/builtin/builtin_private.h"
#include "port/port.h"

/* What the core asks for */

static void on_send(void *owner, struct wg_peer *peer, const struct address *to, const void *data,
		    size_t size)
{
	struct builtin *builtin = owner;

	port_send(builtin->port, to, data, size);
}

static void on_session_ready(void *owner, struct wg_peer *peer)
{
	transmit_staged(peer_of(peer));
}

static void on_handshake_completed(void *owner, struct wg_peer *peer)
{
	struct builtin *builtin = owner;
	int mtu = tun_mtu(builtin->workers[0].tun);

	/* Padding follows the interface when its MTU was changed. */
	if (mtu > 0 && (size_t)mtu != builtin->mtu) {
		workers_hold(builtin);
		builtin->mtu = (size_t)mtu;
		workers_release(builtin);
	}
	builtin_add_event(peer_of(peer), PENDING_HANDSHAKE);
}

static void on_endpoint_moved(void *owner, struct wg_peer *wg_peer, const struct address *from)
{
	struct builtin_peer *peer = peer_of(wg_peer);

	peer->from = *from;
	peer->has_moved = wg_peer->may_roam;
	builtin_add_event(peer, PENDING_ENDPOINT);
}

static void on_gave_up(void *owner, struct wg_peer *peer)
{
	transmit_forget(peer_of(peer), BUILTIN_DROP_STAGED_EXPIRED);
}

static void on_stamp(void *owner, usec_t now, uint8_t out[STAMP_SIZE])
{
	struct builtin *builtin = owner;
	usec_t mark;

	/* A mark that cannot be saved is no reason to be silent: the wall clock serves. */
	if (stamp_needs_mark(&builtin->stamp, now, &mark) && builtin->stamps.save)
		builtin->stamps.save(builtin->stamps.owner, mark);
	stamp_next(&builtin->stamp, now, out);
}

/* Events and timers */

void builtin_add_event(struct builtin_peer *peer, enum pending_event event)
{
	if (!peer->events)
		list_append(&peer->builtin->pending, &peer->pending);
	peer->events |= event;
}

/* The owner may remove this peer or any other from within. */
static void tell_events(struct builtin *builtin, struct builtin_peer *peer)
{
	const struct builtin_events *events = &builtin->events;
	unsigned event = peer->events & -peer->events;
	struct address from = peer->from;

	/* One at a time, so that a peer that is gone has none left. */
	peer->events &= ~event;
	if (!peer->events)
		list_remove(&peer->pending);
	if (event == PENDING_HANDSHAKE && events->on_handshake)
		events->on_handshake(events->owner, peer);
	if (event == PENDING_ENDPOINT && events->on_endpoint)
		events->on_endpoint(events->owner, peer, &from, peer->has_moved);
	if (event == PENDING_WANTED && events->on_wanted)
		events->on_wanted(events->owner, peer);
}

static void forget_keys(struct builtin *builtin)
{
	builtin->wg->has_ended_keys = false;
	workers_hold(builtin);
	for (unsigned i = 0; i < builtin->running; i++)
		aead_forget(builtin->workers[i].aead);
	workers_release(builtin);
}

void builtin_rearm(struct builtin *builtin)
{
	usec_t deadline = wg_deadline(builtin->wg);

	if (builtin->wg->has_ended_keys)
		forget_keys(builtin);
	if (deadline != builtin->timer.deadline)
		loop_timer_set(builtin->loop, &builtin->timer, deadline);
}

void builtin_settle(struct builtin *builtin)
{
	struct builtin_peer *peer;

	while ((peer = list_first(&builtin->pending, struct builtin_peer, pending)))
		tell_events(builtin, peer);
	builtin_rearm(builtin);
	if (!builtin->is_gone || builtin->has_told_gone)
		return;
	builtin->has_told_gone = true;
	if (builtin->events.on_gone)
		builtin->events.on_gone(builtin->events.owner);
}

void builtin_interface_gone(struct builtin *builtin)
{
	builtin->is_gone = true;
	loop_remove(&builtin->workers[0].source);
}

static void on_timer(void *owner, usec_t now)
{
	struct builtin *builtin = owner;

	wg_tick(builtin->wg, builtin->workers[0].aead, now);
	builtin_settle(builtin);
}

/* Life */

static void stamp_begin(struct builtin *builtin)
{
	const struct builtin_stamp_store *stamps = &builtin->stamps;
	struct timespec wall;
	uint64_t mark = 0;

	clock_gettime(CLOCK_REALTIME, &wall);
	if (stamps->load && stamps->load(stamps->owner, &mark))
		mark = 0;
	stamp_init(&builtin->stamp, loop_now(builtin->loop),
		   (usec_t)wall.tv_sec * USEC_PER_SEC + (usec_t)wall.tv_nsec / 1000, mark);
}

static void core_begin(struct builtin *builtin, const struct wg_limits *limits)
{
	const struct wg_ops ops = {
		.owner = builtin,
		.send = on_send,
		.session_ready = on_session_ready,
		.handshake_completed = on_handshake_completed,
		.endpoint_moved = on_endpoint_moved,
		.handshake_gave_up = on_gave_up,
		.stamp = on_stamp,
		.random = &random_system,
		.hold = workers_hold,
		.release = workers_release,
	};

	builtin->wg = secret_new(sizeof(*builtin->wg));
	wg_init(builtin->wg, &ops, limits);
	allowedips_give_memory(&builtin->wg->allowed,
			       new_array(struct allowedips_node, ALLOWED_NODES_FIRST),
			       ALLOWED_NODES_FIRST);
}

void worker_begin(struct worker *worker)
{
	bool has_header = tun_has_vnet_header(worker->tun);
	const struct coalesce_sink sink = {worker, receive_write};

	worker->aead = aead_new();
	worker->read_room = new_array(uint8_t, TUN_PACKET_MAX);
	worker->run = (struct run){.room = new_array(uint8_t, RUN_SIZE_MAX)};
	coalesce_init(&worker->coalesce, has_header, has_header && tun_has_udp_gso(worker->tun),
		      &sink);
}

void worker_end(struct worker *worker)
{
	tun_close(worker->tun);
	aead_free(worker->aead);
	free(worker->read_room);
	free(worker->run.room);
	worker->tun = NULL;
	worker->aead = NULL;
	worker->read_room = worker->run.room = NULL;
}

static int open_interface(struct builtin *builtin, const struct builtin_options *options)
{
	const struct tun_options tun_options = {
		.name = options->interface,
		.mtu = (unsigned int)builtin->mtu,
		.without_vnet_header = options->without_vnet_header,
		.without_udp_gso = options->without_udp_gso,
		.is_multi_queue = builtin->load.workers_max > 1 || options->workers > 1,
	};

	int mtu, result = options->tun_fd ? tun_adopt(options->tun_fd, &builtin->workers[0].tun)
					  : tun_open(&tun_options, &builtin->workers[0].tun);

	if (!result && options->tun_fd && (mtu = tun_mtu(builtin->workers[0].tun)) > 0)
		builtin->mtu = (size_t)mtu;
	return result;
}

static int open_port(struct builtin *builtin, const struct builtin_options *options)
{
	const struct port_options port_options = {
		.listen_port = options->listen_port,
		.fwmark = options->fwmark,
		.without_gso = options->without_gso,
		.without_gro = options->without_gro,
	};

	return port_new(builtin->loop, &port_options, &builtin->port);
}

static int watch_interface(struct builtin *builtin)
{
	builtin->workers[0].source = (struct loop_source){.fd = tun_fd(builtin->workers[0].tun),
							  .events = EPOLLIN,
							  .on_event = transmit_readable,
							  .owner = &builtin->workers[0]};
	return loop_add(builtin->loop, &builtin->workers[0].source);
}

/* How many there may come to be under load. */
static unsigned workers_limit(const struct builtin_options *options)
{
	unsigned processors = workers_processors();

	if (options->workers || options->tun_fd)
		return 1;
	return processors < BUILTIN_WORKERS_MAX ? processors : BUILTIN_WORKERS_MAX;
}

static int attach_workers(struct builtin *builtin, unsigned count)
{
	int result = 0;

	while (!result && builtin->running < count)
		result = workers_attach(builtin);
	return result;
}

int builtin_new(struct loop *loop, const struct builtin_options *options,
		const struct builtin_events *events, struct builtin **ret_builtin)
{
	struct builtin *builtin;
	int result;

	if (options->mtu > BUILTIN_MTU_MAX || options->local_count > BUILTIN_LOCAL_MAX ||
	    options->workers > (options->tun_fd ? 1 : BUILTIN_WORKERS_MAX))
		return -EINVAL;
	builtin = new (struct builtin);
	for (size_t i = 0; i < options->local_count; i++)
		builtin->local[builtin->local_count++] = options->local[i];
	builtin->loop = loop;
	builtin->mtu = options->mtu ? options->mtu : BUILTIN_MTU_DEFAULT;
	builtin->events = *events;
	if (options->stamps)
		builtin->stamps = *options->stamps;
	builtin->timer = (struct loop_timer){.on_timer = on_timer, .owner = builtin};
	list_init(&builtin->pending);
	workers_init(builtin);
	builtin->load.workers_max = workers_limit(options);
	core_begin(builtin, options->limits);
	stamp_begin(builtin);
	stage_pool_init(&builtin->stage_pool, builtin->mtu, STAGE_SLOTS);
	result = open_interface(builtin, options);
	if (!result)
		result = open_port(builtin, options);
	if (!result)
		result = watch_interface(builtin);
	if (!result) {
		worker_begin(&builtin->workers[0]);
		builtin->workers[0].loop = loop;
		builtin->workers[0].lane = port_lane(builtin->port);
		builtin_set_control(builtin, NULL, NULL);
		builtin->workers_wanted = options->workers;
	}
	if (result) {
		builtin_free(builtin);
		return result;
	}
	*ret_builtin = builtin;
	return 0;
}

void builtin_free(struct builtin *builtin)
{
	struct builtin_peer *peer;

	if (!builtin)
		return;
	workers_done(builtin);
	while ((peer = builtin_peer_next(builtin, NULL)))
		builtin_peer_remove(peer);
	loop_timer_stop(builtin->loop, &builtin->timer);
	loop_remove(&builtin->workers[0].source);
	port_free(builtin->port);
	worker_end(&builtin->workers[0]);
	stage_pool_done(&builtin->stage_pool);
	free(builtin->wg->allowed.nodes);
	wg_done(builtin->wg);
	secret_free(builtin->wg, sizeof(*builtin->wg));
	free(builtin);
}

/* Settings and status */

int builtin_start_workers(struct builtin *builtin)
{
	return attach_workers(builtin, builtin->workers_wanted);
}

const char *builtin_interface(const struct builtin *builtin)
{
	return tun_name(builtin->workers[0].tun);
}

struct port *builtin_port(struct builtin *builtin)
{
	return builtin->port;
}

int builtin_set_listen_port(struct builtin *builtin, uint16_t listen_port)
{
	unsigned count = builtin->running;
	int result;

	if (listen_port == port_number(builtin->port))
		return 0;
	while (builtin->running > 1)
		workers_detach(builtin);
	result = port_set_number(builtin->port, listen_port);
	/* Without them it goes on more slowly. */
	attach_workers(builtin, count);
	builtin_settle(builtin);
	return result;
}

static void on_control(void *owner, usec_t now, struct port_packet *packet)
{
	struct builtin *builtin = owner;

	builtin->on_control(builtin->control_owner, now, packet);
}

void builtin_set_control(struct builtin *builtin,
			 void (*handler)(void *owner, usec_t now, struct port_packet *packet),
			 void *owner)
{
	const struct port_handlers handlers = {
		.owner = builtin,
		.on_data = receive_data,
		.on_handshake = receive_handshake,
		.on_control = handler ? on_control : NULL,
	};

	builtin->on_control = handler;
	builtin->control_owner = owner;
	port_set_handlers(builtin->port, &handlers);
}

void builtin_set_private_key(struct builtin *builtin, const struct key *private_key)
{
	wg_set_private_key(builtin->wg, builtin->workers[0].aead, private_key);
	builtin_rearm(builtin);
}

bool builtin_has_private_key(const struct builtin *builtin)
{
	return builtin->wg->identity.is_set;
}

void builtin_get_private_key(const struct builtin *builtin, struct key *ret_private_key)
{
	*ret_private_key = builtin->wg->identity.private_key;
}

void builtin_get_public_key(const struct builtin *builtin, struct key *ret_public_key)
{
	*ret_public_key = builtin->wg->identity.public_key;
}

static void add_counters(struct builtin_counters *sum, const struct builtin_counters *counters)
{
	uint64_t *into = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)counters;

	_Static_assert(sizeof(*sum) % sizeof(uint64_t) == 0, "nothing but counts");
	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		into[i] += from[i];
}

void builtin_get_counters(struct builtin *builtin, struct builtin_counters *ret_counters)
{
	const struct wg *wg = builtin->wg;

	*ret_counters = (struct builtin_counters){0};
	workers_hold(builtin);
	for (unsigned i = 0; i < BUILTIN_WORKERS_MAX; i++)
		add_counters(ret_counters, &builtin->workers[i].counters);
	workers_release(builtin);
	ret_counters->workers = builtin->running;
	ret_counters->keepalives_received = wg->keepalives_received;
	ret_counters->handshakes_sent = wg->handshakes_sent;
	ret_counters->handshakes_completed = wg->handshakes_completed;
	ret_counters->cookies_sent = wg->cookies_sent;
	for (unsigned i = 1; i < WG_DROP_COUNT; i++)
		ret_counters->drops[BUILTIN_DROP_WG + i - 1] += wg->drops[i];
}

void builtin_get_port_counters(struct builtin *builtin, struct port_counters *ret_counters)
{
	workers_hold(builtin);
	port_get_counters(builtin->port, ret_counters);
	workers_release(builtin);
}

const char *builtin_drop_name(unsigned drop)
{
	static const char *const names[BUILTIN_DROP_WG] = {
		[BUILTIN_DROP_TUN_MALFORMED] = "tun-malformed",
		[BUILTIN_DROP_TUN_TOO_BIG] = "tun-too-big",
		[BUILTIN_DROP_TUN_NO_PEER] = "tun-no-peer",
		[BUILTIN_DROP_TUN_NO_ENDPOINT] = "tun-no-endpoint",
		[BUILTIN_DROP_TUN_NO_KEY] = "tun-no-key",
		[BUILTIN_DROP_STAGED_OLDEST] = "staged-oldest",
		[BUILTIN_DROP_STAGED_FULL] = "staged-full",
		[BUILTIN_DROP_STAGED_EXPIRED] = "staged-expired",
		[BUILTIN_DROP_MAIL_FULL] = "worker-mail-full",
		[BUILTIN_DROP_RX_FOREIGN] = "rx-foreign",
		[BUILTIN_DROP_TUN_REFUSED] = "tun-refused",
	};

	if (drop >= BUILTIN_DROP_COUNT)
		return "unknown";
	return drop < BUILTIN_DROP_WG ? names[drop] : wg_drop_name(drop - BUILTIN_DROP_WG + 1);
}
