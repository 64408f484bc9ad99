#include "sys/udp/test_pair.h"

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/memory.h"

struct refusal refusal;

int __real_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags);

static bool has_gso(struct mmsghdr *header)
{
	struct cmsghdr *control;

	for (control = CMSG_FIRSTHDR(&header->msg_hdr); control;
	     control = CMSG_NXTHDR(&header->msg_hdr, control)) {
		if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_SEGMENT)
			return true;
	}
	return false;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags)
{
	int sent;

	if (refusal.error && refusal.times && !refusal.after &&
	    (!refusal.is_gso_only || has_gso(&headers[0]))) {
		refusal.times--;
		errno = refusal.error;
		return -1;
	}
	if (refusal.after)
		refusal.after--;
	if (refusal.at_most && count > refusal.at_most)
		count = refusal.at_most;
	sent = __real_sendmmsg(fd, headers, count, flags);
	for (int i = 0; i < sent; i++)
		refusal.gso_seen += has_gso(&headers[i]);
	return sent;
}

struct udp_options loopback(const char *text)
{
	struct udp_options options = {0};

	assert_int_equal(address_parse(text, 1, &options.bind), 0);
	options.bind.port = 0;
	return options;
}

void pair_open(struct pair *pair, const char *ip, bool without_gso, bool without_gro)
{
	struct udp_options options = loopback(ip);

	*pair = (struct pair){.to = options.bind, .room = memory_new(MESSAGES * MESSAGE_SIZE)};
	options.without_gso = without_gso;
	options.without_gro = without_gro;
	assert_int_equal(udp_open(&options, &pair->sender), 0);
	assert_int_equal(udp_open(&options, &pair->receiver), 0);
	pair->to.port = udp_port(pair->receiver);
	for (int i = 0; i < MESSAGES; i++)
		pair->messages[i] = (struct udp_message){.data = pair->room + i * MESSAGE_SIZE,
							 .capacity = MESSAGE_SIZE};
}

void pair_close(struct pair *pair)
{
	udp_close(pair->sender);
	udp_close(pair->receiver);
	free(pair->room);
}

int pair_receive(struct pair *pair)
{
	struct pollfd wait = {.fd = udp_fd(pair->receiver), .events = POLLIN};

	assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
	return udp_receive(pair->receiver, pair->messages, MESSAGES);
}

static uint8_t byte_of(size_t position)
{
	return (uint8_t)(position * 2654435761u >> 13);
}

uint8_t *pattern(size_t size)
{
	uint8_t *data = memory_new(size);

	for (size_t i = 0; i < size; i++)
		data[i] = byte_of(i);
	return data;
}

size_t expect_run(struct pair *pair, size_t size, size_t segment_size)
{
	size_t position = 0, messages = 0;

	while (position < size) {
		int count = pair_receive(pair);

		assert_true(count > 0);
		for (int i = 0; i < count; i++) {
			const struct udp_message *message = &pair->messages[i];
			size_t left = size - position;

			assert_int_equal(message->segment_size,
					 left < segment_size ? left : segment_size);
			assert_true(message->size <= left);
			for (size_t j = 0; j < message->size; j++)
				assert_int_equal(message->data[j], byte_of(position + j));
			position += message->size;
			messages++;
		}
	}
	return messages;
}

int send_run(struct pair *pair, size_t size, size_t segment_size)
{
	auto_free uint8_t *data = pattern(size);
	struct udp_message message = {
		.remote = pair->to, .data = data, .size = size, .segment_size = segment_size};

	return udp_send(pair->sender, &message, 1);
}
