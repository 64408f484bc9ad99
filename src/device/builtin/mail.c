#include "device/builtin/mail.h"

#include <string.h>

#include "base/memory.h"

void mail_init(struct mail *mail, size_t capacity)
{
	*mail = (struct mail){.capacity = capacity, .number = 1};
	for (size_t i = 0; i < array_size(mail->boxes); i++)
		mail->boxes[i].bytes = new_array(uint8_t, capacity);
}

void mail_done(struct mail *mail)
{
	for (size_t i = 0; i < array_size(mail->boxes); i++)
		free(mail->boxes[i].bytes);
}

/* Letters begin where a struct may. */
static size_t room_for(size_t size)
{
	const size_t alignment = _Alignof(struct letter);

	return (sizeof(struct letter) + size + alignment - 1) / alignment * alignment;
}

bool mail_put(struct mail *mail, const struct letter *letter, const void *bytes)
{
	struct mailbox *box = &mail->boxes[mail->number % 2];
	uint8_t *place = box->bytes + box->used;
	size_t room = room_for(letter->size);

	if (room > mail->capacity - box->used)
		return false;
	memcpy(place, letter, sizeof(*letter));
	memcpy(place + sizeof(*letter), bytes, letter->size);
	box->used += room;
	return true;
}

bool mail_is_empty(const struct mail *mail)
{
	return !mail->boxes[mail->number % 2].used;
}

struct mailbox *mail_take(struct mail *mail)
{
	if (mail_is_empty(mail))
		return NULL;
	return &mail->boxes[mail->number++ % 2];
}

struct letter *mail_next(const struct mailbox *box, size_t *offset, uint8_t **ret_bytes)
{
	struct letter *letter = (struct letter *)(box->bytes + *offset);

	if (*offset >= box->used)
		return NULL;
	*ret_bytes = (uint8_t *)(letter + 1);
	*offset += room_for(letter->size);
	return letter;
}

void mail_finish(struct mail *mail)
{
	mail->boxes[(mail->number - 1) % 2].used = 0;
	atomic_store_explicit(&mail->done, mail->number - 1, memory_order_release);
}
