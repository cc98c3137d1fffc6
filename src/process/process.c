#include "process/process.h"
#include "process/process_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

enum {
	MAX_THREADS = 64,   /* that are asked for the mappings */
	MAX_LISTED = 65536, /* of a process */
	STATUS_BYTES = 4096,
};

/* Move past one blank-separated field that is a number; false at the end of the text. */
static bool next_number(const char **s, const char *end, uint64_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	while (p < end && *p == ' ')
		p++;
	if (p == end)
		return false;
	/* Some fields are negative; none that Glim keeps. */
	if (*p == '-')
		p++;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	*s = p;
	*ret = v;
	return p == end || *p == ' ' || *p == '\n';
}

/* Fields as Linux 6.1 fs/proc/array.c:do_task_stat() prints them, counted from 1. */
enum {
	STAT_STATE = 3,
	STAT_PARENT,
	STAT_MINFLT = 10,
	STAT_UTIME = 14,
	STAT_STIME = 15,
	STAT_START = 22,
	STAT_RSS = 24
};

int stat_line_parse(const char *s, size_t n, struct stat_line *ret)
{
	const char *end = s + n;
	const char *open = memchr(s, '(', n);
	/* The name may hold blanks and brackets itself: it ends at the last one. */
	const char *close = memrchr(s, ')', n);
	struct stat_line l = {};
	uint64_t field[STAT_RSS + 1] = {};

	if (!open || !close || close < open || end - close < 4)
		return -EBADMSG;
	memcpy(l.comm, open + 1, MIN((size_t)(close - open - 1), sizeof(l.comm) - 1));
	l.state = close[2];
	s = close + 3;
	for (int i = STAT_STATE + 1; i <= STAT_RSS; i++)
		if (!next_number(&s, end, &field[i]))
			return -EBADMSG;
	l.parent = (pid_t)field[STAT_PARENT];
	l.faults = field[STAT_MINFLT];
	l.cpu_ticks = field[STAT_UTIME] + field[STAT_STIME];
	l.start_time = field[STAT_START];
	l.rss_pages = field[STAT_RSS];
	*ret = l;
	return 0;
}

/* Write "PID/stat" without printf: this runs for every process of the machine. */
static void stat_name(pid_t pid, char out[24])
{
	char digits[12];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + pid % 10);
	while (pid /= 10);
	for (size_t i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	memcpy(out + n, "/stat", sizeof("/stat"));
}

static int read_stat_file(int dir_fd, const char *name, struct stat_line *ret)
{
	char text[1024];
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return gone(errno);
	ssize_t n = read(fd, text, sizeof(text));

	if (n <= 0)
		return n ? gone(errno) : -ESRCH;
	return stat_line_parse(text, (size_t)n, ret);
}

int stat_line_read(int proc_fd, pid_t pid, struct stat_line *ret)
{
	char name[24];

	if (pid <= 0)
		return -ESRCH;
	stat_name(pid, name);
	return read_stat_file(proc_fd, name, ret);
}

static int read_maps(int dir_fd, const char *name, struct process *p)
{
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? gone(errno) : maps_read(fd, p);
}

/* The main thread of a process may end before the others: ask one of them. */
static int read_threads(int dir_fd, struct process *p)
{
	int fd = openat(dir_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (int i = 0; i < MAX_THREADS && !p->mappings.len && (d = readdir(dir)); i++) {
		pid_t tid = atoi(d->d_name);
		char name[40];

		snprintf(name, sizeof(name), "task/%d/maps", (int)tid);
		if (tid > 0 && tid != p->pid && !read_maps(dir_fd, name, p))
			p->thread = tid;
	}
	closedir(dir);
	if (!p->mappings.len)
		p->thread = 0;
	return 0;
}

static int read_parts(pid_t pid, struct process *p)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	/* This descriptor is the process: it goes stale when the process ends, and never speaks of
	 * a later one with the same number. */
	cleanup_close int dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return gone(errno);
	struct stat_line l;
	int r = read_stat_file(dir_fd, "stat", &l);

	if (r)
		return r;
	p->pid = pid;
	p->start_time = l.start_time;
	memcpy(p->comm, l.comm, sizeof(p->comm));
	r = read_maps(dir_fd, "maps", p);
	return r || p->mappings.len || l.state != 'Z' ? r : read_threads(dir_fd, p);
}

int process_read(pid_t pid, struct process *ret, struct err *e)
{
	struct process p = {};

	if (pid <= 0)
		return err_set(e, -ESRCH, "%d is not the number of a process", (int)pid);
	int r = read_parts(pid, &p);

	if (r)
		process_fini(&p);
	if (r == -ESRCH)
		return err_set(e, r, "process %d does not exist", (int)pid);
	if (r)
		return err_sys(e, r, "cannot read the mappings of process %d", (int)pid);
	*ret = p;
	return 0;
}

/* The nth number (from 0) of the line of /proc/PID/status that begins with name, or with n < 0 the
 * last one; -1 when there is none. */
static long long status_number(const char *text, const char *name, int n)
{
	const char *line = strstr(text, name);
	long long v = -1;

	if (!line)
		return -1;
	for (line += strlen(name); *line == '\t' || *line == ' ';) {
		char *end;
		long long now = strtoll(line, &end, 10);

		if (end == line)
			break;
		v = now;
		line = end;
		if (n-- == 0)
			return v;
	}
	return n < 0 ? v : -1;
}

/* The text of /proc/PID/status, or of a thread. */
static int read_status(const char *path, char text[STATUS_BYTES])
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return gone(errno);
	ssize_t got = read(fd, text, STATUS_BYTES - 1);

	if (got <= 0)
		return got ? gone(errno) : -ESRCH;
	text[got] = '\0';
	return 0;
}

int process_identity(pid_t pid, uid_t *ret_user, pid_t *ret_inner)
{
	char path[32], text[STATUS_BYTES];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	int r = read_status(path, text);

	if (r)
		return r;
	/* Real, effective, saved, file system; the line of pids has one for each namespace. The
	 * name of the process stands above, with its line ends escaped. */
	long long user = status_number(text, "\nUid:", 1),
		  inner = status_number(text, "\nNSpid:", -1);

	if (user < 0 || inner <= 0)
		return -EBADMSG;
	*ret_user = (uid_t)user;
	*ret_inner = (pid_t)inner;
	return 0;
}

int process_threads(pid_t pid, process_thread_vec *ret)
{
	char path[64], text[STATUS_BYTES];
	struct dirent *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	vec_clear(ret);
	DIR *dir = opendir(path);

	if (!dir)
		return gone(errno);
	while ((d = readdir(dir)) && ret->len < MAX_LISTED) {
		struct process_thread t = {.tid = (pid_t)strtol(d->d_name, NULL, 10)};

		if (t.tid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)t.tid);
		if (read_status(path, text))
			continue; /* it ended */
		t.inner = (pid_t)status_number(text, "\nNSpid:", -1);
		vec_push(ret, t);
	}
	closedir(dir);
	return 0;
}

static bool same_mapping(const struct mapping *a, const struct mapping *b)
{
	return a->start == b->start && a->end == b->end && a->offset == b->offset &&
	       a->dev == b->dev && a->inode == b->inode && a->deleted == b->deleted &&
	       !strcmp(a->path, b->path);
}

static bool same_mappings(const struct process *a, const struct process *b)
{
	if (a->mappings.len != b->mappings.len)
		return false;
	for (size_t i = 0; i < a->mappings.len; i++)
		if (!same_mapping(&a->mappings.data[i], &b->mappings.data[i]))
			return false;
	return true;
}

int process_refresh(struct process *p, struct err *e)
{
	struct process now;
	int r = process_read(p->pid, &now, e);

	if (r)
		return r;
	if (now.start_time != p->start_time) {
		process_fini(&now);
		return err_set(e, -ESRCH, "process %d ended; its number is in use again",
			       (int)p->pid);
	}
	/* It ended and waits for its parent: what it had is better than nothing. */
	if (!now.mappings.len && p->mappings.len) {
		process_fini(&now);
		return err_set(e, -ESRCH, "process %d ended", (int)p->pid);
	}
	bool same = same_mappings(p, &now);

	process_fini(p);
	*p = now;
	return !same;
}

void process_fini(struct process *p)
{
	maps_free(p);
	*p = (struct process){};
}

const struct mapping *process_find_mapping(const struct process *p, uint64_t address)
{
	size_t low = 0, high = p->mappings.len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct mapping *m = &p->mappings.data[mid];

		if (address < m->start)
			high = mid;
		else if (address >= m->end)
			low = mid + 1;
		else
			return m;
	}
	return NULL;
}
