/* One request and its answers on the socket of a struct netlink. A private header of this room. */
#pragma once

#include <libmnl/libmnl.h>
#include <stdarg.h>
#include <stdint.h>

#include "sys/netlink/netlink.h"

/* What the kernel asks readers of dumps to have (linux/netlink.h, NLMSG_GOODSIZE of 32 KiB). */
#define REQUEST_ANSWER_SIZE 32768
#define REQUEST_SIZE        512

struct netlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	char failure[NETLINK_FAILURE_SIZE];
	char detail[96]; /* the kernel's words about the last error, often "" */
	char answer[REQUEST_ANSWER_SIZE] __attribute__((aligned(8)));
};

/* Lives on the stack; extra is the family's fixed header behind the netlink header. */
struct request {
	struct nlmsghdr *header;
	void *extra;
	char data[REQUEST_SIZE] __attribute__((aligned(8)));
};

void request_init(struct request *request, uint16_t type, uint16_t flags, size_t extra_size);
void request_put_ip(struct request *request, uint16_t attribute, uint8_t family,
		    const uint8_t ip[16]);
/* Sends it and hands every answer to on_message (may be NULL) until the kernel's verdict. 0 or
 * -errno; -EINTR: a dump that changed while it was read, to be asked again. */
int request_run(struct netlink *netlink, struct request *request,
		void (*on_message)(void *owner, const struct nlmsghdr *header), void *owner);
/* A dump of a whole table, asked again when it changed under way; on_restart drops what was
 * gathered until then. */
int request_dump(struct netlink *netlink, uint16_t type, uint8_t family,
		 void (*on_message)(void *owner, const struct nlmsghdr *header),
		 void (*on_restart)(void *owner), void *owner);

/* Notes "cannot <format>: <error>" and returns error. */
int netlink_fail(struct netlink *netlink, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

uint8_t family_to_kernel(uint8_t family);
/* FAMILY_NONE for others than IPv4 and IPv6. */
uint8_t family_from_kernel(uint8_t family);
/* The attribute's IP; false when its size is not the family's. */
bool attribute_to_ip(const struct nlattr *attribute, uint8_t family, uint8_t ret_ip[16]);
