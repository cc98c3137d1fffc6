#include "capture/tasks.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	MAX_OPEN = 256, /* of them have their files kept open; the others' are opened each time */
	MAX_TASKS = 8192,
	TEXT = 128, /* of stat: pid, name in brackets, state; the name has at most 64 bytes */
	STATUS_TEXT = 8192,
	LAST_LINES = 256, /* of status: how often the thread left a CPU */
	PATIENCE = 16,	  /* periods without a sample, until a thread need not run for it */
};
static const int64_t sweep_ns = NSEC_PER_SEC;
static const char *const file_names[] = {
	[TASK_SYSCALL] = "syscall",
	[TASK_SCHEDSTAT] = "schedstat",
	[TASK_STATUS] = "status",
	[TASK_STAT] = "stat",
};

static void task_close(struct task *t)
{
	for (int f = 0; f < TASK_FILES; f++) {
		if (t->fds[f] >= 0)
			close(t->fds[f]);
		t->fds[f] = -1;
	}
}

void tasks_fini(struct tasks *t)
{
	for (size_t i = 0; i < t->list.len; i++)
		task_close(&t->list.data[i]);
	vec_fini(&t->list);
}

static int open_file(const struct tasks *t, pid_t tid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)t->pid, (int)tid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Threads are mostly asked for in the same order again. */
static struct task *find(struct tasks *t, pid_t tid)
{
	struct task new = {.tid = tid, .used = true};

	for (size_t i = 0; i < t->list.len; i++) {
		size_t at = (t->last + i) % t->list.len;

		if (t->list.data[at].tid == tid) {
			t->last = at;
			t->list.data[at].used = true;
			return &t->list.data[at];
		}
	}
	if (t->list.len >= MAX_TASKS)
		tasks_fini(t);
	for (int f = 0; f < TASK_FILES; f++)
		new.fds[f] = -1;
	vec_push(&t->list, new);
	return &t->list.data[t->list.len - 1];
}

/* Its number may be another's by now. */
static void task_ended(struct tasks *t, struct task *task)
{
	task_close(task);
	t->left_ns += run_clock_left(&task->clock);
	task->clock = (struct run_clock){};
}

/* The start of a file of a thread, which is kept open. -ESRCH: the thread is gone; else why it
 * cannot be read. */
static int read_again(const struct tasks *t, struct task *task, enum task_file f, char *text,
		      size_t size)
{
	ssize_t n;
	int code = 0;

	if (task->fds[f] < 0)
		task->fds[f] = open_file(t, task->tid, file_names[f]);
	n = task->fds[f] < 0 ? -1 : pread(task->fds[f], text, size - 1, 0);
	if (n <= 0)
		code = !n ? -EIO : errno == ENOENT ? -ESRCH : -errno;
	if (n <= 0 || task - t->list.data >= MAX_OPEN)
		task_close(task);
	text[MAX(n, 0)] = '\0';
	return code;
}

uint64_t tasks_futex(struct tasks *t, pid_t tid)
{
	char text[TEXT], *end;

	/* Number of the system call, then its arguments; "running" has none. */
	if (read_again(t, find(t, tid), TASK_SYSCALL, text, sizeof(text)) ||
	    strtol(text, &end, 10) != SYS_futex || end == text)
		return 0;
	return strtoull(end, NULL, 16);
}

/* To run, or does it run? Negative: that is not told. */
static int is_ready(const struct tasks *t, struct task *task)
{
	char text[TEXT];
	int code = read_again(t, task, TASK_SYSCALL, text, sizeof(text));

	return code ? code : *text == 'r'; /* "running", or the number of a system call */
}

int tasks_is_running(struct tasks *t, pid_t tid)
{
	struct task *task = find(t, tid);
	char text[TEXT];
	const char *end;
	int code = is_ready(t, task);

	if (code >= 0)
		return code;
	/* Slower, but there are those who may not read the other. */
	code = code == -ESRCH ? code : read_again(t, task, TASK_STAT, text, sizeof(text));
	if (code)
		return -ESRCH;
	end = strrchr(text, ')');
	return end && end[1] == ' ' && end[2] == 'R';
}

bool tasks_claim(struct tasks *t, pid_t tid, int64_t now_ns)
{
	struct task *task = find(t, tid);
	bool first = !tid || task->claimed_ns != now_ns;

	task->claimed_ns = now_ns;
	return first;
}

/* ---- run time ---- */

/* What stands behind a name in a file of lines; the last lines are looked at first. */
static const char *find_line(const char *text, const char *name)
{
	size_t n = strlen(text);
	const char *found = strstr(text + (n > LAST_LINES ? n - LAST_LINES : 0), name);

	found = found ? found : strstr(text, name);
	return found ? found + strlen(name) : NULL;
}

/* Is the thread ready to run, and how often did it leave a CPU, by itself and because it had to?
 * False: it waits, or that is not told. */
static bool read_switches(const struct tasks *t, struct task *task, uint64_t *ret_left,
			  uint64_t *ret_sent_away)
{
	char text[STATUS_TEXT];
	const char *own, *others, *state;

	if (read_again(t, task, TASK_STATUS, text, sizeof(text)))
		return false;
	state = strstr(text, "\nState:\t");
	if (!state || state[strlen("\nState:\t")] != 'R')
		return false;
	own = find_line(text, "\nvoluntary_ctxt_switches:");
	others = find_line(text, "\nnonvoluntary_ctxt_switches:");
	if (!own || !others)
		return false;
	*ret_left = strtoull(own, NULL, 10);
	*ret_sent_away = strtoull(others, NULL, 10);
	return true;
}

/* Nanoseconds on a CPU, nanoseconds of waiting for one, how often it came to one. */
static bool parse_schedstat(const char *text, int64_t *ret_run_ns, uint64_t *ret_arrivals)
{
	char *waited, *arrivals, *end;

	*ret_run_ns = strtoll(text, &waited, 10);
	strtoull(waited, &arrivals, 10);
	*ret_arrivals = strtoull(arrivals, &end, 10);
	return waited != text && arrivals != waited && end != arrivals;
}

/* The kernel counts when a thread comes to a CPU and when it leaves it (Linux 2.6.23 to 6.18,
 * kernel/sched/stats.h, sched_info_arrive; kernel/sched/core.c, __schedule): one that came once
 * more often than it left is there. */
static int64_t ask_whether_it_left(const struct tasks *t, struct task *task, int64_t now_ns)
{
	uint64_t left, sent_away;

	if (!read_switches(t, task, &left, &sent_away)) {
		run_clock_rest(&task->clock);
		return 0;
	}
	return run_clock_take(&task->clock, left, sent_away, now_ns, t->period_ns * PATIENCE);
}

static int64_t take_run_time(struct tasks *t, pid_t tid, int64_t now_ns, bool *trust)
{
	struct task *task = find(t, tid);
	char text[TEXT];
	int64_t run_ns;
	uint64_t arrivals;
	enum run_news news;
	int code = read_again(t, task, TASK_SCHEDSTAT, text, sizeof(text));

	if (code == -ESRCH) {
		task_ended(t, task);
		return code;
	}
	if (code || !parse_schedstat(text, &run_ns, &arrivals))
		return -ENOTSUP;
	/* Kernels that do not count say 0, threads that were just made, too. */
	t->told |= arrivals > 0;
	if (!t->told)
		return -ENOTSUP;
	news = run_clock_look(&task->clock, run_ns, arrivals, now_ns, t->first_ns);
	if (news == RUN_IDLE)
		return 0;
	if (news == RUN_STAYS)
		return run_clock_take(&task->clock, task->clock.left, task->clock.sent_away, now_ns,
				      t->period_ns * PATIENCE);
	*trust = *trust && news == RUN_GOES_ON && is_ready(t, task) > 0;
	return *trust ? run_clock_trust(&task->clock) : ask_whether_it_left(t, task, now_ns);
}

int64_t tasks_take_run_time(struct tasks *t, pid_t tid, int64_t now_ns)
{
	bool trust = false;

	return take_run_time(t, tid, now_ns, &trust);
}

int64_t tasks_take_run_time_of_holder(struct tasks *t, pid_t tid, int64_t now_ns, bool *ret_trusted)
{
	bool trust = true;
	int64_t value = take_run_time(t, tid, now_ns, &trust);

	*ret_trusted = trust && value > 0;
	return value;
}

int64_t tasks_take_run_time_again(struct tasks *t, pid_t tid, int64_t value, int64_t now_ns)
{
	struct task *task = find(t, tid);

	run_clock_give_back(&task->clock, value);
	return ask_whether_it_left(t, task, now_ns);
}

void tasks_sweep(struct tasks *t, int64_t now_ns)
{
	if (now_ns - t->swept_ns < sweep_ns)
		return;
	t->swept_ns = now_ns;
	for (size_t i = t->list.len; i-- > 0;) {
		struct task *task = &t->list.data[i];

		if (task->used) {
			task->used = false;
			continue;
		}
		task_ended(t, task);
		*task = t->list.data[--t->list.len];
	}
}

int64_t tasks_left(const struct tasks *t)
{
	int64_t left = t->left_ns;

	for (size_t i = 0; i < t->list.len; i++)
		left += run_clock_left(&t->list.data[i].clock);
	return left;
}

const char *tasks_comm(struct tasks *t, pid_t tid, int64_t now_ns)
{
	struct task *task = find(t, tid);

	if (task->comm_ns && now_ns - task->comm_ns < NSEC_PER_SEC)
		return task->comm;
	task->comm_ns = now_ns;
	cleanup_close int fd = open_file(t, tid, "comm");
	char text[TASK_COMM + 1];
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (n > 0 && text[n - 1] == '\n')
		n--;
	if (n > 0) {
		memset(task->comm, 0, sizeof(task->comm));
		memcpy(task->comm, text, MIN((size_t)n, sizeof(task->comm) - 1));
	}
	return task->comm;
}
