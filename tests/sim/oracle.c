#include "oracle.h"

#define CHAIN_MAX 8

/* What one host is behind, seen from the internet, in one family. */
struct view {
	const struct zone *chain[CHAIN_MAX]; /* inner to outer, the internet not included */
	size_t length;
	const struct network_link *link; /* of the host itself */
	bool is_symmetric, is_moving;
	enum nat_filter filter;
};

static bool find_view(struct network *network, const struct host *host, uint8_t family,
		      struct view *ret_view)
{
	for (size_t i = 0; i < host_interface_count(host); i++) {
		const struct zone *zone = host_zone(host, i);

		if (host_interface(host, i)->family != family ||
		    (!zone_outside(zone) && zone != network_internet(network)))
			continue;
		*ret_view =
			(struct view){.filter = FILTER_OPEN, .link = host_interface_link(host, i)};
		for (; zone_outside(zone); zone = zone_outside(zone)) {
			const struct nat *nat = zone_nat(zone);

			ret_view->chain[ret_view->length++] = zone;
			ret_view->is_symmetric |= nat->mapping == NAT_SYMMETRIC;
			ret_view->is_moving |= nat->is_moving;
			if (nat->filter > ret_view->filter)
				ret_view->filter = nat->filter;
		}
		return true;
	}
	return false;
}

/* On a link that both stand on. */
static usec_t shared_delay(const struct host *a, const struct host *b)
{
	usec_t best = USEC_NEVER;

	for (size_t i = 0; i < host_interface_count(a); i++) {
		for (size_t j = 0; j < host_interface_count(b); j++) {
			if (host_zone(a, i) != host_zone(b, j) ||
			    host_interface(a, i)->family != host_interface(b, j)->family)
				continue;
			best = usec_earlier(best, host_interface_link(a, i)->delay +
							  host_interface_link(b, j)->delay);
		}
	}
	return best;
}

static bool share_zone(const struct host *a, const struct host *b)
{
	return shared_delay(a, b) != USEC_NEVER;
}

/* Both send to the address that the hub sees of the other. */
static enum oracle_verdict can_punch(const struct view *a, const struct view *b)
{
	bool is_strict =
		a->filter == FILTER_ADDRESS_AND_PORT && b->filter == FILTER_ADDRESS_AND_PORT;

	if (a->is_symmetric && b->is_symmetric)
		return ORACLE_NEVER;
	/* The symmetric side comes from a port that nobody could foretell. */
	if (a->is_symmetric || b->is_symmetric)
		return (a->is_symmetric ? b->filter : a->filter) == FILTER_ADDRESS_AND_PORT
			       ? ORACLE_NEVER
			       : ORACLE_ALWAYS;
	if (is_strict && a->is_moving && b->is_moving)
		return ORACLE_PERHAPS;
	return is_strict && (a->is_moving || b->is_moving) ? ORACLE_AT_FIRST : ORACLE_ALWAYS;
}

/* The outermost NAT is common to both: it has to turn their packets around. */
static bool is_turned_around(const struct view *a, const struct view *b)
{
	const struct zone *outermost;

	if (!a->length || !b->length || a->chain[a->length - 1] != b->chain[b->length - 1])
		return true;
	outermost = a->chain[a->length - 1];
	return zone_nat(outermost)->mapping == NAT_NONE || zone_nat(outermost)->has_hairpin;
}

/* One of them stands in a zone that the other only has to leave its own NATs for. */
static bool stands_above(const struct view *upper, const struct view *lower)
{
	for (size_t i = 0; upper->length && i < lower->length; i++) {
		if (lower->chain[i] == upper->chain[0])
			return true;
	}
	return false;
}

/* Behind a NAT only the hub knows an address; behind a firewall the machine itself does. */
static bool is_known(const struct view *view, uint8_t family, const struct oracle_side *side)
{
	for (size_t i = 0; i < view->length; i++) {
		if (zone_nat(view->chain[i])->mapping != NAT_NONE)
			return side->seen_family == family;
	}
	return true;
}

static enum oracle_verdict can_connect_over(struct network *network, uint8_t family,
					    const struct oracle_side *a,
					    const struct oracle_side *b)
{
	struct view view_a, view_b;
	bool is_a_known, is_b_known;

	if (!find_view(network, a->host, family, &view_a) ||
	    !find_view(network, b->host, family, &view_b))
		return ORACLE_NEVER;
	is_a_known = is_known(&view_a, family, a);
	is_b_known = is_known(&view_b, family, b);
	if (!is_a_known || !is_b_known)
		return (is_a_known && view_a.filter == FILTER_OPEN) ||
				       (is_b_known && view_b.filter == FILTER_OPEN)
			       ? ORACLE_ALWAYS
			       : ORACLE_NEVER;
	if (stands_above(&view_a, &view_b) || stands_above(&view_b, &view_a))
		return ORACLE_ALWAYS;
	return is_turned_around(&view_a, &view_b) ? can_punch(&view_a, &view_b) : ORACLE_NEVER;
}

enum oracle_verdict oracle_can_connect(struct network *network, struct oracle_side a,
				       struct oracle_side b)
{
	enum oracle_verdict ipv4 = can_connect_over(network, FAMILY_IPV4, &a, &b);
	enum oracle_verdict ipv6 = can_connect_over(network, FAMILY_IPV6, &a, &b);

	if (share_zone(a.host, b.host))
		return ORACLE_ALWAYS;
	return ipv4 > ipv6 ? ipv4 : ipv6;
}

bool oracle_needs_appointment(struct network *network, const struct host *a, const struct host *b)
{
	static const uint8_t families[] = {FAMILY_IPV4, FAMILY_IPV6};
	struct view view_a, view_b;

	if (share_zone(a, b))
		return false;
	for (size_t i = 0; i < sizeof(families); i++) {
		if (!find_view(network, a, families[i], &view_a) ||
		    !find_view(network, b, families[i], &view_b))
			continue;
		if (view_a.filter != FILTER_ADDRESS_AND_PORT ||
		    view_b.filter != FILTER_ADDRESS_AND_PORT || stands_above(&view_a, &view_b) ||
		    stands_above(&view_b, &view_a))
			return false;
	}
	return true;
}

/* Down from where both ways meet: the zone that the other stands in, or the internet, also when
 * they only meet there to be turned around. */
static usec_t delay_below(const struct view *view, const struct view *other)
{
	usec_t delay = view->link->delay;

	for (size_t i = 0; i < view->length; i++) {
		if (other->length && other->chain[0] == view->chain[i])
			return delay;
		delay += zone_link(view->chain[i])->delay;
	}
	return delay;
}

/* What stands above needs none of its own NATs. */
static usec_t delay_between(const struct view *a, const struct view *b)
{
	if (stands_above(a, b))
		return a->link->delay + delay_below(b, a);
	if (stands_above(b, a))
		return b->link->delay + delay_below(a, b);
	return delay_below(a, b) + delay_below(b, a);
}

usec_t oracle_best_delay(struct network *network, struct oracle_side a, struct oracle_side b)
{
	static const uint8_t families[] = {FAMILY_IPV4, FAMILY_IPV6};
	usec_t best = shared_delay(a.host, b.host);

	for (size_t i = 0; i < sizeof(families); i++) {
		struct view view_a, view_b;

		if (can_connect_over(network, families[i], &a, &b) != ORACLE_ALWAYS ||
		    !find_view(network, a.host, families[i], &view_a) ||
		    !find_view(network, b.host, families[i], &view_b))
			continue;
		best = usec_earlier(best, delay_between(&view_a, &view_b));
	}
	return best;
}
