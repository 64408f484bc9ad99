/* A hub with several workers and spokes around it, in one process: numbered packets both ways while
 * everything changes that can. */
#include "device/builtin/builtin_private.h"
#include "device/builtin/test_ends.h"
#include "seeded.h"

#define SPOKES    6
#define FLOWS     2
#define BURST     8
#define TURNS     4
/* A test that needs it has failed, also under TSan on a busy machine. */
#define TALK_TIME (60 * USEC_PER_SEC)

/* What is sent and seen of one flow. */
struct flow {
	int sender;
	uint32_t sent, next, received, swapped;
};

struct spoke {
	char name[16], address[16], address6[24];
	struct end end;
	struct builtin_peer *peer; /* as the hub sees it */
	struct flow up[FLOWS], down[FLOWS];
};

struct message {
	uint32_t spoke, flow, number;
	uint8_t filling[200];
};

static struct spoke spokes[SPOKES];
static uint8_t seen[2][SPOKES][FLOWS][1 << 17];

static void flow_open(struct flow *flow, const struct end *from)
{
	*flow = (struct flow){.sender = socket_on(from, AF_INET, SOCK_DGRAM, 0)};
}

/* What comes in one round must fit. */
static void give_room(const struct end *end)
{
	int size = 4 << 20;

	setsockopt(end->udp, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
}

static void hub_add(struct spoke *spoke)
{
	add_peer(&a, &spoke->end);
	spoke->peer = a.peer;
}

static void spoke_open(struct spoke *spoke, int number, const struct builtin_options *options)
{
	*spoke = (struct spoke){0};
	snprintf(spoke->name, sizeof(spoke->name), "wls%d", number);
	snprintf(spoke->address, sizeof(spoke->address), "10.9.%d.1", 10 + number);
	snprintf(spoke->address6, sizeof(spoke->address6), "fd09::%d:1", 10 + number);
	spoke->end = (struct end){
		.name = spoke->name, .address = spoke->address, .address6 = spoke->address6};
	end_open(&spoke->end, options, true);
	give_room(&spoke->end);
	add_peer(&spoke->end, &a);
	tell_endpoint(&spoke->end, &a);
	hub_add(spoke);
	for (int i = 0; i < FLOWS; i++) {
		flow_open(&spoke->up[i], &spoke->end);
		flow_open(&spoke->down[i], &a);
	}
}

static void star_open(unsigned workers, const struct wg_limits *limits)
{
	const struct builtin_options hub = {.workers = workers, .limits = limits};
	const struct builtin_options plain = {.workers = 1, .limits = limits};

	memset(seen, 0, sizeof(seen));
	end_open(&a, &hub, true);
	give_room(&a);
	for (int i = 0; i < SPOKES; i++)
		spoke_open(&spokes[i], i, &plain);
}

static void star_close(void)
{
	for (int i = 0; i < SPOKES; i++) {
		for (int j = 0; j < FLOWS; j++) {
			close(spokes[i].up[j].sender);
			close(spokes[i].down[j].sender);
		}
		close(spokes[i].end.udp);
		builtin_free(spokes[i].end.builtin);
	}
}

static void send_numbered(struct flow *flow, int spoke, int number, const struct end *to)
{
	struct message message = {.spoke = (uint32_t)spoke, .flow = (uint32_t)number};
	struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(UDP_PORT)};

	inet_pton(AF_INET, to->address, &remote.sin_addr);
	message.number = flow->sent++;
	memset(message.filling, (uint8_t)message.number, sizeof(message.filling));
	/* A full queue loses packets, as it does elsewhere. */
	if (sendto(flow->sender, &message, sizeof(message), 0, (struct sockaddr *)&remote,
		   sizeof(remote)) < 0)
		return;
}

static void send_all(void)
{
	for (int i = 0; i < SPOKES; i++) {
		for (int j = 0; j < FLOWS * BURST; j++) {
			send_numbered(&spokes[i].up[j % FLOWS], i, j % FLOWS, &a);
			send_numbered(&spokes[i].down[j % FLOWS], i, j % FLOWS, &spokes[i].end);
		}
	}
}

static void receive_one(bool is_up, const struct message *message)
{
	struct spoke *spoke = &spokes[message->spoke];
	struct flow *flow = is_up ? &spoke->up[message->flow] : &spoke->down[message->flow];
	uint8_t *place = &seen[is_up][message->spoke][message->flow][message->number];

	assert_true(message->number < flow->sent);
	assert_int_equal(message->filling[199], (uint8_t)message->number);
	/* Each at most once. */
	assert_int_equal(*place, 0);
	*place = 1;
	flow->received++;
	if (message->number < flow->next)
		flow->swapped++;
	else
		flow->next = message->number + 1;
}

static void receive_at(const struct end *end, bool is_up)
{
	struct message message;

	while (recv(end->udp, &message, sizeof(message), 0) == sizeof(message)) {
		assert_true(message.spoke < SPOKES && message.flow < FLOWS);
		receive_one(is_up, &message);
	}
}

static void receive_all(void)
{
	receive_at(&a, true);
	for (int i = 0; i < SPOKES; i++)
		receive_at(&spokes[i].end, false);
}

static bool is_heard_everywhere(uint32_t count)
{
	for (int i = 0; i < SPOKES; i++) {
		for (int j = 0; j < FLOWS; j++) {
			if (spokes[i].up[j].received < count || spokes[i].down[j].received < count)
				return false;
		}
	}
	return true;
}

/* One round of sending, and time for the devices to bring it there. */
static void send_and_receive(void)
{
	send_all();
	for (int i = 0; i < TURNS; i++) {
		loop_turn(loop, i + 1 < TURNS ? 0 : USEC_PER_MSEC);
		receive_all();
	}
}

static void print_flows(void)
{
	for (int i = 0; i < SPOKES; i++) {
		for (int j = 0; j < FLOWS; j++)
			print_message("spoke %d flow %d: up %u of %u, down %u of %u\n", i, j,
				      spokes[i].up[j].received, spokes[i].up[j].sent,
				      spokes[i].down[j].received, spokes[i].down[j].sent);
	}
	for (unsigned i = 0; i < BUILTIN_DROP_COUNT; i++)
		print_message("%s: hub %llu, spoke %llu\n", builtin_drop_name(i),
			      (unsigned long long)counters_of(&a).drops[i],
			      (unsigned long long)counters_of(&spokes[0].end).drops[i]);
}

/* Everybody hears everybody, from whatever was before. */
static void talk(uint32_t count)
{
	for (int i = 0; i < SPOKES; i++) {
		for (int j = 0; j < FLOWS; j++)
			spokes[i].up[j].received = spokes[i].down[j].received = 0;
	}
	deadline = loop_now(loop) + TALK_TIME;
	while (!is_heard_everywhere(count)) {
		if (loop_now(loop) > deadline)
			print_flows();
		assert_true(loop_now(loop) <= deadline);
		send_and_receive();
	}
}

static uint64_t work_of(unsigned worker)
{
	uint64_t work;

	workers_hold(a.builtin);
	work = a.builtin->workers[worker].counters.run_packets +
	       a.builtin->workers[worker].counters.tun_write_packets;
	workers_release(a.builtin);
	return work;
}

static void every_flow_keeps_its_order_and_no_number_is_used_twice(void **state)
{
	need_namespace();
	star_open(3, NULL);
	assert_int_equal(counters_of(&a).workers, 3);
	talk(600);
	for (int i = 0; i < SPOKES; i++) {
		for (int j = 0; j < FLOWS; j++) {
			assert_int_equal(spokes[i].up[j].swapped, 0);
			assert_int_equal(spokes[i].down[j].swapped, 0);
		}
		assert_int_equal(drops_of(&spokes[i].end, "replayed"), 0);
	}
	assert_int_equal(drops_of(&a, "replayed"), 0);
	/* 24 flows by hash on three queues: that one got none happens once in 5,000 runs. */
	assert_true((work_of(0) > 0) + (work_of(1) > 0) + (work_of(2) > 0) >= 2);
	star_close();
}

/* Sessions of a second, so that each kind of ending happens. */
static struct wg_limits hasty(void)
{
	struct wg_limits limits = wg_limits_default;

	limits.rekey_after_time = 100 * USEC_PER_MSEC;
	limits.reject_after_time = 600 * USEC_PER_MSEC;
	limits.rekey_attempt_time = 2 * USEC_PER_SEC;
	limits.rekey_timeout = 50 * USEC_PER_MSEC;
	limits.rekey_timeout_jitter = 10 * USEC_PER_MSEC;
	limits.keepalive_timeout = 50 * USEC_PER_MSEC;
	limits.initiation_interval = 5 * USEC_PER_MSEC;
	limits.rekey_after_messages = 2000;
	return limits;
}

static void rekeys_lose_no_order(void **state)
{
	const struct wg_limits limits = hasty();
	uint64_t before;

	need_namespace();
	star_open(3, &limits);
	before = counters_of(&a).handshakes_completed;
	talk(1000);
	assert_true(counters_of(&a).handshakes_completed > before + SPOKES);
	for (int i = 0; i < SPOKES; i++) {
		for (int j = 0; j < FLOWS; j++) {
			assert_int_equal(spokes[i].up[j].swapped, 0);
			assert_int_equal(spokes[i].down[j].swapped, 0);
		}
	}
	star_close();
}

static void peers_come_and_go(struct spoke *spoke)
{
	builtin_peer_remove(spoke->peer);
	hub_add(spoke);
}

static void keys_change(void)
{
	struct key other;

	random_bytes(&other, sizeof(other));
	builtin_set_private_key(a.builtin, &other);
	builtin_set_private_key(a.builtin, &a.private_key);
}

static void addresses_change(struct spoke *spoke)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(spoke->address, &prefix), 0);
	assert_true(builtin_peer_disallow(spoke->peer, &prefix));
	assert_int_equal(builtin_peer_allow(spoke->peer, &prefix), 0);
}

static void change_something(struct seeded *seeded)
{
	struct spoke *spoke = &spokes[random_below(&seeded->source, SPOKES)];

	switch (random_below(&seeded->source, 12)) {
	case 0:
		peers_come_and_go(spoke);
		break;
	case 1:
		keys_change();
		break;
	case 2:
		addresses_change(spoke);
		break;
	case 3:
		/* It roams. */
		assert_int_equal(builtin_set_listen_port(spoke->end.builtin, 0), 0);
		break;
	case 4:
		assert_int_equal(builtin_set_listen_port(a.builtin, 0), 0);
		for (int i = 0; i < SPOKES; i++)
			tell_endpoint(&spokes[i].end, &a);
		break;
	case 5:
		builtin_peer_end_sessions(spoke->peer);
		break;
	case 6:
		builtin_peer_set_may_roam(spoke->peer, random_below(&seeded->source, 2));
		break;
	case 7:
		builtin_peer_set_keepalive(spoke->peer, (uint16_t)random_below(&seeded->source, 2));
		break;
	case 8:
	case 9:
		if (a.builtin->running > 1)
			workers_detach(a.builtin);
		break;
	default:
		if (a.builtin->running < 4)
			assert_int_equal(workers_attach(a.builtin), 0);
	}
}

static void whatever_changes_the_traffic_goes_on(void **state)
{
	const struct wg_limits limits = hasty();
	struct builtin_peer_statistics statistics;
	struct seeded seeded;

	need_namespace();
	seeded_start(&seeded, __func__);
	star_open(2, &limits);
	for (int i = 0; i < 150; i++) {
		change_something(&seeded);
		send_and_receive();
		builtin_peer_get_statistics(spokes[i % SPOKES].peer, &statistics);
		counters_of(&a);
	}
	for (int i = 0; i < SPOKES; i++) {
		builtin_peer_set_may_roam(spokes[i].peer, true);
		tell_endpoint(&spokes[i].end, &a);
	}
	while (a.builtin->running < 3)
		assert_int_equal(workers_attach(a.builtin), 0);
	talk(100);
	star_close();
}

static void a_worker_that_came_under_load_goes_when_it_is_quiet(void **state)
{
	need_namespace();
	star_open(0, NULL);
	assert_int_equal(counters_of(&a).workers, 1);
	talk(100);
	load_attach(a.builtin, loop_now(loop));
	assert_int_equal(counters_of(&a).workers, 2);
	talk(100);
	a.builtin->load.quiet_since = loop_now(loop) - 29 * USEC_PER_SEC;
	wait_for(a.builtin->running == 1);
	talk(100);
	star_close();
}

static void more_workers_than_there_can_be_are_refused(void **state)
{
	const struct builtin_options options = {.interface = "wlx", .workers = 5};
	const struct builtin_events events = {0};
	struct builtin *builtin;

	assert_int_equal(builtin_new(loop, &options, &events, &builtin), -EINVAL);
}

static void an_interface_that_is_deleted_ends_all_workers_in_peace(void **state)
{
	char command[64];

	need_namespace();
	star_open(3, NULL);
	talk(10);
	snprintf(command, sizeof(command), "ip link delete %s", a.name);
	assert_int_equal(system(command), 0);
	wait_for(a.gone == 1);
	assert_int_not_equal(workers_attach(a.builtin), 0);
	assert_int_equal(if_nametoindex(a.name), 0);
	star_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		device_unit_test(every_flow_keeps_its_order_and_no_number_is_used_twice),
		device_unit_test(rekeys_lose_no_order),
		device_unit_test(whatever_changes_the_traffic_goes_on),
		device_unit_test(a_worker_that_came_under_load_goes_when_it_is_quiet),
		device_unit_test(more_workers_than_there_can_be_are_refused),
		device_unit_test(an_interface_that_is_deleted_ends_all_workers_in_peace),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
