#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/crypto.h"
#include "crypto/random.h"
#include "proto/pair/link.h"
#include "vectors.h"

#include <cmocka.h>

static const struct key api = {{1, 2, 3}};

static void both_sides_prove_themselves(void **state)
{
	uint8_t hello[LINK_HELLO_SIZE], answer[LINK_ANSWER_SIZE], frame[100] = "hello";
	struct link client, server;
	struct aead *aead = aead_new();

	link_client_start(&client, &api, &random_system, hello);
	assert_true(
		link_server_accept(&server, &api, hello, sizeof(hello), &random_system, answer));
	assert_true(link_client_finish(&client, answer, sizeof(answer)));
	link_seal(&client, aead, frame, 5, frame);
	assert_true(link_open(&server, aead, frame, 5 + LINK_FRAME_OVERHEAD));
	assert_memory_equal(frame, "hello", 5);
	link_seal(&server, aead, frame, 5, frame);
	assert_true(link_open(&client, aead, frame, 5 + LINK_FRAME_OVERHEAD));
	aead_free(aead);
}

static void without_the_key_there_is_no_answer(void **state)
{
	uint8_t hello[LINK_HELLO_SIZE], answer[LINK_ANSWER_SIZE];
	const struct key other = {{9}};
	struct link client, server;

	link_client_start(&client, &other, &random_system, hello);
	assert_false(
		link_server_accept(&server, &api, hello, sizeof(hello), &random_system, answer));
	link_client_start(&client, &api, &random_system, hello);
	for (size_t i = 0; i < sizeof(hello); i++) {
		hello[i] ^= 1;
		assert_false(link_server_accept(&server, &api, hello, sizeof(hello), &random_system,
						answer));
		hello[i] ^= 1;
	}
	assert_false(link_server_accept(&server, &api, hello, sizeof(hello) - 1, &random_system,
					answer));
	assert_false(link_server_accept(&server, &api, (const uint8_t *)"GET / HTTP/1.1\r\n", 16,
					&random_system, answer));
}

static void a_false_hub_is_noticed(void **state)
{
	uint8_t hello[LINK_HELLO_SIZE], answer[LINK_ANSWER_SIZE];
	struct link client, server;

	link_client_start(&client, &api, &random_system, hello);
	assert_true(
		link_server_accept(&server, &api, hello, sizeof(hello), &random_system, answer));
	answer[0] ^= 1;
	assert_false(link_client_finish(&client, answer, sizeof(answer)));
	assert_false(link_client_finish(&client, answer, sizeof(answer) - 1));
}

static void frames_come_once_in_order_and_whole(void **state)
{
	uint8_t hello[LINK_HELLO_SIZE], answer[LINK_ANSWER_SIZE], one[32], two[32], copy[32];
	struct link client, server, before;
	struct aead *aead = aead_new();

	link_client_start(&client, &api, &random_system, hello);
	assert_true(
		link_server_accept(&server, &api, hello, sizeof(hello), &random_system, answer));
	assert_true(link_client_finish(&client, answer, sizeof(answer)));
	link_seal(&client, aead, "one", 3, one);
	link_seal(&client, aead, "two", 3, two);
	before = server;
	memcpy(copy, two, sizeof(two));
	assert_false(link_open(&server, aead, copy, 3 + LINK_FRAME_OVERHEAD));
	server = before;
	memcpy(copy, one, sizeof(one));
	assert_true(link_open(&server, aead, copy, 3 + LINK_FRAME_OVERHEAD));
	before = server;
	memcpy(copy, one, sizeof(one));
	assert_false(link_open(&server, aead, copy, 3 + LINK_FRAME_OVERHEAD));
	server = before;
	assert_false(link_open(&server, aead, two, LINK_FRAME_OVERHEAD - 1));
	aead_free(aead);
}

static void fixed(void *owner, void *out, size_t size)
{
	memcpy(out, owner, size);
}

static void a_second_implementation_makes_the_same_link(void **state)
{
	for (size_t i = 0; i < array_size(link_vectors); i++) {
		const struct link_vector *vector = &link_vectors[i];
		struct random_source client_random = {fixed, (void *)vector->client_nonce};
		struct random_source server_random = {fixed, (void *)vector->server_nonce};
		uint8_t hello[LINK_HELLO_SIZE], answer[LINK_ANSWER_SIZE];
		struct link client, server;
		struct key key;

		memcpy(&key, vector->api_key, KEY_SIZE);
		link_client_start(&client, &key, &client_random, hello);
		assert_memory_equal(hello + 4 + LINK_NONCE_SIZE, vector->hello_mac, LINK_MAC_SIZE);
		assert_true(link_server_accept(&server, &key, hello, sizeof(hello), &server_random,
					       answer));
		assert_memory_equal(answer + LINK_NONCE_SIZE, vector->answer_mac, LINK_MAC_SIZE);
		assert_memory_equal(&server.send, vector->server_key, KEY_SIZE);
		assert_memory_equal(&server.receive, vector->client_key, KEY_SIZE);
	}
}

static int set_up(void **state)
{
	crypto_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_prove_themselves),
		cmocka_unit_test(without_the_key_there_is_no_answer),
		cmocka_unit_test(a_false_hub_is_noticed),
		cmocka_unit_test(frames_come_once_in_order_and_whole),
		cmocka_unit_test(a_second_implementation_makes_the_same_link),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
