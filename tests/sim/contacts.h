/* Whom a host sent to, and who of them was heard. Shared by the files of the network only. */
#pragma once

#include "base/hash.h"
#include "network.h"

#define CONTACT_BUCKETS 64

struct contact_record;

struct contacts {
	struct contact_record **records; /* in order of their first datagram */
	size_t count, room;
	struct hash_table by_address;
	struct hash_node *buckets[CONTACT_BUCKETS];
};

void contacts_init(struct contacts *contacts);
void contacts_done(struct contacts *contacts);
void contacts_note_sent(struct contacts *contacts, usec_t now, const struct address *to);
void contacts_note_heard(struct contacts *contacts, const struct address *from);
void contacts_forget_sent(struct contacts *contacts);
/* index 0..; NULL past the end. */
const struct contact *contacts_get(const struct contacts *contacts, size_t index);
