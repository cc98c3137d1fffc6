#include "probe/mappings.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

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
	int fd;
	struct perf_event_mmap_page *page; /* and RING_BYTES behind it */
};
/* A record that waits to be handed over, in the order of time. */
struct waiting {
	uint64_t time;
	size_t at; /* in text */
	uint32_t number;
};
struct mapping_events {
	VEC(struct ring) rings;
	size_t page_size;
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
	struct mapping_events *m = mem_calloc(1, sizeof(*m));

	m->page_size = (size_t)sysconf(_SC_PAGESIZE);
	return m;
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
	cleanup_close int fd =
		(int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 && (errno == ENODEV || errno == ENXIO))
		return err_set(e, -ENODEV, "CPU %u is not online", cpu);
	if (fd < 0)
		return err_sys(e, -errno, "cannot follow mappings on CPU %u", cpu);
	void *page =
		mmap(NULL, m->page_size + RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return err_sys(e, -errno, "cannot map the ring for mappings on CPU %u", cpu);
	vec_push(&m->rings, (struct ring){.cpu = cpu, .fd = take_fd(&fd), .page = page});
	return 0;
}

void mapping_events_remove(struct mapping_events *m, unsigned int cpu)
{
	for (size_t i = 0; i < m->rings.len; i++)
		m->rings.data[i].ended |= m->rings.data[i].cpu == cpu;
}

static void close_ring(struct mapping_events *m, size_t i)
{
	munmap(m->rings.data[i].page, m->page_size + RING_BYTES);
	close(m->rings.data[i].fd);
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

/* Copy a record out of the ring, where it may go over the end. */
static void take_record(struct mapping_events *m, const uint8_t *data, uint64_t at, uint32_t size)
{
	size_t words = size / sizeof(uint64_t), first = MIN(size, RING_BYTES - at % RING_BYTES);

	vec_reserve(&m->records, words);
	uint8_t *to = (uint8_t *)(m->records.data + m->records.len);

	memcpy(to, data + at % RING_BYTES, first);
	memcpy(to + first, data, size - first);
	/* The last word is the time (sample_id_all with PERF_SAMPLE_TIME only). */
	vec_push(&m->waiting, (struct waiting){
				      .time = m->records.data[m->records.len + words - 1],
				      .at = m->records.len,
				      .number = (uint32_t)m->waiting.len,
			      });
	m->records.len += words;
}

/* Was all that it holds read? */
static bool read_ring(struct mapping_events *m, const struct ring *r)
{
	const uint8_t *data = (const uint8_t *)r->page + m->page_size;
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = r->page->data_tail;

	while (tail < head && m->waiting.len < MAX_RECORDS) {
		const struct perf_event_header *h = (const void *)(data + tail % RING_BYTES);

		/* Written by the kernel: multiples of 8 bytes, headers never wrap. */
		if (h->size < sizeof(struct comm_record) || h->size % sizeof(uint64_t) ||
		    h->size > head - tail) {
			m->lost++;
			tail = head;
			break;
		}
		if (h->size <= MAX_RECORD)
			take_record(m, data, tail, h->size);
		tail += h->size;
	}
	__atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
	return tail == head;
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
		if (read_ring(m, &m->rings.data[i]) && m->rings.data[i].ended)
			close_ring(m, i);
	if (m->waiting.len)
		qsort(m->waiting.data, m->waiting.len, sizeof(*m->waiting.data), by_time);
	for (size_t i = 0; i < m->waiting.len; i++)
		hand_over(m, &m->waiting.data[i], cb, arg);
	return m->lost;
}
