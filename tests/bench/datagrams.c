/* UDP load and round trips, one system call per datagram on the sending side, as most programs
 * send. Prints one JSON object. All clocks are CLOCK_MONOTONIC, which namespaces share.
 *
 *   datagrams send ADDRESS PORT SIZE RATE MILLISECONDS   at a steady rate; {"sent", "seconds"}
 *   datagrams sink ADDRESS PORT                          {"received"}
 *   datagrams ping ADDRESS PORT SIZE COUNT               2 ms apart; {"p50", "p99", "lost"}, us
 *   datagrams echo ADDRESS PORT                          answers until SIGTERM
 *
 * sink and echo say "ready" first. A sink ends when nothing came for 500 ms after something did, or
 * nothing at all for 10 s.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NSEC           1000000000ull
#define SIZE_MAX_BYTES 1500
#define BUFFER_SIZE    (16 << 20) /* the sink's own queue must not be what overflows */
#define SINK_BATCH     64
#define SINK_IDLE      500   /* ms */
#define SINK_PATIENCE  10000 /* ms */
#define PING_INTERVAL  (2 * NSEC / 1000)
#define PING_PATIENCE  100 /* ms */
#define PING_WARM_UP   20  /* round trips that do not count: neighbours, caches */
#define PING_COUNT_MAX 10000

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

static void die(const char *what)
{
	fprintf(stderr, "datagrams: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(const char *address, const char *port, struct sockaddr_in *ret_address)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int size = BUFFER_SIZE;

	*ret_address = (struct sockaddr_in){.sin_family = AF_INET,
					    .sin_port = htons((uint16_t)atoi(port))};
	if (inet_pton(AF_INET, address, &ret_address->sin_addr) != 1)
		errno = EINVAL, die(address);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		die("socket");
	return fd;
}

static int open_server(char **argv)
{
	struct sockaddr_in address;
	int fd = open_socket(argv[2], argv[3], &address);

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die("bind");
	puts("ready");
	fflush(stdout);
	return fd;
}

static int open_client(char **argv)
{
	struct sockaddr_in address;
	int fd = open_socket(argv[2], argv[3], &address);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	/* Pacing sleeps 10 us at a time; the default slack is 50 us. */
	prctl(PR_SET_TIMERSLACK, 1);
	return fd;
}

static int run_send(char **argv)
{
	static const uint8_t payload[SIZE_MAX_BYTES];
	int fd = open_client(argv);
	size_t size = (size_t)atoi(argv[4]);
	uint64_t rate = strtoull(argv[5], NULL, 10);
	uint64_t total = rate * strtoull(argv[6], NULL, 10) / 1000;
	uint64_t start = now(), limit = start + total * NSEC / rate, sent = 0;

	/* Who is late catches up; who cannot ends with the time and has sent less. */
	while (sent < total && now() < limit) {
		sleep_until(start + sent * NSEC / rate);
		if (send(fd, payload, size, 0) < 0 && errno != ENOBUFS && errno != ECONNREFUSED)
			die("send");
		sent++;
	}
	printf("{\"sent\": %llu, \"seconds\": %.6f}\n", (unsigned long long)sent,
	       (double)(now() - start) / (double)NSEC);
	return 0;
}

static int run_sink(char **argv)
{
	static uint8_t room[SINK_BATCH][SIZE_MAX_BYTES];
	struct iovec parts[SINK_BATCH];
	struct mmsghdr messages[SINK_BATCH] = {0};
	struct pollfd poll_fd = {.fd = open_server(argv), .events = POLLIN};
	uint64_t received = 0;

	for (int i = 0; i < SINK_BATCH; i++) {
		parts[i] = (struct iovec){room[i], sizeof(room[i])};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (poll(&poll_fd, 1, received ? SINK_IDLE : SINK_PATIENCE) > 0) {
		int count = recvmmsg(poll_fd.fd, messages, SINK_BATCH, MSG_DONTWAIT, NULL);

		if (count > 0)
			received += (uint64_t)count;
	}
	printf("{\"received\": %llu}\n", (unsigned long long)received);
	return 0;
}

static _Noreturn void run_echo(char **argv)
{
	int fd = open_server(argv);
	uint8_t room[SIZE_MAX_BYTES];
	struct sockaddr_in from;

	for (;;) {
		socklen_t from_size = sizeof(from);
		ssize_t size =
			recvfrom(fd, room, sizeof(room), 0, (struct sockaddr *)&from, &from_size);

		if (size >= 0)
			sendto(fd, room, (size_t)size, 0, (struct sockaddr *)&from, from_size);
	}
}

/* ns, or 0 when no answer came. */
static uint64_t round_trip(int fd, size_t size, uint64_t number)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	uint8_t room[SIZE_MAX_BYTES] = {0};
	uint64_t start = now(), answer;

	memcpy(room, &number, sizeof(number));
	if (send(fd, room, size, 0) < 0)
		return 0;
	while (poll(&poll_fd, 1, PING_PATIENCE) > 0) {
		if (recv(fd, room, sizeof(room), MSG_DONTWAIT) < (ssize_t)sizeof(answer))
			continue;
		memcpy(&answer, room, sizeof(answer));
		if (answer == number)
			return now() - start;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *first = a, *second = b;

	return *first < *second ? -1 : *first > *second;
}

static int run_ping(char **argv)
{
	static uint64_t times[PING_COUNT_MAX];
	int fd = open_client(argv);
	size_t size = (size_t)atoi(argv[4]), asked = (size_t)atoi(argv[5]), count = 0;
	uint64_t next = now();

	if (size < sizeof(uint64_t) || size > SIZE_MAX_BYTES || !asked || asked > PING_COUNT_MAX)
		errno = EINVAL, die("ping");
	for (size_t i = 0; i < PING_WARM_UP + asked; i++) {
		uint64_t time;

		sleep_until(next += PING_INTERVAL);
		time = round_trip(fd, size, i + 1);
		if (time && i >= PING_WARM_UP)
			times[count++] = time;
	}
	if (!count)
		errno = ETIMEDOUT, die("ping");
	qsort(times, count, sizeof(times[0]), compare);
	printf("{\"p50\": %.1f, \"p99\": %.1f, \"lost\": %zu}\n", (double)times[count / 2] / 1e3,
	       (double)times[count * 99 / 100] / 1e3, asked - count);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "send"))
		return run_send(argv);
	if (argc == 4 && !strcmp(argv[1], "sink"))
		return run_sink(argv);
	if (argc == 6 && !strcmp(argv[1], "ping"))
		return run_ping(argv);
	if (argc == 4 && !strcmp(argv[1], "echo"))
		run_echo(argv);
	fputs("usage: datagrams send|sink|ping|echo ADDRESS PORT ...\n", stderr);
	return 2;
}
