/* From the interface to the network: read, cut, route, gather runs, seal, send. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "device/builtin/builtin_private.h"
#include "device/builtin/split.h"
#include "port/port.h"

static void note_wanted(struct builtin_peer *peer, usec_t now)
{
	if (peer->wanted_at && usec_since(now, peer->wanted_at) < WANTED_INTERVAL)
		return;
	peer->wanted_at = now;
	builtin_add_event(peer, PENDING_WANTED);
}

static void stage_packet(struct builtin_peer *peer, const uint8_t *packet, size_t size)
{
	struct builtin *builtin = peer->builtin;
	size_t limit = stage_limit(&builtin->stage_pool, BUILTIN_STAGED_MAX);
	uint8_t *room = NULL;

	switch (stage_put(&builtin->stage_pool, &peer->stage, limit, size, &room)) {
	case STAGE_KEPT:
		break;
	case STAGE_KEPT_FOR_OLDEST:
		count_drops(&builtin->workers[0], BUILTIN_DROP_STAGED_OLDEST, 1);
		break;
	case STAGE_TOO_BIG:
		count_drops(&builtin->workers[0], BUILTIN_DROP_TUN_TOO_BIG, 1);
		return;
	case STAGE_FULL:
		count_drops(&builtin->workers[0], BUILTIN_DROP_STAGED_FULL, 1);
		return;
	}
	memcpy(room, packet, size);
}

static void forget_old(struct builtin_peer *peer, usec_t now)
{
	if (usec_since(now, peer->staged_at) > STAGED_TIME_MAX)
		transmit_forget(peer, BUILTIN_DROP_STAGED_EXPIRED);
}

/* No session or no endpoint: the packets wait, if something can come of it. */
static void run_stage(struct builtin_peer *peer, const struct run *run, usec_t now)
{
	struct builtin *builtin = peer->builtin;

	if (!builtin->wg->identity.is_set) {
		count_drops(&builtin->workers[0], BUILTIN_DROP_TUN_NO_KEY, run->count);
		return;
	}
	if (peer->wg.endpoint.family == FAMILY_NONE && !builtin->events.on_wanted) {
		count_drops(&builtin->workers[0], BUILTIN_DROP_TUN_NO_ENDPOINT, run->count);
		return;
	}
	forget_old(peer, now);
	for (size_t i = 0; i < run->count; i++)
		stage_packet(peer, run_packet(run, i), run->sizes[i]);
	peer->staged_at = now;
	note_wanted(peer, now);
}

static void run_seal(struct worker *worker, const struct wg_run *reserved)
{
	struct run *run = &worker->run;

	for (unsigned i = 0; i < run->count; i++) {
		uint8_t *packet = run_packet(run, i);

		wg_seal(reserved, worker->aead, i, packet, run->sizes[i], worker->builtin->mtu,
			packet - WG_DATA_HEADER_SIZE);
	}
}

static bool run_reserve(struct worker *worker, usec_t now, struct wg_run *ret_run)
{
	struct wg_peer *peer = worker->run.peer;
	unsigned count = (unsigned)worker->run.count;

	/* There may be a session without an endpoint: the other side began it, and the owner is
	 * about to say where. */
	if (!worker->number)
		return wg_send_begin(peer, worker->aead, now, count, ret_run) &&
		       peer->endpoint.family != FAMILY_NONE;
	/* What went to worker 0 goes first. */
	return peer->endpoint.family != FAMILY_NONE && !workers_has_mailed(worker, peer) &&
	       wg_send_reserve(peer, now, count, ret_run);
}

static void run_send(struct worker *worker, usec_t now, const struct wg_run *reserved)
{
	struct run *run = &worker->run;

	run_seal(worker, reserved);
	port_lane_send_run(worker->lane, &run->peer->endpoint, run->room, run->used, run->stride);
	if (!worker->number)
		wg_sent(run->peer, worker->aead, now, run->used, true);
	else
		wg_tally_sent(&workers_note(worker, run->peer)->tally, run->used);
	worker->counters.runs++;
	worker->counters.run_packets += run->count;
}

static void run_mail(struct worker *worker)
{
	const struct run *run = &worker->run;

	for (size_t i = 0; i < run->count; i++)
		workers_mail_packet(worker, run->peer, run_packet(run, i), run->sizes[i]);
}

static void run_flush(struct worker *worker)
{
	struct run *run = &worker->run;
	usec_t now = loop_now(worker->loop);
	struct wg_run reserved;

	if (!run->count)
		return;
	if (run_reserve(worker, now, &reserved))
		run_send(worker, now, &reserved);
	else if (worker->number)
		run_mail(worker);
	else
		run_stage(peer_of(run->peer), run, now);
	run_clear(run);
}

/* Room in the worker's run for a packet of this size, NULL when it is too big to be sent at all. */
static uint8_t *run_room(struct worker *worker, struct wg_peer *peer, size_t size)
{
	struct builtin *builtin = worker->builtin;

	if (!run_may_add(&worker->run, peer, size, builtin->mtu))
		run_flush(worker);
	if (run_may_add(&worker->run, peer, size, builtin->mtu))
		return run_add(&worker->run, peer, size, builtin->mtu);
	count_drops(worker, BUILTIN_DROP_TUN_TOO_BIG, 1);
	return NULL;
}

/* What went to worker 0 goes first: once there is a session, that is waited for. */
static struct wg_peer *route(struct worker *worker, size_t size)
{
	const struct wg *wg = worker->builtin->wg;
	struct wg_peer *peer = wg_route(wg, worker->read_room, size);

	if (!worker->number || !peer || !workers_has_mailed(worker, peer) ||
	    !wg_peer_has_session(peer, loop_now(worker->loop)))
		return peer;
	run_flush(worker);
	workers_ask(worker);
	return wg_route(wg, worker->read_room, size);
}

static void transmit_packet(struct worker *worker, const struct tun_header *header, size_t size)
{
	struct wg_peer *peer;
	struct split split;

	if (!split_begin(&split, header, worker->read_room, size)) {
		count_drops(worker, BUILTIN_DROP_TUN_MALFORMED, 1);
		return;
	}
	worker->counters.tun_read_packets += split.count;
	peer = route(worker, size);
	if (!peer) {
		count_drops(worker, BUILTIN_DROP_TUN_NO_PEER, split.count);
		return;
	}
	for (size_t i = 0; i < split.count; i++) {
		uint8_t *room = run_room(worker, peer, split_size(&split, i));

		if (room)
			split_write(&split, i, room);
	}
}

ssize_t transmit_turn(struct worker *worker)
{
	const int reads_max = worker->number ? TUN_READS_PER_BATCH : TUN_READS_PER_TURN;
	const ssize_t bytes_max = worker->number ? TUN_BYTES_PER_BATCH : TUN_BYTES_PER_TURN;
	struct tun_header header;
	ssize_t size = 0, total = 0;

	for (int i = 0; i < reads_max && total < bytes_max; i++) {
		size = tun_read(worker->tun, &header, worker->read_room, TUN_PACKET_MAX);
		if (size <= 0)
			break;
		total += size;
		worker->counters.tun_reads++;
		transmit_packet(worker, &header, (size_t)size);
	}
	run_flush(worker);
	return size;
}

void transmit_readable(void *owner, uint32_t events)
{
	struct worker *worker = owner;
	struct builtin *builtin = worker->builtin;

	if (transmit_turn(worker) == -EBADFD || events & (EPOLLERR | EPOLLHUP))
		builtin_interface_gone(builtin);
	load_look(builtin, loop_now(builtin->loop));
	builtin_settle(builtin);
}

void transmit_mailed(struct builtin *builtin, const uint8_t *packet, size_t size)
{
	struct worker *worker = &builtin->workers[0];
	struct wg_peer *peer = wg_route(builtin->wg, packet, size);
	uint8_t *room;

	if (!peer) {
		count_drops(worker, BUILTIN_DROP_TUN_NO_PEER, 1);
		return;
	}
	room = run_room(worker, peer, size);
	if (room)
		memcpy(room, packet, size);
}

void transmit_flush(struct builtin *builtin)
{
	run_flush(&builtin->workers[0]);
}

void transmit_staged(struct builtin_peer *peer)
{
	struct builtin *builtin = peer->builtin;
	struct worker *worker = &builtin->workers[0];
	const uint8_t *packet;
	size_t size;

	forget_old(peer, loop_now(builtin->loop));
	if (peer->wg.endpoint.family == FAMILY_NONE)
		return;
	for (size_t left = peer->stage.count; left > 0; left--) {
		packet = stage_first(&builtin->stage_pool, &peer->stage, &size);
		if (!run_may_add(&worker->run, &peer->wg, size, builtin->mtu))
			run_flush(worker);
		/* The session ended already, and the run was staged again behind this packet. */
		if (peer->stage.count != left)
			return;
		memcpy(run_add(&worker->run, &peer->wg, size, builtin->mtu), packet, size);
		stage_drop_first(&builtin->stage_pool, &peer->stage);
	}
	run_flush(worker);
}

void transmit_forget(struct builtin_peer *peer, enum builtin_drop drop)
{
	struct builtin *builtin = peer->builtin;

	count_drops(&builtin->workers[0], drop, stage_clear(&builtin->stage_pool, &peer->stage));
}
