#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/agent/agent_private.h"
#include "proto/agent/test_bench.h"

#include <cmocka.h>

static struct map_node record(unsigned key, const char *name, const char *address)
{
	struct bench_member member = {.key = bench_key(key), .name = name, .address = address};
	struct map_node node;

	bench_to_record(&member, &node);
	return node;
}

static void pin(struct bench *bench, unsigned key, const char *name, const char *address)
{
	struct map_node node = record(key, name, address);

	pins_add(bench->agent, &node);
}

/* Whose pin stands in the way of such a member; "" = nobody's. */
static const char *in_the_way(const struct bench *bench, unsigned key, const char *name,
			      const char *address)
{
	struct map_node node = record(key, name, address);
	const struct agent_peer *found = pins_find(bench->agent, &node);

	return found ? found->record.name : "";
}

static void a_pin_holds_name_and_address_against_other_keys(void **state)
{
	struct bench *bench = bench_new(1);

	pin(bench, 10, "ada", "100.100.96.3/32");
	pin(bench, 11, "bob", "100.100.96.4/32");
	assert_string_equal(in_the_way(bench, 12, "ada", "100.100.96.9/32"), "ada");
	assert_string_equal(in_the_way(bench, 12, "eve", "100.100.96.4/32"), "bob");
	assert_string_equal(in_the_way(bench, 12, "eve", "100.100.96.9/32"), "");
	/* Its own key may have it again. */
	assert_string_equal(in_the_way(bench, 10, "ada", "100.100.96.3/32"), "");
	assert_string_equal(in_the_way(bench, 10, "ada", "100.100.96.4/32"), "bob");
	bench_free(bench);
}

static void an_address_is_pinned_whatever_the_length_of_its_prefix(void **state)
{
	struct bench *bench = bench_new(1);

	pin(bench, 10, "ada", "100.100.96.3/24");
	assert_string_equal(in_the_way(bench, 12, "eve", "100.100.96.3/32"), "ada");
	bench_free(bench);
}

static void a_pin_that_comes_again_is_the_youngest_and_no_second_one(void **state)
{
	struct bench *bench = bench_new(1);

	pin(bench, 10, "ada", "100.100.96.3/32");
	pin(bench, 11, "bob", "100.100.96.4/32");
	pin(bench, 10, "ada", "100.100.96.3/32");
	assert_int_equal(bench->agent->pin_count, 2);
	assert_string_equal(list_first(&bench->agent->pins, struct agent_peer, entry)->record.name,
			    "bob");
	/* Another name or address is another pin. */
	pin(bench, 10, "ann", "100.100.96.3/32");
	pin(bench, 10, "ada", "100.100.96.5/32");
	assert_int_equal(bench->agent->pin_count, 4);
	bench_free(bench);
}

static void what_is_dropped_is_free_for_others(void **state)
{
	struct bench *bench = bench_new(1);

	pin(bench, 10, "ada", "100.100.96.3/32");
	pin(bench, 11, "bob", "100.100.96.4/32");
	pins_drop(bench->agent, list_first(&bench->agent->pins, struct agent_peer, entry));
	assert_int_equal(bench->agent->pin_count, 1);
	assert_string_equal(in_the_way(bench, 12, "ada", "100.100.96.3/32"), "");
	assert_string_equal(in_the_way(bench, 12, "bob", "100.100.96.9/32"), "bob");
	pins_clear(bench->agent);
	assert_int_equal(bench->agent->pin_count, 0);
	assert_string_equal(in_the_way(bench, 12, "bob", "100.100.96.9/32"), "");
	bench_free(bench);
}

static void a_pin_is_no_member_and_in_no_device(void **state)
{
	struct bench *bench = bench_new(1);
	struct key key = bench_key(10);

	pin(bench, 10, "ada", "100.100.96.3/32");
	assert_null(agent_find(bench->agent, &key));
	assert_null(agent_find_text(bench->agent, "ada"));
	assert_int_equal(bench->agent->member_count, 0);
	assert_int_equal(bench->device_count, 0);
	bench_free(bench);
}

static void without_memory_what_is_pinned_stays(void **state)
{
	struct bench *bench = bench_new(1);

	pin(bench, 10, "ada", "100.100.96.3/32");
	bench->has_no_memory = true;
	pin(bench, 11, "bob", "100.100.96.4/32");
	assert_int_equal(bench->agent->pin_count, 1);
	assert_string_equal(in_the_way(bench, 12, "ada", "100.100.96.9/32"), "ada");
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pin_holds_name_and_address_against_other_keys),
		cmocka_unit_test(an_address_is_pinned_whatever_the_length_of_its_prefix),
		cmocka_unit_test(a_pin_that_comes_again_is_the_youngest_and_no_second_one),
		cmocka_unit_test(what_is_dropped_is_free_for_others),
		cmocka_unit_test(a_pin_is_no_member_and_in_no_device),
		cmocka_unit_test(without_memory_what_is_pinned_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
