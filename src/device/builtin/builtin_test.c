#include "device/builtin/builtin_private.h"
#include "device/builtin/test_ends.h"

static void a_packet_crosses_and_both_sides_know_it(void **state)
{
	need_namespace();
	struct builtin_peer_statistics statistics;

	connect_ends(&plain_options);
	assert_false(statistics_of(&a).has_session);
	exchange();
	assert_int_equal(a.handshakes, 1);
	assert_int_equal(b.handshakes, 1);
	statistics = statistics_of(&b);
	assert_true(statistics.has_session && statistics_of(&a).has_session);
	assert_true(statistics.last_handshake && statistics.last_received && statistics.last_sent);
	assert_true(statistics.rx_bytes == statistics_of(&a).tx_bytes);
	assert_int_equal(statistics.endpoint.port, port_number(builtin_port(a.builtin)));
	assert_int_equal(b.moves, 1);
	assert_int_equal(counters_of(&a).handshakes_completed, 1);
}

static void sessions_are_renewed_while_traffic_goes_on(void **state)
{
	need_namespace();
	struct wg_limits limits = impatient();
	struct builtin_options options = {.limits = &limits};
	char text[32];

	limits.rekey_after_time = 300 * USEC_PER_MSEC;
	limits.reject_after_time = 900 * USEC_PER_MSEC;
	limits.keepalive_timeout = 200 * USEC_PER_MSEC;
	connect_ends(&options);
	for (int i = 0; a.handshakes < 5; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		send_text(&a, &b, text);
		wait_for(has_text(&b, text));
		assert_true(i < 10000000);
	}
	assert_true(a.handshakes - b.handshakes + 1 <= 2);
	assert_int_equal(drops_of(&b, "forged") + drops_of(&b, "replayed"), 0);
}

static void a_deleted_interface_is_told_once_and_stays_quiet(void **state)
{
	need_namespace();
	connect_ends(&plain_options);
	exchange();
	assert_int_equal(system("ip link delete wlb"), 0);
	wait_for(b.gone == 1);
	send_text(&a, &b, "nowhere");
	wait_for(drops_of(&b, "tun-refused") == 1);
	assert_int_equal(b.gone, 1);
}

static void the_same_private_key_keeps_the_session_and_another_ends_it(void **state)
{
	need_namespace();
	struct key other;

	connect_ends(&plain_options);
	exchange();
	builtin_set_private_key(a.builtin, &a.private_key);
	assert_true(statistics_of(&a).has_session);
	random_bytes(&other, sizeof(other));
	builtin_set_private_key(a.builtin, &other);
	assert_false(statistics_of(&a).has_session);
}

/* How often it stands in memory that may be written, stack included. The key itself must not be
 * here: `masked` is its complement. */
__attribute__((no_sanitize("address"))) static size_t count_in_memory(const struct key *masked)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	size_t count = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		/* Larger ones are a sanitizer's. */
		if (sscanf(line, "%lx-%lx", &start, &end) != 2 || !strstr(line, " rw") ||
		    end - start > 256ul << 20)
			continue;
		for (const uint8_t *at = (const uint8_t *)start;
		     at + KEY_SIZE <= (const uint8_t *)end; at++) {
			size_t i = 0;

			while (i < KEY_SIZE && (at[i] ^ masked->bytes[i]) == 0xff)
				i++;
			count += i == KEY_SIZE;
		}
	}
	fclose(maps);
	return count;
}

static void copy_masked(const struct key *key, struct key *masked)
{
	for (size_t i = 0; i < KEY_SIZE; i++)
		masked->bytes[i] = key->bytes[i] ^ 0xff;
}

/* Both ends are in this process, each with its slots and its aead. ThreadSanitizer's own mappings
 * are not to be read. */
static void check_no_key_stays(void (*end_session)(struct end *end))
{
	struct key sent, received;

#ifdef __SANITIZE_THREAD__
	skip();
#endif
	connect_ends(&plain_options);
	exchange();
	copy_masked(&a.peer->wg.current->send, &sent);
	copy_masked(&a.peer->wg.current->receive, &received);
	/* Two slots each, and what the aeads hold of their last packets. */
	assert_true(count_in_memory(&sent) + count_in_memory(&received) > 4);
	end_session(&a);
	end_session(&b);
	assert_int_equal(count_in_memory(&sent), 0);
	assert_int_equal(count_in_memory(&received), 0);
}

static void end_by_hand(struct end *end)
{
	builtin_peer_end_sessions(end->peer);
}

static void end_by_another_key(struct end *end)
{
	struct key other;

	random_bytes(&other, sizeof(other));
	builtin_set_private_key(end->builtin, &other);
}

static void end_by_removal(struct end *end)
{
	builtin_peer_remove(take(end->peer));
}

static void no_key_of_an_ended_session_stays_in_memory(void **state)
{
	need_namespace();
	check_no_key_stays(end_by_hand);
}

static void nor_after_another_private_key(void **state)
{
	need_namespace();
	check_no_key_stays(end_by_another_key);
}

static void nor_of_a_removed_peer(void **state)
{
	need_namespace();
	check_no_key_stays(end_by_removal);
}

static uint64_t kept_mark;

static unsigned saves;

static int load_mark(void *owner, uint64_t *ret_mark)
{
	*ret_mark = kept_mark;
	return kept_mark ? 0 : -ENOENT;
}

static int save_mark(void *owner, uint64_t mark)
{
	kept_mark = mark;
	saves++;
	return 0;
}

static void stamps_grow_over_a_restart(void **state)
{
	need_namespace();
	const struct builtin_stamp_store stamps = {NULL, load_mark, save_mark};
	const struct wg_limits limits = impatient();
	const struct builtin_options options = {.stamps = &stamps, .limits = &limits};
	struct key kept;
	uint64_t mark;

	kept_mark = saves = 0;
	connect_ends(&options);
	exchange();
	assert_true(saves >= 1 && kept_mark);
	mark = kept_mark;
	/* a comes back with its key and what was kept. */
	kept = a.private_key;
	close(a.udp);
	builtin_free(a.builtin);
	end_open(&a, &options, true);
	a.private_key = kept;
	builtin_set_private_key(a.builtin, &kept);
	add_peer(&a, &b);
	tell_endpoint(&a, &b);
	send_text(&a, &b, "again");
	wait_for(has_text(&b, "again"));
	assert_true(kept_mark > mark);
}

static void an_existing_interface_or_a_port_in_use_is_refused(void **state)
{
	need_namespace();
	const struct builtin_events events = {0};
	struct builtin_options options = {.interface = "wla"};
	struct builtin *other = NULL;

	end_open(&a, &plain_options, false);
	assert_int_equal(builtin_new(loop, &options, &events, &other), -EBUSY);
	options.interface = "wlc";
	options.listen_port = port_number(builtin_port(a.builtin));
	assert_int_equal(builtin_new(loop, &options, &events, &other), -EADDRINUSE);
	assert_int_equal(if_nametoindex("wlc"), 0);
	options.mtu = 65500;
	assert_int_equal(builtin_new(loop, &options, &events, &other), -EINVAL);
	assert_null(other);
}

static void every_reason_has_a_name_of_its_own(void **state)
{
	for (unsigned i = 0; i < BUILTIN_DROP_COUNT; i++) {
		assert_non_null(builtin_drop_name(i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(builtin_drop_name(i), builtin_drop_name(j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		device_unit_test(a_packet_crosses_and_both_sides_know_it),
		device_unit_test(sessions_are_renewed_while_traffic_goes_on),
		device_unit_test(a_deleted_interface_is_told_once_and_stays_quiet),
		device_unit_test(the_same_private_key_keeps_the_session_and_another_ends_it),
		device_unit_test(no_key_of_an_ended_session_stays_in_memory),
		device_unit_test(nor_after_another_private_key),
		device_unit_test(nor_of_a_removed_peer),
		device_unit_test(stamps_grow_over_a_restart),
		device_unit_test(an_existing_interface_or_a_port_in_use_is_refused),
		cmocka_unit_test(every_reason_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests_name("builtin", tests, enter_namespace, NULL);
}
