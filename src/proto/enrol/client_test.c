#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "crypto/random.h"
#include "proto/enrol/enrol_test.h"

#include <cmocka.h>

static void it_asks_again_and_gives_up_at_the_deadline(void **state)
{
	struct enrolment *enrolment = new (struct enrolment);
	uint8_t data[ENROL_REQUEST_MAXIMUM];
	usec_t now = TEST_NOW;
	unsigned sent = 0;

	enrolment_start(enrolment, &random_system);
	while (enrolment->client.state == ENROL_ASKING) {
		sent += enrol_client_send(&enrolment->client, now, data) > 0;
		now = enrol_client_next(&enrolment->client);
		if (now == USEC_NEVER)
			break;
		assert_true(now <= TEST_NOW + ENROL_DEADLINE);
	}
	assert_int_equal(enrolment->client.state, ENROL_TIMED_OUT);
	assert_in_range(sent, 6, 18);
	enrolment_stop(enrolment);
	free(enrolment);
}

static void nodes_that_start_together_do_not_ask_together(void **state)
{
	struct enrolment *a = new (struct enrolment), *b = new (struct enrolment);
	uint8_t data[ENROL_REQUEST_MAXIMUM];
	usec_t now_a = TEST_NOW, now_b = TEST_NOW;
	int together = 0;

	enrolment_start(a, &random_system);
	enrolment_start(b, &random_system);
	for (int i = 0; i < 6; i++) {
		assert_true(enrol_client_send(&a->client, now_a, data) > 0);
		assert_true(enrol_client_send(&b->client, now_b, data) > 0);
		now_a = enrol_client_next(&a->client);
		now_b = enrol_client_next(&b->client);
		together += now_a == now_b;
	}
	assert_true(together < 2);
	enrolment_stop(a);
	enrolment_stop(b);
	free(a);
	free(b);
}

static void a_bad_hub_key_is_refused(void **state)
{
	struct enrolment *enrolment = new (struct enrolment);
	struct enrol_client client;
	struct join join;

	enrolment_start(enrolment, &random_system);
	join = enrolment->join;
	memset(&join.hub, 0, sizeof(join.hub));
	assert_int_not_equal(enrol_client_init(&client, &join, &enrolment->node_key, "",
					       enrolment->aead, &random_system, TEST_NOW),
			     0);
	enrolment_stop(enrolment);
	free(enrolment);
}

static void forged_answers_change_nothing(void **state)
{
	struct enrolment *enrolment = new (struct enrolment);
	uint8_t data[ENROL_REQUEST_MAXIMUM], out[ENROL_ANSWER_MAXIMUM], copy[ENROL_ANSWER_MAXIMUM];
	struct enrol_answer refusal = {.status = ENROL_TOKEN_EXPIRED};
	struct enrol_request request;
	size_t size, out_size = 0;

	enrolment_start(enrolment, &random_system);
	for (int round = 0; round < 2; round++) {
		size = enrol_client_send(&enrolment->client, TEST_NOW, data);
		assert_true(mask_remove(&enrolment->to_hub, data, size));
		enrol_server_receive(&enrolment->server, TEST_NOW, &enrolment->from, data, size,
				     out, &out_size, &request);
		if (!round)
			enrol_client_receive(&enrolment->client, TEST_NOW, out, out_size);
	}
	size = enrol_server_answer(&enrolment->server, &request, &refusal, out);
	for (size_t i = 0; i < size; i++) {
		memcpy(copy, out, size);
		copy[i] ^= 4;
		enrol_client_receive(&enrolment->client, TEST_NOW, copy, size);
		/* Salt bytes of the header belong to nothing; all others do. */
		if (enrolment->client.state != ENROL_ASKING)
			fail_msg("byte %zu changed and the answer was taken", i);
	}
	enrol_client_receive(&enrolment->client, TEST_NOW, out, size);
	assert_int_equal(enrolment->client.state, ENROL_DONE);
	assert_int_equal(enrolment->client.answer.status, ENROL_TOKEN_EXPIRED);
	enrolment_stop(enrolment);
	free(enrolment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_asks_again_and_gives_up_at_the_deadline),
		cmocka_unit_test(nodes_that_start_together_do_not_ask_together),
		cmocka_unit_test(a_bad_hub_key_is_refused),
		cmocka_unit_test(forged_answers_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
