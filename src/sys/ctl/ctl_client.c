#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/ctl/ctl_private.h"

#define READ_SIZE (64u << 10)

struct conversation {
	int fd;
	usec_t timeout; /* USEC_NEVER: none */
	usec_t end;     /* absolute */
	bool is_per_line, is_interruptible;
	bool (*on_line)(void *owner, const char *line);
	void *owner;
	struct buffer in;
};

static usec_t read_clock(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (usec_t)time.tv_sec * USEC_PER_SEC + (usec_t)time.tv_nsec / 1000;
}

static void start_clock(struct conversation *conversation)
{
	conversation->end = conversation->timeout == USEC_NEVER
				    ? USEC_NEVER
				    : read_clock() + conversation->timeout;
}

static int wait_for(const struct conversation *conversation, short events)
{
	struct pollfd place = {.fd = conversation->fd, .events = events};

	for (;;) {
		usec_t left = conversation->end == USEC_NEVER
				      ? USEC_NEVER
				      : usec_since(conversation->end, read_clock());
		struct timespec wait = {.tv_sec = (time_t)(left / USEC_PER_SEC),
					.tv_nsec = (long)(left % USEC_PER_SEC) * 1000};
		int count = ppoll(&place, 1, left == USEC_NEVER ? NULL : &wait, NULL);

		if (count > 0)
			return 0;
		if (!count)
			return -ETIMEDOUT;
		if (errno != EINTR || conversation->is_interruptible)
			return -errno;
	}
}

/* A full queue of newcomers makes connect() wait; SO_SNDTIMEO bounds that. */
static int connect_to(struct conversation *conversation, const char *path)
{
	usec_t wait = conversation->timeout == USEC_NEVER ? CTL_DEADLINE : conversation->timeout;
	struct timeval limit = {.tv_sec = (time_t)(wait / USEC_PER_SEC),
				.tv_usec = (suseconds_t)(wait % USEC_PER_SEC)};
	struct sockaddr_un address;
	int error = ctl_socket_address(path, &address);

	if (error)
		return error;
	conversation->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conversation->fd < 0)
		return -errno;
	if (setsockopt(conversation->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
		return -errno;
	if (!connect(conversation->fd, (struct sockaddr *)&address, sizeof(address)))
		return 0;
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int send_all(const struct conversation *conversation, const char *data, size_t size)
{
	while (size) {
		ssize_t part = send(conversation->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		int error = 0;

		if (part < 0 && errno == EAGAIN)
			error = wait_for(conversation, POLLOUT);
		else if (part < 0 && errno != EINTR)
			error = -errno;
		if (error)
			return error;
		if (part > 0) {
			data += part;
			size -= (size_t)part;
		}
	}
	return 0;
}

/* Hands out the lines that are whole. 1: that was all of the answer. */
static int take_lines(struct conversation *conversation)
{
	char *line = conversation->in.data, *end;
	size_t left = conversation->in.size;

	while ((end = memchr(line, '\n', left))) {
		*end = '\0';
		if (end == line || !conversation->on_line(conversation->owner, line))
			return 1;
		left -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	if (left > CTL_QUEUE_MAX)
		return -EFBIG;
	if (line != conversation->in.data && conversation->is_per_line)
		start_clock(conversation);
	buffer_consume(&conversation->in, conversation->in.size - left);
	return 0;
}

static int read_answer(struct conversation *conversation)
{
	int error = 0;

	while (!error) {
		char *room = buffer_reserve(&conversation->in, READ_SIZE);
		ssize_t part = recv(conversation->fd, room, READ_SIZE, MSG_DONTWAIT);

		if (part < 0 && errno == EAGAIN) {
			error = wait_for(conversation, POLLIN);
		} else if (part > 0) {
			conversation->in.size += (size_t)part;
			error = take_lines(conversation);
		} else if (!part || errno != EINTR) {
			return !part ? -EPIPE : -errno;
		}
	}
	return error > 0 ? 0 : error;
}

static int converse(struct conversation *conversation, const char *path, const char *request)
{
	auto_free char *line = memory_print("%s\n", request);
	size_t size = strlen(line);
	int error;

	if (strchr(request, '\n'))
		return -EINVAL;
	if (size - 1 > CTL_REQUEST_MAX)
		return -EMSGSIZE;
	conversation->fd = -1;
	start_clock(conversation);
	error = connect_to(conversation, path);
	if (!error)
		error = send_all(conversation, line, size);
	if (!error)
		error = read_answer(conversation);
	if (conversation->fd >= 0)
		close(conversation->fd);
	explicit_bzero(line, size);
	buffer_done(&conversation->in);
	return error == -ECONNRESET ? -EPIPE : error;
}

struct gathered {
	struct buffer *answer;
	size_t limit;
	bool is_too_large;
};

static bool gather(void *owner, const char *line)
{
	struct gathered *gathered = owner;
	size_t size = strlen(line);

	gathered->is_too_large = gathered->answer->size + size + 1 > gathered->limit;
	if (gathered->is_too_large)
		return false;
	buffer_add(gathered->answer, line, size);
	buffer_add(gathered->answer, "\n", 1);
	return true;
}

int ctl_call(const char *path, const char *request, usec_t timeout, struct buffer *answer)
{
	struct gathered gathered = {.answer = answer, .limit = answer->size + CTL_QUEUE_MAX};
	struct conversation conversation = {
		.timeout = timeout, .on_line = gather, .owner = &gathered};
	int error = converse(&conversation, path, request);

	return gathered.is_too_large ? -EFBIG : error;
}

int ctl_watch(const char *path, const char *request, usec_t timeout,
	      bool (*on_line)(void *owner, const char *line), void *owner)
{
	struct conversation conversation = {.timeout = timeout,
					    .is_per_line = true,
					    .is_interruptible = true,
					    .on_line = on_line,
					    .owner = owner};

	return converse(&conversation, path, request);
}
