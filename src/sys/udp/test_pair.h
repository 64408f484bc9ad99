/* A pair of sockets on loopback for tests, and a kernel in front of the real one that refuses to
 * send when a test wants it (link with --wrap=sendmmsg). */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/udp/udp.h"

#include <cmocka.h>

#define MESSAGES     8
#define MESSAGE_SIZE 65535
#define WAIT_MS      10000 /* a test that needs it has failed */

/* What sendmmsg() answers in the code under test; the linker puts ours in front (--wrap). */
struct refusal {
	int error;         /* 0: the kernel decides */
	int times;         /* how often it is given */
	int after;         /* calls let through first */
	bool is_gso_only;  /* only when the first message carries UDP_SEGMENT */
	unsigned at_most;  /* messages taken per call, 0: all */
	unsigned gso_seen; /* messages with UDP_SEGMENT that reached the kernel */
};

extern struct refusal refusal;

/* A pair of sockets on loopback. */
struct pair {
	struct udp *sender, *receiver;
	struct address to;
	uint8_t *room; /* MESSAGES * MESSAGE_SIZE */
	struct udp_message messages[MESSAGES];
};

/* Without a port. */
struct udp_options loopback(const char *ip);
void pair_open(struct pair *pair, const char *ip, bool without_gso, bool without_gro);
void pair_close(struct pair *pair);
/* Waits for messages and receives them into pair->messages. */
int pair_receive(struct pair *pair);
/* `size` bytes in which every place is recognisable; the caller frees them. */
uint8_t *pattern(size_t size);
/* Sends the pattern as one run. What udp_send() says. */
int send_run(struct pair *pair, size_t size, size_t segment_size);
/* Receives `size` bytes of the pattern, in order, in datagrams of segment_size. Returns the number
 * of kernel messages they came in. */
size_t expect_run(struct pair *pair, size_t size, size_t segment_size);
