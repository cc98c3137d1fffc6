#include "capture/tasks.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	MAX_OPEN = 256, /* of them have their file kept open; the others' is opened each time */
	MAX_TASKS = 8192,
	TEXT = 128, /* of stat: pid, name in brackets, state; the name has at most 64 bytes */
};

static void task_close(struct task *t)
{
	if (t->stat_fd >= 0)
		close(t->stat_fd);
	if (t->syscall_fd >= 0)
		close(t->syscall_fd);
	t->stat_fd = t->syscall_fd = -1;
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
	struct task new = {.tid = tid, .stat_fd = -1, .syscall_fd = -1};

	for (size_t i = 0; i < t->list.len; i++) {
		size_t at = (t->last + i) % t->list.len;

		if (t->list.data[at].tid == tid) {
			t->last = at;
			return &t->list.data[at];
		}
	}
	if (t->list.len >= MAX_TASKS)
		tasks_fini(t);
	vec_push(&t->list, new);
	return &t->list.data[t->list.len - 1];
}

/* The start of a file of a thread, which is kept open; false when the thread is gone. */
static bool read_again(const struct tasks *t, struct task *task, const char *name, int *fd,
		       char text[TEXT])
{
	ssize_t n;

	if (*fd < 0)
		*fd = open_file(t, task->tid, name);
	if (*fd < 0)
		return false;
	n = pread(*fd, text, TEXT - 1, 0);
	if (n <= 0 || task - t->list.data >= MAX_OPEN)
		task_close(task);
	text[MAX(n, 0)] = '\0';
	return n > 0;
}

uint64_t tasks_futex(struct tasks *t, pid_t tid)
{
	struct task *task = find(t, tid);
	char text[TEXT], *end;

	/* Number of the system call, then its arguments; "running" has none. */
	if (!read_again(t, task, "syscall", &task->syscall_fd, text) ||
	    strtol(text, &end, 10) != SYS_futex || end == text)
		return 0;
	return strtoull(end, NULL, 16);
}

int tasks_is_running(struct tasks *t, pid_t tid)
{
	struct task *task = find(t, tid);
	char text[TEXT];
	const char *end;

	if (!read_again(t, task, "stat", &task->stat_fd, text))
		return -ESRCH;
	end = strrchr(text, ')');
	return end && end[1] == ' ' && end[2] == 'R';
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
