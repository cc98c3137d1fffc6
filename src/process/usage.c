#include "process/usage.h"
#include "process/process_priv.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

enum {
	/* /proc/stat grows with CPUs and interrupts: 64 bytes a CPU, 4 an interrupt. */
	MAX_PROC_FILE = 16 << 20,
	PID_BITS = 22, /* Linux 6.1 include/linux/threads.h: PID_MAX_LIMIT is 4 Mi */
};

/* A process by pid and start together: a pid that is used again is another process. 42 bits of
 * clock ticks last 1,394 years. */
static uint64_t key_of(pid_t pid, uint64_t start_time)
{
	return start_time << PID_BITS | (uint64_t)pid;
}

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

static int read_host(uint64_t *ret_busy, unsigned int *ret_cpus, struct err *e)
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
static double seconds_since(uint64_t now, uint64_t last)
{
	return now > last ? (double)(now - last) / (double)sysconf(_SC_CLK_TCK) : 0;
}

static void add_process(struct usage *u, pid_t pid, const struct stat_line *l, struct map64 *seen)
{
	uint64_t key = key_of(pid, l->start_time);
	const uint64_t *last = map64_get(&u->last, key);
	/* Nobody knows how much of the CPU time before the first reading was of late. */
	uint64_t from = last ? *last : u->interval_ns ? 0 : l->cpu_ticks;
	struct process_usage p = {
		.pid = pid,
		.cpu_seconds = seconds_since(l->cpu_ticks, from),
		.rss_bytes = l->rss_pages * (uint64_t)sysconf(_SC_PAGESIZE),
	};

	memcpy(p.comm, l->comm, sizeof(p.comm));
	map64_set(seen, key, l->cpu_ticks);
	vec_push(&u->processes, p);
}

static int read_processes(struct usage *u, struct err *e)
{
	cleanup_close int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_vec pids = {};
	struct map64 seen = {};
	int r = proc_fd < 0 ? -errno : process_list(&pids);

	if (r)
		return err_sys(e, r, "cannot list the processes in /proc");
	vec_clear(&u->processes);
	for (size_t i = 0; i < pids.len; i++) {
		struct stat_line l;

		/* What ended since the list was made is not there: no error. */
		if (!stat_line_read(proc_fd, pids.data[i], &l))
			add_process(u, pids.data[i], &l, &seen);
	}
	vec_fini(&pids);
	map64_fini(&u->last);
	u->last = seen;
	return 0;
}

int usage_read(struct usage *u, struct err *e)
{
	uint64_t busy = 0;
	unsigned int cpus = 0;
	int r = read_host(&busy, &cpus, e);

	if (!r)
		r = read_memory(u, e);
	if (r)
		return r;
	int64_t mono = clock_mono_ns();

	u->time_ns = clock_real_ns();
	u->interval_ns = u->last_mono_ns ? mono - u->last_mono_ns : 0;
	u->host_cpu_seconds = u->interval_ns ? seconds_since(busy, u->last_busy_ticks) : 0;
	u->cpus = cpus;
	u->last_mono_ns = mono;
	u->last_busy_ticks = busy;
	return read_processes(u, e);
}

void usage_fini(struct usage *u)
{
	vec_fini(&u->processes);
	map64_fini(&u->last);
	*u = (struct usage){};
}
