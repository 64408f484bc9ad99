/* What the device needs to know of an IP packet (RFC 791, RFC 8200): where it goes, where it comes
 * from, how long it says it is, and where its transport header starts. Reads bounded memory only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

#define IPV4_HEADER_SIZE     20
#define IPV6_HEADER_SIZE     40
#define TCP_HEADER_SIZE      20
#define TCP_HEADER_MAX       60
#define UDP_HEADER_SIZE      8

/* Offsets inside the headers. */
#define IPV4_SIZE            2
#define IPV4_ID              4
#define IPV4_FRAGMENT        6
#define IPV4_TTL             8
#define IPV4_PROTOCOL        9
#define IPV4_CHECKSUM        10
#define IPV4_SOURCE          12
#define IPV4_DESTINATION     16
#define IPV6_SIZE            4
#define IPV6_NEXT            6
#define IPV6_SOURCE          8
#define IPV6_DESTINATION     24
#define TCP_SEQUENCE         4
#define TCP_ACKNOWLEDGE      8
#define TCP_OFFSET           12
#define TCP_FLAGS            13
#define TCP_CHECKSUM         16
#define UDP_SIZE             4
#define UDP_CHECKSUM         6

#define IPV4_DONT_FRAGMENT   0x4000
#define IPV4_MORE_FRAGMENTS  0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define TCP_FLAG_FIN         0x01
#define TCP_FLAG_PSH         0x08
#define TCP_FLAG_ACK         0x10
#define TCP_FLAG_CWR         0x80

#define PROTOCOL_TCP         6
#define PROTOCOL_UDP         17

static inline uint16_t load_be16(const uint8_t *data)
{
	return (uint16_t)(data[0] << 8 | data[1]);
}

static inline uint32_t load_be32(const uint8_t *data)
{
	return (uint32_t)load_be16(data) << 16 | load_be16(data + 2);
}

static inline void store_be16(uint8_t *data, size_t value)
{
	data[0] = (uint8_t)(value >> 8);
	data[1] = (uint8_t)value;
}

static inline void store_be32(uint8_t *data, uint32_t value)
{
	store_be16(data, value >> 16);
	store_be16(data + 2, value);
}

/* By version and room for the fixed header; FAMILY_NONE when it is no IP packet. */
enum address_family packet_family(const uint8_t *packet, size_t size);
/* What the header says the packet's size is; 0 when that is not IP, shorter than its header or
 * longer than size. Jumbograms are not known. */
size_t packet_size(const uint8_t *packet, size_t size);
/* Both expect a packet with a family. Port 0. */
struct address packet_source(const uint8_t *packet);
struct address packet_destination(const uint8_t *packet);
