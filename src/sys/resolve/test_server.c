#include "sys/resolve/test_server.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/memory.h"

#include <cmocka.h>

#define TYPE_A         1
#define TYPE_CNAME     5
#define TYPE_AAAA      28
#define FLAGS_ANSWER   0x8180 /* response, recursion desired and available */
#define FLAG_TRUNCATED 0x0200
#define HEADER_SIZE    12
#define DATAGRAM_MAX   512

struct question {
	uint16_t id, type;
	char label[64];
	const uint8_t *bytes; /* the question section */
	size_t size;
};

static bool read_question(const uint8_t *data, size_t size, struct question *ret_question)
{
	struct reader reader = reader_over(data, size);
	uint8_t label_size;

	*ret_question = (struct question){.id = read_u16_be(&reader)};
	read_view(&reader, HEADER_SIZE - 2);
	ret_question->bytes = data + reader.position;
	label_size = read_u8(&reader);
	if (label_size < sizeof(ret_question->label))
		read_bytes(&reader, ret_question->label, label_size);
	while ((label_size = read_u8(&reader)))
		read_view(&reader, label_size);
	ret_question->type = read_u16_be(&reader);
	read_u16_be(&reader);
	ret_question->size = (size_t)(data + reader.position - ret_question->bytes);
	return !reader.failed;
}

static void write_record(struct writer *writer, uint16_t type, const void *data, uint16_t size)
{
	write_u16_be(writer, 0xc000 | HEADER_SIZE); /* the name asked for */
	write_u16_be(writer, type);
	write_u16_be(writer, 1);
	write_u32_be(writer, 60);
	write_u16_be(writer, size);
	write_bytes(writer, data, size);
}

static uint16_t write_addresses(struct writer *writer, const struct question *question,
				uint8_t last, int count)
{
	uint8_t v4[4] = {192, 0, 2, last}, v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = last};

	for (int i = 0; i < count; i++, v4[3]++, v6[15]++) {
		if (question->type == TYPE_A)
			write_record(writer, TYPE_A, v4, sizeof(v4));
		else
			write_record(writer, TYPE_AAAA, v6, sizeof(v6));
	}
	return (uint16_t)count;
}

static bool is(const struct question *question, const char *label)
{
	return !strcmp(question->label, label);
}

static uint16_t code_of(const struct question *question)
{
	if (is(question, "servfail"))
		return 2;
	if (is(question, "refused"))
		return 5;
	if (is(question, "empty") || is(question, "both") || is(question, "many") ||
	    is(question, "four") || is(question, "late") || is(question, "stream") ||
	    is(question, "half") || is(question, "garbage"))
		return 0;
	return 3; /* no such name */
}

static uint16_t write_answers(struct writer *writer, const struct server *server,
			      const struct question *question)
{
	if (is(question, "both") || is(question, "stream") || is(question, "late") ||
	    is(question, "half"))
		return write_addresses(writer, question, server->last, 1);
	if (is(question, "many"))
		return write_addresses(writer, question, server->last, 12);
	if (is(question, "four"))
		return question->type == TYPE_A ? write_addresses(writer, question, server->last, 1)
						: 0;
	return 0;
}

/* The size of the answer; 0: none. */
static size_t answer(struct server *server, const struct question *question, bool is_stream,
		     uint8_t *out, size_t out_size)
{
	struct writer writer = writer_over(out, out_size);
	uint16_t flags = FLAGS_ANSWER | code_of(question);
	bool is_cut = is(question, "stream") && !is_stream;
	uint16_t count;

	server->queries++;
	if (is(question, "silent") || (is(question, "half") && question->type == TYPE_AAAA) ||
	    (is(question, "late") && server->queries <= 2))
		return 0;
	write_u16_be(&writer, question->id);
	write_u16_be(&writer, is_cut ? flags | FLAG_TRUNCATED : flags);
	write_u16_be(&writer, 1);
	write_zeros(&writer, 6);
	write_bytes(&writer, question->bytes, question->size);
	count = is_cut ? 0 : write_answers(&writer, server, question);
	if (is(question, "garbage")) {
		count = 3;
		write_bytes(&writer, "\xff\xff\xff", 3);
	}
	assert_false(writer.failed);
	out[6] = (uint8_t)(count >> 8);
	out[7] = (uint8_t)count;
	return writer.position;
}

static void on_query(void *owner, uint32_t events)
{
	struct server *server = owner;
	uint8_t query[DATAGRAM_MAX], out[DATAGRAM_MAX];
	struct sockaddr_in from;
	socklen_t from_size = sizeof(from);
	ssize_t size = recvfrom(server->udp.fd, query, sizeof(query), 0, (struct sockaddr *)&from,
				&from_size);
	struct question question;
	size_t out_size;

	assert_true(size > 0);
	assert_true(read_question(query, (size_t)size, &question));
	out_size = answer(server, &question, false, out, sizeof(out));
	if (out_size)
		sendto(server->udp.fd, out, out_size, 0, (struct sockaddr *)&from, from_size);
}

static void close_stream(struct server *server)
{
	loop_remove(&server->stream);
	if (server->stream.fd >= 0)
		close(server->stream.fd);
	server->stream.fd = -1;
}

static void on_stream_query(void *owner, uint32_t events)
{
	struct server *server = owner;
	uint8_t query[DATAGRAM_MAX], out[2 + DATAGRAM_MAX];
	ssize_t size = read(server->stream.fd, query, sizeof(query));
	size_t position = 0;

	if (size <= 0) {
		close_stream(server);
		return;
	}
	/* Both questions may come in one segment, each behind its size. */
	while (position + 2 < (size_t)size) {
		size_t query_size = (size_t)query[position] << 8 | query[position + 1];
		struct question question;
		size_t out_size;

		position += 2;
		assert_true(position + query_size <= (size_t)size);
		assert_true(read_question(query + position, query_size, &question));
		out_size = answer(server, &question, true, out + 2, DATAGRAM_MAX);
		out[0] = (uint8_t)(out_size >> 8);
		out[1] = (uint8_t)out_size;
		assert_int_equal(write(server->stream.fd, out, out_size + 2), out_size + 2);
		position += query_size;
	}
}

static void on_connection(void *owner, uint32_t events)
{
	struct server *server = owner;

	close_stream(server);
	server->streams++;
	server->stream.fd = accept(server->tcp.fd, NULL, NULL);
	assert_true(server->stream.fd >= 0);
	assert_int_equal(loop_add(server->loop, &server->stream), 0);
}

static int listen_on(const char *ip, uint16_t *port, int type)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t size = sizeof(name);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, ip, &name.sin_addr);
	if (bind(fd, (struct sockaddr *)&name, size) || (type == SOCK_STREAM && listen(fd, 5))) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&name, &size);
	*port = ntohs(name.sin_port);
	return fd;
}

void server_open(struct server *server, struct loop *loop, const char *ip, uint16_t port,
		 uint8_t last)
{
	int udp = -1, tcp = -1;

	for (int i = 0; i < 20 && tcp < 0; i++) {
		*server = (struct server){.loop = loop, .port = port, .last = last};
		if (udp >= 0)
			close(udp);
		udp = listen_on(ip, &server->port, SOCK_DGRAM);
		tcp = listen_on(ip, &server->port, SOCK_STREAM);
	}
	assert_true(udp >= 0 && tcp >= 0);
	server->udp = (struct loop_source){
		.fd = udp, .events = EPOLLIN, .on_event = on_query, .owner = server};
	server->tcp = (struct loop_source){
		.fd = tcp, .events = EPOLLIN, .on_event = on_connection, .owner = server};
	server->stream = (struct loop_source){
		.fd = -1, .events = EPOLLIN, .on_event = on_stream_query, .owner = server};
	assert_int_equal(loop_add(loop, &server->udp), 0);
	assert_int_equal(loop_add(loop, &server->tcp), 0);
}

void server_close(struct server *server)
{
	close_stream(server);
	loop_remove(&server->udp);
	loop_remove(&server->tcp);
	close(server->udp.fd);
	close(server->tcp.fd);
}
