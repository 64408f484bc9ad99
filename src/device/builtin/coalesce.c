#include "device/builtin/coalesce.h"

#include <string.h>

#include "device/builtin/checksum.h"
#include "device/builtin/packet.h"

/* A packet that could be joined with others, taken apart. */
struct candidate {
	uint8_t *packet;
	size_t size, transport, header_size;
	uint8_t protocol;
	bool is_ipv4;
	bool is_joinable; /* false: of a known flow, but must stay as it is */
};

void coalesce_init(struct coalesce *coalesce, bool may_join_tcp, bool may_join_udp,
		   const struct coalesce_sink *sink)
{
	memset(coalesce, 0, sizeof(*coalesce));
	coalesce->may_join_tcp = may_join_tcp;
	coalesce->may_join_udp = may_join_udp;
	coalesce->sink = *sink;
}

static bool is_tcp_joinable(const uint8_t *tcp, size_t payload)
{
	return payload && (tcp[TCP_FLAGS] & ~TCP_FLAG_PSH) == TCP_FLAG_ACK;
}

static bool is_udp_joinable(const uint8_t *udp, size_t payload)
{
	return payload && load_be16(udp + UDP_SIZE) == UDP_HEADER_SIZE + payload &&
	       load_be16(udp + UDP_CHECKSUM);
}

static size_t pseudo_address_size(const struct candidate *candidate)
{
	return candidate->is_ipv4 ? 4 : 16;
}

static uint64_t pseudo_sum(const struct candidate *candidate, size_t size)
{
	const uint8_t *source =
		candidate->packet + (candidate->is_ipv4 ? IPV4_SOURCE : IPV6_SOURCE);

	return checksum_pseudo(candidate->is_ipv4 ? FAMILY_IPV4 : FAMILY_IPV6, source,
			       source + pseudo_address_size(candidate), candidate->protocol,
			       (uint32_t)size);
}

/* A joined packet gets checksums of its own, so a wrong one must never be joined: it would become
 * right. */
static bool are_checksums_right(const struct candidate *candidate)
{
	size_t size = candidate->size - candidate->transport;
	uint64_t sum = pseudo_sum(candidate, size);

	if (candidate->is_ipv4 &&
	    checksum_fold(checksum_add(0, candidate->packet, IPV4_HEADER_SIZE)) != 0xffff)
		return false;
	return checksum_fold(checksum_add(sum, candidate->packet + candidate->transport, size)) ==
	       0xffff;
}

/* False: no TCP or UDP right behind a plain IP header; order does not matter for it. */
static bool candidate_parse(struct candidate *candidate, uint8_t *packet, size_t size)
{
	enum address_family family = packet_family(packet, size);
	size_t least;

	*candidate = (struct candidate){.packet = packet, .size = size};
	candidate->is_ipv4 = family == FAMILY_IPV4;
	if (family == FAMILY_NONE || packet_size(packet, size) != size)
		return false;
	if (candidate->is_ipv4 &&
	    (packet[0] != 0x45 || load_be16(packet + IPV4_FRAGMENT) & ~IPV4_DONT_FRAGMENT))
		return false;
	candidate->transport = candidate->is_ipv4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE;
	candidate->protocol = packet[candidate->is_ipv4 ? IPV4_PROTOCOL : IPV6_NEXT];
	least = candidate->protocol == PROTOCOL_TCP ? TCP_HEADER_SIZE : UDP_HEADER_SIZE;
	if (candidate->protocol != PROTOCOL_TCP && candidate->protocol != PROTOCOL_UDP)
		return false;
	candidate->header_size = candidate->transport + least;
	if (size < candidate->header_size)
		return false;
	if (candidate->protocol == PROTOCOL_TCP)
		candidate->header_size =
			candidate->transport +
			(size_t)(packet[candidate->transport + TCP_OFFSET] >> 4) * 4;
	return candidate->header_size >= candidate->transport + least &&
	       candidate->header_size <= size;
}

static void candidate_judge(const struct coalesce *coalesce, struct candidate *candidate)
{
	const uint8_t *transport = candidate->packet + candidate->transport;
	size_t payload = candidate->size - candidate->header_size;
	bool may_join = candidate->protocol == PROTOCOL_TCP
				? coalesce->may_join_tcp && is_tcp_joinable(transport, payload)
				: coalesce->may_join_udp && is_udp_joinable(transport, payload);

	candidate->is_joinable = may_join && are_checksums_right(candidate);
}

static uint8_t *run_packet(const struct coalesce_run *run)
{
	return run->parts[0].iov_base;
}

/* Same family, protocol, addresses and ports. */
static bool is_same_flow(const struct coalesce_run *run, const struct candidate *candidate)
{
	const uint8_t *a = run_packet(run), *b = candidate->packet;
	size_t addresses = candidate->is_ipv4 ? IPV4_SOURCE : IPV6_SOURCE;
	size_t protocol = candidate->is_ipv4 ? IPV4_PROTOCOL : IPV6_NEXT;

	/* The ports follow the addresses at once: there are no options. */
	return a[0] >> 4 == b[0] >> 4 && a[protocol] == b[protocol] &&
	       !memcmp(a + addresses, b + addresses, 2 * pseudo_address_size(candidate) + 4);
}

static bool is_ip_continued(const struct coalesce_run *run, const struct candidate *candidate)
{
	const uint8_t *a = run_packet(run), *b = candidate->packet;
	uint16_t next_id = (uint16_t)(load_be16(a + IPV4_ID) + run->count);

	if (!candidate->is_ipv4)
		return !memcmp(a, b, IPV6_SIZE) && a[IPV6_NEXT + 1] == b[IPV6_NEXT + 1];
	return a[1] == b[1] && !memcmp(a + IPV4_FRAGMENT, b + IPV4_FRAGMENT, 2) &&
	       a[IPV4_TTL] == b[IPV4_TTL] &&
	       (load_be16(b + IPV4_ID) == next_id ||
		load_be16(b + IPV4_FRAGMENT) == IPV4_DONT_FRAGMENT);
}

/* Acknowledgement, size of the header, window, urgent pointer and options are the same, and the
 * sequence goes on. */
static bool is_tcp_continued(const struct coalesce_run *run, const struct candidate *candidate)
{
	const uint8_t *a = run_packet(run) + run->transport;
	const uint8_t *b = candidate->packet + candidate->transport;
	size_t header_size = candidate->header_size - candidate->transport;

	return load_be32(b + TCP_SEQUENCE) == run->next_sequence &&
	       !memcmp(a + TCP_ACKNOWLEDGE, b + TCP_ACKNOWLEDGE, TCP_FLAGS - TCP_ACKNOWLEDGE) &&
	       !memcmp(a + TCP_FLAGS + 1, b + TCP_FLAGS + 1, TCP_CHECKSUM - TCP_FLAGS - 1) &&
	       !memcmp(a + TCP_CHECKSUM + 2, b + TCP_CHECKSUM + 2, header_size - TCP_CHECKSUM - 2);
}

static bool may_join(const struct coalesce_run *run, const struct candidate *candidate)
{
	size_t payload = candidate->size - candidate->header_size;

	return candidate->is_joinable && candidate->header_size == run->header_size &&
	       payload <= run->segment && run->count < COALESCE_PACKETS &&
	       run->size + payload <= TUN_PACKET_MAX && is_ip_continued(run, candidate) &&
	       (candidate->protocol == PROTOCOL_UDP || is_tcp_continued(run, candidate));
}

static void write_joined(struct coalesce *coalesce, struct coalesce_run *run)
{
	uint8_t *packet = run_packet(run), *transport = packet + run->transport;
	struct candidate joined = {.packet = packet, .is_ipv4 = packet[0] >> 4 == 4};
	struct tun_header header = {.flags = TUN_NEEDS_CHECKSUM};
	uint16_t checksum;

	joined.protocol = packet[joined.is_ipv4 ? IPV4_PROTOCOL : IPV6_NEXT];
	header.header_size = (uint16_t)run->header_size;
	header.gso_size = (uint16_t)run->segment;
	header.checksum_start = (uint16_t)run->transport;
	if (joined.is_ipv4) {
		store_be16(packet + IPV4_SIZE, run->size);
		memset(packet + IPV4_CHECKSUM, 0, 2);
		checksum = (uint16_t)~checksum_fold(checksum_add(0, packet, IPV4_HEADER_SIZE));
		memcpy(packet + IPV4_CHECKSUM, &checksum, 2);
	} else {
		store_be16(packet + IPV6_SIZE, run->size - IPV6_HEADER_SIZE);
	}
	if (joined.protocol == PROTOCOL_TCP) {
		header.gso_type = joined.is_ipv4 ? TUN_GSO_TCP4 : TUN_GSO_TCP6;
		header.checksum_offset = TCP_CHECKSUM;
	} else {
		header.gso_type = TUN_GSO_UDP;
		header.checksum_offset = UDP_CHECKSUM;
		store_be16(transport + UDP_SIZE, run->size - run->transport);
	}
	checksum = checksum_fold(pseudo_sum(&joined, run->size - run->transport));
	memcpy(transport + header.checksum_offset, &checksum, 2);
	coalesce->sink.write(coalesce->sink.owner, &header, run->parts, run->count);
}

static void run_flush(struct coalesce *coalesce, struct coalesce_run *run)
{
	static const struct tun_header plain;

	if (run->count == 1)
		coalesce->sink.write(coalesce->sink.owner, &plain, run->parts, 1);
	else if (run->count)
		write_joined(coalesce, run);
	run->count = 0;
}

static void pass_through(struct coalesce *coalesce, uint8_t *packet, size_t size)
{
	static const struct tun_header plain;
	struct iovec part = {packet, size};

	coalesce->sink.write(coalesce->sink.owner, &plain, &part, 1);
}

static bool is_last(const struct coalesce_run *run, const struct candidate *candidate)
{
	return candidate->size - candidate->header_size < run->segment ||
	       (candidate->protocol == PROTOCOL_TCP &&
		candidate->packet[candidate->transport + TCP_FLAGS] & TCP_FLAG_PSH);
}

static void run_start(struct coalesce *coalesce, struct coalesce_run *run,
		      const struct candidate *candidate)
{
	run->parts[0] = (struct iovec){candidate->packet, candidate->size};
	run->count = 1;
	run->size = candidate->size;
	run->header_size = candidate->header_size;
	run->segment = candidate->size - candidate->header_size;
	run->transport = candidate->transport;
	run->next_sequence = load_be32(candidate->packet + candidate->transport + TCP_SEQUENCE) +
			     (uint32_t)run->segment;
	if (is_last(run, candidate))
		run_flush(coalesce, run);
}

static void run_join(struct coalesce *coalesce, struct coalesce_run *run,
		     const struct candidate *candidate)
{
	uint8_t *flags = run_packet(run) + run->transport + TCP_FLAGS;
	size_t payload = candidate->size - candidate->header_size;

	run->parts[run->count++] =
		(struct iovec){candidate->packet + candidate->header_size, payload};
	run->size += payload;
	run->next_sequence += (uint32_t)payload;
	if (candidate->protocol == PROTOCOL_TCP)
		*flags |= candidate->packet[candidate->transport + TCP_FLAGS] & TCP_FLAG_PSH;
	if (is_last(run, candidate))
		run_flush(coalesce, run);
}

static struct coalesce_run *run_find(struct coalesce *coalesce, const struct candidate *candidate)
{
	for (size_t i = 0; i < COALESCE_FLOWS; i++)
		if (coalesce->runs[i].count && is_same_flow(&coalesce->runs[i], candidate))
			return &coalesce->runs[i];
	return NULL;
}

/* A free place, or that of the flow which has waited for its turn longest. */
static struct coalesce_run *run_place(struct coalesce *coalesce)
{
	struct coalesce_run *run;

	for (size_t i = 0; i < COALESCE_FLOWS; i++)
		if (!coalesce->runs[i].count)
			return &coalesce->runs[i];
	run = &coalesce->runs[coalesce->next_victim++ % COALESCE_FLOWS];
	run_flush(coalesce, run);
	return run;
}

void coalesce_add(struct coalesce *coalesce, uint8_t *packet, size_t size)
{
	struct candidate candidate;
	struct coalesce_run *run;

	if (!candidate_parse(&candidate, packet, size)) {
		pass_through(coalesce, packet, size);
		return;
	}
	candidate_judge(coalesce, &candidate);
	run = run_find(coalesce, &candidate);
	if (run && may_join(run, &candidate)) {
		run_join(coalesce, run, &candidate);
		return;
	}
	if (run)
		run_flush(coalesce, run);
	if (candidate.is_joinable)
		run_start(coalesce, run ? run : run_place(coalesce), &candidate);
	else
		pass_through(coalesce, packet, size);
}

void coalesce_flush(struct coalesce *coalesce)
{
	for (size_t i = 0; i < COALESCE_FLOWS; i++)
		run_flush(coalesce, &coalesce->runs[i]);
}
