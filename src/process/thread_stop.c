#include "process/thread_stop.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "process/process_priv.h"

enum {
	TEXT = 256,
	STATUS_TEXT = 4096,
	EAGER_LOOKS = 40, /* for a stop that comes at once; some 10 us */
	MAX_LATE = 64,
	/* Linux, include/linux/errno.h: restart it unless a handler runs, which sees EINTR. */
	RESTART_NO_HANDLER = 514,
};
static const int64_t wait_step_ns = 1000000, wait_ns = NSEC_PER_SEC;

/* Those that did not stop in time: they wait for a device, or the machine is full. */
static _Thread_local struct {
	struct thread_stop stops[MAX_LATE];
	size_t n;
} late;

/* System calls that Linux ends with EINTR when their thread is stopped, handler or not (signal(7),
 * "Interruption of system calls and library functions by stop signals"; sockets, when they have a
 * timeout). Nothing was done then, so they can be restarted; but what was waited by then would be
 * forgotten. */
static const int ended_calls[] = {
	SYS_epoll_wait,	    SYS_epoll_pwait,  SYS_epoll_pwait2,	 SYS_semop,
	SYS_semtimedop,	    SYS_io_getevents, SYS_io_pgetevents, SYS_rt_sigtimedwait,
	SYS_io_uring_enter, SYS_read,	      SYS_readv,	 SYS_recvfrom,
	SYS_recvmsg,	    SYS_recvmmsg,     SYS_accept,	 SYS_accept4,
	SYS_write,	    SYS_writev,	      SYS_sendto,	 SYS_sendmsg,
};

static bool is_ended(int64_t call)
{
	for (size_t i = 0; i < ARRAY_SIZE(ended_calls); i++)
		if (ended_calls[i] == call)
			return true;
	return false;
}

/* ---- /proc ---- */

static int read_text(pid_t pid, pid_t tid, const char *name, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (n < 0)
		return gone(errno);
	text[n] = '\0';
	return 0;
}

/* A number of the text of a status file; 0 where there is none. */
static pid_t number_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? (pid_t)strtol(at + strlen(name), NULL, 10) : 0;
}

/* How often it came to a CPU; 0: this kernel does not count. */
static int read_arrivals(pid_t pid, pid_t tid, uint64_t *ret)
{
	char text[TEXT];
	int code = read_text(pid, tid, "schedstat", text, sizeof(text));

	if (!code && sscanf(text, "%*u %*u %" SCNu64, ret) != 1)
		*ret = 0;
	return code;
}

/* 1 where the thread waits: its registers are filled as far as they are told, and *ret_call has the
 * number of the call, -1: it waits in none. */
static int read_waiting(pid_t pid, pid_t tid, struct thread_registers *ret, int *ret_call)
{
	struct thread_registers r = {.only_stack = true};
	char text[TEXT];
	unsigned long long sp, pc;
	int code = read_text(pid, tid, "syscall", text, sizeof(text));

	if (code)
		return code;
	/* Linux, Documentation/filesystems/proc.rst: "running"; the call, its six arguments, stack
	 * pointer and program counter; or only the last two behind -1. */
	if (sscanf(text, "%d %*x %*x %*x %*x %*x %*x %llx %llx", ret_call, &sp, &pc) != 3 &&
	    sscanf(text, "%d %llx %llx", ret_call, &sp, &pc) != 3)
		return 0;
	r.pc = pc;
	r.general[THREAD_STACK_POINTER] = sp;
	r.in_call = *ret_call >= 0;
	*ret = r;
	return pc && sp;
}

/* ---- ptrace ---- */

static bool is_own_child(pid_t pid)
{
	char text[STATUS_TEXT];

	return !read_text(pid, pid, "status", text, sizeof(text)) &&
	       number_of(text, "\nPPid:") == getpid();
}

/* What a traced thread told: 1: it stopped, with *ret_signal to be delivered; 0: nothing yet;
 * -ESRCH: it ended. */
static int look(const struct thread_stop *s, int *ret_signal)
{
	siginfo_t info = {};

	if (waitid(P_PID, (id_t)s->tid, &info, WSTOPPED | WEXITED | WNOWAIT | WNOHANG | __WALL))
		return -ESRCH;
	if (!info.si_pid)
		return 0;
	if (info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED) {
		/* An event stands above the signal: then no signal is under way. */
		*ret_signal = info.si_status >> 8 ? 0 : info.si_status & 0x7f;
		return 1;
	}
	/* Whose child it is wants to know how it ended; that may be this program. */
	if (s->tid != s->pid || !is_own_child(s->pid))
		waitid(P_PID, (id_t)s->tid, &info, WEXITED | WNOHANG | __WALL);
	return -ESRCH;
}

static int release(const struct thread_stop *s, int signal)
{
	return ptrace(PTRACE_DETACH, s->tid, NULL, (void *)(intptr_t)signal) ? gone(errno) : 0;
}

/* What comes of it is looked at by thread_stop_sweep. */
static void add_late(const struct thread_stop *s)
{
	if (late.n < MAX_LATE)
		late.stops[late.n++] = *s;
}

/* A thread that called exec goes by the number of its process from then on. */
static void release_renamed(const struct thread_stop *s)
{
	struct thread_stop renamed = {.pid = s->pid, .tid = s->pid};
	int signal = 0;

	if (s->tid != s->pid && look(&renamed, &signal) > 0)
		release(&renamed, signal);
}

void thread_stop_sweep(void)
{
	for (size_t i = late.n; i-- > 0;) {
		struct thread_stop *s = &late.stops[i];
		int signal = 0, code = look(s, &signal);

		/* One that is being killed still looks stopped for a moment. */
		if (!code || (code > 0 && release(s, signal)))
			continue;
		if (code < 0)
			release_renamed(s);
		*s = late.stops[--late.n];
	}
}

static bool is_late(pid_t tid)
{
	for (size_t i = 0; i < late.n; i++)
		if (late.stops[i].tid == tid)
			return true;
	return false;
}

/* The kernel tells by SIGCHLD, which is let through only here. */
static int wait_long(struct thread_stop *s)
{
	const struct timespec step = {.tv_nsec = wait_step_ns};
	int64_t until = clock_mono_ns() + wait_ns;
	sigset_t child, before;
	int code;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &child, &before);
	while (!(code = look(s, &s->signal)) && clock_mono_ns() < until)
		sigtimedwait(&child, NULL, &step);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code;
}

static int wait_for_stop(struct thread_stop *s)
{
	int code = 0;

	for (int i = 0; i < EAGER_LOOKS && !code; i++)
		code = look(s, &s->signal);
	if (!code)
		code = wait_long(s);
	if (code > 0)
		return 0;
	if (code)
		release_renamed(s);
	else
		add_late(s);
	return code ? code : -ETIMEDOUT;
}

void thread_registers_take(const struct user_regs_struct *u, struct thread_registers *ret)
{
	*ret = (struct thread_registers){
		.pc = u->rip,
		.thread_base = u->fs_base,
		/* System V ABI for x86-64, table 3.36. */
		.general = {u->rax, u->rdx, u->rcx, u->rbx, u->rsi, u->rdi, u->rbp, u->rsp, u->r8,
			    u->r9, u->r10, u->r11, u->r12, u->r13, u->r14, u->r15},
		.in_call = (int64_t)u->orig_rax >= 0,
	};
}

/* A call that just began was ended by the stop: have it restarted, as the kernel has others. */
static void restart_call(pid_t tid, struct user_regs_struct *u, struct iovec *io)
{
	if ((int64_t)u->rax != -EINTR || !is_ended((int64_t)u->orig_rax))
		return;
	u->rax = (uint64_t)-RESTART_NO_HANDLER;
	ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, io);
}

/* Linux refuses those that are ending, too (kernel/ptrace.c, ptrace_attach). */
static int why_refused(const struct thread_stop *s, int code)
{
	char text[STATUS_TEXT];
	const char *state;

	if (code != -EPERM)
		return code;
	if (read_text(s->pid, s->tid, "status", text, sizeof(text)))
		return -ESRCH;
	state = strstr(text, "\nState:\t");
	if (state && strchr("ZX", state[8]))
		return -ESRCH;
	return number_of(text, "\nTracerPid:") ? -EBUSY : code;
}

static int trace(struct thread_stop *s, struct thread_registers *ret)
{
	struct user_regs_struct u;
	struct iovec io = {&u, sizeof(u)};
	int code;

	if (late.n == MAX_LATE || is_late(s->tid))
		return -ETIMEDOUT;
	s->traced = true;
	if (ptrace(PTRACE_SEIZE, s->tid, NULL, NULL))
		return why_refused(s, gone(errno));
	s->since_ns = clock_mono_ns();
	/* Where it ended already, the look below says so. */
	ptrace(PTRACE_INTERRUPT, s->tid, NULL, NULL);
	code = wait_for_stop(s);
	if (code)
		return code;
	code = ptrace(PTRACE_GETREGSET, s->tid, (void *)NT_PRSTATUS, &io) ? -errno : 0;
	if (!code && io.iov_len != sizeof(u))
		code = -ENOTSUP;
	if (code) {
		release(s, s->signal);
		return code;
	}
	restart_call(s->tid, &u, &io);
	thread_registers_take(&u, ret);
	return 0;
}

/* ---- both ---- */

int thread_stop_begin(struct thread_stop *s, pid_t pid, pid_t tid, enum thread_stop_way way,
		      struct thread_registers *ret)
{
	int call = -1, code;

	*s = (struct thread_stop){.pid = pid, .tid = tid, .since_ns = clock_mono_ns()};
	/* When it did not come to a CPU since before the look, it waits all the time since. */
	code = read_arrivals(pid, tid, &s->arrivals);
	if (!code)
		code = read_waiting(pid, tid, ret, &call);
	if (code == -ESRCH)
		return code;
	if (code > 0 && way == THREAD_STOP_ANY && s->arrivals)
		return 0;
	return code > 0 && is_ended(call) ? -EAGAIN : trace(s, ret);
}

int thread_stop_end(struct thread_stop *s)
{
	uint64_t arrivals;
	int code;

	if (s->traced) {
		code = release(s, s->signal);
		/* It was killed meanwhile: how it ended is for others to know. */
		if (code)
			add_late(s);
		return code;
	}
	code = read_arrivals(s->pid, s->tid, &arrivals);
	return code ? code : arrivals == s->arrivals ? 0 : -EAGAIN;
}
