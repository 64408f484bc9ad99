/* Whole conversations with a device that is a model of ours: each request gets one answer, a set
 * that is refused changed nothing, and what get=1 tells, set again, gives the same device. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/memory.h"
#include "device/builtin/builtin.h"
#include "device/uapi/control.h"
#include "port/port.h"

#define PORT_IN_USE    7
#define MARK_REFUSED   7
#define MODEL_PORT_ANY 40000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct port {
	uint16_t number;
};

struct builtin {
	struct list peers;
	size_t peer_count;
	struct key private_key;
	struct port port;
};

struct builtin_peer {
	struct list entry;
	struct builtin *builtin;
	struct key key, preshared;
	struct address endpoint;
	uint16_t keepalive;
	struct prefix *allowed;
	size_t allowed_count;
};

/* ---- the model: what device/builtin promises in its header, as plainly as can be ---- */

struct port *builtin_port(struct builtin *builtin)
{
	return &builtin->port;
}

uint16_t port_number(const struct port *port)
{
	return port->number;
}

int builtin_set_listen_port(struct builtin *builtin, uint16_t number)
{
	if (number == PORT_IN_USE)
		return -EADDRINUSE;
	builtin->port.number = number ? number : MODEL_PORT_ANY;
	return 0;
}

int port_set_fwmark(struct port *port, uint32_t fwmark)
{
	return fwmark == MARK_REFUSED ? -EPERM : 0;
}

void builtin_set_private_key(struct builtin *builtin, const struct key *private_key)
{
	builtin->private_key = *private_key;
}

bool builtin_has_private_key(const struct builtin *builtin)
{
	return !key_is_zero(&builtin->private_key);
}

void builtin_get_private_key(const struct builtin *builtin, struct key *ret_private_key)
{
	*ret_private_key = builtin->private_key;
}

/* Any one-to-one relation will do. */
void builtin_get_public_key(const struct builtin *builtin, struct key *ret_public_key)
{
	*ret_public_key = builtin->private_key;
	if (builtin_has_private_key(builtin))
		ret_public_key->bytes[0] ^= 1;
}

bool builtin_may_be_peer(const struct key *public_key)
{
	return !key_is_zero(public_key) && key_is_canonical_point(public_key);
}

int builtin_peer_add(struct builtin *builtin, const struct key *public_key,
		     struct builtin_peer **ret_peer)
{
	struct builtin_peer *peer = new (struct builtin_peer);

	assert(builtin_may_be_peer(public_key) && !builtin_peer_find(builtin, public_key));
	peer->builtin = builtin;
	peer->key = *public_key;
	list_append(&builtin->peers, &peer->entry);
	builtin->peer_count++;
	*ret_peer = peer;
	return 0;
}

void builtin_peer_remove(struct builtin_peer *peer)
{
	peer->builtin->peer_count--;
	list_remove(&peer->entry);
	free(peer->allowed);
	free(peer);
}

struct builtin_peer *builtin_peer_next(const struct builtin *builtin,
				       const struct builtin_peer *peer)
{
	const struct list *entry = peer ? peer->entry.next : builtin->peers.next;

	return entry == &builtin->peers ? NULL : list_entry(entry, struct builtin_peer, entry);
}

struct builtin_peer *builtin_peer_find(const struct builtin *builtin, const struct key *public_key)
{
	struct builtin_peer *peer = NULL;

	while ((peer = builtin_peer_next(builtin, peer)) && !key_is_equal(&peer->key, public_key))
		;
	return peer;
}

size_t builtin_peer_count(const struct builtin *builtin)
{
	return builtin->peer_count;
}

const struct key *builtin_peer_key(const struct builtin_peer *peer)
{
	return &peer->key;
}

void builtin_peer_set_preshared_key(struct builtin_peer *peer, const struct key *preshared_key)
{
	peer->preshared = *preshared_key;
}

void builtin_peer_get_preshared_key(const struct builtin_peer *peer, struct key *ret_preshared_key)
{
	*ret_preshared_key = peer->preshared;
}

void builtin_peer_set_endpoint(struct builtin_peer *peer, const struct address *endpoint)
{
	peer->endpoint = *endpoint;
}

void builtin_peer_set_keepalive(struct builtin_peer *peer, uint16_t seconds)
{
	peer->keepalive = seconds;
}

uint16_t builtin_peer_keepalive(const struct builtin_peer *peer)
{
	return peer->keepalive;
}

void builtin_peer_get_statistics(const struct builtin_peer *peer,
				 struct builtin_peer_statistics *ret_statistics)
{
	*ret_statistics = (struct builtin_peer_statistics){.endpoint = peer->endpoint};
}

bool builtin_peer_disallow(struct builtin_peer *peer, const struct prefix *prefix)
{
	struct prefix masked = prefix_masked(prefix);

	for (size_t i = 0; i < peer->allowed_count; i++) {
		if (!prefix_is_equal(&peer->allowed[i], &masked))
			continue;
		peer->allowed[i] = peer->allowed[--peer->allowed_count];
		return true;
	}
	return false;
}

void builtin_peer_disallow_all(struct builtin_peer *peer)
{
	peer->allowed_count = 0;
}

int builtin_peer_allow(struct builtin_peer *peer, const struct prefix *prefix)
{
	struct builtin_peer *other = NULL;

	while ((other = builtin_peer_next(peer->builtin, other)))
		builtin_peer_disallow(other, prefix);
	peer->allowed = memory_resize(peer->allowed, peer->allowed_count + 1, sizeof(*prefix));
	peer->allowed[peer->allowed_count++] = prefix_masked(prefix);
	return 0;
}

bool builtin_peer_allowed(const struct builtin_peer *peer, size_t index, struct prefix *ret_prefix)
{
	if (index < peer->allowed_count)
		*ret_prefix = peer->allowed[index];
	return index < peer->allowed_count;
}

/* ---- conversations ---- */

static void begin(struct control *control, struct builtin *builtin)
{
	*builtin = (struct builtin){.port.number = MODEL_PORT_ANY};
	list_init(&builtin->peers);
	*control = (struct control){.builtin = builtin};
}

static void end(struct builtin *builtin)
{
	struct builtin_peer *peer;

	while ((peer = builtin_peer_next(builtin, NULL)))
		builtin_peer_remove(peer);
}

/* The errno of the one answer that there is. */
static int ask(struct control *control, const char *request, size_t size, struct buffer *answer)
{
	const char *line;
	int number = 0, length = 0;

	control_answer(control, 1, 1, request, size, answer);
	line = strstr(answer->data, "errno=");
	assert(line && (line == answer->data || line[-1] == '\n'));
	assert(sscanf(line, "errno=%d%n", &number, &length) == 1);
	assert(number <= 0 && !strcmp(line + length, "\n\n"));
	return number;
}

/* What get=1 tells of the settings, as lines of a set request. */
static void tell(struct control *control, struct buffer *out)
{
	static const char *const moving[] = {"last_handshake", "tx_bytes", "rx_bytes", "errno"};
	auto_buffer struct buffer answer = {0};

	assert(!ask(control, "get=1\n", 6, &answer));
	buffer_print(out, "set=1\n");
	for (char *rest = answer.data, *line; (line = strsep(&rest, "\n")) && *line;) {
		bool is_setting = true;

		for (size_t i = 0; i < array_size(moving); i++)
			is_setting &= strncmp(line, moving[i], strlen(moving[i])) != 0;
		if (is_setting)
			buffer_print(out, "%s\n", line);
	}
}

static void check_told_again(const struct buffer *told)
{
	auto_buffer struct buffer again = {0}, answer = {0};
	struct builtin builtin;
	struct control control;

	begin(&control, &builtin);
	assert(!ask(&control, told->data, told->size, &answer));
	tell(&control, &again);
	assert(again.size == told->size && !memcmp(again.data, told->data, told->size));
	end(&builtin);
}

static void converse(struct control *control, const char *request, size_t size)
{
	auto_buffer struct buffer before = {0}, after = {0}, answer = {0};
	int result;

	tell(control, &before);
	result = ask(control, request, size, &answer);
	tell(control, &after);
	if (result)
		assert(after.size == before.size && !memcmp(after.data, before.data, after.size));
	check_told_again(&after);
}

static void note_asked(void *owner, const char *asked)
{
	assert(strlen(asked) < 160);
	++*(unsigned *)owner;
}

/* The same said to a device that may only be looked at: refused once, or nothing was asked. */
static void check_looking(struct control *control, const char *request, size_t size)
{
	auto_buffer struct buffer before = {0}, after = {0}, answer = {0};
	struct control looking = *control;
	unsigned told = 0;
	int result;

	looking.on_refused = note_asked;
	looking.owner = &told;
	tell(&looking, &before);
	result = ask(&looking, request, size, &answer);
	tell(&looking, &after);
	assert(told == (result == -EPERM));
	assert(after.size == before.size && !memcmp(after.data, before.data, after.size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct builtin builtin;
	struct control control;

	begin(&control, &builtin);
	while (size) {
		const char *empty = memmem(text, size, "\n\n", 2);
		size_t part = empty ? (size_t)(empty - text) + 1 : size;
		size_t total = empty ? part + 1 : size;

		check_looking(&control, text, part);
		converse(&control, text, part);
		text += total;
		size -= total;
	}
	end(&builtin);
	return 0;
}
