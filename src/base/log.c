#include "base/log.h"

#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/utf8.h"

static enum log_level max_level = LOG_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	cleanup_buf struct buf line = {};
	char text[2048], when[32];
	struct tm tm;
	time_t now = time(NULL);
	va_list ap;

	if (level > max_level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	buf_printf(&line, "%s glim %s: ", when, names[level]);
	utf8_put_printable(&line, text, strlen(text));
	buf_putc(&line, '\n');
	(void)!io_write_all(STDERR_FILENO, line.data, line.len);
}
