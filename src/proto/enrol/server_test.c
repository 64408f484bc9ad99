#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "crypto/random.h"
#include "proto/enrol/enrol_test.h"

#include <cmocka.h>

static struct enrolment *start(void)
{
	struct enrolment *enrolment = new (struct enrolment);

	enrolment_start(enrolment, &random_system);
	return enrolment;
}

static void stop(struct enrolment *enrolment)
{
	enrolment_stop(enrolment);
	free(enrolment);
}

/* The node's next datagram, unmasked as the port does. */
static size_t ask(struct enrolment *enrolment, usec_t now, uint8_t out[ENROL_REQUEST_MAXIMUM])
{
	size_t size = enrol_client_send(&enrolment->client, now, out);

	assert_true(size >= ENROL_REQUEST_MINIMUM);
	assert_int_equal(wire_shape_of(out, size), WIRE_MASKED);
	assert_true(mask_remove(&enrolment->to_hub, out, size));
	assert_int_equal(out[0], WIRE_CLASS_ENROL_REQUEST);
	return size;
}

static enum enrol_result receive(struct enrolment *enrolment, usec_t now, const uint8_t *data,
				 size_t size, uint8_t *out, size_t *ret_size,
				 struct enrol_request *request)
{
	return enrol_server_receive(&enrolment->server, now, &enrolment->from, data, size, out,
				    ret_size, request);
}

/* Up to the request that waits for a decision. */
static void reach_request(struct enrolment *enrolment, struct enrol_request *request)
{
	uint8_t data[ENROL_REQUEST_MAXIMUM], out[ENROL_ANSWER_MAXIMUM];
	size_t size = ask(enrolment, TEST_NOW, data), out_size = 0;

	assert_int_equal(receive(enrolment, TEST_NOW, data, size, out, &out_size, request),
			 ENROL_SEND);
	assert_true(out_size <= size);
	enrol_client_receive(&enrolment->client, TEST_NOW, out, out_size);
	assert_int_equal(enrol_client_next(&enrolment->client), TEST_NOW);
	size = ask(enrolment, TEST_NOW, data);
	assert_int_equal(receive(enrolment, TEST_NOW, data, size, out, &out_size, request),
			 ENROL_ASK);
	assert_int_equal(request->size, size);
}

static struct enrol_answer welcome(void)
{
	struct enrol_answer answer = {.status = ENROL_WELCOME,
				      .name = "alpha",
				      .hub_name = "hub",
				      .address_count = 2,
				      .hub_address_count = 1};

	assert_int_equal(prefix_parse("100.100.96.2/24", &answer.addresses[0]), 0);
	assert_int_equal(prefix_parse("fd00::2/64", &answer.addresses[1]), 0);
	assert_int_equal(address_parse("100.100.96.1:1", 0, &answer.hub_addresses[0]), 0);
	answer.hub_addresses[0].port = 0;
	return answer;
}

static void a_token_shown_brings_key_name_and_proof(void **state)
{
	struct enrolment *enrolment = start();
	struct enrol_request request;
	uint8_t verifier[BLAKE2S_SIZE], other[BLAKE2S_SIZE] = {1};

	reach_request(enrolment, &request);
	assert_true(key_is_equal(&request.key, &enrolment->client.public_key));
	assert_memory_equal(request.token_id, enrolment->join.token_id, TOKEN_ID_SIZE);
	assert_string_equal(request.name, "alpha");
	enrol_token_verifier(enrolment->join.token, verifier);
	assert_true(enrol_proof_is_valid(&request, verifier));
	assert_false(enrol_proof_is_valid(&request, other));
	stop(enrolment);
}

static void the_answer_arrives_as_it_was_given(void **state)
{
	struct enrolment *enrolment = start();
	struct enrol_answer answer = welcome();
	uint8_t out[ENROL_ANSWER_MAXIMUM];
	struct enrol_request request;
	size_t size;

	reach_request(enrolment, &request);
	size = enrol_server_answer(&enrolment->server, &request, &answer, out);
	assert_true(size && size <= request.size);
	enrol_client_receive(&enrolment->client, TEST_NOW, out, size);
	assert_int_equal(enrolment->client.state, ENROL_DONE);
	assert_memory_equal(&enrolment->client.answer, &answer, sizeof(answer));
	stop(enrolment);
}

static void refusals_look_like_consent_from_outside(void **state)
{
	struct enrolment *enrolment = start();
	struct enrol_answer consent = welcome(), refusal = {.status = ENROL_TOKEN_USED};
	uint8_t out[ENROL_ANSWER_MAXIMUM];
	struct enrol_request request;
	size_t size;

	reach_request(enrolment, &request);
	size = enrol_server_answer(&enrolment->server, &request, &consent, out);
	assert_int_equal(enrol_server_answer(&enrolment->server, &request, &refusal, out), size);
	enrol_client_receive(&enrolment->client, TEST_NOW, out, size);
	assert_int_equal(enrolment->client.state, ENROL_DONE);
	assert_int_equal(enrolment->client.answer.status, ENROL_TOKEN_USED);
	stop(enrolment);
}

static void without_the_hubs_key_there_is_silence(void **state)
{
	struct enrolment *enrolment = start();
	uint8_t data[ENROL_REQUEST_MAXIMUM], out[ENROL_ANSWER_MAXIMUM];
	uint8_t large[ENROL_REQUEST_MAXIMUM + 1] = {WIRE_CLASS_ENROL_REQUEST};
	struct enrol_request request;
	size_t size = ask(enrolment, TEST_NOW, data), out_size = 0;

	/* Everything before mac1 is covered by it; a flipped mac2 only costs a cookie. */
	for (size_t i = 0; i < 480; i++) {
		data[i] ^= 1;
		assert_int_equal(receive(enrolment, TEST_NOW, data, size, out, &out_size, &request),
				 ENROL_IGNORE);
		data[i] ^= 1;
	}
	assert_int_equal(receive(enrolment, TEST_NOW, data, ENROL_REQUEST_MINIMUM - 1, out,
				 &out_size, &request),
			 ENROL_IGNORE);
	assert_int_equal(
		receive(enrolment, TEST_NOW, large, sizeof(large), out, &out_size, &request),
		ENROL_IGNORE);
	assert_int_equal(enrolment->server.counters.cookies, 0);
	assert_int_equal(enrolment->server.counters.malformed, 2);
	assert_int_equal(enrolment->server.counters.wrong_mac, 480);
	stop(enrolment);
}

static void a_cookie_is_bound_to_the_address(void **state)
{
	struct enrolment *enrolment = start();
	uint8_t data[ENROL_REQUEST_MAXIMUM], out[ENROL_ANSWER_MAXIMUM];
	struct enrol_request request;
	size_t size = ask(enrolment, TEST_NOW, data), out_size = 0;

	assert_int_equal(receive(enrolment, TEST_NOW, data, size, out, &out_size, &request),
			 ENROL_SEND);
	enrol_client_receive(&enrolment->client, TEST_NOW, out, out_size);
	size = ask(enrolment, TEST_NOW, data);
	enrolment->from.port++;
	assert_int_equal(receive(enrolment, TEST_NOW, data, size, out, &out_size, &request),
			 ENROL_SEND);
	enrolment->from.port--;
	/* Two lifetimes later both secrets are new. */
	assert_int_equal(receive(enrolment, TEST_NOW + 2 * ENROL_COOKIE_LIFETIME, data, size, out,
				 &out_size, &request),
			 ENROL_SEND);
	stop(enrolment);
}

static void a_cookie_outlives_one_change_of_secret(void **state)
{
	struct enrolment *enrolment = start();
	uint8_t data[ENROL_REQUEST_MAXIMUM], out[ENROL_ANSWER_MAXIMUM];
	struct enrol_request request;
	size_t size = ask(enrolment, TEST_NOW, data), out_size = 0;

	assert_int_equal(receive(enrolment, TEST_NOW, data, size, out, &out_size, &request),
			 ENROL_SEND);
	enrol_client_receive(&enrolment->client, TEST_NOW, out, out_size);
	size = ask(enrolment, TEST_NOW, data);
	assert_int_equal(receive(enrolment, TEST_NOW + ENROL_COOKIE_LIFETIME, data, size, out,
				 &out_size, &request),
			 ENROL_ASK);
	stop(enrolment);
}

static void one_source_is_paced(void **state)
{
	struct enrolment *enrolment = start();
	uint8_t data[ENROL_REQUEST_MAXIMUM], out[ENROL_ANSWER_MAXIMUM];
	struct enrol_request request;
	size_t size, out_size = 0;

	reach_request(enrolment, &request);
	size = ask(enrolment, TEST_NOW + ENROL_RETRY_MAX, data);
	assert_int_equal(receive(enrolment, TEST_NOW + 1, data, size, out, &out_size, &request),
			 ENROL_IGNORE);
	assert_int_equal(enrolment->server.counters.limited, 1);
	assert_int_equal(receive(enrolment, TEST_NOW + ENROL_SOURCE_INTERVAL, data, size, out,
				 &out_size, &request),
			 ENROL_ASK);
	stop(enrolment);
}

static void all_sources_together_are_paced(void **state)
{
	struct enrolment *enrolment = start();
	struct enrol_request request;
	unsigned passed = 0;

	for (int i = 0; i < 3 * ENROL_TOTAL_PER_SECOND; i++) {
		uint8_t data[ENROL_REQUEST_MAXIMUM], out[ENROL_ANSWER_MAXIMUM];
		size_t size, out_size = 0;

		enrol_client_done(&enrolment->client);
		assert_int_equal(enrol_client_init(&enrolment->client, &enrolment->join,
						   &enrolment->node_key, "", enrolment->aead,
						   &random_system, TEST_NOW),
				 0);
		enrolment->from.ip[2] = (uint8_t)i;
		size = ask(enrolment, TEST_NOW, data);
		receive(enrolment, TEST_NOW, data, size, out, &out_size, &request);
		enrol_client_receive(&enrolment->client, TEST_NOW, out, out_size);
		size = ask(enrolment, TEST_NOW, data);
		passed += receive(enrolment, TEST_NOW, data, size, out, &out_size, &request) ==
			  ENROL_ASK;
	}
	assert_in_range(passed, 1, ENROL_TOTAL_PER_SECOND);
	assert_true(enrolment->server.counters.limited >= 2 * ENROL_TOTAL_PER_SECOND);
	stop(enrolment);
}

static int set_up(void **state)
{
	crypto_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_shown_brings_key_name_and_proof),
		cmocka_unit_test(the_answer_arrives_as_it_was_given),
		cmocka_unit_test(refusals_look_like_consent_from_outside),
		cmocka_unit_test(without_the_hubs_key_there_is_silence),
		cmocka_unit_test(a_cookie_is_bound_to_the_address),
		cmocka_unit_test(a_cookie_outlives_one_change_of_secret),
		cmocka_unit_test(one_source_is_paced),
		cmocka_unit_test(all_sources_together_are_paced),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
