#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>

#include "base/memory.h"
#include "sys/privilege/privilege_private.h"

#define ANY_ROLE (1u << PRIVILEGE_WG | 1u << PRIVILEGE_NODE | 1u << PRIVILEGE_HUB)

static const struct {
	unsigned capability, roles;
} needed[] = {
	/* Keys of later peers are locked, also beyond RLIMIT_MEMLOCK. */
	{CAP_IPC_LOCK, ANY_ROLE},
	/* Marks and large buffers of later sockets, and the device in the kernel. */
	{CAP_NET_ADMIN, 1u << PRIVILEGE_WG | 1u << PRIVILEGE_NODE},
	/* `wg set listen-port 443`; nodes and hubs keep the port they have. */
	{CAP_NET_BIND_SERVICE, 1u << PRIVILEGE_WG},
};

static size_t append(char *text, size_t size, size_t used, unsigned capability)
{
	int added = snprintf(text + used, size - used, "%s%s", used ? "," : "",
			     capng_capability_to_name(capability));

	return added > 0 && (size_t)added < size - used ? used + (size_t)added : used;
}

int capability_keep(enum privilege_role role, char *text, size_t size)
{
	bool is_kept[array_size(needed)], may_bound;
	size_t used = 0;
	int error;

	if (capng_get_caps_process())
		return -EPERM;
	/* Where it is missing, whoever started us has set bounds; no program is run anyway. */
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	for (size_t i = 0; i < array_size(needed); i++)
		is_kept[i] = needed[i].roles & 1u << role &&
			     capng_have_capability(CAPNG_PERMITTED, needed[i].capability);
	capng_clear(CAPNG_SELECT_ALL);
	snprintf(text, size, "none");
	for (size_t i = 0; i < array_size(needed); i++) {
		if (!is_kept[i])
			continue;
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, needed[i].capability);
		used = append(text, size, used, needed[i].capability);
	}
	error = capng_apply(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
	return error ? -EPERM : 0;
}
