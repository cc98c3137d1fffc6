#include "process/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "process/usage.h"

enum {
	MAX_PROC_FILE = 8192,
	/* Resident memory is looked at after 1, 2, 4 ... ms, then in steps of: */
	MAX_STEP_MS = 100,
	MAX_LIVING = 256, /* processes that are looked at */
	/* The kernel counts pages a CPU at a time, and is so far behind with each kind. */
	COUNT_ERROR = 512 << 10,
};

/* ---- what /proc tells ---- */

static int read_proc(const char *pid, const char *file, struct buf *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	return io_read_file(path, MAX_PROC_FILE, ret);
}

/* The numbers behind the name in /proc/PID/stat, from the fourth on: proc_pid_stat(5). */
static int64_t stat_field(const char *stat, unsigned int field)
{
	const char *p = strrchr(stat, ')');

	for (unsigned int i = 2; p && i < field; i++)
		p = strchr(p + 1, ' ');
	return p ? strtoll(p, NULL, 10) : RUN_UNKNOWN;
}

/* Is the time of waiting for disks kept? It costs a little, and is off unless somebody wants it. */
static bool knows_disk_waits(void)
{
	cleanup_buf struct buf b = {};

	/* Before Linux 5.14 it was always kept. */
	return io_read_file("/proc/sys/kernel/task_delayacct", 16, &b) < 0 || *b.data == '1';
}

/* What /proc/PID/schedstat tells of a thread: its CPU time, and how long it could run and no CPU
 * was free. */
static bool read_schedule(const char *pid, int64_t *ret_cpu, int64_t *ret_queue)
{
	cleanup_buf struct buf b = {};
	long long cpu, queue;

	if (read_proc(pid, "schedstat", &b) < 0 ||
	    sscanf(buf_cstr(&b), "%lld %lld", &cpu, &queue) != 2)
		return false;
	*ret_cpu = cpu;
	*ret_queue = queue;
	return true;
}

/* The counters of the main thread, which are exact, and of the process before its program began. */
static void read_counters(pid_t pid, struct run *r)
{
	enum { MINOR_FAULTS = 10, MAJOR_FAULTS = 12, BLKIO_TICKS = 42 };
	cleanup_buf struct buf stat = {};
	char name[16];

	snprintf(name, sizeof(name), "%d", pid);
	r->main_cpu_ns = r->run_queue_ns = r->disk_ns = RUN_UNKNOWN;
	read_schedule(name, &r->main_cpu_ns, &r->run_queue_ns);
	if (read_proc(name, "stat", &stat) < 0)
		return;
	r->minor_faults = stat_field(buf_cstr(&stat), MINOR_FAULTS);
	r->major_faults = stat_field(buf_cstr(&stat), MAJOR_FAULTS);
	if (knows_disk_waits())
		r->disk_ns = stat_field(buf_cstr(&stat), BLKIO_TICKS) *
			     (NSEC_PER_SEC / sysconf(_SC_CLK_TCK));
}

static int64_t named_number(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? strtoll(p + strlen(name), NULL, 10) : RUN_UNKNOWN;
}

/* Bytes of this process and of all that it reaped: others may not ask a process that ended, but
 * whoever reaps it inherits its counters. Returns how many bytes the asking itself read. */
static int64_t read_bytes(struct run *r)
{
	cleanup_buf struct buf io = {};
	const char *text;

	r->read_bytes = r->written_bytes = r->disk_read_bytes = r->disk_written_bytes = RUN_UNKNOWN;
	if (read_proc("self", "io", &io) < 0)
		return 0;
	text = buf_cstr(&io);
	r->read_bytes = named_number(text, "rchar: ");
	r->written_bytes = named_number(text, "wchar: ");
	r->disk_read_bytes = named_number(text, "\nread_bytes: ");
	r->disk_written_bytes = named_number(text, "\nwrite_bytes: ");
	return (int64_t)io.len;
}

/* ---- while it runs ---- */

void run_begin(struct run_watch *w, pid_t pid, int ended, struct family *family)
{
	struct rusage own;

	*w = (struct run_watch){.pid = pid, .ended = ended, .family = family};
	read_counters(pid, &w->before);
	getrusage(RUSAGE_SELF, &own);
	w->before.peak_rss = (int64_t)own.ru_maxrss * 1024 + COUNT_ERROR;
	w->start_ns = clock_mono_ns();
}

static void look_at_memory(struct run_watch *w, struct run *r, int64_t now)
{
	int64_t own = usage_resident(w->pid), all = own;
	unsigned int living = 0;

	/* Nothing: it has ended meanwhile. */
	if (!own)
		return;
	r->end_rss = own;
	r->end_rss_age_ns = now; /* until the end is known */
	if (w->family) {
		family_drain(w->family);
		for (size_t i = w->family->members.len; i-- > 1 && living < MAX_LIVING;) {
			const struct family_member *m = &w->family->members.data[i];

			if (!m->alive)
				continue;
			all += usage_resident(m->pid);
			living++;
		}
	}
	r->together_rss = MAX(r->together_rss, all);
}

/* What it sleeps in now counts for the time since the look before. */
static void look_at_sleep(const struct run_watch *w, struct run *r, int64_t since_ns)
{
	struct activity a;

	if (activity_read(w->pid, w->pid, &a) || (a.state != 'S' && a.state != 'D') || a.call < 0)
		return;
	r->asleep_ns[activity_reason(w->pid, &a)] += since_ns;
	r->asleep++;
}

/* How long we could run ourselves, and no CPU was free. */
static int64_t own_queue(void)
{
	int64_t cpu, queue;

	return read_schedule("thread-self", &cpu, &queue) ? queue : 0;
}

/* Returns when the end woke us: on a busy machine long before we learn of it. */
static int64_t wait_for_end(struct run_watch *w, struct run *r)
{
	struct pollfd fds[] = {{.fd = w->ended, .events = POLLIN},
			       {.fd = w->family ? family_fd(w->family) : -1, .events = POLLIN}};
	int64_t step = NSEC_PER_SEC / 1000, last = w->start_ns, next = last + step;

	for (;;) {
		int64_t now = clock_mono_ns();
		int ms = (int)(MAX(next - now, 0) / (NSEC_PER_SEC / 1000)) + 1;
		int64_t queue = own_queue();
		bool failed = poll(fds, ARRAY_SIZE(fds), ms) < 0 && errno != EINTR;

		now = clock_mono_ns();
		if (failed || fds[0].revents)
			return now - MAX(own_queue() - queue, 0);
		if (fds[1].revents)
			family_drain(w->family);
		if (now < next)
			continue;
		look_at_memory(w, r, now);
		look_at_sleep(w, r, now - last);
		last = now;
		step = MIN(2 * step, MAX_STEP_MS * (NSEC_PER_SEC / 1000));
		next = now + step;
	}
}

/* ---- at its end ---- */

static int64_t nanoseconds(struct timeval t)
{
	return t.tv_sec * NSEC_PER_SEC + t.tv_usec * 1000;
}

/* It ended when that woke us: the kernel writes its end down before (Linux 6.18 even before it
 * takes the memory back). And not before its thread had the CPU for as long as it had, by another
 * clock. */
static int64_t wall_time(const struct run_watch *w, int64_t woken, const struct run *r)
{
	int64_t written = w->family ? w->family->members.data[0].end_ns : 0;

	return MAX(MAX(woken, written) - w->start_ns, r->main_cpu_ns);
}

/* A forked copy of us that waits is not the command: its time is the kernel's, of the fork. */
static void leave_out_fork(const struct run *before, struct run *r)
{
	int64_t cpu = MAX(before->main_cpu_ns, 0);

	r->system_ns -= cpu;
	if (r->system_ns < 0) {
		r->user_ns = MAX(r->user_ns + r->system_ns, 0);
		r->system_ns = 0;
	}
	r->cpu_ns = r->user_ns + r->system_ns;
	r->minor_faults = MAX(r->minor_faults - before->minor_faults, 0);
	r->major_faults = MAX(r->major_faults - before->major_faults, 0);
	r->main_cpu_ns -= r->main_cpu_ns < 0 ? 0 : cpu;
	r->run_queue_ns -= r->run_queue_ns < 0 ? 0 : MAX(before->run_queue_ns, 0);
	r->disk_ns -= r->disk_ns < 0 ? 0 : MAX(before->disk_ns, 0);
}

/* The same in what the kernel accounted of it. */
static void leave_out_fork_of(struct family_member *m, const struct run *before)
{
	if (m->accounts)
		m->account.run_queue_ns =
			MAX(m->account.run_queue_ns - MAX(before->run_queue_ns, 0), 0);
}

static void take_usage(const struct rusage *u, struct run *r)
{
	r->user_ns = nanoseconds(u->ru_utime);
	r->system_ns = nanoseconds(u->ru_stime);
	r->minor_faults = u->ru_minflt;
	r->major_faults = u->ru_majflt;
	r->voluntary_switches = u->ru_nvcsw;
	r->involuntary_switches = u->ru_nivcsw;
	r->peak_rss = (int64_t)u->ru_maxrss * 1024;
}

/* What was added to our own counters by reaping it. */
static void bytes_between(const struct run *a, const struct run *b, int64_t own, struct run *r)
{
	const bool known = a->read_bytes >= 0 && b->read_bytes >= 0;

	r->read_bytes = known ? b->read_bytes - a->read_bytes - own : RUN_UNKNOWN;
	r->written_bytes = known ? b->written_bytes - a->written_bytes : RUN_UNKNOWN;
	r->disk_read_bytes = known ? b->disk_read_bytes - a->disk_read_bytes : RUN_UNKNOWN;
	r->disk_written_bytes = known ? b->disk_written_bytes - a->disk_written_bytes : RUN_UNKNOWN;
}

static int reap(const struct run_watch *w, struct run *r, struct err *e)
{
	struct run bytes_before, bytes_after;
	struct rusage usage;
	int64_t own = read_bytes(&bytes_before);
	int status;

	while (wait4(w->pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return err_sys(e, -errno, "cannot wait for the command");
	read_bytes(&bytes_after);
	bytes_between(&bytes_before, &bytes_after, own, r);
	take_usage(&usage, r);
	r->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	r->status = r->signal ? 128 + r->signal : WEXITSTATUS(status);
	return 0;
}

/* The kernel's peak of a process goes back to before its program began. Where it accounts for each,
 * that is of the program alone. */
static void correct_peak(const struct run_watch *w, struct run *r)
{
	int64_t accounted = 0;

	/* And it is kept by a count that is a little behind. */
	r->peak_at_most = r->peak_rss <= w->before.peak_rss && r->peak_rss > r->end_rss;
	r->peak_rss = MAX(r->peak_rss, r->end_rss);
	for (size_t i = 0; w->family && i < w->family->members.len; i++) {
		if (!family_accounted(&w->family->members.data[i]))
			return;
		accounted = MAX(accounted, w->family->members.data[i].account.peak_rss);
	}
	if (r->peak_at_most && accounted) {
		r->peak_rss = MAX(accounted, r->end_rss);
		r->peak_at_most = false;
	}
}

/* What one had, all of them had, also where nobody looked. */
static void correct_together(struct run *r)
{
	if (r->together_rss >= 0 && !r->peak_at_most)
		r->together_rss = MAX(r->together_rss, r->peak_rss);
}

int run_wait(struct run_watch *w, struct run *ret, struct err *e)
{
	struct run r = {.end_rss = RUN_UNKNOWN, .together_rss = RUN_UNKNOWN};
	int64_t woken;
	siginfo_t info;
	int code;

	woken = wait_for_end(w, &r);
	/* It ended, and stays as it is until it is reaped. */
	while (waitid(P_PID, (id_t)w->pid, &info, WEXITED | WNOWAIT) && errno == EINTR)
		;
	if (w->family)
		family_end(w->family);
	read_counters(w->pid, &r);
	code = reap(w, &r, e);
	if (code < 0)
		return code;
	correct_peak(w, &r);
	correct_together(&r);
	leave_out_fork(&w->before, &r);
	r.wall_ns = wall_time(w, woken, &r);
	if (r.end_rss >= 0)
		r.end_rss_age_ns = MAX(w->start_ns + r.wall_ns - r.end_rss_age_ns, 0);
	if (w->family)
		leave_out_fork_of(&w->family->members.data[0], &w->before);
	*ret = r;
	return 0;
}
