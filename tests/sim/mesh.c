#include "mesh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/x25519.h"
#include "hub.h"
#include "node.h"

struct mesh *mesh_new(uint64_t seed, size_t node_limit, bool has_appointments, bool is_verbose)
{
	struct mesh *mesh = new (struct mesh);

	mesh->network = network_new(seed);
	mesh->node_limit = node_limit;
	mesh->nodes = new_array(struct node *, node_limit);
	mesh->aead = aead_new();
	mesh->has_appointments = has_appointments;
	mesh->is_verbose = is_verbose;
	mesh->epoch = 1700000000 * USEC_PER_SEC;
	mesh->hub_address = mesh_address(1);
	mesh->hub_address.bits = MESH_BITS;
	random_fill(network_random(mesh->network), mesh->network_id, sizeof(mesh->network_id));
	random_fill(network_random(mesh->network), mesh->site_secret, sizeof(mesh->site_secret));
	mesh_draw_key(mesh, &mesh->hub_private, &mesh->hub_key);
	return mesh;
}

void mesh_free(struct mesh *mesh)
{
	for (size_t i = 0; i < mesh->node_count; i++)
		node_free(mesh->nodes[i]);
	hub_free(mesh->hub);
	aead_free(mesh->aead);
	network_free(mesh->network);
	free(mesh->nodes);
	free(mesh);
}

void mesh_draw_key(struct mesh *mesh, struct key *ret_private, struct key *ret_public)
{
	random_fill(network_random(mesh->network), ret_private, KEY_SIZE);
	x25519_clamp(ret_private);
	x25519_public(ret_private, ret_public);
}

struct prefix mesh_address(unsigned number)
{
	struct prefix prefix;

	if (prefix_parse("100.100.96.0/32", &prefix))
		abort();
	prefix.ip[2] += (uint8_t)(number >> 8);
	prefix.ip[3] = (uint8_t)number;
	return prefix;
}

struct node *mesh_find(const struct mesh *mesh, const struct key *key)
{
	for (size_t i = 0; i < mesh->node_count; i++) {
		if (key_is_equal(&mesh->nodes[i]->public_key, key))
			return mesh->nodes[i];
	}
	return NULL;
}

void mesh_trace(const struct mesh *mesh, const char *who, const char *format, ...)
{
	usec_t now = network_now(mesh->network);
	va_list arguments;

	if (!mesh->is_verbose)
		return;
	printf("%7llu.%03llu %-8s ", (unsigned long long)(now / USEC_PER_SEC),
	       (unsigned long long)(now / USEC_PER_MSEC % 1000), who);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

void mesh_fail(struct mesh *mesh, const char *format, ...)
{
	usec_t now = network_now(mesh->network);
	va_list arguments;
	size_t used;

	if (mesh->failure[0])
		return;
	snprintf(mesh->failure, sizeof(mesh->failure),
		 "at %llu.%03llu: ", (unsigned long long)(now / USEC_PER_SEC),
		 (unsigned long long)(now / USEC_PER_MSEC % 1000));
	used = strlen(mesh->failure);
	va_start(arguments, format);
	vsnprintf(mesh->failure + used, sizeof(mesh->failure) - used, format, arguments);
	va_end(arguments);
	mesh_trace(mesh, "FAILURE", "%s", mesh->failure);
}
