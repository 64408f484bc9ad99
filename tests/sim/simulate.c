/* simulate [--seeds N] [--from SEED] [--seed SEED] [--verbose]: runs meshes in virtual time and
 * says which failed. simulate --scale NODES [--idle MINUTES]: what many nodes on one hub cost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "scale.h"
#include "scenario.h"

struct options {
	uint64_t first, count;
	bool is_verbose, has_table;
	const char *only; /* of this kind; NULL = all */
	uint64_t scale;   /* nodes; 0 = scenarios */
	uint64_t idle;    /* minutes */
};

static bool take_number(int argc, char **argv, int *index, uint64_t *ret_value)
{
	if (*index + 1 >= argc)
		return false;
	return !text_to_u64(argv[++*index], UINT64_MAX, ret_value);
}

static bool parse(int argc, char **argv, struct options *ret_options)
{
	*ret_options = (struct options){.first = 1, .count = 20, .idle = 60};
	for (int i = 1; i < argc; i++) {
		bool is_fine = true;

		if (!strcmp(argv[i], "--seeds")) {
			is_fine = take_number(argc, argv, &i, &ret_options->count);
		} else if (!strcmp(argv[i], "--from")) {
			is_fine = take_number(argc, argv, &i, &ret_options->first);
		} else if (!strcmp(argv[i], "--seed")) {
			is_fine = take_number(argc, argv, &i, &ret_options->first);
			ret_options->count = 1;
		} else if (!strcmp(argv[i], "--scale")) {
			is_fine = take_number(argc, argv, &i, &ret_options->scale);
		} else if (!strcmp(argv[i], "--idle")) {
			is_fine = take_number(argc, argv, &i, &ret_options->idle);
		} else if (!strcmp(argv[i], "--only") && i + 1 < argc) {
			ret_options->only = argv[++i];
		} else if (!strcmp(argv[i], "--verbose")) {
			ret_options->is_verbose = true;
		} else if (!strcmp(argv[i], "--table")) {
			ret_options->has_table = true;
		} else {
			is_fine = false;
		}
		if (!is_fine)
			return false;
	}
	/* The tunnel's network has room for no more. */
	return !ret_options->scale || (ret_options->scale >= 3 && ret_options->scale <= 4000);
}

static double processor_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void print_row(uint64_t seed, const struct scenario_result *result, double seconds)
{
	printf("%6llu %-16s %2u nodes %2u pairs (%2u appointed) %5.0f s virtual %6.2f s cpu %7llu "
	       "events, start %5.3f s, slowest %5.1f s: %s\n",
	       (unsigned long long)seed, scenario_kind_name(result->kind), result->nodes,
	       result->pairs, result->connected, (double)result->virtual_time / USEC_PER_SEC,
	       seconds, (unsigned long long)result->network_events,
	       (double)result->worst_connect / USEC_PER_SEC,
	       (double)result->worst_settle / USEC_PER_SEC, result->worst_what);
}

static bool run_seed(uint64_t seed, const struct options *options)
{
	const struct scenario_options scenario = {.seed = seed, .is_verbose = options->is_verbose};
	double before = processor_seconds();
	struct scenario_result result;

	scenario_run(&scenario, &result);
	if (options->has_table || options->is_verbose)
		print_row(seed, &result, processor_seconds() - before);
	if (!result.failure[0])
		return true;
	printf("seed %llu (%s) failed %s\n  again, with a trace: simulate --seed %llu --verbose\n",
	       (unsigned long long)seed, scenario_kind_name(result.kind), result.failure,
	       (unsigned long long)seed);
	fflush(stdout);
	return false;
}

static bool run_scale(const struct options *options)
{
	struct scale_result result;

	scale_run(options->first, options->scale, options->idle * USEC_PER_MINUTE,
		  options->is_verbose, &result);
	scale_print(&result);
	if (result.failure[0])
		printf("failed %s\n", result.failure);
	return !result.failure[0];
}

int main(int argc, char **argv)
{
	struct options options;
	uint64_t failed = 0;

	if (!parse(argc, argv, &options)) {
		fprintf(stderr, "usage: simulate [--seeds N] [--from SEED] [--only KIND] "
				"[--seed SEED] [--verbose] [--table]\n"
				"       simulate --scale NODES [--idle MINUTES] [--seed SEED] "
				"[--verbose]\n");
		return 2;
	}
	crypto_init();
	if (options.scale)
		return !run_scale(&options);
	for (uint64_t i = 0; i < options.count; i++) {
		uint64_t seed = options.first + i;

		if (!options.only ||
		    !strcmp(options.only, scenario_kind_name(scenario_kind_of(seed))))
			failed += !run_seed(seed, &options);
	}
	printf("%llu seeds, %llu failed, %.1f s of processor time\n",
	       (unsigned long long)options.count, (unsigned long long)failed, processor_seconds());
	return failed != 0;
}
