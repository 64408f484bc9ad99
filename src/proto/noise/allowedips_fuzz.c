/* Operations on allowed IPs against a list that is searched from end to end. Each step is a byte
 * (what, whose), a length and an address. */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/memory.h"
#include "proto/noise/allowedips.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OWNERS       4
#define PREFIXES_MAX 256

struct fuzz {
	struct allowedips table;
	struct allowedips_owner owners[OWNERS];
	struct prefix prefixes[PREFIXES_MAX];
	unsigned whose[PREFIXES_MAX];
	size_t count;
};

static void must(bool is_true)
{
	if (!is_true)
		abort();
}

static size_t place_of(const struct fuzz *fuzz, const struct prefix *prefix)
{
	size_t i = 0;

	while (i < fuzz->count && !prefix_is_equal(&fuzz->prefixes[i], prefix))
		i++;
	return i;
}

static void cut(struct fuzz *fuzz, size_t place)
{
	fuzz->count--;
	fuzz->prefixes[place] = fuzz->prefixes[fuzz->count];
	fuzz->whose[place] = fuzz->whose[fuzz->count];
}

static void grow(struct fuzz *fuzz)
{
	uint32_t count = fuzz->table.capacity * 2 + 4;

	free(allowedips_give_memory(&fuzz->table, new_array(struct allowedips_node, count), count));
}

static void add(struct fuzz *fuzz, const struct prefix *prefix, unsigned owner)
{
	struct prefix masked = prefix_masked(prefix);
	size_t place = place_of(fuzz, &masked);

	if (place == PREFIXES_MAX)
		return;
	if (allowedips_add(&fuzz->table, prefix, &fuzz->owners[owner])) {
		grow(fuzz);
		must(allowedips_add(&fuzz->table, prefix, &fuzz->owners[owner]) == 0);
	}
	fuzz->prefixes[place] = masked;
	fuzz->whose[place] = owner;
	fuzz->count += place == fuzz->count;
}

static void take_out(struct fuzz *fuzz, const struct prefix *prefix, unsigned owner)
{
	struct prefix masked = prefix_masked(prefix);
	size_t place = place_of(fuzz, &masked);
	bool is_his = place < fuzz->count && fuzz->whose[place] == owner;

	must(allowedips_remove(&fuzz->table, prefix, &fuzz->owners[owner]) == is_his);
	if (is_his)
		cut(fuzz, place);
}

static void take_out_all(struct fuzz *fuzz, unsigned owner)
{
	allowedips_remove_all(&fuzz->table, &fuzz->owners[owner]);
	for (size_t i = fuzz->count; i-- > 0;) {
		if (fuzz->whose[i] == owner)
			cut(fuzz, i);
	}
	must(fuzz->owners[owner].count == 0);
}

static void compare(const struct fuzz *fuzz, const struct prefix *ip)
{
	const struct allowedips_owner *expected = NULL;
	int longest = -1;

	for (size_t i = 0; i < fuzz->count; i++) {
		const struct prefix *prefix = &fuzz->prefixes[i];

		if (prefix->bits > longest && prefix_contains_ip(prefix, ip->family, ip->ip)) {
			longest = prefix->bits;
			expected = &fuzz->owners[fuzz->whose[i]];
		}
	}
	must(allowedips_find(&fuzz->table, ip->family, ip->ip) == expected);
}

static void step(struct fuzz *fuzz, struct reader *reader)
{
	uint8_t what = read_u8(reader), bits = read_u8(reader);
	struct prefix prefix = {.family = what & 1 ? FAMILY_IPV6 : FAMILY_IPV4, .bits = bits};
	size_t size = family_size(prefix.family), left = reader_left(reader);
	unsigned owner = what >> 1 & 3;

	read_bytes(reader, prefix.ip, left < size ? left : size);
	if (bits > family_bits(prefix.family)) {
		must(allowedips_add(&fuzz->table, &prefix, &fuzz->owners[owner]) < 0);
		prefix.bits = bits % (family_bits(prefix.family) + 1u);
	}
	switch (what >> 3 & 3) {
	case 0:
	case 1:
		add(fuzz, &prefix, owner);
		break;
	case 2:
		take_out(fuzz, &prefix, owner);
		break;
	case 3:
		if (what >> 5 == 7)
			take_out_all(fuzz, owner);
		break;
	}
	compare(fuzz, &prefix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_over(data, size);
	auto_free struct fuzz *fuzz = new (struct fuzz);
	size_t listed = 0;

	grow(fuzz);
	while (reader_left(&reader) >= 3)
		step(fuzz, &reader);
	for (size_t i = 0; i < fuzz->count; i++)
		compare(fuzz, &fuzz->prefixes[i]);
	for (unsigned owner = 0; owner < OWNERS; owner++) {
		struct prefix prefix;
		uint32_t i = 0;

		for (; allowedips_get(&fuzz->table, &fuzz->owners[owner], i, &prefix); i++)
			must(fuzz->whose[place_of(fuzz, &prefix)] == owner);
		must(i == fuzz->owners[owner].count);
		listed += i;
	}
	must(listed == fuzz->count);
	for (unsigned owner = 0; owner < OWNERS; owner++)
		take_out_all(fuzz, owner);
	must(!fuzz->table.roots[0] && !fuzz->table.roots[1]);
	free(fuzz->table.nodes);
	return 0;
}
