#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "proto/path/budget.h"
#include "seeded.h"

#include <cmocka.h>

#define START (1000 * USEC_PER_SEC)

static struct address address_of(uint32_t ip, uint16_t port)
{
	uint8_t bytes[4] = {(uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8),
			    (uint8_t)ip};

	return address_from_ip(FAMILY_IPV4, bytes, port);
}

static void an_address_gets_ten_packets_and_then_none(void **state)
{
	static struct budget budget;
	struct address victim = address_of(0xcb007109, 53);

	budget_init(&budget, 1);
	for (int i = 0; i < PATH_BUDGET; i++)
		assert_true(budget_take(&budget, START, &victim, 0));
	assert_false(budget_take(&budget, START, &victim, 0));
	assert_false(budget_take(&budget, START + PATH_BUDGET_PERIOD - 1, &victim, 0));
	assert_true(budget_take(&budget, START + PATH_BUDGET_PERIOD, &victim, 0));
}

static void a_refused_packet_costs_nothing(void **state)
{
	static struct budget budget;
	struct address victim = address_of(0xcb007109, 53);

	budget_init(&budget, 1);
	for (int i = 0; i < PATH_BUDGET; i++)
		budget_take(&budget, START, &victim, 0);
	for (int i = 0; i < 100; i++)
		assert_false(budget_take(&budget, START + PATH_BUDGET_PERIOD / 2, &victim, 0));
	for (int i = 0; i < PATH_BUDGET; i++)
		assert_true(budget_take(&budget, START + PATH_BUDGET_PERIOD, &victim, 0));
}

static void part_of_it_can_be_kept(void **state)
{
	static struct budget budget;
	struct address peer = address_of(0xcb007109, 51820);
	int own = 0;

	budget_init(&budget, 1);
	while (budget_take(&budget, START, &peer, PATH_BUDGET_KEPT))
		own++;
	assert_int_equal(own, PATH_BUDGET - PATH_BUDGET_KEPT);
	for (int i = 0; i < PATH_BUDGET_KEPT; i++)
		assert_true(budget_take(&budget, START, &peer, 0));
	assert_false(budget_take(&budget, START, &peer, 0));
}

static void ports_and_addresses_have_budgets_of_their_own(void **state)
{
	static struct budget budget;
	unsigned shared = 0;

	budget_init(&budget, 7);
	for (uint16_t port = 1; port <= 20; port++) {
		struct address address = address_of(0xcb007109, port);

		for (int i = 0; i < PATH_BUDGET; i++)
			shared += !budget_take(&budget, START, &address, 0);
	}
	/* Two may share a slot by chance; with this seed hardly any do. */
	assert_in_range(shared, 0, PATH_BUDGET);
}

/* Against a plain list of what was sent: never more than the budget in any period, and as much as
 * fits. */
static void random_traffic_never_exceeds_the_budget(void **state)
{
	static struct budget budget;
	static usec_t sent[100000];
	struct seeded seeded;
	struct address address = address_of(0xc0000201, 1);
	usec_t now = START;
	size_t count = 0;

	seeded_start(&seeded, __func__);
	budget_init(&budget, seeded_u64(&seeded));
	for (int i = 0; i < 100000; i++) {
		size_t kept = seeded_below(&seeded, 2) * PATH_BUDGET_KEPT, recent = 0;
		bool may;

		now += seeded_below(&seeded, 4 * USEC_PER_SEC);
		for (size_t j = count; j-- > 0 && now - sent[j] < PATH_BUDGET_PERIOD;)
			recent++;
		may = recent < PATH_BUDGET - kept;
		assert_int_equal(budget_take(&budget, now, &address, kept), may);
		if (may)
			sent[count++] = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_gets_ten_packets_and_then_none),
		cmocka_unit_test(a_refused_packet_costs_nothing),
		cmocka_unit_test(part_of_it_can_be_kept),
		cmocka_unit_test(ports_and_addresses_have_budgets_of_their_own),
		cmocka_unit_test(random_traffic_never_exceeds_the_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
