/* Shapes of WireGuard's messages (WireGuard paper, section 5.4) and the one dispatch rule of the
 * UDP port. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WG_INITIATION           1
#define WG_RESPONSE             2
#define WG_COOKIE               3
#define WG_DATA                 4

#define WG_INITIATION_SIZE      148
#define WG_RESPONSE_SIZE        92
#define WG_COOKIE_SIZE          64
#define WG_DATA_HEADER_SIZE     16
#define WG_DATA_OVERHEAD        32 /* header + tag; also the smallest data message, a keepalive */

/* Byte offsets inside the messages; all integers little-endian. */
#define WG_INITIATION_SENDER    4
#define WG_INITIATION_EPHEMERAL 8
#define WG_INITIATION_STATIC    40
#define WG_INITIATION_TIMESTAMP 88
#define WG_INITIATION_MAC1      116
#define WG_INITIATION_MAC2      132
#define WG_RESPONSE_SENDER      4
#define WG_RESPONSE_RECEIVER    8
#define WG_RESPONSE_EPHEMERAL   12
#define WG_RESPONSE_EMPTY       44
#define WG_RESPONSE_MAC1        60
#define WG_RESPONSE_MAC2        76
#define WG_COOKIE_RECEIVER      4
#define WG_COOKIE_NONCE         8
#define WG_COOKIE_SEALED        32
#define WG_DATA_RECEIVER        4
#define WG_DATA_COUNTER         8

/* What a datagram on the port is. The order of the tests is the protocol; nothing falls through. */
enum wire_shape {
	WIRE_INITIATION, /* type 1, exactly 148 bytes */
	WIRE_RESPONSE,   /* type 2, exactly 92 */
	WIRE_COOKIE,     /* type 3, exactly 64 */
	WIRE_DATA,       /* type 4, at least 32; no demand for a multiple of 16 (clamped by MTU) */
	WIRE_MALFORMED,  /* types 1..4 with three zero bytes, but a wrong length */
	WIRE_STUN,       /* STUN by RFC 8489: only responses to our own requests are ever used */
	WIRE_MASKED, /* everything else of at least WIRE_MASKED_MINIMUM bytes: unmask, then decide
		      */
	WIRE_SHORT,  /* too short to be anything of ours */
};

/* A masked header block and the 16 bytes that vary it. */
#define WIRE_MASKED_MINIMUM 32

enum wire_shape wire_shape_of(const uint8_t *data, size_t size);

/* Classes of our own datagrams: first byte of the unmasked 16-byte header (docs/protocol.md). They
 * lie above WireGuard's types, and never appear in clear. */
enum wire_class {
	WIRE_CLASS_CONTROL = 0x10,       /* sealed under pair keys */
	WIRE_CLASS_ENROL_REQUEST = 0x11, /* Noise IK, message 1 */
	WIRE_CLASS_ENROL_ANSWER = 0x12,  /* Noise IK, message 2 */
	WIRE_CLASS_ENROL_COOKIE = 0x13,  /* prove your address first */
};
