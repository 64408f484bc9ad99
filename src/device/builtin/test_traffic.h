/* For tests: packets of TCP and UDP flows, made and checked by routines that share nothing with the
 * code under test (bytes by shifts, checksums 16 bits at a time as RFC 1071 writes them). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct random_numbers {
	uint64_t state;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint32_t next_random(struct random_numbers *numbers)
{
	uint64_t z = numbers->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(z >> 31);
}

static inline uint32_t random_up_to(struct random_numbers *numbers, uint32_t limit)
{
	return next_random(numbers) % (limit + 1);
}

/* TEST_SEED repeats a failed run. */
static inline struct random_numbers seeded_random(void)
{
	const char *text = getenv("TEST_SEED");
	struct random_numbers numbers = {text ? strtoull(text, NULL, 10) : 1};

	printf("TEST_SEED=%llu\n", (unsigned long long)numbers.state);
	return numbers;
}

static inline uint32_t slow_sum(uint32_t sum, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static inline void put16(uint8_t *data, uint32_t value)
{
	data[0] = (uint8_t)(value >> 8);
	data[1] = (uint8_t)value;
}

static inline void put32(uint8_t *data, uint32_t value)
{
	put16(data, value >> 16);
	put16(data + 2, value);
}

static inline uint32_t get16(const uint8_t *data)
{
	return (uint32_t)data[0] << 8 | data[1];
}

/* Sum over pseudo-header and transport part, 0xffff when the checksum inside is right. */
static inline uint32_t slow_transport_sum(const uint8_t *packet, size_t size)
{
	size_t header = packet[0] >> 4 == 4 ? 20 : 40;
	uint8_t protocol = header == 20 ? packet[9] : packet[6];
	uint32_t sum = header == 20 ? slow_sum(0, packet + 12, 8) : slow_sum(0, packet + 8, 32);

	sum = sum + protocol + (uint32_t)(size - header);
	return slow_sum((sum & 0xffff) + (sum >> 16), packet + header, size - header);
}

static inline bool has_right_checksums(const uint8_t *packet, size_t size)
{
	if (packet[0] >> 4 == 4 && slow_sum(0, packet, 20) != 0xffff)
		return false;
	return slow_transport_sum(packet, size) == 0xffff;
}

struct test_flow {
	bool is_ipv6, is_tcp;
	uint8_t tos, ttl, options; /* options: words behind the TCP header */
	uint8_t option;            /* what the options are filled with */
	uint16_t ports[2], fragment, id, window, urgent;
	uint32_t sequence, acknowledge;
	uint8_t addresses[32];
};

static inline struct test_flow random_flow(struct random_numbers *numbers)
{
	struct test_flow flow = {
		.is_ipv6 = random_up_to(numbers, 1),
		.is_tcp = random_up_to(numbers, 2) > 0,
		.tos = (uint8_t)next_random(numbers),
		.ttl = (uint8_t)(1 + random_up_to(numbers, 200)),
		.options = (uint8_t)random_up_to(numbers, 9),
		.ports = {(uint16_t)next_random(numbers), (uint16_t)next_random(numbers)},
		.fragment = random_up_to(numbers, 1) ? 0x4000 : 0,
		.id = (uint16_t)next_random(numbers),
		/* Near the end of the number space, so that it wraps. */
		.sequence = 0xfffff000 + random_up_to(numbers, 0x1000),
		.acknowledge = next_random(numbers),
	};

	for (size_t i = 0; i < sizeof(flow.addresses); i++)
		flow.addresses[i] = (uint8_t)next_random(numbers);
	return flow;
}

static inline size_t flow_header_size(const struct test_flow *flow)
{
	return (size_t)(flow->is_ipv6 ? 40 : 20) +
	       (flow->is_tcp ? 20 + 4 * (size_t)flow->options : 8);
}

static inline void fill_ip(const struct test_flow *flow, uint8_t *out, size_t size)
{
	uint8_t protocol = flow->is_tcp ? 6 : 17;

	if (flow->is_ipv6) {
		out[0] = (uint8_t)(0x60 | flow->tos >> 4);
		out[1] = (uint8_t)(flow->tos << 4);
		put16(out + 4, (uint32_t)size - 40);
		out[6] = protocol;
		out[7] = flow->ttl;
		memcpy(out + 8, flow->addresses, 32);
		return;
	}
	out[0] = 0x45;
	out[1] = flow->tos;
	put16(out + 2, (uint32_t)size);
	put16(out + 4, flow->id);
	put16(out + 6, flow->fragment);
	out[8] = flow->ttl;
	out[9] = protocol;
	memcpy(out + 12, flow->addresses, 8);
	put16(out + 10, ~slow_sum(0, out, 20));
}

/* The next packet of the flow, whole and right. Returns its size. */
static inline size_t flow_packet(struct test_flow *flow, struct random_numbers *numbers,
				 uint8_t flags, size_t payload, uint8_t *out)
{
	size_t size = flow_header_size(flow) + payload, ip = flow->is_ipv6 ? 40 : 20;
	uint8_t *transport = out + ip;

	memset(out, 0, flow_header_size(flow));
	for (size_t i = flow_header_size(flow); i < size; i++)
		out[i] = (uint8_t)next_random(numbers);
	fill_ip(flow, out, size);
	put16(transport, flow->ports[0]);
	put16(transport + 2, flow->ports[1]);
	if (flow->is_tcp) {
		put32(transport + 4, flow->sequence);
		put32(transport + 8, flow->acknowledge);
		transport[12] = (uint8_t)((5 + flow->options) << 4);
		transport[13] = flags;
		put16(transport + 14, flow->window);
		put16(transport + 18, flow->urgent);
		memset(transport + 20, flow->option, 4 * (size_t)flow->options);
		put16(transport + 16, ~slow_transport_sum(out, size));
	} else {
		uint32_t checksum;

		put16(transport + 4, (uint32_t)(8 + payload));
		checksum = ~slow_transport_sum(out, size) & 0xffff;
		put16(transport + 6, checksum ? checksum : 0xffff);
	}
	flow->sequence += (uint32_t)payload;
	flow->id++;
	return size;
}
