/* What a builtin device and its port have counted, as JSON for status: the part that every role
 * tells alike. Names are stable; more may follow. */
#pragma once

#include <jansson.h>

struct builtin;

/* {"drops": {REASON: n, ...}, "device": {...}, "packets_per_call": {...}}: every reason for a drop
 * is there, also those that never happened. The caller's roles may add to it. */
json_t *report_counters(struct builtin *builtin);
