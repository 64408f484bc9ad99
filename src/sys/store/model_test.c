/* Random commands on the registry and on a plain model: same answers, same contents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "registry.h"
#include "registry_model.h"
#include "seeded.h"

#include <cmocka.h>

#define SEQUENCES 1000
#define COMMANDS  50

static const char *copy_file(const char *from, const char *to)
{
	char bytes[8192];
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	size_t size;

	while ((size = fread(bytes, 1, sizeof(bytes), in)))
		fwrite(bytes, 1, size, out);
	fclose(in);
	fclose(out);
	chmod(to, 0600);
	return to;
}

static void compare(struct registry *registry, const struct model *model)
{
	static char expected[MODEL_TEXT_SIZE], found[MODEL_TEXT_SIZE];

	model_dump(model, expected);
	store_dump(registry->store, found);
	assert_string_equal(found, expected);
}

static void run_sequence(struct registry *registry, struct seeded *random)
{
	int64_t now = REGISTRY_EPOCH;
	struct model model;

	model_init(&model);
	store_reserve_name(registry->store, "hub");
	for (unsigned i = 0; i < COMMANDS; i++) {
		struct command command;
		struct outcome found, expected;
		char text[256], difference[256];

		command_random(random, &now, &command);
		command_run(registry->store, &command, &found);
		model_run(&model, &command, &expected);
		/* A refusal before the transaction leaves the revision as it was known. */
		if (outcome_difference(&found, &expected, difference))
			fail_msg("%s: %s", command_print(&command, text), difference);
		if (!seeded_below(random, 50)) {
			registry_reopen(registry);
			store_reserve_name(registry->store, "hub");
		}
	}
	compare(registry, &model);
}

static void random_sequences_agree_with_a_model(void **state)
{
	struct registry registry, template;
	struct seeded random;

	seeded_start(&random, __func__);
	registry_start(&template, MODEL_POOL, MODEL_POOL6);
	store_close(template.store);
	template.store = NULL;
	registry_folder(&registry);
	for (unsigned i = 0; i < SEQUENCES; i++) {
		copy_file(template.path, registry.path);
		registry_open(&registry);
		run_sequence(&registry, &random);
		store_close(registry.store);
		registry.store = NULL;
	}
	registry_end(&registry);
	registry_end(&template);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_sequences_agree_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
