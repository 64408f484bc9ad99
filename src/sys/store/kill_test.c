/* Two administrators at once on one registry, both killed with kill -9 in the middle. Afterwards
 * every answer that reached anybody, put in the order of the revisions, must be what a plain model
 * answers, and the registry must hold what the model holds. A command that was under way may have
 * happened or not. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "registry.h"
#include "registry_model.h"
#include "seeded.h"

#include <cmocka.h>

#define SEQUENCES    1000 /* of commands, one per client and round */
#define CLIENTS      2
#define COMMANDS_MAX 24

struct client {
	pid_t pid;
	int from;
	uint64_t seed;
	struct command commands[COMMANDS_MAX];
	struct outcome outcomes[COMMANDS_MAX];
	size_t answered;
	bool has_ended;
};

/* Every client's own sequence, known to both sides of the fork. Presence is not part of the
 * revisions, so it stays out. */
static void make_commands(struct client *client)
{
	struct seeded random;
	int64_t now = REGISTRY_EPOCH;

	seeded_init(&random, client->seed);
	for (size_t i = 0; i < COMMANDS_MAX; i++) {
		do {
			command_random(&random, &now, &client->commands[i]);
		} while (client->commands[i].kind == COMMAND_OBSERVE);
	}
}

static void __attribute__((noreturn))
be_client(const struct client *client, const char *path, int out)
{
	struct store *store;
	struct outcome outcome;

	if (store_open(path, &store, NULL) != STORE_OK)
		_exit(1);
	store_reserve_name(store, "hub");
	for (size_t i = 0; i < COMMANDS_MAX; i++) {
		command_run(store, &client->commands[i], &outcome);
		if (write(out, &outcome, sizeof(outcome)) != sizeof(outcome))
			_exit(1);
	}
	pause(); /* the registry is open when the end comes */
	_exit(0);
}

static void start_client(struct client *client, uint64_t seed, const char *path)
{
	int ends[2];

	memset(client, 0, sizeof(*client));
	client->seed = seed;
	make_commands(client);
	assert_int_equal(pipe(ends), 0);
	client->pid = fork();
	if (!client->pid) {
		close(ends[0]);
		be_client(client, path, ends[1]);
	}
	close(ends[1]);
	client->from = ends[0];
}

static void read_answer(struct client *client)
{
	ssize_t size;

	if (client->answered == COMMANDS_MAX) {
		client->has_ended = true;
		return;
	}
	size = read(client->from, &client->outcomes[client->answered], sizeof(struct outcome));
	if (size == (ssize_t)sizeof(struct outcome))
		client->answered++;
	else
		client->has_ended = true;
}

static void kill_client(struct client *client)
{
	int status;

	kill(client->pid, SIGKILL);
	assert_int_equal(waitpid(client->pid, &status, 0), client->pid);
	while (!client->has_ended)
		read_answer(client);
	close(client->from);
	client->pid = 0;
}

/* Reads answers as they come until the client has given so many. */
static void follow(struct client *clients, size_t watched, size_t wanted)
{
	while (clients[watched].answered < wanted && !clients[watched].has_ended) {
		struct pollfd waiting[CLIENTS];

		for (size_t i = 0; i < CLIENTS; i++)
			waiting[i] = (struct pollfd){.fd = clients[i].has_ended || !clients[i].pid
								   ? -1
								   : clients[i].from,
						     .events = POLLIN};
		assert_true(poll(waiting, CLIENTS, 20000) > 0);
		for (size_t i = 0; i < CLIENTS; i++) {
			if (waiting[i].revents)
				read_answer(&clients[i]);
		}
	}
}

static void stray(struct seeded *random)
{
	struct timespec moment = {.tv_nsec = seeded_below(random, 300000)};

	nanosleep(&moment, NULL); /* so that the kill hits any place of a transaction */
}

/* ---- the order of things ---- */

struct history {
	const struct client *clients;
	size_t next[CLIENTS];      /* the command that is replayed next */
	bool may_pending[CLIENTS]; /* its first unanswered command may still have happened */
	struct model model;
};

/* The client's next answered command fits after what was replayed: at the model's revision if it
 * changed nothing, else one above. */
static bool fits(const struct history *history, size_t client)
{
	const struct client *from = &history->clients[client];
	const struct outcome *outcome = &from->outcomes[history->next[client]];

	return history->next[client] < from->answered &&
	       outcome->revision == history->model.revision + outcome->has_changed;
}

static void replay_next(struct history *history, size_t client)
{
	const struct client *from = &history->clients[client];
	const struct command *command = &from->commands[history->next[client]];
	struct outcome expected;
	char text[256], difference[256];

	model_run(&history->model, command, &expected);
	if (outcome_difference(&from->outcomes[history->next[client]], &expected, difference))
		fail_msg("client %zu, %s: %s", client, command_print(command, text), difference);
	history->next[client]++;
}

/* Commands that changed nothing saw the model's revision; then one must have changed it. */
static bool replay_answered(struct history *history)
{
	bool is_progress = false;

	for (int wants_change = 0; wants_change < 2 && !is_progress; wants_change++) {
		for (size_t i = 0; i < CLIENTS && !is_progress; i++) {
			if (fits(history, i) &&
			    history->clients[i].outcomes[history->next[i]].has_changed ==
				    (bool)wants_change) {
				replay_next(history, i);
				is_progress = true;
			}
		}
	}
	return is_progress;
}

/* The command that was under way when its client died. */
static bool replay_pending(struct history *history, size_t client)
{
	const struct client *from = &history->clients[client];
	struct outcome outcome;

	if (!history->may_pending[client] || history->next[client] != from->answered ||
	    from->answered == COMMANDS_MAX)
		return false;
	history->may_pending[client] = false;
	model_run(&history->model, &from->commands[from->answered], &outcome);
	return outcome.has_changed;
}

static bool is_replayed(const struct history *history, uint64_t revision)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		if (history->next[i] < history->clients[i].answered)
			return false;
	}
	return history->model.revision == revision;
}

/* Tries the pending commands in each order, where the answered ones leave a gap. */
static bool explain(const struct history *so_far, uint64_t revision, const char *found)
{
	static char text[MODEL_TEXT_SIZE];
	struct history history = *so_far;

	while (replay_answered(&history))
		;
	if (is_replayed(&history, revision)) {
		model_dump(&history.model, text);
		if (!strcmp(text, found))
			return true;
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		struct history other = history;

		if (replay_pending(&other, i) && explain(&other, revision, found))
			return true;
	}
	return false;
}

static void check(struct registry *registry, const struct client *clients)
{
	static char found[MODEL_TEXT_SIZE];
	struct history history = {.clients = clients, .may_pending = {true, true}};

	registry_open(registry);
	store_dump(registry->store, found);
	model_init(&history.model);
	if (!explain(&history, store_revision(registry->store), found))
		fail_msg("no order of the answers (%zu and %zu, seeds %llu and %llu) gives:\n%s",
			 clients[0].answered, clients[1].answered,
			 (unsigned long long)clients[0].seed, (unsigned long long)clients[1].seed,
			 found);
	store_close(registry->store);
	registry->store = NULL;
}

static void one_round(struct registry *registry, struct seeded *random)
{
	struct client clients[CLIENTS];
	struct store_network network = registry_network(MODEL_POOL, MODEL_POOL6);
	size_t first = seeded_below(random, CLIENTS);

	assert_int_equal(store_create(registry->path, &network, NULL), STORE_OK);
	for (size_t i = 0; i < CLIENTS; i++)
		start_client(&clients[i], seeded_u64(random), registry->path);
	follow(clients, first, seeded_below(random, COMMANDS_MAX + 1));
	stray(random);
	kill_client(&clients[first]);
	/* The other one is not stopped by its death. */
	follow(clients, !first,
	       clients[!first].answered +
		       seeded_below(random,
				    (uint32_t)(COMMANDS_MAX + 1 - clients[!first].answered)));
	stray(random);
	kill_client(&clients[!first]);
	check(registry, clients);
}

static void killed_administrators_leave_what_they_were_told(void **state)
{
	struct registry registry;
	struct seeded random;

	seeded_start(&random, __func__);
	registry_folder(&registry);
	for (unsigned i = 0; i < SEQUENCES / CLIENTS; i++) {
		char path[128];

		one_round(&registry, &random);
		unlink(registry.path);
		snprintf(path, sizeof(path), "%s-wal", registry.path);
		unlink(path);
		snprintf(path, sizeof(path), "%s-shm", registry.path);
		unlink(path);
	}
	registry_end(&registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_administrators_leave_what_they_were_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
