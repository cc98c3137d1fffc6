#include "process/family.h"

#include <linux/perf_event.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/perf_ring.h"

enum {
	RING_PAGES = 32, /* a CPU, at most: records of some 300 processes */
	MAX_MEMBERS = 100000,
	MAX_CPUS = 4096,
	MAX_RECORD = 256,
};

struct record {
	uint64_t time;
	uint32_t type, pid, parent, tid;
	uint64_t cpu_ns;
	char comm[16];
	bool exec;
};
struct family_rings {
	VEC(struct perf_ring) list; /* a CPU each */
	VEC(struct record) records; /* of one drain */
	int exits;		    /* process/exits.h, or below 0 */
	thread_accounts accounts;   /* of one drain */
	int epoll;
};

/* ---- the kernel's side ---- */

static int event_open(pid_t pid, int cpu)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(a),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.disabled = 1,
		.enable_on_exec = 1,
		.inherit = 1,
		.inherit_stat = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.task = 1,
		.comm = 1,
		.comm_exec = 1,
		.watermark = 1,
		.wakeup_watermark = 1U << 14,
	};
	long fd = syscall(SYS_perf_event_open, &a, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

/* A ring a CPU: the kernel lets descendants write into none that belongs to all of them. */
static int open_rings(struct family_rings *rings, pid_t pid)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	rings->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (rings->epoll < 0)
		return -errno;
	for (int cpu = 0; cpu < MIN(cpus, (long)MAX_CPUS); cpu++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLET};
		struct perf_ring r;
		int code, fd = event_open(pid, cpu);

		if (fd == -ENODEV) /* it is offline */
			continue;
		code = fd < 0 ? fd : perf_ring_open(fd, RING_PAGES * page, page, &r);
		if (code < 0) {
			if (fd >= 0)
				close(fd);
			return code;
		}
		vec_push(&rings->list, r);
		if (epoll_ctl(rings->epoll, EPOLL_CTL_ADD, fd, &event))
			return -errno;
	}
	return 0;
}

static void close_rings(struct family_rings *rings)
{
	for (size_t i = 0; i < rings->list.len; i++)
		perf_ring_close(&rings->list.data[i]);
	if (rings->epoll >= 0)
		close(rings->epoll);
	if (rings->exits >= 0)
		close(rings->exits);
	vec_fini(&rings->accounts);
	vec_fini(&rings->list);
	vec_fini(&rings->records);
}

int family_open(pid_t pid, struct family *ret, struct err *e)
{
	struct family f = {.rings = mem_calloc(1, sizeof(*f.rings))};
	int code = open_rings(f.rings, pid);

	f.rings->exits = code < 0 ? code : exits_open();
	f.accounted = f.rings->exits >= 0;

	if (code < 0) {
		family_close(&f);
		return err_sys(e, code, "perf events of the kernel");
	}
	vec_push(&f.members,
		 (struct family_member){
			 .pid = pid, .parent = FAMILY_NOBODY, .threads = 1, .alive = 1});
	map64_set(&f.index, (uint64_t)pid, 0);
	*ret = f;
	return 0;
}

void family_close(struct family *f)
{
	if (f->rings)
		close_rings(f->rings);
	free(f->rings);
	vec_fini(&f->members);
	map64_fini(&f->index);
	*f = (struct family){};
}

int family_fd(const struct family *f)
{
	return f->rings->epoll;
}

/* ---- records ---- */

/* perf_event_open(2), PERF_RECORD_*: pid, ppid, tid, ptid of forks and ends; pid, tid, then the
 * name or the count of the others; then, of sample_id_all, pid, tid and time. */
static void take_record(struct family *f, const struct perf_event_header *h, const uint8_t *body,
			size_t n)
{
	enum { ID = 16 };
	struct record r = {.type = h->type};

	if (h->type == PERF_RECORD_LOST && n >= 16)
		f->lost += byte_u64(body + 8);
	if (n < 8 + ID)
		return;
	r.time = byte_u64(body + n - 8);
	r.pid = byte_u32(body);
	switch (h->type) {
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		if (n < 24 + ID)
			return;
		r.parent = byte_u32(body + 4);
		r.tid = byte_u32(body + 8);
		break;
	case PERF_RECORD_COMM:
		r.tid = byte_u32(body + 4);
		r.exec = h->misc & PERF_RECORD_MISC_COMM_EXEC;
		memcpy(r.comm, body + 8, MIN(n - 8 - ID, sizeof(r.comm) - 1));
		break;
	case PERF_RECORD_READ:
		if (n < 16 + ID)
			return;
		r.tid = byte_u32(body + 4);
		r.cpu_ns = byte_u64(body + 8);
		break;
	default:
		return;
	}
	vec_push(&f->rings->records, r);
}

static void ring_drain(struct family *f, struct perf_ring *r)
{
	uint64_t record[MAX_RECORD / sizeof(uint64_t)];
	const struct perf_event_header *h = (const void *)record;
	ssize_t n;

	while ((n = perf_ring_take(r, record, sizeof(record))) > 0)
		take_record(f, h, (const uint8_t *)(h + 1), (size_t)n - sizeof(*h));
	f->lost += n < 0;
}

/* ---- what they say ---- */

static struct family_member *find(struct family *f, uint32_t pid)
{
	const uint64_t *i = map64_get(&f->index, pid);

	return i ? &f->members.data[*i] : NULL;
}

static struct family_member *add(struct family *f, const struct record *r)
{
	if (f->members.len >= MAX_MEMBERS) {
		f->dropped++;
		return NULL;
	}
	map64_set(&f->index, r->pid, f->members.len);
	vec_push(&f->members, (struct family_member){.pid = (pid_t)r->pid,
						     .parent = FAMILY_NOBODY,
						     .start_ns = (int64_t)r->time});
	return &f->members.data[f->members.len - 1];
}

static void forked(struct family *f, const struct record *r)
{
	struct family_member *m = find(f, r->pid);
	const uint64_t *parent;

	if (r->pid == r->parent) {
		if (m) {
			m->threads++;
			m->alive++;
		}
		return;
	}
	/* A number that is there is of one that ended, unless its name came out before it. */
	if (!m || m->threads)
		m = add(f, r);
	if (!m)
		return;
	parent = map64_get(&f->index, r->parent);
	m->threads = m->alive = 1;
	m->start_ns = (int64_t)r->time;
	m->parent = parent ? (uint32_t)*parent : FAMILY_NOBODY;
	if (parent && !*m->comm)
		memcpy(m->comm, f->members.data[*parent].comm, sizeof(m->comm));
}

static void apply(struct family *f, const struct record *r)
{
	struct family_member *m;

	if (r->type == PERF_RECORD_FORK) {
		forked(f, r);
		return;
	}
	m = find(f, r->pid);
	switch (r->type) {
	case PERF_RECORD_COMM:
		if (!m)
			m = add(f, r);
		if (!m)
			break;
		if (m == f->members.data && r->exec && !m->start_ns)
			m->start_ns = (int64_t)r->time;
		if (r->exec || r->tid == r->pid)
			memcpy(m->comm, r->comm, sizeof(m->comm));
		break;
	case PERF_RECORD_READ:
		if (!m)
			break;
		m->cpu_ns += (int64_t)r->cpu_ns;
		m->told++;
		break;
	case PERF_RECORD_EXIT:
		if (!m)
			break;
		m->alive -= m->alive > 0;
		if (!m->alive)
			m->end_ns = (int64_t)r->time;
		break;
	}
}

static int by_time(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return (x->time > y->time) - (x->time < y->time);
}

static void account(struct family *f, const struct thread_account *a)
{
	struct family_member *m = find(f, (uint32_t)a->pid);
	struct thread_account *sum;

	/* Most are of other programs. */
	if (!m || m->accounts >= m->threads)
		return;
	sum = &m->account;
	m->accounts++;
	sum->run_queue_ns = add_saturated(sum->run_queue_ns, a->run_queue_ns);
	sum->disk_ns = add_saturated(sum->disk_ns, a->disk_ns);
	sum->peak_rss = MAX(sum->peak_rss, a->peak_rss);
	sum->read_bytes = add_saturated(sum->read_bytes, a->read_bytes);
	sum->written_bytes = add_saturated(sum->written_bytes, a->written_bytes);
	sum->disk_read_bytes = add_saturated(sum->disk_read_bytes, a->disk_read_bytes);
	sum->disk_written_bytes = add_saturated(sum->disk_written_bytes, a->disk_written_bytes);
}

/* What was readable is not any more, until there is more. */
static void take_events(int epoll)
{
	struct epoll_event events[16];

	while (epoll_wait(epoll, events, ARRAY_SIZE(events), 0) == ARRAY_SIZE(events))
		;
}

void family_drain(struct family *f)
{
	struct family_rings *rings = f->rings;

	take_events(rings->epoll);
	/* First those: who ended was forked before, and that is in the rings then. */
	if (rings->exits >= 0)
		f->accounts_lost += exits_drain(rings->exits, &rings->accounts);
	for (size_t i = 0; i < rings->list.len; i++)
		ring_drain(f, &rings->list.data[i]);
	if (rings->records.len)
		qsort(rings->records.data, rings->records.len, sizeof(*rings->records.data),
		      by_time);
	for (size_t i = 0; i < rings->records.len; i++)
		apply(f, &rings->records.data[i]);
	for (size_t i = 0; i < rings->accounts.len; i++)
		account(f, &rings->accounts.data[i]);
	vec_clear(&rings->records);
	vec_clear(&rings->accounts);
}

/* The kernel's clock of a process, which a zombie has, too. */
static int64_t process_clock(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* What all of them used, as the events themselves have it. */
static int64_t counted(const struct family_rings *rings)
{
	int64_t all = 0;

	for (size_t i = 0; i < rings->list.len; i++) {
		uint64_t one = 0;

		if (read(rings->list.data[i].fd, &one, sizeof(one)) == sizeof(one))
			all += (int64_t)one;
	}
	return all;
}

void family_end(struct family *f)
{
	struct family_member *untold = NULL;
	int64_t rest;

	family_drain(f);
	rest = counted(f->rings);
	for (size_t i = 0; i < f->members.len; i++) {
		struct family_member *m = &f->members.data[i];

		/* Where records had no room, the one of its end may be among them. */
		if (m->alive && kill(m->pid, 0) && errno == ESRCH)
			m->alive = 0;
		if (m->alive)
			m->cpu_ns = process_clock(m->pid);
		else if (m->told < m->threads * f->rings->list.len && !untold)
			untold = m;
		rest -= m->cpu_ns;
	}
	/* Parent and child change their counters with each other when the one runs after the other
	 * (Linux 6.18 kernel/events/core.c, perf_event_context_sched_out), so that one task of all
	 * ends with those that we opened, of which nothing is written. It has what is left. */
	if (untold)
		untold->cpu_ns += MAX(rest, 0);
}
