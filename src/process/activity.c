#include "process/activity.h"

#include <limits.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/utf8.h"
#include "process/process_priv.h"

enum { MAX_FILE = 4096, MAX_POLLED = 64, MAX_SELECTED = 1024 };

/* System calls that wait, on x86-64; the first argument of some is a descriptor. Those tell what
 * they wait for where the call itself does not. */
static const struct {
	int number;
	const char *name;
	bool fd;
	enum activity_reason reason; /* ACTIVITY_ELSE: its descriptors say it */
} calls[] = {
	{SYS_read, "read", true, ACTIVITY_ELSE},
	{SYS_write, "write", true, ACTIVITY_ELSE},
	{SYS_readv, "readv", true, ACTIVITY_ELSE},
	{SYS_writev, "writev", true, ACTIVITY_ELSE},
	{SYS_recvfrom, "recv", true, ACTIVITY_ELSE},
	{SYS_recvmsg, "recvmsg", true, ACTIVITY_ELSE},
	{SYS_sendto, "send", true, ACTIVITY_ELSE},
	{SYS_sendmsg, "sendmsg", true, ACTIVITY_ELSE},
	{SYS_accept, "accept", true, ACTIVITY_ELSE},
	{SYS_accept4, "accept", true, ACTIVITY_ELSE},
	{SYS_connect, "connect", true, ACTIVITY_ELSE},
	{SYS_fsync, "fsync", true, ACTIVITY_ELSE},
	{SYS_fdatasync, "fdatasync", true, ACTIVITY_ELSE},
	{SYS_flock, "flock", true, ACTIVITY_LOCKS},
	{SYS_fcntl, "fcntl", true, ACTIVITY_LOCKS},
	{SYS_ioctl, "ioctl", true, ACTIVITY_ELSE},
	{SYS_epoll_wait, "epoll_wait", false, ACTIVITY_ELSE},
	{SYS_epoll_pwait, "epoll_wait", false, ACTIVITY_ELSE},
	{SYS_poll, "poll", false, ACTIVITY_ELSE},
	{SYS_ppoll, "poll", false, ACTIVITY_ELSE},
	{SYS_select, "select", false, ACTIVITY_ELSE},
	{SYS_pselect6, "select", false, ACTIVITY_ELSE},
	{SYS_futex, "futex", false, ACTIVITY_LOCKS},
	{SYS_nanosleep, "nanosleep", false, ACTIVITY_TIMERS},
	{SYS_clock_nanosleep, "nanosleep", false, ACTIVITY_TIMERS},
	{SYS_wait4, "wait", false, ACTIVITY_CHILDREN},
	{SYS_waitid, "wait", false, ACTIVITY_CHILDREN},
	{SYS_pause, "pause", false, ACTIVITY_ELSE},
	{SYS_rt_sigtimedwait, "sigwait", false, ACTIVITY_ELSE},
	{SYS_rt_sigsuspend, "sigsuspend", false, ACTIVITY_ELSE},
	{SYS_semop, "semop", false, ACTIVITY_LOCKS},
	{SYS_semtimedop, "semop", false, ACTIVITY_LOCKS},
	{SYS_io_getevents, "io_getevents", false, ACTIVITY_ELSE},
	{SYS_io_uring_enter, "io_uring_enter", false, ACTIVITY_ELSE},
	{SYS_restart_syscall, "restarted call", false, ACTIVITY_TIMERS},
};

const char *const activity_reasons[ACTIVITY_REASON_COUNT] = {
#define X(name, text) text,
	ACTIVITY_REASONS(X)
#undef X
};

static int read_file(pid_t pid, pid_t tid, const char *name, struct buf *out)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
	int r = io_read_file(path, MAX_FILE, out);

	return r < 0 ? gone(-r) : 0;
}

int activity_read(pid_t pid, pid_t tid, struct activity *ret)
{
	cleanup_buf struct buf stat = {}, call = {};
	struct activity a = {.call = -1};
	unsigned long long v[6];
	struct stat_line line;
	int number, r = read_file(pid, tid, "stat", &stat);

	if (!r)
		r = stat_line_parse(buf_cstr(&stat), stat.len, &line);
	if (r < 0)
		return r;
	a.state = line.state;
	memcpy(a.comm, line.comm, sizeof(a.comm));
	/* Linux, Documentation/filesystems/proc.rst: "running", or the number and six arguments. */
	if (!read_file(pid, tid, "syscall", &call) &&
	    sscanf(buf_cstr(&call), "%d %llx %llx %llx %llx %llx %llx", &number, &v[0], &v[1],
		   &v[2], &v[3], &v[4], &v[5]) == 7) {
		a.call = number;
		for (size_t i = 0; i < ARRAY_SIZE(v); i++)
			a.arguments[i] = v[i];
	}
	*ret = a;
	return 0;
}

int activity_read_faults(pid_t pid, pid_t tid, char *ret_state, uint64_t *ret_faults)
{
	cleanup_buf struct buf stat = {};
	struct stat_line line;
	int r = read_file(pid, tid, "stat", &stat);

	if (!r)
		r = stat_line_parse(buf_cstr(&stat), stat.len, &line);
	if (r < 0)
		return r;
	*ret_state = line.state;
	*ret_faults = line.faults;
	return 0;
}

uint64_t activity_futex(const struct activity *a)
{
	return a->call == SYS_futex ? a->arguments[0] : 0;
}

/* Where it leads; the length, at most 0 where that is not told. */
static ssize_t read_descriptor(pid_t pid, unsigned int fd, char *ret, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)pid, fd);
	return readlink(path, ret, size);
}

/* What a descriptor is: "pipe", "socket", or its path. */
static void put_descriptor(pid_t pid, unsigned int fd, struct buf *out)
{
	char target[PATH_MAX];
	ssize_t n;

	buf_printf(out, ", fd %u", fd);
	n = read_descriptor(pid, fd, target, sizeof(target));
	if (n <= 0)
		return;
	/* "pipe:[1234]": the number tells nobody anything. */
	for (ssize_t i = 0; target[0] != '/' && i + 1 < n; i++)
		if (target[i] == ':' && target[i + 1] == '[')
			n = i;
	buf_puts(out, " (");
	utf8_put_printable(out, target, (size_t)n);
	buf_putc(out, ')');
}

static void put_call(pid_t pid, const struct activity *a, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].number == a->call) {
			buf_printf(out, " in %s", calls[i].name);
			if (calls[i].fd)
				put_descriptor(pid, (unsigned int)a->arguments[0], out);
			return;
		}
	if (a->call >= 0)
		buf_printf(out, " in system call %d", a->call);
}

void activity_describe(pid_t pid, const struct activity *a, struct buf *out)
{
	switch (a->state) {
	case 'R':
		buf_puts(out, "running");
		return;
	case 'T':
	case 't':
		buf_puts(out, "stopped");
		return;
	case 'Z':
	case 'X':
		buf_puts(out, "ended");
		return;
	case 'D':
		buf_puts(out, "waits for a device");
		break;
	default:
		buf_puts(out, "waits");
		break;
	}
	put_call(pid, a, out);
}

/* ---- what it waits for ---- */

static bool begins(const char *s, ssize_t n, const char *with)
{
	return n >= (ssize_t)strlen(with) && !memcmp(s, with, strlen(with));
}

static enum activity_reason of_descriptor(pid_t pid, unsigned int fd)
{
	char target[64];
	ssize_t n = read_descriptor(pid, fd, target, sizeof(target));

	if (begins(target, n, "socket:"))
		return ACTIVITY_SOCKETS;
	if (begins(target, n, "pipe:") || begins(target, n, "/dev/pts/") ||
	    begins(target, n, "/dev/tty"))
		return ACTIVITY_PIPES;
	if (begins(target, n, "anon_inode:[timerfd]"))
		return ACTIVITY_TIMERS;
	if (begins(target, n, "anon_inode:[pidfd]"))
		return ACTIVITY_CHILDREN;
	return begins(target, n, "/") ? ACTIVITY_FILES : ACTIVITY_ELSE;
}

/* Of several descriptors, the reason that stands first. */
static void add_descriptor(pid_t pid, int fd, enum activity_reason *reason)
{
	if (fd >= 0)
		*reason = MIN(*reason, of_descriptor(pid, (unsigned int)fd));
}

/* Its memory may change or not be there: nothing is known then. */
static bool read_memory(pid_t pid, uint64_t at, void *ret, size_t n)
{
	struct iovec here = {ret, n}, there = {(void *)(uintptr_t)at, n};

	return at && process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)n;
}

static enum activity_reason of_poll(pid_t pid, const struct activity *a)
{
	enum activity_reason reason = ACTIVITY_ELSE;
	struct pollfd fds[MAX_POLLED];
	size_t n = MIN(a->arguments[1], MAX_POLLED);

	if (!n)
		return ACTIVITY_TIMERS;
	if (read_memory(pid, a->arguments[0], fds, n * sizeof(*fds)))
		for (size_t i = 0; i < n; i++)
			add_descriptor(pid, fds[i].fd, &reason);
	return reason;
}

static enum activity_reason of_select(pid_t pid, const struct activity *a)
{
	enum activity_reason reason = ACTIVITY_ELSE;
	size_t n = MIN(a->arguments[0], MAX_SELECTED);
	bool any = false;

	for (size_t set = 1; set <= 2; set++) {
		uint64_t bits[MAX_SELECTED / 64] = {};

		if (!read_memory(pid, a->arguments[set], bits, (n + 63) / 64 * sizeof(*bits)))
			continue;
		for (size_t fd = 0; fd < n; fd++)
			if (bits[fd / 64] >> fd % 64 & 1) {
				add_descriptor(pid, (int)fd, &reason);
				any = true;
			}
	}
	return any ? reason : ACTIVITY_TIMERS;
}

/* proc_pid_fdinfo(5): a line "tfd: NUMBER ..." for each. */
static enum activity_reason of_epoll(pid_t pid, const struct activity *a)
{
	enum activity_reason reason = ACTIVITY_ELSE;
	cleanup_buf struct buf b = {};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%u", (int)pid, (unsigned int)a->arguments[0]);
	if (io_read_file(path, MAX_FILE, &b) < 0)
		return reason;
	for (const char *p = buf_cstr(&b); (p = strstr(p, "tfd:")); p++)
		add_descriptor(pid, (int)strtol(p + strlen("tfd:"), NULL, 10), &reason);
	return reason;
}

enum activity_reason activity_reason(pid_t pid, const struct activity *a)
{
	switch (a->call) {
	case SYS_poll:
	case SYS_ppoll:
		return of_poll(pid, a);
	case SYS_select:
	case SYS_pselect6:
		return of_select(pid, a);
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return of_epoll(pid, a);
	default:
		break;
	}
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].number == a->call)
			return calls[i].fd && calls[i].reason == ACTIVITY_ELSE
				       ? of_descriptor(pid, (unsigned int)a->arguments[0])
				       : calls[i].reason;
	return ACTIVITY_ELSE;
}
