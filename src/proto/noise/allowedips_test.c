#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "proto/noise/allowedips.h"
#include "seeded.h"

#include <cmocka.h>

#define OWNERS 6

struct fixture {
	struct allowedips table;
	struct allowedips_owner owners[OWNERS];
};

static void give(struct fixture *fixture, uint32_t count)
{
	free(allowedips_give_memory(&fixture->table, new_array(struct allowedips_node, count),
				    count));
}

static void done(struct fixture *fixture)
{
	free(fixture->table.nodes);
}

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix;
}

static void add(struct fixture *fixture, int owner, const char *text)
{
	struct prefix prefix = prefix_of(text);

	assert_int_equal(allowedips_add(&fixture->table, &prefix, &fixture->owners[owner]), 0);
}

static bool drop(struct fixture *fixture, int owner, const char *text)
{
	struct prefix prefix = prefix_of(text);

	return allowedips_remove(&fixture->table, &prefix, &fixture->owners[owner]);
}

/* Number of the owner, -1 for nobody. */
static int find(const struct fixture *fixture, const char *text)
{
	struct prefix ip = prefix_of(text);
	struct allowedips_owner *owner = allowedips_find(&fixture->table, ip.family, ip.ip);

	return owner ? (int)(owner - fixture->owners) : -1;
}

static void the_longest_prefix_wins(void **state)
{
	struct fixture fixture = {0};

	give(&fixture, 64);
	add(&fixture, 0, "0.0.0.0/0");
	add(&fixture, 1, "192.168.0.0/16");
	add(&fixture, 2, "192.168.4.0/24");
	add(&fixture, 3, "192.168.4.4/32");
	add(&fixture, 4, "2001:db8::/32");
	add(&fixture, 5, "2001:db8::26:1/128");
	assert_int_equal(find(&fixture, "8.8.8.8"), 0);
	assert_int_equal(find(&fixture, "192.168.200.1"), 1);
	assert_int_equal(find(&fixture, "192.168.4.20"), 2);
	assert_int_equal(find(&fixture, "192.168.4.4"), 3);
	assert_int_equal(find(&fixture, "2001:db8::1"), 4);
	assert_int_equal(find(&fixture, "2001:db8::26:1"), 5);
	assert_int_equal(find(&fixture, "2001:db9::1"), -1);
	done(&fixture);
}

static void the_families_do_not_mix(void **state)
{
	struct fixture fixture = {0};

	give(&fixture, 64);
	add(&fixture, 0, "0.0.0.0/0");
	assert_int_equal(find(&fixture, "::"), -1);
	add(&fixture, 1, "::/0");
	assert_int_equal(find(&fixture, "::"), 1);
	assert_int_equal(find(&fixture, "0.0.0.0"), 0);
	assert_true(drop(&fixture, 0, "0.0.0.0/0"));
	assert_int_equal(find(&fixture, "1.2.3.4"), -1);
	assert_int_equal(find(&fixture, "1::"), 1);
	done(&fixture);
}

static void host_bits_are_cut(void **state)
{
	struct fixture fixture = {0};
	struct prefix out;

	give(&fixture, 64);
	add(&fixture, 0, "10.1.2.3/16");
	assert_int_equal(find(&fixture, "10.1.200.1"), 0);
	assert_true(allowedips_get(&fixture.table, &fixture.owners[0], 0, &out));
	assert_true(prefix_is_equal(&out, &(struct prefix){{10, 1}, FAMILY_IPV4, 16}));
	assert_true(drop(&fixture, 0, "10.1.99.99/16"));
	assert_int_equal(find(&fixture, "10.1.200.1"), -1);
	done(&fixture);
}

static void a_prefix_moves_to_its_newest_owner(void **state)
{
	struct fixture fixture = {0};

	give(&fixture, 64);
	add(&fixture, 0, "10.0.0.0/8");
	add(&fixture, 1, "10.0.0.0/8");
	assert_int_equal(find(&fixture, "10.0.0.1"), 1);
	assert_int_equal(fixture.owners[0].count, 0);
	assert_int_equal(fixture.owners[1].count, 1);
	/* What is not his any more he cannot remove. */
	assert_false(drop(&fixture, 0, "10.0.0.0/8"));
	allowedips_remove_all(&fixture.table, &fixture.owners[0]);
	assert_int_equal(find(&fixture, "10.0.0.1"), 1);
	/* Adding again changes nothing. */
	add(&fixture, 1, "10.0.0.0/8");
	assert_int_equal(fixture.owners[1].count, 1);
	done(&fixture);
}

static void what_is_no_prefix_is_refused(void **state)
{
	const struct prefix bad[] = {
		{{0}, FAMILY_NONE, 0},   {{0}, FAMILY_IPV4, 33},  {{0}, FAMILY_IPV4, 128},
		{{0}, FAMILY_IPV6, 129}, {{0}, FAMILY_IPV6, 255}, {{0}, 5, 8},
	};
	struct fixture fixture = {0};

	give(&fixture, 64);
	for (size_t i = 0; i < array_size(bad); i++) {
		assert_int_equal(allowedips_add(&fixture.table, &bad[i], &fixture.owners[0]),
				 -EINVAL);
		assert_false(allowedips_remove(&fixture.table, &bad[i], &fixture.owners[0]));
	}
	assert_int_equal(fixture.owners[0].count, 0);
	done(&fixture);
}

static void a_full_table_says_so_and_goes_on_in_a_bigger_one(void **state)
{
	struct fixture fixture = {0};
	struct prefix prefix = prefix_of("10.0.0.0/32");
	int refused = 0;

	assert_int_equal(allowedips_add(&fixture.table, &prefix, &fixture.owners[0]), -ENOSPC);
	give(&fixture, 8);
	for (uint8_t i = 0; i < 100; i++) {
		prefix.ip[3] = i;
		if (allowedips_add(&fixture.table, &prefix, &fixture.owners[i % OWNERS]) == 0)
			continue;
		refused++;
		assert_null(allowedips_find(&fixture.table, FAMILY_IPV4, prefix.ip));
		give(&fixture, 2 * fixture.table.capacity);
		assert_int_equal(
			allowedips_add(&fixture.table, &prefix, &fixture.owners[i % OWNERS]), 0);
	}
	assert_in_range(refused, 4, 6);
	for (uint8_t i = 0; i < 100; i++) {
		prefix.ip[3] = i;
		assert_ptr_equal(allowedips_find(&fixture.table, FAMILY_IPV4, prefix.ip),
				 &fixture.owners[i % OWNERS]);
	}
	done(&fixture);
}

static void nodes_of_removed_prefixes_serve_again(void **state)
{
	struct fixture fixture = {0};
	struct prefix prefix = prefix_of("10.0.0.0/32");

	give(&fixture, 1 + 4 * ALLOWEDIPS_NODES_PER_PREFIX);
	for (uint32_t i = 0; i < 1000; i++) {
		memcpy(prefix.ip, &i, 4);
		assert_int_equal(allowedips_add(&fixture.table, &prefix, &fixture.owners[0]), 0);
		if (i < 3)
			continue;
		i -= 3;
		memcpy(prefix.ip, &i, 4);
		assert_true(allowedips_remove(&fixture.table, &prefix, &fixture.owners[0]));
		i += 3;
	}
	allowedips_remove_all(&fixture.table, &fixture.owners[0]);
	assert_int_equal(fixture.table.roots[0], 0);
	done(&fixture);
}

/* The model: one prefix after the other, longest match by looking at all. */
#define PREFIXES_MAX 600

struct model {
	struct prefix prefixes[PREFIXES_MAX];
	int owners[PREFIXES_MAX];
	size_t count;
};

static size_t model_place(const struct model *model, const struct prefix *prefix)
{
	size_t i = 0;

	while (i < model->count && !prefix_is_equal(&model->prefixes[i], prefix))
		i++;
	return i;
}

static void model_add(struct model *model, const struct prefix *prefix, int owner)
{
	size_t place = model_place(model, prefix);

	if (place == model->count)
		model->prefixes[model->count++] = *prefix;
	model->owners[place] = owner;
}

static void model_cut(struct model *model, size_t place)
{
	model->count--;
	model->prefixes[place] = model->prefixes[model->count];
	model->owners[place] = model->owners[model->count];
}

static int model_find(const struct model *model, const struct prefix *ip)
{
	int owner = -1, longest = -1;

	for (size_t i = 0; i < model->count; i++) {
		const struct prefix *prefix = &model->prefixes[i];

		if (prefix->bits > longest && prefix_contains_ip(prefix, ip->family, ip->ip)) {
			longest = prefix->bits;
			owner = model->owners[i];
		}
	}
	return owner;
}

/* Dense, so that prefixes meet: few distinct bytes, any length. */
static struct prefix random_prefix(struct seeded *seeded)
{
	struct prefix prefix = {.family = seeded_below(seeded, 2) ? FAMILY_IPV4 : FAMILY_IPV6};
	uint8_t mask = seeded_below(seeded, 2) ? 0x81 : 0x03;

	for (size_t i = 0; i < family_size(prefix.family); i++)
		prefix.ip[i] = (uint8_t)seeded_below(seeded, 256) & mask;
	prefix.bits = (uint8_t)seeded_below(seeded, family_bits(prefix.family) + 1u);
	return prefix;
}

static void random_step(struct seeded *seeded, struct fixture *fixture, struct model *model)
{
	struct prefix prefix = random_prefix(seeded), masked = prefix_masked(&prefix);
	int owner = (int)seeded_below(seeded, OWNERS);
	size_t place = model_place(model, &masked);
	bool is_his;

	switch (seeded_below(seeded, 40)) {
	case 0:
		allowedips_remove_all(&fixture->table, &fixture->owners[owner]);
		for (size_t i = model->count; i-- > 0;) {
			if (model->owners[i] == owner)
				model_cut(model, i);
		}
		return;
	case 1 ... 12:
		if (model->count && seeded_below(seeded, 3)) {
			place = seeded_below(seeded, (uint32_t)model->count);
			masked = model->prefixes[place];
		}
		is_his = place < model->count && model->owners[place] == owner;
		assert_int_equal(
			allowedips_remove(&fixture->table, &masked, &fixture->owners[owner]),
			is_his);
		if (is_his)
			model_cut(model, place);
		return;
	}
	if (model->count == PREFIXES_MAX)
		return;
	if (allowedips_add(&fixture->table, &prefix, &fixture->owners[owner])) {
		give(fixture, fixture->table.capacity * 2 + 8);
		assert_int_equal(allowedips_add(&fixture->table, &prefix, &fixture->owners[owner]),
				 0);
	}
	model_add(model, &masked, owner);
}

static void compare_lists(const struct fixture *fixture, const struct model *model)
{
	size_t total = 0;

	for (int owner = 0; owner < OWNERS; owner++) {
		const struct allowedips_owner *his = &fixture->owners[owner];
		struct prefix prefix;
		uint32_t i = 0;

		for (; allowedips_get(&fixture->table, his, i, &prefix); i++) {
			size_t place = model_place(model, &prefix);

			assert_true(place < model->count);
			assert_int_equal(model->owners[place], owner);
		}
		assert_int_equal(i, his->count);
		total += i;
	}
	assert_int_equal(total, model->count);
}

static void it_agrees_with_a_linear_list(void **state)
{
	struct seeded seeded;

	seeded_start(&seeded, __func__);
	for (int run = 0; run < 10; run++) {
		auto_free struct model *model = new (struct model);
		struct fixture fixture = {0};

		for (int i = 0; i < 2000; i++) {
			random_step(&seeded, &fixture, model);
			for (int j = 0; j < 10; j++) {
				struct prefix ip = random_prefix(&seeded);
				struct allowedips_owner *owner =
					allowedips_find(&fixture.table, ip.family, ip.ip);
				int found = owner ? (int)(owner - fixture.owners) : -1;

				assert_int_equal(found, model_find(model, &ip));
			}
			if (i % 100 == 0)
				compare_lists(&fixture, model);
			/* The nodes in use and free never exceed what the prefixes may need. */
			assert_true(fixture.table.used <
				    ALLOWEDIPS_NODES_PER_PREFIX * (PREFIXES_MAX + 1));
		}
		done(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_prefix_wins),
		cmocka_unit_test(the_families_do_not_mix),
		cmocka_unit_test(host_bits_are_cut),
		cmocka_unit_test(a_prefix_moves_to_its_newest_owner),
		cmocka_unit_test(what_is_no_prefix_is_refused),
		cmocka_unit_test(a_full_table_says_so_and_goes_on_in_a_bigger_one),
		cmocka_unit_test(nodes_of_removed_prefixes_serve_again),
		cmocka_unit_test(it_agrees_with_a_linear_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
