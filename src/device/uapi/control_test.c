/* Requests against a real device, in a network namespace of its own. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "crypto/crypto.h"
#include "crypto/random.h"
#include "crypto/x25519.h"
#include "device/builtin/builtin.h"
#include "device/uapi/control.h"
#include "port/port.h"
#include "sys/loop/loop.h"

#include <cmocka.h>

#define HEX_SIZE (2 * KEY_SIZE + 1)

static bool is_root_here;
static struct loop *loop;
static struct control control;
static struct buffer answer;

#define need_namespace()                                                                     \
	do {                                                                                 \
		if (!is_root_here) {                                                         \
			print_message("needs root, /dev/net/tun and a network namespace\n"); \
			skip();                                                              \
		}                                                                            \
	} while (0)

static int enter_namespace(void **state)
{
	crypto_init();
	is_root_here = !unshare(CLONE_NEWNET) && !access("/dev/net/tun", R_OK | W_OK);
	return 0;
}

static int set_up(void **state)
{
	const struct builtin_options options = {.interface = "wltest0"};
	const struct builtin_events events = {0};

	if (!is_root_here)
		return 0;
	loop = loop_new();
	control = (struct control){0};
	return builtin_new(loop, &options, &events, &control.builtin);
}

static int tear_down(void **state)
{
	if (!is_root_here)
		return 0;
	buffer_done(&answer);
	builtin_free(control.builtin);
	loop_free(loop);
	return 0;
}

static const char *ask(const char *request)
{
	buffer_done(&answer);
	control_answer(&control, loop_now(loop), 1700000000000000000, request, strlen(request),
		       &answer);
	return answer.data;
}

static void assert_set(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void assert_set(const char *format, ...)
{
	va_list arguments;
	char request[1024];

	va_start(arguments, format);
	vsnprintf(request, sizeof(request), format, arguments);
	va_end(arguments);
	assert_string_equal(ask(request), "errno=0\n\n");
}

static void assert_shown(const char *text, bool is_wanted)
{
	ask("get=1\n");
	if (!!strstr(answer.data, text) != is_wanted)
		fail_msg("\"%s\" %s in:\n%s", text, is_wanted ? "is not" : "is", answer.data);
}

/* A key pair as UAPI writes it. */
static void make_keys(char private_hex[HEX_SIZE], char public_hex[HEX_SIZE])
{
	struct key keys[2];

	random_bytes(&keys[0], KEY_SIZE);
	x25519_clamp(&keys[0]);
	x25519_public(&keys[0], &keys[1]);
	for (size_t i = 0; i < KEY_SIZE; i++) {
		snprintf(private_hex + 2 * i, 3, "%02x", keys[0].bytes[i]);
		snprintf(public_hex + 2 * i, 3, "%02x", keys[1].bytes[i]);
	}
}

static void what_is_set_is_shown(void **state)
{
	need_namespace();
	char private_hex[HEX_SIZE], peer[HEX_SIZE], unused[HEX_SIZE];

	make_keys(private_hex, unused);
	make_keys(unused, peer);
	assert_set("set=1\nprivate_key=%s\nfwmark=7\npublic_key=%s\nendpoint=[2001:db8::1]:9\n"
		   "persistent_keepalive_interval=25\nallowed_ip=10.1.2.3/8\nallowed_ip=fd00::/8\n"
		   "preshared_key=%s\n",
		   private_hex, peer, private_hex);
	assert_shown(private_hex, true);
	assert_shown("fwmark=7\n", true);
	assert_shown(peer, true);
	assert_shown("endpoint=[2001:db8::1]:9\n", true);
	assert_shown("persistent_keepalive_interval=25\n", true);
	assert_shown("allowed_ip=10.0.0.0/8\n", true);
	assert_shown("allowed_ip=fd00::/8\n", true);
	assert_shown("last_handshake_time_sec=0\n", true);
	assert_set("set=1\npublic_key=%s\nallowed_ip=-fd00::/8\npersistent_keepalive_interval=0\n",
		   peer);
	assert_shown("allowed_ip=fd00::/8\n", false);
	assert_shown("allowed_ip=10.0.0.0/8\n", true);
	assert_set("set=1\npublic_key=%s\nreplace_allowed_ips=true\nallowed_ip=192.0.2.0/24\n",
		   peer);
	assert_shown("allowed_ip=10.0.0.0/8\n", false);
	assert_shown("allowed_ip=192.0.2.0/24\n", true);
}

static void a_port_in_use_changes_nothing(void **state)
{
	need_namespace();
	const struct port_options options = {0};
	char unused[HEX_SIZE], peer[HEX_SIZE], request[512];
	struct port *taken = NULL;

	make_keys(unused, peer);
	assert_int_equal(port_new(loop, &options, &taken), 0);
	snprintf(request, sizeof(request),
		 "set=1\nlisten_port=%u\nreplace_peers=true\npublic_key=%s\n", port_number(taken),
		 peer);
	assert_string_equal(ask(request), "errno=-98\n\n");
	assert_int_equal(builtin_peer_count(control.builtin), 0);
	assert_int_not_equal(port_number(builtin_port(control.builtin)), port_number(taken));
	port_free(taken);
	assert_string_equal(ask(request), "errno=0\n\n");
	assert_int_equal(builtin_peer_count(control.builtin), 1);
}

static void a_key_that_cannot_be_a_peer_changes_nothing(void **state)
{
	need_namespace();
	char unused[HEX_SIZE], peer[HEX_SIZE], request[512];

	make_keys(unused, peer);
	/* 2^255 - 19 + 1: another writing of the point 1. */
	snprintf(request, sizeof(request), "set=1\npublic_key=%s\npublic_key=ee%s7f\n", peer,
		 "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
	assert_string_equal(ask(request), "errno=-22\n\n");
	assert_int_equal(builtin_peer_count(control.builtin), 0);
	/* Of low order. */
	snprintf(request, sizeof(request), "set=1\npublic_key=%s\npublic_key=%064d\n", peer, 0);
	assert_string_equal(ask(request), "errno=-22\n\n");
	assert_int_equal(builtin_peer_count(control.builtin), 0);
}

static void a_peer_is_removed_replaced_or_only_updated(void **state)
{
	need_namespace();
	char unused[HEX_SIZE], first[HEX_SIZE], second[HEX_SIZE];

	make_keys(unused, first);
	make_keys(unused, second);
	assert_set("set=1\npublic_key=%s\nupdate_only=true\nallowed_ip=10.0.0.0/8\n", first);
	assert_int_equal(builtin_peer_count(control.builtin), 0);
	assert_set("set=1\npublic_key=%s\npublic_key=%s\n", first, second);
	assert_int_equal(builtin_peer_count(control.builtin), 2);
	assert_set("set=1\npublic_key=%s\nremove=true\n", first);
	assert_set("set=1\npublic_key=%s\nremove=true\n", first);
	assert_shown(first, false);
	assert_shown(second, true);
	assert_set("set=1\nreplace_peers=true\npublic_key=%s\n", first);
	assert_shown(first, true);
	assert_shown(second, false);
}

static void we_are_never_our_own_peer(void **state)
{
	need_namespace();
	char private_hex[HEX_SIZE], public_hex[HEX_SIZE];

	make_keys(private_hex, public_hex);
	assert_set("set=1\nprivate_key=%s\npublic_key=%s\n", private_hex, public_hex);
	assert_int_equal(builtin_peer_count(control.builtin), 0);
	assert_set("set=1\nprivate_key=%064d\npublic_key=%s\n", 0, public_hex);
	assert_int_equal(builtin_peer_count(control.builtin), 1);
	assert_shown("private_key=", false);
	assert_set("set=1\nprivate_key=%s\n", private_hex);
	assert_int_equal(builtin_peer_count(control.builtin), 0);
}

static void note_asked(void *owner, const char *asked)
{
	snprintf(owner, 160, "%s", asked);
}

static void who_may_only_look_changes_nothing(void **state)
{
	need_namespace();
	char private_hex[HEX_SIZE], public_hex[HEX_SIZE], request[512], asked[160] = "";

	make_keys(private_hex, public_hex);
	control.on_refused = note_asked;
	control.owner = asked;
	assert_string_equal(ask("set=1\n"), "errno=0\n\n");
	assert_string_equal(ask("set=1\nfwmark=x\n"), "errno=-22\n\n");
	assert_string_equal(asked, "");
	assert_string_equal(ask("set=1\nfwmark=1\n"), "errno=-1\n\n");
	assert_string_equal(asked, "fwmark peers=0");
	snprintf(request, sizeof(request),
		 "set=1\nprivate_key=%s\nlisten_port=0\nreplace_peers=true\npublic_key=%064d\n",
		 private_hex, 0);
	assert_string_equal(ask(request), "errno=-1\n\n");
	assert_string_equal(asked, "private-key listen-port replace-peers peers=1 "
				   "peer=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
	assert_shown("private_key", false);
	assert_int_equal(builtin_peer_count(control.builtin), 0);
}

static void what_is_no_request_is_refused(void **state)
{
	need_namespace();
	assert_string_equal(ask(""), "errno=-71\n\n");
	assert_string_equal(ask("get=2\n"), "errno=-71\n\n");
	assert_string_equal(ask("set=1\nnonsense=1\n"), "errno=-22\n\n");
	assert_string_equal(ask("get=1\nfwmark=1\n"), "errno=-22\n\n");
}

#define control_unit_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		control_unit_test(what_is_set_is_shown),
		control_unit_test(a_port_in_use_changes_nothing),
		control_unit_test(a_key_that_cannot_be_a_peer_changes_nothing),
		control_unit_test(a_peer_is_removed_replaced_or_only_updated),
		control_unit_test(we_are_never_our_own_peer),
		control_unit_test(who_may_only_look_changes_nothing),
		control_unit_test(what_is_no_request_is_refused),
	};

	return cmocka_run_group_tests_name("control", tests, enter_namespace, NULL);
}
