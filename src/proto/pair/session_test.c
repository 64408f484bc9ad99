#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "crypto/random.h"
#include "proto/pair/two_nodes.h"
#include "proto/wire/wireguard.h"
#include "vectors.h"

#include <cmocka.h>

#define NOW (1000 * USEC_PER_SEC)

struct datagram {
	uint8_t data[CONTROL_MAXIMUM];
	size_t size;
};

static int set_up(void **state)
{
	struct test_node *nodes = new_array(struct test_node, 2);

	test_nodes_start(nodes, NOW, &random_system);
	*state = nodes;
	return 0;
}

static int tear_down(void **state)
{
	struct test_node *nodes = *state;

	test_node_stop(&nodes[0]);
	test_node_stop(&nodes[1]);
	free(nodes);
	return 0;
}

static struct datagram probe(struct test_node *node, enum pair_mode mode)
{
	struct control_body body = {.kind = CONTROL_PROBE, .echo = {7}};
	struct datagram datagram;

	datagram.size = pair_seal(&node->pair, &node->identity, node->aead, &random_system, mode,
				  &body, CONTROL_MAXIMUM, datagram.data);
	return datagram;
}

static struct datagram answer(struct test_node *node, const struct pair_opened *opened)
{
	struct control_body body = {.kind = CONTROL_ANSWER};
	struct datagram datagram;

	memcpy(body.echo, opened->body.echo, PROBE_ECHO_SIZE);
	memcpy(body.peer_boot_id, opened->body.boot_id, BOOT_ID_SIZE);
	datagram.size = pair_seal(&node->pair, &node->identity, node->aead, &random_system,
				  opened->mode, &body, opened->size, datagram.data);
	return datagram;
}

static enum pair_result receive(struct test_node *node, usec_t now, const struct datagram *datagram,
				struct pair_opened *opened)
{
	struct datagram copy = *datagram;

	if (!mask_remove(&node->own, copy.data, copy.size))
		return PAIR_MALFORMED;
	return pair_open(&node->table, &node->identity, node->aead, now, copy.data, copy.size,
			 opened);
}

static void first_contact_takes_one_question_and_one_answer(void **state)
{
	struct test_node *nodes = *state;
	struct datagram question = probe(&nodes[0], PAIR_BY_HINT), reply;
	struct pair_opened opened;

	assert_int_equal(receive(&nodes[1], NOW, &question, &opened), PAIR_OK);
	assert_false(opened.is_fresh);
	assert_int_equal(opened.mode, PAIR_BY_HINT);
	assert_true(nodes[1].pair.pending.is_set);
	assert_false(nodes[1].pair.current.is_set);
	reply = answer(&nodes[1], &opened);
	assert_true(reply.size <= question.size);
	assert_int_equal(receive(&nodes[0], NOW, &reply, &opened), PAIR_OK);
	assert_true(opened.is_fresh);
	assert_true(nodes[0].pair.current.is_set);
	/* The next question runs under the session and proves us to the other side. */
	assert_int_equal(pair_send_mode(&nodes[0].pair, &nodes[0].identity, 0), PAIR_BY_CURRENT);
	question = probe(&nodes[0], PAIR_BY_CURRENT);
	assert_int_equal(receive(&nodes[1], NOW, &question, &opened), PAIR_OK);
	assert_true(opened.is_fresh);
	assert_true(nodes[1].pair.current.is_set);
	assert_false(nodes[1].pair.pending.is_set);
}

static void connect_nodes(struct test_node *nodes)
{
	struct datagram datagram = probe(&nodes[0], PAIR_BY_HINT);
	struct pair_opened opened;

	assert_int_equal(receive(&nodes[1], NOW, &datagram, &opened), PAIR_OK);
	datagram = answer(&nodes[1], &opened);
	assert_int_equal(receive(&nodes[0], NOW, &datagram, &opened), PAIR_OK);
	datagram = probe(&nodes[0], PAIR_BY_CURRENT);
	assert_int_equal(receive(&nodes[1], NOW, &datagram, &opened), PAIR_OK);
}

static void a_replay_is_refused_in_every_form(void **state)
{
	struct test_node *nodes = *state;
	struct datagram by_hint = probe(&nodes[0], PAIR_BY_HINT), by_session;
	struct pair_opened opened;

	assert_int_equal(receive(&nodes[1], NOW, &by_hint, &opened), PAIR_OK);
	assert_int_equal(receive(&nodes[1], NOW, &by_hint, &opened), PAIR_REPLAYED);
	connect_nodes(nodes);
	by_session = probe(&nodes[0], PAIR_BY_CURRENT);
	assert_int_equal(receive(&nodes[1], NOW, &by_session, &opened), PAIR_OK);
	assert_int_equal(receive(&nodes[1], NOW, &by_session, &opened), PAIR_REPLAYED);
	assert_int_equal(receive(&nodes[1], NOW, &by_hint, &opened), PAIR_REPLAYED);
}

static void a_slow_path_is_not_a_replay(void **state)
{
	struct test_node *nodes = *state;
	struct datagram slow, fast;
	struct pair_opened opened;

	connect_nodes(nodes);
	slow = probe(&nodes[0], PAIR_BY_CURRENT);
	fast = probe(&nodes[0], PAIR_BY_CURRENT);
	assert_int_equal(receive(&nodes[1], NOW, &fast, &opened), PAIR_OK);
	assert_int_equal(receive(&nodes[1], NOW, &slow, &opened), PAIR_OK);
}

static void after_a_restart_recorded_datagrams_have_no_effect(void **state)
{
	struct test_node *nodes = *state;
	struct datagram recorded;
	struct pair_opened opened;

	connect_nodes(nodes);
	recorded = probe(&nodes[0], PAIR_BY_HINT);
	assert_int_equal(receive(&nodes[1], NOW, &recorded, &opened), PAIR_OK);
	assert_true(opened.is_fresh);
	test_node_restart(&nodes[1], NOW, &random_system);
	/* At most an answer, never an effect. */
	assert_int_equal(receive(&nodes[1], NOW, &recorded, &opened), PAIR_OK);
	assert_false(opened.is_fresh);
	assert_false(nodes[1].pair.current.is_set);
}

static void a_peer_that_restarted_is_found_by_every_second_probe(void **state)
{
	struct test_node *nodes = *state;
	struct datagram datagram;
	struct pair_opened opened;

	connect_nodes(nodes);
	test_node_restart(&nodes[1], NOW, &random_system);
	datagram = probe(&nodes[0], pair_send_mode(&nodes[0].pair, &nodes[0].identity, 0));
	assert_int_equal(receive(&nodes[1], NOW, &datagram, &opened), PAIR_UNKNOWN);
	datagram = probe(&nodes[0], pair_send_mode(&nodes[0].pair, &nodes[0].identity, 1));
	assert_int_equal(receive(&nodes[1], NOW, &datagram, &opened), PAIR_OK);
	datagram = answer(&nodes[1], &opened);
	assert_int_equal(receive(&nodes[0], NOW, &datagram, &opened), PAIR_OK);
	assert_true(opened.is_fresh);
	assert_memory_equal(nodes[0].pair.current.peer_boot_id, nodes[1].identity.boot.id,
			    BOOT_ID_SIZE);
}

static void a_replayed_old_boot_id_does_not_talk_us_out_of_a_session(void **state)
{
	struct test_node *nodes = *state;
	struct datagram recorded = probe(&nodes[1], PAIR_BY_HINT), datagram;
	struct pair_opened opened;

	test_node_restart(&nodes[1], NOW, &random_system);
	connect_nodes(nodes);
	assert_int_equal(receive(&nodes[0], NOW + USEC_PER_SEC, &recorded, &opened), PAIR_OK);
	assert_false(opened.is_fresh);
	/* Our probes still echo the boot id that has proved to be new. */
	datagram = probe(&nodes[0], PAIR_BY_HINT);
	assert_int_equal(receive(&nodes[1], NOW + USEC_PER_SEC, &datagram, &opened), PAIR_OK);
	assert_true(opened.is_fresh);
}

static void new_boot_ids_are_paced(void **state)
{
	struct test_node *nodes = *state;
	struct datagram first = probe(&nodes[0], PAIR_BY_HINT), second;
	struct pair_opened opened;

	test_node_restart(&nodes[0], NOW, &random_system);
	second = probe(&nodes[0], PAIR_BY_HINT);
	assert_int_equal(receive(&nodes[1], NOW, &first, &opened), PAIR_OK);
	assert_int_equal(receive(&nodes[1], NOW + 1, &second, &opened), PAIR_LIMITED);
	assert_int_equal(receive(&nodes[1], NOW + PAIR_NEW_BOOT_INTERVAL, &second, &opened),
			 PAIR_OK);
}

/* A hint names a pair to whoever must not be told more; equal ones are tried, but not without end.
 */
static void at_most_four_pairs_with_one_hint_are_tried(void **state)
{
	struct test_node *nodes = *state;
	struct pair *true_pair = &nodes[1].pair, others[PAIR_EQUAL_HINTS_MAX];
	struct datagram datagram;
	struct pair_opened opened;
	struct key key, peer;

	for (int before = 0; before <= PAIR_EQUAL_HINTS_MAX; before++) {
		/* The newest is tried first. */
		for (int i = 0; i < before; i++) {
			random_bytes(&key, KEY_SIZE);
			x25519_clamp(&key);
			x25519_public(&key, &peer);
			assert_int_equal(pair_init(&others[i], &nodes[1].identity, &nodes[1].table,
						   &peer, &random_system),
					 0);
			hash_remove(&nodes[1].table.hints, &others[i].hint_node);
			others[i].hint_in = true_pair->hint_in;
			hash_insert(&nodes[1].table.hints, &others[i].hint_node, others[i].hint_in);
		}
		datagram = probe(&nodes[0], PAIR_BY_HINT);
		assert_int_equal(receive(&nodes[1], NOW, &datagram, &opened),
				 before < PAIR_EQUAL_HINTS_MAX ? PAIR_OK : PAIR_FORGED);
		for (int i = 0; i < before; i++)
			pair_done(&others[i]);
	}
}

static void an_hourly_renewal_keeps_the_pair_talking(void **state)
{
	struct test_node *nodes = *state;
	usec_t later = NOW + PAIR_BOOT_LIFETIME;
	struct datagram datagram, in_flight;
	struct pair_opened opened;

	connect_nodes(nodes);
	in_flight = probe(&nodes[1], PAIR_BY_CURRENT);
	assert_true(pair_identity_renew(&nodes[0].identity, later, &random_system));
	assert_int_equal(receive(&nodes[0], later, &in_flight, &opened), PAIR_OK);
	assert_true(opened.is_fresh);
	assert_int_equal(pair_send_mode(&nodes[0].pair, &nodes[0].identity, 0), PAIR_BY_HINT);
	datagram = probe(&nodes[0], PAIR_BY_HINT);
	assert_int_equal(receive(&nodes[1], later, &datagram, &opened), PAIR_OK);
	datagram = answer(&nodes[1], &opened);
	assert_int_equal(receive(&nodes[0], later, &datagram, &opened), PAIR_OK);
	assert_true(opened.is_fresh);
	/* Past the overlap the old boot id is worth nothing. */
	in_flight = probe(&nodes[1], PAIR_BY_CURRENT);
	datagram = probe(&nodes[1], PAIR_BY_HINT);
	assert_int_equal(receive(&nodes[0], later + PAIR_BOOT_OVERLAP, &datagram, &opened),
			 PAIR_OK);
}

static void forged_and_foreign_datagrams_are_refused(void **state)
{
	struct test_node *nodes = *state;
	struct datagram datagram = probe(&nodes[0], PAIR_BY_HINT), copy;
	uint8_t large[CONTROL_MAXIMUM + 1] = {WIRE_CLASS_CONTROL};
	struct pair_opened opened;

	for (size_t i = CONTROL_HEADER_SIZE; i < datagram.size - CONTROL_TAG_SIZE; i++) {
		copy = datagram;
		copy.data[i] ^= 1;
		assert_int_equal(receive(&nodes[1], NOW, &copy, &opened), PAIR_FORGED);
	}
	/* Reflected to its sender, not even the header decodes. */
	assert_int_equal(receive(&nodes[0], NOW, &datagram, &opened), PAIR_MALFORMED);
	copy = datagram;
	copy.size = CONTROL_MINIMUM - 1;
	assert_int_not_equal(receive(&nodes[1], NOW, &copy, &opened), PAIR_OK);
	assert_int_equal(pair_open(&nodes[1].table, &nodes[1].identity, nodes[1].aead, NOW, large,
				   sizeof(large), &opened),
			 PAIR_MALFORMED);
	assert_int_equal(receive(&nodes[1], NOW, &datagram, &opened), PAIR_OK);
}

static void a_new_index_replaces_the_old_one_in_time(void **state)
{
	struct test_node *nodes = *state;
	struct datagram old, fresh;
	struct pair_opened opened;

	connect_nodes(nodes);
	old = probe(&nodes[1], PAIR_BY_CURRENT);
	pair_renew_index(&nodes[0].pair, &random_system);
	assert_int_equal(receive(&nodes[0], NOW, &old, &opened), PAIR_OK);
	fresh = answer(&nodes[0], &opened);
	assert_int_equal(receive(&nodes[1], NOW, &fresh, &opened), PAIR_OK);
	fresh = probe(&nodes[1], PAIR_BY_CURRENT);
	pair_renew_index(&nodes[0].pair, &random_system);
	assert_int_equal(receive(&nodes[0], NOW, &fresh, &opened), PAIR_OK);
	pair_renew_index(&nodes[0].pair, &random_system);
	fresh = probe(&nodes[1], PAIR_BY_CURRENT);
	pair_renew_index(&nodes[0].pair, &random_system);
	assert_int_equal(receive(&nodes[0], NOW, &fresh, &opened), PAIR_UNKNOWN);
}

/* Both ephemeral orders; the keys are read from the session that first contact makes. */
static void a_second_implementation_derives_the_same_session_keys(void **state)
{
	for (size_t i = 0; i < array_size(session_vectors); i++) {
		const struct session_vector *vector = &session_vectors[i];
		struct test_node *nodes = new_array(struct test_node, 2);
		uint8_t secret[SITE_SECRET_SIZE] = {0};
		struct pair_opened opened;
		struct datagram datagram;
		struct mask_key mask;

		for (int n = 0; n < 2; n++) {
			struct key key;

			memcpy(&key, n ? vector->higher_private : vector->lower_private, KEY_SIZE);
			pair_identity_init(&nodes[n].identity, &key, vector->network_id, secret,
					   NOW, &random_system);
			memcpy(&nodes[n].identity.boot.private_key,
			       n ? vector->ephemeral_higher_side : vector->ephemeral_lower_side,
			       KEY_SIZE);
			memcpy(&nodes[n].identity.boot.public_key,
			       n ? vector->ephemeral_higher_side_public
				 : vector->ephemeral_lower_side_public,
			       KEY_SIZE);
			pair_table_init(&nodes[n].table);
			mask_key_derive(&nodes[n].identity.public_key, secret, MASK_TO_LISTENER,
					&mask);
			mask_init(&nodes[n].own, &mask);
			nodes[n].aead = aead_new();
		}
		for (int n = 0; n < 2; n++)
			assert_int_equal(pair_init(&nodes[n].pair, &nodes[n].identity,
						   &nodes[n].table, &nodes[!n].identity.public_key,
						   &random_system),
					 0);
		datagram = probe(&nodes[0], PAIR_BY_HINT);
		assert_int_equal(receive(&nodes[1], NOW, &datagram, &opened), PAIR_OK);
		assert_memory_equal(vector->direction == PAIR_LOWER_TO_HIGHER
					    ? &nodes[1].pair.pending.receive
					    : &nodes[1].pair.pending.send,
				    vector->key, KEY_SIZE);
		test_node_stop(&nodes[0]);
		test_node_stop(&nodes[1]);
		free(nodes);
	}
}

int main(void)
{
#define claim(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		claim(first_contact_takes_one_question_and_one_answer),
		claim(a_replay_is_refused_in_every_form),
		claim(a_slow_path_is_not_a_replay),
		claim(after_a_restart_recorded_datagrams_have_no_effect),
		claim(a_peer_that_restarted_is_found_by_every_second_probe),
		claim(a_replayed_old_boot_id_does_not_talk_us_out_of_a_session),
		claim(new_boot_ids_are_paced),
		claim(at_most_four_pairs_with_one_hint_are_tried),
		claim(an_hourly_renewal_keeps_the_pair_talking),
		claim(forged_and_foreign_datagrams_are_refused),
		claim(a_new_index_replaces_the_old_one_in_time),
		claim(a_second_implementation_derives_the_same_session_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
