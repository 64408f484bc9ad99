/* The power goes at every single write and sync of a sequence of commands, and the disk fills up at
 * each of them. Then: nothing that was acknowledged is lost, no address is given twice, and the
 * registry works on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "lossy_disk.h"
#include "registry.h"
#include "registry_model.h"
#include "seeded.h"
#include "sys/store/store_private.h"

#include <cmocka.h>

#define COMMANDS     26
#define POINTS_LEAST 60
#define REOPEN_AT    13 /* closing moves all into the database and deletes the WAL */

struct play {
	struct registry registry;
	struct command commands[COMMANDS];
	struct model model;  /* after what was acknowledged */
	struct model before; /* what the command under way began with */
	size_t done;
	bool has_pending;
};

static void make_commands(struct play *play, uint64_t seed)
{
	struct seeded random;
	int64_t now = REGISTRY_EPOCH;

	seeded_init(&random, seed);
	for (size_t i = 0; i < COMMANDS; i++)
		command_random(&random, &now, &play->commands[i]);
}

static bool open_it(struct play *play)
{
	char problem[STORE_PROBLEM_SIZE];
	enum store_result result;

	play->registry.store = NULL;
	result = store_open(play->registry.path, &play->registry.store, problem);
	if (result != STORE_OK) {
		if (!lossy_is_dead())
			fail_msg("cannot open: %s", problem);
		return false;
	}
	store_reserve_name(play->registry.store, "hub");
	/* So that checkpoints happen in a short sequence, too. */
	store_run(play->registry.store, "PRAGMA wal_autocheckpoint = 30");
	return true;
}

static void run_one(struct play *play)
{
	const struct command *command = &play->commands[play->done];
	struct outcome found, expected;
	char text[256], difference[256];

	play->before = play->model;
	model_run(&play->model, command, &expected);
	command_run(play->registry.store, command, &found);
	play->has_pending = found.result >= STORE_FILE_MISSING && found.result != expected.result;
	if (play->has_pending) {
		/* Not acknowledged. */
		if (!lossy_is_dead())
			assert_int_equal(found.result, STORE_DISK_FULL);
		return;
	}
	play->done++;
	if (outcome_difference(&found, &expected, difference))
		fail_msg("%s: %s", command_print(command, text), difference);
}

/* Until all is done, or the power or the space has gone. */
static void run(struct play *play)
{
	model_init(&play->model);
	play->done = 0;
	play->has_pending = false;
	if (!open_it(play))
		return;
	while (play->done < COMMANDS && !lossy_is_dead() && !play->has_pending) {
		if (play->done == REOPEN_AT) {
			store_close(play->registry.store);
			if (!open_it(play))
				return;
		}
		run_one(play);
	}
	store_close(play->registry.store);
	play->registry.store = NULL;
}

/* Presence may be forgotten, but what is there must have been said once. */
static void cut_presence(char *text)
{
	char *out = text;

	for (char *line = text; *line;) {
		char *end = strchr(line, '\n');

		assert_non_null(end);
		if (!strncmp(line, "node ", 5)) {
			char *cut = end;

			for (int fields = 0; fields < 2; fields++) {
				do {
					cut--;
				} while (*cut != ' ');
			}
			assert_true(!strncmp(cut, " 0 none", 7) || strstr(cut, " none\n") ||
				    strstr(cut, " 192.0.2."));
			memmove(out, line, (size_t)(cut - line));
			out += cut - line;
			*out++ = '\n';
		} else {
			memmove(out, line, (size_t)(end + 1 - line));
			out += end + 1 - line;
		}
		line = end + 1;
	}
	*out = '\0';
}

static bool is_equal(const struct model *model, const char *found)
{
	static char expected[MODEL_TEXT_SIZE];

	model_dump(model, expected);
	cut_presence(expected);
	return !strcmp(expected, found);
}

/* Whatever happened before, the next nodes get what the model gives them. */
static void check_it_goes_on(struct play *play, struct model *model)
{
	for (unsigned key = 0; key < 4; key++) {
		struct command command = {.kind = COMMAND_ADD,
					  .at = play->commands[COMMANDS - 1].at,
					  .key = key,
					  .is_forced = true};
		struct outcome found, expected;
		char difference[256];

		command_run(play->registry.store, &command, &found);
		model_run(model, &command, &expected);
		if (outcome_difference(&found, &expected, difference))
			fail_msg("afterwards: %s", difference);
	}
}

/* may_have_happened: the command that failed may be there nevertheless. */
static void check(struct play *play, unsigned point, bool may_have_happened)
{
	static char found[MODEL_TEXT_SIZE];
	struct model *truth = NULL;

	assert_true(open_it(play));
	store_dump(play->registry.store, found);
	cut_presence(found);
	if ((may_have_happened || !play->has_pending) && is_equal(&play->model, found))
		truth = &play->model;
	else if (play->has_pending && is_equal(&play->before, found))
		truth = &play->before;
	if (!truth)
		fail_msg("point %u, after %zu commands, the registry holds neither what was "
			 "acknowledged nor that and the next:\n%s",
			 point, play->done, found);
	check_it_goes_on(play, truth);
	store_close(play->registry.store);
	play->registry.store = NULL;
}

static unsigned count_points(struct play *play)
{
	lossy_reset();
	run(play);
	assert_int_equal(play->done, COMMANDS);
	return lossy_points();
}

/* Some sequences are of commands that are nearly all refused: they write too little to say
 * anything. */
static unsigned make_busy_commands(struct play *play, struct seeded *random)
{
	unsigned points = 0;

	for (int tries = 0; points <= POINTS_LEAST; tries++) {
		assert_true(tries < 100);
		make_commands(play, seeded_u64(random));
		points = count_points(play);
	}
	return points;
}

static void nothing_acknowledged_is_lost_with_the_power(void **state)
{
	struct seeded random;
	struct play play;

	seeded_start(&random, __func__);
	registry_start(&play.registry, MODEL_POOL, MODEL_POOL6);
	store_close(play.registry.store);
	lossy_start(&random);
	for (unsigned sequence = 0; sequence < 2; sequence++) {
		unsigned points = make_busy_commands(&play, &random);

		for (unsigned i = 0; i < points * LOSSY_LOSSES; i++) {
			lossy_reset();
			lossy_crash_at(i / LOSSY_LOSSES);
			run(&play);
			assert_true(lossy_is_dead());
			lossy_reboot((enum lossy_loss)(i % LOSSY_LOSSES));
			check(&play, i / LOSSY_LOSSES, true);
		}
	}
	lossy_stop();
	registry_end(&play.registry);
}

static void a_full_disk_changes_nothing_and_is_told(void **state)
{
	struct seeded random;
	struct play play;

	seeded_start(&random, __func__);
	registry_start(&play.registry, MODEL_POOL, MODEL_POOL6);
	store_close(play.registry.store);
	lossy_start(&random);
	for (unsigned point = 0, points = make_busy_commands(&play, &random); point < points;
	     point++) {
		lossy_reset();
		lossy_fill_at(point);
		run(&play);
		lossy_fill_at(LOSSY_NEVER);
		check(&play, point, false);
	}
	lossy_stop();
	registry_end(&play.registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_acknowledged_is_lost_with_the_power),
		cmocka_unit_test(a_full_disk_changes_nothing_and_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
