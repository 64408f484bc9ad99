#include "hub/admin.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "hub/admin_json.h"
#include "proto/wire/join.h"

#define SOURCE    "admin" /* in the audit log */
#define LOG_LIMIT 100

struct admin {
	struct store *store;
	const struct hub_config *config;
	struct key public_key;
};

struct request {
	struct admin *admin;
	json_t *fields;
	json_t *answer; /* filled by the handler */
	int64_t now;
	struct admin_change *change;
};

/* ---- answers ---- */

static void answer_error(json_t *answer, const char *code, const char *text)
{
	json_object_clear(answer);
	json_object_set_new(answer, "ok", json_false());
	json_object_set_new(answer, "code", json_string(code));
	json_object_set_new(answer, "error", json_string(text));
}

static void refuse(struct request *request, const char *text)
{
	answer_error(request->answer, store_result_code(STORE_INVALID), text);
}

/* True when the registry agreed; otherwise the answer is what it said. */
static bool accept_result(struct request *request, enum store_result result)
{
	if (result == STORE_OK)
		return true;
	answer_error(request->answer, store_result_code(result),
		     store_problem(request->admin->store));
	return false;
}

/* Reads the fields by jansson's format; one that is missing, of the wrong kind or unknown refuses
 * the request. */
static bool read_fields(struct request *request, const char *format, ...)
{
	json_error_t error;
	char text[256], shown[JSON_ERROR_TEXT_LENGTH];
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = json_vunpack_ex(request->fields, &error, JSON_STRICT, format, arguments);
	va_end(arguments);
	if (!result)
		return true;
	text_escape(shown, sizeof(shown), error.text, strlen(error.text));
	snprintf(text, sizeof(text), "malformed request: %s", shown);
	answer_error(request->answer, "malformed", text);
	return false;
}

/* ---- nodes ---- */

/* A private key that is pasted by mistake looks the same, but points of low order, which fit every
 * private key, can be told. */
static bool is_public_key(const char *text, struct key *ret_key)
{
	struct key any = {{1}}, shared;
	bool is_right;

	if (key_parse(text, ret_key) || key_is_zero(ret_key) || !key_is_canonical_point(ret_key))
		return false;
	x25519_clamp(&any);
	is_right = !x25519_shared(&any, ret_key, &shared);
	secret_wipe(&shared, sizeof(shared));
	return is_right;
}

static bool read_wishes(json_t *array, struct store_addition *addition)
{
	size_t index;
	json_t *item;

	if (!json_is_array(array) || json_array_size(array) > NODE_ADDRESSES_MAX)
		return false;
	json_array_foreach(array, index, item)
	{
		const char *text = json_string_value(item);
		struct prefix prefix;

		if (!text || prefix_parse(text, &prefix))
			return false;
		addition->addresses[addition->address_count++] = prefix_address(&prefix);
	}
	return true;
}

static void do_node_add(struct request *request)
{
	struct admin *admin = request->admin;
	struct store_addition addition = {.source = SOURCE};
	const char *key = NULL;
	json_t *addresses = NULL;
	struct store_node node;
	int is_forced = 0;

	if (!read_fields(request, "{s:s, s?s, s?o, s?b}", "key", &key, "name", &addition.name,
			 "addresses", &addresses, "force", &is_forced))
		return;
	addition.is_forced = is_forced;
	if (!is_public_key(key, &addition.key)) {
		refuse(request, "that is no public key: 44 characters of base64, as "
				"`wayleave key public` or `wg pubkey` print them");
		return;
	}
	if (key_is_equal(&addition.key, &admin->public_key)) {
		refuse(request, "that is the hub's own key; give the node's");
		return;
	}
	if (addresses && !read_wishes(addresses, &addition)) {
		refuse(request, "an address is written as 100.100.96.7 or fd00::7, at most one of "
				"each network");
		return;
	}
	if (!accept_result(request, store_add(admin->store, &addition, request->now, &node)))
		return;
	*request->change = (struct admin_change){ADMIN_ADDED, node.key};
	json_object_set_new(request->answer, "node", admin_json_node(&node));
	json_object_set_new(
		request->answer, "network",
		admin_json_network(store_network(admin->store), admin->config, &admin->public_key));
}

struct listing {
	json_t *nodes, *malformed;
};

static void on_node(void *owner, const struct store_node *node)
{
	struct listing *listing = owner;

	json_array_append_new(listing->nodes, admin_json_node(node));
}

static void on_malformed(void *owner, const char *text)
{
	struct listing *listing = owner;

	json_array_append_new(listing->malformed, json_string(text));
}

static void do_node_list(struct request *request)
{
	struct listing listing = {json_array(), json_array()};
	struct store_visitor visitor = {on_node, on_malformed, &listing};

	json_object_set_new(request->answer, "nodes", listing.nodes);
	json_object_set_new(request->answer, "malformed", listing.malformed);
	if (read_fields(request, "{}"))
		accept_result(request, store_load(request->admin->store, &visitor));
}

static void do_node_show(struct request *request)
{
	const char *text = NULL;
	struct store_node node;

	if (read_fields(request, "{s:s}", "node", &text) &&
	    accept_result(request, store_find(request->admin->store, text, &node)))
		json_object_set_new(request->answer, "node", admin_json_node(&node));
}

static void do_node_rename(struct request *request)
{
	struct store *store = request->admin->store;
	const char *text = NULL, *name = NULL;
	struct store_node node, renamed;

	if (!read_fields(request, "{s:s, s:s}", "node", &text, "name", &name) ||
	    !accept_result(request, store_find(store, text, &node)) ||
	    !accept_result(request,
			   store_rename(store, &node.key, name, SOURCE, request->now, &renamed)))
		return;
	*request->change = (struct admin_change){ADMIN_RENAMED, node.key};
	json_object_set_new(request->answer, "node", admin_json_node(&renamed));
	json_object_set_new(request->answer, "old_name", json_string(node.name));
}

static void do_node_remove(struct request *request)
{
	struct store *store = request->admin->store;
	const char *text = NULL;
	struct store_node node;
	enum store_result result;

	if (!read_fields(request, "{s:s}", "node", &text))
		return;
	result = store_find(store, text, &node);
	/* A malformed record is best removed, if it says at least whose it is. */
	if (result == STORE_FILE_DAMAGED && !key_is_zero(&node.key))
		result = STORE_OK;
	if (!accept_result(request, result) ||
	    !accept_result(request, store_remove(store, &node.key, SOURCE, request->now, &node)))
		return;
	*request->change = (struct admin_change){ADMIN_REMOVED, node.key};
	json_object_set_new(request->answer, "node", admin_json_node(&node));
}

/* ---- tokens ---- */

static const char *fill_join(const struct admin *admin, const struct store_token *token,
			     struct join *join)
{
	const struct store_network *network = store_network(admin->store);
	const struct hub_config *config = admin->config;

	if (!config->endpoint_count)
		return "hub.conf does not say where nodes find the hub; add a line "
		       "'Endpoint = HOST:PORT' to its [Hub]";
	memcpy(join->network_id, network->id, sizeof(join->network_id));
	memcpy(join->site_secret, network->site_secret, sizeof(join->site_secret));
	memcpy(join->token_id, token->id, sizeof(join->token_id));
	join->hub = admin->public_key;
	for (size_t i = 0; i < config->endpoint_count && i < JOIN_ENDPOINTS_MAX; i++) {
		char text[CONF_ENDPOINT_TEXT_SIZE];

		conf_endpoint_print(&config->endpoints[i], text);
		if (!text_copy(join->endpoints[join->endpoint_count++], JOIN_ENDPOINT_SIZE, text))
			return "an Endpoint of hub.conf is too long for a join string";
	}
	return NULL;
}

/* The token is drawn here and leaves in the join string; the registry gets its hash. */
static void create_token(struct request *request, struct store_token *token, struct join *join)
{
	const char *fault = fill_join(request->admin, token, join);
	struct hash_part part = {join->token, sizeof(join->token)};
	char text[JOIN_TEXT_SIZE];

	if (fault) {
		refuse(request, fault);
		return;
	}
	random_bytes(join->token, sizeof(join->token));
	blake2s(token->verifier, &part, 1);
	if (!join_print(join, text))
		refuse(request, "hub.conf has too many endpoints for a join string");
	else if (accept_result(request,
			       store_token_create(request->admin->store, token, request->now))) {
		token->created = request->now;
		json_object_set_new(request->answer, "token",
				    admin_json_token(token, request->now));
		json_object_set_new(request->answer, "join", json_string(text));
	}
	secret_wipe(text, sizeof(text));
}

static void do_token_create(struct request *request)
{
	struct store_token token = {0};
	struct join join = {0};
	const char *label = NULL;
	json_int_t lifetime = ADMIN_TOKEN_LIFETIME;
	int is_reusable = 0;

	if (!read_fields(request, "{s?b, s?I, s?s}", "reusable", &is_reusable, "expires_s",
			 &lifetime, "label", &label))
		return;
	if (lifetime < 1 || lifetime > ADMIN_TOKEN_LIFETIME_MAX) {
		refuse(request, "a token lives between a second and ten years");
		return;
	}
	if (label && !text_copy(token.label, sizeof(token.label), label)) {
		refuse(request, "a label has at most 63 characters");
		return;
	}
	random_bytes(token.id, sizeof(token.id));
	token.is_reusable = is_reusable;
	token.expires = request->now + lifetime;
	create_token(request, &token, &join);
	secret_wipe(&join, sizeof(join));
}

struct token_listing {
	json_t *tokens;
	int64_t now;
};

static void on_token(void *owner, const struct store_token *token)
{
	struct token_listing *listing = owner;

	json_array_append_new(listing->tokens, admin_json_token(token, listing->now));
}

static void do_token_list(struct request *request)
{
	struct token_listing listing = {json_array(), request->now};

	json_object_set_new(request->answer, "tokens", listing.tokens);
	if (read_fields(request, "{}"))
		accept_result(request, store_token_list(request->admin->store, on_token, &listing));
}

static void do_token_revoke(struct request *request)
{
	const char *text = NULL;
	uint8_t id[TOKEN_ID_SIZE];
	char shown[ADMIN_TOKEN_ID_TEXT];

	if (!read_fields(request, "{s:s}", "id", &text))
		return;
	if (!admin_token_id_parse(text, id)) {
		refuse(request, "a token is named by its id, 16 hexadecimal digits; "
				"`wayleave hub token list` shows them");
		return;
	}
	if (accept_result(request,
			  store_token_revoke(request->admin->store, id, SOURCE, request->now)))
		json_object_set_new(request->answer, "id",
				    json_string(admin_token_id_print(id, shown)));
}

/* ---- the audit log ---- */

static void on_event(void *owner, const struct store_event *event)
{
	json_array_append_new(owner, admin_json_event(event));
}

static void do_log(struct request *request)
{
	json_int_t limit = LOG_LIMIT;
	json_t *events = json_array();

	json_object_set_new(request->answer, "events", events);
	if (!read_fields(request, "{s?I}", "limit", &limit))
		return;
	if (limit < 0 || limit > STORE_LOG_MAX)
		refuse(request, "the log keeps 100,000 rows");
	else
		accept_result(request,
			      store_log(request->admin->store, (size_t)limit, on_event, events));
}

/* ---- */

static const struct {
	const char *name;
	void (*run)(struct request *request);
	bool is_for_root;
} commands[] = {
	{"node-add", do_node_add, true},
	{"node-list", do_node_list, false},
	{"node-show", do_node_show, false},
	{"node-rename", do_node_rename, true},
	{"node-remove", do_node_remove, true},
	{"token-create", do_token_create, true},
	{"token-list", do_token_list, false},
	{"token-revoke", do_token_revoke, true},
	{"log", do_log, false},
};

struct admin *admin_new(struct store *store, const struct hub_config *config)
{
	struct admin *admin = new (struct admin);

	admin->store = store;
	admin->config = config;
	x25519_public(&config->private_key, &admin->public_key);
	return admin;
}

void admin_free(struct admin *admin)
{
	free(admin);
}

static void dispatch(struct request *request, bool is_root)
{
	const char *name = json_string_value(json_object_get(request->fields, "command"));

	for (size_t i = 0; name && i < array_size(commands); i++) {
		if (strcmp(name, commands[i].name))
			continue;
		/* What is left are the handler's own fields. */
		json_object_del(request->fields, "command");
		if (commands[i].is_for_root && !is_root)
			answer_error(request->answer, "denied",
				     "only root may change the network; use sudo");
		else
			commands[i].run(request);
		return;
	}
	answer_error(request->answer, "malformed",
		     "the hub does not know this command; is it older than the program that asks?");
}

char *admin_handle(struct admin *admin, const char *request, bool is_root, int64_t now,
		   struct admin_change *ret_change)
{
	struct request parsed = {.admin = admin, .now = now, .change = ret_change};
	char *text;

	*ret_change = (struct admin_change){.kind = ADMIN_NO_CHANGE};
	parsed.fields = json_loads(request, JSON_REJECT_DUPLICATES, NULL);
	parsed.answer = json_object();
	json_object_set_new(parsed.answer, "ok", json_true());
	if (json_is_object(parsed.fields))
		dispatch(&parsed, is_root);
	else
		answer_error(parsed.answer, "malformed", "the request is no JSON object");
	/* Its order is that of insertion, and it never contains a line end. */
	text = json_dumps(parsed.answer, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(parsed.fields);
	json_decref(parsed.answer);
	return text ? text
		    : memory_copy_text("{\"ok\":false,\"code\":\"failed\",\"error\":"
				       "\"the answer could not be written\"}");
}
