#include "sys/resolve/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/list.h"
#include "base/memory.h"
#include "sys/loop/loop.h"

/* c-ares doubles the timeout for the second round: three dead servers of which the last answers, or
 * one that loses the first question, both fit into RESOLVE_DEADLINE. */
#define TIMEOUT_MS    1500
#define ROUNDS        2
#define NAME_SIZE_MAX 254 /* RFC 1035, 3.1, with the final dot */

struct resolve {
	struct loop *loop;
	char *servers; /* NULL: the system's */
	struct list requests;
};

/* A socket that c-ares opened. */
struct watch {
	struct list node;
	struct loop_source source;
	struct resolve_request *request;
};

/* Has its own channel: c-ares can only cancel a whole one, and reads resolv.conf only when it makes
 * one. */
struct resolve_request {
	struct list node;
	struct loop *loop;
	ares_channel channel; /* NULL for a literal address */
	struct list watches;
	struct loop_timer retry; /* c-ares' own timeouts */
	struct loop_timer end;   /* the deadline; when is_over, the next turn */
	bool is_over;
	int error;
	struct address addresses[2 * RESOLVE_FAMILY_MAX];
	size_t count;
	void (*on_done)(void *owner, const struct address *addresses, size_t count, int error);
	void *owner;
};

/* The outcome */

static int error_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
	case ARES_EBADNAME:
		return -ENOENT;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	case ARES_ECONNREFUSED:
	case ARES_EREFUSED:
	case ARES_EFILE:
		return -ECONNREFUSED;
	default:
		return -EBADMSG;
	}
}

const char *resolve_error_text(int error)
{
	switch (-error) {
	case 0:
		return "found";
	case ENOENT:
		return "no such name";
	case ETIMEDOUT:
		return "no DNS server answered in time";
	case ECONNREFUSED:
		return "no DNS server there, or it refuses or fails";
	case EINVAL:
		return "not a host name";
	default:
		return "no usable answer from DNS";
	}
}

static void keep_address(struct resolve_request *request, const struct sockaddr *socket)
{
	struct address address = address_from_socket(socket);
	size_t same_family = 0;

	if (address.family == FAMILY_NONE)
		return;
	address.port = 0;
	for (size_t i = 0; i < request->count; i++) {
		if (address_is_equal(&request->addresses[i], &address))
			return;
		same_family += request->addresses[i].family == address.family;
	}
	if (same_family < RESOLVE_FAMILY_MAX)
		request->addresses[request->count++] = address;
}

/* The caller hears of it in the next turn: c-ares may be in the middle of something, or the caller.
 */
static void enter_over(struct resolve_request *request, int error)
{
	request->is_over = true;
	request->error = error ? error : request->count ? 0 : -ENOENT;
	loop_timer_set(request->loop, &request->end, 0);
}

static void on_answer(void *owner, int status, int timeouts, struct ares_addrinfo *result)
{
	struct resolve_request *request = owner;

	/* Also called by ares_destroy(). */
	if (!request->is_over) {
		for (struct ares_addrinfo_node *node = result ? result->nodes : NULL; node;
		     node = node->ai_next)
			keep_address(request, node->ai_addr);
		enter_over(request, error_of(status));
	}
	ares_freeaddrinfo(result);
}

/* Nobody but the caller knows the request afterwards. */
static void request_close(struct resolve_request *request)
{
	request->is_over = true;
	list_remove(&request->node);
	if (request->channel)
		ares_destroy(request->channel);
	loop_timer_stop(request->loop, &request->retry);
	loop_timer_stop(request->loop, &request->end);
}

static void request_free(struct resolve_request *request)
{
	request_close(request);
	free(request);
}

static void on_end(void *owner, usec_t now)
{
	struct resolve_request *request = owner;

	if (!request->is_over)
		request->error = -ETIMEDOUT;
	request_close(request);
	request->on_done(request->owner, request->addresses, request->error ? 0 : request->count,
			 request->error);
	free(request);
}

/* c-ares and the loop */

static void set_retry(struct resolve_request *request)
{
	struct timeval time;

	if (!ares_timeout(request->channel, NULL, &time)) {
		loop_timer_stop(request->loop, &request->retry);
		return;
	}
	loop_timer_set(request->loop, &request->retry,
		       loop_now(request->loop) + (usec_t)time.tv_sec * USEC_PER_SEC +
			       (usec_t)time.tv_usec);
}

static void on_retry(void *owner, usec_t now)
{
	struct resolve_request *request = owner;

	ares_process_fd(request->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_retry(request);
}

static void on_socket(void *owner, uint32_t events)
{
	struct watch *watch = owner;
	struct resolve_request *request = watch->request;
	int fd = watch->source.fd;
	bool is_broken = events & (EPOLLERR | EPOLLHUP);

	/* May close the socket and so free the watch. */
	ares_process_fd(request->channel, events & EPOLLIN || is_broken ? fd : ARES_SOCKET_BAD,
			events & EPOLLOUT || is_broken ? fd : ARES_SOCKET_BAD);
	set_retry(request);
}

static struct watch *watch_find(struct resolve_request *request, int fd)
{
	struct watch *watch;

	list_for_each (watch, &request->watches, node) {
		if (watch->source.fd == fd)
			return watch;
	}
	return NULL;
}

static void watch_new(struct resolve_request *request, int fd, uint32_t events)
{
	struct watch *watch = new (struct watch);

	watch->request = request;
	watch->source = (struct loop_source){
		.fd = fd, .events = events, .on_event = on_socket, .owner = watch};
	list_append(&request->watches, &watch->node);
	/* When it fails there is no event, and c-ares' timeout ends the wait. */
	loop_add(request->loop, &watch->source);
}

static void on_socket_state(void *owner, ares_socket_t fd, int is_readable, int is_writable)
{
	struct resolve_request *request = owner;
	struct watch *watch = watch_find(request, fd);
	uint32_t events = (is_readable ? EPOLLIN : 0) | (is_writable ? EPOLLOUT : 0);

	if (!watch && events) {
		watch_new(request, fd, events);
	} else if (watch && events) {
		loop_change(&watch->source, events);
	} else if (watch) {
		loop_remove(&watch->source);
		list_remove(&watch->node);
		free(watch);
	}
}

static int channel_new(const char *servers, struct resolve_request *request,
		       ares_channel *ret_channel)
{
	char lookups[] = "fb"; /* files, then DNS */
	struct ares_options options = {
		.timeout = TIMEOUT_MS,
		.tries = ROUNDS,
		.lookups = lookups,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = request,
	};
	ares_channel channel;
	int status = ares_init_options(&channel, &options,
				       ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
					       ARES_OPT_SOCK_STATE_CB);

	if (status)
		return status;
	if (servers)
		status = ares_set_servers_ports_csv(channel, servers);
	if (status)
		ares_destroy(channel);
	else
		*ret_channel = channel;
	return status;
}

/* Starting and ending */

int resolve_new(struct loop *loop, const char *servers, struct resolve **ret_resolve)
{
	struct resolve *resolve;
	ares_channel channel;

	if (ares_library_init(ARES_LIB_INIT_ALL))
		return -ENOMEM;
	if (servers) {
		if (!*servers || channel_new(servers, NULL, &channel)) {
			ares_library_cleanup();
			return -EINVAL;
		}
		ares_destroy(channel);
	}
	resolve = new (struct resolve);
	resolve->loop = loop;
	resolve->servers = servers ? memory_copy_text(servers) : NULL;
	list_init(&resolve->requests);
	*ret_resolve = resolve;
	return 0;
}

void resolve_free(struct resolve *resolve)
{
	struct resolve_request *request, *after;

	if (!resolve)
		return;
	list_for_each_safe (request, after, &resolve->requests, node)
		request_free(request);
	ares_library_cleanup();
	free(resolve->servers);
	free(resolve);
}

static bool is_literal(const char *host, struct address *ret_address)
{
	*ret_address = (struct address){0};
	if (inet_pton(AF_INET, host, ret_address->ip) == 1)
		ret_address->family = FAMILY_IPV4;
	else if (inet_pton(AF_INET6, host, ret_address->ip) == 1)
		ret_address->family = FAMILY_IPV6;
	return ret_address->family != FAMILY_NONE;
}

/* Letters, digits, hyphen, and the underscore that some networks use: nothing else is ever asked
 * for. */
static bool is_written_like_a_name(const char *host)
{
	size_t size = strlen(host);

	return size && size <= NAME_SIZE_MAX && host[0] != '.' &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       size;
}

static void ask(struct resolve *resolve, struct resolve_request *request, const char *host)
{
	const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
						  .ai_socktype = SOCK_DGRAM};
	int status = channel_new(resolve->servers, request, &request->channel);

	if (status) {
		enter_over(request, error_of(status));
		return;
	}
	loop_timer_set(request->loop, &request->end, loop_now(request->loop) + RESOLVE_DEADLINE);
	ares_getaddrinfo(request->channel, host, NULL, &hints, on_answer, request);
	set_retry(request);
}

int resolve_start(struct resolve *resolve, const char *host,
		  void (*on_done)(void *owner, const struct address *addresses, size_t count,
				  int error),
		  void *owner, struct resolve_request **ret_request)
{
	struct resolve_request *request;
	struct address address;
	bool is_address = is_literal(host, &address);

	if (!is_address && !is_written_like_a_name(host))
		return -EINVAL;
	request = new (struct resolve_request);
	request->loop = resolve->loop;
	request->on_done = on_done;
	request->owner = owner;
	request->retry = (struct loop_timer){.on_timer = on_retry, .owner = request};
	request->end = (struct loop_timer){.on_timer = on_end, .owner = request};
	list_init(&request->watches);
	list_append(&resolve->requests, &request->node);
	if (is_address) {
		request->addresses[request->count++] = address;
		enter_over(request, 0);
	} else {
		ask(resolve, request, host);
	}
	*ret_request = request;
	return 0;
}

void resolve_cancel(struct resolve_request *request)
{
	if (request)
		request_free(request);
}
