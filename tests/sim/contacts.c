#include "contacts.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct contact_record {
	struct hash_node by_address;
	struct contact contact;
	usec_t recent[CONTACT_PEAK_MAX];
	size_t next;
};

void contacts_init(struct contacts *contacts)
{
	*contacts = (struct contacts){0};
	hash_init(&contacts->by_address, contacts->buckets, CONTACT_BUCKETS);
}

void contacts_done(struct contacts *contacts)
{
	for (size_t i = 0; i < contacts->count; i++)
		free(contacts->records[i]);
	free(contacts->records);
}

static struct contact_record *add(struct contacts *contacts, const struct address *address,
				  uint64_t hash)
{
	struct contact_record *record = new (struct contact_record);

	if (contacts->count == contacts->room) {
		contacts->room = contacts->room * 2 + 16;
		contacts->records = memory_resize(contacts->records, contacts->room,
						  sizeof(*contacts->records));
	}
	record->contact.address = *address;
	hash_insert(&contacts->by_address, &record->by_address, hash);
	contacts->records[contacts->count++] = record;
	return record;
}

static struct contact_record *find(struct contacts *contacts, const struct address *address)
{
	uint64_t hash = hash_bytes(address->port, address->ip, sizeof(address->ip));
	struct hash_node *node;

	hash_for_each (node, &contacts->by_address, hash) {
		struct contact_record *record =
			container_of(node, struct contact_record, by_address);

		if (address_is_equal(&record->contact.address, address))
			return record;
	}
	return add(contacts, address, hash);
}

void contacts_note_sent(struct contacts *contacts, usec_t now, const struct address *to)
{
	struct contact_record *record = find(contacts, to);
	unsigned count = 0;

	if (record->contact.was_heard)
		return;
	record->contact.sent++;
	record->recent[record->next++ % CONTACT_PEAK_MAX] = now;
	for (size_t i = 0; i < CONTACT_PEAK_MAX; i++)
		count += record->recent[i] && usec_since(now, record->recent[i]) < CONTACT_WINDOW;
	if (count > record->contact.peak)
		record->contact.peak = count;
}

void contacts_note_heard(struct contacts *contacts, const struct address *from)
{
	find(contacts, from)->contact.was_heard = true;
}

void contacts_forget_sent(struct contacts *contacts)
{
	for (size_t i = 0; i < contacts->count; i++)
		memset(contacts->records[i]->recent, 0, sizeof(contacts->records[i]->recent));
}

const struct contact *contacts_get(const struct contacts *contacts, size_t index)
{
	return index < contacts->count ? &contacts->records[index]->contact : NULL;
}
