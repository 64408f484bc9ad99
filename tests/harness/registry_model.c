#include "registry_model.h"

#include <stdarg.h>

#include "registry.h"
#include "sys/store/store_private.h"

#define HOLD      (30 * 86400)
#define REPEAT    600
#define HUB_HOST  1
#define HUB_HOST6 9

/* ---- commands ---- */

static const char *const names[] = {"",       "alpha",  "beta", "gamma",      "alpha-2",
				    "node-3", "node-5", "hub",  "Wrong Name", "delta"};

static const char *const wishes[] = {"10.0.0.0",  "10.0.0.1",  "10.0.0.3",  "10.0.0.7",
				     "10.0.0.14", "10.0.0.15", "10.0.0.16", "fd00::8",
				     "fd00::c",   "fd00::9",   "fd00::f",   "fd00::10"};

void command_random(struct seeded *random, int64_t *now, struct command *ret_command)
{
	static const enum command_kind kinds[] = {
		COMMAND_ADD,    COMMAND_ADD,          COMMAND_ADD,          COMMAND_ADD,
		COMMAND_REMOVE, COMMAND_REMOVE,       COMMAND_RENAME,       COMMAND_TOKEN_CREATE,
		COMMAND_ENROL,  COMMAND_ENROL,        COMMAND_ENROL,        COMMAND_OBSERVE,
		COMMAND_ENROL,  COMMAND_TOKEN_CREATE, COMMAND_TOKEN_REVOKE, COMMAND_OBSERVE};
	struct command *command = ret_command;
	char endpoint[64];

	memset(command, 0, sizeof(*command));
	switch (seeded_below(random, 40)) {
	case 0:
		*now += seeded_below(random, 40 * 86400);
		break;
	case 1:
	case 2:
		*now += seeded_below(random, 1200);
		break;
	default:
		*now += seeded_below(random, 60);
	}
	command->at = *now;
	command->kind = kinds[seeded_below(random, 16)];
	command->key = seeded_below(random, MODEL_KEYS);
	command->token = seeded_below(random, MODEL_TOKENS);
	if (seeded_below(random, 2))
		strcpy(command->name, names[seeded_below(random, 10)]);
	if (!seeded_below(random, 5))
		command->wish = registry_address(wishes[seeded_below(random, 12)]);
	command->is_forced = !seeded_below(random, 3);
	command->is_reusable = seeded_below(random, 2);
	command->is_proof_right = seeded_below(random, 8);
	snprintf(endpoint, sizeof(endpoint), "192.0.2.%u:%u", 1 + seeded_below(random, 3),
		 1000 + seeded_below(random, 2));
	if (seeded_below(random, 5))
		command->endpoint = registry_address(endpoint);
}

const char *command_print(const struct command *command, char text[256])
{
	static const char *const kinds[] = {"add",          "remove", "rename", "token-create",
					    "token-revoke", "enrol",  "observe"};
	char wish[ADDRESS_TEXT_SIZE];

	snprintf(text, 256, "%s key %u token %u name '%s' wish %s%s%s%s at %lld",
		 kinds[command->kind], command->key, command->token, command->name,
		 address_print_ip(&command->wish, wish), command->is_forced ? " forced" : "",
		 command->is_reusable ? " reusable" : "",
		 command->is_proof_right ? "" : " wrong proof", (long long)command->at);
	return text;
}

/* ---- on the registry ---- */

static bool is_proof_right(void *owner, const uint8_t verifier[STORE_VERIFIER_SIZE])
{
	const struct command *command = owner;

	return command->is_proof_right && verifier[0] == command->token;
}

static enum store_result run_add(struct store *store, const struct command *command,
				 struct store_node *ret_node)
{
	struct store_addition addition = {.key = registry_key(command->key),
					  .name = command->name,
					  .is_forced = command->is_forced};

	if (command->wish.family != FAMILY_NONE)
		addition.addresses[addition.address_count++] = command->wish;
	return store_add(store, &addition, command->at, ret_node);
}

static enum store_result run_enrol(struct store *store, const struct command *command,
				   struct outcome *outcome)
{
	struct store_enrolment enrolment = {.key = registry_key(command->key),
					    .token_id = {(uint8_t)command->token},
					    .is_proof_valid = is_proof_right,
					    .owner = (void *)command,
					    .name = command->name};

	return store_enrol(store, &enrolment, command->at, &outcome->node, &outcome->is_new);
}

static enum store_result run_token(struct store *store, const struct command *command)
{
	struct store_token token = {.id = {(uint8_t)command->token},
				    .verifier = {(uint8_t)command->token},
				    .is_reusable = command->is_reusable,
				    .expires = command->at + 1000};

	return store_token_create(store, &token, command->at);
}

static enum store_result run(struct store *store, const struct command *command,
			     struct outcome *outcome)
{
	struct key key = registry_key(command->key);
	uint8_t id[TOKEN_ID_SIZE] = {(uint8_t)command->token};

	switch (command->kind) {
	case COMMAND_ADD:
		return run_add(store, command, &outcome->node);
	case COMMAND_REMOVE:
		return store_remove(store, &key, NULL, command->at, &outcome->node);
	case COMMAND_RENAME:
		return store_rename(store, &key, command->name, NULL, command->at, &outcome->node);
	case COMMAND_TOKEN_CREATE:
		return run_token(store, command);
	case COMMAND_TOKEN_REVOKE:
		return store_token_revoke(store, id, NULL, command->at);
	case COMMAND_ENROL:
		return run_enrol(store, command, outcome);
	case COMMAND_OBSERVE:
		return store_observe(store, &key, &command->endpoint, command->at);
	}
	abort();
}

void command_run(struct store *store, const struct command *command, struct outcome *ret_outcome)
{
	memset(ret_outcome, 0, sizeof(*ret_outcome));
	store->has_changed = false;
	ret_outcome->result = run(store, command, ret_outcome);
	ret_outcome->has_changed = ret_outcome->result == STORE_OK && store->has_changed;
	ret_outcome->revision = store->revision;
	if (ret_outcome->result != STORE_OK)
		memset(&ret_outcome->node, 0, sizeof(ret_outcome->node));
}

/* ---- on the model ---- */

void model_init(struct model *model)
{
	memset(model, 0, sizeof(*model));
	model->revision = 1;
}

static bool is_name_free(const struct model *model, const char *name)
{
	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		if (model->nodes[i].is_used && !strcmp(model->nodes[i].name, name))
			return false;
	}
	return strcmp(name, "hub") != 0;
}

static bool is_host_free(const struct model *model, unsigned family, unsigned host, unsigned key,
			 int64_t now)
{
	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		const struct model_node *node = &model->nodes[i];

		if (node->is_used && (family ? node->host6 : node->host) == host)
			return false;
	}
	return model->held[family][host].until <= now || model->held[family][host].key == key;
}

static bool is_host_usable(unsigned family, unsigned host)
{
	return family ? host > 8 && host != HUB_HOST6 : host != 0 && host != 15 && host != HUB_HOST;
}

static enum store_result choose_host(const struct model *model, const struct command *command,
				     unsigned family, unsigned *ret_host)
{
	const struct address *wish = &command->wish;
	bool has_wish = command->kind == COMMAND_ADD &&
			wish->family == (family ? FAMILY_IPV6 : FAMILY_IPV4);

	if (has_wish) {
		*ret_host = wish->ip[family ? 15 : 3];
		if (!is_host_usable(family, *ret_host) ||
		    !is_host_free(model, family, *ret_host, command->key, command->at))
			return STORE_ADDRESS_REFUSED;
		return STORE_OK;
	}
	for (unsigned host = 0; host < MODEL_HOSTS; host++) {
		if (is_host_usable(family, host) &&
		    is_host_free(model, family, host, command->key, command->at)) {
			*ret_host = host;
			return STORE_OK;
		}
	}
	return STORE_POOL_EMPTY;
}

static bool is_wish_outside(const struct command *command)
{
	if (command->kind != COMMAND_ADD)
		return false;
	if (command->wish.family == FAMILY_IPV4)
		return command->wish.ip[3] >= MODEL_HOSTS;
	return command->wish.family == FAMILY_IPV6 &&
	       (command->wish.ip[15] >= MODEL_HOSTS || command->wish.ip[15] < 8);
}

static void number_name(const struct model *model, const char *base, char *name)
{
	strcpy(name, base);
	for (unsigned number = 2; !is_name_free(model, name); number++)
		snprintf(name, NODE_NAME_SIZE, "%.40s-%u", base, number);
}

static enum store_result choose_name(const struct model *model, const struct command *command,
				     unsigned host, char name[NODE_NAME_SIZE])
{
	char made[32];

	snprintf(made, sizeof(made), "node-%u", host);
	if (!command->name[0]) {
		number_name(model, made, name);
	} else if (command->kind == COMMAND_ENROL) {
		number_name(model,
			    strcmp(command->name, "Wrong Name") ? command->name : "wrong-name",
			    name);
	} else {
		if (!strcmp(command->name, "Wrong Name"))
			return STORE_INVALID;
		if (!is_name_free(model, command->name))
			return STORE_NAME_TAKEN;
		strcpy(name, command->name);
	}
	return STORE_OK;
}

static enum store_result admit(struct model *model, const struct command *command)
{
	struct model_node node = {.is_used = true, .created = command->at};
	enum store_result result;

	if (model->is_tombstone[command->key] &&
	    !(command->kind == COMMAND_ADD && command->is_forced))
		return STORE_KEY_REMOVED;
	if (is_wish_outside(command))
		return STORE_ADDRESS_REFUSED;
	result = choose_host(model, command, 0, &node.host);
	if (result == STORE_OK)
		result = choose_host(model, command, 1, &node.host6);
	if (result == STORE_OK)
		result = choose_name(model, command, node.host, node.name);
	if (result != STORE_OK)
		return result;
	node.order = ++model->order;
	model->nodes[command->key] = node;
	if (model->is_tombstone[command->key] && model->removed[command->key] >= command->at)
		model->nodes[command->key].created = model->removed[command->key] + 1;
	model->is_tombstone[command->key] = false;
	model->held[0][node.host].until = model->held[1][node.host6].until = 0;
	return STORE_OK;
}

static enum store_result model_add(struct model *model, const struct command *command,
				   struct outcome *outcome)
{
	outcome->has_changed = true;
	return model->nodes[command->key].is_used ? STORE_KEY_EXISTS : admit(model, command);
}

static void fill_node(const struct model *model, unsigned key, struct store_node *node)
{
	const struct model_node *from = &model->nodes[key];

	node->key = registry_key(key);
	strcpy(node->name, from->name);
	node->addresses[0] = registry_prefix("10.0.0.0/28");
	node->addresses[0].ip[3] = (uint8_t)from->host;
	node->addresses[1] = registry_prefix("fd00::/125");
	node->addresses[1].ip[15] = (uint8_t)from->host6;
	node->address_count = 2;
	node->created = from->created;
	node->last_seen = from->last_seen;
	node->endpoint = from->endpoint;
}

static enum store_result model_remove(struct model *model, const struct command *command,
				      struct outcome *outcome)
{
	struct model_node *node = &model->nodes[command->key];

	if (!node->is_used)
		return STORE_NOT_FOUND;
	fill_node(model, command->key, &outcome->node);
	model->held[0][node->host].until = model->held[1][node->host6].until = command->at + HOLD;
	model->held[0][node->host].key = model->held[1][node->host6].key = command->key;
	model->is_tombstone[command->key] = true;
	model->removed[command->key] = command->at;
	model->enrolments[command->key].is_used = false;
	node->is_used = false;
	outcome->has_changed = true;
	return STORE_OK;
}

static enum store_result model_rename(struct model *model, const struct command *command,
				      struct outcome *outcome)
{
	struct model_node *node = &model->nodes[command->key];

	if (!node->is_used)
		return STORE_NOT_FOUND;
	if (strcmp(node->name, command->name)) {
		if (!command->name[0] || !strcmp(command->name, "Wrong Name"))
			return STORE_INVALID;
		if (!is_name_free(model, command->name))
			return STORE_NAME_TAKEN;
		strcpy(node->name, command->name);
		outcome->has_changed = true;
	}
	fill_node(model, command->key, &outcome->node);
	return STORE_OK;
}

static enum store_result model_token_create(struct model *model, const struct command *command,
					    struct outcome *outcome)
{
	/* Old ones go first, but only if the new one can be made: it is one transaction. */
	bool is_there = model->tokens[command->token].is_used &&
			model->tokens[command->token].expires >= command->at - HOLD;

	if (is_there)
		return STORE_FAILED;
	for (unsigned i = 0; i < MODEL_TOKENS; i++) {
		if (model->tokens[i].expires < command->at - HOLD)
			model->tokens[i].is_used = false;
	}
	memset(&model->tokens[command->token], 0, sizeof(model->tokens[0]));
	model->tokens[command->token].is_used = true;
	model->tokens[command->token].is_reusable = command->is_reusable;
	model->tokens[command->token].expires = command->at + 1000;
	outcome->has_changed = true;
	return STORE_OK;
}

static enum store_result model_token_revoke(struct model *model, const struct command *command,
					    struct outcome *outcome)
{
	if (!model->tokens[command->token].is_used)
		return STORE_TOKEN_UNKNOWN;
	outcome->has_changed = !model->tokens[command->token].is_revoked;
	model->tokens[command->token].is_revoked = true;
	return STORE_OK;
}

static bool is_repetition(const struct model *model, const struct command *command)
{
	int64_t distance = command->at - model->enrolments[command->key].at;

	return model->enrolments[command->key].is_used && model->nodes[command->key].is_used &&
	       model->enrolments[command->key].token == command->token && distance < REPEAT &&
	       distance > -REPEAT;
}

static enum store_result spend(struct model *model, const struct command *command,
			       struct outcome *outcome)
{
	enum store_result result = STORE_OK;

	outcome->is_new = !model->nodes[command->key].is_used;
	if (outcome->is_new)
		result = admit(model, command);
	if (result != STORE_OK)
		return result;
	model->tokens[command->token].uses++;
	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		if (model->enrolments[i].at < command->at - REPEAT)
			model->enrolments[i].is_used = false;
	}
	model->enrolments[command->key].is_used = true;
	model->enrolments[command->key].token = command->token;
	model->enrolments[command->key].at = command->at;
	outcome->has_changed = true;
	return STORE_OK;
}

static enum store_result model_enrol(struct model *model, const struct command *command,
				     struct outcome *outcome)
{
	enum store_result result;

	if (!model->tokens[command->token].is_used)
		return STORE_TOKEN_UNKNOWN;
	if (!command->is_proof_right)
		return STORE_TOKEN_WRONG;
	if (model->tokens[command->token].is_revoked)
		return STORE_TOKEN_REVOKED;
	if (!is_repetition(model, command)) {
		if (command->at >= model->tokens[command->token].expires)
			return STORE_TOKEN_EXPIRED;
		if (!model->tokens[command->token].is_reusable &&
		    model->tokens[command->token].uses)
			return STORE_TOKEN_USED;
		result = spend(model, command, outcome);
		if (result != STORE_OK)
			return result;
	}
	fill_node(model, command->key, &outcome->node);
	return STORE_OK;
}

static enum store_result model_observe(struct model *model, const struct command *command)
{
	struct model_node *node = &model->nodes[command->key];
	bool has_endpoint = command->endpoint.family != FAMILY_NONE;

	if (!node->is_used)
		return STORE_NOT_FOUND;
	if (!(has_endpoint && !address_is_equal(&command->endpoint, &node->endpoint)) &&
	    command->at >= node->last_seen && command->at < node->last_seen + 60)
		return STORE_OK;
	if (has_endpoint)
		node->endpoint = command->endpoint;
	node->last_seen = command->at;
	return STORE_OK;
}

static enum store_result run_model(struct model *model, const struct command *command,
				   struct outcome *outcome)
{
	switch (command->kind) {
	case COMMAND_ADD:
		return model_add(model, command, outcome);
	case COMMAND_REMOVE:
		return model_remove(model, command, outcome);
	case COMMAND_RENAME:
		return model_rename(model, command, outcome);
	case COMMAND_TOKEN_CREATE:
		return model_token_create(model, command, outcome);
	case COMMAND_TOKEN_REVOKE:
		return model_token_revoke(model, command, outcome);
	case COMMAND_ENROL:
		return model_enrol(model, command, outcome);
	case COMMAND_OBSERVE:
		return model_observe(model, command);
	}
	abort();
}

void model_run(struct model *model, const struct command *command, struct outcome *ret_outcome)
{
	memset(ret_outcome, 0, sizeof(*ret_outcome));
	ret_outcome->result = run_model(model, command, ret_outcome);
	if (command->kind == COMMAND_ADD && ret_outcome->result == STORE_OK)
		fill_node(model, command->key, &ret_outcome->node);
	if (ret_outcome->result != STORE_OK)
		ret_outcome->has_changed = ret_outcome->is_new = false;
	model->revision += ret_outcome->has_changed;
	ret_outcome->revision = model->revision;
}

/* ---- comparing ---- */

const char *outcome_difference(const struct outcome *store, const struct outcome *model,
			       char text[256])
{
	char a[ADDRESS_TEXT_SIZE], b[ADDRESS_TEXT_SIZE];

	if (!memcmp(store, model, sizeof(*store)))
		return NULL;
	snprintf(text, 256,
		 "store: %s new %d changed %d revision %llu %s %s; model: %s %d %d %llu %s %s",
		 store_result_code(store->result), store->is_new, store->has_changed,
		 (unsigned long long)store->revision, store->node.name,
		 prefix_print(&store->node.addresses[0], a), store_result_code(model->result),
		 model->is_new, model->has_changed, (unsigned long long)model->revision,
		 model->node.name, prefix_print(&model->node.addresses[0], b));
	return text;
}

struct dump {
	char *text;
	size_t size;
};

static void dump_line(struct dump *dump, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void dump_line(struct dump *dump, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	dump->size += (size_t)vsnprintf(dump->text + dump->size, MODEL_TEXT_SIZE - dump->size,
					format, arguments);
	va_end(arguments);
	if (dump->size >= MODEL_TEXT_SIZE)
		abort();
}

static void dump_node(void *owner, const struct store_node *node)
{
	char key[KEY_TEXT_SIZE], one[ADDRESS_TEXT_SIZE], two[ADDRESS_TEXT_SIZE],
		endpoint[ADDRESS_TEXT_SIZE];

	key_print(&node->key, key);
	dump_line(owner, "node %s %s %s %s %lld %lld %s\n", key, node->name,
		  prefix_print(&node->addresses[0], one), prefix_print(&node->addresses[1], two),
		  (long long)node->created, (long long)node->last_seen,
		  address_print(&node->endpoint, endpoint));
}

static void dump_malformed(void *owner, const char *text)
{
	dump_line(owner, "malformed %s\n", text);
}

void model_dump(const struct model *model, char text[MODEL_TEXT_SIZE])
{
	struct dump dump = {.text = text};

	text[0] = '\0';
	dump_line(&dump, "revision %llu\n", (unsigned long long)model->revision);
	for (uint64_t order = 1; order <= model->order; order++) {
		for (unsigned key = 0; key < MODEL_KEYS; key++) {
			struct store_node node = {0};

			if (!model->nodes[key].is_used || model->nodes[key].order != order)
				continue;
			fill_node(model, key, &node);
			dump_node(&dump, &node);
		}
	}
	for (unsigned family = 0; family < 2; family++) {
		for (unsigned host = 0; host < MODEL_HOSTS; host++) {
			if (model->held[family][host].until)
				dump_line(&dump, "held %u %02X key %02X until %lld\n",
					  family ? 6 : 4, host, model->held[family][host].key,
					  (long long)model->held[family][host].until);
		}
	}
	for (unsigned key = 0; key < MODEL_KEYS; key++) {
		if (model->is_tombstone[key])
			dump_line(&dump, "tombstone %02X\n", key);
	}
	for (unsigned i = 0; i < MODEL_TOKENS; i++) {
		if (model->tokens[i].is_used)
			dump_line(&dump, "token %02X %lld %d %d %u\n", i,
				  (long long)model->tokens[i].expires, model->tokens[i].is_reusable,
				  model->tokens[i].is_revoked, model->tokens[i].uses);
	}
	for (unsigned key = 0; key < MODEL_KEYS; key++) {
		if (model->enrolments[key].is_used)
			dump_line(&dump, "enrolment %02X %02X %lld\n", key,
				  model->enrolments[key].token,
				  (long long)model->enrolments[key].at);
	}
}

void store_dump(struct store *store, char text[MODEL_TEXT_SIZE])
{
	/* Keys and tokens by their first byte, which is their number. */
	static const char *const tables[] = {
		"SELECT 'held ' || family || ' ' || substr(hex(ip), -2) || ' key ' ||"
		" substr(hex(key), 1, 2) || ' until ' || until FROM held ORDER BY family, ip",
		"SELECT 'tombstone ' || substr(hex(key), 1, 2) FROM tombstone"
		" ORDER BY substr(hex(key), 1, 2)",
		"SELECT 'token ' || substr(hex(id), 1, 2) || ' ' || expires || ' ' || is_reusable"
		" || ' ' || is_revoked || ' ' || uses FROM token ORDER BY id",
		"SELECT 'enrolment ' || substr(hex(key), 1, 2) || ' ' || substr(hex(token), 1, 2)"
		" || ' ' || at FROM enrolment ORDER BY substr(hex(key), 1, 2)",
		"SELECT 'integrity ' || integrity_check FROM pragma_integrity_check"
		" WHERE integrity_check <> 'ok'",
		"SELECT 'dangling row of ' || \"table\" FROM pragma_foreign_key_check",
	};
	struct dump dump = {.text = text};
	struct store_visitor visitor = {dump_node, dump_malformed, &dump};

	text[0] = '\0';
	network_read(store);
	dump_line(&dump, "revision %llu\n", (unsigned long long)store_revision(store));
	if (store_load(store, &visitor) != STORE_OK)
		dump_line(&dump, "load: %s\n", store_problem(store));
	for (size_t i = 0; i < array_size(tables); i++) {
		auto_query struct query query = query_new(store, tables[i]);

		while (query_row(&query))
			dump_line(&dump, "%s\n", query_column_text(&query, 0));
		if (query_end(&query) != STORE_OK)
			dump_line(&dump, "query: %s\n", store_problem(store));
	}
}
