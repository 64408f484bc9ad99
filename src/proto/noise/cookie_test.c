#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "proto/noise/cookie.h"
#include "seeded.h"
#include "wireguard.h"

#include <cmocka.h>

#define NOW (1000 * USEC_PER_SEC)

struct fixture {
	struct seeded seeded;
	struct aead *aead;
	struct key receiver;
	struct cookie_checker checker; /* of the receiver */
	struct cookie_maker maker;     /* of one who sends to him */
	struct address from;
	uint8_t message[WG_INITIATION_SIZE];
};

static void start(struct fixture *fixture, const char *test)
{
	*fixture = (struct fixture){.aead = aead_new()};
	seeded_start(&fixture->seeded, test);
	seeded_fill(&fixture->seeded, &fixture->receiver, KEY_SIZE);
	seeded_fill(&fixture->seeded, fixture->message, sizeof(fixture->message));
	assert_int_equal(address_parse("192.0.2.7:4711", 0, &fixture->from), 0);
	cookie_checker_init(&fixture->checker, &fixture->receiver);
	cookie_maker_init(&fixture->maker, &fixture->receiver);
}

static bool has_mac1(struct fixture *fixture)
{
	return cookie_mac1_is_valid(&fixture->checker, fixture->message, WG_INITIATION_SIZE);
}

static bool has_mac2(struct fixture *fixture, usec_t now, const struct address *from)
{
	return cookie_mac2_is_valid(&fixture->checker, now, &fixture->seeded.source, from,
				    fixture->message, WG_INITIATION_SIZE);
}

static void add_macs(struct fixture *fixture, usec_t now)
{
	cookie_add_macs(&fixture->maker, now, fixture->message, WG_INITIATION_SIZE);
}

static void reply(struct fixture *fixture, usec_t now, uint8_t out[WG_COOKIE_SIZE])
{
	cookie_reply_create(&fixture->checker, fixture->aead, now, &fixture->seeded.source,
			    &fixture->from, fixture->message, WG_INITIATION_SIZE, out);
}

/* The maker has a cookie for its address. */
static void get_cookie(struct fixture *fixture, usec_t now)
{
	uint8_t message[WG_COOKIE_SIZE];

	add_macs(fixture, now);
	reply(fixture, now, message);
	assert_true(cookie_reply_consume(&fixture->maker, fixture->aead, now, message));
}

static void a_second_implementation_makes_the_same_macs_and_cookies(void **state)
{
	struct aead *aead = aead_new();

	for (size_t i = 0; i < array_size(cookie_vectors); i++) {
		const struct cookie_vector *vector = &cookie_vectors[i];
		uint8_t message[WG_INITIATION_SIZE];
		struct cookie_maker maker;
		struct key receiver;

		memcpy(&receiver, vector->responder_public, KEY_SIZE);
		memcpy(message, vector->initiation, sizeof(message));
		memset(message + WG_INITIATION_MAC1, 0xee, 2 * COOKIE_SIZE);
		cookie_maker_init(&maker, &receiver);
		cookie_add_macs(&maker, NOW, message, sizeof(message));
		assert_memory_equal(message, vector->initiation, sizeof(message));
		assert_true(cookie_reply_consume(&maker, aead, NOW, vector->reply));
		assert_memory_equal(maker.cookie, vector->cookie, COOKIE_SIZE);
		cookie_add_macs(&maker, NOW, message, sizeof(message));
		assert_memory_equal(message, vector->signed_initiation, sizeof(message));
	}
	aead_free(aead);
}

static void mac1_is_for_one_receiver_and_every_byte(void **state)
{
	struct fixture fixture;
	struct cookie_checker stranger;

	start(&fixture, __func__);
	add_macs(&fixture, NOW);
	assert_true(has_mac1(&fixture));
	for (size_t i = 0; i < WG_INITIATION_MAC2; i++) {
		fixture.message[i] ^= 1;
		assert_false(has_mac1(&fixture));
		fixture.message[i] ^= 1;
	}
	cookie_checker_init(&stranger, &(struct key){{1}});
	assert_false(cookie_mac1_is_valid(&stranger, fixture.message, WG_INITIATION_SIZE));
	aead_free(fixture.aead);
}

static void without_a_cookie_mac2_is_zero_and_not_valid(void **state)
{
	static const uint8_t zeros[COOKIE_SIZE];
	struct fixture fixture;

	start(&fixture, __func__);
	add_macs(&fixture, NOW);
	assert_memory_equal(fixture.message + WG_INITIATION_MAC2, zeros, COOKIE_SIZE);
	assert_false(has_mac2(&fixture, NOW, &fixture.from));
	aead_free(fixture.aead);
}

static void a_cookie_proves_one_address_and_one_port(void **state)
{
	const char *others[] = {"192.0.2.7:4712", "192.0.2.8:4711", "[::ffff:c000:207]:4711"};
	struct fixture fixture;
	struct address other;

	start(&fixture, __func__);
	get_cookie(&fixture, NOW);
	add_macs(&fixture, NOW);
	assert_true(has_mac2(&fixture, NOW, &fixture.from));
	for (size_t i = 0; i < array_size(others); i++) {
		assert_int_equal(address_parse(others[i], 0, &other), 0);
		assert_false(has_mac2(&fixture, NOW, &other));
	}
	fixture.message[10] ^= 1;
	assert_false(has_mac2(&fixture, NOW, &fixture.from));
	aead_free(fixture.aead);
}

static void a_reply_answers_one_message_once(void **state)
{
	uint8_t first[WG_COOKIE_SIZE], forged[WG_COOKIE_SIZE];
	struct fixture fixture;

	start(&fixture, __func__);
	/* Nothing was sent yet. */
	add_macs(&fixture, NOW);
	reply(&fixture, NOW, first);
	fixture.maker.has_last_mac1 = false;
	assert_false(cookie_reply_consume(&fixture.maker, fixture.aead, NOW, first));
	/* Another message was sent since. */
	fixture.message[8] ^= 1;
	add_macs(&fixture, NOW);
	assert_false(cookie_reply_consume(&fixture.maker, fixture.aead, NOW, first));
	reply(&fixture, NOW, first);
	for (size_t i = WG_COOKIE_NONCE; i < WG_COOKIE_SIZE; i++) {
		memcpy(forged, first, sizeof(forged));
		forged[i] ^= 1;
		assert_false(cookie_reply_consume(&fixture.maker, fixture.aead, NOW, forged));
	}
	assert_true(cookie_reply_consume(&fixture.maker, fixture.aead, NOW, first));
	assert_false(cookie_reply_consume(&fixture.maker, fixture.aead, NOW, first));
	aead_free(fixture.aead);
}

static void a_reply_goes_back_to_the_index_it_came_from(void **state)
{
	uint8_t message[WG_COOKIE_SIZE], again[WG_COOKIE_SIZE];
	struct fixture fixture;

	start(&fixture, __func__);
	add_macs(&fixture, NOW);
	reply(&fixture, NOW, message);
	assert_int_equal(message[0], WG_COOKIE);
	assert_memory_equal(message + WG_COOKIE_RECEIVER, fixture.message + WG_INITIATION_SENDER,
			    4);
	/* Its nonce is drawn for each. */
	reply(&fixture, NOW, again);
	assert_memory_not_equal(message + WG_COOKIE_NONCE, again + WG_COOKIE_NONCE,
				XAEAD_NONCE_SIZE);
	aead_free(fixture.aead);
}

static void the_secret_changes_after_two_minutes(void **state)
{
	struct fixture fixture;
	usec_t end = NOW + COOKIE_SECRET_LIFETIME;

	start(&fixture, __func__);
	get_cookie(&fixture, NOW);
	add_macs(&fixture, NOW);
	assert_true(has_mac2(&fixture, end - 1, &fixture.from));
	assert_false(has_mac2(&fixture, end, &fixture.from));
	/* And never comes back. */
	assert_false(has_mac2(&fixture, NOW, &fixture.from));
	aead_free(fixture.aead);
}

static void a_cookie_is_shown_until_its_secret_may_be_gone(void **state)
{
	static const uint8_t zeros[COOKIE_SIZE];
	struct fixture fixture;

	start(&fixture, __func__);
	get_cookie(&fixture, NOW);
	add_macs(&fixture, NOW + COOKIE_USABLE - 1);
	assert_true(has_mac2(&fixture, NOW + COOKIE_USABLE - 1, &fixture.from));
	add_macs(&fixture, NOW + COOKIE_USABLE);
	assert_memory_equal(fixture.message + WG_INITIATION_MAC2, zeros, COOKIE_SIZE);
	aead_free(fixture.aead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_implementation_makes_the_same_macs_and_cookies),
		cmocka_unit_test(mac1_is_for_one_receiver_and_every_byte),
		cmocka_unit_test(without_a_cookie_mac2_is_zero_and_not_valid),
		cmocka_unit_test(a_cookie_proves_one_address_and_one_port),
		cmocka_unit_test(a_reply_answers_one_message_once),
		cmocka_unit_test(a_reply_goes_back_to_the_index_it_came_from),
		cmocka_unit_test(the_secret_changes_after_two_minutes),
		cmocka_unit_test(a_cookie_is_shown_until_its_secret_may_be_gone),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
