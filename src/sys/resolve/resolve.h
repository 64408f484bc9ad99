/* Host names to addresses without blocking: /etc/hosts, then DNS (A and AAAA), by c-ares on our
 * loop. It has no cache, and reads /etc/resolv.conf anew for each request, so it follows a machine
 * that changes networks. It knows no ports: addresses come with port 0. */
#pragma once

#include <stddef.h>

#include "base/address.h"
#include "base/time.h"

struct loop;
struct resolve;
struct resolve_request;

/* Of a longer answer only so many of each family are kept. */
#define RESOLVE_FAMILY_MAX 8
/* A request is over by then, whatever the servers do. */
#define RESOLVE_DEADLINE   (6 * USEC_PER_SEC)

/* servers: "192.0.2.1:53,[2001:db8::1]:53"; NULL = those of /etc/resolv.conf. 0 or -errno
 * (-EINVAL). */
int resolve_new(struct loop *loop, const char *servers, struct resolve **ret_resolve);
/* Cancels what still runs. NULL is fine. */
void resolve_free(struct resolve *resolve);

/* 0, or -EINVAL when host is neither an IP address nor written like a name. After 0, on_done is
 * called exactly once unless cancelled, in a later turn of the loop and never from here, also for
 * an IP address, for which nobody is asked. Either count > 0 and error is 0, or count is 0 and
 * error is minus one of these:
 * - ENOENT: there is no such name, or it has no address
 * - ETIMEDOUT: no server answered in time
 * - ECONNREFUSED: no server there, or it refuses or fails
 * - EBADMSG: no answer that could be used
 *
 * The order is that of RFC 6724: what this machine reaches best comes first. addresses are borrowed
 * until on_done returns; it may start, cancel and free everything here. host is copied. */
int resolve_start(struct resolve *resolve, const char *host,
		  void (*on_done)(void *owner, const struct address *addresses, size_t count,
				  int error),
		  void *owner, struct resolve_request **ret_request);
/* on_done is not called any more. Not for a request whose on_done was called; NULL is fine. */
void resolve_cancel(struct resolve_request *request);

/* What an error of on_done means, for people: "no such name". */
const char *resolve_error_text(int error);
