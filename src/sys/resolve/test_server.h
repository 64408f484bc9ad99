/* A DNS server for tests, on UDP and TCP, in the test's own loop. The first label of a name says
 * what happens: both, four, many, empty, stream (too long for UDP), late (the first two
 * questions are lost), half (never answers about IPv6), silent, garbage, refused, servfail; others
 * do not exist. */
#pragma once

#include "sys/loop/loop.h"

struct server {
	struct loop_source udp, tcp, stream;
	struct loop *loop;
	uint16_t port;
	uint8_t last; /* of the addresses it gives */
	int queries, streams;
};

/* port 0: any. last: the last byte of the addresses it gives, 192.0.2.last and 2001:db8::last. */
void server_open(struct server *server, struct loop *loop, const char *ip, uint16_t port,
		 uint8_t last);
void server_close(struct server *server);
