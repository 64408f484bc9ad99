/* Control datagrams between two nodes: header, body, and nothing of their sealing (proto/pair does
 * that).
 *
 *  0  class = WIRE_CLASS_CONTROL      16  nonce, 24 bytes, random
 *  1  three zero bytes (check bits)   40  sealed body (CONTROL_BODY_SIZE) and zero padding
 *  4  index, 8 bytes                  ..  tag, 16 bytes
 * 12  salt, 4 bytes, random
 *
 * The first 16 bytes are masked on the wire. index: the receiver's hint of the pair at first
 * contact, later the random index which the receiver assigned. Version and everything else travel
 * sealed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/key.h"

#define CONTROL_HEADER_SIZE 16
#define CONTROL_NONCE_SIZE  24
#define CONTROL_TAG_SIZE    16
#define CONTROL_BODY_SIZE   104
#define CONTROL_PADDING_MAX 64
#define CONTROL_MINIMUM \
	(CONTROL_HEADER_SIZE + CONTROL_NONCE_SIZE + CONTROL_BODY_SIZE + CONTROL_TAG_SIZE)
#define CONTROL_MAXIMUM (CONTROL_MINIMUM + CONTROL_PADDING_MAX)
#define CONTROL_VERSION 1
#define BOOT_ID_SIZE    8
#define PROBE_ECHO_SIZE 16

/* Requests and answers differ in kind, so nothing echoes for ever. */
enum control_kind {
	CONTROL_PROBE =
		1, /* "does this address reach you?" with a random echo; opens our NAT on its way */
	CONTROL_ANSWER =
		2, /* the echo back to where the probe came from, and which address that was */
};

struct control_body {
	enum control_kind kind;
	uint8_t boot_id[BOOT_ID_SIZE];      /* of the sender's process */
	uint8_t peer_boot_id[BOOT_ID_SIZE]; /* the last one seen of the receiver, zeros if none */
	uint64_t counter;                   /* per pair and boot id, from 1 */
	uint64_t index;                     /* what the sender wants in headers towards it */
	struct key ephemeral;               /* X25519, of the sender's boot id */
	uint8_t echo[PROBE_ECHO_SIZE];
	struct address observed; /* answers: where the probe came from; probes: FAMILY_NONE */
	bool has_session;        /* answers: the sender has a WireGuard session with the receiver */
};

struct control_header {
	uint64_t index;
	uint32_t salt;
};

void control_header_encode(const struct control_header *header, uint8_t out[CONTROL_HEADER_SIZE]);
struct control_header control_header_decode(const uint8_t data[CONTROL_HEADER_SIZE]);

void control_body_encode(const struct control_body *body, uint8_t out[CONTROL_BODY_SIZE]);
/* False: another version, unknown kind, or an address that is none. */
bool control_body_decode(const uint8_t *data, size_t size, struct control_body *ret_body);

/* Shared with the map: family (0, 4, 6), 16 bytes of ip, port. 19 bytes. */
struct reader;
struct writer;
#define WIRE_ADDRESS_SIZE 19
struct address wire_read_address(struct reader *reader);
void wire_write_address(struct writer *writer, const struct address *address);
