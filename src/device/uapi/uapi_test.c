#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "device/uapi/uapi.h"

#include <cmocka.h>

#define KEY_A "0000000000000000000000000000000000000000000000000000000000000001"
#define KEY_B "a0fF000000000000000000000000000000000000000000000000000000000002"

static struct uapi_set set;
static size_t line;

static int parse(const char *request)
{
	return uapi_set_parse(request, strlen(request), &set, &line);
}

static void assert_refused(const char *request, int error, size_t wrong_line)
{
	assert_int_equal(parse(request), error);
	assert_int_equal(line, wrong_line);
	assert_null(set.peers);
	assert_null(set.allowed);
}

static void the_first_line_says_what_is_asked(void **state)
{
	assert_int_equal(uapi_kind_of("get=1\n", 6), UAPI_GET);
	assert_int_equal(uapi_kind_of("set=1\nfwmark=1\n", 15), UAPI_SET);
	assert_int_equal(uapi_kind_of("set=1", 5), UAPI_SET);
	assert_int_equal(uapi_kind_of("set=", 4), UAPI_UNKNOWN);
	assert_int_equal(uapi_kind_of("set=2\n", 6), UAPI_UNKNOWN);
	assert_int_equal(uapi_kind_of("get=12\n", 7), UAPI_UNKNOWN);
	assert_int_equal(uapi_kind_of("", 0), UAPI_UNKNOWN);
}

static void the_device_part_is_read(void **state)
{
	assert_int_equal(parse("set=1\nprivate_key=" KEY_B
			       "\nlisten_port=51820\nfwmark=4294967295\nreplace_peers=true\n"),
			 0);
	assert_true(set.has_private_key && set.has_listen_port && set.has_fwmark);
	assert_true(set.replaces_peers);
	assert_int_equal(set.private_key.bytes[0], 0xa0);
	assert_int_equal(set.private_key.bytes[1], 0xff);
	assert_int_equal(set.private_key.bytes[31], 2);
	assert_int_equal(set.listen_port, 51820);
	assert_int_equal(set.fwmark, UINT32_MAX);
	assert_int_equal(set.peer_count, 0);
	uapi_set_done(&set);
}

static void an_empty_set_asks_for_nothing(void **state)
{
	assert_int_equal(parse("set=1\n"), 0);
	assert_false(set.has_private_key || set.has_listen_port || set.has_fwmark);
	assert_int_equal(set.peer_count, 0);
	uapi_set_done(&set);
}

static void peers_are_read_with_their_own_prefixes(void **state)
{
	assert_int_equal(parse("set=1\npublic_key=" KEY_A "\nallowed_ip=10.0.0.1/32\n"
			       "endpoint=192.0.2.1:51820\npersistent_keepalive_interval=25\n"
			       "public_key=" KEY_B "\nreplace_allowed_ips=true\n"
			       "protocol_version=1\nendpoint=[2001:db8::1]:1\n"
			       "allowed_ip=fd00::/8\nallowed_ip=-10.0.0.0/8\n"
			       "preshared_key=" KEY_B "\n"),
			 0);
	assert_int_equal(set.peer_count, 2);
	assert_int_equal(set.peers[0].allowed_count, 1);
	assert_int_equal(set.peers[0].keepalive, 25);
	assert_int_equal(set.peers[0].endpoint.port, 51820);
	assert_false(set.peers[0].has_preshared_key || set.peers[0].replaces_allowed);
	assert_int_equal(set.peers[1].first_allowed, 1);
	assert_int_equal(set.peers[1].allowed_count, 2);
	assert_int_equal(set.peers[1].endpoint.family, FAMILY_IPV6);
	assert_true(set.peers[1].has_preshared_key && set.peers[1].replaces_allowed);
	assert_false(set.peers[1].has_keepalive);
	assert_false(set.allowed[1].is_removed);
	assert_int_equal(set.allowed[1].prefix.bits, 8);
	assert_true(set.allowed[2].is_removed);
	assert_int_equal(set.allowed[2].prefix.family, FAMILY_IPV4);
	uapi_set_done(&set);
}

static void replacing_prefixes_voids_those_named_before(void **state)
{
	assert_int_equal(parse("set=1\npublic_key=" KEY_A "\nallowed_ip=10.0.0.1/32\n"
			       "replace_allowed_ips=true\nallowed_ip=10.0.0.2/32\n"),
			 0);
	assert_int_equal(set.peers[0].allowed_count, 1);
	assert_int_equal(set.allowed[set.peers[0].first_allowed].prefix.ip[3], 2);
	uapi_set_done(&set);
}

static void a_peer_is_removed_or_only_updated(void **state)
{
	assert_int_equal(parse("set=1\npublic_key=" KEY_A "\nremove=true\npublic_key=" KEY_B
			       "\nupdate_only=true\n"),
			 0);
	assert_true(set.peers[0].is_removed && !set.peers[0].must_exist);
	assert_true(set.peers[1].must_exist && !set.peers[1].is_removed);
	uapi_set_done(&set);
}

static void many_peers_and_prefixes_fit(void **state)
{
	auto_buffer struct buffer request = {0};

	buffer_print(&request, "set=1\n");
	for (unsigned int i = 0; i < 3000; i++)
		buffer_print(&request, "public_key=%064x\nallowed_ip=10.%u.%u.0/24\n", i, i / 256,
			     i % 256);
	assert_int_equal(parse(request.data), 0);
	assert_int_equal(set.peer_count, 3000);
	for (size_t i = 0; i < 3000; i++) {
		const struct uapi_peer *peer = &set.peers[i];

		assert_int_equal(peer->public_key.bytes[30] << 8 | peer->public_key.bytes[31], i);
		assert_int_equal(peer->allowed_count, 1);
		assert_int_equal(set.allowed[peer->first_allowed].prefix.ip[2], i % 256);
	}
	uapi_set_done(&set);
}

static void one_bad_line_refuses_everything(void **state)
{
	assert_refused("get=1\n", -EPROTO, 0);
	assert_refused("set=1\nlisten_port=1\nfwmark\n", -EPROTO, 3);
	assert_refused("set=1\nlisten_prot=1\n", -EINVAL, 2);
	assert_refused("set=1\nlisten_port=65536\n", -EINVAL, 2);
	assert_refused("set=1\nlisten_port=\n", -EINVAL, 2);
	assert_refused("set=1\nlisten_port=-1\n", -EINVAL, 2);
	assert_refused("set=1\nfwmark=4294967296\n", -EINVAL, 2);
	assert_refused("set=1\nprivate_key=00\n", -EINVAL, 2);
	assert_refused("set=1\nprivate_key=g" KEY_A "\n", -EINVAL, 2);
	assert_refused("set=1\nreplace_peers=false\n", -EINVAL, 2);
	assert_refused("set=1\npublic_key=" KEY_A "\nallowed_ip=10.0.0.0/33\n", -EINVAL, 3);
	assert_refused("set=1\npublic_key=" KEY_A "\nallowed_ip=10.0.0.0/8\nendpoint=1.2.3.4\n",
		       -EINVAL, 4);
	assert_refused("set=1\npublic_key=" KEY_A "\nendpoint=1.2.3.4:0\n", -EINVAL, 3);
	assert_refused("set=1\npublic_key=" KEY_A "\nendpoint=[1.2.3.4]:5\n", -EINVAL, 3);
	assert_refused("set=1\npublic_key=" KEY_A "\nallowed_ip=10.0.0.0\n", -EINVAL, 3);
	assert_refused("set=1\npublic_key=" KEY_A "\nprotocol_version=2\n", -EINVAL, 3);
	assert_refused("set=1\npublic_key=" KEY_A "\nremove=1\n", -EINVAL, 3);
	assert_refused("set=1\n=\n", -EINVAL, 2);
	assert_refused("set=1\n\n", -EPROTO, 2);
}

static void keys_in_the_wrong_part_are_refused(void **state)
{
	assert_refused("set=1\nendpoint=1.2.3.4:5\n", -EINVAL, 2);
	assert_refused("set=1\nallowed_ip=10.0.0.0/8\n", -EINVAL, 2);
	assert_refused("set=1\npublic_key=" KEY_A "\nlisten_port=5\n", -EINVAL, 3);
}

static void nul_bytes_and_endless_values_are_refused(void **state)
{
	const char nul[] = "set=1\nlisten_port=5\0 6\n";
	char long_line[4096] = "set=1\nendpoint=";

	assert_int_equal(uapi_set_parse(nul, sizeof(nul) - 1, &set, &line), -EINVAL);
	memset(long_line + strlen(long_line), '1', 2000);
	assert_refused(long_line, -EINVAL, 2);
}

static void an_answer_reads_as_wg_expects(void **state)
{
	auto_buffer struct buffer answer = {0};
	struct uapi_device_status device = {.listen_port = 51820, .fwmark = 7};
	struct uapi_peer_status peer = {.rx_bytes = 5,
					.tx_bytes = UINT64_MAX,
					.handshake_nsec = 1700000000123456789,
					.keepalive = 25};
	struct prefix prefix;

	device.private_key.bytes[0] = 0xab;
	peer.public_key.bytes[31] = 1;
	assert_int_equal(address_parse("[2001:db8::1]:9", 0, &peer.endpoint), 0);
	assert_int_equal(prefix_parse("10.0.0.0/8", &prefix), 0);
	uapi_print_device(&answer, &device);
	uapi_print_peer(&answer, &peer);
	uapi_print_allowed(&answer, &prefix);
	uapi_print_end(&answer, 0);
	assert_string_equal(
		answer.data,
		"private_key=ab00000000000000000000000000000000000000000000000000000000000000\n"
		"listen_port=51820\nfwmark=7\npublic_key=" KEY_A "\n"
		"preshared_key="
		"0000000000000000000000000000000000000000000000000000000000000000\n"
		"protocol_version=1\nendpoint=[2001:db8::1]:9\n"
		"last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=123456789\n"
		"tx_bytes=18446744073709551615\nrx_bytes=5\npersistent_keepalive_interval=25\n"
		"allowed_ip=10.0.0.0/8\nerrno=0\n\n");
}

static void what_is_not_there_is_not_printed(void **state)
{
	auto_buffer struct buffer answer = {0};
	struct uapi_device_status device = {0};
	struct uapi_peer_status peer = {0};

	uapi_print_device(&answer, &device);
	uapi_print_peer(&answer, &peer);
	uapi_print_end(&answer, -EINVAL);
	assert_null(strstr(answer.data, "private_key"));
	assert_null(strstr(answer.data, "fwmark"));
	assert_null(strstr(answer.data, "endpoint"));
	assert_non_null(strstr(answer.data, "errno=-22\n\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_line_says_what_is_asked),
		cmocka_unit_test(the_device_part_is_read),
		cmocka_unit_test(an_empty_set_asks_for_nothing),
		cmocka_unit_test(peers_are_read_with_their_own_prefixes),
		cmocka_unit_test(replacing_prefixes_voids_those_named_before),
		cmocka_unit_test(a_peer_is_removed_or_only_updated),
		cmocka_unit_test(many_peers_and_prefixes_fit),
		cmocka_unit_test(one_bad_line_refuses_everything),
		cmocka_unit_test(keys_in_the_wrong_part_are_refused),
		cmocka_unit_test(nul_bytes_and_endless_values_are_refused),
		cmocka_unit_test(an_answer_reads_as_wg_expects),
		cmocka_unit_test(what_is_not_there_is_not_printed),
	};

	return cmocka_run_group_tests_name("uapi", tests, NULL, NULL);
}
