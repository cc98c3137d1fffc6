/* Resident memory of the process as the kernel counts it, without the library's own; with
 * MEMORY_PEAKS also what it was at most between two looks.
 *
 * The kernel keeps the most of a process, and begins anew when it is told to. That is done only
 * when much less is resident by now: as long as memory grows, the mark is where it is. */
#include "memory/target/library.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	PAGE = 4096,
	HIGH_FD = 900,	   /* where a program rarely opens files of its own */
	SLACK = 64 << 10,  /* the mark may stay above what is resident */
	STATUS_MAX = 4096, /* bytes of /proc/self/status */
};

static int statm = -1;
static bool began, unable; /* to keep the mark */
static bool inherited;	   /* what getrusage says is of the program that was here before exec */
static int64_t last_mark;

static int open_statm(void)
{
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	int high = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD) : -1;

	if (high < 0)
		return fd;
	close(fd);
	return high;
}

/* The second number of "size resident ...". */
static int64_t parse_statm(const char *p, const char *end)
{
	int64_t pages = 0;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	if (p >= end || *p++ != ' ')
		return -1;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		pages = pages * 10 + (*p - '0');
	return p < end && *p == ' ' ? pages : -1;
}

static int64_t resident(void)
{
	static int64_t last;
	char text[96];
	ssize_t n = statm < 0 ? -1 : pread(statm, text, sizeof(text), 0);
	int64_t pages = n > 0 ? parse_statm(text, text + n) : -1;

	if (unlikely(pages < 0)) {
		/* The program closed it. It is not ours to close, if it is another by now. */
		statm = open_statm();
		n = pread(statm, text, sizeof(text), 0);
		pages = n > 0 ? parse_statm(text, text + n) : -1;
		if (pages < 0)
			return last;
	}
	last = (pages - store_pages) * PAGE;
	return last;
}

/* ---- the mark ---- */

/* Opened anew each time: what is written to must not be a file of the program's. */
static bool reset_mark(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, "5", 1) == 1;

	if (fd >= 0)
		close(fd);
	if (!done) {
		unable = true;
		header->lost_peaks++;
	}
	return done;
}

static int64_t mark_of_status(void)
{
	char text[STATUS_MAX];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	const char *at;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	at = strstr(text, "VmHWM:");
	return at ? strtol(at + strlen("VmHWM:"), NULL, 10) * 1024 : 0;
}

static int64_t mark(void)
{
	struct rusage usage;

	if (unlikely(inherited))
		return mark_of_status();
	return getrusage(RUSAGE_SELF, &usage) ? 0 : usage.ru_maxrss * 1024;
}

static void begin_marks(int64_t now)
{
	began = true;
	if (reset_mark())
		inherited = mark() > now + SLACK;
	last_mark = now;
}

/* What was resident at most since the last look; now: what is. Both with the library's own. */
static int64_t high(int64_t now)
{
	int64_t seen, most = now;

	if (unlikely(!began))
		begin_marks(now);
	if (unable)
		return now;
	seen = mark();
	if (seen > last_mark && seen > now)
		most = seen;
	last_mark = seen;
	if (seen > now + SLACK && reset_mark())
		last_mark = now;
	return most;
}

struct amount resident_amount(void)
{
	int64_t now = resident(), own = store_pages * PAGE;

	return (struct amount){
		.level = now,
		.high = config.flags & MEMORY_PEAKS ? high(now + own) - own : now,
		.usage = now,
	};
}

void resident_fork(void)
{
	statm = -1;
	began = unable = inherited = false;
}
