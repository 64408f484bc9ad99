/* Numbers as people read them: three significant digits and a unit. Each returns text. */
#pragma once

#include <stdint.h>

#define UNITS_TEXT_SIZE 32

/* "0 B", "999 B", "1.21 KiB", "12.3 MiB", "123 GiB" */
const char *units_size(uint64_t bytes, char text[UNITS_TEXT_SIZE]);
/* The same with "/s"; a negative rate is shown as 0. */
const char *units_rate(double bytes_per_second, char text[UNITS_TEXT_SIZE]);
/* "0 s", "59 s", "5 min", "3 h 12 min", "4 d 3 h"; negative and NaN are "0 s" */
const char *units_age(double seconds, char text[UNITS_TEXT_SIZE]);
/* "0.12 ms", "40.1 ms", "123 ms", "1.23 s" */
const char *units_delay(double milliseconds, char text[UNITS_TEXT_SIZE]);
