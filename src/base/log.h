/* base/log.h - the one log: lines on standard error, for the people who run the program.
 *
 * Only server/, sink/push and cmd/ log; library folders return errors. Text from strangers is made
 * printable here. Never log a secret. Threads: any, a line is one write. */
#ifndef GLIM_BASE_LOG_H
#define GLIM_BASE_LOG_H

#include "base/base.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...)	 log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_DEBUG, __VA_ARGS__)

#endif
