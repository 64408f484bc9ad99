/* What wg(8) asks for, done to a device: set requests applied, get requests answered. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/time.h"

struct builtin;
struct uapi_set;

struct control {
	struct builtin *builtin;
	uint32_t fwmark;
	/* Set: somebody else decides about peers, keys and the port. What wg(8) wants to change is
	 * refused with -EPERM, and told here in words of wg(8): "listen-port peers=2 peer=KEY". */
	void (*on_refused)(void *owner, const char *asked);
	void *owner;
};

/* Everything that can fail is tried before anything else changes: 0, or -errno (-EADDRINUSE: the
 * port; -EPERM: the mark; -EINVAL: a peer's key; -ENOSPC: too many peers). */
int control_apply(struct control *control, const struct uapi_set *set);
/* A whole request to a whole answer, errno line included. now: the loop's; realtime_nsec: the wall
 * clock at that moment, since 1970. */
void control_answer(struct control *control, usec_t now, uint64_t realtime_nsec,
		    const char *request, size_t size, struct buffer *answer);
