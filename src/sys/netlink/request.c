#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/text.h"
#include "sys/netlink/request_private.h"

/* A machine whose tables change faster than they can be read that often does not get a list. */
#define DUMP_TRIES 16

int netlink_open(struct netlink **ret_netlink)
{
	struct netlink *netlink = new (struct netlink);
	int on = 1, error = 0;

	netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!netlink->socket || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID)) {
		error = -errno;
		netlink_close(netlink);
		return error;
	}
	/* Words about errors, and errors without a copy of the request; both are only comfort. */
	mnl_socket_setsockopt(netlink->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(netlink->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	*ret_netlink = netlink;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	free(netlink);
}

const char *netlink_failure(const struct netlink *netlink)
{
	return netlink->failure;
}

int netlink_fail(struct netlink *netlink, int error, const char *format, ...)
{
	bool has_detail = netlink->detail[0];
	char what[96];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	snprintf(netlink->failure, sizeof(netlink->failure), "cannot %s: %.48s%s%s%s", what,
		 strerror(-error), has_detail ? " (" : "", netlink->detail, has_detail ? ")" : "");
	return error;
}

uint8_t family_to_kernel(uint8_t family)
{
	return family == FAMILY_IPV4 ? AF_INET : family == FAMILY_IPV6 ? AF_INET6 : AF_UNSPEC;
}

uint8_t family_from_kernel(uint8_t family)
{
	return family == AF_INET ? FAMILY_IPV4 : family == AF_INET6 ? FAMILY_IPV6 : FAMILY_NONE;
}

bool attribute_to_ip(const struct nlattr *attribute, uint8_t family, uint8_t ret_ip[16])
{
	if (mnl_attr_get_payload_len(attribute) != family_size(family))
		return false;
	memset(ret_ip, 0, 16);
	memcpy(ret_ip, mnl_attr_get_payload(attribute), family_size(family));
	return true;
}

void request_init(struct request *request, uint16_t type, uint16_t flags, size_t extra_size)
{
	memset(request->data, 0, sizeof(request->data));
	request->header = mnl_nlmsg_put_header(request->data);
	request->header->nlmsg_type = type;
	request->header->nlmsg_flags = NLM_F_REQUEST | flags;
	request->extra = mnl_nlmsg_put_extra_header(request->header, extra_size);
}

void request_put_ip(struct request *request, uint16_t attribute, uint8_t family,
		    const uint8_t ip[16])
{
	mnl_attr_put(request->header, attribute, family_size(family), ip);
}

/* The kernel's sentence behind an error (NLMSGERR_ATTR_MSG), when it has one. */
static void note_detail(struct netlink *netlink, const struct nlmsghdr *header)
{
	const struct nlmsgerr *verdict = mnl_nlmsg_get_payload(header);
	size_t offset = sizeof(*verdict);
	const struct nlattr *attribute;

	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		offset += mnl_nlmsg_get_payload_len(header) > offset
				  ? verdict->msg.nlmsg_len - sizeof(verdict->msg)
				  : 0;
	mnl_attr_for_each (attribute, header, (unsigned int)offset) {
		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
		    !mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING))
			text_copy(netlink->detail, sizeof(netlink->detail),
				  mnl_attr_get_str(attribute));
	}
}

/* The error that ends a request or a dump. */
static int verdict_of(struct netlink *netlink, const struct nlmsghdr *header)
{
	int error = 0;

	if (header->nlmsg_type == NLMSG_ERROR) {
		if (mnl_nlmsg_get_payload_len(header) < sizeof(struct nlmsgerr))
			return -EBADMSG;
		error = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(header))->error;
		if (error)
			note_detail(netlink, header);
	} else if (mnl_nlmsg_get_payload_len(header) >= sizeof(int)) {
		error = *(const int *)mnl_nlmsg_get_payload(header);
	}
	return error < 0 ? error : 0;
}

/* True when the answer is complete. A dump is read to its end even when it is spoilt: the kernel
 * starts no other one on the socket before. */
static bool read_messages(struct netlink *netlink, const struct nlmsghdr *header, int size,
			  void (*on_message)(void *owner, const struct nlmsghdr *header),
			  void *owner, int *error)
{
	for (; mnl_nlmsg_ok(header, size); header = mnl_nlmsg_next(header, &size)) {
		if (header->nlmsg_seq != netlink->sequence)
			continue; /* left over from a request that broke off */
		if (header->nlmsg_flags & NLM_F_DUMP_INTR)
			*error = -EINTR;
		if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) {
			if (!*error)
				*error = verdict_of(netlink, header);
			return true;
		}
		if (header->nlmsg_type >= NLMSG_MIN_TYPE && on_message)
			on_message(owner, header);
	}
	return false;
}

int request_run(struct netlink *netlink, struct request *request,
		void (*on_message)(void *owner, const struct nlmsghdr *header), void *owner)
{
	bool is_complete = false;
	int error = 0;

	request->header->nlmsg_seq = ++netlink->sequence;
	netlink->detail[0] = '\0';
	if (mnl_socket_sendto(netlink->socket, request->header, request->header->nlmsg_len) < 0)
		return -errno;
	while (!is_complete) {
		ssize_t size = mnl_socket_recvfrom(netlink->socket, netlink->answer,
						   sizeof(netlink->answer));

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		is_complete = read_messages(netlink, (struct nlmsghdr *)netlink->answer, (int)size,
					    on_message, owner, &error);
	}
	return error;
}

int request_dump(struct netlink *netlink, uint16_t type, uint8_t family,
		 void (*on_message)(void *owner, const struct nlmsghdr *header),
		 void (*on_restart)(void *owner), void *owner)
{
	int error = -EINTR;

	for (int i = 0; i < DUMP_TRIES && error == -EINTR; i++) {
		struct request request;

		if (i)
			on_restart(owner);
		/* The largest of the tables' headers; the kernel looks at the family only. */
		request_init(&request, type, NLM_F_DUMP, sizeof(struct ifinfomsg));
		((struct rtgenmsg *)request.extra)->rtgen_family = family_to_kernel(family);
		error = request_run(netlink, &request, on_message, owner);
	}
	return error;
}
