/* A wire with a length: one Ethernet cable between two network namespaces, made of two TAP devices
 * and this process, which hands every frame over after a fixed one-way delay, or loses it. Stands
 * in for netem, which many kernels lack. A frame arrives at the size it has on a wire, since a TAP
 * device without a vnet header never sees a super-packet.
 *
 *   delay --delay-us N [--loss-ppm N] [--seed N] NAMESPACE INTERFACE NAMESPACE INTERFACE
 *
 * Says "ready" on stdout when both devices exist, and lives until SIGTERM; the devices die with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX   2048 /* bytes: an MTU of 1500, its Ethernet header, and room for larger MTUs */
#define QUEUE_SLOTS 8192 /* frames on the wire at once: 1 Gbit/s of full frames for 98 ms */
#define BURST       64   /* frames read before the other direction gets its turn */
#define NSEC        1000000000ull
#define MILLION     1000000u

struct frame {
	uint64_t due; /* ns, CLOCK_MONOTONIC */
	uint16_t size;
	uint8_t bytes[FRAME_MAX];
};

/* One direction. Frames become due in the order they came, because the delay is the same for all.
 */
struct direction {
	int from, to;
	uint64_t head, tail; /* frames taken out, frames put in */
	uint64_t refused;
	uint64_t random;
	struct frame queue[QUEUE_SLOTS];
};

struct wire {
	uint64_t delay; /* ns */
	uint32_t loss;  /* frames of a million */
	struct direction directions[2];
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NSEC + (uint64_t)time.tv_nsec;
}

/* xorshift64*: the same seed loses the same frames. */
static uint32_t next_random(struct direction *direction)
{
	direction->random ^= direction->random >> 12;
	direction->random ^= direction->random << 25;
	direction->random ^= direction->random >> 27;
	return (uint32_t)((direction->random * 2685821657736338717ull) >> 32);
}

/* Broadcast and multicast frames are the kernel's own chatter, at times of its own: they are never
 * lost and never counted, or no two runs would be the same. */
static bool is_lost(struct wire *wire, struct direction *direction, const struct frame *frame)
{
	bool is_group = frame->bytes[0] & 1;

	return !is_group && wire->loss && next_random(direction) % MILLION < wire->loss;
}

/* Frames that do not fit are dropped, as a full router does. */
static void take_in(struct wire *wire, struct direction *direction)
{
	uint64_t due = now() + wire->delay;

	for (int i = 0; i < BURST; i++) {
		bool is_full = direction->tail - direction->head == QUEUE_SLOTS;
		struct frame *frame = &direction->queue[direction->tail % QUEUE_SLOTS];
		uint8_t spill[FRAME_MAX];
		ssize_t size = read(direction->from, is_full ? spill : frame->bytes, FRAME_MAX);

		if (size <= 0)
			return;
		if (is_full || is_lost(wire, direction, frame))
			continue;
		frame->size = (uint16_t)size;
		frame->due = due;
		direction->tail++;
	}
}

static void hand_out(struct direction *direction)
{
	uint64_t time = now();

	while (direction->head != direction->tail) {
		struct frame *frame = &direction->queue[direction->head % QUEUE_SLOTS];

		if (frame->due > time)
			return;
		/* A device that is down refuses the frame: a cable without a plug. */
		if (write(direction->to, frame->bytes, frame->size) < 0)
			direction->refused++;
		direction->head++;
	}
}

static void shorten_wait(const struct direction *direction, uint64_t time, struct timespec *wait)
{
	uint64_t due, left;

	if (direction->head == direction->tail)
		return;
	due = direction->queue[direction->head % QUEUE_SLOTS].due;
	left = due > time ? due - time : 0;
	if (left >= (uint64_t)wait->tv_sec * NSEC + (uint64_t)wait->tv_nsec)
		return;
	wait->tv_sec = (time_t)(left / NSEC);
	wait->tv_nsec = (long)(left % NSEC);
}

static void carry(struct wire *wire)
{
	struct pollfd fds[2] = {{.fd = wire->directions[0].from, .events = POLLIN},
				{.fd = wire->directions[1].from, .events = POLLIN}};

	for (;;) {
		struct timespec wait = {.tv_sec = 3600};
		uint64_t time = now();

		for (int i = 0; i < 2; i++)
			shorten_wait(&wire->directions[i], time, &wait);
		if (ppoll(fds, 2, &wait, NULL) < 0 && errno != EINTR)
			return;
		for (int i = 0; i < 2; i++) {
			if (fds[i].revents & POLLIN)
				take_in(wire, &wire->directions[i]);
			hand_out(&wire->directions[i]);
		}
	}
}

static int die(const char *what, const char *name)
{
	fprintf(stderr, "delay: %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static int open_tap(const char *namespace, const char *interface)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	char path[256];
	int namespace_fd, fd;

	snprintf(path, sizeof(path), "/run/netns/%s", namespace);
	namespace_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace_fd < 0 || setns(namespace_fd, CLONE_NEWNET) < 0)
		die("namespace", namespace);
	close(namespace_fd);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		die("TAP device", interface);
	return fd;
}

static void usage(void)
{
	fprintf(stderr, "usage: delay --delay-us N [--loss-ppm N] [--seed N] "
			"NAMESPACE INTERFACE NAMESPACE INTERFACE\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	uint64_t seed = 1;
	int i, ends[2];

	if (!wire)
		return 1;
	for (i = 1; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		uint64_t value = strtoull(argv[i + 1], NULL, 10);

		if (strcmp(argv[i], "--delay-us") == 0)
			wire->delay = value * 1000;
		else if (strcmp(argv[i], "--loss-ppm") == 0)
			wire->loss = (uint32_t)value;
		else if (strcmp(argv[i], "--seed") == 0)
			seed = value ? value : 1;
		else
			usage();
	}
	if (argc - i != 4)
		usage();
	ends[0] = open_tap(argv[i], argv[i + 1]);
	ends[1] = open_tap(argv[i + 2], argv[i + 3]);
	wire->directions[0].from = wire->directions[1].to = ends[0];
	wire->directions[1].from = wire->directions[0].to = ends[1];
	wire->directions[0].random = seed;
	wire->directions[1].random = ~seed ? ~seed : 1;
	prctl(PR_SET_TIMERSLACK, 1000ul); /* ns; the default of 50 us would add to every delay */
	prctl(PR_SET_PDEATHSIG, 15ul);    /* goes with the test that made it */
	puts("ready");
	fflush(stdout);
	carry(wire);
	return 1;
}
