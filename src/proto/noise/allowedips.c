#include "proto/noise/allowedips.h"

#include <errno.h>
#include <string.h>

static uint32_t *root_of(struct allowedips *table, uint8_t family)
{
	return &table->roots[family == FAMILY_IPV6];
}

static unsigned bit_at(const uint8_t *ip, unsigned bit)
{
	return ip[bit / 8] >> (7 - bit % 8) & 1;
}

static unsigned common_bits(const uint8_t *a, const uint8_t *b, unsigned limit)
{
	unsigned bits = 0;

	while (bits + 8 <= limit && a[bits / 8] == b[bits / 8])
		bits += 8;
	while (bits < limit && bit_at(a, bits) == bit_at(b, bits))
		bits++;
	return bits;
}

struct allowedips_node *allowedips_give_memory(struct allowedips *table,
					       struct allowedips_node *nodes, uint32_t count)
{
	struct allowedips_node *old = table->nodes;

	if (old)
		memcpy(nodes, old, (table->used + 1) * sizeof(*nodes));
	table->nodes = nodes;
	table->capacity = count;
	return old;
}

static bool has_room(const struct allowedips *table)
{
	uint32_t room = table->capacity > table->used + 1 ? table->capacity - table->used - 1 : 0;

	for (uint32_t node = table->free; node && room < ALLOWEDIPS_NODES_PER_PREFIX;
	     node = table->nodes[node].children[0])
		room++;
	return room >= ALLOWEDIPS_NODES_PER_PREFIX;
}

static uint32_t node_new(struct allowedips *table, const struct prefix *prefix)
{
	uint32_t index = table->free;

	if (index)
		table->free = table->nodes[index].children[0];
	else
		index = ++table->used;
	table->nodes[index] = (struct allowedips_node){.prefix = *prefix};
	return index;
}

static void node_free(struct allowedips *table, uint32_t index)
{
	table->nodes[index] = (struct allowedips_node){.children = {table->free}};
	table->free = index;
}

static void disown(struct allowedips *table, uint32_t index)
{
	struct allowedips_node *node = &table->nodes[index];

	if (!node->owner)
		return;
	if (node->previous)
		table->nodes[node->previous].next = node->next;
	else
		node->owner->first = node->next;
	if (node->next)
		table->nodes[node->next].previous = node->previous;
	node->owner->count--;
	node->owner = NULL;
	node->next = node->previous = 0;
}

static void own(struct allowedips *table, uint32_t index, struct allowedips_owner *owner)
{
	struct allowedips_node *node = &table->nodes[index];

	disown(table, index);
	node->owner = owner;
	node->next = owner->first;
	if (owner->first)
		table->nodes[owner->first].previous = index;
	owner->first = index;
	owner->count++;
}

/* Puts a new node for the prefix where `link` points, above or beside what is there. */
static uint32_t insert_at(struct allowedips *table, uint32_t *link, const struct prefix *prefix)
{
	uint32_t there = *link, index = node_new(table, prefix), joint;
	const struct prefix *other = &table->nodes[there].prefix;
	struct prefix shared = *prefix;
	unsigned common;

	if (!there) {
		*link = index;
		return index;
	}
	common = common_bits(prefix->ip, other->ip,
			     prefix->bits < other->bits ? prefix->bits : other->bits);
	if (common == prefix->bits) {
		table->nodes[index].children[bit_at(other->ip, common)] = there;
		*link = index;
		return index;
	}
	shared.bits = (uint8_t)common;
	shared = prefix_masked(&shared);
	joint = node_new(table, &shared);
	table->nodes[joint].children[bit_at(prefix->ip, common)] = index;
	table->nodes[joint].children[bit_at(other->ip, common)] = there;
	*link = joint;
	return index;
}

/* The link at which the prefix stands or would stand; *ret_parent is the link above it, NULL at the
 * root. */
static uint32_t *find_link(struct allowedips *table, const struct prefix *prefix,
			   uint32_t **ret_parent)
{
	uint32_t *link = root_of(table, prefix->family), *parent = NULL;

	while (*link) {
		struct allowedips_node *node = &table->nodes[*link];

		if (node->prefix.bits >= prefix->bits || !prefix_contains(&node->prefix, prefix))
			break;
		parent = link;
		link = &node->children[bit_at(prefix->ip, node->prefix.bits)];
	}
	*ret_parent = parent;
	return link;
}

static bool is_prefix(const struct prefix *prefix)
{
	return (prefix->family == FAMILY_IPV4 || prefix->family == FAMILY_IPV6) &&
	       prefix->bits <= family_bits(prefix->family);
}

int allowedips_add(struct allowedips *table, const struct prefix *prefix,
		   struct allowedips_owner *owner)
{
	uint32_t *parent, *link, index;
	struct prefix masked;

	if (!is_prefix(prefix))
		return -EINVAL;
	masked = prefix_masked(prefix);
	link = find_link(table, &masked, &parent);
	if (*link && prefix_is_equal(&table->nodes[*link].prefix, &masked)) {
		own(table, *link, owner);
		return 0;
	}
	if (!has_room(table))
		return -ENOSPC;
	index = insert_at(table, link, &masked);
	own(table, index, owner);
	return 0;
}

/* A node without owner stays only while it joins two children. */
static void prune(struct allowedips *table, uint32_t *link)
{
	uint32_t index = *link;
	struct allowedips_node *node = &table->nodes[index];

	if (!index || node->owner || (node->children[0] && node->children[1]))
		return;
	*link = node->children[0] ? node->children[0] : node->children[1];
	node_free(table, index);
}

bool allowedips_remove(struct allowedips *table, const struct prefix *prefix,
		       struct allowedips_owner *owner)
{
	uint32_t *parent, *link;
	struct prefix masked;

	if (!is_prefix(prefix))
		return false;
	masked = prefix_masked(prefix);
	link = find_link(table, &masked, &parent);
	if (!*link || !prefix_is_equal(&table->nodes[*link].prefix, &masked) ||
	    table->nodes[*link].owner != owner)
		return false;
	disown(table, *link);
	prune(table, link);
	if (parent)
		prune(table, parent);
	return true;
}

void allowedips_remove_all(struct allowedips *table, struct allowedips_owner *owner)
{
	while (owner->first) {
		struct prefix prefix = table->nodes[owner->first].prefix;

		allowedips_remove(table, &prefix, owner);
	}
}

struct allowedips_owner *allowedips_find(const struct allowedips *table, uint8_t family,
					 const uint8_t *ip)
{
	struct allowedips_owner *best = NULL;
	uint32_t index = table->roots[family == FAMILY_IPV6];

	while (index) {
		const struct allowedips_node *node = &table->nodes[index];

		if (!prefix_contains_ip(&node->prefix, family, ip))
			break;
		if (node->owner)
			best = node->owner;
		if (node->prefix.bits == family_bits(family))
			break;
		index = node->children[bit_at(ip, node->prefix.bits)];
	}
	return best;
}

bool allowedips_get(const struct allowedips *table, const struct allowedips_owner *owner,
		    uint32_t index, struct prefix *ret_prefix)
{
	uint32_t node = owner->first;

	while (node && index--)
		node = table->nodes[node].next;
	if (!node)
		return false;
	*ret_prefix = table->nodes[node].prefix;
	return true;
}
