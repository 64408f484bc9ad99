#include "sys/udp/udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

/* Holds 50 ms of 1 Gbit/s; what the kernel's own WireGuard tools ask for. */
#define DEFAULT_BUFFER_SIZE  (7 * 1024 * 1024)
/* Pending ICMP errors taken from the socket before udp_receive() gives up until the next turn. */
#define SWALLOWED_ERRORS_MAX 16

#define CONTROL_SIZE         (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)))

/* What one message needs beside its bytes. */
struct envelope {
	struct iovec part;
	struct sockaddr_storage remote;
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
};

struct udp {
	int fd;
	uint8_t family;
	uint16_t port;
	bool has_gso;
	uint32_t fwmark;
	struct udp_counters counters;
	/* Filled anew by each call. */
	struct mmsghdr headers[UDP_BATCH_MAX];
	struct envelope envelopes[UDP_BATCH_MAX];
};

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static void set_buffer(int fd, int forced, int unforced, size_t size)
{
	if (set_option(fd, SOL_SOCKET, forced, (int)size))
		set_option(fd, SOL_SOCKET, unforced, (int)size);
}

/* IPv4 goes without DF, as the kernel's WireGuard sends it: a router with a smaller MTU cuts our
 * datagrams instead of losing them. IP_PMTUDISC_OMIT does that and ignores reported path MTUs, so a
 * forged ICMP message can neither cut our datagrams small nor spoil GSO. Routers of IPv6 never cut;
 * there the kernel has to learn the path MTU from ICMP and cuts itself. */
static int set_fragmentation(const struct udp *udp)
{
	if (udp->family == FAMILY_IPV4)
		return set_option(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
	return set_option(udp->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

static int set_packet_info(const struct udp *udp)
{
	if (udp->family == FAMILY_IPV4)
		return set_option(udp->fd, IPPROTO_IP, IP_PKTINFO, 1);
	return set_option(udp->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

static void probe_offloads(struct udp *udp, const struct udp_options *options)
{
	int value;
	socklen_t size = sizeof(value);

	/* Without a kernel that knows them, both fail with ENOPROTOOPT and single datagrams it is.
	 */
	udp->has_gso = !options->without_gso &&
		       !getsockopt(udp->fd, IPPROTO_UDP, UDP_SEGMENT, &value, &size);
	if (!options->without_gro)
		set_option(udp->fd, IPPROTO_UDP, UDP_GRO, 1);
}

static int set_options(struct udp *udp, const struct udp_options *options)
{
	size_t size = options->buffer_size ? options->buffer_size : DEFAULT_BUFFER_SIZE;
	int error = 0;

	if (udp->family == FAMILY_IPV6)
		error = set_option(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!error)
		error = set_fragmentation(udp);
	if (!error)
		error = set_packet_info(udp);
	if (!error)
		error = udp_set_fwmark(udp, options->fwmark);
	if (!error && options->device &&
	    setsockopt(udp->fd, SOL_SOCKET, SO_BINDTODEVICE, options->device,
		       (socklen_t)strlen(options->device) + 1))
		error = -errno;
	if (!error && options->is_shared)
		error = udp_set_shared(udp, true);
	set_buffer(udp->fd, SO_RCVBUFFORCE, SO_RCVBUF, size);
	set_buffer(udp->fd, SO_SNDBUFFORCE, SO_SNDBUF, size);
	probe_offloads(udp, options);
	return error;
}

static int bind_to(struct udp *udp, const struct address *address)
{
	struct sockaddr_storage name;
	socklen_t size = address_to_socket(address, &name);

	if (bind(udp->fd, (struct sockaddr *)&name, size))
		return -errno;
	size = sizeof(name);
	if (getsockname(udp->fd, (struct sockaddr *)&name, &size))
		return -errno;
	udp->port = address_from_socket((struct sockaddr *)&name).port;
	return 0;
}

int udp_open(const struct udp_options *options, struct udp **ret_udp)
{
	struct udp *udp = new (struct udp);
	int error;

	udp->family = options->bind.family;
	udp->fd = socket(udp->family == FAMILY_IPV6 ? AF_INET6 : AF_INET,
			 SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
	error = udp->fd < 0 ? -errno : set_options(udp, options);
	if (!error)
		error = bind_to(udp, &options->bind);
	if (error) {
		udp_close(udp);
		return error;
	}
	*ret_udp = udp;
	return 0;
}

void udp_close(struct udp *udp)
{
	if (!udp)
		return;
	if (udp->fd >= 0)
		close(udp->fd);
	free(udp);
}

int udp_fd(const struct udp *udp)
{
	return udp->fd;
}

uint16_t udp_port(const struct udp *udp)
{
	return udp->port;
}

int udp_set_fwmark(struct udp *udp, uint32_t fwmark)
{
	int error;

	/* Setting it needs CAP_NET_ADMIN, so it is not set without need. */
	if (udp->fwmark == fwmark)
		return 0;
	error = set_option(udp->fd, SOL_SOCKET, SO_MARK, (int)fwmark);
	if (!error)
		udp->fwmark = fwmark;
	return error;
}

int udp_set_shared(struct udp *udp, bool is_shared)
{
	return set_option(udp->fd, SOL_SOCKET, SO_REUSEPORT, is_shared);
}

/* A connected socket takes no part in the choice among those of a port (Linux 5.4). */
void udp_retire(struct udp *udp)
{
	struct sockaddr_storage name;
	struct address discard = {.family = udp->family, .port = 9};
	socklen_t size;

	discard.ip[0] = udp->family == FAMILY_IPV4 ? 127 : 0;
	discard.ip[udp->family == FAMILY_IPV4 ? 3 : 15] = 1;
	size = address_to_socket(&discard, &name);
	(void)connect(udp->fd, (struct sockaddr *)&name, size);
}

const struct udp_counters *udp_counters(const struct udp *udp)
{
	return &udp->counters;
}

static size_t datagram_count(size_t size, size_t segment_size)
{
	return segment_size && size > segment_size ? (size + segment_size - 1) / segment_size : 1;
}

/* Receiving */

static void address_envelope(struct udp *udp, size_t i, uint8_t *data, size_t size)
{
	struct envelope *envelope = &udp->envelopes[i];

	envelope->part = (struct iovec){.iov_base = data, .iov_len = size};
	udp->headers[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &envelope->remote,
						       .msg_namelen = sizeof(envelope->remote),
						       .msg_iov = &envelope->part,
						       .msg_iovlen = 1,
						       .msg_control = envelope->control,
						       .msg_controllen = CONTROL_SIZE}};
}

static void read_control(struct msghdr *header, struct udp_message *message)
{
	struct cmsghdr *control;

	for (control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
		const void *data = CMSG_DATA(control);

		if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) {
			int segment_size;

			memcpy(&segment_size, data, sizeof(segment_size));
			if (segment_size > 0)
				message->segment_size = (size_t)segment_size;
		} else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
			const struct in_pktinfo *info = data;

			message->local = address_from_ip(FAMILY_IPV4, &info->ipi_spec_dst, 0);
		} else if (control->cmsg_level == IPPROTO_IPV6 &&
			   control->cmsg_type == IPV6_PKTINFO) {
			const struct in6_pktinfo *info = data;

			message->local = address_from_ip(FAMILY_IPV6, &info->ipi6_addr, 0);
		}
	}
}

static void read_envelope(struct udp *udp, size_t i, struct udp_message *message)
{
	struct msghdr *header = &udp->headers[i].msg_hdr;

	message->size = message->segment_size = udp->headers[i].msg_len;
	message->remote = address_from_socket((struct sockaddr *)&udp->envelopes[i].remote);
	message->local = (struct address){0};
	read_control(header, message);
	if (header->msg_flags & MSG_TRUNC) {
		udp->counters.truncated++;
		if (message->segment_size >= message->size)
			message->segment_size = message->size = 0;
		else
			message->size -= message->size % message->segment_size;
	}
	if (message->segment_size > message->size)
		message->segment_size = message->size;
	udp->counters.receive_datagrams += udp_message_datagrams(message);
}

/* Errors that tell of an earlier datagram, not of this call. */
static bool is_about_earlier_send(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == EHOSTDOWN || error == EMSGSIZE || error == EPROTO || error == ENOPROTOOPT ||
	       error == EACCES || error == EOPNOTSUPP || error == EINTR;
}

int udp_receive(struct udp *udp, struct udp_message *messages, size_t count)
{
	int received = -1, attempts = 0;

	if (count > UDP_BATCH_MAX)
		count = UDP_BATCH_MAX;
	for (size_t i = 0; i < count; i++)
		address_envelope(udp, i, messages[i].data, messages[i].capacity);
	while (received < 0) {
		received = recvmmsg(udp->fd, udp->headers, (unsigned)count, MSG_DONTWAIT, NULL);
		udp->counters.receive_calls++;
		if (received >= 0)
			break;
		if (errno == EAGAIN)
			return 0;
		if (!is_about_earlier_send(errno))
			return -errno;
		if (++attempts == SWALLOWED_ERRORS_MAX)
			return 0;
	}
	for (int i = 0; i < received; i++)
		read_envelope(udp, (size_t)i, &messages[i]);
	return received;
}

/* Sending */

/* The datagrams still to send: the rest of the first message, and the messages behind it. */
struct outgoing {
	const struct udp_message *messages;
	size_t count;
	size_t offset;
	size_t without_gso_until; /* offset in the first message up to which GSO was refused */
};

static void *add_control(struct msghdr *header, int level, int type, size_t size)
{
	struct cmsghdr *control =
		(struct cmsghdr *)((uint8_t *)header->msg_control + header->msg_controllen);

	*control = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};
	header->msg_controllen += CMSG_SPACE(size);
	return CMSG_DATA(control);
}

static void add_source(struct msghdr *header, const struct address *source)
{
	if (source->family == FAMILY_IPV4) {
		struct in_pktinfo *info =
			add_control(header, IPPROTO_IP, IP_PKTINFO, sizeof(*info));

		*info = (struct in_pktinfo){0};
		memcpy(&info->ipi_spec_dst, source->ip, 4);
	} else if (source->family == FAMILY_IPV6) {
		struct in6_pktinfo *info =
			add_control(header, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(*info));

		*info = (struct in6_pktinfo){0};
		memcpy(&info->ipi6_addr, source->ip, 16);
	}
}

static void add_segment_size(struct msghdr *header, size_t segment_size)
{
	uint16_t value = (uint16_t)segment_size;

	memcpy(add_control(header, IPPROTO_UDP, UDP_SEGMENT, sizeof(value)), &value, sizeof(value));
}

static size_t segment_size_of(const struct udp_message *message)
{
	return message->segment_size ? message->segment_size : message->size;
}

/* How many bytes the next message of the kernel may take from the first of ours. */
static size_t next_size(const struct udp *udp, const struct outgoing *outgoing)
{
	const struct udp_message *message = outgoing->messages;
	size_t segment_size = segment_size_of(message), left = message->size - outgoing->offset;
	size_t segments = 1;

	if (udp->has_gso && segment_size && outgoing->offset >= outgoing->without_gso_until)
		segments = UDP_PAYLOAD_MAX / segment_size;
	if (segments > UDP_SEGMENTS_MAX)
		segments = UDP_SEGMENTS_MAX;
	if (!segments)
		segments = 1; /* too big; the kernel says so */
	return left < segments * segment_size ? left : segments * segment_size;
}

static void advance(struct outgoing *outgoing, size_t size)
{
	outgoing->offset += size;
	if (outgoing->offset < outgoing->messages->size)
		return;
	outgoing->messages++;
	outgoing->count--;
	outgoing->offset = outgoing->without_gso_until = 0;
}

static size_t write_envelopes(struct udp *udp, struct outgoing outgoing)
{
	size_t count = 0;

	while (outgoing.count && count < UDP_BATCH_MAX) {
		const struct udp_message *message = outgoing.messages;
		struct msghdr *header = &udp->headers[count].msg_hdr;
		size_t size = next_size(udp, &outgoing);

		address_envelope(udp, count, message->data + outgoing.offset, size);
		header->msg_namelen =
			address_to_socket(&message->remote, &udp->envelopes[count].remote);
		header->msg_controllen = 0;
		add_source(header, &message->local);
		if (size > segment_size_of(message))
			add_segment_size(header, segment_size_of(message));
		advance(&outgoing, size);
		count++;
	}
	return count;
}

static void count_sent(struct udp *udp, struct outgoing *outgoing, int sent)
{
	for (int i = 0; i < sent; i++) {
		size_t size = udp->envelopes[i].part.iov_len;

		udp->counters.send_datagrams +=
			datagram_count(size, segment_size_of(outgoing->messages));
		advance(outgoing, size);
	}
}

static void drop_first(struct udp *udp, struct outgoing *outgoing)
{
	size_t size = udp->envelopes[0].part.iov_len;

	udp->counters.send_failures += datagram_count(size, segment_size_of(outgoing->messages));
	advance(outgoing, size);
}

static void drop_all(struct udp *udp, struct outgoing *outgoing)
{
	while (outgoing->count) {
		size_t left = outgoing->messages->size - outgoing->offset;

		udp->counters.send_failures +=
			datagram_count(left, segment_size_of(outgoing->messages));
		advance(outgoing, left);
	}
}

/* True when the refusal may be GSO's fault; the same bytes then go out one by one. */
static bool falls_back(struct udp *udp, struct outgoing *outgoing, int error)
{
	size_t size = udp->envelopes[0].part.iov_len;

	if (size <= segment_size_of(outgoing->messages))
		return false;
	if (error != EIO && error != EINVAL && error != EMSGSIZE)
		return false;
	if (error == EIO)
		udp->has_gso = false;
	outgoing->without_gso_until = outgoing->offset + size;
	udp->counters.gso_fallbacks++;
	return true;
}

int udp_send(struct udp *udp, const struct udp_message *messages, size_t count)
{
	struct outgoing outgoing = {.messages = messages, .count = count};
	bool may_be_earlier = true;
	int result = 0;

	while (outgoing.count) {
		size_t filled = write_envelopes(udp, outgoing);
		int sent = sendmmsg(udp->fd, udp->headers, (unsigned)filled, MSG_DONTWAIT);

		udp->counters.send_calls++;
		if (sent > 0) {
			count_sent(udp, &outgoing, sent);
		} else if (errno == EINTR || falls_back(udp, &outgoing, errno)) {
			continue;
		} else if (errno == ECONNREFUSED && may_be_earlier) {
			/* An ICMP answer to an earlier datagram; this one was not tried. */
			may_be_earlier = false;
		} else if (errno == EAGAIN) {
			/* The buffer is full: what follows would be refused too. */
			result = -EAGAIN;
			drop_all(udp, &outgoing);
		} else {
			result = -errno;
			drop_first(udp, &outgoing);
		}
	}
	return result;
}
