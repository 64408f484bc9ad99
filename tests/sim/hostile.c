#include "hostile.h"

#include <stdlib.h>

#include "base/memory.h"
#include "hub.h"
#include "node.h"

/* Appointments of one pair, one requester or one victim, in a window that begins with any of them.
 */
#define PAIR_WINDOW        (10 * USEC_PER_SEC)
#define PAIR_MOST          2 /* one by turn, one because somebody moved */
#define PAIR_LONG_WINDOW   (60 * USEC_PER_SEC)
#define PAIR_LONG_MOST     8
/* Shorter than what a pair waits, or pairs would limit a requester by themselves. */
#define REQUEST_WINDOW     (2 * USEC_PER_SEC)
/* Fixed windows: two of them may meet. */
#define TARGET_MOST(limit) (2 * (limit))

const struct rendezvous_limits hostile_limits = {
	.request_burst = 4, .request_rate = 1, .target_limit = 4};

/* Somebody on the internet; an address in many LANs; what is nobody's, or must never be sent to. */
static const char *const lies[] = {
	"203.0.113.250:53",   "192.168.1.200:161",  "127.0.0.1:51821",  "169.254.169.254:80",
	"100.100.96.3:51821", "198.51.100.1:51820", "10.200.0.5:51821",
};
#define LIE_VICTIM  0
#define LIE_NOWHERE 6

static struct address lie(size_t index)
{
	struct address address;

	if (address_parse(lies[index], 0, &address))
		abort();
	return address;
}

static void ignore(void *owner, usec_t now, const struct network_datagram *datagram)
{
	(void)owner;
	(void)now;
	(void)datagram;
}

static void make_liar(struct node *node)
{
	for (size_t i = 0; i < array_size(lies); i++)
		node->malice.lies[i] =
			(struct candidate){.kind = CANDIDATE_LOCAL, .address = lie(i)};
	node->malice.lie_count = array_size(lies);
	mesh_trace(node->mesh, node->name, "lies");
}

static void add_victim(struct mesh *mesh, struct zone *zone, const char *text)
{
	static const struct network_link link = {.delay = 5 * USEC_PER_MSEC};
	struct host *host;
	struct prefix prefix;
	struct address address;

	if (address_parse(text, 0, &address))
		abort();
	prefix = prefix_of_host(&address);
	host = host_new(mesh->network, address.port, ignore, NULL);
	host_attach(host, zone, &prefix, &link);
}

void hostile_prepare(struct mesh *mesh, struct topology *topology)
{
	/* Two name the same victim: together they get no more than one. */
	make_liar(mesh->nodes[0]);
	make_liar(mesh->nodes[2]);
	mesh->nodes[1]->malice.requests_per_second = 4;
	mesh->nodes[0]->malice.pong_delay = 9 * USEC_PER_SEC;
	mesh->is_hostile = true;
	add_victim(mesh, network_internet(mesh->network), lies[LIE_VICTIM]);
	for (size_t i = 0; i < topology->site_count; i++) {
		if (topology->sites[i].ipv4 && topology->sites[i].kind < SITE_CARRIER_PHONE &&
		    topology->sites[i].kind != SITE_PUBLIC)
			add_victim(mesh, topology->sites[i].ipv4, lies[1]);
	}
}

/* ---- afterwards ---- */

/* They were behind one public address, at one time or another. */
static bool is_behind_one_address(const struct mesh *mesh, const struct node *a,
				  const struct node *b)
{
	const struct hub_member *one = &mesh->hub->members[a->index];
	const struct hub_member *other = &mesh->hub->members[b->index];

	for (size_t i = 0; i < one->place_count; i++) {
		for (size_t j = 0; j < other->place_count; j++) {
			if (address_is_same_ip(&one->places[i], &other->places[j]))
				return true;
		}
	}
	return false;
}

static bool may_send_to_nowhere(const struct mesh *mesh, const struct node *node)
{
	return is_behind_one_address(mesh, node, mesh->nodes[0]) ||
	       is_behind_one_address(mesh, node, mesh->nodes[2]);
}

static void check_sent(struct mesh *mesh, const struct node *node)
{
	struct address nowhere = lie(LIE_NOWHERE);
	const struct contact *contact;
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; (contact = host_contact(node->host, i)); i++) {
		const struct address *to = &contact->address;

		if (address_is_unusable(to) ||
		    prefix_contains_ip(&node->address, to->family, to->ip) ||
		    (address_is_equal(to, &nowhere) && !may_send_to_nowhere(mesh, node)))
			mesh_fail(mesh, "%s: sent to %s", node->name, address_print(to, text));
	}
}

struct counting {
	usec_t window;
	unsigned most;
	const char *what;
	bool (*is_alike)(const struct mesh *mesh, const struct hub_appointment *a,
			 const struct hub_appointment *b);
};

static bool is_same_pair(const struct mesh *mesh, const struct hub_appointment *a,
			 const struct hub_appointment *b)
{
	(void)mesh;
	return (a->from == b->from && a->to == b->to) || (a->from == b->to && a->to == b->from);
}

static bool is_same_requester(const struct mesh *mesh, const struct hub_appointment *a,
			      const struct hub_appointment *b)
{
	(void)mesh;
	return a->from == b->from;
}

static bool has_liar(const struct mesh *mesh, const struct hub_appointment *appointment)
{
	return mesh->nodes[appointment->from]->malice.lie_count ||
	       mesh->nodes[appointment->to]->malice.lie_count;
}

static bool is_same_victim(const struct mesh *mesh, const struct hub_appointment *a,
			   const struct hub_appointment *b)
{
	return has_liar(mesh, a) && has_liar(mesh, b);
}

static void check_rate(struct mesh *mesh, const struct counting *counting)
{
	const struct hub *hub = mesh->hub;

	for (size_t i = 0; i < hub->appointment_count; i++) {
		const struct hub_appointment *first = &hub->appointments[i];
		unsigned count = 0;

		for (size_t j = i; j < hub->appointment_count &&
				   hub->appointments[j].when < first->when + counting->window;
		     j++)
			count += first->run == hub->appointments[j].run &&
				 counting->is_alike(mesh, first, &hub->appointments[j]);
		if (count > counting->most)
			mesh_fail(mesh, "hub: %u appointments of one %s within %llu s", count,
				  counting->what,
				  (unsigned long long)(counting->window / USEC_PER_SEC));
	}
}

void hostile_check(struct mesh *mesh)
{
	const struct counting countings[] = {
		{PAIR_WINDOW, PAIR_MOST, "pair", is_same_pair},
		{PAIR_LONG_WINDOW, PAIR_LONG_MOST, "pair", is_same_pair},
		{REQUEST_WINDOW,
		 hostile_limits.request_burst +
			 hostile_limits.request_rate * (REQUEST_WINDOW / USEC_PER_SEC),
		 "requester", is_same_requester},
		{RENDEZVOUS_TARGET_WINDOW, TARGET_MOST(hostile_limits.target_limit), "victim",
		 is_same_victim},
	};
	/* Limits of pairs hold everywhere, the others are only as small as this here. */
	size_t count = mesh->is_hostile ? array_size(countings) : 2;

	for (size_t i = 0; i < count; i++)
		check_rate(mesh, &countings[i]);
	for (size_t i = 0; mesh->is_hostile && i < mesh->node_count; i++)
		check_sent(mesh, mesh->nodes[i]);
}
