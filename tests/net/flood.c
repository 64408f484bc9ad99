/* Attacks on a WireGuard port, at a steady rate from many addresses of this machine.
 *
 *   flood initiations ADDRESS PORT RATE MILLISECONDS FIRST COUNT KEY
 *       Initiations as anybody can make them who knows the public KEY: mac1 is right, the rest is
 *       noise.
 *   flood known ADDRESS PORT RATE MILLISECONDS FIRST COUNT HEX
 *       These bytes again and again, such as a genuine initiation that was overheard.
 *   flood junk ADDRESS PORT RATE MILLISECONDS FIRST COUNT
 *       Noise, from 1 to 1400 bytes.
 *   flood data ADDRESS PORT RATE MILLISECONDS FIRST COUNT
 *       Transport data of 112 bytes with indices that nobody gave out.
 *
 * FIRST and the COUNT - 1 addresses after it are the sources, in turn; all are this machine's. Says
 * "ready", and at the end {"sent", "sent_bytes", "received", "received_bytes", "refused"} as JSON:
 * UDP payloads, the answers included that came up to 200 ms later.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/key.h"
#include "base/memory.h"
#include "crypto/crypto.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "proto/wire/wireguard.h"
#include "sys/udp/udp.h"

#define DISTINCT      1024 /* messages that differ; after them the first comes again */
#define SIZE_LARGEST  1400
#define DATA_SIZE     112
#define MAC_SIZE      16
#define TICK          (NSEC / 1000)
#define NSEC          1000000000ull
#define LINGER        (200 * NSEC / 1000)
#define RECEIVE_BATCH 64

struct message {
	size_t size;
	uint8_t bytes[SIZE_LARGEST];
};

struct flood {
	struct udp *udp;
	struct address target, first;
	unsigned sources;
	uint64_t rate, duration; /* a second; ns */
	struct message *messages;
	size_t message_count;
	uint64_t sent, sent_bytes, received, received_bytes, refused;
	uint8_t room[RECEIVE_BATCH][2048];
};

static void die(const char *what)
{
	fprintf(stderr, "flood: %s\n", what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NSEC + (uint64_t)time.tv_nsec;
}

static void sleep_until(uint64_t deadline)
{
	struct timespec time = {(time_t)(deadline / NSEC), (long)(deadline % NSEC)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
		;
}

/* What is sent */

static void make_initiation(struct message *message, const struct key *mac1_key)
{
	const struct hash_part part = {message->bytes, WG_INITIATION_SIZE - 2 * MAC_SIZE};
	uint8_t *mac1 = message->bytes + part.size;

	message->size = WG_INITIATION_SIZE;
	memcpy(message->bytes, "\1\0\0\0", 4);
	blake2s_mac(mac1, MAC_SIZE, mac1_key, KEY_SIZE, &part, 1);
	memset(mac1 + MAC_SIZE, 0, MAC_SIZE);
}

static void make_mac1_key(const char *text, struct key *ret_key)
{
	struct key public_key;
	const struct hash_part parts[] = {{"mac1----", 8}, {&public_key, KEY_SIZE}};

	if (key_parse(text, &public_key))
		die("bad key");
	blake2s(ret_key->bytes, parts, 2);
}

static void make_known(struct message *message, const char *hex)
{
	unsigned byte;

	message->size = strlen(hex) / 2;
	if (!message->size || message->size > SIZE_LARGEST)
		die("bad bytes");
	for (size_t i = 0; i < message->size; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			die("bad bytes");
		message->bytes[i] = (uint8_t)byte;
	}
}

static void make_messages(struct flood *flood, const char *kind, const char *detail)
{
	struct key mac1_key = {0};

	flood->message_count = DISTINCT;
	flood->messages = new_array(struct message, DISTINCT);
	random_bytes(flood->messages, DISTINCT * sizeof(*flood->messages));
	if (!strcmp(kind, "initiations"))
		make_mac1_key(detail, &mac1_key);
	for (size_t i = 0; i < DISTINCT; i++) {
		struct message *message = &flood->messages[i];

		if (!strcmp(kind, "initiations")) {
			make_initiation(message, &mac1_key);
		} else if (!strcmp(kind, "known")) {
			make_known(message, detail);
		} else if (!strcmp(kind, "data")) {
			message->size = DATA_SIZE;
			memcpy(message->bytes, "\4\0\0\0", 4);
		} else if (!strcmp(kind, "junk")) {
			message->size = 1 + message->size % SIZE_LARGEST;
		} else {
			die("unknown kind");
		}
	}
}

/* How it is sent */

static struct address source_number(const struct flood *flood, uint64_t number)
{
	struct address source = flood->first;
	uint32_t ip;

	memcpy(&ip, source.ip, sizeof(ip));
	ip = htonl(ntohl(ip) + (uint32_t)(number % flood->sources));
	memcpy(source.ip, &ip, sizeof(ip));
	return source;
}

static void send_some(struct flood *flood, uint64_t count)
{
	struct udp_message batch[UDP_BATCH_MAX];
	size_t size = 0;

	while (size < count && size < UDP_BATCH_MAX) {
		uint64_t number = flood->sent + size;
		struct message *message = &flood->messages[number % flood->message_count];

		batch[size++] = (struct udp_message){.data = message->bytes,
						     .size = message->size,
						     .segment_size = message->size,
						     .remote = flood->target,
						     .local = source_number(flood, number)};
		flood->sent_bytes += message->size;
	}
	if (udp_send(flood->udp, batch, size))
		flood->refused++;
	flood->sent += size;
}

static void receive_all(struct flood *flood)
{
	struct udp_message batch[RECEIVE_BATCH];
	int count;

	do {
		for (size_t i = 0; i < RECEIVE_BATCH; i++)
			batch[i] = (struct udp_message){.data = flood->room[i],
							.capacity = sizeof(flood->room[i])};
		count = udp_receive(flood->udp, batch, RECEIVE_BATCH);
		for (int i = 0; i < count; i++)
			flood->received_bytes += batch[i].size;
		flood->received += count > 0 ? (uint64_t)count : 0;
	} while (count == RECEIVE_BATCH);
}

static void run(struct flood *flood)
{
	uint64_t start = now(), passed = 0;

	while ((passed = now() - start) < flood->duration + LINGER) {
		uint64_t until = passed < flood->duration ? passed : flood->duration;
		uint64_t due = until * flood->rate / NSEC;

		while (flood->sent < due)
			send_some(flood, due - flood->sent);
		receive_all(flood);
		sleep_until(start + (passed / TICK + 1) * TICK);
	}
	receive_all(flood);
}

int main(int argc, char **argv)
{
	static struct flood flood;
	struct udp_options options = {.bind = {.family = FAMILY_IPV4}, .without_gro = true};

	/* Who started it may be killed before it says stop. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc < 8)
		die("usage: flood KIND ADDRESS PORT RATE MILLISECONDS FIRST COUNT [KEY | HEX]");
	crypto_init();
	if (address_parse(argv[2], 1, &flood.target) || address_parse(argv[6], 1, &flood.first))
		die("bad address");
	flood.target.port = (uint16_t)atoi(argv[3]);
	flood.rate = strtoull(argv[4], NULL, 10);
	flood.duration = strtoull(argv[5], NULL, 10) * (NSEC / 1000);
	flood.sources = (unsigned)atoi(argv[7]);
	if (!flood.sources || udp_open(&options, &flood.udp))
		die("cannot open a socket");
	make_messages(&flood, argv[1], argc > 8 ? argv[8] : "");
	puts("ready");
	fflush(stdout);
	run(&flood);
	printf("{\"sent\": %llu, \"sent_bytes\": %llu, \"received\": %llu, \"received_bytes\": "
	       "%llu, "
	       "\"refused\": %llu}\n",
	       (unsigned long long)flood.sent, (unsigned long long)flood.sent_bytes,
	       (unsigned long long)flood.received, (unsigned long long)flood.received_bytes,
	       (unsigned long long)flood.refused);
	return 0;
}
