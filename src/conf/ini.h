/* INI in the manner of wg-quick: [Section] and Key = value lines; sections and keys may repeat, #
 * and ; start a comment line, # also ends a line; names ignore case. A table says which sections
 * and keys exist and who reads each value. Pure: text in, calls out. Messages carry file, line and
 * the nearest known word, and never the value of a secret. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CONF_TEXT_MAX   (1 << 20) /* bytes of a config file; more is somebody else's file */
#define CONF_ERROR_SIZE 320

/* "hub.conf:7: unknown key 'ListenPrt' in [Interface]; did you mean 'ListenPort'?" */
struct conf_error {
	unsigned line; /* 0 when the fault is no single line's */
	char text[CONF_ERROR_SIZE];
};

/* Reads one trimmed value into its place inside the owner. 0, -EINVAL (malformed), -ERANGE (a
 * number out of its range), -E2BIG (one entry too many), -EEXIST (given before). */
typedef int ini_read(void *place, const char *value);

struct ini_key {
	const char *name;
	ini_read *read;
	size_t offset;      /* of the place inside the section's owner */
	const char *expect; /* what a right value is, for the message: "a port (1-65535)" */
	bool is_repeatable; /* else a second one in the same section is an error */
	bool is_required;
	bool is_secret; /* the value never appears in a message */
};

struct ini_section {
	const char *name;
	const struct ini_key *keys;
	size_t key_count; /* at most 32 */
	bool is_required;
	/* Not NULL: the section exists elsewhere (wg-quick) but not here, and this says why. */
	const char *refusal;
	/* NULL: the section occurs at most once and its owner is the destination itself. Otherwise
	 * called at each header; the owner of the keys that follow, NULL when there are too many.
	 */
	void *(*begin)(void *destination);
};

struct ini_schema {
	const struct ini_section *sections;
	size_t section_count;
	/* Keys that exist elsewhere (wg-quick) and that we do not act on: refused with that reason.
	 */
	const char *const *foreign_keys;
	size_t foreign_count;
};

/* file: the name for messages. 0 or -EINVAL with *ret_error filled; the destination may then be
 * half filled and must be released by its owner as usual. */
int ini_parse(const char *text, size_t size, const char *file, const struct ini_schema *schema,
	      void *destination, struct conf_error *ret_error);
