#include <assert.h>

#include "device/uapi/uapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The prefixes belong to the peers one after the other, without gap or overlap. */
static void check(const struct uapi_set *set)
{
	size_t next = 0;

	for (size_t i = 0; i < set->peer_count; i++) {
		assert(set->peers[i].first_allowed == next);
		next += set->peers[i].allowed_count;
	}
	assert(next == set->allowed_count);
	for (size_t i = 0; i < set->allowed_count; i++)
		assert(set->allowed[i].prefix.bits <= family_bits(set->allowed[i].prefix.family));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uapi_set set;
	size_t line;

	if (uapi_set_parse((const char *)data, size, &set, &line))
		return 0;
	check(&set);
	uapi_set_done(&set);
	return 0;
}
