#include "process/activity.h"

#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/utf8.h"
#include "process/process_priv.h"

enum { MAX_FILE = 4096 };

/* System calls that wait, on x86-64; the first argument of some is a descriptor. */
static const struct {
	int number;
	const char *name;
	bool fd;
} calls[] = {
	{SYS_read, "read", true},
	{SYS_write, "write", true},
	{SYS_readv, "readv", true},
	{SYS_writev, "writev", true},
	{SYS_recvfrom, "recv", true},
	{SYS_recvmsg, "recvmsg", true},
	{SYS_sendto, "send", true},
	{SYS_sendmsg, "sendmsg", true},
	{SYS_accept, "accept", true},
	{SYS_accept4, "accept", true},
	{SYS_connect, "connect", true},
	{SYS_fsync, "fsync", true},
	{SYS_fdatasync, "fdatasync", true},
	{SYS_flock, "flock", true},
	{SYS_fcntl, "fcntl", true},
	{SYS_ioctl, "ioctl", true},
	{SYS_epoll_wait, "epoll_wait", false},
	{SYS_epoll_pwait, "epoll_wait", false},
	{SYS_poll, "poll", false},
	{SYS_ppoll, "poll", false},
	{SYS_select, "select", false},
	{SYS_pselect6, "select", false},
	{SYS_futex, "futex", false},
	{SYS_nanosleep, "nanosleep", false},
	{SYS_clock_nanosleep, "nanosleep", false},
	{SYS_wait4, "wait", false},
	{SYS_waitid, "wait", false},
	{SYS_pause, "pause", false},
	{SYS_rt_sigtimedwait, "sigwait", false},
	{SYS_rt_sigsuspend, "sigsuspend", false},
	{SYS_semop, "semop", false},
	{SYS_semtimedop, "semop", false},
	{SYS_io_getevents, "io_getevents", false},
	{SYS_io_uring_enter, "io_uring_enter", false},
	{SYS_restart_syscall, "restarted call", false},
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

/* What a descriptor is: "pipe", "socket", or its path. */
static void put_descriptor(pid_t pid, unsigned int fd, struct buf *out)
{
	char path[64], target[PATH_MAX];
	ssize_t n;

	buf_printf(out, ", fd %u", fd);
	snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)pid, fd);
	n = readlink(path, target, sizeof(target));
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
