/* What is inside data messages: IP packets (RFC 791, RFC 8200) and the peer whose addresses they
 * bear, on the way out and on the way in. Their sizes are believed only as far as there are bytes.
 */
#include "proto/noise/wg.h"

#define IPV4_HEADER_SIZE 20
#define IPV4_TOTAL       2
#define IPV4_SOURCE      12
#define IPV4_DESTINATION 16
#define IPV6_HEADER_SIZE 40
#define IPV6_PAYLOAD     4
#define IPV6_SOURCE      8
#define IPV6_DESTINATION 24

/* By version and room for the fixed header. */
static enum address_family family_of(const uint8_t *packet, size_t size)
{
	if (size >= IPV4_HEADER_SIZE && packet[0] >> 4 == 4)
		return FAMILY_IPV4;
	if (size >= IPV6_HEADER_SIZE && packet[0] >> 4 == 6)
		return FAMILY_IPV6;
	return FAMILY_NONE;
}

static size_t load_be16(const uint8_t *data)
{
	return (size_t)data[0] << 8 | data[1];
}

/* What the header says; 0 when that is less than the header itself. */
static size_t total_size(const uint8_t *packet, enum address_family family)
{
	size_t total;

	if (family == FAMILY_IPV6)
		return IPV6_HEADER_SIZE + load_be16(packet + IPV6_PAYLOAD);
	total = load_be16(packet + IPV4_TOTAL);
	return total >= IPV4_HEADER_SIZE ? total : 0;
}

static struct allowedips_owner *owner_of(const struct wg *wg, enum address_family family,
					 const uint8_t *packet, size_t offset4, size_t offset6)
{
	return allowedips_find(&wg->allowed, (uint8_t)family,
			       packet + (family == FAMILY_IPV4 ? offset4 : offset6));
}

enum wg_drop wg_accepts(const struct wg *wg, const struct wg_peer *peer, const uint8_t *packet,
			size_t size, size_t *ret_size)
{
	enum address_family family = family_of(packet, size);

	if (family == FAMILY_NONE)
		return WG_DROP_MALFORMED;
	*ret_size = total_size(packet, family);
	if (!*ret_size || *ret_size > size)
		return WG_DROP_MALFORMED;
	if (owner_of(wg, family, packet, IPV4_SOURCE, IPV6_SOURCE) != &peer->allowed)
		return WG_DROP_SOURCE;
	return WG_OK;
}

struct wg_peer *wg_route(const struct wg *wg, const uint8_t *packet, size_t size)
{
	enum address_family family = family_of(packet, size);
	struct allowedips_owner *owner;

	if (family == FAMILY_NONE)
		return NULL;
	owner = owner_of(wg, family, packet, IPV4_DESTINATION, IPV6_DESTINATION);
	return owner ? container_of(owner, struct wg_peer, allowed) : NULL;
}
