#include "device/builtin/workers.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "device/builtin/builtin_private.h"
#include "port/port.h"

/* Each box of a worker's mail: some 600 handshakes, or 85 packets of the usual size. */
#define MAIL_SIZE     (128 * 1024)
/* What workers did to a peer's timers and counts is known to worker 0 after this long; all timers
 * of WireGuard are a hundred times longer. */
#define FOLD_INTERVAL (20 * USEC_PER_MSEC)

/* What waits in a queue that is given up is read: the 500 packets that a TUN queue holds, twice
 * over. Without a bound a busy flow, which the kernel leaves on its queue, would be read for ever.
 */
#define DRAIN_TURNS   8

/* The lock */

unsigned workers_processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

void workers_hold(void *owner)
{
	struct builtin *builtin = owner;

	if (builtin->holds++ == 0 && builtin->running > 1)
		pthread_rwlock_wrlock(&builtin->batches);
}

void workers_release(void *owner)
{
	struct builtin *builtin = owner;

	if (--builtin->holds == 0 && builtin->running > 1)
		pthread_rwlock_unlock(&builtin->batches);
}

static void answer(struct builtin *builtin);

static enum bell bell_for(const struct worker *worker)
{
	if (worker->asked > worker->heard || !mail_is_empty(&worker->mail))
		return BELL_NOW;
	return list_is_empty(&worker->notes) ? BELL_SILENT : BELL_SOON;
}

static void begin_batch(void *owner)
{
	struct worker *worker = owner;

	pthread_rwlock_rdlock(&worker->builtin->batches);
}

static void end_batch(void *owner)
{
	struct worker *worker = owner;
	struct builtin *builtin = worker->builtin;
	enum bell bell = bell_for(worker);
	bool is_ringing = bell > worker->rung;

	if (is_ringing)
		worker->rung = bell;
	pthread_rwlock_unlock(&builtin->batches);
	/* Fails only when it was rung 2^64 - 2 times, and then it is heard anyway. */
	if (is_ringing && eventfd_write(builtin->bell.fd, 1))
		return;
}

static void wait_for_answer(struct worker *worker, uint64_t question)
{
	struct builtin *builtin = worker->builtin;

	pthread_mutex_lock(&builtin->answers);
	while (worker->answered < question &&
	       !atomic_load_explicit(&worker->is_stopping, memory_order_acquire))
		pthread_cond_wait(&builtin->answered, &builtin->answers);
	pthread_mutex_unlock(&builtin->answers);
}

void workers_ask(struct worker *worker)
{
	uint64_t question = ++worker->asked;

	end_batch(worker);
	if (worker->is_driven)
		answer(worker->builtin);
	else
		wait_for_answer(worker, question);
	begin_batch(worker);
}

/* What a worker leaves behind */

struct note *workers_note(struct worker *worker, struct wg_peer *peer)
{
	struct note *note = &peer_of(peer)->notes[worker->number - 1];

	if (list_is_empty(&note->entry))
		list_append(&worker->notes, &note->entry);
	return note;
}

bool workers_has_mailed(const struct worker *worker, const struct wg_peer *peer)
{
	const struct note *note =
		&container_of(peer, struct builtin_peer, wg)->notes[worker->number - 1];

	return note->mailed > atomic_load_explicit(&worker->mail.done, memory_order_acquire);
}

bool workers_mail_packet(struct worker *worker, struct wg_peer *peer, const uint8_t *packet,
			 size_t size)
{
	const struct letter letter = {.size = (uint32_t)size, .kind = LETTER_PACKET};

	if (!mail_put(&worker->mail, &letter, packet)) {
		count_drops(worker, BUILTIN_DROP_MAIL_FULL, 1);
		return false;
	}
	peer_of(peer)->notes[worker->number - 1].mailed = worker->mail.number;
	return true;
}

static void on_other(void *owner, usec_t now, struct port_packet *packet)
{
	struct worker *worker = owner;
	const struct letter letter = {
		.size = (uint32_t)packet->size, .kind = LETTER_DATAGRAM, .from = packet->from};

	if (!mail_put(&worker->mail, &letter, packet->data))
		count_drops(worker, BUILTIN_DROP_MAIL_FULL, 1);
}

/* What worker 0 makes of it */

static void fold_note(struct builtin *builtin, struct note *note)
{
	struct wg_tally tally = note->tally;

	list_remove(&note->entry);
	note->tally = (struct wg_tally){0};
	wg_fold(&note->peer->wg, builtin->workers[0].aead, loop_now(builtin->loop), &tally);
}

static void fold(struct builtin *builtin)
{
	struct note *note;

	for (unsigned i = 1; i < builtin->running; i++) {
		struct worker *worker = &builtin->workers[i];

		while ((note = list_first(&worker->notes, struct note, entry)))
			fold_note(builtin, note);
		worker->heard = worker->asked;
		worker->rung = BELL_SILENT;
	}
	loop_timer_stop(builtin->loop, &builtin->fold_timer);
}

static void read_letters(struct builtin *builtin, const struct mailbox *box)
{
	usec_t now = loop_now(builtin->loop);
	const struct letter *letter;
	size_t offset = 0;
	uint8_t *bytes;

	while ((letter = mail_next(box, &offset, &bytes))) {
		struct port_packet packet = {bytes, letter->size, letter->from};

		if (letter->kind == LETTER_PACKET) {
			transmit_mailed(builtin, bytes, letter->size);
			continue;
		}
		/* It may lead to the end of the peer in the run. */
		transmit_flush(builtin);
		port_take(builtin->port, now, &packet);
	}
	transmit_flush(builtin);
}

/* A letter may lead to anything that events may, a detached worker included; its memory stays, and
 * the rest of its mail is read here. */
static void read_mail(struct builtin *builtin)
{
	if (builtin->is_reading)
		return;
	builtin->is_reading = true;
	for (unsigned i = 1; i < BUILTIN_WORKERS_MAX; i++) {
		struct worker *worker = &builtin->workers[i];
		struct mailbox *box;

		for (int boxes = 0; boxes < 2 && worker->mail.capacity; boxes++) {
			workers_hold(builtin);
			box = mail_take(&worker->mail);
			workers_release(builtin);
			if (!box)
				break;
			read_letters(builtin, box);
			mail_finish(&worker->mail);
		}
	}
	builtin->is_reading = false;
}

static bool is_bell_urgent(const struct builtin *builtin)
{
	for (unsigned i = 1; i < builtin->running; i++) {
		if (builtin->workers[i].rung == BELL_NOW)
			return true;
	}
	return false;
}

static void tell_workers(struct builtin *builtin)
{
	pthread_mutex_lock(&builtin->answers);
	for (unsigned i = 1; i < builtin->running; i++)
		builtin->workers[i].answered = builtin->workers[i].heard;
	pthread_cond_broadcast(&builtin->answered);
	pthread_mutex_unlock(&builtin->answers);
}

/* Everything that workers have told so far. */
static void attend(struct builtin *builtin)
{
	workers_hold(builtin);
	fold(builtin);
	workers_release(builtin);
	read_mail(builtin);
	tell_workers(builtin);
}

/* Notes alone can wait for more of them. */
static void answer(struct builtin *builtin)
{
	bool is_urgent;

	workers_hold(builtin);
	is_urgent = is_bell_urgent(builtin);
	workers_release(builtin);
	if (is_urgent)
		attend(builtin);
	else if (!builtin->fold_timer.place)
		loop_timer_set(builtin->loop, &builtin->fold_timer,
			       loop_now(builtin->loop) + FOLD_INTERVAL);
}

static void on_bell(void *owner, uint32_t events)
{
	struct builtin *builtin = owner;
	eventfd_t rings;

	if (eventfd_read(builtin->bell.fd, &rings))
		return;
	answer(builtin);
	builtin_settle(builtin);
}

static void on_fold_timer(void *owner, usec_t now)
{
	struct builtin *builtin = owner;

	attend(builtin);
	builtin_settle(builtin);
}

/* The thread */

static ssize_t read_interface(struct worker *worker)
{
	ssize_t size;

	begin_batch(worker);
	size = transmit_turn(worker);
	end_batch(worker);
	return size;
}

/* The interface is gone: worker 0 sees that too, and tells. */
static void on_interface(void *owner, uint32_t events)
{
	struct worker *worker = owner;

	if (read_interface(worker) == -EBADFD || events & (EPOLLERR | EPOLLHUP))
		loop_remove(&worker->source);
}

static void on_data(void *owner, usec_t now, struct port_packet *packets, size_t count)
{
	receive_batch(owner, now, packets, count);
}

static void *run_worker(void *argument)
{
	struct worker *worker = argument;

	while (!atomic_load_explicit(&worker->is_stopping, memory_order_acquire) &&
	       !loop_turn(worker->loop, USEC_NEVER))
		;
	return NULL;
}

/* Signals are worker 0's. */
static int start_thread(struct worker *worker)
{
	sigset_t all, before;
	char name[16];
	int error;

	atomic_store(&worker->is_stopping, false);
	worker->is_driven = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&worker->thread, NULL, run_worker, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return -error;
	snprintf(name, sizeof(name), "wayleave-%u", worker->number);
	pthread_setname_np(worker->thread, name);
	return 0;
}

static void stop_thread(struct worker *worker)
{
	struct builtin *builtin = worker->builtin;

	pthread_mutex_lock(&builtin->answers);
	atomic_store_explicit(&worker->is_stopping, true, memory_order_release);
	pthread_cond_broadcast(&builtin->answered);
	pthread_mutex_unlock(&builtin->answers);
	loop_wake(worker->loop);
	pthread_join(worker->thread, NULL);
	worker->is_driven = true;
}

/* Coming and going */

void workers_init(struct builtin *builtin)
{
	pthread_rwlockattr_t attributes;

	pthread_rwlockattr_init(&attributes);
	/* Batches follow one another without a pause: worker 0 would wait for ever. */
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&builtin->batches, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	pthread_mutex_init(&builtin->answers, NULL);
	pthread_cond_init(&builtin->answered, NULL);
	for (unsigned i = 0; i < BUILTIN_WORKERS_MAX; i++) {
		builtin->workers[i].builtin = builtin;
		builtin->workers[i].number = i;
		list_init(&builtin->workers[i].notes);
	}
	builtin->running = 1;
	builtin->bell.fd = -1;
	builtin->fold_timer = (struct loop_timer){.on_timer = on_fold_timer, .owner = builtin};
	builtin->load.timer = (struct loop_timer){.on_timer = load_on_timer, .owner = builtin};
}

static int open_bell(struct builtin *builtin)
{
	int fd;

	if (builtin->bell.fd >= 0)
		return 0;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	builtin->bell = (struct loop_source){
		.fd = fd, .events = EPOLLIN, .on_event = on_bell, .owner = builtin};
	return loop_add(builtin->loop, &builtin->bell);
}

static void close_bell(struct builtin *builtin)
{
	loop_remove(&builtin->bell);
	if (builtin->bell.fd >= 0)
		close(builtin->bell.fd);
}

static int open_queue(struct worker *worker)
{
	int error = tun_add_queue(worker->builtin->workers[0].tun, &worker->tun);

	if (error)
		return error;
	worker_begin(worker);
	worker->source = (struct loop_source){.fd = tun_fd(worker->tun),
					      .events = EPOLLIN,
					      .on_event = on_interface,
					      .owner = worker};
	return loop_add(worker->loop, &worker->source);
}

static int open_lane(struct worker *worker)
{
	const struct port_lane_handlers handlers = {
		.owner = worker,
		.begin = begin_batch,
		.end = end_batch,
		.on_data = on_data,
		.on_other = on_other,
	};

	return port_add_lane(worker->builtin->port, worker->loop, &handlers, &worker->lane);
}

/* Its thread has ended, or never began. */
static void close_worker(struct worker *worker)
{
	if (worker->lane)
		port_remove_lane(worker->builtin->port, worker->lane);
	worker->lane = NULL;
	loop_remove(&worker->source);
	worker_end(worker);
	loop_free(worker->loop);
	worker->loop = NULL;
}

static int open_worker(struct worker *worker)
{
	int error;

	if (!worker->mail.capacity)
		mail_init(&worker->mail, MAIL_SIZE);
	worker->loop = loop_new();
	error = worker->loop ? open_queue(worker) : -errno;
	if (!error)
		error = open_lane(worker);
	return error;
}

int workers_attach(struct builtin *builtin)
{
	struct worker *worker = &builtin->workers[builtin->running];
	int error;

	if (builtin->running == BUILTIN_WORKERS_MAX || builtin->is_gone)
		return -ENOSPC;
	error = open_bell(builtin);
	if (!error)
		error = open_worker(worker);
	if (!error) {
		/* From here on there is somebody to hold. */
		builtin->running++;
		error = start_thread(worker);
		builtin->running -= error != 0;
	}
	if (error)
		close_worker(worker);
	return error;
}

void workers_detach(struct builtin *builtin)
{
	struct worker *worker = &builtin->workers[builtin->running - 1];

	stop_thread(worker);
	for (int turns = 0; turns < DRAIN_TURNS && read_interface(worker) > 0; turns++)
		;
	close_worker(worker);
	workers_hold(builtin);
	fold(builtin);
	workers_release(builtin);
	builtin->running--;
	attend(builtin);
}

void workers_done(struct builtin *builtin)
{
	/* No mail: its last readers are the owner's. */
	builtin->is_reading = true;
	for (; builtin->running > 1; builtin->running--) {
		struct worker *worker = &builtin->workers[builtin->running - 1];

		stop_thread(worker);
		close_worker(worker);
		while (!list_is_empty(&worker->notes))
			list_remove(worker->notes.next);
	}
	for (unsigned i = 1; i < BUILTIN_WORKERS_MAX; i++)
		mail_done(&builtin->workers[i].mail);
	loop_timer_stop(builtin->loop, &builtin->fold_timer);
	loop_timer_stop(builtin->loop, &builtin->load.timer);
	close_bell(builtin);
	pthread_rwlock_destroy(&builtin->batches);
	pthread_mutex_destroy(&builtin->answers);
	pthread_cond_destroy(&builtin->answered);
}
