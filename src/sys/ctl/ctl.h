/* Control sockets of daemons: Unix stream sockets on this machine, nothing else.
 *
 * Line sockets (ctl_listen): the client sends one line of at most CTL_REQUEST_MAX bytes; the answer
 * is any number of lines, an empty line, and the end of the connection. So a client knows a whole
 * answer from one that was cut off by a crash. What a line means is the owner's matter (JSON, by
 * cli.md). Raw sockets (ctl_listen_raw) speak the form of wg(8)'s UAPI: a request is lines up to an
 * empty line, the answer is text, and a connection carries any number of them in turn.
 *
 * Both are bounded: CTL_CLIENTS_MAX clients, of which the last CTL_CLIENTS_FOR_ROOT are for root
 * only; an unfinished request, and an answer that the client does not read, end the connection
 * after CTL_DEADLINE; at most CTL_QUEUE_MAX bytes wait per client. Too many clients are closed
 * without a byte. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/time.h"

struct loop;
struct ctl_server;
struct ctl_reply;

#define CTL_REQUEST_MAX      (64u << 10)
/* A set of 10,000 peers with some allowed IPs each. */
#define CTL_RAW_REQUEST_MAX  (4u << 20)
/* The status of 10,000 peers is about 4 MB. */
#define CTL_QUEUE_MAX        (8u << 20)
#define CTL_CLIENTS_MAX      64
#define CTL_CLIENTS_FOR_ROOT 8
#define CTL_DEADLINE         (5 * USEC_PER_SEC)
#define CTL_GROUP            "wayleave"

struct ctl_counters {
	uint64_t requests, refused_clients, expired, oversized, slow_readers;
};

/* ---- the daemon's side ---- */

/* The request without its line end; it ends with NUL, may hold other NULs, and is gone when the
 * function returns. It answers at once or later through reply. */
typedef void ctl_on_request(void *owner, const char *request, size_t size, struct ctl_reply *reply);
/* The request up to and without its empty line, each line with its '\n'; the answer goes into
 * `answer` whole, its own empty line included. Only root gets this far. */
typedef void ctl_on_raw_request(void *owner, const char *request, size_t size,
				struct buffer *answer);

/* The socket appears under its name with its mode already set: root and group CTL_GROUP 0660 when
 * that group exists, otherwise 0600. A socket file that nobody listens on is replaced. 0 or -errno:
 * -EADDRINUSE somebody listens there, -EEXIST the name is no socket, -ENAMETOOLONG, -ENOENT the
 * folder is missing. */
int ctl_listen(struct loop *loop, const char *path, ctl_on_request *on_request, void *owner,
	       struct ctl_server **ret_server);
/* The same with mode 0600. */
int ctl_listen_raw(struct loop *loop, const char *path, ctl_on_raw_request *on_request, void *owner,
		   struct ctl_server **ret_server);
/* The same on an inherited socket that listens, and has a name (WG_UAPI_FD); its mode stays. Takes
 * the descriptor over only when it succeeds. 0 or -errno: -ENOTSOCK, -EINVAL. */
int ctl_adopt_raw(struct loop *loop, int fd, ctl_on_raw_request *on_request, void *owner,
		  struct ctl_server **ret_server);
const char *ctl_server_path(const struct ctl_server *server);
/* Closes all clients (open replies get their on_closed) and removes the socket file if it is still
 * ours. Never from inside on_request. */
void ctl_server_free(struct ctl_server *server);
const struct ctl_counters *ctl_server_counters(const struct ctl_server *server);

/* A reply is valid until ctl_reply_end() or until its on_closed was called; who keeps it beyond
 * on_request must set on_closed, to forget it there. on_closed comes when the client went away or
 * was dropped, from the loop or ctl_server_free(), never from inside a ctl_reply_ function and
 * never after ctl_reply_end(). */
void ctl_reply_set_closed(struct ctl_reply *reply, void (*on_closed)(void *owner), void *owner);
/* One line (or several with '\n' between them), without the last line end. An empty line would end
 * the answer and is left out. 0, or -EPIPE (the client is gone or was too slow; on_closed follows).
 */
int ctl_reply_send(struct ctl_reply *reply, const char *text);
void ctl_reply_end(struct ctl_reply *reply);
/* The user at the other end when it connected (SO_PEERCRED). */
uid_t ctl_reply_user(const struct ctl_reply *reply);
bool ctl_reply_is_root(const struct ctl_reply *reply);

/* ---- the client's side; blocking ---- */

/* Sends the line and appends the answer's lines (each with its '\n') to answer. The timeout is for
 * all of it. 0 or -errno: -ENOENT or -ECONNREFUSED no daemon, -EACCES, -ETIMEDOUT, -EPIPE the
 * daemon ended in mid-answer or closed without one, -EFBIG above CTL_QUEUE_MAX. request holds no
 * '\n'. */
int ctl_call(const char *path, const char *request, usec_t timeout, struct buffer *answer);
/* Calls on_line for every line as it comes, without its end, until the answer ends (0) or on_line
 * returns false (0). The timeout is for each line; USEC_NEVER waits for ever. -EINTR when a signal
 * was handled while waiting. */
int ctl_watch(const char *path, const char *request, usec_t timeout,
	      bool (*on_line)(void *owner, const char *line), void *owner);
