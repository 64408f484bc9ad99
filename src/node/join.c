/* Enrolment before the daemon exists: a loop of its own that only lives for these seconds. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "base/memory.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "node/node.h"
#include "proto/enrol/enrol.h"
#include "sys/loop/loop.h"
#include "sys/resolve/resolve.h"
#include "sys/state/files.h"
#include "sys/udp/udp.h"

#define TARGETS_MAX 8

struct joining {
	struct loop *loop;
	struct resolve *resolve;
	struct enrol_client client;
	struct loop_timer timer;
	struct udp *sockets[2]; /* IPv4, IPv6; NULL where the machine has none */
	struct loop_source sources[2];
	struct address targets[TARGETS_MAX];
	size_t target_count;
	struct conf_endpoint endpoints[JOIN_ENDPOINTS_MAX];
	size_t endpoint_count, resolving;
	struct resolve_request *request;
	uint8_t buffer[65536];
	int last_error;
};

static struct udp *socket_for(const struct joining *joining, const struct address *address)
{
	return joining->sockets[address->family == FAMILY_IPV6];
}

static void send_to_all(struct joining *joining, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < joining->target_count; i++) {
		struct udp_message message = {.remote = joining->targets[i],
					      .data = (uint8_t *)data,
					      .size = size,
					      .segment_size = size};
		struct udp *udp = socket_for(joining, &joining->targets[i]);
		int error = udp ? udp_send(udp, &message, 1) : -EAFNOSUPPORT;

		if (error)
			joining->last_error = error;
	}
}

static void proceed(struct joining *joining, usec_t now)
{
	uint8_t datagram[ENROL_REQUEST_MAXIMUM];
	/* Without an address nothing is sent, but the deadline runs. */
	size_t size = joining->target_count || now >= joining->client.deadline
			      ? enrol_client_send(&joining->client, now, datagram)
			      : 0;
	usec_t next = enrol_client_next(&joining->client);

	if (size)
		send_to_all(joining, datagram, size);
	if (joining->client.state != ENROL_ASKING) {
		loop_stop(joining->loop);
		return;
	}
	if (!joining->target_count)
		next = joining->client.deadline;
	loop_timer_set(joining->loop, &joining->timer, next > now ? next : now + USEC_PER_MSEC);
}

static void on_timer(void *owner, usec_t now)
{
	proceed(owner, now);
}

static bool is_target(const struct joining *joining, const struct address *address)
{
	for (size_t i = 0; i < joining->target_count; i++) {
		if (address_is_equal(&joining->targets[i], address))
			return true;
	}
	return false;
}

static void receive(struct joining *joining, struct udp *udp)
{
	struct udp_message message = {.data = joining->buffer, .capacity = sizeof(joining->buffer)};

	while (udp_receive(udp, &message, 1) > 0) {
		if (message.size == message.segment_size && is_target(joining, &message.remote))
			enrol_client_receive(&joining->client, loop_now(joining->loop),
					     message.data, message.size);
		message.capacity = sizeof(joining->buffer);
	}
	proceed(joining, loop_now(joining->loop));
}

static void on_ipv4(void *owner, uint32_t events)
{
	struct joining *joining = owner;

	(void)events;
	receive(joining, joining->sockets[0]);
}

static void on_ipv6(void *owner, uint32_t events)
{
	struct joining *joining = owner;

	(void)events;
	receive(joining, joining->sockets[1]);
}

static void resolve_next(struct joining *joining);

static void on_resolved(void *owner, const struct address *addresses, size_t count, int error)
{
	struct joining *joining = owner;
	uint16_t port = joining->endpoints[joining->resolving].port;

	joining->request = NULL;
	if (error)
		joining->last_error = error;
	for (size_t i = 0; !error && i < count && joining->target_count < TARGETS_MAX; i++) {
		struct address address = addresses[i];

		address.port = port;
		if (socket_for(joining, &address) && !is_target(joining, &address))
			joining->targets[joining->target_count++] = address;
	}
	joining->resolving++;
	proceed(joining, loop_now(joining->loop));
	resolve_next(joining);
}

static void resolve_next(struct joining *joining)
{
	while (joining->resolving < joining->endpoint_count) {
		int error =
			resolve_start(joining->resolve, joining->endpoints[joining->resolving].host,
				      on_resolved, joining, &joining->request);

		if (!error)
			return;
		joining->last_error = error;
		joining->resolving++;
	}
}

static int open_sockets(struct joining *joining)
{
	static const uint8_t families[] = {FAMILY_IPV4, FAMILY_IPV6};
	int error = -EAFNOSUPPORT;

	for (size_t i = 0; i < 2; i++) {
		struct udp_options options = {.bind = {.family = families[i]},
					      .buffer_size = 65536};
		int result = udp_open(&options, &joining->sockets[i]);

		if (result) {
			joining->sockets[i] = NULL;
			continue;
		}
		error = 0;
		joining->sources[i] = (struct loop_source){.fd = udp_fd(joining->sockets[i]),
							   .events = EPOLLIN,
							   .on_event = i ? on_ipv6 : on_ipv4,
							   .owner = joining};
		loop_add(joining->loop, &joining->sources[i]);
	}
	return error;
}

/* The key of an earlier try that got no answer, or a new one that waits beside it. */
static int pending_key(const char *path, struct key *ret_key)
{
	struct buffer text = {0};
	char line[KEY_TEXT_SIZE + 1];
	int error = state_read_secret_file(path, 256, &text);

	if (!error) {
		text.data[text.size < KEY_TEXT_SIZE - 1 ? text.size : KEY_TEXT_SIZE - 1] = '\0';
		error = key_parse(text.data, ret_key);
		secret_wipe(text.data, text.size);
	}
	buffer_done(&text);
	if (!error)
		return 0;
	random_bytes(ret_key, sizeof(*ret_key));
	x25519_clamp(ret_key);
	key_print(ret_key, line);
	line[KEY_TEXT_SIZE - 1] = '\n';
	error = state_write_file(path, line, KEY_TEXT_SIZE, 0600);
	secret_wipe(line, sizeof(line));
	return error;
}

static void fill_config(const struct joining *joining, struct node_config *config)
{
	const struct enrol_answer *answer = &joining->client.answer;
	const struct join *join = &joining->client.join;

	node_config_init(config);
	config->private_key = joining->client.private_key;
	memcpy(config->addresses, answer->addresses, sizeof(answer->addresses));
	config->address_count = answer->address_count;
	config->hub_key = join->hub;
	memcpy(config->hub_addresses, answer->hub_addresses, sizeof(answer->hub_addresses));
	config->hub_address_count = answer->hub_address_count;
	memcpy(config->network, join->network_id, sizeof(config->network));
	memcpy(config->site_secret.bytes, join->site_secret, sizeof(join->site_secret));
	config->has_site_secret = true;
	memcpy(config->endpoints, joining->endpoints, sizeof(joining->endpoints));
	config->endpoint_count = joining->endpoint_count;
}

static int conclude(struct joining *joining, struct node_config *ret_config,
		    struct buffer *ret_error)
{
	const struct enrol_answer *answer = &joining->client.answer;

	if (joining->client.state != ENROL_DONE) {
		buffer_print(ret_error, "the hub at %s did not answer",
			     joining->client.join.endpoints[0]);
		if (!joining->target_count || joining->last_error)
			buffer_print(ret_error, " (%s)",
				     joining->last_error ? strerror(-joining->last_error)
							 : "its name does not resolve");
		buffer_print(ret_error, "; is it running, and is its UDP port reachable?");
		return -ETIMEDOUT;
	}
	if (answer->status != ENROL_WELCOME) {
		buffer_print(ret_error, "the hub refused: %s", enrol_status_text(answer->status));
		return -EACCES;
	}
	fill_config(joining, ret_config);
	return 0;
}

static void cleanup(struct joining *joining)
{
	loop_timer_stop(joining->loop, &joining->timer);
	if (joining->request)
		resolve_cancel(joining->request);
	for (size_t i = 0; i < 2; i++) {
		if (!joining->sockets[i])
			continue;
		loop_remove(&joining->sources[i]);
		udp_close(joining->sockets[i]);
	}
	if (joining->resolve)
		resolve_free(joining->resolve);
	loop_free(joining->loop);
	enrol_client_done(&joining->client);
	secret_free(joining, sizeof(*joining));
}

int node_join(const struct node_join_options *options, struct node_config *ret_config,
	      struct buffer *ret_error)
{
	struct joining *joining = secret_new(sizeof(*joining));
	struct aead *aead = aead_new();
	struct key key;
	int error = pending_key(options->key_path, &key);

	if (error) {
		auto_free char *text = state_describe("write", options->key_path, error);

		buffer_print(ret_error, "%s", text);
		secret_free(joining, sizeof(*joining));
		aead_free(aead);
		return error;
	}
	joining->loop = loop_new();
	for (size_t i = 0; i < options->join->endpoint_count; i++) {
		if (!conf_endpoint_parse(options->join->endpoints[i], CONF_DEFAULT_PORT,
					 &joining->endpoints[joining->endpoint_count]))
			joining->endpoint_count++;
	}
	joining->timer = (struct loop_timer){.on_timer = on_timer, .owner = joining};
	error = joining->loop ? resolve_new(joining->loop, NULL, &joining->resolve) : -errno;
	if (!error)
		error = open_sockets(joining);
	if (!error)
		error = enrol_client_init(&joining->client, options->join, &key, options->name,
					  aead, &random_system, loop_now(joining->loop));
	secret_wipe(&key, sizeof(key));
	if (error) {
		buffer_print(ret_error, "cannot join: %s", strerror(-error));
	} else {
		resolve_next(joining);
		proceed(joining, loop_now(joining->loop));
		loop_run(joining->loop);
		error = conclude(joining, ret_config, ret_error);
	}
	cleanup(joining);
	aead_free(aead);
	return error;
}
