#include "cmd/units.h"

#include <stdio.h>

#include "base/memory.h"

/* 1.21, 12.1, 121 */
static const char *three_digits(double value, const char *unit, char text[UNITS_TEXT_SIZE])
{
	int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	snprintf(text, UNITS_TEXT_SIZE, "%.*f %s", decimals, value, unit);
	return text;
}

static const char *scaled(double bytes, const char *suffix, char text[UNITS_TEXT_SIZE])
{
	static const char *const prefixes[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
	size_t i = 0;
	char unit[8];

	while (bytes >= 999.5 && i + 1 < array_size(prefixes)) {
		bytes /= 1024;
		i++;
	}
	snprintf(unit, sizeof(unit), "%sB%s", prefixes[i], suffix);
	if (i)
		return three_digits(bytes, unit, text);
	snprintf(text, UNITS_TEXT_SIZE, "%.0f %s", bytes, unit);
	return text;
}

const char *units_size(uint64_t bytes, char text[UNITS_TEXT_SIZE])
{
	return scaled((double)bytes, "", text);
}

const char *units_rate(double bytes_per_second, char text[UNITS_TEXT_SIZE])
{
	return scaled(bytes_per_second > 0 ? bytes_per_second : 0, "/s", text);
}

const char *units_age(double seconds, char text[UNITS_TEXT_SIZE])
{
	/* A hundred years: more comes from a broken clock only. */
	uint64_t whole = seconds > 0 ? seconds < 3.2e9 ? (uint64_t)seconds : 3200000000u : 0;
	uint64_t minutes = whole / 60, hours = minutes / 60;

	if (whole < 60)
		snprintf(text, UNITS_TEXT_SIZE, "%llu s", (unsigned long long)whole);
	else if (hours < 1)
		snprintf(text, UNITS_TEXT_SIZE, "%llu min", (unsigned long long)minutes);
	else if (hours < 24)
		snprintf(text, UNITS_TEXT_SIZE, "%llu h %llu min", (unsigned long long)hours,
			 (unsigned long long)(minutes % 60));
	else
		snprintf(text, UNITS_TEXT_SIZE, "%llu d %llu h", (unsigned long long)(hours / 24),
			 (unsigned long long)(hours % 24));
	return text;
}

const char *units_delay(double milliseconds, char text[UNITS_TEXT_SIZE])
{
	if (!(milliseconds > 0))
		milliseconds = 0;
	if (milliseconds >= 999.5)
		return three_digits(milliseconds / 1000, "s", text);
	return three_digits(milliseconds, "ms", text);
}
