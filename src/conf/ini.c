#include "conf/ini.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/secret.h"

#define LINE_SIZE       2048 /* with NUL; what does not fit one line may be said in several */
/* A longer "name" before '=' may be a key that lost its name: never shown. */
#define NAME_SHOWN_MAX  32
#define SECTIONS_MAX    8
#define SECTION_KEY_MAX 32

struct ini_parser {
	const char *file;
	const struct ini_schema *schema;
	void *destination;
	struct conf_error *error;
	unsigned line;
	const struct ini_section *section; /* NULL before the first header */
	unsigned section_line;
	void *owner;
	uint32_t keys_seen;                   /* of this occurrence of the section */
	unsigned sections_seen[SECTIONS_MAX]; /* line of the first header, 0: not seen */
};

static int fail(struct ini_parser *parser, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct ini_parser *parser, unsigned line, const char *format, ...)
{
	struct conf_error *error = parser->error;
	char place[16] = "";
	va_list arguments;
	size_t size;

	error->line = line;
	if (line)
		snprintf(place, sizeof(place), ":%u", line);
	snprintf(error->text, sizeof(error->text), "%.100s%s: ", parser->file, place);
	size = strlen(error->text);
	va_start(arguments, format);
	vsnprintf(error->text + size, sizeof(error->text) - size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static size_t section_index(const struct ini_parser *parser, const struct ini_section *section)
{
	return (size_t)(section - parser->schema->sections);
}

static int finish_section(struct ini_parser *parser)
{
	const struct ini_section *section = parser->section;

	if (!section)
		return 0;
	for (size_t i = 0; i < section->key_count; i++) {
		if (section->keys[i].is_required && !(parser->keys_seen & 1u << i))
			return fail(parser, parser->section_line, "[%s] lacks %s (%s)",
				    section->name, section->keys[i].name, section->keys[i].expect);
	}
	return 0;
}

static int unknown_section(struct ini_parser *parser, const char *name)
{
	const char *names[SECTIONS_MAX], *nearest;
	char shown[4 * NAME_SHOWN_MAX + 1];

	for (size_t i = 0; i < parser->schema->section_count; i++)
		names[i] = parser->schema->sections[i].name;
	nearest = text_nearest(name, names, parser->schema->section_count);
	text_escape(shown, sizeof(shown), name, strnlen(name, NAME_SHOWN_MAX));
	if (nearest)
		return fail(parser, parser->line, "unknown section [%s]; did you mean [%s]?", shown,
			    nearest);
	return fail(parser, parser->line, "unknown section [%s]", shown);
}

static int enter_section(struct ini_parser *parser, const struct ini_section *section)
{
	unsigned *seen = &parser->sections_seen[section_index(parser, section)];

	if (section->refusal)
		return fail(parser, parser->line, "[%s]: %s", section->name, section->refusal);
	if (*seen && !section->begin)
		return fail(parser, parser->line, "second [%s]; the first is on line %u",
			    section->name, *seen);
	if (!*seen)
		*seen = parser->line;
	parser->section = section;
	parser->section_line = parser->line;
	parser->keys_seen = 0;
	parser->owner = section->begin ? section->begin(parser->destination) : parser->destination;
	if (!parser->owner)
		return fail(parser, parser->line, "too many [%s] sections", section->name);
	return 0;
}

static int read_header(struct ini_parser *parser, char *text)
{
	size_t size = strlen(text);
	int error;

	if (text[size - 1] != ']')
		return fail(parser, parser->line, "expected [Section]");
	text[size - 1] = '\0';
	text = text_trim(text + 1);
	error = finish_section(parser);
	if (error)
		return error;
	for (size_t i = 0; i < parser->schema->section_count; i++) {
		if (!strcasecmp(parser->schema->sections[i].name, text))
			return enter_section(parser, &parser->schema->sections[i]);
	}
	return unknown_section(parser, text);
}

static const struct ini_key *find_key(const struct ini_section *section, const char *name)
{
	for (size_t i = 0; i < section->key_count; i++) {
		if (!strcasecmp(section->keys[i].name, name))
			return &section->keys[i];
	}
	return NULL;
}

/* Letters and digits, and not too many of them: anything else may be part of a secret. */
static bool is_showable(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-";
	size_t size = strlen(name);

	return size && size <= NAME_SHOWN_MAX && strspn(name, letters) == size;
}

/* The section other than the current one that knows the key, NULL when there is none. */
static const struct ini_section *other_home(const struct ini_parser *parser, const char *name)
{
	for (size_t i = 0; i < parser->schema->section_count; i++) {
		const struct ini_section *section = &parser->schema->sections[i];

		if (section != parser->section && !section->refusal && find_key(section, name))
			return section;
	}
	return NULL;
}

static int unknown_key(struct ini_parser *parser, const char *name)
{
	const struct ini_section *section = parser->section, *other = other_home(parser, name);
	const char *names[SECTION_KEY_MAX], *nearest;

	if (!is_showable(name))
		return fail(parser, parser->line, "expected 'Key = value'");
	for (size_t i = 0; i < parser->schema->foreign_count; i++) {
		if (!strcasecmp(parser->schema->foreign_keys[i], name))
			return fail(parser, parser->line,
				    "'%s' belongs to wg-quick and has no effect here; remove it",
				    parser->schema->foreign_keys[i]);
	}
	if (other)
		return fail(parser, parser->line, "unknown key '%s' in [%s]; it belongs to [%s]",
			    name, section->name, other->name);
	for (size_t i = 0; i < section->key_count; i++)
		names[i] = section->keys[i].name;
	nearest = text_nearest(name, names, section->key_count);
	if (nearest)
		return fail(parser, parser->line, "unknown key '%s' in [%s]; did you mean '%s'?",
			    name, section->name, nearest);
	return fail(parser, parser->line, "unknown key '%s' in [%s]", name, section->name);
}

static int refuse_value(struct ini_parser *parser, const struct ini_key *key, const char *value,
			int error)
{
	char shown[100];

	text_escape(shown, sizeof(shown), value, strlen(value));
	if (error == -E2BIG)
		return fail(parser, parser->line, "%s: too many values", key->name);
	if (key->is_secret)
		return fail(parser, parser->line, "%s: the value is not %s", key->name,
			    key->expect);
	if (error == -EEXIST)
		return fail(parser, parser->line, "%s: '%s' repeats or overlaps an earlier value",
			    key->name, shown);
	return fail(parser, parser->line, "%s: '%s' is not %s", key->name, shown, key->expect);
}

static int read_assignment(struct ini_parser *parser, char *text)
{
	char *equals = strchr(text, '='), *name, *value;
	const struct ini_key *key;
	uint32_t bit;
	int error;

	if (!equals)
		return fail(parser, parser->line, "expected 'Key = value'");
	if (!parser->section)
		return fail(parser, parser->line, "a key before the first [Section]");
	*equals = '\0';
	name = text_trim(text);
	value = text_trim(equals + 1);
	key = find_key(parser->section, name);
	if (!key)
		return unknown_key(parser, name);
	bit = 1u << (key - parser->section->keys);
	if (parser->keys_seen & bit && !key->is_repeatable)
		return fail(parser, parser->line, "second %s in one [%s]", key->name,
			    parser->section->name);
	parser->keys_seen |= bit;
	error = key->read((char *)parser->owner + key->offset, value);
	return error ? refuse_value(parser, key, value, error) : 0;
}

static int read_line(struct ini_parser *parser, char *line)
{
	char *text;

	line[strcspn(line, "#")] = '\0';
	text = text_trim(line);
	if (!*text || *text == ';')
		return 0;
	return *text == '[' ? read_header(parser, text) : read_assignment(parser, text);
}

static int finish(struct ini_parser *parser)
{
	const struct ini_schema *schema = parser->schema;
	int error = finish_section(parser);

	if (error)
		return error;
	for (size_t i = 0; i < schema->section_count; i++) {
		if (schema->sections[i].is_required && !parser->sections_seen[i])
			return fail(parser, 0, "lacks the section [%s]", schema->sections[i].name);
	}
	return 0;
}

/* Copies the next line out of the text. */
static int take_line(struct ini_parser *parser, const char **text, size_t *size,
		     char line[LINE_SIZE])
{
	const char *end = memchr(*text, '\n', *size);
	size_t length = end ? (size_t)(end - *text) : *size;

	parser->line++;
	if (memchr(*text, '\0', length))
		return fail(parser, parser->line, "a NUL byte; this is not a text file");
	if (length >= LINE_SIZE)
		return fail(parser, parser->line, "a line of more than %d characters",
			    LINE_SIZE - 1);
	memcpy(line, *text, length);
	line[length] = '\0';
	*text += length + (end != NULL);
	*size -= length + (end != NULL);
	return 0;
}

int ini_parse(const char *text, size_t size, const char *file, const struct ini_schema *schema,
	      void *destination, struct conf_error *ret_error)
{
	struct ini_parser parser = {
		.file = file, .schema = schema, .destination = destination, .error = ret_error};
	char line[LINE_SIZE] = "";
	int error = 0;

	*ret_error = (struct conf_error){0};
	if (schema->section_count > SECTIONS_MAX)
		return -EINVAL;
	if (size > CONF_TEXT_MAX)
		return fail(&parser, 0, "larger than %d bytes", CONF_TEXT_MAX);
	while (size && !error) {
		error = take_line(&parser, &text, &size, line);
		if (!error)
			error = read_line(&parser, line);
	}
	secret_wipe(line, sizeof(line));
	return error ? error : finish(&parser);
}
