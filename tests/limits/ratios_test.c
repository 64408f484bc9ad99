/* No answer is larger than its question (security 17): every decoder that answers is asked, and the
 * UDP payload of each answer is divided by that of what it answers. A question may be a stranger's
 * with a forged source address: then whoever is behind that address gets the answer. */
#include "one_agent.h"
#include "proto/enrol/noise_ik.h"
#include "proto/noise/test_world.h"

#define RUNS 300

struct worst {
	const char *what;
	size_t question, answer;
};

static void weigh(struct worst *worst, size_t question, size_t answer)
{
	assert_true(question && answer);
	if (answer > question)
		fail_msg("%s: %zu bytes brought %zu", worst->what, question, answer);
	if (!worst->question || answer * worst->question > worst->answer * question)
		worst->question = question, worst->answer = answer;
}

static void tell(const struct worst *worst)
{
	assert_true(worst->question);
	print_message("%s: at worst %zu for %zu, %.2f\n", worst->what, worst->answer,
		      worst->question, (double)worst->answer / (double)worst->question);
}

/* ---- control datagrams, through the agent of a node ---- */

/* The other end of one of the agent's pairs. */
struct prober {
	struct pair_identity identity;
	struct pair_table table;
	struct pair pair;
};

static size_t sent_sizes[8], sent_count;

static void record_size(void *owner, const struct address *to, const void *data, size_t size)
{
	(void)owner, (void)to, (void)data;
	assert_true(sent_count < array_size(sent_sizes));
	sent_sizes[sent_count++] = size;
}

static void start_prober(struct one_agent *one, struct prober *prober, struct map_node *ret_node)
{
	const uint8_t network_id[NETWORK_ID_SIZE] = {1}, site_secret[SITE_SECRET_SIZE] = {2};
	struct key private_key;

	*ret_node = one_member(one, "prober", "10.0.0.2/32");
	one_key(one, &private_key, &ret_node->key);
	pair_identity_init(&prober->identity, &private_key, network_id, site_secret, one->now,
			   &one->seeded.source);
	pair_table_init(&prober->table);
	assert_int_equal(pair_init(&prober->pair, &prober->identity, &prober->table,
				   &one->agent.identity.public_key, &one->seeded.source),
			 0);
}

static size_t probe(struct one_agent *one, struct prober *prober, const struct address *from)
{
	struct control_body body = {.kind = CONTROL_PROBE};
	uint8_t datagram[CONTROL_MAXIMUM];
	struct mask_key key;
	struct mask mask;
	size_t size = pair_seal(&prober->pair, &prober->identity, one->aead, &one->seeded.source,
				PAIR_BY_HINT, &body, CONTROL_MAXIMUM, datagram);

	agent_get_mask_key(&one->agent, &key);
	mask_init(&mask, &key);
	assert_true(mask_remove(&mask, datagram, size));
	mask_done(&mask);
	sent_count = 0;
	agent_receive_datagram(&one->agent, one->now, from, datagram, size);
	return size;
}

static void an_answer_to_a_probe_is_no_larger_than_it(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct worst worst = {.what = "probe -> answer"};
	struct address from = world_address("203.0.113.9:53");
	struct prober prober;
	struct map_node node;

	start_prober(one, &prober, &node);
	one_map(one, &node, 1);
	one->agent.ops.send_datagram = record_size;
	for (int i = 0; i < RUNS; i++) {
		size_t size = probe(one, &prober, &from);

		/* Nothing echoes our boot id: an answer, and nothing else. */
		assert_int_equal(sent_count, 1);
		weigh(&worst, size, sent_sizes[0]);
		one->now += PAIR_NEW_BOOT_INTERVAL;
	}
	assert_int_equal(one->agent.counters.answers_sent, RUNS);
	tell(&worst);
	pair_done(&prober.pair);
	one_agent_free(one);
}

/* A member that echoes our boot id may claim any source; besides the answer it gets a probe of
 * ours, and of these at most PATH_BUDGET within PATH_BUDGET_PERIOD. */
static void a_members_false_source_gets_ten_probes_and_answers_of_the_same_size(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct worst worst = {.what = "fresh probe -> answer"};
	struct address from = world_address("203.0.113.9:53");
	struct prober prober;
	struct map_node node;
	unsigned probes = 0;

	start_prober(one, &prober, &node);
	one_map(one, &node, 1);
	one->agent.ops.send_datagram = record_size;
	memcpy(prober.pair.current.peer_boot_id, one->agent.identity.boot.id, BOOT_ID_SIZE);
	for (usec_t end = one->now + PATH_BUDGET_PERIOD; one->now < end; one->now += 100000) {
		size_t size = probe(one, &prober, &from);

		assert_in_range(sent_count, 1, 2);
		weigh(&worst, size, sent_sizes[0]);
		probes += sent_count == 2;
	}
	assert_in_range(probes, 1, PATH_BUDGET);
	assert_int_equal(one->agent.counters.probes_sent, probes);
	tell(&worst);
	pair_done(&prober.pair);
	one_agent_free(one);
}

static void whoever_is_no_member_gets_no_byte_of_a_node(void **state)
{
	struct one_agent *one = one_agent_new(__func__);
	struct address from = world_address("203.0.113.9:53");
	uint8_t noise[CONTROL_MAXIMUM];
	struct prober stranger;
	struct map_node node;

	start_prober(one, &stranger, &node);
	/* Once it was one. */
	one_map(one, &node, 1);
	one_map(one, NULL, 0);
	one->agent.ops.send_datagram = record_size;
	for (int i = 0; i < RUNS; i++) {
		probe(one, &stranger, &from);
		assert_int_equal(sent_count, 0);
		seeded_fill(&one->seeded, noise, sizeof(noise));
		noise[0] = WIRE_CLASS_CONTROL;
		agent_receive_datagram(&one->agent, one->now, &from, noise, sizeof(noise));
		assert_int_equal(sent_count, 0);
	}
	assert_int_equal(one->agent.counters.datagrams[PAIR_UNKNOWN], 2 * RUNS);
	pair_done(&stranger.pair);
	one_agent_free(one);
}

/* ---- enrolment ---- */

struct hub {
	struct enrol_server server;
	struct seeded seeded;
	struct aead *aead;
	struct mask to_hub;
	struct join join;
	struct address from;
	usec_t now;
};

static void hub_start(struct hub *hub, const char *test)
{
	struct mask_key mask;
	struct key key;

	*hub = (struct hub){.aead = aead_new(), .now = SECONDS(100)};
	seeded_start(&hub->seeded, test);
	seeded_fill(&hub->seeded, &key, KEY_SIZE);
	x25519_clamp(&key);
	x25519_public(&key, &hub->join.hub);
	hub->from = world_address("203.0.113.9:53");
	enrol_server_init(&hub->server, &key, hub->join.network_id, hub->join.site_secret,
			  hub->aead, &hub->seeded.source, hub->now);
	mask_key_derive(&hub->join.hub, hub->join.site_secret, MASK_TO_LISTENER, &mask);
	mask_init(&hub->to_hub, &mask);
}

static void hub_stop(struct hub *hub)
{
	enrol_server_done(&hub->server);
	mask_done(&hub->to_hub);
	aead_free(hub->aead);
}

static size_t next_request(struct hub *hub, struct enrol_client *client, uint8_t *out)
{
	size_t size = enrol_client_send(client, hub->now, out);

	assert_true(mask_remove(&hub->to_hub, out, size));
	return size;
}

/* The largest answers there are. */
static struct enrol_answer long_answer(enum enrol_status status)
{
	struct enrol_answer answer = {.status = status,
				      .address_count = NODE_ADDRESSES_MAX,
				      .hub_address_count = NODE_ADDRESSES_MAX};

	memset(answer.name, 'a', NODE_NAME_SIZE - 1);
	memset(answer.hub_name, 'b', NODE_NAME_SIZE - 1);
	for (size_t i = 0; i < NODE_ADDRESSES_MAX; i++) {
		answer.addresses[i].family = FAMILY_IPV6;
		answer.hub_addresses[i].family = FAMILY_IPV6;
	}
	return answer;
}

static void an_enrolment_request_brings_no_more_than_it_is(void **state)
{
	struct worst cookie = {.what = "enrolment request -> cookie"};
	struct worst decision = {.what = "enrolment request -> answer"};
	struct hub hub;

	hub_start(&hub, __func__);
	for (int i = 0; i < RUNS; i++) {
		const struct enrol_answer answer = long_answer(i % (ENROL_CLOSED + 1));
		uint8_t data[ENROL_REQUEST_MAXIMUM], out[ENROL_ANSWER_MAXIMUM];
		struct enrol_request request;
		struct enrol_client client;
		struct key key;
		size_t size, out_size = 0;

		seeded_fill(&hub.seeded, &key, KEY_SIZE);
		x25519_clamp(&key);
		assert_int_equal(enrol_client_init(&client, &hub.join, &key, "alpha", hub.aead,
						   &hub.seeded.source, hub.now),
				 0);
		size = next_request(&hub, &client, data);
		assert_int_equal(enrol_server_receive(&hub.server, hub.now, &hub.from, data, size,
						      out, &out_size, &request),
				 ENROL_SEND);
		weigh(&cookie, size, out_size);
		enrol_client_receive(&client, hub.now, out, out_size);
		size = next_request(&hub, &client, data);
		assert_int_equal(enrol_server_receive(&hub.server, hub.now, &hub.from, data, size,
						      out, &out_size, &request),
				 ENROL_ASK);
		weigh(&decision, size, enrol_server_answer(&hub.server, &request, &answer, out));
		enrol_client_done(&client);
		hub.now += USEC_PER_SEC;
	}
	tell(&cookie);
	tell(&decision);
	/* However it is cut: the smallest request that is read at all is larger than both answers.
	 */
	assert_true(ENROL_COOKIE_SIZE <= ENROL_REQUEST_MINIMUM);
	assert_true(ANSWER_SIZE <= ENROL_REQUEST_MINIMUM);
	hub_stop(&hub);
}

/* ---- WireGuard ---- */

/* All that it brings goes into the queue. */
static void ask(struct world *world, struct side *side, struct datagram *question,
		struct worst *worst)
{
	size_t before = world->queued;

	side_receive(side, question);
	assert_int_equal(world->queued, before + 1);
	weigh(worst, question->size, world->queue[before].size);
}

static void a_handshake_message_brings_no_more_than_it_is(void **state)
{
	struct worst response = {.what = "initiation -> response"};
	struct worst reply = {.what = "initiation -> cookie reply"};
	struct worst second = {.what = "response -> cookie reply"};
	struct worst confirmation = {.what = "response -> keepalive"};
	struct world *world = world_new(__func__, NULL);

	for (int i = 0; i < RUNS / 10; i++) {
		struct datagram datagram;

		wg_handshake_start(&world->a.peer, world->a.aead, world->now);
		datagram = world_take(world);
		world->b.wg.force_load = true;
		ask(world, &world->b, &datagram, &reply);
		world->b.wg.force_load = false;
		world->queued = 0;
		ask(world, &world->b, &datagram, &response);
		datagram = world_take(world);
		world->a.wg.force_load = true;
		ask(world, &world->a, &datagram, &second);
		world->a.wg.force_load = false;
		world->queued = 0;
		ask(world, &world->a, &datagram, &confirmation);
		world_deliver(world);
		world->now += SECONDS(6);
	}
	tell(&response);
	tell(&reply);
	tell(&second);
	tell(&confirmation);
	world_free(world);
}

/* Everything else that comes brings nothing at all. */
static void what_is_false_brings_nothing(void **state)
{
	static const size_t sizes[] = {WG_INITIATION_SIZE, WG_RESPONSE_SIZE, WG_COOKIE_SIZE,
				       WG_DATA_OVERHEAD, 200};
	struct world *world = world_new(__func__, NULL);

	world_connect(world);
	for (int load = 0; load < 2; load++) {
		world->b.wg.force_load = load;
		for (int i = 0; i < RUNS; i++) {
			size_t which = (size_t)i % array_size(sizes);
			struct datagram datagram = {
				.to = &world->b, .source = world->a.address, .size = sizes[which]};

			seeded_fill(&world->seeded, datagram.data, datagram.size);
			memset(datagram.data, 0, 4);
			datagram.data[0] = (uint8_t)(which < 4 ? which + 1 : 4);
			side_receive(&world->b, &datagram);
			assert_int_equal(world->queued, 0);
		}
	}
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_to_a_probe_is_no_larger_than_it),
		cmocka_unit_test(
			a_members_false_source_gets_ten_probes_and_answers_of_the_same_size),
		cmocka_unit_test(whoever_is_no_member_gets_no_byte_of_a_node),
		cmocka_unit_test(an_enrolment_request_brings_no_more_than_it_is),
		cmocka_unit_test(a_handshake_message_brings_no_more_than_it_is),
		cmocka_unit_test(what_is_false_brings_nothing),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
