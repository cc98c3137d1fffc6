#include "cmd/target.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include "base/io.h"
#include "base/utf8.h"

enum { MAX_PROC_FILE = 64 << 10 };

/* ---- /proc ---- */

static int read_proc(pid_t pid, const char *name, struct buf *out)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return io_read_file(path, MAX_PROC_FILE, out);
}

/* The number behind a name in /proc/PID/status, as strtoull reads it; false: it is not there. */
static bool status_number(pid_t pid, const char *name, int nth, int base, unsigned long long *ret)
{
	cleanup_buf struct buf b = {};
	const char *at;
	char *end;

	if (read_proc(pid, "status", &b) < 0 || !(at = strstr(buf_cstr(&b), name)))
		return false;
	at += strlen(name);
	for (int i = 0; i <= nth; i++, at = end) {
		*ret = strtoull(at, &end, base);
		if (end == at)
			return false;
	}
	return true;
}

int target_find(const char *text, pid_t *ret_pid, struct err *e)
{
	char *end;
	long long v, process;
	unsigned long long group;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || v < 1 || v > INT32_MAX)
		return err_set(e, -EINVAL,
			       "-p takes the number of a process, not \"%.40s\": pgrep and ps "
			       "know it",
			       text);
	if (!status_number((pid_t)v, "\nTgid:", 0, 10, &group))
		return err_set(e, -ESRCH, "there is no process %lld", v);
	process = (long long)group;
	if (process != v)
		return err_set(e, -ESRCH, "%lld is a thread of process %lld: use -p %lld", v,
			       process, process);
	*ret_pid = (pid_t)v;
	return 0;
}

char *target_name(pid_t pid)
{
	cleanup_buf struct buf comm = {}, name = {};
	size_t n;

	read_proc(pid, "comm", &comm);
	n = comm.len && comm.data[comm.len - 1] == '\n' ? comm.len - 1 : comm.len;
	utf8_put_printable(&name, (const char *)comm.data, n);
	return mem_asprintf("%s (%d)", buf_cstr(&name), (int)pid);
}

int target_advise(struct err *e, const char *advice)
{
	const struct err why = *e;

	return err_set(e, why.code, "%s: %s", why.msg, advice);
}

/* ---- may it be read? ---- */

static const char *user_name(uid_t user, char *buf, size_t size)
{
	snprintf(buf, size, "user %u", (unsigned int)user);
	return user ? buf : "root";
}

int target_refused(const struct target_facts *f, struct err *e)
{
	char owner[32];

	if (!f->us && !f->may_trace)
		return err_set(e, -EPERM,
			       "process %d may not be read: root has no CAP_SYS_PTRACE here, as in "
			       "most containers. Run glim on the host, or start the container "
			       "with --cap-add SYS_PTRACE",
			       (int)f->pid);
	if (f->ptrace_scope >= 3)
		return err_set(e, -EPERM,
			       "process %d may not be read: kernel.yama.ptrace_scope is %d, which "
			       "forbids it to everybody until the next boot",
			       (int)f->pid, f->ptrace_scope);
	if (f->owner != f->us)
		return err_set(e, -EPERM, "process %d belongs to %s: try sudo glim %s -p %d",
			       (int)f->pid, user_name(f->owner, owner, sizeof(owner)), f->command,
			       (int)f->pid);
	if (f->ptrace_scope > 0 && !f->may_trace)
		return err_set(e, -EPERM,
			       "process %d may not be read: kernel.yama.ptrace_scope is %d, which "
			       "allows it to %s. Try sudo glim %s -p %d, or lift it with sudo "
			       "sysctl kernel.yama.ptrace_scope=0",
			       (int)f->pid, f->ptrace_scope,
			       f->ptrace_scope == 1 ? "those who started it" : "root", f->command,
			       (int)f->pid);
	if (!f->us)
		return err_set(e, -EPERM,
			       "process %d may not be read, not even by root here: run glim where "
			       "it was started",
			       (int)f->pid);
	return err_set(e, -EPERM,
		       "process %d may not be read: it gained rights, or lives in another user "
		       "namespace. Try sudo glim %s -p %d",
		       (int)f->pid, f->command, (int)f->pid);
}

static int read_ptrace_scope(void)
{
	cleanup_buf struct buf b = {};

	if (io_read_file("/proc/sys/kernel/yama/ptrace_scope", 64, &b) < 0)
		return 0;
	return (int)strtol(buf_cstr(&b), NULL, 10);
}

int target_check_memory(pid_t pid, const char *command, struct err *e)
{
	struct target_facts f = {
		.pid = pid,
		.us = geteuid(),
		.ptrace_scope = read_ptrace_scope(),
		.command = command,
	};
	unsigned long long owner = 0, capabilities = 0;
	char path[64];

	/* Linux asks here what it asks before it lets memory be read (mm_access in fs/proc/base.c).
	 */
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		return 0;
	if (errno != EACCES && errno != EPERM)
		return err_set(e, -ESRCH, "there is no process %d", (int)pid);
	status_number(pid, "\nUid:", 1, 10, &owner);
	status_number(getpid(), "\nCapEff:", 0, 16, &capabilities);
	f.owner = (uid_t)owner;
	f.may_trace = capabilities >> CAP_SYS_PTRACE & 1;
	return target_refused(&f, e);
}

int target_check_trace(pid_t pid, const char *command, struct err *e)
{
	unsigned long long tracer = 0;
	cleanup_free char *name = NULL;

	status_number(pid, "\nTracerPid:", 0, 10, &tracer);
	name = tracer ? target_name((pid_t)tracer) : NULL;
	if (name)
		return err_set(e, -EBUSY,
			       "process %d is traced by %s, and native functions are seen by "
			       "tracing: end that, or leave --native away",
			       (int)pid, name);
	return target_check_memory(pid, command, e);
}
