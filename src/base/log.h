/* One line per event on stderr: `event key=value ...`. Under a journal (JOURNAL_STREAM set) lines
 * carry the priority prefix, otherwise level and event. Never pass secrets: keys print as public
 * keys only. The level is one of the tree's two mutable globals (the other is the signal flag). */
#pragma once

enum log_level {
	LOG_LEVEL_SILENT = -1, /* of log_set_level() only */
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* error: the operator must act. warn: degraded, we cope. info: what a person would tell a
 * colleague. */
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
