#include "base/time.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

static usec_t unit_of(const char *suffix)
{
	static const struct {
		const char *name;
		usec_t unit;
	} units[] = {
		{"", USEC_PER_SEC},      {"s", USEC_PER_SEC},  {"ms", USEC_PER_MSEC},
		{"m", USEC_PER_MINUTE},  {"h", USEC_PER_HOUR}, {"d", USEC_PER_DAY},
		{"w", 7 * USEC_PER_DAY},
	};

	for (size_t i = 0; i < array_size(units); i++) {
		if (!strcmp(suffix, units[i].name))
			return units[i].unit;
	}
	return 0;
}

int usec_parse(const char *text, usec_t *ret_value)
{
	char digits[24];
	size_t count = strspn(text, "0123456789");
	usec_t unit = unit_of(text + count);
	uint64_t number;
	int error;

	if (!count || count >= sizeof(digits) || !unit)
		return -EINVAL;
	memcpy(digits, text, count);
	digits[count] = '\0';
	error = text_to_u64(digits, UINT64_MAX / unit, &number);
	if (error)
		return error;
	*ret_value = number * unit;
	return 0;
}
