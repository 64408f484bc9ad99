/* What one thread hands to another in batches, bounded: two boxes, of which the sender fills one
 * while the receiver empties the other. Letters come out in the order in which they went in. The
 * memory is taken at the start and touched only as it is used. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

enum letter_kind {
	LETTER_PACKET,   /* an IP packet from the interface */
	LETTER_DATAGRAM, /* from the network, and no data */
};

/* Lies in front of its bytes, which the receiver may change. */
struct letter {
	uint32_t size;
	enum letter_kind kind;
	struct address from; /* of a datagram */
};

struct mailbox {
	uint8_t *bytes;
	size_t used;
};

struct mail {
	size_t capacity; /* of each box */
	struct mailbox boxes[2];
	uint64_t number;       /* of the box that is filled now: boxes[number % 2]; from 1 */
	_Atomic uint64_t done; /* number of the box emptied last */
};

void mail_init(struct mail *mail, size_t capacity);
void mail_done(struct mail *mail);

/* The sender's. False: the box is full. */
bool mail_put(struct mail *mail, const struct letter *letter, const void *bytes);
bool mail_is_empty(const struct mail *mail);

/* The receiver's, while the sender is held and the box before was finished: the box that was
 * filled, and the sender goes on with the other. NULL: it is empty. */
struct mailbox *mail_take(struct mail *mail);
/* The next letter of a box; *offset starts at 0. NULL: that was all. */
struct letter *mail_next(const struct mailbox *box, size_t *offset, uint8_t **ret_bytes);
/* What was in the box taken last is done with. */
void mail_finish(struct mail *mail);
