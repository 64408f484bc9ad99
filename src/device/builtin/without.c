#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/builtin/builtin.h"

static const struct word {
	const char *name;
	size_t offset; /* of its flag in the options */
} words[] = {
	{"gso", offsetof(struct builtin_options, without_gso)},
	{"gro", offsetof(struct builtin_options, without_gro)},
	{"uso", offsetof(struct builtin_options, without_udp_gso)},
	{"vnet-header", offsetof(struct builtin_options, without_vnet_header)},
};

static const struct word *find(const char *text, size_t size)
{
	for (size_t i = 0; i < array_size(words); i++) {
		if (strlen(words[i].name) == size && !memcmp(words[i].name, text, size))
			return &words[i];
	}
	return NULL;
}

int builtin_options_without(struct builtin_options *options)
{
	const char *text = getenv(BUILTIN_WITHOUT);

	while (text && *text) {
		size_t size = strcspn(text, ",");
		const struct word *word = find(text, size);

		if (!word)
			return -EINVAL;
		*(bool *)((char *)options + word->offset) = true;
		text += size + (text[size] == ',');
	}
	return 0;
}
