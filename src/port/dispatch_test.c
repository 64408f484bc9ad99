#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/crypto.h"
#include "port/dispatch.h"
#include "proto/wire/wireguard.h"
#include "seeded.h"

#include <cmocka.h>

#define NOW      ((usec_t)1234567)
#define ROOM     65536
#define LOG_SIZE 4096

/* Handlers that write what they got into a text, and a batch under construction. */
struct bench {
	struct dispatch dispatch;
	struct udp_message messages[4];
	size_t message_count;
	uint8_t *room[4];
	char log[LOG_SIZE];
	size_t log_size;
	size_t seen;
	bool overwrites;
};

static void note(struct bench *bench, const char *what, const struct port_packet *packet)
{
	bench->seen++;
	assert_int_equal(packet->from.port, 4711);
	bench->log_size +=
		(size_t)snprintf(bench->log + bench->log_size, LOG_SIZE - bench->log_size, "%s%u ",
				 what, packet->data[packet->size - 1]);
	assert_true(bench->log_size < LOG_SIZE);
	if (bench->overwrites)
		memset(packet->data, 0xff, packet->size);
}

static void on_data(void *owner, usec_t now, struct port_packet *packets, size_t count)
{
	struct bench *bench = owner;

	assert_true(now == NOW);
	assert_in_range(count, 1, PORT_PACKETS_MAX);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(packets[i].data[0], WG_DATA);
		note(bench, i ? "+" : "d", &packets[i]);
	}
}

static void on_handshake(void *owner, usec_t now, struct port_packet *packet)
{
	assert_true(now == NOW);
	assert_in_range(packet->data[0], WG_INITIATION, WG_COOKIE);
	note(owner, "h", packet);
}

static void on_control(void *owner, usec_t now, struct port_packet *packet)
{
	assert_true(now == NOW);
	assert_int_equal(packet->data[0], WIRE_CLASS_CONTROL);
	note(owner, "c", packet);
}

static int set_up(void **state)
{
	struct bench *bench = new (struct bench);

	bench->dispatch.handlers = (struct port_handlers){.owner = bench,
							  .on_data = on_data,
							  .on_handshake = on_handshake,
							  .on_control = on_control};
	for (size_t i = 0; i < array_size(bench->room); i++)
		bench->room[i] = memory_new(ROOM);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	dispatch_done(&bench->dispatch);
	for (size_t i = 0; i < array_size(bench->room); i++)
		free(bench->room[i]);
	free(bench);
	return 0;
}

/* Messages of the batch are begun with the size of their datagrams and then filled. */
static void begin(struct bench *bench, size_t segment_size)
{
	size_t i = bench->message_count++;

	assert_true(i < array_size(bench->messages));
	bench->messages[i] = (struct udp_message){.data = bench->room[i],
						  .segment_size = segment_size,
						  .remote = {.family = FAMILY_IPV4, .port = 4711}};
}

/* A datagram of this type; its last byte tells which one it is. */
static uint8_t *add(struct bench *bench, uint8_t type, size_t size, uint8_t number)
{
	struct udp_message *message = &bench->messages[bench->message_count - 1];
	uint8_t *data = message->data + message->size;

	assert_true(size <= message->segment_size && message->size + size <= ROOM);
	memset(data, 0, size);
	data[0] = type;
	data[size - 1] = number;
	message->size += size;
	return data;
}

static void add_alone(struct bench *bench, uint8_t type, size_t size, uint8_t number)
{
	begin(bench, size);
	add(bench, type, size, number);
}

static void run(struct bench *bench)
{
	dispatch_batch(&bench->dispatch, NOW, bench->messages, bench->message_count);
	assert_int_equal(bench->dispatch.count, 0);
	bench->message_count = 0;
}

static struct mask_key key_of(uint8_t first)
{
	struct mask_key key;
	struct key listener = {{first}};
	uint8_t secret[SITE_SECRET_SIZE] = {0};

	mask_key_derive(&listener, secret, MASK_TO_LISTENER, &key);
	return key;
}

static void add_masked(struct bench *bench, const struct mask_key *key, size_t size, uint8_t number)
{
	struct mask mask;
	uint8_t *data = add(bench, WIRE_CLASS_CONTROL, size, number);

	mask_init(&mask, key);
	/* The last bytes vary the mask; another one is drawn when the result looks like WireGuard.
	 */
	while (!mask_apply(&mask, data, size))
		data[size - 2]++;
	mask_done(&mask);
}

static void handshakes_reach_their_handler(void **state)
{
	struct bench *bench = *state;

	add_alone(bench, WG_INITIATION, WG_INITIATION_SIZE, 1);
	add_alone(bench, WG_RESPONSE, WG_RESPONSE_SIZE, 2);
	add_alone(bench, WG_COOKIE, WG_COOKIE_SIZE, 3);
	run(bench);
	assert_string_equal(bench->log, "h1 h2 h3 ");
}

static void data_of_several_messages_is_one_call(void **state)
{
	struct bench *bench = *state;

	begin(bench, 100);
	add(bench, WG_DATA, 100, 1);
	add(bench, WG_DATA, 100, 2);
	add(bench, WG_DATA, 40, 3);
	add_alone(bench, WG_DATA, 32, 4);
	begin(bench, 61);
	add(bench, WG_DATA, 61, 5);
	add(bench, WG_DATA, 61, 6);
	run(bench);
	assert_string_equal(bench->log, "d1 +2 +3 +4 +5 +6 ");
}

static void handshakes_come_behind_all_data_of_their_batch(void **state)
{
	struct bench *bench = *state;

	begin(bench, WG_INITIATION_SIZE);
	add(bench, WG_DATA, WG_INITIATION_SIZE, 1);
	add(bench, WG_DATA, WG_INITIATION_SIZE, 2);
	add(bench, WG_INITIATION, WG_INITIATION_SIZE, 3);
	add(bench, WG_DATA, WG_INITIATION_SIZE, 4);
	add(bench, WG_DATA, 50, 5);
	add_alone(bench, WG_COOKIE, WG_COOKIE_SIZE, 6);
	add_alone(bench, WG_DATA, 64, 7);
	run(bench);
	assert_string_equal(bench->log, "d1 +2 +4 +5 +7 h3 h6 ");
}

static void a_handshake_comes_before_the_control_behind_it(void **state)
{
	struct bench *bench = *state;
	struct mask_key key = key_of(1);

	dispatch_set_mask(&bench->dispatch, &key);
	begin(bench, 148);
	add(bench, WG_INITIATION, WG_INITIATION_SIZE, 1);
	add(bench, WG_DATA, WG_INITIATION_SIZE, 2);
	add_masked(bench, &key, WG_INITIATION_SIZE, 3);
	add(bench, WG_DATA, WG_INITIATION_SIZE, 4);
	run(bench);
	assert_string_equal(bench->log, "d2 h1 c3 d4 ");
}

static void one_source_has_few_handshakes_at_once(void **state)
{
	struct bench *bench = *state;

	for (uint8_t source = 0; source < 2; source++) {
		begin(bench, WG_INITIATION_SIZE);
		for (uint8_t i = 0; i < PORT_BURST_MAX + 3; i++)
			add(bench, WG_INITIATION, WG_INITIATION_SIZE, i);
	}
	run(bench);
	assert_int_equal(bench->seen, 2 * PORT_BURST_MAX);
	assert_int_equal(bench->dispatch.drops[PORT_DROP_BURST], 2 * 3);
}

static void what_is_dropped_does_not_part_data(void **state)
{
	struct bench *bench = *state;

	begin(bench, 64);
	add(bench, WG_DATA, 64, 1);
	add(bench, WG_INITIATION, 64, 2);
	add(bench, 0x77, 64, 3);
	add(bench, WG_DATA, 64, 4);
	run(bench);
	assert_string_equal(bench->log, "d1 +4 ");
	assert_int_equal(bench->dispatch.drops[PORT_DROP_MALFORMED], 1);
	assert_int_equal(bench->dispatch.drops[PORT_DROP_UNMASKED], 1);
}

static void more_data_than_a_call_takes_is_several_calls_in_order(void **state)
{
	struct bench *bench = *state;
	char expected[LOG_SIZE];
	size_t size = 0;

	for (unsigned i = 0; i < 3 * PORT_PACKETS_MAX / 2 + 1; i++) {
		if (i % 128 == 0)
			begin(bench, 40);
		add(bench, WG_DATA, 40, (uint8_t)i);
		size += (size_t)snprintf(expected + size, LOG_SIZE - size, "%s%u ",
					 i % PORT_PACKETS_MAX ? "+" : "d", (uint8_t)i);
	}
	run(bench);
	assert_string_equal(bench->log, expected);
}

static void wrong_lengths_are_malformed(void **state)
{
	static const struct {
		uint8_t type;
		size_t size;
	} cases[] = {
		{WG_INITIATION, WG_INITIATION_SIZE - 1},
		{WG_INITIATION, WG_INITIATION_SIZE + 1},
		{WG_INITIATION, WG_RESPONSE_SIZE},
		{WG_RESPONSE, WG_RESPONSE_SIZE - 1},
		{WG_RESPONSE, WG_INITIATION_SIZE},
		{WG_COOKIE, WG_COOKIE_SIZE + 1},
		{WG_COOKIE, 4},
		{WG_DATA, WG_DATA_OVERHEAD - 1},
		{WG_DATA, 4},
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < array_size(cases); i++) {
		begin(bench, cases[i].size);
		memset(bench->room[0], 0, cases[i].size);
		bench->room[0][0] = cases[i].type;
		bench->messages[0].size = cases[i].size;
		run(bench);
		assert_int_equal(bench->dispatch.drops[PORT_DROP_MALFORMED], i + 1);
	}
	assert_int_equal(bench->seen, 0);
}

static void stun_is_counted_and_goes_nowhere(void **state)
{
	static const uint8_t request[20] = {0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	static const uint8_t answer[20] = {0x01, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	struct bench *bench = *state;

	begin(bench, sizeof(request));
	memcpy(add(bench, 0, sizeof(request), 0), request, sizeof(request));
	memcpy(add(bench, 0, sizeof(answer), 0), answer, sizeof(answer));
	run(bench);
	assert_int_equal(bench->dispatch.drops[PORT_DROP_STUN], 2);
	assert_int_equal(bench->seen, 0);
}

static void short_and_empty_datagrams_are_counted(void **state)
{
	struct bench *bench = *state;

	add_alone(bench, 0x55, 31, 0);
	add_alone(bench, WG_DATA, 3, 0);
	begin(bench, 0);
	run(bench);
	assert_int_equal(bench->dispatch.drops[PORT_DROP_SHORT], 3);
	assert_int_equal(bench->seen, 0);
}

static void control_is_unmasked_under_our_key_only(void **state)
{
	struct bench *bench = *state;
	struct mask_key ours = key_of(1), other = key_of(2);
	static const uint64_t refused[] = {3, 3 + 1, 3 + 1 + 2};

	for (int i = 0; i < 3; i++) {
		begin(bench, 80);
		add_masked(bench, &ours, 80, 1);
		add_masked(bench, &other, 80, 2);
		add_masked(bench, &ours, 32, 3);
		dispatch_set_mask(&bench->dispatch, i == 1 ? &ours : i == 2 ? &other : NULL);
		bench->log_size = 0;
		bench->log[0] = '\0';
		run(bench);
		assert_string_equal(bench->log, i == 1 ? "c1 c3 " : i == 2 ? "c2 " : "");
		assert_int_equal(bench->dispatch.drops[PORT_DROP_UNMASKED], refused[i]);
	}
}

static void control_keeps_its_place_among_data(void **state)
{
	struct bench *bench = *state;
	struct mask_key key = key_of(1);

	dispatch_set_mask(&bench->dispatch, &key);
	begin(bench, 64);
	add(bench, WG_DATA, 64, 1);
	add_masked(bench, &key, 64, 2);
	add(bench, WG_DATA, 64, 3);
	run(bench);
	assert_string_equal(bench->log, "d1 c2 d3 ");
}

static void a_handler_that_overwrites_its_datagram_harms_no_other(void **state)
{
	struct bench *bench = *state;
	struct mask_key key = key_of(1);

	bench->overwrites = true;
	dispatch_set_mask(&bench->dispatch, &key);
	begin(bench, WG_RESPONSE_SIZE);
	add(bench, WG_DATA, WG_RESPONSE_SIZE, 1);
	add(bench, WG_RESPONSE, WG_RESPONSE_SIZE, 2);
	add_masked(bench, &key, WG_RESPONSE_SIZE, 3);
	add(bench, WG_DATA, WG_RESPONSE_SIZE, 4);
	add(bench, WG_DATA, 33, 5);
	run(bench);
	assert_string_equal(bench->log, "d1 h2 c3 d4 +5 ");
}

static void without_a_handler_it_is_counted(void **state)
{
	struct bench *bench = *state;
	struct mask_key key = key_of(1);

	dispatch_set_mask(&bench->dispatch, &key);
	bench->dispatch.handlers = (struct port_handlers){0};
	begin(bench, WG_RESPONSE_SIZE);
	add(bench, WG_DATA, WG_RESPONSE_SIZE, 1);
	add(bench, WG_DATA, WG_RESPONSE_SIZE, 2);
	add(bench, WG_RESPONSE, WG_RESPONSE_SIZE, 3);
	add_masked(bench, &key, WG_RESPONSE_SIZE, 4);
	run(bench);
	assert_int_equal(bench->dispatch.drops[PORT_DROP_NO_HANDLER], 4);
}

/* Changes the handlers while a batch is under way. */
static void become_deaf(void *owner, usec_t now, struct port_packet *packet)
{
	struct bench *bench = owner;

	note(bench, "last", packet);
	bench->dispatch.handlers = (struct port_handlers){0};
	dispatch_set_mask(&bench->dispatch, NULL);
}

static void handlers_and_mask_may_change_in_mid_batch(void **state)
{
	struct bench *bench = *state;
	struct mask_key key = key_of(1);

	dispatch_set_mask(&bench->dispatch, &key);
	bench->dispatch.handlers.on_control = become_deaf;
	begin(bench, 64);
	add_masked(bench, &key, 64, 1);
	add_masked(bench, &key, 64, 2);
	add(bench, WG_DATA, 64, 3);
	run(bench);
	assert_string_equal(bench->log, "last1 ");
	assert_int_equal(bench->dispatch.drops[PORT_DROP_UNMASKED], 1);
	assert_int_equal(bench->dispatch.drops[PORT_DROP_NO_HANDLER], 1);
}

static void random_batches_lose_and_double_nothing(void **state)
{
	static const size_t sizes[] = {0, 3, 20, 31, 32, 64, 92, 148, 200};
	struct bench *bench = *state;
	struct mask_key key = key_of(1);
	struct seeded seeded;
	size_t sent = 0, dropped = 0;

	seeded_start(&seeded, __func__);
	dispatch_set_mask(&bench->dispatch, &key);
	for (int round = 0; round < 3000; round++) {
		size_t segment_size = sizes[1 + seeded_below(&seeded, array_size(sizes) - 1)];

		bench->log_size = 0;
		begin(bench, segment_size);
		for (uint32_t i = seeded_below(&seeded, 80); i; i--, sent++) {
			uint8_t type = (uint8_t)seeded_below(&seeded, 6);

			if (type == 5 && segment_size >= WIRE_MASKED_MINIMUM)
				add_masked(bench, &key, segment_size, 0);
			else
				add(bench, type, segment_size, 0);
		}
		if (!bench->messages[0].size)
			bench->messages[0].segment_size = 0, sent++;
		run(bench);
	}
	for (int i = 0; i < PORT_DROP_COUNT; i++)
		dropped += bench->dispatch.drops[i];
	assert_int_equal(sent, bench->seen + dropped);
	assert_true(bench->seen > 1000 && dropped > 1000);
}

#define dispatch_test(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		dispatch_test(handshakes_reach_their_handler),
		dispatch_test(data_of_several_messages_is_one_call),
		dispatch_test(handshakes_come_behind_all_data_of_their_batch),
		dispatch_test(a_handshake_comes_before_the_control_behind_it),
		dispatch_test(one_source_has_few_handshakes_at_once),
		dispatch_test(what_is_dropped_does_not_part_data),
		dispatch_test(more_data_than_a_call_takes_is_several_calls_in_order),
		dispatch_test(wrong_lengths_are_malformed),
		dispatch_test(stun_is_counted_and_goes_nowhere),
		dispatch_test(short_and_empty_datagrams_are_counted),
		dispatch_test(control_is_unmasked_under_our_key_only),
		dispatch_test(control_keeps_its_place_among_data),
		dispatch_test(a_handler_that_overwrites_its_datagram_harms_no_other),
		dispatch_test(without_a_handler_it_is_counted),
		dispatch_test(handlers_and_mask_may_change_in_mid_batch),
		dispatch_test(random_batches_lose_and_double_nothing),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
