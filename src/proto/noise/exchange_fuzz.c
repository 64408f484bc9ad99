/* Messages of all four types into a wg that knows its peers. The fuzzer has the other side's keys,
 * so it passes mac1, mac2 and the AEADs with contents of its own choice, and patches bytes of
 * messages that were right. The input is a series of steps: a byte that says which, and its
 * arguments. */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/crypto.h"
#include "crypto/x25519.h"
#include "proto/noise/stamp.h"
#include "proto/noise/wg.h"
#include "proto/wire/wireguard.h"
#include "seeded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MESSAGE_MAX 512
#define STEPS_MAX   200

enum step {
	STEP_RAW,
	STEP_SIGNED,
	STEP_INITIATION,
	STEP_RESPONSE,
	STEP_COOKIE,
	STEP_DATA,
	STEP_TIME,
	STEP_SEND,
	STEP_START,
	STEP_LOAD,
	STEP_END,
	STEP_COUNT
};

struct fuzz {
	struct wg wg;
	struct wg_peer peer;
	struct key public_key;
	struct noise_identity theirs;
	struct handshake their_handshake;
	struct cookie_maker their_cookies;
	struct handshake_session session; /* as they see it */
	struct aead *aead;
	struct stamp stamp;
	struct seeded seeded;
	usec_t now;
	struct reader reader;
	size_t request_size;                    /* of what is being received; 0 = nothing is */
	uint8_t initiation[WG_INITIATION_SIZE]; /* our last */
	bool has_initiation;
};

static void must(bool is_true)
{
	if (!is_true)
		abort();
}

static void on_send(void *owner, struct wg_peer *peer, const struct address *to, const void *data,
		    size_t size)
{
	struct fuzz *fuzz = owner;
	const uint8_t *bytes = data;

	must(to->family != FAMILY_NONE);
	/* Who proved nothing gets no more than he sent. */
	if (!peer || bytes[0] == WG_RESPONSE)
		must(fuzz->request_size && size <= fuzz->request_size);
	if (bytes[0] == WG_INITIATION) {
		memcpy(fuzz->initiation, data, size);
		fuzz->has_initiation = true;
	}
}

static void on_event(void *owner, struct wg_peer *peer)
{
}

static void on_moved(void *owner, struct wg_peer *peer, const struct address *from)
{
}

static void on_stamp(void *owner, usec_t now, uint8_t out[STAMP_SIZE])
{
	stamp_next(&((struct fuzz *)owner)->stamp, now, out);
}

static void identity_draw(struct fuzz *fuzz, struct noise_identity *identity)
{
	seeded_fill(&fuzz->seeded, &identity->private_key, KEY_SIZE);
	x25519_clamp(&identity->private_key);
	x25519_public(&identity->private_key, &identity->public_key);
	identity->is_set = true;
}

static void begin(struct fuzz *fuzz, struct allowedips_node nodes[16])
{
	const struct wg_ops ops = {fuzz,     on_send,  on_event, on_event,
				   on_moved, on_event, on_stamp, &fuzz->seeded.source};
	const struct prefix host = {.ip = {10, 0, 0, 1}, .family = FAMILY_IPV4, .bits = 8};
	const struct address endpoint = {.ip = {192, 0, 2, 1}, .port = 9, .family = FAMILY_IPV4};
	struct noise_identity ours;

	seeded_init(&fuzz->seeded, 1);
	fuzz->now = 1000 * USEC_PER_SEC;
	identity_draw(fuzz, &ours);
	identity_draw(fuzz, &fuzz->theirs);
	fuzz->public_key = ours.public_key;
	stamp_init(&fuzz->stamp, fuzz->now, fuzz->now, 0);
	wg_init(&fuzz->wg, &ops, NULL);
	allowedips_give_memory(&fuzz->wg.allowed, nodes, 16);
	wg_set_private_key(&fuzz->wg, fuzz->aead, &ours.private_key);
	must(wg_peer_add(&fuzz->wg, &fuzz->peer, &fuzz->theirs.public_key) == 0);
	wg_peer_set_endpoint(&fuzz->peer, &endpoint);
	must(allowedips_add(&fuzz->wg.allowed, &host, &fuzz->peer.allowed) == 0);
	handshake_init(&fuzz->their_handshake, &fuzz->theirs, &fuzz->public_key);
	cookie_maker_init(&fuzz->their_cookies, &fuzz->public_key);
}

/* One of four addresses, by a byte of the input. */
static struct address source_of(struct fuzz *fuzz)
{
	uint8_t which = read_u8(&fuzz->reader);
	struct address from = {.port = 1000, .family = which & 2 ? FAMILY_IPV6 : FAMILY_IPV4};

	from.ip[0] = 0x20;
	from.ip[3] = which & 1;
	return from;
}

static void read_up_to(struct fuzz *fuzz, uint8_t *out, size_t size)
{
	size_t left = reader_left(&fuzz->reader);

	memset(out, 0, size);
	read_bytes(&fuzz->reader, out, left < size ? left : size);
}

/* Up to three bytes become others. */
static void patch(struct fuzz *fuzz, uint8_t *message, size_t size)
{
	uint8_t count = read_u8(&fuzz->reader) % 4;

	while (count-- > 0) {
		uint8_t place = read_u8(&fuzz->reader);

		message[place % size] ^= read_u8(&fuzz->reader);
	}
}

static enum wg_drop receive(struct fuzz *fuzz, const uint8_t *message, size_t size)
{
	struct address from = source_of(fuzz);
	/* Of exact size, so that ASan sees a byte read too far. */
	uint8_t *copy = malloc(size ? size : 1);
	enum wg_drop drop;

	memcpy(copy, message, size);
	fuzz->request_size = size;
	drop = wg_receive_handshake(&fuzz->wg, fuzz->aead, fuzz->now, &from, copy, size);
	fuzz->request_size = 0;
	must(!memcmp(copy, message, size));
	free(copy);
	return drop;
}

static void receive_raw(struct fuzz *fuzz)
{
	size_t size = read_u8(&fuzz->reader);
	uint8_t message[MESSAGE_MAX];

	read_up_to(fuzz, message, size);
	receive(fuzz, message, size);
}

/* Any contents with right macs. */
static void receive_signed(struct fuzz *fuzz)
{
	bool is_initiation = read_u8(&fuzz->reader) & 1;
	size_t size = is_initiation ? WG_INITIATION_SIZE : WG_RESPONSE_SIZE;
	uint8_t message[WG_INITIATION_SIZE];
	enum wg_drop drop;

	read_up_to(fuzz, message, size);
	memcpy(message, (uint8_t[]){is_initiation ? WG_INITIATION : WG_RESPONSE, 0, 0, 0}, 4);
	if (!is_initiation && fuzz->has_initiation)
		memcpy(message + WG_RESPONSE_RECEIVER, fuzz->initiation + WG_INITIATION_SENDER, 4);
	cookie_add_macs(&fuzz->their_cookies, fuzz->now, message, size);
	drop = receive(fuzz, message, size);
	/* Nothing that was not made with both keys gets through. */
	must(drop != WG_OK && drop != WG_DROP_MAC);
}

static void receive_initiation(struct fuzz *fuzz)
{
	uint8_t message[WG_INITIATION_SIZE], stamp[STAMP_SIZE];
	uint32_t index = read_u32(&fuzz->reader);

	read_up_to(fuzz, stamp, sizeof(stamp));
	must(handshake_initiate(&fuzz->their_handshake, &fuzz->theirs, fuzz->aead,
				&fuzz->seeded.source, stamp, index, message));
	patch(fuzz, message, WG_INITIATION_MAC1);
	cookie_add_macs(&fuzz->their_cookies, fuzz->now, message, sizeof(message));
	receive(fuzz, message, sizeof(message));
}

/* Their answer to our last initiation, also to one that is long over. */
static void receive_response(struct fuzz *fuzz)
{
	struct handshake_opening opening;
	uint8_t message[WG_RESPONSE_SIZE];
	uint32_t index = read_u32(&fuzz->reader);

	if (!fuzz->has_initiation)
		return;
	must(handshake_open(&fuzz->theirs, fuzz->aead, fuzz->initiation, &opening));
	fuzz->their_handshake.has_initiation = false;
	memset(fuzz->their_handshake.latest_stamp, 0, STAMP_SIZE);
	must(handshake_accept(&fuzz->their_handshake, fuzz->aead, fuzz->now, 0, &opening,
			      fuzz->initiation) == HANDSHAKE_FINE);
	must(handshake_respond(&fuzz->their_handshake, fuzz->aead, &fuzz->seeded.source, &opening,
			       index, message, &fuzz->session));
	patch(fuzz, message, WG_RESPONSE_MAC1);
	cookie_add_macs(&fuzz->their_cookies, fuzz->now, message, sizeof(message));
	receive(fuzz, message, sizeof(message));
}

static void receive_cookie(struct fuzz *fuzz)
{
	uint8_t message[WG_COOKIE_SIZE];
	struct cookie_checker checker;
	struct address from = {.family = FAMILY_IPV4};

	if (!fuzz->has_initiation)
		return;
	cookie_checker_init(&checker, &fuzz->theirs.public_key);
	cookie_reply_create(&checker, fuzz->aead, fuzz->now, &fuzz->seeded.source, &from,
			    fuzz->initiation, WG_INITIATION_SIZE, message);
	patch(fuzz, message, sizeof(message));
	receive(fuzz, message, sizeof(message));
}

/* Sealed under the session that they have, or under none: contents, counter and size are the
 * fuzzer's. */
static void receive_data(struct fuzz *fuzz)
{
	struct wg_keypair keypair = {.remote_index = fuzz->session.remote_index};
	struct wg_run run = {.keypair = &keypair, .counter = read_u64(&fuzz->reader), .count = 1};
	size_t size = read_u8(&fuzz->reader), inner;
	uint8_t message[MESSAGE_MAX];
	struct address from = source_of(fuzz);
	struct wg_opened opened;

	keypair.send = fuzz->session.send;
	read_up_to(fuzz, message + WG_DATA_HEADER_SIZE, size);
	size = wg_seal(&run, fuzz->aead, 0, message + WG_DATA_HEADER_SIZE, size, 255, message);
	patch(fuzz, message, size);
	if (wg_open(&fuzz->wg, fuzz->aead, fuzz->now, message, size, &opened) != WG_OK)
		return;
	wg_received(&fuzz->wg, fuzz->aead, fuzz->now, &opened, &from, size);
	if (wg_accepts(&fuzz->wg, opened.peer, opened.packet, opened.size, &inner) == WG_OK)
		must(inner >= 20 && inner <= opened.size && opened.packet[12] == 10);
}

static void send_data(struct fuzz *fuzz)
{
	unsigned count = read_u8(&fuzz->reader);
	struct wg_run run;

	if (wg_send_begin(&fuzz->peer, fuzz->aead, fuzz->now, count, &run))
		wg_sent(&fuzz->peer, fuzz->aead, fuzz->now, 100, true);
}

static void step(struct fuzz *fuzz)
{
	switch ((enum step)(read_u8(&fuzz->reader) % STEP_COUNT)) {
	case STEP_RAW:
		return receive_raw(fuzz);
	case STEP_SIGNED:
		return receive_signed(fuzz);
	case STEP_INITIATION:
		return receive_initiation(fuzz);
	case STEP_RESPONSE:
		return receive_response(fuzz);
	case STEP_COOKIE:
		return receive_cookie(fuzz);
	case STEP_DATA:
		return receive_data(fuzz);
	case STEP_TIME:
		fuzz->now += (usec_t)read_u16(&fuzz->reader) * 10 * USEC_PER_MSEC;
		return wg_tick(&fuzz->wg, fuzz->aead, fuzz->now);
	case STEP_SEND:
		return send_data(fuzz);
	case STEP_START:
		return wg_handshake_start(&fuzz->peer, fuzz->aead, fuzz->now);
	case STEP_LOAD:
		fuzz->wg.force_load = read_u8(&fuzz->reader) & 1;
		return;
	case STEP_END:
		return wg_peer_end_sessions(&fuzz->peer);
	case STEP_COUNT:
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct allowedips_node nodes[16];
	static struct fuzz fuzz;

	crypto_init();
	memset(nodes, 0, sizeof(nodes));
	memset(&fuzz, 0, sizeof(fuzz));
	fuzz.aead = aead_new();
	fuzz.reader = reader_over(data, size);
	begin(&fuzz, nodes);
	for (int i = 0; i < STEPS_MAX && reader_left(&fuzz.reader) && !fuzz.reader.failed; i++) {
		step(&fuzz);
		/* One handshake and three sessions at most. */
		must(fuzz.wg.indices.count <= 4);
		must(wg_deadline(&fuzz.wg) > 0);
	}
	wg_peer_remove(&fuzz.peer);
	must(fuzz.wg.indices.count == 0 && fuzz.wg.peer_count == 0);
	wg_done(&fuzz.wg);
	aead_free(fuzz.aead);
	return 0;
}
