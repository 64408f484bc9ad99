/* New members by token: the datagrams of proto/enrol, decided by the registry. */
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "hub/hub_private.h"
#include "proto/wire/wireguard.h"

static enum enrol_status status_of(enum store_result result)
{
	switch (result) {
	case STORE_OK:
		return ENROL_WELCOME;
	case STORE_TOKEN_UNKNOWN:
	case STORE_TOKEN_WRONG:
		return ENROL_TOKEN_UNKNOWN;
	case STORE_TOKEN_EXPIRED:
		return ENROL_TOKEN_EXPIRED;
	case STORE_TOKEN_USED:
		return ENROL_TOKEN_USED;
	case STORE_TOKEN_REVOKED:
		return ENROL_TOKEN_REVOKED;
	case STORE_KEY_REMOVED:
		return ENROL_KEY_REMOVED;
	case STORE_POOL_EMPTY:
	case STORE_TOO_MANY:
		return ENROL_POOL_EMPTY;
	case STORE_INVALID:
	case STORE_KEY_EXISTS:
	case STORE_NAME_TAKEN:
	case STORE_ADDRESS_REFUSED:
	case STORE_NOT_FOUND:
	case STORE_AMBIGUOUS:
	case STORE_POOLS_IN_USE:
	case STORE_FILE_MISSING:
	case STORE_FILE_EXISTS:
	case STORE_FILE_FOREIGN:
	case STORE_FILE_FUTURE:
	case STORE_FILE_EXPOSED:
	case STORE_FILE_DENIED:
	case STORE_FILE_DAMAGED:
	case STORE_DISK_FULL:
	case STORE_BUSY:
	case STORE_FAILED:
		break;
	}
	return ENROL_CLOSED;
}

static bool is_proof_valid(void *owner, const uint8_t verifier[STORE_VERIFIER_SIZE])
{
	return enrol_proof_is_valid(owner, verifier);
}

static void fill_answer(const struct hub *hub, const struct store_node *node,
			struct enrol_answer *answer)
{
	const struct store_network *network = store_network(hub->store);

	text_copy(answer->name, sizeof(answer->name), node->name);
	text_copy(answer->hub_name, sizeof(answer->hub_name), hub->options->config->name);
	memcpy(answer->addresses, node->addresses, sizeof(answer->addresses));
	answer->address_count = node->address_count;
	for (size_t i = 0; i < network->pool_count; i++)
		answer->hub_addresses[answer->hub_address_count++] =
			prefix_address(&network->pools[i]);
}

static void decide(struct hub *hub, struct enrol_request *request, const struct address *from,
		   struct enrol_answer *answer)
{
	char source[ADDRESS_TEXT_SIZE], key[KEY_TEXT_SIZE];
	struct store_enrolment enrolment = {.key = request->key,
					    .is_proof_valid = is_proof_valid,
					    .owner = request,
					    .name = request->name,
					    .source = address_print(from, source)};
	struct store_node node;
	bool is_new = false;
	enum store_result result;

	memcpy(enrolment.token_id, request->token_id, TOKEN_ID_SIZE);
	result = store_enrol(hub->store, &enrolment, time(NULL), &node, &is_new);
	answer->status = status_of(result);
	key_print(&request->key, key);
	if (result != STORE_OK) {
		log_warn("enrolment-refused key=%s from=%s reason=%s", key, source,
			 store_result_code(result));
		return;
	}
	if (is_new && members_add(hub, &node)) {
		answer->status = ENROL_CLOSED;
		return;
	}
	log_info("enrolment peer=%s key=%s from=%s new=%s", node.name, key, source,
		 is_new ? "yes" : "no");
	fill_answer(hub, &node, answer);
}

void admission_receive(struct hub *hub, usec_t now, struct port_packet *packet)
{
	uint8_t out[ENROL_ANSWER_MAXIMUM];
	struct enrol_request request;
	struct enrol_answer answer = {0};
	size_t size = 0;

	if (packet->data[0] != WIRE_CLASS_ENROL_REQUEST)
		return;
	switch (enrol_server_receive(hub->enrol, now, &packet->from, packet->data, packet->size,
				     out, &size, &request)) {
	case ENROL_IGNORE:
		return;
	case ENROL_SEND:
		break;
	case ENROL_ASK:
		decide(hub, &request, &packet->from, &answer);
		size = enrol_server_answer(hub->enrol, &request, &answer, out);
		secret_wipe(&request, sizeof(request));
		break;
	}
	if (size)
		port_send(builtin_port(hub->builtin), &packet->from, out, size);
}
