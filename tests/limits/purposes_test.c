/* One static key serves WireGuard, enrolment, control datagrams and the control link. Here the very
 * same two keys are used in all of them, and every sealed message of one purpose and direction is
 * dressed as every other: header, indices and public MACs as a receiver wants them, the sealed part
 * at its place. Only its own receiver may take it (security 13). */
#include "crypto/hash.h"
#include "proto/enrol/noise_ik.h"
#include "proto/noise/test_world.h"
#include "proto/pair/link.h"
#include "proto/pair/two_nodes.h"

#define NOW  SECONDS(100)
#define ROOM 1024

enum purpose {
	HINT_FROM_A, /* control datagrams of first contact */
	HINT_FROM_B,
	SESSION_FROM_A, /* control datagrams under both ephemeral keys */
	SESSION_FROM_B,
	ENROL_REQUEST, /* a enrols at b */
	ENROL_ANSWER,
	ENROL_COOKIE,
	LINK_HELLO, /* a is b's node */
	LINK_ANSWER,
	LINK_FROM_A,
	LINK_FROM_B,
	WIREGUARD_INITIATION, /* of a */
	WIREGUARD_RESPONSE,
	WIREGUARD_COOKIE,
	WIREGUARD_DATA_FROM_A,
	WIREGUARD_DATA_FROM_B,
	PURPOSES
};

/* Sizes that a receiver takes, and where its sealed part (or MAC) begins. */
static const struct form {
	const char *name;
	size_t least, most, sealed_at;
} forms[PURPOSES] = {
	[HINT_FROM_A] = {"first contact from a", CONTROL_MINIMUM, CONTROL_MAXIMUM, 40},
	[HINT_FROM_B] = {"first contact from b", CONTROL_MINIMUM, CONTROL_MAXIMUM, 40},
	[SESSION_FROM_A] = {"control session from a", CONTROL_MINIMUM, CONTROL_MAXIMUM, 40},
	[SESSION_FROM_B] = {"control session from b", CONTROL_MINIMUM, CONTROL_MAXIMUM, 40},
	[ENROL_REQUEST] = {"enrolment request", ENROL_REQUEST_MINIMUM, ENROL_REQUEST_MAXIMUM,
			   REQUEST_STATIC},
	[ENROL_ANSWER] = {"enrolment answer", ANSWER_SIZE, ANSWER_SIZE, ANSWER_PAYLOAD},
	[ENROL_COOKIE] = {"enrolment cookie", ENROL_COOKIE_SIZE, ENROL_COOKIE_SIZE, COOKIE_SEALED},
	[LINK_HELLO] = {"link hello", LINK_HELLO_SIZE, LINK_HELLO_SIZE, 4 + LINK_NONCE_SIZE},
	[LINK_ANSWER] = {"link answer", LINK_ANSWER_SIZE, LINK_ANSWER_SIZE, LINK_NONCE_SIZE},
	[LINK_FROM_A] = {"link frame from a", LINK_FRAME_OVERHEAD, ROOM, 0},
	[LINK_FROM_B] = {"link frame from b", LINK_FRAME_OVERHEAD, ROOM, 0},
	[WIREGUARD_INITIATION] = {"WireGuard initiation", WG_INITIATION_SIZE, WG_INITIATION_SIZE,
				  WG_INITIATION_STATIC},
	[WIREGUARD_RESPONSE] = {"WireGuard response", WG_RESPONSE_SIZE, WG_RESPONSE_SIZE,
				WG_RESPONSE_EMPTY},
	[WIREGUARD_COOKIE] = {"WireGuard cookie", WG_COOKIE_SIZE, WG_COOKIE_SIZE, WG_COOKIE_SEALED},
	[WIREGUARD_DATA_FROM_A] = {"WireGuard data from a", WG_DATA_OVERHEAD, ROOM,
				   WG_DATA_HEADER_SIZE},
	[WIREGUARD_DATA_FROM_B] = {"WireGuard data from b", WG_DATA_OVERHEAD, ROOM,
				   WG_DATA_HEADER_SIZE},
};

/* As a receiver sees it: headers unmasked. */
struct message {
	uint8_t data[ROOM];
	size_t size;
};

struct stage {
	struct world *world; /* WireGuard between a and b */
	struct test_node a, b;
	struct enrol_server server;   /* b */
	struct enrol_client client;   /* a, who asked with a cookie */
	struct enrol_client newcomer; /* a, who has none yet */
	struct mask to_hub;
	struct link node_asking, node, hub; /* a twice: before the hub's answer and after */
	struct key api;
	struct address from;
	usec_t now;
	struct message messages[PURPOSES];
};

static const uint8_t network_id[NETWORK_ID_SIZE] = {1, 2, 3}; /* of two_nodes.h */
static const uint8_t site_secret[SITE_SECRET_SIZE] = {4, 5, 6};

static const struct random_source *random_of(struct stage *stage)
{
	return &stage->world->seeded.source;
}

static void keep(struct stage *stage, enum purpose purpose, const void *data, size_t size)
{
	assert_true(size && size <= ROOM);
	memcpy(stage->messages[purpose].data, data, size);
	stage->messages[purpose].size = size;
}

/* ---- control datagrams ---- */

static struct message seal_control(struct stage *stage, struct test_node *from,
				   struct test_node *to, enum pair_mode mode)
{
	struct control_body body = {.kind = CONTROL_PROBE, .echo = {7}};
	struct message message;

	message.size = pair_seal(&from->pair, &from->identity, from->aead, random_of(stage), mode,
				 &body, CONTROL_MAXIMUM, message.data);
	assert_true(mask_remove(&to->own, message.data, message.size));
	return message;
}

static enum pair_result open_control(struct stage *stage, struct test_node *node,
				     const struct message *message, struct pair_opened *opened)
{
	struct message copy = *message;

	return pair_open(&node->table, &node->identity, node->aead, stage->now, copy.data,
			 copy.size, opened);
}

static void answer_control(struct stage *stage, struct test_node *from, struct test_node *to,
			   const struct pair_opened *question)
{
	struct control_body body = {.kind = CONTROL_ANSWER};
	struct pair_opened opened;
	struct message message;

	memcpy(body.peer_boot_id, question->body.boot_id, BOOT_ID_SIZE);
	message.size = pair_seal(&from->pair, &from->identity, from->aead, random_of(stage),
				 question->mode, &body, question->size, message.data);
	assert_true(mask_remove(&to->own, message.data, message.size));
	assert_int_equal(open_control(stage, to, &message, &opened), PAIR_OK);
}

static void prepare_control(struct stage *stage)
{
	struct test_node *a = &stage->a, *b = &stage->b;
	struct pair_opened opened;
	struct message message;

	test_node_start(a, &stage->world->a.private_key, NOW, random_of(stage));
	test_node_start(b, &stage->world->b.private_key, NOW, random_of(stage));
	assert_int_equal(pair_init(&a->pair, &a->identity, &a->table, &b->identity.public_key,
				   random_of(stage)),
			 0);
	assert_int_equal(pair_init(&b->pair, &b->identity, &b->table, &a->identity.public_key,
				   random_of(stage)),
			 0);
	message = seal_control(stage, a, b, PAIR_BY_HINT);
	assert_int_equal(open_control(stage, b, &message, &opened), PAIR_OK);
	answer_control(stage, b, a, &opened);
	message = seal_control(stage, a, b, PAIR_BY_CURRENT);
	assert_int_equal(open_control(stage, b, &message, &opened), PAIR_OK);
	assert_true(a->pair.current.is_set && b->pair.current.is_set);
	stage->messages[HINT_FROM_A] = seal_control(stage, a, b, PAIR_BY_HINT);
	stage->messages[HINT_FROM_B] = seal_control(stage, b, a, PAIR_BY_HINT);
	stage->messages[SESSION_FROM_A] = seal_control(stage, a, b, PAIR_BY_CURRENT);
	stage->messages[SESSION_FROM_B] = seal_control(stage, b, a, PAIR_BY_CURRENT);
}

static bool accept_control(struct stage *stage, struct test_node *node, uint64_t index,
			   struct message *message)
{
	struct control_header header = {.index = index};
	struct pair_opened opened;

	/* Its own salt belongs to what is authenticated. */
	memcpy(&header.salt, message->data + 12, sizeof(header.salt));
	control_header_encode(&header, message->data);
	return open_control(stage, node, message, &opened) == PAIR_OK;
}

/* ---- enrolment ---- */

static enum enrol_result ask_hub(struct stage *stage, const struct message *message, uint8_t *out,
				 size_t *ret_size, struct enrol_request *request)
{
	stage->now += USEC_PER_SEC;
	return enrol_server_receive(&stage->server, stage->now, &stage->from, message->data,
				    message->size, out, ret_size, request);
}

static struct message next_request(struct stage *stage, struct enrol_client *client)
{
	struct message message;

	message.size = enrol_client_send(client, NOW, message.data);
	assert_true(mask_remove(&stage->to_hub, message.data, message.size));
	return message;
}

static void start_client(struct stage *stage, struct enrol_client *client)
{
	struct join join = {.hub = stage->world->b.public_key, .token = {9}};

	memcpy(join.network_id, network_id, sizeof(network_id));
	memcpy(join.site_secret, site_secret, sizeof(site_secret));
	assert_int_equal(enrol_client_init(client, &join, &stage->world->a.private_key, "a",
					   stage->a.aead, random_of(stage), NOW),
			 0);
}

static void prepare_enrolment(struct stage *stage)
{
	const struct enrol_answer answer = {.status = ENROL_TOKEN_USED};
	uint8_t out[ENROL_ANSWER_MAXIMUM];
	struct enrol_request request;
	struct message message;
	struct mask_key mask;
	size_t size = 0;

	enrol_server_init(&stage->server, &stage->world->b.private_key, network_id, site_secret,
			  stage->b.aead, random_of(stage), NOW);
	mask_key_derive(&stage->world->b.public_key, site_secret, MASK_TO_LISTENER, &mask);
	mask_init(&stage->to_hub, &mask);
	start_client(stage, &stage->client);
	start_client(stage, &stage->newcomer);
	message = next_request(stage, &stage->client);
	assert_int_equal(ask_hub(stage, &message, out, &size, &request), ENROL_SEND);
	enrol_client_receive(&stage->client, NOW, out, size);
	stage->messages[ENROL_REQUEST] = next_request(stage, &stage->client);
	assert_int_equal(ask_hub(stage, &stage->messages[ENROL_REQUEST], out, &size, &request),
			 ENROL_ASK);
	size = enrol_server_answer(&stage->server, &request, &answer, out);
	assert_true(mask_remove(&stage->client.from_hub, out, size));
	keep(stage, ENROL_ANSWER, out, size);
	message = next_request(stage, &stage->newcomer);
	assert_int_equal(ask_hub(stage, &message, out, &size, &request), ENROL_SEND);
	assert_true(mask_remove(&stage->newcomer.from_hub, out, size));
	keep(stage, ENROL_COOKIE, out, size);
}

static bool accept_request(struct stage *stage, struct message *message, bool is_genuine)
{
	uint8_t out[ENROL_ANSWER_MAXIMUM];
	struct enrol_request request;
	size_t size;

	/* Both MACs come from what anybody at this address can get. */
	if (!is_genuine) {
		enrol_header(message->data, WIRE_CLASS_ENROL_REQUEST, stage->client.id,
			     random_of(stage));
		enrol_mac1(message->data + REQUEST_MAC1, &stage->world->b.public_key, message->data,
			   REQUEST_MAC1);
		enrol_mac2(message->data + REQUEST_MAC2, stage->client.cookie, message->data,
			   REQUEST_MAC2);
	}
	return ask_hub(stage, message, out, &size, &request) == ENROL_ASK;
}

static void give_client(struct enrol_client *client, uint8_t class, struct message *message,
			const struct random_source *random)
{
	enrol_header(message->data, class, client->id, random);
	/* What would look like WireGuard goes with another header. */
	while (!mask_apply(&client->from_hub, message->data, message->size))
		enrol_header(message->data, class, client->id, random);
	enrol_client_receive(client, NOW, message->data, message->size);
}

/* ---- the control link ---- */

static void prepare_link(struct stage *stage)
{
	uint8_t hello[LINK_HELLO_SIZE], answer[LINK_ANSWER_SIZE], frame[ROOM] = {MESSAGE_ALIVE};
	struct link node, hub;

	stage->api = stage->a.pair.api;
	assert_true(key_is_equal(&stage->api, &stage->b.pair.api));
	link_client_start(&stage->node_asking, &stage->api, random_of(stage), hello);
	keep(stage, LINK_HELLO, hello, sizeof(hello));
	assert_true(link_server_accept(&stage->hub, &stage->api, hello, sizeof(hello),
				       random_of(stage), answer));
	keep(stage, LINK_ANSWER, answer, sizeof(answer));
	stage->node = stage->node_asking;
	assert_true(link_client_finish(&stage->node, answer, sizeof(answer)));
	/* Copies seal, so that both ends still wait for frame 0. */
	node = stage->node;
	hub = stage->hub;
	link_seal(&node, stage->a.aead, frame, 100, stage->messages[LINK_FROM_A].data);
	stage->messages[LINK_FROM_A].size = 100 + LINK_FRAME_OVERHEAD;
	link_seal(&hub, stage->b.aead, frame, 100, stage->messages[LINK_FROM_B].data);
	stage->messages[LINK_FROM_B].size = 100 + LINK_FRAME_OVERHEAD;
}

static bool accept_hello(struct stage *stage, struct message *message)
{
	uint8_t answer[LINK_ANSWER_SIZE];
	struct link link;

	memcpy(message->data, "WLC1", 4);
	return link_server_accept(&link, &stage->api, message->data, message->size,
				  random_of(stage), answer);
}

static bool accept_frame(struct stage *stage, const struct link *link, struct message *message)
{
	/* A link ends with the first bad frame. */
	struct link copy = *link;

	return link_open(&copy, stage->a.aead, message->data, message->size);
}

/* ---- WireGuard ---- */

static struct datagram take_one(struct world *world)
{
	assert_int_equal(world->queued, 1);
	return world_take(world);
}

/* A first handshake gives initiation, cookie and response; a second one is left waiting for its
 * answer. */
static void prepare_wireguard(struct stage *stage)
{
	struct world *world = stage->world;
	struct datagram datagram;

	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	datagram = take_one(world);
	keep(stage, WIREGUARD_INITIATION, datagram.data, datagram.size);
	world->b.wg.force_load = true;
	assert_int_equal(side_receive(&world->b, &datagram), WG_DROP_COOKIE_DEMANDED);
	world->b.wg.force_load = false;
	keep(stage, WIREGUARD_COOKIE, world->queue[0].data, world->queue[0].size);
	world->queued = 0;
	assert_int_equal(side_receive(&world->b, &datagram), WG_OK);
	datagram = take_one(world);
	keep(stage, WIREGUARD_RESPONSE, datagram.data, datagram.size);
	assert_int_equal(side_receive(&world->a, &datagram), WG_OK);
	world_deliver(world);
	assert_true(side_send_data(&world->a));
	datagram = take_one(world);
	keep(stage, WIREGUARD_DATA_FROM_A, datagram.data, datagram.size);
	assert_true(side_send_data(&world->b));
	datagram = take_one(world);
	keep(stage, WIREGUARD_DATA_FROM_B, datagram.data, datagram.size);
	world->now += SECONDS(6);
	wg_handshake_start(&world->a.peer, world->a.aead, world->now);
	assert_int_equal(world->queued, 1);
}

static void write_word(uint8_t *out, uint32_t value)
{
	struct writer writer = writer_over(out, 4);

	write_u32(&writer, value);
}

static bool accept_handshake(struct side *side, const struct side *from, uint32_t type,
			     size_t index_at, struct message *message)
{
	struct datagram datagram = {.to = side, .source = from->address, .size = message->size};
	struct cookie_maker maker;

	write_word(message->data, type);
	if (index_at)
		write_word(message->data + index_at, side->peer.handshake_index.value);
	if (type != WG_COOKIE) {
		cookie_maker_init(&maker, &side->public_key);
		cookie_add_macs(&maker, SECONDS(1), message->data, message->size);
	}
	memcpy(datagram.data, message->data, message->size);
	return side_receive(side, &datagram) == WG_OK;
}

static bool accept_data(struct side *side, struct message *message, bool is_genuine)
{
	struct wg_opened opened;

	if (!is_genuine) {
		write_word(message->data, WG_DATA);
		write_word(message->data + WG_DATA_RECEIVER, side->peer.current->index.value);
	}
	return wg_open(&side->wg, side->aead, side->world->now, message->data, message->size,
		       &opened) == WG_OK;
}

/* ---- all against all ---- */

/* True: the receiver of that purpose takes it. is_genuine: it is that purpose's own. */
static bool is_taken(struct stage *stage, enum purpose purpose, struct message *message,
		     bool is_genuine)
{
	struct side *side_a = &stage->world->a, *side_b = &stage->world->b;
	struct enrol_client client;
	struct link link;

	switch (purpose) {
	case HINT_FROM_A:
		return accept_control(stage, &stage->b, stage->b.pair.hint_in, message);
	case HINT_FROM_B:
		return accept_control(stage, &stage->a, stage->a.pair.hint_in, message);
	case SESSION_FROM_A:
		return accept_control(stage, &stage->b, stage->b.pair.index.value, message);
	case SESSION_FROM_B:
		return accept_control(stage, &stage->a, stage->a.pair.index.value, message);
	case ENROL_REQUEST:
		return accept_request(stage, message, is_genuine);
	case ENROL_ANSWER:
		give_client(&stage->client, WIRE_CLASS_ENROL_ANSWER, message, random_of(stage));
		return stage->client.state == ENROL_DONE;
	case ENROL_COOKIE:
		client = stage->newcomer;
		give_client(&client, WIRE_CLASS_ENROL_COOKIE, message, random_of(stage));
		return client.has_cookie;
	case LINK_HELLO:
		return accept_hello(stage, message);
	case LINK_ANSWER:
		link = stage->node_asking;
		return link_client_finish(&link, message->data, message->size);
	case LINK_FROM_A:
		return accept_frame(stage, &stage->hub, message);
	case LINK_FROM_B:
		return accept_frame(stage, &stage->node, message);
	case WIREGUARD_INITIATION:
		return accept_handshake(side_b, side_a, WG_INITIATION, 0, message);
	case WIREGUARD_RESPONSE:
		return accept_handshake(side_a, side_b, WG_RESPONSE, WG_RESPONSE_RECEIVER, message);
	case WIREGUARD_COOKIE:
		return accept_handshake(side_a, side_b, WG_COOKIE, WG_COOKIE_RECEIVER, message);
	case WIREGUARD_DATA_FROM_A:
		return accept_data(side_b, message, is_genuine);
	case WIREGUARD_DATA_FROM_B:
		return accept_data(side_a, message, is_genuine);
	case PURPOSES:
		break;
	}
	return false;
}

/* The foreign sealed part, and what stands before it, where this purpose has its own. */
static struct message dress(const struct message *foreign, const struct form *from,
			    const struct form *as)
{
	struct message message = {.size = foreign->size + as->sealed_at - from->sealed_at};

	if (foreign->size + as->sealed_at < from->sealed_at || message.size < as->least)
		message.size = as->least;
	if (message.size > as->most)
		message.size = as->most;
	for (size_t i = 0; i < message.size; i++) {
		if (i + from->sealed_at >= as->sealed_at &&
		    i + from->sealed_at - as->sealed_at < foreign->size)
			message.data[i] = foreign->data[i + from->sealed_at - as->sealed_at];
	}
	return message;
}

static int set_up(void **state)
{
	struct stage *stage = new (struct stage);

	stage->world = world_new("purposes", NULL);
	stage->now = NOW;
	stage->from = world_address("198.51.100.7:40000");
	prepare_control(stage);
	prepare_enrolment(stage);
	prepare_link(stage);
	prepare_wireguard(stage);
	*state = stage;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *stage = *state;

	enrol_client_done(&stage->client);
	enrol_client_done(&stage->newcomer);
	enrol_server_done(&stage->server);
	mask_done(&stage->to_hub);
	test_node_stop(&stage->a);
	test_node_stop(&stage->b);
	world_free(stage->world);
	free(stage);
	return 0;
}

static void what_is_sealed_for_one_purpose_fails_under_every_other(void **state)
{
	struct stage *stage = *state;
	unsigned tried = 0;

	for (int from = 0; from < PURPOSES; from++) {
		for (int as = 0; as < PURPOSES; as++) {
			struct message message =
				dress(&stage->messages[from], &forms[from], &forms[as]);
			struct message plain = stage->messages[from];

			if (from == as)
				continue;
			if (is_taken(stage, as, &message, false))
				fail_msg("%s was taken for %s", forms[from].name, forms[as].name);
			/* Not dressed at all. */
			if (plain.size >= forms[as].least && plain.size <= forms[as].most &&
			    is_taken(stage, as, &plain, false))
				fail_msg("%s as it is was taken for %s", forms[from].name,
					 forms[as].name);
			tried++;
		}
	}
	assert_int_equal(tried, PURPOSES * (PURPOSES - 1));
}

/* Otherwise the test above would hold for receivers that take nothing. */
static void each_receiver_takes_its_own_after_all_that(void **state)
{
	struct stage *stage = *state;
	struct world *world = stage->world;
	struct datagram initiation;

	what_is_sealed_for_one_purpose_fails_under_every_other(state);
	for (int i = 0; i < WIREGUARD_INITIATION; i++) {
		struct message message = stage->messages[i];

		if (!is_taken(stage, i, &message, true))
			fail_msg("%s was not taken", forms[i].name);
	}
	assert_true(is_taken(stage, WIREGUARD_DATA_FROM_A, &stage->messages[WIREGUARD_DATA_FROM_A],
			     true));
	assert_true(is_taken(stage, WIREGUARD_DATA_FROM_B, &stage->messages[WIREGUARD_DATA_FROM_B],
			     true));
	/* The handshake that waited all the time: cookie first, then both messages. */
	initiation = world_take(world);
	world->queued = 0;
	world->b.wg.force_load = true;
	assert_int_equal(side_receive(&world->b, &initiation), WG_DROP_COOKIE_DEMANDED);
	world->b.wg.force_load = false;
	initiation.to = &world->b;
	world_deliver(world);
	assert_true(world->a.peer.cookies.has_cookie);
	assert_int_equal(side_receive(&world->b, &initiation), WG_OK);
	world_deliver(world);
	assert_int_equal(world->a.completed, 2);
}

/* Every key that the two keys and the network give, by what it is for. */
static size_t all_keys(struct stage *stage, struct key *keys)
{
	const struct key *publics[] = {&stage->world->a.public_key, &stage->world->b.public_key};
	const struct pair_session *sessions[] = {&stage->a.pair.current, &stage->b.pair.current};
	struct wg_keypair *keypair = stage->world->a.peer.current;
	size_t count = 0;

	for (int purpose = PAIR_CONTROL; purpose <= PAIR_API; purpose++) {
		for (int direction = PAIR_LOWER_TO_HIGHER; direction <= PAIR_BOTH; direction++)
			assert_int_equal(pair_derive(&stage->a.identity, publics[1], NULL, purpose,
						     direction, &keys[count++]),
					 0);
	}
	keys[count++] = sessions[0]->send;
	keys[count++] = sessions[1]->send;
	keys[count++] = stage->node.send;
	keys[count++] = stage->hub.send;
	keys[count++] = keypair->send;
	keys[count++] = keypair->receive;
	keys[count++] = stage->world->a.peer.handshake.static_static;
	keys[count++] = stage->client.noise.key;
	memcpy(&keys[count++], stage->client.noise.chaining, KEY_SIZE);
	for (size_t i = 0; i < 2; i++) {
		struct cookie_maker maker;
		struct mask_key mask;

		cookie_maker_init(&maker, publics[i]);
		keys[count++] = maker.mac1_key;
		keys[count++] = maker.cookie_key;
		enrol_cookie_key(&keys[count++], publics[i]);
		for (int direction = MASK_TO_LISTENER; direction <= MASK_FROM_LISTENER;
		     direction++) {
			mask_key_derive(publics[i], site_secret, direction, &mask);
			keys[count++] = mask.header;
			keys[count++] = mask.tail;
		}
	}
	return count;
}

static void no_two_purposes_have_one_key(void **state)
{
	struct stage *stage = *state;
	struct key keys[64];
	size_t count = all_keys(stage, keys);

	assert_int_equal(count, 15 + 9 + 2 * 7);
	for (size_t i = 0; i < count; i++) {
		assert_false(key_is_zero(&keys[i]));
		for (size_t j = 0; j < i; j++) {
			if (key_is_equal(&keys[i], &keys[j]))
				fail_msg("keys %zu and %zu are one", i, j);
		}
	}
	/* The same key makes mac1 in WireGuard and in enrolment, under labels of their own. */
	for (size_t i = 0; i < count; i++) {
		const struct hash_part part = {keys, KEY_SIZE};
		uint8_t of_enrolment[16], other[16];

		enrol_mac1(of_enrolment, &stage->world->b.public_key, part.data, part.size);
		blake2s_mac(other, sizeof(other), &keys[i], KEY_SIZE, &part, 1);
		assert_memory_not_equal(of_enrolment, other, sizeof(other));
	}
	/* Both ends agree where they should. */
	assert_true(key_is_equal(&stage->a.pair.current.send, &stage->b.pair.current.receive));
	assert_true(key_is_equal(&stage->node.send, &stage->hub.receive));
}

int main(void)
{
#define claim(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		claim(what_is_sealed_for_one_purpose_fails_under_every_other),
		claim(each_receiver_takes_its_own_after_all_that),
		claim(no_two_purposes_have_one_key),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
