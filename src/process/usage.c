#include "process/usage.h"
#include "process/process_priv.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

enum {
	/* /proc/stat grows with CPUs and interrupts: 64 bytes a CPU, 4 an interrupt. */
	MAX_PROC_FILE = 16 << 20,
	/* The memory of a process that does not run changes too (it is swapped out, or shared pages
	 * go): its stat is read again after so many readings. */
	MAX_AGE = 6,
};

/* Sum the first line of /proc/stat and count the lines of CPUs; Linux 6.1 fs/proc/stat.c. */
static int parse_host(const char *s, uint64_t *ret_busy, unsigned int *ret_cpus)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	unsigned int cpus = 0;

	if (sscanf(s, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
		   &iowait, &irq, &softirq) != 7)
		return -EBADMSG;
	for (; (s = strchr(s, '\n')) && !strncmp(s, "\ncpu", 4); s++)
		cpus++;
	/* Guests are part of user already; stolen time is not ours. */
	*ret_busy = user + nice + system + irq + softirq;
	*ret_cpus = cpus;
	return 0;
}

int usage_read_host(uint64_t *ret_busy, unsigned int *ret_cpus, struct err *e)
{
	cleanup_buf struct buf text = {};
	int r = io_read_file("/proc/stat", MAX_PROC_FILE, &text);

	if (!r)
		r = parse_host(buf_cstr(&text), ret_busy, ret_cpus);
	return r ? err_sys(e, r, "cannot read /proc/stat") : 0;
}

static bool field_kib(const char *text, const char *name, uint64_t *ret)
{
	const char *s = strstr(text, name);
	unsigned long long kib;

	if (!s || sscanf(s + strlen(name), " %llu", &kib) != 1)
		return false;
	*ret = kib * 1024;
	return true;
}

static int read_memory(struct usage *u, struct err *e)
{
	cleanup_buf struct buf text = {};
	uint64_t total, available;
	int r = io_read_file("/proc/meminfo", MAX_PROC_FILE, &text);

	if (!r && (!field_kib(buf_cstr(&text), "MemTotal:", &total) ||
		   !field_kib(buf_cstr(&text), "MemAvailable:", &available)))
		r = -EBADMSG;
	if (r)
		return err_sys(e, r, "cannot read /proc/meminfo");
	u->memory_total = total;
	u->memory_used = total > available ? total - available : 0;
	return 0;
}

/* Ticks since last, as seconds; counters of the kernel can step back a little. */
static double ticks_since(uint64_t now, uint64_t last)
{
	return now > last ? (double)(now - last) / (double)sysconf(_SC_CLK_TCK) : 0;
}

/* CPU time of all threads of a process, those that ended too. The number of the clock is as Linux
 * 6.1 include/linux/posix-timers.h:make_process_cpuclock() makes it, CPUCLOCK_SCHED is 2;
 * clock_getcpuclockid() would cost one more system call. */
static int cpu_clock(pid_t pid, int64_t *ret_ns)
{
	struct timespec t;

	if (clock_gettime((clockid_t)(~(unsigned int)pid << 3 | 2), &t))
		return -errno;
	*ret_ns = t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
	return 0;
}

/* The readings of a process: before and now. */
struct entry {
	struct process_usage usage;
	struct usage_seen seen;
};

/* Read the stat of a process into e. known: e is what was read last time. */
static int read_stat(int proc_fd, pid_t pid, bool known, struct entry *e)
{
	struct stat_line l;
	int r = stat_line_read(proc_fd, pid, &l);

	if (r)
		return r;
	/* The pid is used again, by a process whose CPU time starts at 0. */
	if (known && l.start_time != e->seen.start_time)
		e->seen.cpu_ns = 0;
	e->usage.pid = pid;
	memcpy(e->usage.comm, l.comm, sizeof(l.comm));
	e->usage.rss_bytes = l.rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
	e->seen.start_time = l.start_time;
	/* Not all in the same reading. */
	e->seen.age = known ? 0 : (unsigned int)pid % MAX_AGE;
	return 0;
}

static int read_process(const struct usage *u, int proc_fd, pid_t pid, bool known, struct entry *e)
{
	int64_t cpu_ns = 0;
	int r = cpu_clock(pid, &cpu_ns);

	if (r)
		return r;
	if (!known || cpu_ns != e->seen.cpu_ns || ++e->seen.age >= MAX_AGE)
		r = read_stat(proc_fd, pid, known, e);
	if (r)
		return r;
	/* Nobody knows how much of the CPU time before the first reading was of late. */
	int64_t from = known || u->interval_ns ? e->seen.cpu_ns : cpu_ns;

	e->usage.cpu_seconds = cpu_ns > from ? (double)(cpu_ns - from) / NSEC_PER_SEC : 0;
	e->seen.cpu_ns = cpu_ns;
	return 0;
}

static int by_pid(const void *x, const void *y)
{
	const pid_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

/* Walk the pids of now along with the processes of last time, both in order. */
static void read_all(struct usage *u, int proc_fd, const pid_vec *pids)
{
	process_usage_vec processes = {};
	usage_seen_vec seen = {};
	size_t old = 0;

	for (size_t i = 0; i < pids->len; i++) {
		struct entry e = {};

		while (old < u->processes.len && u->processes.data[old].pid < pids->data[i])
			old++;
		bool known = old < u->processes.len && u->processes.data[old].pid == pids->data[i];

		if (known)
			e = (struct entry){u->processes.data[old], u->seen.data[old]};
		/* What ended since the list was made is not there: no error. */
		if (read_process(u, proc_fd, pids->data[i], known, &e))
			continue;
		vec_push(&processes, e.usage);
		vec_push(&seen, e.seen);
	}
	vec_fini(&u->processes);
	vec_fini(&u->seen);
	u->processes = processes;
	u->seen = seen;
}

static int read_processes(struct usage *u, struct err *e)
{
	cleanup_close int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_vec pids = {};
	int r = proc_fd < 0 ? -errno : process_list(&pids);

	if (r)
		return err_sys(e, r, "cannot list the processes in /proc");
	qsort(pids.data, pids.len, sizeof(*pids.data), by_pid);
	read_all(u, proc_fd, &pids);
	vec_fini(&pids);
	return 0;
}

int64_t usage_resident(pid_t pid)
{
	cleanup_close int fd = -1;
	char path[64], text[128];
	long long pages;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	text[MAX(n, (ssize_t)0)] = 0;
	/* proc(5): pages, and of these the resident ones. Of a zombie all is 0. */
	return sscanf(text, "%*d %lld", &pages) == 1 ? pages * sysconf(_SC_PAGESIZE) : 0;
}

int usage_read(struct usage *u, struct err *e)
{
	uint64_t busy = 0;
	unsigned int cpus = 0;
	int r = usage_read_host(&busy, &cpus, e);

	if (!r)
		r = read_memory(u, e);
	if (r)
		return r;
	int64_t mono = clock_mono_ns();

	u->time_ns = clock_real_ns();
	u->interval_ns = u->last_mono_ns ? mono - u->last_mono_ns : 0;
	u->host_cpu_seconds = u->interval_ns ? ticks_since(busy, u->last_busy_ticks) : 0;
	u->cpus = cpus;
	u->last_mono_ns = mono;
	u->last_busy_ticks = busy;
	return read_processes(u, e);
}

void usage_fini(struct usage *u)
{
	vec_fini(&u->processes);
	vec_fini(&u->seen);
	*u = (struct usage){};
}
