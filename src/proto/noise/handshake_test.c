#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "crypto/x25519.h"
#include "proto/noise/handshake.h"
#include "proto/wire/wireguard.h"
#include "seeded.h"
#include "wireguard.h"

#include <cmocka.h>

#define NOW      (1000 * USEC_PER_SEC)
#define INTERVAL (20 * USEC_PER_MSEC)

/* A peer's view: its own key and what it knows of the other. */
struct party {
	struct noise_identity identity;
	struct handshake handshake;
};

struct fixture {
	struct seeded seeded;
	struct aead *aead;
	struct party initiator, responder;
	uint8_t initiation[WG_INITIATION_SIZE], response[WG_RESPONSE_SIZE];
	struct handshake_session ours, theirs;
};

static void identity_set(struct noise_identity *identity, const struct key *private_key)
{
	identity->private_key = *private_key;
	x25519_public(&identity->private_key, &identity->public_key);
	identity->is_set = true;
}

static void identity_draw(struct seeded *seeded, struct noise_identity *identity)
{
	struct key private_key;

	seeded_fill(seeded, &private_key, KEY_SIZE);
	x25519_clamp(&private_key);
	identity_set(identity, &private_key);
}

static void introduce(struct party *party, const struct party *to)
{
	handshake_init(&party->handshake, &party->identity, &to->identity.public_key);
}

static void start(struct fixture *fixture, const char *test)
{
	*fixture = (struct fixture){.aead = aead_new()};
	seeded_start(&fixture->seeded, test);
	identity_draw(&fixture->seeded, &fixture->initiator.identity);
	identity_draw(&fixture->seeded, &fixture->responder.identity);
	introduce(&fixture->initiator, &fixture->responder);
	introduce(&fixture->responder, &fixture->initiator);
}

static bool initiate(struct fixture *fixture, uint8_t stamp)
{
	const uint8_t bytes[STAMP_SIZE] = {0x40, [7] = stamp};

	return handshake_initiate(&fixture->initiator.handshake, &fixture->initiator.identity,
				  fixture->aead, &fixture->seeded.source, bytes, 0x11223344,
				  fixture->initiation);
}

/* The responder's whole side. */
static enum handshake_verdict answer(struct fixture *fixture, usec_t now)
{
	struct handshake_opening opening;
	enum handshake_verdict verdict;

	if (!handshake_open(&fixture->responder.identity, fixture->aead, fixture->initiation,
			    &opening))
		return HANDSHAKE_FORGED;
	verdict = handshake_accept(&fixture->responder.handshake, fixture->aead, now, INTERVAL,
				   &opening, fixture->initiation);
	if (verdict != HANDSHAKE_FINE)
		return verdict;
	assert_true(handshake_respond(&fixture->responder.handshake, fixture->aead,
				      &fixture->seeded.source, &opening, 0x55667788,
				      fixture->response, &fixture->theirs));
	return HANDSHAKE_FINE;
}

static bool finish(struct fixture *fixture)
{
	return handshake_consume_response(&fixture->initiator.handshake,
					  &fixture->initiator.identity, fixture->aead,
					  fixture->response, &fixture->ours);
}

static bool agree(const struct fixture *fixture)
{
	return key_is_equal(&fixture->ours.send, &fixture->theirs.receive) &&
	       key_is_equal(&fixture->ours.receive, &fixture->theirs.send) &&
	       !key_is_equal(&fixture->ours.send, &fixture->ours.receive);
}

/* Hands out the bytes of one vector. */
struct script {
	const uint8_t *bytes;
};

static void script_fill(void *owner, void *out, size_t size)
{
	assert_int_equal(size, KEY_SIZE);
	memcpy(out, ((struct script *)owner)->bytes, size);
}

static void set_party(struct party *party, const uint8_t *private_key, const uint8_t *remote,
		      const uint8_t *psk)
{
	struct key key, other;

	memcpy(&key, private_key, KEY_SIZE);
	memcpy(&other, remote, KEY_SIZE);
	identity_set(&party->identity, &key);
	handshake_init(&party->handshake, &party->identity, &other);
	memcpy(&party->handshake.preshared, psk, KEY_SIZE);
}

static void follow_vector(const struct wireguard_vector *vector)
{
	struct script first = {vector->initiator_ephemeral}, second = {vector->responder_ephemeral};
	const struct random_source sources[] = {{script_fill, &first}, {script_fill, &second}};
	uint8_t initiation[WG_INITIATION_SIZE], response[WG_RESPONSE_SIZE];
	struct handshake_session ours, theirs;
	struct handshake_opening opening;
	struct aead *aead = aead_new();
	struct party a, b;

	set_party(&a, vector->initiator_private, vector->responder_public, vector->psk);
	set_party(&b, vector->responder_private, vector->initiator_public, vector->psk);
	assert_true(handshake_initiate(&a.handshake, &a.identity, aead, &sources[0], vector->stamp,
				       (uint32_t)vector->initiator_index, initiation));
	assert_memory_equal(initiation, vector->initiation, WG_INITIATION_MAC1);
	assert_true(handshake_open(&b.identity, aead, initiation, &opening));
	assert_memory_equal(&opening.remote_static, vector->initiator_public, KEY_SIZE);
	assert_int_equal(handshake_accept(&b.handshake, aead, NOW, INTERVAL, &opening, initiation),
			 HANDSHAKE_FINE);
	assert_memory_equal(b.handshake.latest_stamp, vector->stamp, STAMP_SIZE);
	assert_true(handshake_respond(&b.handshake, aead, &sources[1], &opening,
				      (uint32_t)vector->responder_index, response, &theirs));
	assert_memory_equal(response, vector->response, WG_RESPONSE_MAC1);
	assert_true(handshake_consume_response(&a.handshake, &a.identity, aead, response, &ours));
	assert_memory_equal(&ours.send, vector->forth, KEY_SIZE);
	assert_memory_equal(&ours.receive, vector->back, KEY_SIZE);
	assert_memory_equal(&theirs.send, vector->back, KEY_SIZE);
	assert_memory_equal(&theirs.receive, vector->forth, KEY_SIZE);
	assert_int_equal(ours.remote_index, vector->responder_index);
	assert_int_equal(theirs.remote_index, vector->initiator_index);
	aead_free(aead);
}

static void a_second_implementation_makes_the_same_messages_and_keys(void **state)
{
	for (size_t i = 0; i < array_size(wireguard_vectors); i++)
		follow_vector(&wireguard_vectors[i]);
}

static void both_sides_end_with_the_same_keys_and_indices(void **state)
{
	struct fixture fixture;

	start(&fixture, __func__);
	seeded_fill(&fixture.seeded, &fixture.initiator.handshake.preshared, KEY_SIZE);
	fixture.responder.handshake.preshared = fixture.initiator.handshake.preshared;
	assert_true(initiate(&fixture, 1));
	assert_int_equal(answer(&fixture, NOW), HANDSHAKE_FINE);
	assert_true(finish(&fixture));
	assert_true(agree(&fixture));
	assert_true(fixture.ours.is_initiator);
	assert_false(fixture.theirs.is_initiator);
	assert_int_equal(fixture.ours.local_index, 0x11223344);
	assert_int_equal(fixture.ours.remote_index, 0x55667788);
	assert_int_equal(fixture.theirs.local_index, 0x55667788);
	assert_int_equal(fixture.theirs.remote_index, 0x11223344);
	aead_free(fixture.aead);
}

static void no_two_runs_have_the_same_keys(void **state)
{
	struct handshake_session before;
	struct fixture fixture;

	start(&fixture, __func__);
	initiate(&fixture, 1);
	answer(&fixture, NOW);
	assert_true(finish(&fixture));
	before = fixture.ours;
	initiate(&fixture, 2);
	answer(&fixture, NOW + INTERVAL);
	assert_true(finish(&fixture));
	assert_true(agree(&fixture));
	assert_false(key_is_equal(&before.send, &fixture.ours.send));
	assert_false(key_is_equal(&before.receive, &fixture.ours.receive));
	aead_free(fixture.aead);
}

/* Everything that the macs do not cover is under the AEAD or the hash; type and reserved bytes are
 * the dispatcher's, the sender index is free to change (mac1 covers it). */
static void any_changed_bit_of_an_initiation_is_refused(void **state)
{
	struct fixture fixture;

	start(&fixture, __func__);
	initiate(&fixture, 1);
	for (size_t bit = 8 * WG_INITIATION_EPHEMERAL; bit < 8 * WG_INITIATION_MAC1; bit++) {
		fixture.initiation[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(answer(&fixture, NOW), HANDSHAKE_FORGED);
		fixture.initiation[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(answer(&fixture, NOW), HANDSHAKE_FINE);
	aead_free(fixture.aead);
}

static void any_changed_bit_of_a_response_is_refused_and_the_right_one_still_taken(void **state)
{
	struct fixture fixture;

	start(&fixture, __func__);
	initiate(&fixture, 1);
	answer(&fixture, NOW);
	for (size_t bit = 8 * WG_RESPONSE_EPHEMERAL; bit < 8 * WG_RESPONSE_MAC1; bit++) {
		fixture.response[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(finish(&fixture));
		fixture.response[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(finish(&fixture));
	assert_true(agree(&fixture));
	aead_free(fixture.aead);
}

static void another_preshared_key_fails_at_the_response(void **state)
{
	struct fixture fixture;

	start(&fixture, __func__);
	fixture.initiator.handshake.preshared.bytes[0] = 1;
	initiate(&fixture, 1);
	assert_int_equal(answer(&fixture, NOW), HANDSHAKE_FINE);
	assert_false(finish(&fixture));
	aead_free(fixture.aead);
}

static void a_message_for_another_key_is_not_opened(void **state)
{
	struct handshake_opening opening, zeros = {0};
	struct noise_identity stranger, none = {0};
	struct fixture fixture;

	start(&fixture, __func__);
	identity_draw(&fixture.seeded, &stranger);
	initiate(&fixture, 1);
	assert_false(handshake_open(&stranger, fixture.aead, fixture.initiation, &opening));
	assert_memory_equal(&opening, &zeros, sizeof(opening));
	assert_false(handshake_open(&none, fixture.aead, fixture.initiation, &opening));
	aead_free(fixture.aead);
}

/* Who holds the responder's public key can claim to be anyone in the first half; the second needs
 * the static key that belongs to the claim. */
static void a_claimed_identity_fails_at_the_time_stamp(void **state)
{
	struct handshake_opening opening;
	struct fixture fixture;

	start(&fixture, __func__);
	initiate(&fixture, 1);
	assert_true(handshake_open(&fixture.responder.identity, fixture.aead, fixture.initiation,
				   &opening));
	fixture.responder.handshake.static_static.bytes[3] ^= 1;
	assert_int_equal(handshake_accept(&fixture.responder.handshake, fixture.aead, NOW, INTERVAL,
					  &opening, fixture.initiation),
			 HANDSHAKE_FORGED);
	aead_free(fixture.aead);
}

static void stamps_that_do_not_grow_are_replays(void **state)
{
	struct fixture fixture;

	start(&fixture, __func__);
	initiate(&fixture, 5);
	assert_int_equal(answer(&fixture, NOW), HANDSHAKE_FINE);
	assert_int_equal(answer(&fixture, NOW + USEC_PER_SEC), HANDSHAKE_REPLAYED);
	initiate(&fixture, 5);
	assert_int_equal(answer(&fixture, NOW + USEC_PER_SEC), HANDSHAKE_REPLAYED);
	initiate(&fixture, 4);
	assert_int_equal(answer(&fixture, NOW + USEC_PER_SEC), HANDSHAKE_REPLAYED);
	initiate(&fixture, 6);
	assert_int_equal(answer(&fixture, NOW + USEC_PER_SEC), HANDSHAKE_FINE);
	aead_free(fixture.aead);
}

static void initiations_within_20_ms_are_a_flood_and_leave_no_trace(void **state)
{
	struct fixture fixture;

	start(&fixture, __func__);
	initiate(&fixture, 1);
	assert_int_equal(answer(&fixture, NOW), HANDSHAKE_FINE);
	initiate(&fixture, 2);
	assert_int_equal(answer(&fixture, NOW + INTERVAL - 1), HANDSHAKE_FLOOD);
	assert_int_equal(answer(&fixture, NOW + INTERVAL), HANDSHAKE_FINE);
	aead_free(fixture.aead);
}

static void a_response_is_taken_once_and_only_for_the_latest_initiation(void **state)
{
	uint8_t old[WG_RESPONSE_SIZE];
	struct fixture fixture;

	start(&fixture, __func__);
	assert_false(finish(&fixture));
	initiate(&fixture, 1);
	answer(&fixture, NOW);
	memcpy(old, fixture.response, sizeof(old));
	initiate(&fixture, 2);
	answer(&fixture, NOW + INTERVAL);
	assert_false(handshake_consume_response(&fixture.initiator.handshake,
						&fixture.initiator.identity, fixture.aead, old,
						&fixture.ours));
	assert_true(finish(&fixture));
	assert_false(finish(&fixture));
	aead_free(fixture.aead);
}

/* An idle handshake is all zeros, and zeros are no secret. */
static void a_response_made_for_zeros_is_refused_by_an_idle_handshake(void **state)
{
	struct handshake_opening opening = {.remote_index = 0x11223344};
	const struct key zeros = {{0}};
	struct fixture fixture;

	start(&fixture, __func__);
	x25519_public(&zeros, &opening.remote_ephemeral);
	assert_true(handshake_respond(&fixture.responder.handshake, fixture.aead,
				      &fixture.seeded.source, &opening, 1, fixture.response,
				      &fixture.theirs));
	assert_false(finish(&fixture));
	/* That it was made well is seen when the state says otherwise. */
	fixture.initiator.handshake.state = HANDSHAKE_INITIATION_SENT;
	assert_true(finish(&fixture));
	aead_free(fixture.aead);
}

/* Both messages cross: each side answers without losing its own run. */
static void answering_leaves_our_own_initiation_alone(void **state)
{
	struct handshake_session theirs;
	struct fixture there, back;

	start(&there, __func__);
	back = there;
	back.initiator = there.responder;
	back.responder = there.initiator;
	initiate(&there, 1);
	initiate(&back, 1);
	/* back's responder is the one that initiated in `there`. */
	back.responder = there.initiator;
	assert_int_equal(answer(&back, NOW), HANDSHAKE_FINE);
	there.initiator = back.responder;
	there.responder = back.initiator;
	assert_int_equal(answer(&there, NOW), HANDSHAKE_FINE);
	back.initiator = there.responder;
	theirs = back.theirs;
	assert_true(finish(&there));
	assert_true(agree(&there));
	assert_true(finish(&back));
	assert_true(key_is_equal(&back.ours.send, &theirs.receive));
	aead_free(there.aead);
}

static void without_usable_keys_nothing_is_made(void **state)
{
	static const struct key low_order = {{1}};
	struct noise_identity none = {0};
	struct fixture fixture;

	start(&fixture, __func__);
	handshake_set_identity(&fixture.initiator.handshake, &none);
	assert_false(initiate(&fixture, 1));
	/* Ourselves. */
	handshake_init(&fixture.initiator.handshake, &fixture.initiator.identity,
		       &fixture.initiator.identity.public_key);
	assert_false(initiate(&fixture, 1));
	handshake_init(&fixture.initiator.handshake, &fixture.initiator.identity, &low_order);
	assert_false(fixture.initiator.handshake.has_static_static);
	assert_false(initiate(&fixture, 1));
	assert_int_equal(fixture.initiator.handshake.state, HANDSHAKE_NONE);
	aead_free(fixture.aead);
}

/* Bit 255 does not change the point, only its name. All else in these messages is right. */
static void ephemeral_keys_that_are_not_canonical_are_refused(void **state)
{
	const struct wireguard_vector *right = &wireguard_vectors[0];
	const struct second_name_vector *vector = &second_name_vectors[0];
	struct script script = {right->initiator_ephemeral};
	const struct random_source source = {script_fill, &script};
	uint8_t initiation[WG_INITIATION_SIZE];
	struct handshake_session session;
	struct handshake_opening opening;
	struct aead *aead = aead_new();
	struct party a, b;

	set_party(&a, right->initiator_private, right->responder_public, right->psk);
	set_party(&b, right->responder_private, right->initiator_public, right->psk);
	assert_true(handshake_open(&b.identity, aead, right->initiation, &opening));
	assert_false(handshake_open(&b.identity, aead, vector->initiation, &opening));
	assert_true(handshake_initiate(&a.handshake, &a.identity, aead, &source, right->stamp,
				       (uint32_t)right->initiator_index, initiation));
	assert_false(handshake_consume_response(&a.handshake, &a.identity, aead, vector->response,
						&session));
	assert_true(handshake_consume_response(&a.handshake, &a.identity, aead, right->response,
					       &session));
	aead_free(aead);
}

static void a_finished_run_leaves_no_secret_behind(void **state)
{
	struct key ephemeral;
	struct fixture fixture;
	uint8_t chaining[BLAKE2S_SIZE];

	start(&fixture, __func__);
	initiate(&fixture, 1);
	ephemeral = fixture.initiator.handshake.ephemeral;
	memcpy(chaining, fixture.initiator.handshake.chaining, sizeof(chaining));
	answer(&fixture, NOW);
	assert_true(finish(&fixture));
	assert_null(memmem(&fixture.initiator.handshake, sizeof(struct handshake), &ephemeral,
			   KEY_SIZE));
	assert_null(memmem(&fixture.initiator.handshake, sizeof(struct handshake), chaining,
			   sizeof(chaining)));
	assert_null(memmem(&fixture.initiator.handshake, sizeof(struct handshake),
			   &fixture.ours.send, KEY_SIZE));
	aead_free(fixture.aead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_implementation_makes_the_same_messages_and_keys),
		cmocka_unit_test(both_sides_end_with_the_same_keys_and_indices),
		cmocka_unit_test(no_two_runs_have_the_same_keys),
		cmocka_unit_test(any_changed_bit_of_an_initiation_is_refused),
		cmocka_unit_test(
			any_changed_bit_of_a_response_is_refused_and_the_right_one_still_taken),
		cmocka_unit_test(another_preshared_key_fails_at_the_response),
		cmocka_unit_test(a_message_for_another_key_is_not_opened),
		cmocka_unit_test(a_claimed_identity_fails_at_the_time_stamp),
		cmocka_unit_test(stamps_that_do_not_grow_are_replays),
		cmocka_unit_test(initiations_within_20_ms_are_a_flood_and_leave_no_trace),
		cmocka_unit_test(a_response_is_taken_once_and_only_for_the_latest_initiation),
		cmocka_unit_test(a_response_made_for_zeros_is_refused_by_an_idle_handshake),
		cmocka_unit_test(answering_leaves_our_own_initiation_alone),
		cmocka_unit_test(without_usable_keys_nothing_is_made),
		cmocka_unit_test(ephemeral_keys_that_are_not_canonical_are_refused),
		cmocka_unit_test(a_finished_run_leaves_no_secret_behind),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
