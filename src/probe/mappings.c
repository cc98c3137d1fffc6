#include "probe/mappings.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/perf_ring.h"
#include "base/vec.h"

enum {
	RING_BYTES = 64 << 10, /* a CPU: some 500 mappings; a power of two */
	/* A drain takes no more than this; the rest waits for the next. */
	MAX_RECORDS = 8192,
	MAX_RECORD = 8 << 10, /* a path and little else */
};

struct ring {
	unsigned int cpu;
	bool ended; /* nothing more comes; it goes when it is empty */
	struct perf_ring records;
};
/* A record that waits to be handed over, in the order of time. */
struct waiting {
	uint64_t time;
	size_t at; /* in text */
	uint32_t number;
};
struct mapping_events {
	VEC(struct ring) rings;
	VEC(struct waiting) waiting;
	VEC(uint64_t) records; /* copies, each a multiple of 8 bytes */
	uint64_t lost;
};

/* Linux, include/uapi/linux/perf_event.h: what follows the header of PERF_RECORD_MMAP2. */
struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t start, length, offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t protection, flags;
	char path[];
};
struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	char comm[];
};
struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

struct mapping_events *mapping_events_new(void)
{
	return mem_calloc(1, sizeof(struct mapping_events));
}

int mapping_events_add(struct mapping_events *m, unsigned int cpu, struct err *e)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = RING_BYTES, /* never */
	};
	struct ring r = {.cpu = cpu};
	int code;
	cleanup_close int fd =
		(int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 && (errno == ENODEV || errno == ENXIO))
		return err_set(e, -ENODEV, "CPU %u is not online", cpu);
	if (fd < 0)
		return err_sys(e, -errno, "cannot follow mappings on CPU %u", cpu);
	code = perf_ring_open(fd, RING_BYTES, RING_BYTES, &r.records);
	if (code < 0)
		return err_sys(e, code, "cannot map the ring for mappings on CPU %u", cpu);
	take_fd(&fd);
	vec_push(&m->rings, r);
	return 0;
}

void mapping_events_remove(struct mapping_events *m, unsigned int cpu)
{
	for (size_t i = 0; i < m->rings.len; i++)
		m->rings.data[i].ended |= m->rings.data[i].cpu == cpu;
}

static void close_ring(struct mapping_events *m, size_t i)
{
	perf_ring_close(&m->rings.data[i].records);
	m->rings.data[i] = m->rings.data[--m->rings.len];
}

void mapping_events_free(struct mapping_events *m)
{
	if (!m)
		return;
	while (m->rings.len)
		close_ring(m, m->rings.len - 1);
	vec_fini(&m->rings);
	vec_fini(&m->waiting);
	vec_fini(&m->records);
	free(m);
}

/* Is there nothing left of it? */
static bool read_ring(struct mapping_events *m, struct perf_ring *r)
{
	while (m->waiting.len < MAX_RECORDS) {
		vec_reserve(&m->records, MAX_RECORD / sizeof(uint64_t));
		uint64_t *record = m->records.data + m->records.len;
		ssize_t n = perf_ring_take(r, record, MAX_RECORD);

		if (!n)
			break;
		/* The kernel's are multiples of 8 bytes. */
		if (n < (ssize_t)sizeof(struct comm_record) || n % (ssize_t)sizeof(*record)) {
			m->lost++;
			continue;
		}
		size_t words = (size_t)n / sizeof(*record);

		/* The last word is the time (sample_id_all with PERF_SAMPLE_TIME only). */
		vec_push(&m->waiting, (struct waiting){
					      .time = record[words - 1],
					      .at = m->records.len,
					      .number = (uint32_t)m->waiting.len,
				      });
		m->records.len += words;
	}
	return perf_ring_empty(r);
}

static int by_time(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

static void hand_over(struct mapping_events *m, const struct waiting *w, mapping_event_fn cb,
		      void *arg)
{
	const struct perf_event_header *h = (const void *)(m->records.data + w->at);
	struct mapping_event e = {.time_ns = w->time, .path = ""};

	if (h->type == PERF_RECORD_LOST && h->size >= sizeof(struct lost_record)) {
		m->lost += ((const struct lost_record *)h)->lost;
	} else if (h->type == PERF_RECORD_COMM && (h->misc & PERF_RECORD_MISC_COMM_EXEC)) {
		e.pid = (pid_t)((const struct comm_record *)h)->pid;
		e.exec = true;
		cb(&e, arg);
	} else if (h->type == PERF_RECORD_MMAP2 && h->size > sizeof(struct mmap2_record)) {
		const struct mmap2_record *r = (const void *)h;
		size_t room = h->size - sizeof(*r);

		if (strnlen(r->path, room) == room || r->start + r->length < r->start)
			return;
		e = (struct mapping_event){
			.time_ns = w->time,
			.pid = (pid_t)r->pid,
			.start = r->start,
			.end = r->start + r->length,
			.offset = r->offset,
			.dev = makedev(r->major, r->minor),
			.inode = r->inode,
			.path = r->path,
		};
		cb(&e, arg);
	}
}

uint64_t mapping_events_drain(struct mapping_events *m, mapping_event_fn cb, void *arg)
{
	m->lost = 0;
	vec_clear(&m->waiting);
	vec_clear(&m->records);
	for (size_t i = m->rings.len; i-- > 0;)
		if (read_ring(m, &m->rings.data[i].records) && m->rings.data[i].ended)
			close_ring(m, i);
	if (m->waiting.len)
		qsort(m->waiting.data, m->waiting.len, sizeof(*m->waiting.data), by_time);
	for (size_t i = 0; i < m->waiting.len; i++)
		hand_over(m, &m->waiting.data[i], cb, arg);
	return m->lost;
}
