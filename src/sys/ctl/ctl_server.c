#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/memory.h"
#include "sys/ctl/ctl_private.h"
#include "sys/loop/loop.h"

#define READ_SIZE   (64u << 10)
/* Out of descriptors: the next try comes after this. */
#define ACCEPT_REST (100 * USEC_PER_MSEC)

struct ctl_server {
	struct loop *loop;
	char *path;
	struct stat identity;
	struct loop_source source;
	struct loop_timer rest;
	struct list clients;
	size_t count;
	usec_t deadline;
	ctl_on_request *on_request; /* line socket */
	ctl_on_raw_request *on_raw; /* raw socket */
	void *owner;
	struct ctl_counters counters;
};

enum client_state {
	CLIENT_ASKING,    /* a request is on its way, or (raw) none */
	CLIENT_ANSWERING, /* line: the owner has the reply */
	CLIENT_ENDING,    /* what is queued goes out, then it closes */
	CLIENT_GONE,      /* its timer removes it */
};

/* A client; line sockets hand it to the owner as the reply. It is freed from the loop only, so the
 * owner's calls never pull it away under anybody. */
struct ctl_reply {
	struct ctl_server *server;
	struct list place;
	struct loop_source source;
	struct loop_timer timer;
	enum client_state state;
	bool is_owned; /* the owner has the reply and was told nothing of its end */
	uid_t user;
	struct buffer in, out;
	size_t searched; /* of in, without finding a request's end */
	size_t sent;     /* of out */
	void (*on_closed)(void *owner);
	void *owner;
};

static void wipe(struct buffer *buffer)
{
	if (buffer->data)
		explicit_bzero(buffer->data, buffer->capacity);
	buffer_done(buffer);
}

static void client_free(struct ctl_reply *client)
{
	if (client->is_owned && client->on_closed)
		client->on_closed(client->owner);
	loop_timer_stop(client->server->loop, &client->timer);
	loop_remove(&client->source);
	close(client->source.fd);
	list_remove(&client->place);
	client->server->count--;
	wipe(&client->in);
	wipe(&client->out);
	free(client);
}

static void client_enter(struct ctl_reply *client, enum client_state state)
{
	struct loop *loop = client->server->loop;

	client->state = state;
	switch (state) {
	case CLIENT_ASKING:
		loop_change(&client->source, EPOLLIN);
		break;
	case CLIENT_ANSWERING:
	case CLIENT_ENDING:
		/* Hanging up is reported anyway. */
		loop_change(&client->source, 0);
		loop_timer_stop(loop, &client->timer);
		break;
	case CLIENT_GONE:
		loop_change(&client->source, 0);
		loop_timer_set(loop, &client->timer, loop_now(loop));
		break;
	}
}

static void on_client_timer(void *owner, usec_t now)
{
	struct ctl_reply *client = owner;

	if (client->state == CLIENT_ASKING && client->sent == client->out.size)
		client->server->counters.expired++;
	else if (client->state != CLIENT_GONE)
		client->server->counters.slow_readers++;
	client_free(client);
}

/* ---- answers ---- */

static void set_deadline(struct ctl_reply *client)
{
	loop_timer_set(client->server->loop, &client->timer,
		       loop_now(client->server->loop) + client->server->deadline);
}

/* All was sent. */
static void on_flushed(struct ctl_reply *client)
{
	client->out.size = client->sent = 0;
	loop_timer_stop(client->server->loop, &client->timer);
	/* The next request of a raw client may have begun. */
	if (client->state == CLIENT_ASKING && client->in.size)
		set_deadline(client);
	client_enter(client, client->state == CLIENT_ENDING ? CLIENT_GONE : client->state);
}

/* Sends what the kernel takes; a client that takes nothing for CTL_DEADLINE is dropped. */
static void flush(struct ctl_reply *client)
{
	bool has_progress = false, is_first = !(client->source.events & EPOLLOUT);

	while (client->sent < client->out.size) {
		ssize_t part = send(client->source.fd, client->out.data + client->sent,
				    client->out.size - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0 && errno == EAGAIN)
			break;
		if (part <= 0) {
			client_enter(client, CLIENT_GONE);
			return;
		}
		client->sent += (size_t)part;
		has_progress = true;
	}
	if (client->sent == client->out.size) {
		on_flushed(client);
		return;
	}
	loop_change(&client->source, EPOLLOUT);
	if (has_progress || is_first)
		set_deadline(client);
}

int ctl_reply_send(struct ctl_reply *reply, const char *text)
{
	size_t size;

	if (reply->state != CLIENT_ANSWERING)
		return -EPIPE;
	if (reply->out.size - reply->sent + strlen(text) + 1 > CTL_QUEUE_MAX) {
		reply->server->counters.slow_readers++;
		client_enter(reply, CLIENT_GONE);
		return -EPIPE;
	}
	/* Not at every call: moving megabytes for each line would cost more than it frees. */
	if (reply->sent > reply->out.size / 2) {
		buffer_consume(&reply->out, reply->sent);
		reply->sent = 0;
	}
	for (; *text; text += size + (text[size] == '\n')) {
		size = strcspn(text, "\n");
		if (!size)
			continue;
		buffer_add(&reply->out, text, size);
		buffer_add(&reply->out, "\n", 1);
	}
	flush(reply);
	return reply->state == CLIENT_ANSWERING ? 0 : -EPIPE;
}

void ctl_reply_end(struct ctl_reply *reply)
{
	reply->is_owned = false;
	if (reply->state != CLIENT_ANSWERING)
		return;
	buffer_add(&reply->out, "\n", 1);
	client_enter(reply, CLIENT_ENDING);
	flush(reply);
}

void ctl_reply_set_closed(struct ctl_reply *reply, void (*on_closed)(void *owner), void *owner)
{
	reply->on_closed = on_closed;
	reply->owner = owner;
}

uid_t ctl_reply_user(const struct ctl_reply *reply)
{
	return reply->user;
}

bool ctl_reply_is_root(const struct ctl_reply *reply)
{
	return reply->user == 0;
}

/* ---- requests ---- */

static void hand_over_line(struct ctl_reply *client, size_t size)
{
	struct ctl_server *server = client->server;

	server->counters.requests++;
	client->in.data[size] = '\0';
	client->is_owned = true;
	client_enter(client, CLIENT_ANSWERING);
	server->on_request(server->owner, client->in.data, size, client);
}

static void forget_request(struct ctl_reply *client, size_t total)
{
	size_t left = client->in.size - total;

	memmove(client->in.data, client->in.data + total, left);
	explicit_bzero(client->in.data + left, total);
	client->in.size = left;
}

static void hand_over_raw(struct ctl_reply *client, size_t size, size_t total)
{
	struct ctl_server *server = client->server;
	struct buffer request = {0};

	server->counters.requests++;
	buffer_reserve(&request, size + 1);
	buffer_add(&request, client->in.data, size);
	request.data[size] = '\0';
	forget_request(client, total);
	loop_timer_stop(server->loop, &client->timer);
	server->on_raw(server->owner, request.data, size, &client->out);
	wipe(&request);
	flush(client);
}

/* Takes requests out of `in` as long as their answers are taken, too. */
static void handle_requests(struct ctl_reply *client)
{
	struct ctl_server *server = client->server;
	bool is_raw = server->on_raw;
	enum ctl_split split = CTL_SPLIT_WHOLE;
	size_t size, total;

	while (split == CTL_SPLIT_WHOLE && client->state == CLIENT_ASKING && !client->out.size) {
		split = is_raw ? ctl_split_raw(client->in.data, client->in.size, client->searched,
					       CTL_RAW_REQUEST_MAX, &size, &total)
			       : ctl_split_line(client->in.data, client->in.size, client->searched,
						CTL_REQUEST_MAX, &size, &total);
		client->searched = split == CTL_SPLIT_PARTIAL ? client->in.size : 0;
		if (split == CTL_SPLIT_TOO_LARGE) {
			server->counters.oversized++;
			client_enter(client, CLIENT_GONE);
		} else if (split == CTL_SPLIT_WHOLE && is_raw) {
			hand_over_raw(client, size, total);
		} else if (split == CTL_SPLIT_WHOLE) {
			hand_over_line(client, size);
		}
	}
}

/* Requests may hold keys: a buffer that grows leaves no copy of them behind. */
static void make_room(struct buffer *in)
{
	struct buffer larger = {0};

	if (in->capacity - in->size > READ_SIZE)
		return;
	buffer_reserve(&larger, 2 * in->capacity + 2 * READ_SIZE);
	buffer_add(&larger, in->data, in->size);
	wipe(in);
	*in = larger;
}

static void read_requests(struct ctl_reply *client)
{
	bool was_empty = !client->in.size;
	ssize_t part;

	make_room(&client->in);
	part = recv(client->source.fd, client->in.data + client->in.size, READ_SIZE, MSG_DONTWAIT);
	if (part < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (part <= 0) {
		client_enter(client, CLIENT_GONE);
		return;
	}
	client->in.size += (size_t)part;
	/* A raw client may stay without asking, but not stop in the middle. */
	if (client->server->on_raw && was_empty)
		set_deadline(client);
	handle_requests(client);
}

static void on_client_event(void *owner, uint32_t events)
{
	struct ctl_reply *client = owner;

	if (events & EPOLLOUT) {
		flush(client);
		handle_requests(client);
	}
	/* Also with EPOLLHUP: who asks and leaves at once is still heard. */
	if (events & EPOLLIN && client->state == CLIENT_ASKING)
		read_requests(client);
	else if (events & (EPOLLHUP | EPOLLERR))
		client_free(client);
}

/* ---- clients come ---- */

static bool may_come_in(const struct ctl_server *server, uid_t user)
{
	if (server->on_raw && user && user != geteuid())
		return false;
	return server->count < CTL_CLIENTS_MAX - (user ? CTL_CLIENTS_FOR_ROOT : 0);
}

static void add_client(struct ctl_server *server, int fd)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t size = sizeof(peer);
	struct ctl_reply *client;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) ||
	    !may_come_in(server, peer.uid)) {
		server->counters.refused_clients++;
		close(fd);
		return;
	}
	client = new (struct ctl_reply);
	client->server = server;
	client->user = peer.uid;
	client->source = (struct loop_source){
		.fd = fd, .events = EPOLLIN, .on_event = on_client_event, .owner = client};
	client->timer = (struct loop_timer){.on_timer = on_client_timer, .owner = client};
	list_append(&server->clients, &client->place);
	server->count++;
	if (loop_add(server->loop, &client->source)) {
		server->counters.refused_clients++;
		client_free(client);
		return;
	}
	if (!server->on_raw)
		set_deadline(client);
}

static void on_newcomer(void *owner, uint32_t events)
{
	struct ctl_server *server = owner;
	int fd = accept4(server->source.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		add_client(server, fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		loop_change(&server->source, 0);
		loop_timer_set(server->loop, &server->rest, loop_now(server->loop) + ACCEPT_REST);
	}
}

static void on_rested(void *owner, usec_t now)
{
	struct ctl_server *server = owner;

	loop_change(&server->source, EPOLLIN);
}

static int server_new(struct loop *loop, int fd, const char *path, const struct stat *identity,
		      struct ctl_server **ret_server)
{
	struct ctl_server *server = new (struct ctl_server);
	int error;

	server->identity = *identity;
	server->loop = loop;
	server->path = memory_copy_text(path);
	server->deadline = CTL_DEADLINE;
	list_init(&server->clients);
	server->rest = (struct loop_timer){.on_timer = on_rested, .owner = server};
	server->source = (struct loop_source){
		.fd = fd, .events = EPOLLIN, .on_event = on_newcomer, .owner = server};
	error = loop_add(loop, &server->source);
	if (error) {
		ctl_server_free(server);
		return error;
	}
	*ret_server = server;
	return 0;
}

static int listen_new(struct loop *loop, const char *path, const char *group,
		      struct ctl_server **ret_server)
{
	struct stat identity;
	int fd, error = ctl_socket_listen(path, group, &fd, &identity);

	return error ? error : server_new(loop, fd, path, &identity, ret_server);
}

int ctl_listen(struct loop *loop, const char *path, ctl_on_request *on_request, void *owner,
	       struct ctl_server **ret_server)
{
	int error = listen_new(loop, path, CTL_GROUP, ret_server);

	if (error)
		return error;
	(*ret_server)->on_request = on_request;
	(*ret_server)->owner = owner;
	return 0;
}

int ctl_listen_raw(struct loop *loop, const char *path, ctl_on_raw_request *on_request, void *owner,
		   struct ctl_server **ret_server)
{
	int error = listen_new(loop, path, NULL, ret_server);

	if (error)
		return error;
	(*ret_server)->on_raw = on_request;
	(*ret_server)->owner = owner;
	return 0;
}

int ctl_adopt_raw(struct loop *loop, int fd, ctl_on_raw_request *on_request, void *owner,
		  struct ctl_server **ret_server)
{
	char path[CTL_PATH_SIZE];
	struct stat identity;
	int flags = fcntl(fd, F_GETFL), error = ctl_socket_inspect(fd, path, &identity);

	if (!error &&
	    (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC)))
		error = -errno;
	if (!error)
		error = server_new(loop, fd, path, &identity, ret_server);
	if (error)
		return error;
	(*ret_server)->on_raw = on_request;
	(*ret_server)->owner = owner;
	return 0;
}

const char *ctl_server_path(const struct ctl_server *server)
{
	return server->path;
}

void ctl_server_set_deadline(struct ctl_server *server, usec_t deadline)
{
	server->deadline = deadline;
}

void ctl_server_free(struct ctl_server *server)
{
	struct ctl_reply *client, *after;

	if (!server)
		return;
	loop_timer_stop(server->loop, &server->rest);
	loop_remove(&server->source);
	close(server->source.fd);
	list_for_each_safe (client, after, &server->clients, place)
		client_free(client);
	ctl_socket_remove(server->path, &server->identity);
	free(server->path);
	free(server);
}

const struct ctl_counters *ctl_server_counters(const struct ctl_server *server)
{
	return &server->counters;
}
