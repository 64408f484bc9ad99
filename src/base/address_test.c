#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/address.h"
#include "base/memory.h"
#include "seeded.h"

#include <cmocka.h>

#define TOO_LONG "1111111111111111111111111111111111111111111111111111111111111111"

static struct address address_of(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, 1, &address), 0);
	return address;
}

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix;
}

static void addresses_are_printed_as_they_were_written(void **state)
{
	static const char *const texts[] = {"1.2.3.4:5",       "255.255.255.255:65535",
					    "0.0.0.0:1",       "[::]:1",
					    "[fe80::1]:51820", "[2001:db8:1:2:3:4:5:6]:443"};

	for (size_t i = 0; i < array_size(texts); i++) {
		char text[ADDRESS_TEXT_SIZE];
		struct address address;

		assert_int_equal(address_parse(texts[i], 0, &address), 0);
		assert_string_equal(address_print(&address, text), texts[i]);
	}
}

static void a_port_may_be_left_out_only_when_there_is_a_default(void **state)
{
	static const char *const texts[] = {"1.2.3.4", "fe80::1", "[fe80::1]"};
	struct address address;

	for (size_t i = 0; i < array_size(texts); i++) {
		assert_int_equal(address_parse(texts[i], 0, &address), -EINVAL);
		assert_int_equal(address_parse(texts[i], 51820, &address), 0);
		assert_int_equal(address.port, 51820);
	}
	assert_int_equal(address_parse("1.2.3.4:5", 51820, &address), 0);
	assert_int_equal(address.port, 5);
}

static void what_is_no_address_is_refused_and_leaves_the_result_alone(void **state)
{
	static const char *const texts[] = {"",
					    ":",
					    "1.2.3",
					    "1.2.3.4:",
					    "1.2.3.4:0",
					    "1.2.3.4:65536",
					    "1.2.3.4:-1",
					    "1.2.3.4:+1",
					    "1.2.3.4: 1",
					    "1.2.3.4:1 ",
					    " 1.2.3.4:1",
					    "1.2.3.4:0x10",
					    "1.2.3.4:18446744073709551617",
					    "1.2.3.256:1",
					    "01.2.3.4.5:1",
					    "[::1",
					    "::1]:1",
					    "[::1]1",
					    "[::1]:",
					    "[::1]:0",
					    "[[::1]]:1",
					    "[]:1",
					    "[fe80::1%eth0]:1",
					    "hub.example.org:1",
					    "1.2.3.4/24",
					    ("[::1]:" TOO_LONG)};
	struct address address, before;

	memset(&before, 0xaa, sizeof(before));
	for (size_t i = 0; i < array_size(texts); i++) {
		address = before;
		assert_int_equal(address_parse(texts[i], 7, &address), -EINVAL);
		assert_memory_equal(&address, &before, sizeof(before));
	}
}

static void ips_print_without_port_and_nothing_prints_as_none(void **state)
{
	struct address address = address_of("[fe80::1]:9"), nothing = {0};
	char text[ADDRESS_TEXT_SIZE];

	assert_string_equal(address_print_ip(&address, text), "fe80::1");
	assert_string_equal(address_print_ip(&nothing, text), "none");
	assert_string_equal(address_print(&nothing, text), "none");
	assert_string_equal(prefix_print(&(struct prefix){0}, text), "none");
}

static void addresses_differ_by_family_ip_and_port(void **state)
{
	struct address v4 = address_of("1.2.3.4:5"), v6 = address_of("[102:304::]:5");
	struct address other_port = address_of("1.2.3.4:6"), other_ip = address_of("1.2.3.5:5");

	assert_true(address_is_equal(&v4, &v4));
	assert_false(address_is_equal(&v4, &v6));
	assert_false(address_is_equal(&v4, &other_port));
	assert_true(address_is_same_ip(&v4, &other_port));
	assert_false(address_is_same_ip(&v4, &other_ip));
	assert_false(address_is_same_ip(&v4, &v6));
}

static void sockets_give_back_what_they_were_given(void **state)
{
	static const char *const texts[] = {"1.2.3.4:5", "[2001:db8::1]:65535"};
	struct sockaddr_storage socket;
	struct address none = {0}, address, again;

	for (size_t i = 0; i < array_size(texts); i++) {
		address = address_of(texts[i]);
		assert_int_equal(address_to_socket(&address, &socket),
				 i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		again = address_from_socket((struct sockaddr *)&socket);
		assert_true(address_is_equal(&address, &again));
	}
	assert_int_equal(address_to_socket(&none, &socket), 0);
	socket.ss_family = AF_UNIX;
	again = address_from_socket((struct sockaddr *)&socket);
	assert_int_equal(again.family, FAMILY_NONE);
}

static void a_mapped_address_of_a_socket_becomes_ipv4(void **state)
{
	struct sockaddr_in6 socket = {.sin6_family = AF_INET6, .sin6_port = htons(5)};
	struct address expected = address_of("1.2.3.4:5"), address;

	assert_int_equal(inet_pton(AF_INET6, "::ffff:1.2.3.4", &socket.sin6_addr), 1);
	address = address_from_socket((struct sockaddr *)&socket);
	assert_memory_equal(&address, &expected, sizeof(expected));
}

struct membership {
	const char *text;
	bool is_member;
};

static void only_private_ranges_are_private(void **state)
{
	static const struct membership cases[] = {
		{"10.0.0.0:1", true},           {"10.255.255.255:1", true},
		{"9.255.255.255:1", false},     {"11.0.0.0:1", false},
		{"172.15.255.255:1", false},    {"172.16.0.0:1", true},
		{"172.31.255.255:1", true},     {"172.32.0.0:1", false},
		{"192.168.0.1:1", true},        {"192.167.255.255:1", false},
		{"100.64.0.0:1", true},         {"100.127.255.255:1", true},
		{"100.63.255.255:1", false},    {"100.128.0.0:1", false},
		{"169.254.1.1:1", false},       {"8.8.8.8:1", false},
		{"[fc00::1]:1", true},          {"[fdff:ffff::1]:1", true},
		{"[fe00::1]:1", false},         {"[fe80::1]:1", false},
		{"[2001:db8::1]:1", false},     {"[fbff::1]:1", false},
		{"[::ffff:10.0.0.1]:1", false},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct address address = address_of(cases[i].text);

		assert_int_equal(address_is_private(&address), cases[i].is_member);
	}
}

static void nothing_is_ever_sent_to_special_addresses(void **state)
{
	static const struct membership cases[] = {
		{"0.0.0.0:1", true},
		{"0.255.255.255:1", true},
		{"1.0.0.0:1", false},
		{"127.0.0.1:1", true},
		{"127.255.255.255:1", true},
		{"128.0.0.1:1", false},
		{"169.254.0.1:1", true},
		{"169.253.255.255:1", false},
		{"223.255.255.255:1", false},
		{"224.0.0.1:1", true},
		{"239.255.255.255:1", true},
		{"240.0.0.1:1", true},
		{"255.255.255.255:1", true},
		{"10.0.0.1:1", false},
		{"[::]:1", true},
		{"[::1]:1", true},
		{"[::2]:1", false},
		{"[fe80::1]:1", true},
		{"[febf:ffff::1]:1", true},
		{"[fec0::1]:1", false},
		{"[ff02::1]:1", true},
		{"[::ffff:1.2.3.4]:1", true},
		{"[2001:db8::1]:1", false},
	};
	struct address nothing = {.port = 1}, no_port = address_from_ip(FAMILY_IPV4, "\1\2\3\4", 0);

	for (size_t i = 0; i < array_size(cases); i++) {
		struct address address = address_of(cases[i].text);

		assert_int_equal(address_is_unusable(&address), cases[i].is_member);
	}
	assert_true(address_is_unusable(&nothing));
	assert_true(address_is_unusable(&no_port));
}

static void prefixes_keep_their_host_bits_until_masked(void **state)
{
	static const struct {
		const char *text, *printed, *masked;
	} cases[] = {
		{"10.0.0.1/24", "10.0.0.1/24", "10.0.0.0/24"},
		{"10.0.0.1", "10.0.0.1/32", "10.0.0.1/32"},
		{"255.255.255.255/0", "255.255.255.255/0", "0.0.0.0/0"},
		{"255.255.255.255/31", "255.255.255.255/31", "255.255.255.254/31"},
		{"255.255.255.255/9", "255.255.255.255/9", "255.128.0.0/9"},
		{"2001:db8::1/64", "2001:db8::1/64", "2001:db8::/64"},
		{"2001:db8::1", "2001:db8::1/128", "2001:db8::1/128"},
		{"ffff:ffff::/17", "ffff:ffff::/17", "ffff:8000::/17"},
		{"::1/0", "::1/0", "::/0"},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct prefix prefix = prefix_of(cases[i].text), masked = prefix_masked(&prefix);
		char text[ADDRESS_TEXT_SIZE];

		assert_string_equal(prefix_print(&prefix, text), cases[i].printed);
		assert_string_equal(prefix_print(&masked, text), cases[i].masked);
	}
}

static void what_is_no_prefix_is_refused(void **state)
{
	static const char *const texts[] = {"",
					    "/",
					    "/24",
					    "10.0.0.0/",
					    "10.0.0.0/33",
					    "10.0.0.0/-1",
					    "10.0.0.0/+1",
					    "10.0.0.0/8/8",
					    "10.0.0.0/ 8",
					    "10.0.0.0 /8",
					    "::/129",
					    "[::]/64",
					    "10.0/8",
					    "a/8",
					    "::1:1:1:1:1:1:1:1:1/64"};
	struct prefix prefix;

	for (size_t i = 0; i < array_size(texts); i++)
		assert_int_equal(prefix_parse(texts[i], &prefix), -EINVAL);
}

static void a_host_is_a_prefix_of_full_length(void **state)
{
	struct address v4 = address_of("10.1.2.3:4"), v6 = address_of("[2001:db8::1]:4");
	struct prefix prefix = prefix_of_host(&v4), same = prefix_of("10.1.2.3/32");
	struct address back = prefix_address(&prefix);

	assert_true(prefix_is_equal(&prefix, &same));
	assert_true(address_is_same_ip(&back, &v4));
	assert_int_equal(back.port, 0);
	prefix = prefix_of_host(&v6);
	assert_int_equal(prefix.bits, 128);
}

/* The model: compare bit by bit. */
static bool has_common_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++) {
		if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	}
	return true;
}

static struct prefix random_prefix(struct seeded *seeded, const struct prefix *near)
{
	struct prefix prefix = {.family = seeded_below(seeded, 2) ? FAMILY_IPV4 : FAMILY_IPV6};

	seeded_fill(seeded, prefix.ip, family_size(prefix.family));
	prefix.bits = (uint8_t)seeded_below(seeded, family_bits(prefix.family) + 1u);
	/* Random addresses have nothing in common; most of the time start from the same one. */
	if (near && near->family == prefix.family && seeded_below(seeded, 4)) {
		memcpy(prefix.ip, near->ip, sizeof(prefix.ip));
		prefix.ip[seeded_below(seeded, (uint32_t)family_size(prefix.family))] ^=
			(uint8_t)(1u << seeded_below(seeded, 8));
	}
	return prefix;
}

static void prefixes_agree_with_a_comparison_bit_by_bit(void **state)
{
	struct seeded seeded;
	unsigned contained = 0;

	seeded_start(&seeded, __func__);
	for (int round = 0; round < 20000; round++) {
		struct prefix a = random_prefix(&seeded, NULL), b = random_prefix(&seeded, &a);
		struct prefix masked = prefix_masked(&a);
		unsigned shorter = a.bits < b.bits ? a.bits : b.bits;
		bool is_same = a.family == b.family;

		assert_int_equal(prefix_contains_ip(&a, b.family, b.ip),
				 is_same && has_common_bits(a.ip, b.ip, a.bits));
		assert_int_equal(prefix_contains(&a, &b),
				 is_same && b.bits >= a.bits &&
					 has_common_bits(a.ip, b.ip, a.bits));
		assert_int_equal(prefix_overlaps(&a, &b),
				 is_same && has_common_bits(a.ip, b.ip, shorter));
		assert_true(has_common_bits(masked.ip, a.ip, a.bits));
		for (unsigned i = a.bits; i < 128; i++)
			assert_int_equal(masked.ip[i / 8] >> (7 - i % 8) & 1, 0);
		contained += prefix_contains(&a, &b);
	}
	/* Both answers must have been seen often. */
	assert_in_range(contained, 1000, 19000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_printed_as_they_were_written),
		cmocka_unit_test(a_port_may_be_left_out_only_when_there_is_a_default),
		cmocka_unit_test(what_is_no_address_is_refused_and_leaves_the_result_alone),
		cmocka_unit_test(ips_print_without_port_and_nothing_prints_as_none),
		cmocka_unit_test(addresses_differ_by_family_ip_and_port),
		cmocka_unit_test(sockets_give_back_what_they_were_given),
		cmocka_unit_test(a_mapped_address_of_a_socket_becomes_ipv4),
		cmocka_unit_test(only_private_ranges_are_private),
		cmocka_unit_test(nothing_is_ever_sent_to_special_addresses),
		cmocka_unit_test(prefixes_keep_their_host_bits_until_masked),
		cmocka_unit_test(what_is_no_prefix_is_refused),
		cmocka_unit_test(a_host_is_a_prefix_of_full_length),
		cmocka_unit_test(prefixes_agree_with_a_comparison_bit_by_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
