#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "sys/netlink/request_private.h"

#include <cmocka.h>

static void families_are_translated_both_ways(void **state)
{
	assert_int_equal(family_to_kernel(FAMILY_IPV4), AF_INET);
	assert_int_equal(family_to_kernel(FAMILY_IPV6), AF_INET6);
	assert_int_equal(family_to_kernel(7), AF_UNSPEC);
	assert_int_equal(family_from_kernel(AF_INET), FAMILY_IPV4);
	assert_int_equal(family_from_kernel(AF_INET6), FAMILY_IPV6);
	assert_int_equal(family_from_kernel(AF_UNIX), FAMILY_NONE);
}

static void an_ip_of_the_wrong_size_is_refused(void **state)
{
	struct request request;
	uint8_t ip[16] = {1, 2, 3, 4}, read[16];
	const struct nlattr *attribute;

	request_init(&request, RTM_NEWADDR, 0, sizeof(struct rtgenmsg));
	request_put_ip(&request, IFA_LOCAL, FAMILY_IPV4, ip);
	attribute = mnl_nlmsg_get_payload_offset(request.header, sizeof(struct rtgenmsg));
	assert_true(attribute_to_ip(attribute, FAMILY_IPV4, read));
	assert_memory_equal(read, ip, sizeof(ip));
	assert_false(attribute_to_ip(attribute, FAMILY_IPV6, read));
}

static void a_failure_is_one_clause(void **state)
{
	struct netlink *netlink = NULL;

	assert_int_equal(netlink_open(&netlink), 0);
	assert_string_equal(netlink_failure(netlink), "");
	assert_int_equal(netlink_fail(netlink, -EPERM, "set %s up", "wl0"), -EPERM);
	assert_string_equal(netlink_failure(netlink), "cannot set wl0 up: Operation not permitted");
	text_copy(netlink->detail, sizeof(netlink->detail), "why");
	netlink_fail(netlink, -EPERM, "set %s up", "wl0");
	assert_string_equal(netlink_failure(netlink),
			    "cannot set wl0 up: Operation not permitted (why)");
	netlink_close(netlink);
	netlink_close(NULL);
}

static void count_message(void *owner, const struct nlmsghdr *header)
{
	(*(int *)owner)++;
}

static void nothing_restarts(void *owner)
{
}

/* Links can be listed without privilege; a refused request leaves nothing behind that the next one
 * would take for its own answer. */
static void a_refused_request_does_not_disturb_the_next(void **state)
{
	struct netlink *netlink = NULL;
	struct request request;
	int links = 0;

	assert_int_equal(netlink_open(&netlink), 0);
	request_init(&request, RTM_GETLINK, NLM_F_ACK, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.header, IFLA_IFNAME, "no-such-link");
	assert_int_equal(request_run(netlink, &request, NULL, NULL), -ENODEV);
	assert_int_equal(request_dump(netlink, RTM_GETLINK, FAMILY_NONE, count_message,
				      nothing_restarts, &links),
			 0);
	assert_true(links >= 1);
	netlink_close(netlink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families_are_translated_both_ways),
		cmocka_unit_test(an_ip_of_the_wrong_size_is_refused),
		cmocka_unit_test(a_failure_is_one_clause),
		cmocka_unit_test(a_refused_request_does_not_disturb_the_next),
	};

	return cmocka_run_group_tests_name("netlink_request", tests, NULL, NULL);
}
