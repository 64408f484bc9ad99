/* Requests of the control socket: whatever comes in, the answer is one line of JSON, and who is not
 * root changes nothing. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/crypto.h"
#include "hub/admin.h"
#include "registry.h"

static struct registry registry;

static void clean_up(void)
{
	registry_end(&registry);
}

static void start(void)
{
	crypto_init();
	/* Tiny, so that it fills up. */
	registry_start(&registry, "10.0.0.1/28", NULL);
	atexit(clean_up);
}

static void check_answer(const char *answer)
{
	json_t *object = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_boolean(json_object_get(object, "ok")) || strchr(answer, '\n'))
		abort();
	json_decref(object);
}

static void ask(struct admin *admin, const char *request, bool is_root)
{
	uint64_t revision = store_revision(registry.store);
	struct admin_change change;
	char *answer = admin_handle(admin, request, is_root, REGISTRY_EPOCH, &change);

	check_answer(answer);
	free(answer);
	if (!is_root && (store_revision(registry.store) != revision || change.kind))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hub_config config;
	struct admin *admin;
	char *request;

	if (!registry.store)
		start();
	hub_config_init(&config);
	memset(config.private_key.bytes, 0x42, KEY_SIZE);
	config.endpoint_count = 1;
	config.endpoints[0] = (struct conf_endpoint){.host = "hub.example.org", .port = 51820};
	admin = admin_new(registry.store, &config);
	request = memory_new(size + 1);
	memcpy(request, data, size);
	ask(admin, request, false);
	ask(admin, request, true);
	free(request);
	admin_free(admin);
	return 0;
}
