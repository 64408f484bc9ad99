#include <pthread.h>
#include <sched.h>

#include "proto/noise/test_world.h"

/* ---- where keypairs go ---- */

static void begin(struct world *world, uint32_t index, bool is_initiator)
{
	struct handshake_session session = {
		.send = {{(uint8_t)index}},
		.receive = {{(uint8_t)index, 1}},
		.local_index = index,
		.remote_index = index + 1000,
		.is_initiator = is_initiator,
	};

	session_begin(&world->a.peer, world->now, &session);
}

static uint32_t index_of(const struct wg_keypair *keypair)
{
	return keypair ? keypair->index.value : 0;
}

#define assert_sessions(world, p, c, n)                                               \
	do {                                                                          \
		assert_int_equal(index_of((world)->a.peer.previous), p);              \
		assert_int_equal(index_of((world)->a.peer.current), c);               \
		assert_int_equal(index_of((world)->a.peer.next), n);                  \
		assert_int_equal((world)->a.wg.indices.count, !!(p) + !!(c) + !!(n)); \
	} while (0)

static void an_initiators_session_is_current_at_once(void **state)
{
	struct world *world = world_new(__func__, NULL);

	begin(world, 1, true);
	assert_sessions(world, 0, 1, 0);
	begin(world, 2, true);
	assert_sessions(world, 1, 2, 0);
	begin(world, 3, true);
	assert_sessions(world, 2, 3, 0);
	world_free(world);
}

static void a_responders_session_waits_for_its_first_packet(void **state)
{
	struct world *world = world_new(__func__, NULL);

	begin(world, 1, false);
	assert_sessions(world, 0, 0, 1);
	assert_false(wg_peer_has_session(&world->a.peer, world->now));
	assert_false(session_confirm(&world->a.peer, 2));
	assert_true(session_confirm(&world->a.peer, 1));
	assert_sessions(world, 0, 1, 0);
	assert_true(wg_peer_has_session(&world->a.peer, world->now));
	assert_false(session_confirm(&world->a.peer, 1));
	begin(world, 2, false);
	assert_sessions(world, 0, 1, 2);
	assert_true(session_confirm(&world->a.peer, 2));
	assert_sessions(world, 1, 2, 0);
	world_free(world);
}

static void an_unconfirmed_session_gives_way_to_a_newer_one(void **state)
{
	struct world *world = world_new(__func__, NULL);

	begin(world, 1, true);
	begin(world, 2, false);
	begin(world, 3, false);
	assert_sessions(world, 0, 1, 3);
	/* Our own run succeeds as well: theirs stays open behind it. */
	begin(world, 4, true);
	assert_sessions(world, 1, 4, 3);
	/* Packets under it do not bring it before one that is newer by far. */
	world->a.peer.current->born += SECONDS(5);
	assert_false(session_confirm(&world->a.peer, 3));
	assert_sessions(world, 3, 4, 0);
	begin(world, 5, false);
	assert_sessions(world, 0, 4, 5);
	begin(world, 6, true);
	assert_sessions(world, 4, 6, 5);
	begin(world, 7, true);
	assert_sessions(world, 6, 7, 5);
	world_free(world);
}

static void of_two_sessions_at_once_the_one_of_the_lower_key_stays(void **state)
{
	struct world *world = world_new(__func__, NULL);
	bool is_lower = key_compare(&world->a.public_key, &world->b.public_key) < 0;

	begin(world, 1, true);
	begin(world, 2, false);
	begin(world, 3, true);
	assert_sessions(world, 1, 3, 2);
	assert_int_equal(session_confirm(&world->a.peer, 2), !is_lower);
	if (is_lower)
		assert_sessions(world, 2, 3, 0);
	else
		assert_sessions(world, 3, 2, 0);
	world_free(world);
}

static void random_histories_never_need_a_fourth_slot(void **state)
{
	struct world *world = world_new(__func__, NULL);

	for (uint32_t i = 1; i < 2000; i++) {
		if (seeded_below(&world->seeded, 3) == 0)
			session_confirm(&world->a.peer, index_of(world->a.peer.next));
		begin(world, i, seeded_below(&world->seeded, 2));
		assert_in_range(world->a.wg.indices.count, 1, 3);
	}
	session_end_all(&world->a.peer);
	assert_int_equal(world->a.wg.indices.count, 0);
	world_free(world);
}

static void an_ended_session_leaves_no_byte_of_its_keys(void **state)
{
	struct world *world = world_new(__func__, NULL);
	struct key keys[3][2];
	static const struct wg_keypair zeros[3];

	for (uint32_t i = 0; i < 3; i++) {
		struct handshake_session session = {.local_index = i + 1, .is_initiator = i < 2};

		seeded_fill(&world->seeded, keys[i], sizeof(keys[i]));
		session.send = keys[i][0];
		session.receive = keys[i][1];
		session_begin(&world->a.peer, world->now, &session);
		assert_true(memory_holds(&world->a.peer, sizeof(world->a.peer), &keys[i][0], 32));
	}
	session_end_all(&world->a.peer);
	for (size_t i = 0; i < 6; i++)
		assert_false(memory_holds(&world->a.peer, sizeof(world->a.peer),
					  &keys[i / 2][i % 2], KEY_SIZE));
	assert_memory_equal(world->a.peer.slots, zeros, sizeof(zeros));
	world_free(world);
}

/* ---- counters ---- */

static void a_run_is_as_many_consecutive_numbers_as_asked_for(void **state)
{
	struct wg_keypair keypair = {.born = 5};
	struct wg_run run;
	uint64_t next = 0;

	for (unsigned count = 1; count <= WG_RUN_MAX; count++) {
		assert_true(session_reserve(&keypair, &wg_limits_default, 6, count, &run));
		assert_int_equal(run.counter, next);
		assert_int_equal(run.count, count);
		next += count;
	}
	assert_false(session_reserve(&keypair, &wg_limits_default, 6, 0, &run));
	assert_false(session_reserve(&keypair, &wg_limits_default, 6, WG_RUN_MAX + 1, &run));
	assert_int_equal(atomic_load(&keypair.counter), next);
}

static void the_counter_ends_before_the_limit_and_never_wraps(void **state)
{
	const uint64_t end = wg_limits_default.reject_after_messages - WG_RUN_MAX * WG_WORKERS_MAX;
	struct wg_keypair keypair = {.born = 5};
	struct wg_run run;

	atomic_store(&keypair.counter, end - 1);
	assert_true(session_reserve(&keypair, &wg_limits_default, 6, WG_RUN_MAX, &run));
	assert_int_equal(run.counter, end - 1);
	for (int i = 0; i < 100000; i++)
		assert_false(session_reserve(&keypair, &wg_limits_default, 6, WG_RUN_MAX, &run));
	assert_true(atomic_load(&keypair.counter) < wg_limits_default.reject_after_messages);
}

static void limits_smaller_than_the_margin_refuse_everything(void **state)
{
	struct wg_limits limits = wg_limits_default;
	struct wg_keypair keypair = {.born = 5};
	struct wg_run run;

	limits.reject_after_messages = WG_RUN_MAX;
	assert_false(session_reserve(&keypair, &limits, 6, 1, &run));
	limits.reject_after_messages = WG_RUN_MAX * WG_WORKERS_MAX + 1;
	assert_true(session_reserve(&keypair, &limits, 6, 1, &run));
	assert_false(session_reserve(&keypair, &limits, 6, 1, &run));
}

static void a_session_past_its_time_gives_no_number(void **state)
{
	struct wg_keypair keypair = {.born = SECONDS(5)};
	struct wg_run run;

	assert_true(session_reserve(&keypair, &wg_limits_default, SECONDS(185) - 1, 1, &run));
	assert_false(session_reserve(&keypair, &wg_limits_default, SECONDS(185), 1, &run));
}

/* ---- several threads: security 24 ---- */

#define THREADS     4
#define RUNS        500000
#define RUN_SIZE    4
#define NUMBERS_MAX ((uint64_t)THREADS * RUNS * RUN_SIZE)
#define MARGIN      ((uint64_t)WG_RUN_MAX * WG_WORKERS_MAX)
/* Rounds of a race that is over in an instant. */
#define ROUNDS      3000

struct shared {
	struct wg_keypair keypair;
	struct wg_limits limits;
	/* The set of used nonces: how often each was given out. */
	atomic_uchar *used;
	uint64_t base;
	atomic_uint_least64_t granted;
	atomic_uint waiting;
	atomic_uint round;
};

struct worker {
	pthread_t thread;
	struct shared *shared;
	struct seeded seeded;
	struct aead *aead;
	bool is_ok;
};

/* All go on at the same moment, closer than a sleeping barrier could make it. */
static void meet(struct shared *shared, void (*prepare)(struct shared *shared))
{
	unsigned round = atomic_load(&shared->round);

	if (atomic_fetch_add(&shared->waiting, 1) == THREADS - 1) {
		atomic_store(&shared->waiting, 0);
		prepare(shared);
		atomic_store(&shared->round, round + 1);
		return;
	}
	/* On a busy machine a yield alone may keep the last one from running for long. */
	for (int turns = 0; atomic_load(&shared->round) == round; turns++) {
		if (turns < 1000)
			sched_yield();
		else
			nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
	}
}

static void prepare_nothing(struct shared *shared)
{
}

/* Seals now and then, so that TSan sees all that a worker touches. */
static void use_run(struct worker *worker, const struct wg_run *run)
{
	struct shared *shared = worker->shared;
	uint8_t datagram[WG_DATA_OVERHEAD + 16];

	if (run->counter >= shared->limits.reject_after_messages - MARGIN)
		worker->is_ok = false;
	for (unsigned i = 0; i < run->count; i++) {
		uint64_t number = run->counter + i - shared->base;

		if (number >= NUMBERS_MAX || atomic_fetch_add(&shared->used[number], 1))
			worker->is_ok = false;
	}
	if (run->counter % 64 == 0)
		wg_seal(run, worker->aead, run->count - 1, datagram + WG_DATA_HEADER_SIZE, 5, 1420,
			datagram);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct shared *shared = worker->shared;
	struct wg_run run;

	meet(shared, prepare_nothing);
	for (int i = 0; i < RUNS; i++) {
		unsigned count = 1 + seeded_below(&worker->seeded, RUN_SIZE);

		if (!session_reserve(&shared->keypair, &shared->limits, 6, count, &run))
			continue;
		atomic_fetch_add(&shared->granted, count);
		use_run(worker, &run);
	}
	return NULL;
}

static void run_workers(const char *test, struct shared *shared, void *(*body)(void *))
{
	struct worker workers[THREADS];
	struct seeded seeded;

	seeded_start(&seeded, test);
	shared->used = (atomic_uchar *)memory_new_array(NUMBERS_MAX, sizeof(*shared->used));
	shared->keypair.send = (struct key){{7}};
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.shared = shared, .aead = aead_new(), .is_ok = true};
		seeded_init(&workers[i].seeded, seeded_u64(&seeded));
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		aead_free(workers[i].aead);
		assert_true(workers[i].is_ok);
	}
	free((void *)shared->used);
}

static struct shared *shared_new(void)
{
	struct shared *shared = new (struct shared);

	shared->limits = wg_limits_default;
	shared->keypair.born = 5;
	return shared;
}

static void threads_never_get_the_same_number(void **state)
{
	auto_free struct shared *shared = shared_new();

	run_workers(__func__, shared, work);
	/* None was lost either: every number below the counter was given to somebody. */
	assert_int_equal(atomic_load(&shared->granted), atomic_load(&shared->keypair.counter));
}

static void threads_that_race_for_the_last_numbers_stay_below_the_limit(void **state)
{
	auto_free struct shared *shared = shared_new();

	/* A tenth of what they ask for is left. */
	shared->base = wg_limits_default.reject_after_messages - MARGIN - NUMBERS_MAX / 20;
	atomic_store(&shared->keypair.counter, shared->base);
	run_workers(__func__, shared, work);
	assert_in_range(atomic_load(&shared->granted), NUMBERS_MAX / 20,
			NUMBERS_MAX / 20 + RUN_SIZE);
	assert_true(atomic_load(&shared->keypair.counter) <
		    wg_limits_default.reject_after_messages);
}

static void prepare_last_number(struct shared *shared)
{
	atomic_store(&shared->keypair.counter,
		     wg_limits_default.reject_after_messages - MARGIN - 1);
}

static void *race_for_the_last(void *argument)
{
	struct worker *worker = argument;
	struct shared *shared = worker->shared;
	struct wg_run run;

	for (int i = 0; i < ROUNDS; i++) {
		meet(shared, prepare_last_number);
		if (session_reserve(&shared->keypair, &shared->limits, 6, 1, &run))
			atomic_fetch_add(&shared->granted, 1);
		meet(shared, prepare_nothing);
	}
	return NULL;
}

static void of_all_threads_one_gets_the_last_number(void **state)
{
	auto_free struct shared *shared = shared_new();

	run_workers(__func__, shared, race_for_the_last);
	assert_int_equal(atomic_load(&shared->granted), ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_initiators_session_is_current_at_once),
		cmocka_unit_test(a_responders_session_waits_for_its_first_packet),
		cmocka_unit_test(an_unconfirmed_session_gives_way_to_a_newer_one),
		cmocka_unit_test(of_two_sessions_at_once_the_one_of_the_lower_key_stays),
		cmocka_unit_test(random_histories_never_need_a_fourth_slot),
		cmocka_unit_test(an_ended_session_leaves_no_byte_of_its_keys),
		cmocka_unit_test(a_run_is_as_many_consecutive_numbers_as_asked_for),
		cmocka_unit_test(the_counter_ends_before_the_limit_and_never_wraps),
		cmocka_unit_test(limits_smaller_than_the_margin_refuse_everything),
		cmocka_unit_test(a_session_past_its_time_gives_no_number),
		cmocka_unit_test(threads_never_get_the_same_number),
		cmocka_unit_test(of_all_threads_one_gets_the_last_number),
		cmocka_unit_test(threads_that_race_for_the_last_numbers_stay_below_the_limit),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
